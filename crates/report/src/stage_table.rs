//! The table of stages, as HTML that reads without scripts.

use std::fmt::Write as _;

use ontogeny_results::stages::{HeadRise, Stage};

use crate::html::escape;
use crate::number::{MISSING, change, compact, figure, share};
use crate::verdict::{chip, class, oracle_label};
use crate::{ReplicaReport, ReportInput};

/// Heads of one score that a cell lists before it says how many more there are.
const HEADS_LISTED: usize = 3;

/// The table: one group of rows for each replica. On a narrow screen each row becomes a card, which
/// is what the `data-label` of each cell is for.
pub(crate) fn stage_table(input: &ReportInput) -> String {
    let mut html = String::from(
        "<table class=\"stages\"><thead><tr><th scope=\"col\">Stage</th><th scope=\"col\">Steps</th>\
         <th scope=\"col\" class=\"num\">Δ loss</th><th scope=\"col\" class=\"num\">Δ λ̂</th>\
         <th scope=\"col\">Nearest oracle</th><th scope=\"col\">Heads that rose</th>\
         <th scope=\"col\">Why</th></tr></thead>\n",
    );
    for replica in &input.replicas {
        replica_rows(&mut html, replica, input.replicas.len() > 1);
    }
    html.push_str("</table>\n");
    html
}

fn replica_rows(html: &mut String, replica: &ReplicaReport, named: bool) {
    html.push_str("<tbody>\n");
    if named {
        let arm = match replica.arm.as_str() {
            "" => String::new(),
            arm => format!(
                " <span class=\"aside\">arm {}, seed {}</span>",
                escape(arm),
                replica.seed
            ),
        };
        let _ = writeln!(
            html,
            "<tr class=\"replica\"><th colspan=\"7\" scope=\"rowgroup\">{}{arm}</th></tr>",
            escape(&replica.name)
        );
    }
    if let Some(reason) = &replica.frozen {
        let _ = writeln!(
            html,
            "<tr class=\"frozen\"><td colspan=\"7\">Frozen during training: {}</td></tr>",
            escape(reason)
        );
    }
    if replica.stages.stages.is_empty() {
        html.push_str("<tr class=\"none\"><td colspan=\"7\">No stage was found.</td></tr>\n");
    }
    for (index, stage) in replica.stages.stages.iter().enumerate() {
        stage_row(html, index + 1, stage);
    }
    html.push_str("</tbody>\n");
}

fn stage_row(html: &mut String, number: usize, stage: &Stage) {
    let nearest = match &stage.nearest_oracle {
        Some((oracle, divergence)) => format!(
            "{} <span class=\"aside\">{}</span>",
            escape(&oracle_label(oracle)),
            figure(*divergence)
        ),
        None => MISSING.to_owned(),
    };
    let _ = writeln!(
        html,
        "<tr class=\"stage {}\"><th scope=\"row\"><span class=\"number\">{number}</span>{}</th>\
         <td data-label=\"Steps\"><div>{}</div></td>\
         <td class=\"num\" data-label=\"Δ loss\"><div>{}</div></td>\
         <td class=\"num\" data-label=\"Δ λ̂\"><div>{}</div></td>\
         <td data-label=\"Nearest oracle\"><div>{nearest}</div></td>\
         <td data-label=\"Heads that rose\"><div>{}</div></td>\
         <td class=\"why\" data-label=\"Why\"><div>{}</div></td></tr>",
        class(stage.name),
        chip(stage.name),
        steps(stage),
        change(stage.delta_loss),
        stage.delta_llc.map_or(MISSING.to_owned(), change),
        heads(&stage.heads_rising),
        if stage.why.is_empty() {
            MISSING.into()
        } else {
            escape(&stage.why)
        },
    );
}

/// Where the stage starts and ends, and below it the intervals of both.
fn steps(stage: &Stage) -> String {
    let interval = |lo: f64, hi: f64| format!("{}–{}", compact(lo), compact(hi));
    let start = interval(stage.start_lo, stage.start_hi);
    match stage.end {
        Some(end) => {
            let (lo, hi) = (stage.end_lo.unwrap_or(end), stage.end_hi.unwrap_or(end));
            format!(
                "<span class=\"span\">{} – {}</span><small>start {start}, end {}</small>",
                compact(stage.start),
                compact(end),
                interval(lo, hi)
            )
        }
        None => format!(
            "<span class=\"span\">{} – end of run</span><small>start {start}</small>",
            compact(stage.start)
        ),
    }
}

/// The heads that rose, by score, the largest rise first.
fn heads(rising: &[HeadRise]) -> String {
    if rising.is_empty() {
        return MISSING.to_owned();
    }
    let mut scores: Vec<&str> = rising.iter().map(|rise| rise.score.as_str()).collect();
    scores.dedup();
    scores.sort_unstable();
    scores.dedup();
    let mut html = String::new();
    for score in scores {
        let mut heads: Vec<&HeadRise> = rising.iter().filter(|rise| rise.score == score).collect();
        heads.sort_by(|a, b| (b.to - b.from).total_cmp(&(a.to - a.from)));
        let listed: Vec<String> = heads
            .iter()
            .take(HEADS_LISTED)
            .map(|rise| {
                format!(
                    "<span class=\"span\"><b>{}</b> <span class=\"aside\">{}→{}</span></span>",
                    escape(&rise.head),
                    share(rise.from),
                    share(rise.to)
                )
            })
            .collect();
        let more = match heads.len().saturating_sub(HEADS_LISTED) {
            0 => String::new(),
            more => format!(", {more} more"),
        };
        let _ = write!(
            html,
            "<span class=\"heads\">{}: {}{more}</span>",
            escape(&score.replace('_', "-")),
            listed.join(", ")
        );
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise(head: &str, score: &str, to: f64) -> HeadRise {
        HeadRise {
            head: head.into(),
            score: score.into(),
            from: 0.1,
            to,
        }
    }

    #[test]
    fn heads_are_grouped_by_score_and_sorted_by_their_rise() {
        let html = heads(&[
            rise("1.0", "induction", 0.3),
            rise("0.2", "previous_token", 0.9),
            rise("1.2", "induction", 0.8),
            rise("1.1", "induction", 0.4),
            rise("1.3", "induction", 0.2),
        ]);
        let first = html.find("<b>1.2</b>").expect("the largest rise is listed");
        let second = html
            .find("<b>1.1</b>")
            .expect("the second largest is listed");
        assert!(first < second);
        assert!(html.contains(", 1 more") && !html.contains("<b>1.3</b>"));
        assert_eq!(html.matches("class=\"heads\"").count(), 2);
        assert!(html.contains("previous-token: <span class=\"span\"><b>0.2</b>"));
    }

    #[test]
    fn an_unfinished_stage_says_so() {
        let stage = Stage {
            start: 1_300.0,
            start_lo: 1_100.0,
            start_hi: 1_400.0,
            ..Stage::default()
        };
        let html = steps(&stage);
        assert!(
            html.contains("1.3k – end of run") && html.contains("start 1.1k–1.4k"),
            "{html}"
        );
    }
}
