//! The curves of Hoogland et al. (arXiv 2402.02364), against the stage ends that the paper reads
//! off by eye.

use std::collections::BTreeMap;

use super::super::{StageName, StageReport, StageSettings, View, detect};
use crate::table::MeasureRow;

const LANGUAGE_MODEL: &str = include_str!("../../../tests/data/language_model_2layer.csv");
const REGRESSION: &str = include_str!("../../../tests/data/icl_regression_seed1.csv");

/// The rows of a published file. The spread that stands beside λ̂ is not its error and is left out.
fn rows(csv: &str) -> Vec<MeasureRow> {
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let mut values = BTreeMap::new();
        let mut step = 0;
        for (&column, text) in head.iter().zip(line.split(',')) {
            let name = match column {
                "step" => {
                    step = text.parse().unwrap();
                    continue;
                }
                "llc_spread" => continue,
                "llc_mean" => "llc",
                "bigram_score" => "cross_entropy.bigram",
                "previous_token_0_1" => "previous_token.0.1",
                "previous_token_0_4" => "previous_token.0.4",
                "prefix_matching_1_6" => "induction.1.6",
                "prefix_matching_1_7" => "induction.1.7",
                other => other,
            };
            if let Ok(value) = text.parse::<f64>()
                && value.is_finite()
            {
                values.insert(name.to_owned(), value);
            }
        }
        let replica = "published".to_owned();
        MeasureRow {
            step,
            tokens: 0,
            replica,
            values,
            vectors: BTreeMap::new(),
            words: BTreeMap::new(),
        }
    };
    lines.map(row).collect()
}

fn found(csv: &str) -> StageReport {
    let report = detect(&rows(csv), &StageSettings::default()).unwrap();
    for b in &report.boundaries {
        println!(
            "{:.0} [{:.0}, {:.0}] {:.3} {:?}",
            b.at, b.lo, b.hi, b.evidence, b.views
        );
    }
    for s in &report.stages {
        println!(
            "{:?} {:.0} {:?} {:.2} {:?} {}",
            s.name, s.start, s.end, s.delta_loss, s.delta_llc, s.why
        );
    }
    report
}

/// Which of the ends read by eye lie in the interval of a boundary, widened by `factor` on either
/// side: the paper gives one or two digits.
fn matched(report: &StageReport, ends: &[f64], factor: f64) -> Vec<f64> {
    // The paper reads λ̂, so where λ̂ shows a boundary its own place counts, whatever the loss
    // says.
    let near = |end: f64| {
        report.boundaries.iter().any(|b| {
            let own = b.places.iter().find(|p| p.view == "complexity");
            let (lo, hi) = own.map_or((b.lo, b.hi), |p| (p.lo, p.hi));
            lo / factor <= end && end <= hi * factor
        })
    };
    ends.iter().copied().filter(|&end| near(end)).collect()
}

/// Steps at which λ̂ itself is slowest: what the authors read are zeros of its slope.
fn slowest(report: &StageReport) -> Vec<f64> {
    let places = report.boundaries.iter().flat_map(|b| &b.places);
    places
        .filter(|p| p.view == "complexity")
        .map(|p| p.slowest)
        .collect()
}

#[test]
fn the_language_models_four_boundaries_are_found() {
    let report = found(LANGUAGE_MODEL);
    assert_eq!(
        matched(&report, &[900.0, 6500.0, 8500.0, 17_000.0], 1.05).len(),
        4
    );
    let slowest = slowest(&report);
    assert_eq!(slowest.len(), 4, "{slowest:?}");
    for (at, read) in slowest.iter().zip([900.0, 6500.0, 8500.0, 17_000.0]) {
        assert!((at / read - 1.0).abs() < 0.1, "{at} {read}");
    }
    // The paper's table of Δλ̂.
    assert_eq!(report.stages.len(), 5);
    for (stage, expected) in report.stages.iter().zip([26.4, 22.5, -1.57, 8.62, 1.77]) {
        assert!(
            (stage.delta_llc.unwrap() - expected).abs() < 0.3,
            "{expected}: {stage:?}"
        );
    }
    assert_eq!(
        report.stages[0].name,
        StageName::Bigram,
        "{}",
        report.stages[0].why
    );
    assert!(report.stages.iter().all(|s| s.name != StageName::Induction));
}

#[test]
fn three_of_the_regressions_four_boundaries_are_found() {
    let report = found(REGRESSION);
    // The first is read as 1k; the slope of λ̂ is least at 1.2k.
    let matched = matched(&report, &[1000.0, 40_000.0, 126_000.0, 320_000.0], 1.2);
    assert_eq!(matched, [1000.0, 40_000.0, 126_000.0]);
    assert!(report.boundaries.len() <= 6, "{}", report.boundaries.len());
    assert!(report.stages.iter().all(|s| s.name == StageName::Unnamed));
}

#[test]
fn a_boundary_of_complexity_alone_is_attributed_to_it() {
    let views = vec![View {
        name: "complexity".into(),
        curves: vec!["llc".into()],
        falling: false,
    }];
    let settings = StageSettings {
        views,
        ..StageSettings::default()
    };
    let report = detect(&rows(LANGUAGE_MODEL), &settings).unwrap();
    assert_eq!(
        matched(&report, &[900.0, 6500.0, 8500.0, 17_000.0], 1.05).len(),
        4
    );
    assert!(report.boundaries.iter().all(|b| b.views == ["complexity"]));
}
