//! When a stage begins, is half over and ends in one replica.

use std::borrow::Cow;

use ontogeny_results::compare::Event;

use super::axis::along;
use super::survival::Observation;
use crate::stages::{Stage, StageName};
use crate::table::MeasureRow;

/// The stage that is read off the table without the detector: [`below_bag`].
pub const BELOW_BAG: &str = "below_bag";
/// How far below the bag of context a loss must be: sampling of the held-out sequences moves it by
/// less.
const MARGIN: f64 = 0.02;

/// The measure that a stage is about, as in the table.
pub fn own_measure(stage: StageName) -> Cow<'static, str> {
    match stage {
        StageName::Ngram => "divergence.trigram".into(),
        StageName::Induction => "trigger_loss.repeated".into(),
        StageName::Unigram
        | StageName::Bigram
        | StageName::Uniform
        | StageName::Zero
        | StageName::TaskMean
        | StageName::Dmmse
        | StageName::Ridge
        | StageName::Rank(_) => format!("divergence.{stage}").into(),
        StageName::PreviousToken | StageName::Polygon { .. } | StageName::Unnamed => "loss".into(),
    }
}

/// When an event of the first stage of a name happened, in steps; censored at the last row where it
/// did not.
///
/// The half of a stage that had not ended is that of its change until the last row. `None` if the
/// table is empty, or lacks the measures that the half is read from.
pub fn moment(
    rows: &[MeasureRow],
    stages: &[Stage],
    name: &str,
    event: Event,
) -> Option<Observation> {
    let last = rows.last()?.step as f64;
    let never = Some(Observation::later_than(last));
    let Some(stage) = stages.iter().find(|s| s.name.spelling() == name) else {
        return never;
    };
    match event {
        Event::Onset => Some(Observation::at(stage.start)),
        Event::End => stage.end.map_or(never, |end| Some(Observation::at(end))),
        Event::Half => {
            half(rows, stage.name, stage.start, stage.end.unwrap_or(last)).map(Observation::at)
        }
    }
}

/// The first place between two steps at which the stage's measure is halfway between its values
/// there.
fn half(rows: &[MeasureRow], stage: StageName, from: f64, to: f64) -> Option<f64> {
    let (x, y) = [&*own_measure(stage), "loss"]
        .into_iter()
        .map(|measure| series(rows, measure))
        .find(|(x, _)| x.len() > 1)?;
    let (from, to) = (from.ln_1p(), to.ln_1p());
    let (start, end) = (along(&x, &y, from)?, along(&x, &y, to)?);
    let middle = 0.5 * (start + end);
    let inside = x.iter().zip(&y).filter(|(x, _)| **x > from && **x < to);
    let path: Vec<(f64, f64)> = std::iter::once((from, start))
        .chain(inside.map(|(x, y)| (*x, *y)))
        .chain([(to, end)])
        .collect();
    path.windows(2)
        .find_map(|pair| crossing(pair[0], pair[1], middle))
        .map(f64::exp_m1)
}

/// Values of a measure along ln(step + 1), where it was measured.
pub(super) fn series(rows: &[MeasureRow], measure: &str) -> (Vec<f64>, Vec<f64>) {
    let there = rows
        .iter()
        .filter_map(|r| Some(((r.step as f64).ln_1p(), *r.values.get(measure)?)));
    there.unzip()
}

/// Where the straight way between two points meets a level, if it does.
fn crossing(a: (f64, f64), b: (f64, f64), level: f64) -> Option<f64> {
    let (before, after) = (a.1 - level, b.1 - level);
    if before == 0.0 {
        return Some(a.0);
    }
    (before * after <= 0.0).then(|| a.0 + (b.0 - a.0) * before / (before - after))
}

/// When the loss after repeated triggers falls more than 2 % below that of the bag-of-context
/// oracle, to stay there: what order-free statistics cannot explain, without the detector. `None`
/// if either was not measured.
pub fn below_bag(rows: &[MeasureRow]) -> Option<Observation> {
    let above: Vec<(f64, f64)> = rows
        .iter()
        .filter_map(|r| {
            let loss = r.values.get("trigger_loss.repeated")?;
            let bag = r.values.get("trigger_loss.repeated.bag_of_context")?;
            Some((r.step as f64, loss - (1.0 - MARGIN) * bag))
        })
        .collect();
    let last = above.last()?;
    if last.1 >= 0.0 {
        return Some(Observation::later_than(last.0));
    }
    // The last checkpoint that is not below, and the one behind it.
    let Some(i) = above.iter().rposition(|(_, above)| *above >= 0.0) else {
        return Some(Observation::at(above[0].0));
    };
    let place = |(step, above): (f64, f64)| (step.ln_1p(), above);
    crossing(place(above[i]), place(above[i + 1]), 0.0).map(|x| Observation::at(x.exp_m1()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{rows, stage};

    #[test]
    fn moments_of_a_stage_and_of_one_that_never_came() {
        // Halfway on ln(step + 1) from 3 to 63 is step 15, and the loss falls evenly along it.
        let measure = [2.0, 2.0, 1.5, 1.0, 0.5, 0.0, 0.0];
        let rows = rows(
            "a",
            &[0, 3, 7, 15, 31, 63, 127],
            &[("trigger_loss.repeated", &measure)],
        );
        let stages = [stage("induction", 3.0, Some(63.0))];
        let at = |name, event| moment(&rows, &stages, name, event);
        assert_eq!(at("induction", Event::Onset), Some(Observation::at(3.0)));
        assert_eq!(at("induction", Event::End), Some(Observation::at(63.0)));
        let half = at("induction", Event::Half).unwrap();
        assert!(half.observed && (half.time - 15.0).abs() < 1e-9);
        for event in Event::ALL {
            assert_eq!(at("ngram", event), Some(Observation::later_than(127.0)));
        }
        let open = [stage("induction", 3.0, None)];
        assert_eq!(
            moment(&rows, &open, "induction", Event::End),
            Some(Observation::later_than(127.0))
        );
        // To the last row the change is the same, so is its half.
        let half = moment(&rows, &open, "induction", Event::Half).unwrap();
        assert!((half.time - 15.0).abs() < 1e-9);
        // No measure at all: nothing can be said of the half.
        assert_eq!(
            moment(&rows, &[stage("bigram", 0.0, None)], "bigram", Event::Half),
            None
        );
    }

    #[test]
    fn stages_are_about_the_predictor_that_they_are_named_after() {
        for (name, measure) in [
            ("unigram", "divergence.unigram"),
            ("bigram", "divergence.bigram"),
            ("ngram", "divergence.trigram"),
            ("previous_token", "loss"),
            ("induction", "trigger_loss.repeated"),
            ("uniform", "divergence.uniform"),
            ("task_mean", "divergence.task_mean"),
            ("rank2", "divergence.rank2"),
            ("5-gon+", "loss"),
            ("unnamed", "loss"),
        ] {
            assert_eq!(own_measure(name.parse().unwrap()), measure, "{name}");
        }
    }

    #[test]
    fn below_the_bag_to_stay() {
        let bag = [1.0; 5];
        let of = |loss: &[f64]| {
            let measures: [(&str, &[f64]); 2] = [
                ("trigger_loss.repeated", loss),
                ("trigger_loss.repeated.bag_of_context", &bag),
            ];
            below_bag(&rows("a", &[0, 1, 3, 7, 15], &measures))
        };
        // Below once, back above, then below for good: from 1.08 to .88 with the threshold .98
        // halfway from 3 to 7.
        let found = of(&[2.0, 0.5, 1.08, 0.88, 0.2]).unwrap();
        assert!(found.observed && (found.time - (32.0_f64.sqrt() - 1.0)).abs() < 1e-9);
        assert_eq!(
            of(&[2.0, 2.0, 1.5, 0.9, 0.99]),
            Some(Observation::later_than(15.0))
        );
        assert_eq!(of(&[0.1; 5]), Some(Observation::at(0.0)));
        assert_eq!(below_bag(&rows("a", &[0, 1], &[])), None);
    }
}
