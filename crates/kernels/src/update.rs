//! Updates of parameters: an optimizer's, a sampler's, and the sums they need. None has a gradient.
//!
//! What may differ between the replicas of a stack comes as columns, `[replica, 1, 1]`.

use burn::backend::flex::FlexTensor;
use burn::backend::{DType, DispatchDevice, Flex};
use burn::tensor::Tensor;

use crate::{flex, plain};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, Decoupled weight decay
/// regularization, algorithm 2), as PyTorch has it: what is common to a stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment after its bias correction.
    pub epsilon: f64,
}

/// Columns of an optimizer's update, `[replica, 1, 1]` each.
#[derive(Debug, Clone)]
pub struct Rates {
    /// Learning rate at this step.
    pub learning_rate: Tensor<3>,
    /// Weight decay.
    pub weight_decay: Tensor<3>,
    /// Factor on the parameter where decay is decoupled: 1 − learning rate · weight decay. Computed
    /// once for all parameters: on a device it would be a kernel for each.
    keep: Tensor<3>,
    /// Factor on the gradient: 1, or less where its norm is clipped.
    pub gradient_scale: Tensor<3>,
    /// 1 for a replica that goes on, 0 for one that keeps parameters and moments bit for bit.
    pub alive: Tensor<3>,
}

/// Columns of a Langevin step, `[replica, 1, 1]` each.
#[derive(Debug, Clone)]
pub struct LangevinRates {
    /// Step size ε.
    pub epsilon: Tensor<3>,
    /// Inverse temperature times sample size, nβ.
    pub nbeta: Tensor<3>,
    /// Localization strength γ.
    pub localization: Tensor<3>,
    /// Strength of a Gaussian prior about 0, as a weight decay.
    pub weight_decay: Tensor<3>,
}

impl Rates {
    /// Collects the columns, `[replica, 1, 1]` each, in the order of the fields.
    pub fn new(
        learning_rate: Tensor<3>,
        weight_decay: Tensor<3>,
        gradient_scale: Tensor<3>,
        alive: Tensor<3>,
    ) -> Self {
        let keep = (learning_rate.clone() * weight_decay.clone()).neg() + 1.0;
        Self {
            learning_rate,
            weight_decay,
            keep,
            gradient_scale,
            alive,
        }
    }

    /// `1 − learning rate · weight decay`.
    pub(crate) fn keep(&self) -> Tensor<3> {
        self.keep.clone()
    }
}

impl AdamW {
    /// `1 − β₁ᵗ` and `1 − β₂ᵗ` at the `step`-th update, counted from 1.
    pub(crate) fn corrections(self, step: u64) -> [f64; 2] {
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        [self.beta1, self.beta2].map(|beta| 1.0 - beta.powi(exponent))
    }
}

/// One AdamW update, the `step`-th counted from 1, of
/// `[parameter, gradient, first moment, second moment]`, `[replica, rows, columns]` each. Returns
/// parameter and moments.
///
/// # Panics
/// If the shapes differ.
pub fn adamw(rule: AdamW, step: u64, tensors: [Tensor<3>; 4], rates: &Rates) -> [Tensor<3>; 3] {
    check(&tensors);
    let columns = [
        &rates.learning_rate,
        &rates.keep,
        &rates.gradient_scale,
        &rates.alive,
    ];
    if !(tensors.iter().all(bare) && columns.into_iter().all(bare)) {
        return plain::adamw(rule, step, tensors, rates);
    }
    let columns = columns.map(|c| primitive(c.clone()));
    flex::update::adamw(rule, step, tensors.map(primitive), columns)
        .map(Tensor::from_primitive::<Flex>)
}

/// One step of Langevin dynamics localized at an anchor (Lau et al. 2023, arXiv 2308.12108),
/// `w ← w − (ε/2)[nβ·g + γ(w − w*) + decay·w] + √ε·noise`, of `[w, g, w*, noise]`,
/// `[replica, rows, columns]` each.
///
/// An ε of the weights' own shape, in place of a column, gives each of them its own step.
///
/// # Panics
/// If the shapes differ.
pub fn langevin(tensors: [Tensor<3>; 4], rates: &LangevinRates) -> Tensor<3> {
    check(&tensors);
    let columns = [
        &rates.epsilon,
        &rates.nbeta,
        &rates.localization,
        &rates.weight_decay,
    ];
    let column = |c: &Tensor<3>| bare(c) && c.dims() == [tensors[0].dims()[0], 1, 1];
    if !(tensors.iter().all(bare) && columns.into_iter().all(column)) {
        return plain::langevin(tensors, rates);
    }
    let columns = columns.map(|c| primitive(c.clone()));
    Tensor::from_primitive::<Flex>(flex::update::langevin(tensors.map(primitive), columns))
}

/// Sum of squares of each replica's `[rows, columns]`, as `[replica, 1, 1]`.
pub fn sum_of_squares(x: Tensor<3>) -> Tensor<3> {
    if !bare(&x) {
        return plain::sum_of_squares(x);
    }
    Tensor::from_primitive::<Flex>(flex::update::sum_of_squares(primitive(x)))
}

/// `Σ weight·part` over parts of one shape, in the order given; `None` of nothing.
///
/// # Panics
/// If the shapes differ.
pub fn weighted_sum(parts: Vec<(f64, Tensor<3>)>) -> Option<Tensor<3>> {
    if !parts.iter().all(|(_, part)| bare(part)) {
        return plain::weighted_sum(parts);
    }
    let mut parts = parts
        .into_iter()
        .map(|(weight, part)| (weight, primitive(part)));
    let first = parts.next()?;
    Some(Tensor::from_primitive::<Flex>(flex::update::weighted_sum(
        first, parts,
    )))
}

fn check(tensors: &[Tensor<3>; 4]) {
    let shape = tensors[0].dims();
    assert!(
        tensors.iter().all(|t| t.dims() == shape),
        "tensors of one shape, not {:?}",
        tensors.each_ref().map(Tensor::dims)
    );
}

/// Whether a tensor lies on Flex, outside any graph.
fn bare(tensor: &Tensor<3>) -> bool {
    let on_flex = matches!(tensor.device().as_dispatch(), DispatchDevice::Flex(_));
    tensor.dtype() == DType::F32 && on_flex
}

/// The tensor of Flex inside; its place was checked by [`bare`].
#[expect(
    clippy::expect_used,
    reason = "callers have asked whether the tensor lies on Flex"
)]
fn primitive(tensor: Tensor<3>) -> FlexTensor {
    tensor
        .try_into_primitive::<Flex>()
        .expect("a tensor on Flex, without a graph")
}
