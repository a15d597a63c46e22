//! Differentiable operations that a small transformer spends its time in, each fused into one pass.
//!
//! | operation | shapes |
//! |---|---|
//! | [`causal_attention`] | `[batch, head, position, d_head]` × 3 → the same |
//! | [`relative_attention`] | the same with `[replica, head, n]` → the same |
//! | [`cross_entropy`] | `[replica, rows, d_vocab]`, `[replica, rows]` → `[replica]` |
//! | [`cross_entropy_by_row`] | the same → `[replica, rows]` |
//! | [`layer_norm`] | `[replica, rows, d]`, `[replica, 1, d]` × 2 → `[replica, rows, d]` |
//! | [`adamw`] | `[replica, rows, columns]` × 4, numbers of each replica → × 3 |
//! | [`langevin`] | `[replica, rows, columns]` × 4, numbers of each replica → × 1 |
//! | [`add_positions`] | `[replica, rows, d]`, `[replica, positions, d]` → `[replica, rows, d]` |
//! | [`linear`] | `[replica, rows, in]`, `[replica, in, out]`, `[replica, 1, out]` → `[replica, rows, out]` |
//! | [`linear_onto`] | the same onto `[replica, rows, out]` |
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//!
//! let device = Device::flex().autodiff();
//! let normal = Distribution::Normal(0.0, 1.0);
//! let x = Tensor::<3>::random([2, 5, 8], normal, &device).require_grad(); // [replica, rows, in]
//! let w = Tensor::<3>::random([2, 8, 3], normal, &device).require_grad(); // [replica, in, out]
//! let y = ontogeny_kernels::linear(x, w.clone(), None); // [replica, rows, out]
//! let gradients = y.sum().backward();
//! assert_eq!(w.grad(&gradients).map(|g| g.dims()), Some([2, 8, 3]));
//! ```
//!
//! # Which path runs
//! Single-precision tensors on Flex, Burn's CPU backend, take the fused path: vector instructions
//! chosen at run time ([`instruction_set`]), and gradients written by hand. Everything else takes
//! the compositions in [`plain`], whose gradients are Burn's. The two agree up to rounding.
//!
//! # What callers may rely on
//! - **Replicas do not touch.** A stack gives each replica the very bits it would have had alone,
//!   for values and gradients, and a replica that holds NaN gives NaN for itself only. Batch rows
//!   in attention likewise.
//! - **No threads.** Bits do not depend on how many threads call; callers put replicas on threads.
//! - **Any layout.** Views (swapped, sliced, broadcast) are read in place where that is cheap, else
//!   copied.
//!
//! # Panics
//! Shapes that do not fit and targets outside the vocabulary are mistakes of the programmer and
//! panic.

mod extension;
mod flex;
mod loops;
pub mod machine;
pub mod noise;
pub mod plain;
mod simd;
#[cfg(test)]
mod tests;
mod update;

use burn::backend::{DType, Dispatch, DispatchDevice};
use burn::tensor::{Device, Int, Tensor};
use extension::FusedOps;
use flex::cross_entropy::Reduction;

pub use update::{AdamW, LangevinRates, Rates, adamw, langevin, sum_of_squares, weighted_sum};

/// Causal softmax attention: `softmax(q kᵀ / √d_head) v`, the softmax over positions up to the
/// query's own (Vaswani et al. 2017, Attention is all you need, equation 1).
///
/// `q`, `k` and `v` are `[batch, head, position, d_head]`, and so is the result, whose memory lies
/// in the order `[batch, position, head, d_head]`.
///
/// # Panics
/// If the shapes differ.
pub fn causal_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    assert!(
        q.dims() == k.dims() && q.dims() == v.dims(),
        "q {:?}, k {:?} and v {:?} must have one shape [batch, head, position, d_head]",
        q.dims(),
        k.dims(),
        v.dims()
    );
    if !(fused(&q) && fused(&k) && fused(&v)) {
        return plain::causal_attention(q, k, v);
    }
    Tensor::from_dispatch(Dispatch::fused_attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
    ))
}

/// Causal softmax attention with a learned number for each head and distance:
/// `softmax(b + q kᵀ / √d_head) v`, where `b` of query i and key j is `relative[i − j]` (Raffel et
/// al. 2020, without its buckets).
///
/// `q`, `k` and `v` are `[batch, head, position, d_head]`, one replica's batch after the other's,
/// and `relative` is `[replica, head, n]` with n at least the number of positions.
///
/// # Panics
/// If the shapes do not fit.
pub fn relative_attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    relative: Tensor<3>,
) -> Tensor<4> {
    let [batch, heads, positions, _] = q.dims();
    let [replicas, rows, n] = relative.dims();
    assert!(
        q.dims() == k.dims() && q.dims() == v.dims(),
        "q {:?}, k {:?} and v {:?} must have one shape [batch, head, position, d_head]",
        q.dims(),
        k.dims(),
        v.dims()
    );
    assert!(
        rows == heads && n >= positions && replicas > 0 && batch.is_multiple_of(replicas),
        "relative {:?} must be [replica, head, n] for q {:?}, n at least its positions",
        relative.dims(),
        q.dims()
    );
    if !(fused(&q) && fused(&k) && fused(&v) && fused(&relative)) {
        return plain::relative_attention(q, k, v, relative);
    }
    Tensor::from_dispatch(Dispatch::fused_relative_attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        relative.into_dispatch(),
    ))
}

/// Mean of `−log softmax(logits)[target]` over the rows of each replica, in nats.
///
/// `logits` is `[replica, rows, d_vocab]`, `targets` `[replica, rows]`; the result is `[replica]`.
/// When nothing else holds the logits, their memory becomes that of their gradient.
///
/// # Panics
/// If the shapes do not fit, or a target is not below `d_vocab`.
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    check_targets(&logits, &targets);
    if !(fused(&logits) && fused_targets(&targets)) {
        return plain::cross_entropy(logits, targets);
    }
    Tensor::from_dispatch(Dispatch::fused_cross_entropy(
        logits.into_dispatch(),
        targets.into_dispatch(),
        Reduction::Mean,
    ))
}

/// `−log softmax(logits)[target]` of every row, in nats.
///
/// `logits` is `[replica, rows, d_vocab]`, `targets` `[replica, rows]`, and so is the result.
///
/// # Panics
/// As [`cross_entropy`].
pub fn cross_entropy_by_row(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<2> {
    check_targets(&logits, &targets);
    if !(fused(&logits) && fused_targets(&targets)) {
        return plain::cross_entropy_by_row(logits, targets);
    }
    Tensor::from_dispatch(Dispatch::fused_cross_entropy(
        logits.into_dispatch(),
        targets.into_dispatch(),
        Reduction::None,
    ))
}

/// Layer normalization: each row to mean 0 and (biased) variance 1, with `eps` added to the
/// variance, times `w`, plus `b` (Ba, Kiros & Hinton 2016, Layer normalization, equation 3).
///
/// `x` is `[replica, rows, d]`, `w` and `b` are `[replica, 1, d]`; the result is
/// `[replica, rows, d]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn layer_norm(x: Tensor<3>, w: Tensor<3>, b: Tensor<3>, eps: f64) -> Tensor<3> {
    let [replicas, _, d] = x.dims();
    assert!(
        w.dims() == [replicas, 1, d] && b.dims() == [replicas, 1, d],
        "for x {:?}, w {:?} and b {:?} must be {:?}",
        x.dims(),
        w.dims(),
        b.dims(),
        [replicas, 1, d]
    );
    if !(fused(&x) && fused(&w) && fused(&b)) {
        return plain::layer_norm(x, w, b, eps);
    }
    Tensor::from_dispatch(Dispatch::fused_layer_norm(
        x.into_dispatch(),
        w.into_dispatch(),
        b.into_dispatch(),
        eps as f32,
    ))
}

/// Affine map `x w + b` of each replica.
///
/// `x` is `[replica, rows, in]`, `w` `[replica, in, out]`, `b` `[replica, 1, out]`; the result is
/// `[replica, rows, out]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn linear(x: Tensor<3>, w: Tensor<3>, b: Option<Tensor<3>>) -> Tensor<3> {
    check_linear(&x, &w, b.as_ref());
    if !(fused(&x) && fused(&w) && b.as_ref().is_none_or(fused)) {
        return plain::linear(x, w, b);
    }
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(match b {
        Some(b) => Dispatch::fused_affine(x, w, b.into_dispatch()),
        None => Dispatch::fused_linear(x, w),
    })
}

/// Affine map `residual + x w + b` of each replica: a layer's output joins the stream without a
/// pass of its own.
///
/// As [`linear`], with `residual` `[replica, rows, out]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn linear_onto(
    residual: Tensor<3>,
    x: Tensor<3>,
    w: Tensor<3>,
    b: Option<Tensor<3>>,
) -> Tensor<3> {
    let [replicas, rows, _] = check_linear(&x, &w, b.as_ref());
    let [_, _, out] = w.dims();
    assert!(
        residual.dims() == [replicas, rows, out],
        "for x {:?} and w {:?}, the residual {:?} must be {:?}",
        x.dims(),
        w.dims(),
        residual.dims(),
        [replicas, rows, out]
    );
    if !(fused(&residual) && fused(&x) && fused(&w) && b.as_ref().is_none_or(fused)) {
        return plain::linear_onto(residual, x, w, b);
    }
    let residual = residual.into_dispatch();
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(match b {
        Some(b) => Dispatch::fused_affine_onto(residual, x, w, b.into_dispatch()),
        None => Dispatch::fused_linear_onto(residual, x, w),
    })
}

/// Positions added to every sequence: row i of `x` gets position i modulo their number.
///
/// `x` is `[replica, rows, d]`, `positions` `[replica, positions, d]`; the result is
/// `[replica, rows, d]`.
///
/// # Panics
/// If the shapes do not fit, or the rows are no multiple of the positions.
pub fn add_positions(x: Tensor<3>, positions: Tensor<3>) -> Tensor<3> {
    let [replicas, rows, d] = x.dims();
    let [_, count, _] = positions.dims();
    assert!(
        positions.dims() == [replicas, count, d] && count > 0 && rows.is_multiple_of(count),
        "for x {:?}, positions {:?} must be [{replicas}, a divisor of {rows}, {d}]",
        x.dims(),
        positions.dims(),
    );
    if !(fused(&x) && fused(&positions)) {
        return plain::add_positions(x, positions);
    }
    Tensor::from_dispatch(Dispatch::fused_add_positions(
        x.into_dispatch(),
        positions.into_dispatch(),
    ))
}

/// The vector instructions that the fused path uses on this machine: `portable`, `avx2` or
/// `avx512`.
///
/// The environment variable `ONTOGENY_SIMD`, set to one of these, bounds the choice from above.
/// Matrix products of [`linear`] choose theirs apart from it.
pub fn instruction_set() -> &'static str {
    simd::Level::current().name()
}

/// The sizes of x, where all fits.
fn check_linear(x: &Tensor<3>, w: &Tensor<3>, b: Option<&Tensor<3>>) -> [usize; 3] {
    let [replicas, rows, inner] = x.dims();
    let [_, _, out] = w.dims();
    assert!(
        w.dims() == [replicas, inner, out],
        "for x {:?}, w {:?} must be {:?}",
        x.dims(),
        w.dims(),
        [replicas, inner, out]
    );
    if let Some(b) = b {
        assert!(
            b.dims() == [replicas, 1, out],
            "for w {:?}, b {:?} must be {:?}",
            w.dims(),
            b.dims(),
            [replicas, 1, out]
        );
    }
    [replicas, rows, inner]
}

fn check_targets(logits: &Tensor<3>, targets: &Tensor<2, Int>) {
    let [replicas, rows, _] = logits.dims();
    assert!(
        targets.dims() == [replicas, rows],
        "for logits {:?}, targets {:?} must be {:?}",
        logits.dims(),
        targets.dims(),
        [replicas, rows]
    );
}

fn fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && on_flex(&tensor.device())
}

fn fused_targets(targets: &Tensor<2, Int>) -> bool {
    matches!(targets.dtype(), DType::I32 | DType::I64) && on_flex(&targets.device())
}

/// Whether a device is the processor, reached through Flex: where the fused path runs, and where
/// replicas are better put on threads than moved by one pass.
pub fn on_flex(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Autodiff(device) => matches!(**device, DispatchDevice::Flex(_)),
        device => matches!(device, DispatchDevice::Flex(_)),
    }
}
