//! How often the detector is right: curves whose answer is known, and its score on them.
//!
//! The families are outside of the detector's own model, in which a curve is a draw of a Gaussian
//! process: sums of sigmoids and of other episodes, jumps, single episodes and noise alone, with
//! errors that are independent, shared along the curve, growing along the run or heavy-tailed, at
//! 30, 45 and 100 log-spaced checkpoints. Every curve draws its own places, widths, gaps and sizes.
//!
//! # What counts
//! - A boundary that is found between the centres of two episodes is meant for the middle of the
//!   valley of speed between them. Its interval *held* the truth if that place lies in it.
//! - Between two exact jumps the valley is the plateau, with or without a drift on it.
//! - Where several views show a boundary, it is held against the truth of the view that places it.
//! - On curves of one episode and on noise, any boundary is a false alarm.
//!
//! The aim is that 85 to 95 of 100 intervals hold the truth, and that at most 5 of 100 curves
//! without a boundary show one.

mod curves;
mod families;
mod noise;
mod score;
mod shape;

pub use curves::{Curves, Shown};
pub use families::{Family, families};
pub use noise::Noise;
pub use score::{Rate, Score};
pub use shape::{Place, Profile, Shape, Truth};

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::curve::log_step;
use super::error::StageError;
use super::find;
use super::settings::StageSettings;
use crate::table::MeasureRow;

/// The last step of every curve.
const LAST: u64 = 4000;
/// Shares of intervals that may hold the truth, for intervals of 90 %.
pub const COVERAGE: (f64, f64) = (0.85, 0.95);
/// Greatest share of curves without a boundary that may show one.
pub const FALSE_ALARMS: f64 = 0.05;

/// The detector on one family.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The family.
    pub family: Family,
    /// What was found.
    pub score: Score,
}

impl Outcome {
    /// What the family is judged by: intervals that held the truth, or, where there is no boundary,
    /// false alarms.
    pub fn judged(&self) -> Rate {
        match self.family.shape.boundaries() {
            0 => self.score.more,
            _ => self.score.held,
        }
    }

    /// Whether that lies where it should.
    pub fn met(&self) -> bool {
        let share = self.judged().share();
        match self.family.shape.boundaries() {
            0 => share <= FALSE_ALARMS,
            _ => COVERAGE.0 <= share && share <= COVERAGE.1,
        }
    }
}

/// The detector on `seeds` curves of each of [`families`], which depend on nothing but their
/// number. `done` is called after each family.
///
/// # Errors
/// As [`super::detect`].
pub fn measure(
    seeds: u64,
    settings: &StageSettings,
    done: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, StageError> {
    let mut all = Vec::new();
    for (number, family) in families().into_iter().enumerate() {
        // Apart from the streams below this, by which the detector's constants were chosen.
        let stream = 1_000_000 + 10 * number as u64;
        let score = family.score(stream, 0..seeds, settings)?;
        let outcome = Outcome { family, score };
        done(&outcome);
        all.push(outcome);
    }
    Ok(all)
}

impl Family {
    /// Rows, and what the views would show without noise, as (`stream`, `seed`) draw them.
    pub fn draw(&self, stream: u64, seed: u64) -> (Vec<MeasureRow>, Vec<Shown>) {
        let steps = log_steps(self.points, LAST);
        let x: Vec<f64> = steps.iter().map(|&s| log_step(s as f64)).collect();
        let truth = self.shape.draw(log_step(LAST as f64), stream, seed);
        let curves = self.curves.of(truth);
        let row = |&step: &u64| MeasureRow {
            step,
            tokens: 0,
            replica: "known".to_owned(),
            values: BTreeMap::new(),
            vectors: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        let mut rows: Vec<MeasureRow> = steps.iter().map(row).collect();
        for (number, curve) in curves.iter().enumerate() {
            let clean: Vec<f64> = x.iter().map(|&x| curve.truth.value(x)).collect();
            let largest = clean.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = clean.iter().copied().fold(f64::INFINITY, f64::min);
            let range = if largest > least {
                largest - least
            } else {
                1.0
            };
            let noise = self.noise.draw(&x, stream + 1 + number as u64, seed);
            for (row, (value, e)) in rows.iter_mut().zip(clean.iter().zip(noise)) {
                let share = (value + range * e) / range;
                let value = match curve.falling {
                    true => 4.0 - share,
                    false => 10.0 + 100.0 * share,
                };
                row.values.insert(curve.name.to_owned(), value);
            }
        }
        (rows, self.curves.shown(&curves))
    }

    /// The score of the detector on the curves of `seeds`.
    ///
    /// # Errors
    /// As [`super::detect`].
    pub fn score(
        &self,
        stream: u64,
        seeds: std::ops::Range<u64>,
        settings: &StageSettings,
    ) -> Result<Score, StageError> {
        let found: Result<Vec<_>, StageError> = seeds
            .into_par_iter()
            .map(|seed| {
                let (rows, shown) = self.draw(stream, seed);
                Ok((shown, find(&rows, settings)?))
            })
            .collect();
        let mut score = Score::default();
        for (shown, boundaries) in found? {
            score.add(&shown, &boundaries);
        }
        Ok(score)
    }
}

/// `n` distinct steps from 0 to `last`, log-spaced as far as whole numbers can be.
pub fn log_steps(n: usize, last: u64) -> Vec<u64> {
    let n = n.min(last as usize + 1);
    let mut asked = n;
    loop {
        let spaced = (0..asked).map(|j| {
            (last as f64)
                .powf(j as f64 / (asked - 1).max(1) as f64)
                .round() as u64
        });
        let mut steps: Vec<u64> = std::iter::once(0).chain(spaced).collect();
        steps.sort_unstable();
        steps.dedup();
        if steps.len() >= n {
            return steps;
        }
        asked += 1;
    }
}

#[cfg(test)]
mod tests;
