//! Which end of each stage a posterior prefers, as HTML that reads without scripts.

use std::fmt::Write as _;

use ontogeny_results::stages::StageName;

use crate::html::escape;
use crate::number::{MISSING, change, compact, figure, share};
use crate::verdict::chip;
use crate::{ReplicaReport, ReportInput, Selection};

/// How to read the table.
const CAPTION: &str = "Each row compares the checkpoint nearest to a stage’s start with the one nearest to its end. At n \
    sequences the log-odds of the earlier over the later are n·Δℓ + ln n·Δλ̂, with Δℓ the change of a whole sequence’s loss, in \
    nats. Where the later one is more accurate and more complex, a Bayesian posterior prefers the earlier up to the critical n.";

/// What has to be known to believe it.
const CAVEATS: &str = "Both ends are taken for minima of the population’s loss, which checkpoints in mid-training are not. λ̂ is \
    relative: it moves with nβ and γ, and the critical n with it. The intervals hold the error of Δλ̂, paired over the \
    chains, and not that of Δℓ; <code>ontogeny select</code> has both.";

/// The section: nothing at all where no stage has an estimate at both ends.
pub(crate) fn section(input: &ReportInput) -> String {
    let mut html = String::new();
    if input.replicas.iter().all(|r| r.selection.is_empty()) {
        return html;
    }
    html.push_str(
        "<section id=\"selection\">\n<h2>Selection between stages</h2>\n<div class=\"scroll\">\n\
         <table class=\"stages selection\"><thead><tr><th scope=\"col\">Stage</th>\
         <th scope=\"col\">Checkpoints</th><th scope=\"col\" class=\"num\">Δℓ of a sequence</th>\
         <th scope=\"col\" class=\"num\">Δλ̂</th><th scope=\"col\">Preferred</th>\
         <th scope=\"col\" class=\"num\">Critical n, sequences</th></tr></thead>\n",
    );
    for replica in input.replicas.iter().filter(|r| !r.selection.is_empty()) {
        html.push_str("<tbody>\n");
        if input.replicas.len() > 1 {
            let _ = writeln!(
                html,
                "<tr class=\"replica\"><th colspan=\"6\" scope=\"rowgroup\">{}</th></tr>",
                escape(&replica.name)
            );
        }
        for selection in &replica.selection {
            row(&mut html, replica, selection);
        }
        html.push_str("</tbody>\n");
    }
    let level = match input.interval_level {
        level if level > 0.0 => format!(" Intervals are of {:.0} %.", 100.0 * level),
        _ => String::new(),
    };
    let _ = writeln!(
        html,
        "</table>\n</div>\n<p class=\"caption\">{CAPTION}</p>\n<p class=\"caption\">{CAVEATS}{level}</p>\n</section>"
    );
    html
}

fn row(html: &mut String, replica: &ReplicaReport, s: &Selection) {
    let stage = s
        .stage
        .checked_sub(1)
        .and_then(|k| replica.stages.stages.get(k));
    let name = stage.map_or(StageName::Unnamed, |stage| stage.name);
    let _ = writeln!(
        html,
        "<tr class=\"stage\"><th scope=\"row\"><span class=\"number\">{}</span>{}</th>\
         <td data-label=\"Checkpoints\"><div><span class=\"span\">{} → {}</span></div></td>\
         <td class=\"num\" data-label=\"Δℓ\"><div>{}</div></td>\
         <td class=\"num\" data-label=\"Δλ̂\"><div>{} ± {}</div></td>\
         <td data-label=\"Preferred\"><div>{}</div></td>\
         <td class=\"num\" data-label=\"Critical n\"><div>{}</div></td></tr>",
        s.stage,
        chip(name),
        compact(s.from as f64),
        compact(s.to as f64),
        change(s.delta_loss),
        change(s.delta_llc),
        figure(s.delta_llc_se),
        preferred(s),
        critical(s),
    );
}

fn preferred(s: &Selection) -> &'static str {
    match (s.critical.is_some(), s.later_in_the_end) {
        (true, true) => "the earlier, then the later",
        (true, false) => "the later, then the earlier",
        (false, true) => "the later at every n",
        (false, false) => "the earlier at every n",
    }
}

/// The critical n with its interval, and how sure it is that there is one.
fn critical(s: &Selection) -> String {
    let at = s.critical.map_or(MISSING.to_owned(), samples);
    let Some([lo, hi]) = s.critical_interval else {
        return at;
    };
    // Draws that have none are worth a word only where the figure above does not say the same.
    let sure = match (s.critical.is_some(), s.crossing) {
        (true, p) if p > 0.995 => String::new(),
        (false, p) if p < 0.005 => return at,
        (_, p) => format!(", probability {}", share(p)),
    };
    format!("{at}<small>{}–{}{sure}</small>", samples(lo), samples(hi))
}

/// A number of samples; small ones are no whole numbers here.
fn samples(n: f64) -> String {
    match n {
        n if n < 99.95 => figure(n),
        n if n < 1e12 => compact(n),
        _ => "> 10¹²".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure() -> Selection {
        Selection {
            stage: 1,
            critical: Some(1_340.0),
            critical_interval: Some([900.0, 2_000.0]),
            crossing: 1.0,
            later_in_the_end: true,
            ..Selection::default()
        }
    }

    #[test]
    fn a_critical_n_comes_with_its_interval_and_its_doubts() {
        assert_eq!(critical(&sure()), "1.3k<small>900–2k</small>");
        let doubtful = Selection {
            crossing: 0.7,
            ..sure()
        };
        assert!(critical(&doubtful).contains("probability 0.70"));
        let never = Selection {
            critical: None,
            crossing: 0.0,
            critical_interval: None,
            ..sure()
        };
        assert_eq!(critical(&never), MISSING);
        assert_eq!(preferred(&never), "the later at every n");
        assert_eq!(preferred(&sure()), "the earlier, then the later");
    }

    #[test]
    fn without_estimates_there_is_no_section() {
        let mut input = ReportInput {
            replicas: vec![ReplicaReport::default()],
            ..ReportInput::default()
        };
        assert_eq!(section(&input), "");
        input.replicas[0].selection = vec![sure()];
        let html = section(&input);
        assert!(html.contains("Selection between stages") && html.contains("mid-training"));
    }
}
