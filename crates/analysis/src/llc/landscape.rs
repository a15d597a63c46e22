//! The loss that chains move on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use ontogeny_data::{Source, Split};
use ontogeny_kernels::on_flex;
use ontogeny_model::{Batch, Network, NetworkConfig, gradient};
use ontogeny_store::Stream;

use crate::error::AnalysisError;
use crate::features::loss_of;
use crate::probe;
use crate::sampler::{LossAndGradient, Mask, Part};

/// A loss and its gradient, on data that chain and draw decide.
pub trait Landscape: Sync {
    /// Loss `[R]` and gradient of every parameter, `[R, rows, cols]` each, at the weights of these
    /// chains.
    ///
    /// # Errors
    /// If the device fails.
    fn loss_and_gradients(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError>;

    /// The same with the gradients of what a mask moves; those of parameters that do not move at
    /// all may be anything finite.
    ///
    /// # Errors
    /// If the device fails.
    fn loss_and_masked_gradients(
        &self,
        _mask: &Mask,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        self.loss_and_gradients(weights, chains, draw)
    }

    /// Loss alone, `[R]`, on the same data.
    ///
    /// # Errors
    /// If the device fails.
    fn loss(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<Tensor<1>, AnalysisError>;

    /// How many of these chains should move as one stack.
    fn together(&self, chains: usize) -> usize;
}

/// Fresh minibatches of a source, the same for every checkpoint that asks; those of early draws are
/// kept.
pub struct Minibatches<'a> {
    source: &'a Source,
    split: Split,
    seed: u64,
    /// What tells these minibatches from those of other checkpoints, if anything should.
    coordinate: Option<u64>,
    batch: usize,
    device: Device,
    kept: Mutex<HashMap<(u64, u64), Batch>>,
    /// Most minibatches that are kept.
    room: usize,
}

/// Tokens kept, inputs and targets counted apart.
const KEPT_TOKENS: usize = 16 << 20;

impl<'a> Minibatches<'a> {
    /// Minibatches of `batch` sequences; with a coordinate they are independent of all others.
    pub fn new(
        source: &'a Source,
        split: Split,
        seed: u64,
        coordinate: Option<u64>,
        batch: usize,
        device: &Device,
    ) -> Self {
        let positions = source.positions().max(1);
        Self {
            source,
            split,
            seed,
            coordinate,
            batch,
            device: device.clone(),
            kept: Mutex::new(HashMap::new()),
            room: KEPT_TOKENS / (2 * batch * positions),
        }
    }

    /// Positions of an example.
    pub fn positions(&self) -> usize {
        self.source.positions()
    }

    /// A loss, or a gradient of it, as that of minus a log-likelihood in nats.
    fn in_nats<const D: usize>(&self, loss: Tensor<D>) -> Tensor<D> {
        let by = loss_of(self.source).to_nats();
        if by == 1.0 { loss } else { loss * by }
    }

    /// The minibatch of one chain at one draw.
    fn get(&self, chain: u64, draw: u64) -> Batch {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&(chain, draw)) {
            return found.clone();
        }
        let stream = stream(self.seed, "sampler minibatches", chain, self.coordinate);
        let examples = self.source.examples(self.split, &stream, draw, self.batch);
        let made = probe::batch_of(&examples, &self.device);
        let mut kept = lock();
        if kept.len() < self.room {
            kept.insert((chain, draw), made.clone());
        }
        made
    }

    /// Those of several chains.
    fn stacked(&self, chains: &[u64], draw: u64) -> Batch {
        Batch::stack(chains.iter().map(|&chain| self.get(chain, draw)).collect())
    }
}

/// A chain's stream for a purpose. Checkpoints share it (common random numbers) unless a coordinate
/// of their own is hashed in.
pub(super) fn stream(seed: u64, purpose: &str, chain: u64, coordinate: Option<u64>) -> Stream {
    match coordinate {
        None => Stream::new(seed, purpose, &[chain]),
        Some(own) => Stream::new(seed, purpose, &[chain, own]),
    }
}

/// A network's loss on minibatches, as minus a log-likelihood in nats: nβ multiplies that, whatever
/// the loss.
pub struct NetworkLoss<'a> {
    config: &'a NetworkConfig,
    minibatches: &'a Minibatches<'a>,
}

impl<'a> NetworkLoss<'a> {
    /// Of networks of this shape.
    pub fn new(config: &'a NetworkConfig, minibatches: &'a Minibatches<'a>) -> Self {
        Self {
            config,
            minibatches,
        }
    }
}

impl Landscape for NetworkLoss<'_> {
    fn loss_and_gradients(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        self.loss_and_masked_gradients(&Mask::all(), weights, chains, draw)
    }

    fn loss_and_masked_gradients(
        &self,
        mask: &Mask,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        let batch = self.minibatches.stacked(chains, draw);
        let network = Network::new(self.config.clone(), weights.to_vec());
        let moves: Vec<bool> = (0..weights.len())
            .map(|i| !matches!(mask.part(i), Part::Nothing))
            .collect();
        let (loss, gradients) = network.loss_and_some_gradients(&|i| moves[i], &batch);
        let gradients = gradients.into_iter().map(|g| self.minibatches.in_nats(g));
        Ok((self.minibatches.in_nats(loss), gradients.collect()))
    }

    fn loss(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<Tensor<1>, AnalysisError> {
        let batch = self.minibatches.stacked(chains, draw);
        let network = Network::new(self.config.clone(), weights.to_vec());
        Ok(self.minibatches.in_nats(network.mean_loss(&batch)))
    }

    /// On a CPU every chain, or a few of tiny networks, is work of its own for a free core; on a
    /// GPU one pass moves all of them.
    fn together(&self, chains: usize) -> usize {
        match on_flex(&self.minibatches.device) {
            true => {
                let rows = self.minibatches.batch * self.minibatches.positions();
                gradient::together(self.config.n_parameters(), rows)
            }
            false => chains,
        }
    }
}
