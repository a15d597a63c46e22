//! Losses of single tokens on the sampler's draws: how they go with the loss (susceptibilities,
//! Baker et al. 2025) and with each other (local influence), added up draw by draw, so that memory
//! does not grow with the draws.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Tensor;
use ontogeny_model::{Batch, Network, NetworkConfig};

use super::walk::{self, Observer};
use crate::error::AnalysisError;

/// Units whose covariances with each other are kept at most: tokens if there are no more, else
/// sequences.
const MOST_UNITS: usize = 1024;

/// Covariances over draws, by the update of Welford.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariances {
    draws: f64,
    loss: f64,
    /// Of each token.
    means: Vec<f64>,
    squares: Vec<f64>,
    with_loss: Vec<f64>,
    /// Tokens of a unit.
    unit: usize,
    /// Of each unit.
    unit_means: Vec<f64>,
    /// `[unit, unit]`.
    among: Vec<f64>,
}

impl Covariances {
    /// Of `sequences · positions` tokens, sequence by sequence.
    pub fn new(sequences: usize, positions: usize) -> Self {
        let tokens = sequences * positions;
        let unit = if tokens <= MOST_UNITS { 1 } else { positions };
        let units = if tokens / unit <= MOST_UNITS {
            tokens / unit
        } else {
            // Not even sequences fit: none are kept.
            0
        };
        Self {
            draws: 0.0,
            loss: 0.0,
            means: vec![0.0; tokens],
            squares: vec![0.0; tokens],
            with_loss: vec![0.0; tokens],
            unit,
            unit_means: vec![0.0; units],
            among: vec![0.0; units * units],
        }
    }

    /// Takes in one draw: the loss, and the loss of every token.
    pub fn add(&mut self, loss: f64, tokens: &[f32]) {
        self.draws += 1.0;
        let n = self.draws;
        let loss_away = loss - self.loss;
        self.loss += loss_away / n;
        for (i, &x) in tokens.iter().enumerate() {
            let away = f64::from(x) - self.means[i];
            self.means[i] += away / n;
            self.squares[i] += away * (f64::from(x) - self.means[i]);
            // One deviation before and one after the means moved.
            self.with_loss[i] += away * (loss - self.loss);
        }
        let units = self.unit_means.len();
        if units == 0 {
            return;
        }
        let unit = |i: usize| {
            let own = &tokens[i * self.unit..(i + 1) * self.unit];
            own.iter().map(|&x| f64::from(x)).sum::<f64>() / self.unit as f64
        };
        let values: Vec<f64> = (0..units).map(unit).collect();
        let before: Vec<f64> = values
            .iter()
            .zip(&self.unit_means)
            .map(|(x, m)| x - m)
            .collect();
        for (m, away) in self.unit_means.iter_mut().zip(&before) {
            *m += away / n;
        }
        let after: Vec<f64> = values
            .iter()
            .zip(&self.unit_means)
            .map(|(x, m)| x - m)
            .collect();
        for (row, a) in self.among.chunks_exact_mut(units).zip(&before) {
            for (sum, b) in row.iter_mut().zip(&after) {
                *sum += a * b;
            }
        }
    }

    /// Covariances within the chains, averaged: what chains differ by as a whole is left out.
    pub fn averaged(chains: &[Self]) -> Option<Observed> {
        let first = chains.first()?;
        let draws: f64 = chains.iter().map(|c| c.draws - 1.0).sum();
        if draws <= 0.0 {
            return None;
        }
        let sum = |f: fn(&Self) -> &[f64], by: f64| -> Vec<f64> {
            (0..f(first).len())
                .map(|i| chains.iter().map(|c| f(c)[i]).sum::<f64>() / by)
                .collect()
        };
        Some(Observed {
            means: sum(|c| &c.means, chains.len() as f64),
            variances: sum(|c| &c.squares, draws),
            with_loss: sum(|c| &c.with_loss, draws),
            unit: first.unit,
            among: sum(|c| &c.among, draws),
        })
    }
}

/// What the draws say of single tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Mean loss of each token over the draws, in nats.
    pub means: Vec<f64>,
    /// Its variance over the draws.
    pub variances: Vec<f64>,
    /// Its covariance with the loss of the draw.
    pub with_loss: Vec<f64>,
    /// Tokens of a unit of `among`: 1, or those of a sequence.
    pub unit: usize,
    /// Covariances of units with each other, row major; empty if there were too many.
    pub among: Vec<f64>,
}

/// Tokens that are looked at on every draw.
pub struct Probed<'a> {
    /// What the networks are.
    pub config: &'a NetworkConfig,
    /// The sequences, as a batch of one replica.
    pub batch: Batch,
    /// S.
    pub sequences: usize,
    /// T.
    pub positions: usize,
}

/// The covariances of each chain, in the order of the walkers, while they are added up.
pub type Ledger = Arc<Mutex<Vec<Covariances>>>;

impl<'a> Probed<'a> {
    /// An observer of so many chains, and where it writes.
    pub fn observer(&'a self, chains: usize) -> (Box<dyn Observer + 'a>, Ledger) {
        let own = vec![Covariances::new(self.sequences, self.positions); chains];
        let ledger = Arc::new(Mutex::new(own));
        let watching = Watching {
            probed: self,
            ledger: ledger.clone(),
        };
        (Box::new(watching), ledger)
    }
}

struct Watching<'a> {
    probed: &'a Probed<'a>,
    ledger: Ledger,
}

impl Observer for Watching<'_> {
    fn see(&mut self, weights: &[Tensor<3>], losses: &Tensor<1>) -> Result<(), AnalysisError> {
        let probed = self.probed;
        let [chains, _, _] = weights[0].dims();
        let network = Network::new(probed.config.clone(), weights.to_vec());
        let batch = Batch::stack(vec![probed.batch.clone(); chains]);
        let by_token = network.loss_by_row(&batch);
        let by_token = by_token
            .try_into_vec_as::<f32>()
            .map_err(|e| AnalysisError::Device(e.to_string()))?;
        let losses = walk::read(vec![losses.clone()])?;
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let own = by_token.chunks_exact(probed.sequences * probed.positions);
        for ((chain, tokens), loss) in ledger.iter_mut().zip(own).zip(losses) {
            chain.add(loss, tokens);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_store::Stream;

    /// One draw: the loss, and the loss of every token.
    type Draw = (f64, Vec<f32>);
    /// A figure of a draw.
    type Of<'a> = &'a dyn Fn(&Draw) -> f64;

    #[test]
    fn covariances_are_those_of_two_passes() {
        for (sequences, positions) in [(2, 3), (40, 30)] {
            let tokens = sequences * positions;
            let chains: Vec<Vec<Draw>> = (0..2)
                .map(|c| {
                    (0..7)
                        .map(|draw| {
                            let mut z = vec![0.0; tokens + 1];
                            Stream::new(1, "observables", &[c]).fill_normal(draw, &mut z);
                            let common = 3.0 + z[tokens];
                            z.truncate(tokens);
                            (
                                f64::from(common),
                                z.iter().map(|z| 2.0 + z + common).collect(),
                            )
                        })
                        .collect()
                })
                .collect();
            let streamed: Vec<Covariances> = chains
                .iter()
                .map(|draws| {
                    let mut all = Covariances::new(sequences, positions);
                    draws.iter().for_each(|(loss, x)| all.add(*loss, x));
                    all
                })
                .collect();
            let observed = Covariances::averaged(&streamed).unwrap();
            // Two passes: unit u of a draw, as a number.
            let unit = observed.unit;
            assert_eq!(unit, if tokens <= MOST_UNITS { 1 } else { positions });
            let value = |x: &[f32], u: usize, size: usize| {
                x[u * size..(u + 1) * size]
                    .iter()
                    .map(|&x| f64::from(x))
                    .sum::<f64>()
                    / size as f64
            };
            let covariance = |f: Of<'_>, g: Of<'_>| {
                let one = |draws: &Vec<Draw>| {
                    let mean = |f: Of<'_>| draws.iter().map(f).sum::<f64>() / draws.len() as f64;
                    let (a, b) = (mean(f), mean(g));
                    draws.iter().map(|d| (f(d) - a) * (g(d) - b)).sum::<f64>()
                };
                chains.iter().map(one).sum::<f64>() / 12.0
            };
            for i in [0, 1, tokens - 1] {
                let expected = covariance(&|d| d.0, &|d| value(&d.1, i, 1));
                assert!((observed.with_loss[i] - expected).abs() < 1e-9);
                let expected = covariance(&|d| value(&d.1, i, 1), &|d| value(&d.1, i, 1));
                assert!((observed.variances[i] - expected).abs() < 1e-9);
            }
            let units = tokens / unit;
            for (i, j) in [(0, 1), (1, 0), (units - 1, 0)] {
                let expected = covariance(&|d| value(&d.1, i, unit), &|d| value(&d.1, j, unit));
                assert!((observed.among[i * units + j] - expected).abs() < 1e-9);
            }
        }
    }
}
