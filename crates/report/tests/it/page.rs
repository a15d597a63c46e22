//! What a rendered page holds, read back as a reader or a script would.

use ontogeny_report::{ReplicaReport, ReportInput, render};
use ontogeny_results::stages::{Stage, StageName};
use ontogeny_results::table::MeasureRow;
use serde_json::Value;

use crate::fixture;
use crate::reading::{between, data, keep, text};

#[test]
fn the_stages_of_one_replica_read_without_scripts() {
    let page = render(&fixture::run(1));
    keep("one.html", &page);
    let header = text(between(&page, "<header>", "</header>"));
    assert!(
        header.contains(
            "Three stages in 4k steps: bigram 12–794 , n-gram 794–1.3k , induction 1.3k–2.6k ."
        ),
        "{header}"
    );
    assert!(
        header.contains("41.2k parameters each") || header.contains("parameters each 41.2k"),
        "{header}"
    );
    let table = between(&page, "<table class=\"stages\">", "</table>");
    let rows: Vec<String> = table
        .split("<tr")
        .skip(2)
        .map(|row| text(&format!("<tr{row}")))
        .collect();
    assert_eq!(
        rows,
        [
            "1 bigram 12 – 794 start 8–17, end 640–905 −2.04 +74.3 bigram 0.22 – Divergence from the \
             bigram oracle falls to its least, .22 nats, where the stage ends.",
            "2 n-gram 794 – 1.3k start 640–905, end 1.1k–1.4k −0.18 +31.2 trigram 0.30 previous-token: \
             0.1 0.21→0.63 , 0.3 0.08→0.20 The output leaves the bigram oracle and nears the trigram \
             oracle.",
            "3 induction 1.3k – 2.6k start 1.1k–1.4k, end 2.4k–2.9k −0.37 +50.8 in-context 0.15 \
             induction: 1.2 0.18→0.79 , 1.0 0.05→0.40 recurrence: 1.2 0.16→0.71 Loss at repeated \
             triggers falls to .19, below the 1.74 of the bag-of-context oracle.",
        ]
    );
    let provenance = text(between(&page, "<section id=\"provenance\">", "</section>"));
    for part in [
        "Device CPU (Flex, 2 threads)",
        "Durations training 38 s, analysis 2 min 11 s (measuring 2 min 8 s, finding stages 2.0 s), report 0.1 s",
        "SGLD, ε = 3e−4, nβ = 100, γ = 100, 4 chains of 150 draws, the first 50 of each left out",
        "Configuration hash 9f2c4d1a7b3e",
        "ontogeny run configs/induction.toml --device cpu",
        "kind = &quot;ngram_induction&quot;",
    ] {
        assert!(provenance.contains(part), "{part} in {provenance}");
    }
}

#[test]
fn the_ends_of_stages_are_compared_with_the_caveats_beneath() {
    let page = render(&fixture::run(1));
    let section = between(&page, "<section id=\"selection\">", "</section>");
    let rows: Vec<String> = section
        .split("<tr")
        .skip(2)
        .map(|row| text(&format!("<tr{row}")))
        .collect();
    assert_eq!(
        rows[0],
        "1 bigram 12 → 794 −131 +74.3 ± 1.20 the later at every n –"
    );
    assert!(
        rows[1].starts_with(
            "2 n-gram 794 → 1.3k −1.52 +31.2 ± 0.90 the earlier, then the later 94.3 84.0–105"
        ),
        "{}",
        rows[1]
    );
    assert!(rows[1].contains("mid-training are not") && rows[1].contains("of 90 %"));
}

#[test]
fn the_data_of_a_full_run_leave_no_chart_out() {
    let data = data(&render(&fixture::run(1)));
    let replica = &data["replicas"][0];
    let checkpoints = fixture::checkpoint_steps().len();
    assert!(checkpoints >= 45, "{checkpoints}");
    assert_eq!(replica["absent"], serde_json::json!({}));
    assert_eq!(replica["steps"].as_array().map(Vec::len), Some(checkpoints));
    for (name, column) in replica["values"].as_object().expect("columns by name") {
        assert_eq!(column.as_array().map(Vec::len), Some(checkpoints), "{name}");
    }
    let training = replica["training"]["loss"]
        .as_array()
        .expect("the training series");
    assert!(
        (200..=400).contains(&training.len()),
        "{} points of 4000",
        training.len()
    );
    assert_eq!(replica["stages"][2]["name"], "induction");
    assert_eq!(
        replica["boundaries"][0],
        serde_json::json!([794.0, 640.0, 905.0])
    );
}

#[test]
fn several_replicas_are_counted_listed_and_embedded() {
    let mut input = fixture::run(5);
    input.replicas[3].frozen = Some("the loss was not finite at step 2210".into());
    input.warnings.push("One replica was frozen.".into());
    let page = render(&input);
    keep("five.html", &page);
    let header = text(between(&page, "<header>", "</header>"));
    assert!(
        header.contains("bigram in 5 of 5 replicas (17–1.1k)"),
        "{header}"
    );
    // Two of the five inductions do not end within the run.
    assert!(
        header.contains("induction in 5 of 5 (1.9k–3.7k)"),
        "{header}"
    );
    assert!(header.contains("1 of 5 replicas was frozen."), "{header}");
    let table = between(&page, "<table class=\"stages\">", "</table>");
    assert_eq!(table.matches("<tbody>").count(), 5);
    assert_eq!(table.matches("<tr class=\"stage induction\">").count(), 5);
    assert_eq!(table.matches("end of run").count(), 2);
    let fourth = text(table.split("<tbody>").nth(4).expect("five groups of rows"));
    assert!(
        fourth.starts_with(
            "base-s3 arm base, seed 3 Frozen during training: the loss was not finite"
        ),
        "{fourth}"
    );
    let data = data(&page);
    assert_eq!(data["replicas"].as_array().map(Vec::len), Some(5));
    assert_eq!(
        data["replicas"][3]["frozen"],
        "the loss was not finite at step 2210"
    );
    assert_eq!(data["replicas"][4]["stages"][2]["end"], Value::Null);
}

#[test]
fn many_replicas_fit_one_page() {
    let input = fixture::run(24);
    let page = render(&input);
    keep("many.html", &page);
    assert_eq!(data(&page)["replicas"].as_array().map(Vec::len), Some(24));
    // Columns, rounding and thinning keep two dozen replicas below what a browser opens at once.
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
}

#[test]
fn missing_measures_leave_a_sentence_instead_of_a_chart() {
    let mut input = fixture::run(1);
    input.estimator = None;
    let replica = &mut input.replicas[0];
    replica.training.clear();
    for row in &mut replica.rows {
        row.vectors.clear();
        row.values
            .retain(|name, _| name == "loss" || name == "divergence.bigram");
    }
    replica.stages.smooth.clear();
    replica.stages.stages = vec![Stage {
        name: StageName::Bigram,
        start: 3.0,
        ..Stage::default()
    }];
    let page = render(&input);
    keep("missing.html", &page);
    let data = data(&page);
    let absent = data["replicas"][0]["absent"]
        .as_object()
        .expect("sentences by chart");
    for chart in [
        "llc",
        "triggers",
        "icl",
        "previous_token",
        "induction",
        "recurrence",
        "positions",
    ] {
        let sentence = absent
            .get(chart)
            .and_then(Value::as_str)
            .unwrap_or_default();
        assert!(sentence.ends_with('.'), "{chart}: {sentence}");
    }
    assert!(!absent.contains_key("loss") && !absent.contains_key("divergence"));
    let row = text(between(&page, "<tr class=\"stage bigram\">", "</tr>"));
    assert_eq!(row, "1 bigram 3 – end of run start 0–0 0.00 – – – –");
    assert!(!page.contains("Estimator of λ̂"));
}

#[test]
fn a_page_of_nothing_is_still_a_page() {
    let page = render(&ReportInput::default());
    let header = text(between(&page, "<header>", "</header>"));
    assert!(
        header.starts_with("Report The run has no replicas."),
        "{header}"
    );
    let rowless = ReportInput {
        replicas: vec![ReplicaReport {
            rows: vec![MeasureRow::default()],
            ..ReplicaReport::default()
        }],
        ..ReportInput::default()
    };
    let page = render(&rowless);
    keep("empty.html", &page);
    assert!(page.contains("No stage was found."));
    assert_eq!(data(&page)["replicas"][0]["steps"], serde_json::json!([0]));
}

#[test]
fn the_input_survives_a_round_trip() {
    let input = fixture::run(2);
    let json = serde_json::to_string(&input).expect("the input is plain data");
    let back: ReportInput = serde_json::from_str(&json).expect("and reads back");
    assert_eq!(back, input);
}
