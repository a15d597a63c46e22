//! The operations of this crate as compositions of Burn's own tensor operations.
//!
//! They run on every backend and in every float type, with gradients by Burn's autodiff. They are
//! what devices without a fused kernel use, and what the fused kernels are tested against.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Int, Tensor, TensorData};

use crate::update::{AdamW, LangevinRates, Rates};

/// Causal softmax attention; see [`causal_attention`](crate::causal_attention).
pub fn causal_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [_, _, positions, d_head] = q.dims();
    let device = q.device();
    let scores = q
        .matmul(k.swap_dims(2, 3))
        .mul_scalar(1.0 / (d_head as f64).sqrt()); // [batch, head, query, key]
    let future = Tensor::<2, Bool>::tril_mask([positions, positions], 0, &device);
    let scores = scores.mask_fill(future.unsqueeze::<4>(), f64::NEG_INFINITY);
    softmax(scores, 3).matmul(v)
}

/// Causal softmax attention with numbers added to the scores by distance; see
/// [`relative_attention`](crate::relative_attention).
pub fn relative_attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    relative: Tensor<3>,
) -> Tensor<4> {
    relative_pattern(q, k, relative).matmul(v)
}

/// The probabilities of that attention, `[batch, head, query, key]`.
pub fn relative_pattern(q: Tensor<4>, k: Tensor<4>, relative: Tensor<3>) -> Tensor<4> {
    let [batch, heads, positions, d_head] = q.dims();
    let (device, replicas) = (q.device(), relative.dims()[0]);
    // Later keys are masked below: that they have the number of distance 0 does not matter.
    let row = |query: usize| (0..positions).map(move |key| query.saturating_sub(key) as i32);
    let distances: Vec<i32> = (0..positions).flat_map(row).collect();
    let distances = TensorData::new(distances, [positions * positions]);
    let added = relative
        .select(2, Tensor::<1, Int>::from_data(distances, &device))
        .reshape([replicas, 1, heads, positions, positions]);
    let scores = q
        .matmul(k.swap_dims(2, 3))
        .mul_scalar(1.0 / (d_head as f64).sqrt())
        .reshape([
            replicas,
            batch / replicas.max(1),
            heads,
            positions,
            positions,
        ]);
    let scores = (scores + added).reshape([batch, heads, positions, positions]);
    let future = Tensor::<2, Bool>::tril_mask([positions, positions], 0, &device);
    softmax(
        scores.mask_fill(future.unsqueeze::<4>(), f64::NEG_INFINITY),
        3,
    )
}

/// Negative log-likelihood of every target, `[replica, rows]`; see
/// [`cross_entropy_by_row`](crate::cross_entropy_by_row).
pub fn cross_entropy_by_row(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<2> {
    let [replicas, rows, _] = logits.dims();
    log_softmax(logits, 2)
        .gather(2, targets.reshape([replicas, rows, 1]))
        .reshape([replicas, rows])
        .neg()
}

/// Mean negative log-likelihood of each replica, `[replica]`; see
/// [`cross_entropy`](crate::cross_entropy).
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    let replicas = logits.dims()[0];
    cross_entropy_by_row(logits, targets)
        .mean_dim(1)
        .reshape([replicas])
}

/// Layer normalization; see [`layer_norm`](crate::layer_norm).
pub fn layer_norm(x: Tensor<3>, w: Tensor<3>, b: Tensor<3>, eps: f64) -> Tensor<3> {
    let (variance, mean) = x.clone().var_mean_bias(2);
    (x - mean) / variance.add_scalar(eps).sqrt() * w + b
}

/// Affine map of each replica; see [`linear`](crate::linear).
pub fn linear(x: Tensor<3>, w: Tensor<3>, b: Option<Tensor<3>>) -> Tensor<3> {
    let y = x.matmul(w);
    match b {
        Some(b) => y + b,
        None => y,
    }
}

/// Affine map onto a residual; see [`linear_onto`](crate::linear_onto).
pub fn linear_onto(
    residual: Tensor<3>,
    x: Tensor<3>,
    w: Tensor<3>,
    b: Option<Tensor<3>>,
) -> Tensor<3> {
    residual + linear(x, w, b)
}

/// Positions added to every sequence; see [`add_positions`](crate::add_positions).
pub fn add_positions(x: Tensor<3>, positions: Tensor<3>) -> Tensor<3> {
    let [replicas, rows, d] = x.dims();
    let [_, count, _] = positions.dims();
    let x = x.reshape([replicas, rows / count, count, d]);
    let positions = positions.reshape([replicas, 1, count, d]);
    (x + positions).reshape([replicas, rows, d])
}

/// One AdamW update; see [`adamw`](crate::adamw).
pub fn adamw(
    rule: AdamW,
    step: u64,
    [parameter, gradient, first, second]: [Tensor<3>; 4],
    rates: &Rates,
) -> [Tensor<3>; 3] {
    let [first_correction, second_correction] = rule.corrections(step);
    let (old, old_first, old_second) = (parameter.clone(), first.clone(), second.clone());
    let gradient = gradient * rates.gradient_scale.clone();
    let first = first * rule.beta1 + gradient.clone() * (1.0 - rule.beta1);
    let second = second * rule.beta2 + gradient.clone() * gradient * (1.0 - rule.beta2);
    // m̂ / (√v̂ + ε), with both corrections as numbers.
    let direction = first.clone()
        / first_correction
        / (second.clone().sqrt() / second_correction.sqrt() + rule.epsilon);
    let parameter = parameter * rates.keep() - direction * rates.learning_rate.clone();
    // By selection: a product with zero would let a frozen replica's NaN through.
    let frozen = rates.alive.clone().expand(old.shape()).equal_elem(0.0);
    [
        parameter.mask_where(frozen.clone(), old),
        first.mask_where(frozen.clone(), old_first),
        second.mask_where(frozen, old_second),
    ]
}

/// One Langevin step; see [`langevin`](crate::langevin).
pub fn langevin(
    [weights, gradient, anchor, noise]: [Tensor<3>; 4],
    rates: &LangevinRates,
) -> Tensor<3> {
    let pull = (weights.clone() - anchor) * rates.localization.clone();
    let decay = weights.clone() * rates.weight_decay.clone();
    let drift = gradient * rates.nbeta.clone() + pull + decay;
    weights - drift * (rates.epsilon.clone() / 2.0) + noise * rates.epsilon.clone().sqrt()
}

/// Sum of squares of each replica, `[replica, 1, 1]`; see
/// [`sum_of_squares`](crate::sum_of_squares).
pub fn sum_of_squares(x: Tensor<3>) -> Tensor<3> {
    let [replicas, rows, columns] = x.dims();
    let flat = x.reshape([replicas, 1, rows * columns]);
    (flat.clone() * flat).sum_dim(2)
}

/// `Σ weight·part`, in the order given; see [`weighted_sum`](crate::weighted_sum).
pub fn weighted_sum(parts: Vec<(f64, Tensor<3>)>) -> Option<Tensor<3>> {
    let terms = parts.into_iter().map(|(weight, part)| part * weight);
    terms.reduce(|sum, term| sum + term)
}
