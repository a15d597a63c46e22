//! What in-context regression is like, in figures.

use ontogeny_store::{Key, Stream};
use serde::Serialize;

use super::{InContextRegression, RegressionPredictor, RegressionShift};
use crate::describe::mean_and_error;

/// What a source of in-context regression is like: the data of `ontogeny data`.
#[derive(Serialize, Clone, Debug)]
pub struct RegressionDescription {
    /// [`InContextRegression::key`].
    pub key: Key,
    /// Components D of a task and of an x.
    pub dimension: usize,
    /// Pairs K of a sequence.
    pub pairs: usize,
    /// Variance σ² of the noise of y: the least loss that there can be.
    pub variance: f64,
    /// Number M of tasks in the pool; absent where each sequence has a fresh task.
    pub tasks: Option<u64>,
    /// [`InContextRegression::measured_at`].
    pub out_of_distribution: Vec<f64>,
    /// Held-out sequences that the figures are averages over.
    pub sequences: usize,
    /// Each predictor that the source has.
    pub predictors: Vec<PredictorDescription>,
}

/// A predictor on held-out sequences: its mean squared errors, noise included.
#[derive(Serialize, Clone, Debug)]
pub struct PredictorDescription {
    /// Which.
    pub predictor: RegressionPredictor,
    /// Over all pairs.
    pub loss: Estimate,
    /// At the first pair, before which there is nothing.
    pub loss_first: Estimate,
    /// At the last pair.
    pub loss_last: Estimate,
}

/// A mean over sequences.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let (mean, standard_error) = mean_and_error(values);
        Self {
            mean,
            standard_error,
        }
    }
}

impl InContextRegression {
    /// Measures the predictors on `rows` held-out sequences of the stream.
    ///
    /// # Panics
    ///
    /// If `rows` is 0, which leaves nothing to take a mean of.
    pub fn describe(&self, stream: &Stream, rows: usize) -> RegressionDescription {
        assert!(rows > 0, "a description needs a sequence");
        let k = self.pairs();
        let sequences = self.held_out(stream, rows, RegressionShift::default());
        let of = |&predictor: &RegressionPredictor| {
            let losses = self.losses(predictor, &sequences);
            let over_rows = |figure: &dyn Fn(&[f64]) -> f64| {
                let figures: Vec<f64> = losses.chunks_exact(k).map(figure).collect();
                Estimate::of(&figures)
            };
            PredictorDescription {
                predictor,
                loss: over_rows(&|row| row.iter().sum::<f64>() / k as f64),
                loss_first: over_rows(&|row| row[0]),
                loss_last: over_rows(&|row| row[k - 1]),
            }
        };
        RegressionDescription {
            key: self.key(),
            dimension: self.dimension(),
            pairs: k,
            variance: self.variance(),
            tasks: self.tasks(),
            out_of_distribution: self.measured_at().to_vec(),
            sequences: rows,
            predictors: self.predictors().iter().map(of).collect(),
        }
    }
}
