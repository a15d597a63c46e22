//! How far outputs are from their targets, and what that means as a likelihood.

use burn::tensor::Tensor;
use ontogeny_kernels::{cross_entropy, cross_entropy_by_row};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Targets};

/// A loss of one row of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Minus the log-probability of the target token, in nats.
    CrossEntropy,
    /// The squared distance to the target vector, summed over its components.
    Squared {
        /// Variance σ² of the noise of a component, in whose terms the loss is minus a
        /// log-likelihood: ‖y − ŷ‖²/2σ², up to a constant.
        variance: f64,
    },
}

impl Loss {
    /// The unit of the loss, as charts and tables write it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::CrossEntropy => "nats",
            Self::Squared { .. } => "squared error",
        }
    }

    /// What the loss is multiplied by to become minus a log-likelihood in nats, up to a constant.
    pub fn to_nats(self) -> f64 {
        match self {
            Self::CrossEntropy => 1.0,
            Self::Squared { variance } => 1.0 / (2.0 * variance),
        }
    }
}

/// Mean loss of each replica, `[R]`, for outputs `[R, N, d_out]`.
///
/// # Panics
/// If outputs and targets differ in shape.
pub(crate) fn mean(outputs: Tensor<3>, batch: &Batch) -> Tensor<1> {
    match &batch.targets {
        Targets::Tokens(targets) => cross_entropy(outputs, targets.clone()),
        Targets::Values(targets) => {
            let [replicas, _, _] = outputs.dims();
            squared(outputs, targets, batch)
                .mean_dim(1)
                .reshape([replicas])
        }
    }
}

/// Loss of each row, times its weight, `[R, N]`, for outputs `[R, N, d_out]`. Without gradient for
/// tokens.
///
/// # Panics
/// If outputs and targets differ in shape.
pub(crate) fn by_row(outputs: Tensor<3>, batch: &Batch) -> Tensor<2> {
    match &batch.targets {
        Targets::Tokens(targets) => cross_entropy_by_row(outputs, targets.clone()),
        Targets::Values(targets) => {
            let [replicas, rows, _] = outputs.dims();
            squared(outputs, targets, batch).reshape([replicas, rows])
        }
    }
}

/// `[R, N, 1]`.
fn squared(outputs: Tensor<3>, targets: &Tensor<3>, batch: &Batch) -> Tensor<3> {
    let away = outputs - targets.clone();
    let squares = (away.clone() * away).sum_dim(2);
    match &batch.weights {
        Some(weights) => squares * weights.clone(),
        None => squares,
    }
}
