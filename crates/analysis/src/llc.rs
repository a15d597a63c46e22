//! The local learning coefficient of a checkpoint, λ̂ = nβ·(E[L(w)] − L(w*)) (Lau et al. 2023).

use burn::tensor::Tensor;
use ontogeny_data::{Sequences, Source, Split};
use ontogeny_kernels::on_flex;
use ontogeny_model::Transformer;
use ontogeny_store::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::probe::tokens;
use crate::sampler::{self, Sgld};

/// How the coefficient is estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlcSettings {
    /// The sampler.
    pub sgld: Sgld,
    /// Independent chains.
    pub chains: usize,
    /// Draws left out at the beginning of each chain.
    pub burn_in: usize,
    /// Sequences in each minibatch.
    pub batch: usize,
    /// Seed of noise and minibatches. Chains have streams of their own, hashed from it; every
    /// checkpoint of a run has the same ones (common random numbers), which makes differences along
    /// a trajectory far sharper than levels, and errors shared along it.
    pub seed: u64,
}

/// An estimate and the chains behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Llc {
    /// Mean over the living chains; `None` if all died.
    pub mean: Option<f64>,
    /// Standard error over the living chains; `None` with fewer than two.
    pub standard_error: Option<f64>,
    /// Mean of L(w*) over the same minibatches, in nats.
    pub baseline: Option<f64>,
    /// Each chain's own estimate; `None` for one whose loss stopped being finite, which is in none
    /// of the figures above.
    pub by_chain: Vec<Option<f64>>,
    /// nβ·(L(w) − L(w*)) of every kept draw, averaged over the living chains.
    pub trace: Vec<f64>,
}

/// Estimates the coefficient at the weights of one replica, following the loss on fresh minibatches
/// of a source.
///
/// The baseline L(w*) is taken on the very minibatches of the draws that count, so that their noise
/// cancels; draws of the burn-in count neither here nor there.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If the network holds several replicas, or the burn-in leaves no draw.
pub fn estimate(
    network: &Transformer,
    source: &Source,
    split: Split,
    settings: &LlcSettings,
) -> Result<Llc, AnalysisError> {
    assert_eq!(network.replicas(), 1, "one replica at a time");
    assert!(
        settings.burn_in < settings.sgld.draws,
        "the burn-in leaves draws"
    );
    // On a CPU every chain is work of its own for a free core; on a GPU one pass moves all of them.
    let together = match on_flex(&network.device()) {
        true => 1,
        false => settings.chains,
    };
    let numbers: Vec<u64> = (0..settings.chains as u64).collect();
    let parts = numbers
        .par_chunks(together)
        .map(|chains| sample(network, source, split, settings, chains))
        .collect::<Result<Vec<_>, _>>()?;
    let gather = |f: fn(&Sampled) -> &[f64], draws: usize| -> Vec<f64> {
        let of_draw = |draw: usize| {
            let own = move |part| {
                let width = f(part).len() / draws;
                &f(part)[draw * width..(draw + 1) * width]
            };
            parts.iter().flat_map(own).copied()
        };
        (0..draws).flat_map(of_draw).collect()
    };
    let kept = settings.sgld.draws - settings.burn_in;
    let all = gather(|s| &s.losses, settings.sgld.draws);
    let baselines = gather(|s| &s.baselines, kept);
    let chains = settings.chains;
    let alive: Vec<bool> = (0..chains)
        .map(|c| all.iter().skip(c).step_by(chains).all(|l| l.is_finite()))
        .collect();
    Ok(summarize(
        &all[settings.burn_in * chains..],
        &baselines,
        &alive,
        kept,
        settings.sgld.nbeta,
    ))
}

/// What chains that moved together saw, `[draw, chain]` row major.
struct Sampled {
    losses: Vec<f64>,
    /// L(w*) on the minibatches of the draws after the burn-in.
    baselines: Vec<f64>,
}

/// Runs the chains of these numbers as one stack.
fn sample(
    network: &Transformer,
    source: &Source,
    split: Split,
    settings: &LlcSettings,
    chains: &[u64],
) -> Result<Sampled, AnalysisError> {
    let streams = |purpose: &str| -> Vec<Stream> {
        let stream = |&chain: &u64| Stream::new(settings.seed, purpose, &[chain]);
        chains.iter().map(stream).collect()
    };
    let (noise, minibatches) = (streams("sampler noise"), streams("sampler minibatches"));
    let start = network.repeat(chains.len());
    let (config, device) = (network.config().clone(), network.device());
    let mut baselines = Vec::new();
    let losses = sampler::run(
        &start.clone().into_parameters(),
        &settings.sgld,
        &noise,
        |weights, draw| -> Result<_, AnalysisError> {
            let batches: Vec<Sequences> = minibatches
                .iter()
                .map(|s| source.sequences(split, s, draw as u64, settings.batch))
                .collect();
            let t = batches[0].len - 1;
            let (inputs, targets): (Vec<_>, Vec<_>) = batches
                .iter()
                .map(|b| tokens(b, 0..b.rows, &device))
                .unzip();
            let (inputs, targets) = (Tensor::cat(inputs, 0), Tensor::cat(targets, 0));
            if draw >= settings.burn_in {
                baselines.push(start.mean_loss(inputs.clone(), targets.clone(), t));
            }
            let at = Transformer::from_parameters(&config, weights.to_vec());
            Ok(at.loss_and_gradients(inputs, targets, t))
        },
    )?;
    Ok(Sampled {
        losses: read(losses)?,
        baselines: read(baselines)?,
    })
}

/// From losses and baselines `[draw, chain]` to the estimate.
fn summarize(losses: &[f64], baselines: &[f64], alive: &[bool], kept: usize, nbeta: f64) -> Llc {
    let chains = alive.len();
    let excess = |draw: usize, chain: usize| {
        let i = draw * chains + chain;
        nbeta * (losses[i] - baselines[i])
    };
    let by_chain: Vec<Option<f64>> = (0..chains)
        .map(|c| alive[c].then(|| (0..kept).map(|k| excess(k, c)).sum::<f64>() / kept as f64))
        .collect();
    let living: Vec<f64> = by_chain.iter().copied().flatten().collect();
    let n = living.len() as f64;
    let over_living =
        |f: &dyn Fn(usize) -> f64| (0..chains).filter(|&c| alive[c]).map(f).sum::<f64>() / n;
    let mean = (!living.is_empty()).then(|| living.iter().sum::<f64>() / n);
    Llc {
        mean,
        standard_error: mean.filter(|_| living.len() > 1).map(|mean| {
            let squares: f64 = living.iter().map(|x| (x - mean).powi(2)).sum();
            (squares / (n - 1.0) / n).sqrt()
        }),
        baseline: mean.map(|_| {
            over_living(&|c| {
                (0..kept).map(|k| baselines[k * chains + c]).sum::<f64>() / kept as f64
            })
        }),
        by_chain,
        trace: match mean {
            Some(_) => (0..kept).map(|k| over_living(&|c| excess(k, c))).collect(),
            None => Vec::new(),
        },
    }
}

fn read(columns: Vec<Tensor<1>>) -> Result<Vec<f64>, AnalysisError> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let values = Tensor::cat(columns, 0)
        .try_into_vec_as::<f32>()
        .map_err(|e| AnalysisError::Device(e.to_string()))?;
    Ok(values.into_iter().map(f64::from).collect())
}

impl Llc {
    /// The figures as measures of a checkpoint.
    pub fn measures(&self) -> Measures {
        let mut measures = Measures::default();
        let dead = self.by_chain.iter().filter(|c| c.is_none()).count();
        measures.value("llc_chains_used", (self.by_chain.len() - dead) as f64);
        measures.value("llc_chains_dead", dead as f64);
        for (name, value) in [
            ("llc", self.mean),
            ("llc_se", self.standard_error),
            ("llc_baseline", self.baseline),
        ] {
            if let Some(value) = value {
                measures.value(name, value);
            }
        }
        measures.vector("llc_trace", self.trace.clone());
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_chains_are_in_no_figure() {
        let losses = [1.0, f64::NAN, 3.0, 1.5, f64::NAN, 3.5];
        let baselines = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
        let llc = summarize(&losses, &baselines, &[true, false, true], 2, 10.0);
        assert_eq!(llc.by_chain, [Some(7.5), None, Some(27.5)]);
        assert_eq!(llc.mean, Some(17.5));
        assert_eq!(llc.standard_error, Some(10.0));
        assert_eq!(llc.baseline, Some(0.5));
        assert_eq!(llc.trace, [15.0, 20.0]);
        assert_eq!(llc.measures().values["llc_chains_dead"], 1.0);
    }

    #[test]
    fn nothing_is_claimed_when_all_are_dead() {
        let llc = summarize(&[f64::NAN], &[0.5], &[false], 1, 10.0);
        assert_eq!(
            (llc.mean, llc.standard_error, llc.baseline),
            (None, None, None)
        );
        assert!(!llc.measures().values.contains_key("llc"));
    }
}
