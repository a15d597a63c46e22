//! Optimizers as functions of parameters, gradients, their moments and vectors of one number for
//! each replica.
//!
//! Burn's own optimizers take one learning rate for all and clip across replicas; here every
//! hyper-parameter that may differ between replicas is `[R, 1, 1]`, so a stack of arms is one pass.

use burn::tensor::Tensor;
pub use ontogeny_kernels::Rates;
use ontogeny_kernels::{AdamW, adamw, sum_of_squares};
use serde::{Deserialize, Serialize};

/// Which update rule, with what is common to a stack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as PyTorch has it.
    AdamW {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment after its bias correction.
        epsilon: f64,
    },
    /// Adam (Kingma & Ba 2015, algorithm 1), as PyTorch has it: weight decay joins the gradient,
    /// like an L2 penalty, after clipping.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment after its bias correction.
        epsilon: f64,
    },
    /// Gradient descent, with PyTorch's momentum (`v ← μv + g`, `w ← w − lr·v`) and weight decay
    /// added to the gradient.
    Sgd {
        /// Decay of the velocity; 0 leaves it out.
        momentum: f64,
    },
}

/// Moments of one parameter, `[R, rows, cols]` each; zero before the first step.
#[derive(Debug, Clone)]
pub struct Moments {
    /// Mean of gradients (Adam, AdamW) or velocity (SGD).
    pub first: Tensor<3>,
    /// Mean of squared gradients; `None` for SGD.
    pub second: Option<Tensor<3>>,
}

impl Optimizer {
    /// Moments for a parameter that has not been updated yet.
    pub fn start(&self, parameter: &Tensor<3>) -> Moments {
        let zeros = || Tensor::zeros(parameter.shape(), &parameter.device());
        Moments {
            first: zeros(),
            second: match self {
                Self::AdamW { .. } | Self::Adam { .. } => Some(zeros()),
                Self::Sgd { .. } => None,
            },
        }
    }

    /// One update of one parameter: the `step`-th, counted from 1.
    ///
    /// A frozen replica keeps its parameter and moments bit for bit, by selection: a product with
    /// zero would let its NaN through.
    pub fn update(
        &self,
        step: u64,
        parameter: Tensor<3>,
        gradient: Tensor<3>,
        moments: Moments,
        rates: &Rates,
    ) -> (Tensor<3>, Moments) {
        match *self {
            Self::AdamW {
                beta1,
                beta2,
                epsilon,
            }
            | Self::Adam {
                beta1,
                beta2,
                epsilon,
            } => {
                let rule = AdamW {
                    beta1,
                    beta2,
                    epsilon,
                };
                if matches!(self, Self::AdamW { .. }) {
                    return adam(rule, step, parameter, gradient, moments, rates);
                }
                let gradient = gradient * rates.gradient_scale.clone();
                let gradient = gradient + parameter.clone() * rates.weight_decay.clone();
                // What is left to the update has neither.
                let rates = Rates::new(
                    rates.learning_rate.clone(),
                    rates.weight_decay.zeros_like(),
                    rates.gradient_scale.ones_like(),
                    rates.alive.clone(),
                );
                adam(rule, step, parameter, gradient, moments, &rates)
            }
            Self::Sgd { momentum } => {
                let gradient = gradient * rates.gradient_scale.clone();
                let gradient = gradient + parameter.clone() * rates.weight_decay.clone();
                let velocity = moments.first.clone() * momentum + gradient;
                let next = parameter.clone() - velocity.clone() * rates.learning_rate.clone();
                let first = select(&rates.alive, velocity, moments.first);
                let second = None;
                (
                    select(&rates.alive, next, parameter),
                    Moments { first, second },
                )
            }
        }
    }
}

/// AdamW's update with its moments.
fn adam(
    rule: AdamW,
    step: u64,
    parameter: Tensor<3>,
    gradient: Tensor<3>,
    moments: Moments,
    rates: &Rates,
) -> (Tensor<3>, Moments) {
    let second = moments.second.unwrap_or_else(|| moments.first.zeros_like());
    let tensors = [parameter, gradient, moments.first, second];
    let [parameter, first, second] = adamw(rule, step, tensors, rates);
    let second = Some(second);
    (parameter, Moments { first, second })
}

/// `new` where the replica is alive, `old` where it is frozen.
fn select(alive: &Tensor<3>, new: Tensor<3>, old: Tensor<3>) -> Tensor<3> {
    let frozen = alive.clone().equal_elem(0.0).expand(new.shape());
    new.mask_where(frozen, old)
}

/// Euclidean norm of all gradients of each replica together, `[R, 1, 1]`.
pub fn gradient_norm(gradients: &[Tensor<3>]) -> Tensor<3> {
    let squares = gradients.iter().map(|g| sum_of_squares(g.clone()));
    let total = squares.reduce(|a, b| a + b);
    // A network has at least an embedding.
    total.map_or_else(
        || Tensor::zeros([1, 1, 1], &Default::default()),
        Tensor::sqrt,
    )
}

/// Factor that brings a gradient of this norm down to `limit`, 1 where it is within or where the
/// limit is 0 (PyTorch's `clip_grad_norm_`, with its 1e-6). Both `[R, 1, 1]`.
pub fn clip_factor(norm: &Tensor<3>, limit: &Tensor<3>) -> Tensor<3> {
    let factor = (limit.clone() / (norm.clone() + 1e-6)).clamp_max(1.0);
    let unlimited = limit.clone().equal_elem(0.0);
    factor.mask_fill(unlimited, 1.0)
}
