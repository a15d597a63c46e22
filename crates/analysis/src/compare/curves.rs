//! Measures of all arms over each other: means over seeds with bands.

use std::collections::BTreeSet;

use ontogeny_results::compare::{Axis, Curve, Estimate};
use ontogeny_store::Stream;

use super::axis::{Clock, along};
use super::bootstrap::mean;
use crate::table::MeasureRow;

/// Places of a curve where the seeds were not measured at the same ones.
const GRID: usize = 60;

/// Measures that are drawn where they are there, beside the losses of evals.
const DRAWN: [&str; 8] = [
    "loss",
    "llc",
    "trigger_loss.repeated",
    "divergence.bigram",
    "divergence.trigram",
    "divergence.in_context",
    "icl_score",
    "trigger_loss.first",
];
/// Head scores, of which the highest at each checkpoint is drawn.
const HEADS: [&str; 2] = ["previous_token", "induction"];

/// Names of what can be drawn from some rows, in order: the measures themselves, losses of evals,
/// and the highest of each head score as `max.previous_token`.
pub fn drawn_measures<'a>(rows: impl Iterator<Item = &'a MeasureRow>) -> Vec<String> {
    let names: BTreeSet<&str> = rows
        .flat_map(|r| r.values.keys().map(String::as_str))
        .collect();
    let mut drawn: Vec<String> = Vec::new();
    for name in DRAWN {
        if names.contains(name) {
            drawn.push(name.to_owned());
        }
        if name == "llc" {
            let evals = names.iter().filter(|n| n.starts_with("loss."));
            drawn.extend(evals.map(|n| (*n).to_owned()));
        }
    }
    for score in HEADS {
        if names.iter().any(|n| is_head(n, score)) {
            drawn.push(format!("max.{score}"));
        }
    }
    drawn
}

/// The value of a drawn measure in a row.
pub(super) fn value(row: &MeasureRow, measure: &str) -> Option<f64> {
    match measure.strip_prefix("max.") {
        None => row.values.get(measure).copied(),
        Some(score) => row
            .values
            .iter()
            .filter(|(name, _)| is_head(name, score))
            .map(|(_, v)| *v)
            .reduce(f64::max),
    }
}

/// Whether a name is a score of a single head, as `induction.1.3`.
fn is_head(name: &str, score: &str) -> bool {
    name.strip_prefix(score)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|head| head.starts_with(|c: char| c.is_ascii_digit()))
}

/// One measure of one arm along an axis; `None` if no seed has it at two places.
///
/// Seeds measured at the same places are averaged there; others are interpolated at places even in
/// ln(1 + x) within what all of them reach.
pub fn curve(
    seeds: &[(&[MeasureRow], &Clock)],
    measure: &str,
    axis: Axis,
    resamples: usize,
    level: f64,
    stream: &Stream,
) -> Option<Curve> {
    let lines: Vec<(Vec<f64>, Vec<f64>)> = seeds
        .iter()
        .map(|(rows, clock)| {
            let mut line: Vec<(f64, f64)> = rows
                .iter()
                .filter_map(|r| Some((clock.on(axis, r.step as f64)?, value(r, measure)?)))
                .collect();
            if axis == Axis::Loss {
                // Ascending, each loss once: where it does not fall, the place it was first reached
                // at stays.
                line.dedup_by(|a, b| a.0.total_cmp(&b.0).is_eq());
                line.reverse();
            }
            line.into_iter().unzip()
        })
        .filter(|(x, _): &(Vec<f64>, Vec<f64>)| x.len() > 1)
        .collect();
    let (first, _) = lines.first()?;
    let x: Vec<f64> = if lines.iter().all(|(x, _)| x == first) {
        first.clone()
    } else {
        let from = lines.iter().filter_map(|(x, _)| x.first().copied());
        let to = lines.iter().filter_map(|(x, _)| x.last().copied());
        let (from, to) = (from.fold(0.0, f64::max), to.fold(f64::INFINITY, f64::min));
        let (a, b) = (from.ln_1p(), to.ln_1p());
        let place = |i: usize| (a + (b - a) * i as f64 / (GRID - 1) as f64).exp_m1();
        (0..GRID).map(place).collect()
    };
    if x.first() >= x.last() {
        return None;
    }
    let mut found = Curve {
        x: Vec::with_capacity(x.len()),
        seeds: lines.len(),
        y: Vec::with_capacity(x.len()),
    };
    for (i, &at) in x.iter().enumerate() {
        let there: Vec<f64> = lines.iter().filter_map(|(x, y)| along(x, y, at)).collect();
        let stream = stream.child("place", &[i as u64]);
        found.x.push(at);
        found
            .y
            .push(Estimate::of_mean(mean(&there, &stream, resamples, level)));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::rows;

    #[test]
    fn means_over_seeds_at_common_places() {
        let (a, b) = (
            rows(
                "a",
                &[0, 1, 3],
                &[
                    ("loss", &[4.0, 3.0, 2.0]),
                    ("induction.0.1", &[0.1, 0.2, 0.3]),
                ],
            ),
            rows(
                "b",
                &[0, 1, 3],
                &[
                    ("loss", &[4.0, 2.0, 1.0]),
                    ("induction.1.0", &[0.3, 0.2, 0.1]),
                ],
            ),
        );
        let clock = |rows: &[MeasureRow]| Clock::new(rows, &[], "loss");
        let (ca, cb) = (clock(&a), clock(&b));
        let seeds = [(a.as_slice(), &ca), (b.as_slice(), &cb)];
        let stream = Stream::new(0, "t", &[]);
        let found = curve(&seeds, "loss", Axis::Step, 200, 0.9, &stream).unwrap();
        assert_eq!(found.x, [0.0, 1.0, 3.0]);
        assert_eq!(found.y[1].at, Some(2.5));
        assert_eq!((found.y[1].lo, found.y[1].hi), (Some(2.0), Some(3.0)));
        assert_eq!(
            drawn_measures(a.iter().chain(&b)),
            ["loss", "max.induction"]
        );
        assert_eq!(value(&b[0], "max.induction"), Some(0.3));
        // Along the loss both reach 4 to 2.
        let found = curve(&seeds, "max.induction", Axis::Loss, 200, 0.9, &stream).unwrap();
        assert!((found.x[0] - 2.0).abs() < 1e-9 && (found.x[GRID - 1] - 4.0).abs() < 1e-9);
        // At loss 4 the scores are .1 and .3.
        assert!((found.y[GRID - 1].at.unwrap() - 0.2).abs() < 1e-9);
        assert!(curve(&seeds, "llc", Axis::Step, 10, 0.9, &stream).is_none());
    }
}
