//! The section of estimates, as HTML that reads without scripts.

use std::fmt::Write as _;

use crate::ReportInput;
use crate::estimate::{Estimate, Word, are_judged, component_label, estimates};
use crate::html::escape;
use crate::number::{MISSING, change, compact, figure, grouped, share, small};

/// Most rows of a table that is not folded.
const ROWS_OPEN: usize = 12;

/// What the columns mean.
const CAPTION: &str = "The error is the larger of two standard errors: over the chains, and from the \
    draws’ autocorrelation. R̂ is 1 where the chains agree. Drift is the change of λ̂ from the earlier half of the draws \
    to the later. Acceptance is how often Metropolis and Hastings would accept a step; the temperature is 1 in \
    equilibrium. |∇L| is the norm of the gradient at the checkpoint w*.";

/// The section: how many estimates can be trusted, and every estimate with its verdict. Nothing at
/// all for a table without verdicts.
pub(crate) fn section(input: &ReportInput) -> String {
    let mut html = String::new();
    if !are_judged(input) {
        return html;
    }
    html.push_str("<section id=\"estimates\">\n<h2>Estimates</h2>\n");
    for replica in &input.replicas {
        let all: Vec<Estimate<'_>> = estimates(replica);
        if all.is_empty() {
            continue;
        }
        if input.replicas.len() > 1 {
            let _ = writeln!(html, "<h3>{}</h3>", escape(&replica.name));
        }
        listing(&mut html, &all);
    }
    let _ = writeln!(html, "<p class=\"caption\">{CAPTION}</p>\n</section>");
    html
}

/// The summary and the table of one replica. A long table is folded; what lies below zero then
/// stands above it as well, since no learning coefficient does and a reader who sees one in the
/// chart should not have to look for why.
fn listing(html: &mut String, all: &[Estimate<'_>]) {
    let everything: Vec<&Estimate<'_>> = all.iter().collect();
    let parted = all.iter().any(|e| e.component != all[0].component);
    let _ = writeln!(html, "<p class=\"counts\">{}</p>", summary(all));
    if all.len() <= ROWS_OPEN {
        table(html, &everything, parted);
        return;
    }
    let is_negative = |e: &&Estimate<'_>| e.figure("llc").is_some_and(|llc| llc < 0.0);
    let negative: Vec<&Estimate<'_>> = all.iter().filter(is_negative).collect();
    if !negative.is_empty() {
        html.push_str("<p class=\"below\">Below zero:</p>\n");
        table(html, &negative[..negative.len().min(ROWS_OPEN)], parted);
        if let Some(more @ 1..) = negative.len().checked_sub(ROWS_OPEN) {
            let _ = writeln!(
                html,
                "<p class=\"caption\">{more} more of them in the table.</p>"
            );
        }
    }
    let count = grouped(all.len() as u64);
    let _ = writeln!(
        html,
        "<details class=\"fold\"><summary>All {count} estimates</summary>"
    );
    table(html, &everything, parted);
    html.push_str("</details>\n");
}

/// How many estimates there are of each verdict.
fn summary(all: &[Estimate<'_>]) -> String {
    let counts = [Word::Ok, Word::Suspect, Word::Failed].map(|word| {
        let count = all.iter().filter(|e| e.word == Some(word)).count();
        format!(
            "<span class=\"word {0}\">{1} {0}</span>",
            word.text(),
            grouped(count as u64)
        )
    });
    let plural = if all.len() == 1 { "" } else { "s" };
    format!(
        "{} estimate{plural} of λ̂: {}",
        grouped(all.len() as u64),
        counts.join(", ")
    )
}

/// The columns of figures: heading, label on a narrow screen, name in the table, and how it is
/// written.
type Column = (&'static str, &'static str, &'static str, fn(f64) -> String);
const COLUMNS: [Column; 6] = [
    ("R̂", "R̂", "llc_r_hat", figure),
    (
        "Effective draws",
        "effective draws",
        "llc_effective_draws",
        compact,
    ),
    ("Drift", "drift", "llc_drift", change),
    ("Acceptance", "acceptance", "llc_acceptance", share),
    ("Temperature", "temperature", "llc_temperature", share),
    ("|∇L|", "|∇L|", "llc_gradient_norm", small),
];

fn table(html: &mut String, estimates: &[&Estimate<'_>], parted: bool) {
    html.push_str(
        "<div class=\"scroll\"><table class=\"estimates\"><thead><tr>\
         <th scope=\"col\" class=\"num\">Step</th>",
    );
    if parted {
        html.push_str("<th scope=\"col\">Component</th>");
    }
    html.push_str("<th scope=\"col\" class=\"num\">λ̂ ± error</th>");
    for (heading, ..) in COLUMNS {
        let _ = write!(html, "<th scope=\"col\" class=\"num\">{heading}</th>");
    }
    html.push_str("<th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n");
    for estimate in estimates {
        row(html, estimate, parted);
    }
    html.push_str("</tbody></table></div>\n");
}

fn row(html: &mut String, estimate: &Estimate<'_>, parted: bool) {
    let missing = || MISSING.to_owned();
    let llc = estimate.figure("llc").map_or_else(missing, figure);
    let error = estimate.error().map_or_else(String::new, |error| {
        format!(" <span class=\"aside\">± {}</span>", figure(error))
    });
    let _ = write!(
        html,
        "<tr><th scope=\"row\" class=\"num\">{}</th>",
        grouped(estimate.step)
    );
    if parted {
        let label = component_label(estimate.component);
        let _ = write!(html, "<td class=\"part\">{}</td>", escape(&label));
    }
    let _ = write!(html, "<td class=\"num llc\">{llc}{error}</td>");
    for (_, label, name, written) in COLUMNS {
        let text = estimate.figure(name).map_or_else(missing, written);
        let _ = write!(html, "<td class=\"num\" data-label=\"{label}\">{text}</td>");
    }
    let word = estimate.word.map_or_else(missing, |word| {
        format!("<span class=\"word {0}\">{0}</span>", word.text())
    });
    let reason = match estimate.reason {
        "" => String::new(),
        reason => format!(" <span class=\"reason\">{}</span>", escape(reason)),
    };
    let _ = writeln!(html, "<td class=\"why\">{word}{reason}</td></tr>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReplicaReport;
    use ontogeny_results::table::MeasureRow;

    fn row(step: u64, llc: f64, word: &str, reason: &str) -> MeasureRow {
        let words = [("llc_verdict", word), ("llc_reason", reason)];
        MeasureRow {
            step,
            values: [("llc".to_owned(), llc), ("llc_se".to_owned(), 0.5)].into(),
            words: words.map(|(n, w)| (n.to_owned(), w.to_owned())).into(),
            ..MeasureRow::default()
        }
    }

    fn html(rows: Vec<MeasureRow>) -> String {
        section(&ReportInput {
            replicas: vec![ReplicaReport {
                rows,
                ..ReplicaReport::default()
            }],
            ..ReportInput::default()
        })
    }

    #[test]
    fn no_words_no_section() {
        let mut rows = vec![row(0, 1.0, "ok", "fine"), row(1, 2.0, "ok", "fine")];
        for row in &mut rows {
            row.words.clear();
        }
        assert_eq!(html(rows), "");
    }

    #[test]
    fn a_suspect_row_shows_its_reason() {
        let html = html(vec![
            row(0, 24.0, "ok", "the draws agree"),
            row(7, 26.0, "suspect", "the chains disagree (R̂ > 1.2)"),
        ]);
        assert!(html.contains("2 estimates of λ̂: <span class=\"word ok\">1 ok</span>, "));
        assert!(html.contains("1 suspect</span>, <span class=\"word failed\">0 failed"));
        assert!(html.contains(
            "<span class=\"word suspect\">suspect</span> \
             <span class=\"reason\">the chains disagree (R̂ &gt; 1.2)</span>"
        ));
        assert!(html.contains("26.0 <span class=\"aside\">± 0.50</span>"));
        // Short, and of the whole network alone: neither folded nor with a column of components.
        assert!(!html.contains("<details") && !html.contains("Component"));
    }

    #[test]
    fn a_long_table_is_folded_and_keeps_why_an_estimate_is_negative_in_sight() {
        let mut rows: Vec<MeasureRow> = (0..13).map(|k| row(k, 9.0, "ok", "fine")).collect();
        rows.push(row(13, -4.0, "failed", "negative, since w* is no minimum"));
        let html = html(rows);
        let fold = html.find("<details").expect("the table is folded");
        assert!(html[fold..].starts_with("<details class=\"fold\"><summary>All 14 estimates"));
        assert_eq!(
            html[..fold].matches("<tr>").count(),
            2,
            "heading and one row"
        );
        assert!(html[..fold].contains("−4.00") && html[..fold].contains("w* is no minimum"));
        assert_eq!(html[fold..].matches("<tr>").count(), 15);
    }

    #[test]
    fn a_part_of_the_network_adds_the_column_of_components() {
        let mut both = row(0, 24.0, "ok", "fine");
        both.values.insert("llc.head:0.1".into(), 3.0);
        both.values.insert("llc_acceptance.head:0.1".into(), 0.871);
        both.words
            .insert("llc_verdict.head:0.1".into(), "failed".into());
        let html = html(vec![both]);
        assert!(html.contains("<td class=\"part\">whole network</td>"));
        assert!(html.contains("<td class=\"part\">head 0.1</td>"));
        assert!(html.contains("data-label=\"acceptance\">0.87</td>"));
        // No figure, no reason: dashes and the bare word.
        assert!(html.contains("data-label=\"R̂\">–</td>"));
        assert!(html.contains("<span class=\"word failed\">failed</span></td>"));
    }
}
