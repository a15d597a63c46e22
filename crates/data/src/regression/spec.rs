//! What a configuration says about in-context regression.

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::spec::{count_in_range, positive};

/// Settings of in-context linear regression.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct InContextRegressionSpec {
    /// Components D of a task and of an x.
    pub dimension: usize,
    /// Pairs K of a sequence, which has 2K positions.
    pub pairs: usize,
    /// Variance σ² of the noise of y, in whose terms the squared error is minus a log-likelihood.
    pub variance: f64,
    /// Number M of tasks in the pool that sequences take theirs from; without it each sequence has
    /// a fresh task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// Sequences to train on; without it new ones without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_set: Option<u64>,
    /// Decides the pool of tasks and the training set.
    pub seed: u64,
    /// Factors g of the variance of x at which the loss is measured beside that of training. They
    /// change no example.
    pub out_of_distribution: Vec<f64>,
}

impl Default for InContextRegressionSpec {
    fn default() -> Self {
        Self {
            dimension: 4,
            pairs: 8,
            variance: 0.125,
            tasks: None,
            training_set: None,
            seed: 0,
            out_of_distribution: vec![4.0, 16.0, 64.0],
        }
    }
}

impl InContextRegressionSpec {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        count_in_range("dimension", self.dimension as u64, 1, 1024)?;
        count_in_range("pairs", self.pairs as u64, 1, 4096)?;
        positive("variance", self.variance)?;
        if let Some(tasks) = self.tasks {
            count_in_range("tasks", tasks, 1, 1 << 24)?;
        }
        crate::spec::training_set(self.training_set)?;
        let mut factors = self.out_of_distribution.iter();
        match factors.find(|g| !(g.is_finite() && **g > 0.0)) {
            Some(wrong) => Err(DataError::setting(
                "out_of_distribution",
                format!("holds {wrong}; factors of a variance are positive numbers"),
            )),
            None => Ok(()),
        }
    }
}
