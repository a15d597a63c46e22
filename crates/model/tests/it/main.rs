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
mod vectors;

use burn::tensor::{Device, Int, Tensor, TensorData};
use golden::Golden;
use ontogeny_model::{Batch, Network};

/// The golden batch of each replica. Replica `i` reads every token `shifts[i]` further on in the
/// vocabulary, so that no two read the same.
fn batch(golden: &Golden, network: &Network, shifts: &[usize]) -> Batch {
    let [inputs, targets] = tokens(golden, network, shifts);
    Batch::of_tokens(inputs, targets, network.config().n_ctx())
}

/// Its inputs and targets, `[replicas, batch · n_ctx]` each.
fn tokens(golden: &Golden, network: &Network, shifts: &[usize]) -> [Tensor<2, Int>; 2] {
    let config = network.config().transformer().unwrap();
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
fn gradients(network: &Network, batch: &Batch) -> Network {
    let tracked = network.tracked(|_| true);
    let mut gradients = tracked.loss(batch).sum().backward();
    let parameters = tracked.parameters().clone();
    tracked.with(parameters.map(|p| p.grad_remove(&mut gradients).unwrap()))
}

/// A tensor's values, row major.
fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}
