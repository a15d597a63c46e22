//! The operations of this crate as compositions of Burn's own tensor operations.
//!
//! They run on every backend and in every float type, with gradients by Burn's autodiff. They are what
//! devices without a fused kernel use, and what the fused kernels are tested against.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Int, Tensor};

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
