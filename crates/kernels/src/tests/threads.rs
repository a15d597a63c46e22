use super::*;
use crate::{causal_attention, cross_entropy, layer_norm, linear};
use burn::tensor::Int;

/// A small network through every operation: loss and gradients as bits.
fn network(seed: u64) -> Vec<Vec<f64>> {
    let (batch, positions, heads, d_head) = (3, 21, 2, 12);
    let (rows, d) = (batch * positions, heads * d_head);
    let shapes = [[1, rows, d], [1, d, 3 * d], [1, 1, 3 * d], [1, d, 50]];
    let inputs = leaves(&shapes, seed, DType::F32);
    let scale = leaf(&normals(seed + 50, d), [1, 1, d], DType::F32);
    let network = |x: &[Tensor<3>]| {
        let normal = layer_norm(x[0].clone(), scale.clone(), scale.clone(), 1e-5);
        let qkv = linear(normal, x[1].clone(), Some(x[2].clone()));
        let head = |i: usize| {
            let part = qkv.clone().slice([0..1, 0..rows, i * d..(i + 1) * d]);
            let part = part.reshape([batch, positions, heads, d_head]);
            part.swap_dims(1, 2)
        };
        let mixed = causal_attention(head(0), head(1), head(2));
        let residual = mixed.swap_dims(1, 2).reshape([1, rows, d]) + x[0].clone();
        let classes: Vec<i64> = (0..rows as i64).map(|i| i * 7 % 50).collect();
        let targets = TensorData::new(classes, [1, rows]);
        let targets = Tensor::<2, Int>::from_data(targets, &Device::flex());
        cross_entropy(linear(residual, x[3].clone(), None), targets)
    };
    values_and_gradients(&network, &inputs)
}

#[test]
fn bits_do_not_depend_on_threads() {
    let alone: Vec<_> = (0..4).map(network).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| scope.spawn(move || network(seed)))
            .collect();
        let join = threads.into_iter().map(|thread| thread.join());
        join.map(|result| result.expect("no panic")).collect()
    });
    assert_eq!(together, alone);
}
