//! What a table of anyone's does not have: curves that reach to its end, and names that say what is
//! an error.

use super::super::{ErrorMeasures, StageSettings, View, detect};
use super::{Shape, log_steps, sigmoid, table};
use crate::table::MeasureRow;

fn views(curves: &[&str]) -> Vec<View> {
    let view = |curve: &&str| View {
        name: (*curve).to_owned(),
        curves: vec![(*curve).to_owned()],
        falling: false,
    };
    curves.iter().map(view).collect()
}

/// Two curves with a boundary about step 147; `loss_se` is a third whose name looks like errors of
/// the second.
fn rows() -> Vec<MeasureRow> {
    let done = |x: f64| sigmoid(x, 3.0, 0.3) + sigmoid(x, 7.0, 0.3);
    let (llc, loss) = (move |x: f64| 30.0 * done(x), move |x: f64| 4.0 - done(x));
    let large = |x: f64| 3.0 + x;
    let shape = |name, value, noise| Shape { name, value, noise };
    let shapes = [
        shape("llc", &llc, &|_| 0.1),
        shape("loss", &loss, &|_| 0.004),
        shape("loss_se", &large, &|_| 0.0),
    ];
    table(&log_steps(50, 4000), &shapes, 1)
}

#[test]
fn a_curve_has_no_change_over_a_stage_that_it_ended_before() {
    let mut rows = rows();
    for row in rows.iter_mut().filter(|r| r.step > 100) {
        row.values.remove("llc");
    }
    let settings = StageSettings {
        views: views(&["llc", "loss"]),
        errors: ErrorMeasures::Named([].into()),
        ..StageSettings::default()
    };
    let report = detect(&rows, &settings).unwrap();
    let [first, last] = report.stages.as_slice() else {
        panic!("{:?}", report.boundaries)
    };
    assert!(first.end.is_some_and(|end| end > 100.0), "{first:?}");
    assert!((first.delta["llc"] - 30.0).abs() < 2.0, "{first:?}");
    assert!(first.delta_llc.is_some() && first.direction.is_some());
    assert!(!last.delta.contains_key("llc") && last.delta.contains_key("loss"));
    assert_eq!((last.delta_llc, last.direction), (None, None));
}

#[test]
fn a_curve_is_an_error_of_another_only_where_that_is_said() {
    let rows = rows();
    let with = |errors: ErrorMeasures, curves: &[&str]| {
        let settings = StageSettings {
            views: views(curves),
            errors,
            ..StageSettings::default()
        };
        let found = detect(&rows, &settings).unwrap().smooth;
        found.into_iter().find(|c| c.name == "loss").unwrap()
    };
    let none = || ErrorMeasures::Named([].into());
    let named = ErrorMeasures::Named([("loss".to_owned(), "loss_se".to_owned())].into());
    let alone = with(none(), &["loss"]);
    assert_eq!(alone, with(none(), &["loss", "loss_se"]));
    assert_ne!(alone, with(named.clone(), &["loss"]));
    assert_eq!(
        with(named, &["loss"]),
        with(ErrorMeasures::Suffixed, &["loss"])
    );
}
