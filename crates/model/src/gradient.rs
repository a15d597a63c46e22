//! Loss and gradient of a batch, spread over the cores of a CPU.
//!
//! On a GPU the whole stack is one pass. On a CPU each replica's batch is cut into shards of about
//! `SHARD_ROWS` rows, and the shards of all replicas are work for whichever core is free. A
//! shard's activations also fit the cache where a batch's would not. How a batch is cut depends on
//! its shape alone, and shards are added up in order: the bits are the same on one core and on
//! sixty-four, for a replica alone and for one in a stack.
//!
//! Of tiny networks the operations' beginnings and ends would be most of the time, so a pass moves
//! as many replicas as give it something to do ([`together`]).

use burn::tensor::Tensor;
use ontogeny_kernels::{on_flex, weighted_sum};
use rayon::prelude::*;

use crate::batch::Batch;
use crate::network::Network;

/// Rows of a shard, unless an example has more. Smaller ones would fit the cache no better, and
/// pay more for each operation's beginning and end.
const SHARD_ROWS: usize = 1024;

/// Parameters times rows that a pass should have.
const LEAST_WORK: usize = 1 << 18;

/// Most replicas of a pass, so that there are passes enough for the cores.
const MOST_TOGETHER: usize = 64;

/// Part of the batches of some replicas: `rows` rows from `first` on of `count` replicas from
/// `replica` on.
struct Shard {
    replica: usize,
    count: usize,
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
        let [_, rows] = batch.dims();
        let shards = self.shards(batch);
        let parts: Vec<(Tensor<1>, Vec<Tensor<3>>)> = shards
            .par_iter()
            .map(|shard| {
                self.narrow(shard.replica, shard.count)
                    .whole_loss_and_gradients(wanted, &shard.cut(batch))
            })
            .collect();
        let mut parts = parts.into_iter();
        let stacks = shards
            .chunk_by(|a, b| a.replica == b.replica)
            .map(|own| combine(own.iter().zip(parts.by_ref()), rows));
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
        let [_, rows] = batch.dims();
        let shards = self.shards(batch);
        let parts: Vec<Tensor<1>> = shards
            .par_iter()
            .map(|shard| {
                self.narrow(shard.replica, shard.count)
                    .loss(&shard.cut(batch))
            })
            .collect();
        let mut parts = parts.into_iter().map(|loss| (loss, Vec::new()));
        let losses = shards
            .chunk_by(|a, b| a.replica == b.replica)
            .map(|own| combine(own.iter().zip(parts.by_ref()), rows).0);
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

    /// The shards of a batch.
    fn shards(&self, batch: &Batch) -> Vec<Shard> {
        let sizes = self.parameters().tensors().iter().map(|p| p.dims());
        let n_parameters = sizes.map(|[_, rows, cols]| rows * cols).sum();
        let [replicas, rows] = batch.dims();
        shards(n_parameters, [replicas, rows], batch.positions)
    }
}

/// How many replicas of a network with so many parameters a pass over so many rows of each should
/// move on a CPU.
pub fn together(n_parameters: usize, rows: usize) -> usize {
    let work = (n_parameters * rows).max(1);
    (LEAST_WORK / work).clamp(1, MOST_TOGETHER)
}

/// Pieces of work that a batch of each replica of a network with so many parameters falls into on a
/// CPU: so many cores can share it.
pub fn pieces(n_parameters: usize, [replicas, examples]: [usize; 2], positions: usize) -> usize {
    shards(n_parameters, [replicas, examples * positions], positions).len()
}

/// The shards of every replica, replica by replica, each with as many; or, where a replica's batch
/// is one shard and little work, one for several replicas.
fn shards(n_parameters: usize, [replicas, rows]: [usize; 2], positions: usize) -> Vec<Shard> {
    let step = (SHARD_ROWS / positions).max(1) * positions;
    let count = match rows <= step {
        true => together(n_parameters, rows),
        false => 1,
    };
    let of_some = |replica: usize| {
        (0..rows).step_by(step).map(move |first| Shard {
            replica,
            count: count.min(replicas - replica),
            first,
            rows: step.min(rows - first),
        })
    };
    (0..replicas).step_by(count).flat_map(of_some).collect()
}

impl Shard {
    fn cut(&self, batch: &Batch) -> Batch {
        batch.cut((self.replica, self.count), (self.first, self.rows))
    }
}

/// Loss and gradients of some replicas' batches from those of their shards, weighted by their share
/// of the rows.
fn combine<'a>(
    shards: impl Iterator<Item = (&'a Shard, (Tensor<1>, Vec<Tensor<3>>))>,
    rows: usize,
) -> (Tensor<1>, Vec<Tensor<3>>) {
    let mut losses = Vec::new();
    let mut columns: Vec<Vec<(f64, Tensor<3>)>> = Vec::new();
    for (shard, (loss, gradients)) in shards {
        let share = shard.rows as f64 / rows as f64;
        losses.push((share, loss.reshape([shard.count, 1, 1])));
        columns.resize_with(gradients.len(), Vec::new);
        for (column, gradient) in columns.iter_mut().zip(gradients) {
            column.push((share, gradient));
        }
    }
    let gradients: Vec<_> = columns.into_iter().filter_map(weighted_sum).collect();
    let loss = weighted_sum(losses).map(|loss| {
        let replicas = loss.dims()[0];
        loss.reshape([replicas])
    });
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
