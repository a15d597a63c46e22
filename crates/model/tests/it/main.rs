//! Networks against values computed elsewhere, in stacks, and on their way to and from disk.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; the lints know only functions marked as tests"
)]

mod disk;
mod golden;
mod stacks;
mod values;

use burn::tensor::{Device, Int, Tensor, TensorData};
use golden::Golden;
use ontogeny_model::Transformer;

/// Inputs and targets of the golden batch, `[replicas, batch · n_ctx]` each. Replica `i` reads
/// every token `shifts[i]` further on in the vocabulary, so that no two read the same.
fn batch(golden: &Golden, network: &Transformer, shifts: &[usize]) -> [Tensor<2, Int>; 2] {
    let config = network.config();
    let tokens = golden.values("tokens");
    let rows = tokens.len() / (config.n_ctx + 1);
    [0, 1].map(|from| {
        let mut taken: Vec<i32> = Vec::new();
        for shift in shifts {
            for row in tokens.chunks_exact(config.n_ctx + 1) {
                let row = &row[from..from + config.n_ctx];
                taken.extend(
                    row.iter()
                        .map(|&t| ((t as usize + shift) % config.d_vocab) as i32),
                );
            }
        }
        let shape = [shifts.len(), rows * config.n_ctx];
        Tensor::from_data(TensorData::new(taken, shape), &Device::flex())
    })
}

/// The gradient of each replica's loss, in the place of its parameters.
fn gradients(network: &Transformer, [inputs, targets]: [Tensor<2, Int>; 2]) -> Transformer {
    let tracked = network.tracked(|_| true);
    let loss = tracked.loss(inputs, targets, network.config().n_ctx);
    let mut gradients = loss.sum().backward();
    tracked.map(|p| p.grad_remove(&mut gradients).unwrap())
}

/// A tensor's values, row major.
fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}
