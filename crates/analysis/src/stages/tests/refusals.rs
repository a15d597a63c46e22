use super::super::{StageError, StageReport, StageSettings, View, detect};
use super::{Shape, log_steps, sigmoid, table};
use crate::table::MeasureRow;

fn rows(n: usize) -> Vec<MeasureRow> {
    let loss = |x: f64| 4.0 - sigmoid(x, 4.0, 0.5);
    let steps = &log_steps(40, 4000)[..n];
    table(
        steps,
        &[Shape {
            name: "loss",
            value: &loss,
            noise: &|_| 0.01,
        }],
        1,
    )
}

fn check(rows: &[MeasureRow]) -> Result<StageReport, StageError> {
    detect(rows, &StageSettings::default())
}

fn message(rows: &[MeasureRow]) -> String {
    check(rows).unwrap_err().to_string()
}

#[test]
fn too_few_checkpoints_are_refused_with_the_number_needed() {
    assert_eq!(
        check(&[]),
        Err(StageError::TooFewCheckpoints { have: 0, need: 8 })
    );
    let text = message(&rows(7));
    assert!(
        text.contains("7 checkpoint") && text.contains("at least 8"),
        "{text}"
    );
    assert_eq!(check(&rows(8)).unwrap().stages.len(), 1);
}

#[test]
fn unsorted_and_repeated_steps_are_refused() {
    let mut unsorted = rows(10);
    unsorted.swap(3, 4);
    assert!(matches!(check(&unsorted), Err(StageError::Unsorted { .. })));
    let mut repeated = rows(10);
    repeated[4].step = repeated[3].step;
    let text = message(&repeated);
    assert!(text.contains("each step once"), "{text}");
}

#[test]
fn rows_of_two_replicas_are_refused() {
    let mut mixed = rows(10);
    mixed[6].replica = "b".into();
    let text = message(&mixed);
    assert!(text.contains("`a`") && text.contains("`b`"), "{text}");
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let mut rows = rows(10);
    let step = rows[5].step;
    rows[5].values.insert("loss".into(), f64::NAN);
    let text = message(&rows);
    assert!(
        text.contains("`loss`") && text.contains(&format!("step {step}")),
        "{text}"
    );
}

#[test]
fn curves_that_no_view_knows_are_no_ground_for_stages() {
    let mut rows = rows(12);
    for row in &mut rows {
        row.values = [("weight_norm".to_owned(), row.step as f64)].into();
    }
    let text = message(&rows);
    assert!(
        text.contains("llc") && text.contains("trigger_loss.repeated"),
        "{text}"
    );
    let views = vec![View {
        name: "norms".into(),
        curves: vec!["weight*".into()],
        falling: false,
    }];
    let settings = StageSettings {
        views,
        ..StageSettings::default()
    };
    assert_eq!(
        detect(&rows, &settings).unwrap().smooth[0].name,
        "weight_norm"
    );
}

#[test]
fn a_constant_curve_is_one_stage_without_change() {
    let mut rows = rows(12);
    for row in &mut rows {
        row.values.insert("loss".into(), 2.5);
        row.values.insert("llc".into(), 0.0);
    }
    let report = check(&rows).unwrap();
    assert!(report.boundaries.is_empty());
    assert_eq!(report.stages.len(), 1);
    assert_eq!(
        (report.stages[0].delta_loss, report.stages[0].delta_llc),
        (0.0, Some(0.0))
    );
    assert!(
        report
            .smooth
            .iter()
            .all(|c| c.speed.iter().all(|&s| s == 0.0))
    );
}

#[test]
fn a_curve_measured_at_a_part_of_the_checkpoints_is_used_where_it_is() {
    let mut rows = rows(36);
    for row in rows.iter_mut().skip(5).step_by(2) {
        let x = (row.step as f64).ln_1p();
        row.values.insert("llc".into(), sigmoid(x, 5.0, 0.5));
    }
    let report = check(&rows).unwrap();
    let llc = report.smooth.iter().find(|c| c.name == "llc").unwrap();
    assert!((llc.steps[0] - rows[5].step as f64).abs() < 1e-6);
    assert!(report.stages[0].delta_llc.is_some());
}

#[test]
fn settings_out_of_range_are_refused_by_key() {
    let refuse = |settings: StageSettings, key: &str| {
        let text = detect(&rows(20), &settings).unwrap_err().to_string();
        assert!(text.contains(&format!("`{key}`")), "{text}");
    };
    let d = StageSettings::default;
    refuse(StageSettings { level: 1.0, ..d() }, "level");
    refuse(
        StageSettings {
            evidence: 0.0,
            ..d()
        },
        "evidence",
    );
    refuse(
        StageSettings {
            slowdown: f64::NAN,
            ..d()
        },
        "slowdown",
    );
    refuse(
        StageSettings {
            least_change: -0.1,
            ..d()
        },
        "least_change",
    );
    refuse(
        StageSettings {
            sure_change: f64::INFINITY,
            ..d()
        },
        "sure_change",
    );
    refuse(StageSettings { paths: 3, ..d() }, "paths");
    refuse(
        StageSettings {
            grid: 100_000,
            ..d()
        },
        "grid",
    );
    refuse(
        StageSettings {
            views: vec![],
            ..d()
        },
        "views",
    );
}

#[test]
fn settings_and_reports_keep_their_names_in_json() {
    let settings: StageSettings = serde_json::from_str(r#"{"level": 0.8}"#).unwrap();
    assert_eq!(
        settings,
        StageSettings {
            level: 0.8,
            ..StageSettings::default()
        }
    );
    let text = serde_json::from_str::<StageSettings>(r#"{"levle": 0.8}"#)
        .unwrap_err()
        .to_string();
    assert!(text.contains("levle"), "{text}");
    let report = serde_json::to_value(check(&rows(20)).unwrap()).unwrap();
    let stage = &report["stages"][0];
    assert_eq!(stage["name"], "unnamed");
    for key in [
        "start",
        "start_lo",
        "start_hi",
        "end",
        "end_lo",
        "end_hi",
        "delta_loss",
        "why",
    ] {
        assert!(stage.get(key).is_some(), "{key}");
    }
    assert!(stage["end"].is_null());
}
