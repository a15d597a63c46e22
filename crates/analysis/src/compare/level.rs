//! Arms at the same loss.

use ontogeny_results::compare::{EqualLoss, Estimate, LevelFigures};
use ontogeny_store::Stream;

use super::axis::{Clock, along};
use super::bootstrap::mean;
use super::curves::value;
use crate::table::MeasureRow;

/// Number of losses.
const LEVELS: usize = 12;
/// A measure that was taken at fewer checkpoints than this of a seed is not interpolated.
const LEAST_POINTS: usize = 4;

/// The seeds of one arm: name, and for each seed its rows and clock.
pub(super) type ArmSeeds<'a> = (&'a str, Vec<(&'a [MeasureRow], &'a Clock)>);

/// Measures at even losses that every seed comes down to, interpolated along ln(step + 1) in each
/// seed, with the mean over seeds. `None` if there are no such losses.
pub(super) fn equal_loss(
    arms: &[ArmSeeds<'_>],
    measures: &[String],
    resamples: usize,
    level: f64,
    stream: &Stream,
) -> Option<EqualLoss> {
    let ranges = arms
        .iter()
        .flat_map(|(_, seeds)| seeds)
        .map(|(_, clock)| clock.loss_range());
    let (from, to) = ranges.into_iter().try_fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(from, to): (f64, f64), range| range.map(|(a, b)| (from.min(a), to.max(b))),
    )?;
    if from <= to || !from.is_finite() {
        return None;
    }
    let levels: Vec<f64> = (0..LEVELS)
        .map(|i| from + (to - from) * i as f64 / (LEVELS - 1) as f64)
        .collect();
    let mut found = Vec::new();
    let step = "step".to_owned();
    for measure in std::iter::once(&step).chain(measures) {
        for (arm, seeds) in arms {
            let lines: Vec<Vec<f64>> = seeds
                .iter()
                .filter_map(|(rows, clock)| at_levels(rows, clock, measure, &levels))
                .collect();
            if lines.is_empty() {
                continue;
            }
            let y = (0..LEVELS).map(|i| {
                let there: Vec<f64> = lines.iter().map(|l| l[i]).collect();
                let stream = stream.child(measure, &[i as u64]).child(arm, &[]);
                Estimate::of_mean(mean(&there, &stream, resamples, level))
            });
            found.push(LevelFigures {
                measure: measure.clone(),
                arm: (*arm).to_owned(),
                seeds: lines.len(),
                y: y.collect(),
            });
        }
    }
    Some(EqualLoss {
        levels,
        measures: found,
    })
}

/// One measure of one seed at each level.
fn at_levels(
    rows: &[MeasureRow],
    clock: &Clock,
    measure: &str,
    levels: &[f64],
) -> Option<Vec<f64>> {
    let steps: Option<Vec<f64>> = levels.iter().map(|l| clock.step_at_loss(*l)).collect();
    if measure == "step" {
        return steps;
    }
    let there = rows
        .iter()
        .filter_map(|r| Some(((r.step as f64).ln_1p(), value(r, measure)?)));
    let (x, y): (Vec<f64>, Vec<f64>) = there.unzip();
    if x.len() < LEAST_POINTS {
        return None;
    }
    let values = steps?;
    values.iter().map(|s| along(&x, &y, s.ln_1p())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::rows;

    #[test]
    fn a_measure_that_follows_the_loss_is_alike_at_equal_loss() {
        // The second arm is twice as slow on the logarithmic axis; at the same loss both have the
        // same λ̂.
        let loss = [5.0, 4.0, 3.0, 2.0, 1.0];
        let llc = [0.0, 10.0, 20.0, 30.0, 40.0];
        let measures: [(&str, &[f64]); 2] = [("loss", &loss), ("llc", &llc)];
        let fast = rows("a", &[0, 1, 3, 7, 15], &measures);
        let slow = rows("b", &[0, 3, 15, 63, 255], &measures);
        let (cf, cs) = (
            Clock::new(&fast, &[], "loss"),
            Clock::new(&slow, &[], "loss"),
        );
        let arms: [ArmSeeds<'_>; 2] = [("fast", vec![(&fast, &cf)]), ("slow", vec![(&slow, &cs)])];
        let measures = ["llc".to_owned()];
        let found = equal_loss(&arms, &measures, 10, 0.9, &Stream::new(0, "t", &[])).unwrap();
        assert_eq!((found.levels[0], found.levels[LEVELS - 1]), (5.0, 1.0));
        let of = |measure: &str, arm: &str| {
            let m = found
                .measures
                .iter()
                .find(|m| m.measure == measure && m.arm == arm);
            m.unwrap()
                .y
                .iter()
                .map(|e| e.at.unwrap())
                .collect::<Vec<_>>()
        };
        for (a, b) in of("llc", "fast").iter().zip(of("llc", "slow")) {
            assert!((a - b).abs() < 1e-9);
        }
        assert!((of("step", "slow")[LEVELS - 1] - 255.0).abs() < 1e-9);
        // No interval over a single seed.
        assert_eq!(found.measures[0].y[0].lo, None);
    }
}
