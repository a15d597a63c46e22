//! Loss and gradient of a batch, spread over the cores of a CPU.
//!
//! On a GPU the whole stack is one pass. On a CPU each replica's batch is cut into shards of about
//! `SHARD_ROWS` rows, and the shards of all replicas are work for whichever core is free. A
//! shard's activations also fit the cache where a batch's would not. How a batch is cut depends on
//! its shape alone, and shards are added up in order: the bits are the same on one core and on
//! sixty-four, for a replica alone and for one in a stack.

use burn::tensor::Tensor;
use ontogeny_kernels::{on_flex, weighted_sum};
use rayon::prelude::*;

use crate::batch::Batch;
use crate::network::Network;

/// Rows of a shard, unless an example has more. Smaller ones would fit the cache no better, and
/// pay more for each operation's beginning and end.
const SHARD_ROWS: usize = 1024;

/// Part of one replica's batch.
struct Shard {
    replica: usize,
    first: usize,
    rows: usize,
}

impl Network {
    /// Mean loss of each replica, `[R]`, and its gradient in every parameter in order,
    /// `[R, rows, cols]`. A parameter that the loss does not depend on has a gradient of zero.
    ///
    /// # Panics
    /// As [`Network::outputs`].
    pub fn loss_and_gradients(&self, batch: &Batch) -> (Tensor<1>, Vec<Tensor<3>>) {
        self.loss_and_some_gradients(&|_| true, batch)
    }

    /// The same with the gradients of those parameters alone that `wanted` says yes to, by their
    /// number; those of the others are zeros, and what only they need is not computed.
    ///
    /// # Panics
    /// As [`Network::outputs`].
    pub fn loss_and_some_gradients(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        batch: &Batch,
    ) -> (Tensor<1>, Vec<Tensor<3>>) {
        if !on_flex(&self.device()) {
            return self.whole_loss_and_gradients(wanted, batch);
        }
        let [replicas, rows] = batch.dims();
        let shards = shards(replicas, rows, batch.positions);
        let alone = self.apart();
        let parts: Vec<(Tensor<1>, Vec<Tensor<3>>)> = shards
            .par_iter()
            .map(|shard| alone[shard.replica].whole_loss_and_gradients(wanted, &shard.cut(batch)))
            .collect();
        let mut parts = shards.iter().zip(parts);
        let stacks = (0..replicas).map(|_| {
            let own = parts.by_ref().take(shards.len() / replicas);
            combine(own, rows)
        });
        stack(stacks.collect())
    }

    /// Mean loss of each replica, `[R]`, spread over the cores. Without gradient.
    ///
    /// # Panics
    /// As [`Network::outputs`].
    pub fn mean_loss(&self, batch: &Batch) -> Tensor<1> {
        if !on_flex(&self.device()) {
            return self.loss(batch);
        }
        let [replicas, rows] = batch.dims();
        let shards = shards(replicas, rows, batch.positions);
        let alone = self.apart();
        let parts: Vec<Tensor<1>> = shards
            .par_iter()
            .map(|shard| alone[shard.replica].loss(&shard.cut(batch)))
            .collect();
        let mut parts = shards.iter().zip(parts);
        let losses = (0..replicas).map(|_| {
            let own = parts.by_ref().take(shards.len() / replicas);
            combine(own.map(|(s, loss)| (s, (loss, Vec::new()))), rows).0
        });
        Tensor::cat(losses.collect(), 0)
    }

    fn whole_loss_and_gradients(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        batch: &Batch,
    ) -> (Tensor<1>, Vec<Tensor<3>>) {
        let tracked = self.tracked(wanted);
        let loss = tracked.loss(batch);
        let mut gradients = loss.clone().sum().backward();
        let parameters = tracked.into_parameters().into_iter().enumerate();
        let gradients = parameters.map(|(i, p)| {
            let own = wanted(i).then(|| p.grad_remove(&mut gradients)).flatten();
            own.unwrap_or_else(|| p.inner().zeros_like())
        });
        (loss.inner(), gradients.collect())
    }

    /// The replicas one by one.
    fn apart(&self) -> Vec<Self> {
        let alone = self.parameters().apart().into_iter();
        alone.map(|parameters| self.with(parameters)).collect()
    }
}

/// Pieces of work that a batch of each replica falls into on a CPU: so many cores can share it.
pub fn pieces(replicas: usize, examples: usize, positions: usize) -> usize {
    shards(replicas, examples * positions, positions).len()
}

/// The shards of every replica, replica by replica; each has as many.
fn shards(replicas: usize, rows: usize, positions: usize) -> Vec<Shard> {
    let step = (SHARD_ROWS / positions).max(1) * positions;
    let of_one = |replica: usize| {
        (0..rows).step_by(step).map(move |first| Shard {
            replica,
            first,
            rows: step.min(rows - first),
        })
    };
    (0..replicas).flat_map(of_one).collect()
}

impl Shard {
    fn cut(&self, batch: &Batch) -> Batch {
        batch.cut(self.replica, self.first, self.rows)
    }
}

/// Loss and gradients of a batch from those of its shards, weighted by their share of the rows.
fn combine<'a>(
    shards: impl Iterator<Item = (&'a Shard, (Tensor<1>, Vec<Tensor<3>>))>,
    rows: usize,
) -> (Tensor<1>, Vec<Tensor<3>>) {
    let mut losses = Vec::new();
    let mut columns: Vec<Vec<(f64, Tensor<3>)>> = Vec::new();
    for (shard, (loss, gradients)) in shards {
        let share = shard.rows as f64 / rows as f64;
        losses.push((share, loss.reshape([1, 1, 1])));
        columns.resize_with(gradients.len(), Vec::new);
        for (column, gradient) in columns.iter_mut().zip(gradients) {
            column.push((share, gradient));
        }
    }
    let gradients: Vec<_> = columns.into_iter().filter_map(weighted_sum).collect();
    let loss = weighted_sum(losses).map(|loss| loss.reshape([1]));
    // A batch has at least one sequence, hence a shard.
    (loss.unwrap_or_else(|| unreachable!("no shard")), gradients)
}

/// Replicas as one stack.
fn stack(mut parts: Vec<(Tensor<1>, Vec<Tensor<3>>)>) -> (Tensor<1>, Vec<Tensor<3>>) {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let (losses, gradients): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let mut columns: Vec<Vec<Tensor<3>>> = Vec::new();
    for gradients in gradients {
        columns.resize_with(gradients.len(), Vec::new);
        for (column, gradient) in columns.iter_mut().zip(gradients) {
            column.push(gradient);
        }
    }
    let gradients = columns.into_iter().map(|column| Tensor::cat(column, 0));
    (Tensor::cat(losses, 0), gradients.collect())
}
