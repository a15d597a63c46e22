//! A loss that can be called off.

use burn::tensor::Tensor;

use super::Landscape;
use crate::error::AnalysisError;
use crate::sampler::{LossAndGradient, Mask};

/// A loss that is evaluated until somebody asks to stop. An estimate over it ends between two
/// evaluations, and nothing is kept of it.
pub struct Stoppable<'a> {
    loss: &'a dyn Landscape,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Stoppable<'a> {
    /// `loss`, until `stop` says so.
    pub fn new(loss: &'a dyn Landscape, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { loss, stop }
    }

    fn go_on(&self) -> Result<(), AnalysisError> {
        match (self.stop)() {
            true => Err(AnalysisError::Interrupted),
            false => Ok(()),
        }
    }
}

impl Landscape for Stoppable<'_> {
    fn loss_and_gradients(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        self.go_on()?;
        self.loss.loss_and_gradients(weights, chains, draw)
    }

    fn loss_and_masked_gradients(
        &self,
        mask: &Mask,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        self.go_on()?;
        self.loss
            .loss_and_masked_gradients(mask, weights, chains, draw)
    }

    fn loss(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<Tensor<1>, AnalysisError> {
        self.go_on()?;
        self.loss.loss(weights, chains, draw)
    }

    fn together(&self, chains: usize) -> usize {
        self.loss.together(chains)
    }
}
