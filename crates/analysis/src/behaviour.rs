//! What a network predicts: losses, and how near it is to each oracle.

use burn::tensor::{Int, Tensor, TensorData, activation};
use ontogeny_data::{Language, Split};
use ontogeny_model::{Batch, Network, Targets};

use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::probe::{self, CHUNK, OracleOnProbe, Probe, batch};

/// Loss at every position of every sequence of a probe, `[sequence, position]` row major, in nats,
/// and the mean cross-entropy of the network against each oracle's distributions.
struct Predictions {
    losses: Vec<f32>,
    against: Vec<f64>,
}

/// Measures on the probe of the training source, with the ICL score between two positions.
///
/// # Errors
/// If the device fails.
pub fn on_training_source(
    network: &Network,
    probe: &Probe,
    icl: (usize, usize),
    with_triggers: bool,
) -> Result<Measures, AnalysisError> {
    let predictions = predict(network, probe)?;
    let mut measures = Measures::default();
    let t = probe.positions();
    let by_position = mean_by_position(&predictions.losses, t);
    measures.value("loss", mean(&predictions.losses));
    measures.value("icl_score", by_position[icl.1] - by_position[icl.0]);
    measures.vector("loss_by_position", by_position);
    for (oracle, cross_entropy) in probe.oracles.iter().zip(predictions.against) {
        let name = oracle.oracle.name();
        measures.value(format!("cross_entropy.{name}"), cross_entropy);
        measures.value(format!("divergence.{name}"), cross_entropy - oracle.entropy);
        measures.value(format!("oracle_loss.{name}"), mean(&oracle.losses));
    }
    if with_triggers {
        triggers(probe, &predictions.losses, &mut measures);
    }
    Ok(measures)
}

/// Mean loss on a probe, in nats.
///
/// # Errors
/// If the device fails.
pub fn loss(network: &Network, probe: &Probe) -> Result<f64, AnalysisError> {
    Ok(mean(&predict(network, probe)?.losses))
}

/// The loss of each of `count` held-out sequences of a source, summed over its positions, in nats:
/// minus the log-probability of the sequence after its first token. They are the sequences that
/// every checkpoint is measured on under this seed.
///
/// # Errors
/// If the device fails.
pub fn sequence_losses(
    network: &Network,
    source: &Language,
    seed: u64,
    count: usize,
) -> Result<Vec<f64>, AnalysisError> {
    let sequences = source.sequences(Split::HeldOut, &probe::stream(seed), 0, count);
    let (t, device) = (sequences.len - 1, network.device());
    let mut sums = Vec::with_capacity(count);
    for first in (0..count).step_by(CHUNK) {
        let chunk = first..(first + CHUNK).min(count);
        let (_, at_targets) = log_probs(network, &batch(&sequences, chunk, &device))?;
        let losses = read(at_targets)?;
        let sum = |own: &[f32]| -own.iter().map(|&l| f64::from(l)).sum::<f64>();
        sums.extend(losses.chunks_exact(t).map(sum));
    }
    Ok(sums)
}

/// Log-probabilities of every token at each row of a batch of one replica, `[N, V]`, and those of
/// the targets, `[N, 1]`.
fn log_probs(network: &Network, batch: &Batch) -> Result<(Tensor<2>, Tensor<2>), AnalysisError> {
    let targets: &Tensor<2, Int> = match &batch.targets {
        Targets::Tokens(targets) => targets,
        Targets::Values(_) => return Err(AnalysisError::NoTokens),
    };
    let logits = network.outputs(&batch.inputs, batch.positions);
    let [_, rows, v] = logits.dims();
    let all = activation::log_softmax(logits.reshape([rows, v]), 1);
    let at_targets = all.clone().gather(1, targets.clone().reshape([rows, 1]));
    Ok((all, at_targets))
}

fn predict(network: &Network, probe: &Probe) -> Result<Predictions, AnalysisError> {
    let (rows, t, device) = (probe.sequences.rows, probe.positions(), network.device());
    let kept = probe.with_distributions();
    let mut losses = Vec::with_capacity(rows * t);
    let mut sums = vec![0.0; probe.oracles.len()];
    for first in (0..rows).step_by(CHUNK) {
        let chunk = first..(first + CHUNK).min(rows);
        let batch = batch(&probe.sequences, chunk.clone(), &device);
        let (log_probs, at_targets) = log_probs(network, &batch)?;
        losses.extend(read(at_targets)?.into_iter().map(|l| -l));
        let with = chunk.end.min(kept).saturating_sub(first) * t;
        if with > 0 {
            let log_probs = log_probs.narrow(0, 0, with);
            for (sum, oracle) in sums.iter_mut().zip(&probe.oracles) {
                let p = distributions(oracle, first * t, with, probe.d_vocab, &log_probs);
                let width = p.dims()[1];
                let terms = (p * log_probs.clone().narrow(1, 0, width)).sum_dim(1);
                *sum -= read(terms)?.iter().map(|&x| f64::from(x)).sum::<f64>();
            }
        }
    }
    let against = sums.into_iter().map(|s| s / (kept * t) as f64).collect();
    Ok(Predictions { losses, against })
}

/// Probabilities of an oracle at `count` positions from `first` on, `[count, d_vocab]`.
fn distributions(
    oracle: &OracleOnProbe,
    first: usize,
    count: usize,
    v: usize,
    like: &Tensor<2>,
) -> Tensor<2> {
    let values = oracle.log_probs[first * v..(first + count) * v].to_vec();
    Tensor::<2>::from_data(TensorData::new(values, [count, v]), &like.device()).exp()
}

/// Loss at triggers: the network's, and beside it the loss of the oracles that tell induction from
/// a memory without order.
fn triggers(probe: &Probe, losses: &[f32], measures: &mut Measures) {
    let t = probe.positions();
    let places = |repeated: bool| -> Vec<usize> {
        let sequences = probe.triggers.iter().enumerate();
        sequences
            .flat_map(|(row, triggers)| {
                let positions: Vec<usize> = match repeated {
                    true => triggers.repeated.iter().map(|r| r.position).collect(),
                    false => triggers.first.clone(),
                };
                positions
                    .into_iter()
                    .filter(|&p| p < t)
                    .map(move |p| row * t + p)
            })
            .collect()
    };
    for (name, places) in [("first", places(false)), ("repeated", places(true))] {
        if places.is_empty() {
            continue;
        }
        let at = |losses: &[f32]| {
            places.iter().map(|&p| f64::from(losses[p])).sum::<f64>() / places.len() as f64
        };
        measures.value(format!("trigger_loss.{name}"), at(losses));
        for oracle in &probe.oracles {
            let oracle_name = oracle.oracle.name();
            measures.value(
                format!("trigger_loss.{name}.{oracle_name}"),
                at(&oracle.losses),
            );
        }
    }
}

pub(crate) fn read(tensor: Tensor<2>) -> Result<Vec<f32>, AnalysisError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|e| AnalysisError::Device(e.to_string()))
}

pub(crate) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len().max(1) as f64
}

fn mean_by_position(losses: &[f32], positions: usize) -> Vec<f64> {
    let mut sums = vec![0.0; positions];
    for row in losses.chunks_exact(positions) {
        for (sum, &loss) in sums.iter_mut().zip(row) {
            *sum += f64::from(loss);
        }
    }
    let rows = (losses.len() / positions).max(1) as f64;
    sums.into_iter().map(|s| s / rows).collect()
}
