//! Verdicts over estimates and λ̂ of parts of the network, read back.

use ontogeny_report::{ReportInput, render};
use ontogeny_results::table::MeasureRow;
use serde_json::{Value, json};

use crate::fixture;
use crate::reading::{between, data, keep, text};

/// The example run with verdicts: suspect at the start, and with these parts estimated at every
/// fourth checkpoint.
fn judged(components: &[&str]) -> ReportInput {
    let mut input = fixture::run(1);
    for (index, row) in input.replicas[0].rows.iter_mut().enumerate() {
        if index < 6 {
            verdict(row, "", "suspect", "the chains disagree (R̂ = 1.31)");
        } else {
            verdict(row, "", "ok", "the draws agree with each other");
        }
        let llc = row.values["llc"];
        for (k, component) in components.iter().enumerate().filter(|_| index % 4 == 0) {
            let share = (k + 1) as f64 / 40.0;
            for (name, value) in [("llc", llc * share), ("llc_se", 0.4 + llc * share / 30.0)] {
                row.values.insert(format!("{name}.{component}"), value);
            }
            verdict(row, &format!(".{component}"), "ok", "");
        }
    }
    input
}

fn verdict(row: &mut MeasureRow, of: &str, word: &str, reason: &str) {
    row.words.insert(format!("llc_verdict{of}"), word.into());
    row.words.insert(format!("llc_reason{of}"), reason.into());
}

#[test]
fn verdicts_are_marked_counted_and_told() {
    let mut input = judged(&[]);
    let rows = &mut input.replicas[0].rows;
    rows[20].values.insert("llc".into(), -9.0);
    let reason = "negative, since 93 % of the draws have a lower loss than w*";
    verdict(&mut rows[20], "", "failed", reason);
    // All chains died: a verdict without a figure.
    rows[21].values.remove("llc");
    verdict(&mut rows[21], "", "failed", "all 4 chains left");
    let step = rows[20].step;
    let page = render(&input);
    keep("estimates.html", &page);
    let section = between(&page, "<section id=\"estimates\">", "</section>");
    let in_sight = text(between(section, "<section", "<details"));
    let total = fixture::checkpoint_steps().len();
    let counts = format!(
        "{total} estimates of λ̂: {} ok , 6 suspect , 2 failed",
        total - 8
    );
    assert!(in_sight.contains(&counts), "{in_sight}");
    assert!(in_sight.contains(&format!("{step} −9.00")), "{in_sight}");
    assert!(in_sight.ends_with(reason), "{in_sight}");
    assert_eq!(section.matches("R̂ = 1.31").count(), 6);
    let data = data(&page);
    let flaws = data["replicas"][0]["flaws"]["llc"].as_array();
    assert_eq!(flaws.map(Vec::len), Some(8));
    assert_eq!(
        flaws.and_then(|all| all.last()),
        Some(&json!({ "at": 21, "word": "failed", "reason": "all 4 chains left" }))
    );
    assert!(data["replicas"][0].get("parts").is_none());
}

#[test]
fn parts_are_charted_with_their_errors() {
    let parts = [
        "layer:0", "embed", "head:0.0", "head:0.1", "head:0.2", "head:0.3", "head:1.0", "head:1.1",
        "head:1.2", "head:1.3",
    ];
    let page = render(&judged(&parts));
    keep("parts.html", &page);
    let replica = &data(&page)["replicas"][0];
    let of: Vec<&Value> = replica["parts"]
        .as_array()
        .expect("charts of parts")
        .iter()
        .map(|chart| &chart["of"])
        .collect();
    assert_eq!(
        of,
        ["all but heads", "heads 0.0 to 0.3", "heads 1.0 to 1.3"]
    );
    assert!(replica["values"]["llc_se.head:1.3"][0].is_f64());
    assert_eq!(replica["values"]["llc.head:1.3"][1], Value::Null);
    let table = between(&page, "<table class=\"estimates\">", "</table>");
    assert!(text(table).contains("Component"));
    assert!(table.contains("<td class=\"part\">head 1.3</td>"));
}

#[test]
fn a_run_without_verdicts_has_no_such_section() {
    let page = render(&fixture::run(2));
    assert!(!page.contains("<section id=\"estimates\">"));
    let data = data(&page);
    for replica in data["replicas"].as_array().expect("replicas") {
        assert!(replica.get("flaws").is_none() && replica.get("parts").is_none());
    }
}
