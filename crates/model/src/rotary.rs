//! Rotary positions (Su et al. 2021, arXiv 2104.09864).

use burn::tensor::{Device, Tensor, TensorData};

/// Base of the geometric series of angles.
const BASE: f64 = 10_000.0;

/// Cosines and signed sines of the angles of every position, each `[1, 1, positions, d_head]`.
pub(crate) fn tables(positions: usize, d_head: usize, device: &Device) -> (Tensor<4>, Tensor<4>) {
    let half = d_head / 2;
    let (mut cos, mut sin) = (
        Vec::with_capacity(positions * d_head),
        Vec::with_capacity(positions * d_head),
    );
    for position in 0..positions {
        let angle =
            |i: usize| position as f64 * BASE.powf(-2.0 * (i % half) as f64 / d_head as f64);
        cos.extend((0..d_head).map(|i| angle(i).cos() as f32));
        // The first half of the components receives minus the second half.
        sin.extend((0..d_head).map(|i| {
            let sign = if i < half { -1.0 } else { 1.0 };
            (sign * angle(i).sin()) as f32
        }));
    }
    let shape = [1, 1, positions, d_head];
    (
        Tensor::from_data(TensorData::new(cos, shape), device),
        Tensor::from_data(TensorData::new(sin, shape), device),
    )
}

/// Rotates `x` `[batch, head, position, d_head]` by the angles in `(cos, sin)`.
pub(crate) fn rotate(x: Tensor<4>, (cos, sin): (Tensor<4>, Tensor<4>)) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let first = x.clone().narrow(3, 0, half);
    let second = x.clone().narrow(3, half, half);
    x * cos + Tensor::cat(vec![second, first], 3) * sin
}
