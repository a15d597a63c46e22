//! How often the detector is right: curves whose answer is known, and the score on them.

mod families;
mod noise;
mod score;
mod shape;

pub use families::{Family, families};
pub use noise::Noise;
pub use score::{Rate, Score};
pub use shape::{Place, Profile, Shape, Truth};

use std::collections::BTreeMap;

use super::curve::log_step;
use super::detect;
use super::error::StageError;
use super::settings::StageSettings;
use crate::table::MeasureRow;

/// The last step of every curve.
const LAST: u64 = 4000;

impl Family {
    /// Rows with λ̂ alone, and what is true of them.
    pub fn draw(&self, stream: u64, seed: u64) -> (Vec<MeasureRow>, Truth) {
        let steps = log_steps(self.points, LAST);
        let x: Vec<f64> = steps.iter().map(|&s| log_step(s as f64)).collect();
        let truth = self.shape.draw(log_step(LAST as f64), stream, seed);
        let clean: Vec<f64> = x.iter().map(|&x| truth.value(x)).collect();
        let largest = clean.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = clean.iter().copied().fold(f64::INFINITY, f64::min);
        let range = if largest > least {
            largest - least
        } else {
            1.0
        };
        let noise = self.noise.draw(&x, stream + 1, seed);
        let rows = steps
            .iter()
            .zip(clean.iter().zip(noise))
            .map(|(&step, (value, e))| MeasureRow {
                step,
                tokens: 0,
                replica: "known".to_owned(),
                values: BTreeMap::from([(
                    "llc".to_owned(),
                    10.0 + 100.0 * (value + range * e) / range,
                )]),
                vectors: BTreeMap::new(),
                words: BTreeMap::new(),
            });
        (rows.collect(), truth)
    }

    /// The score of the detector on the curves of `seeds`.
    pub fn score(
        &self,
        stream: u64,
        seeds: std::ops::Range<u64>,
        settings: &StageSettings,
    ) -> Result<Score, StageError> {
        use rayon::prelude::*;
        let found: Result<Vec<_>, StageError> = seeds
            .into_par_iter()
            .map(|seed| {
                let (rows, truth) = self.draw(stream, seed);
                Ok((truth, detect(&rows, settings)?.boundaries))
            })
            .collect();
        let mut score = Score::default();
        for (truth, boundaries) in found? {
            score.add(&truth, &boundaries);
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
