//! Held-out sequences with everything about them that does not depend on a network: computed once,
//! used at every checkpoint of every replica.

use std::sync::Arc;

use burn::tensor::Device;
use ontogeny_data::{
    Examples, Language, Oracle, Sequences, Source, Split, TriggerPositions, Values,
};
use ontogeny_model::{Batch, Network, weights};
use ontogeny_store::{Key, KeyBuilder, Stream};
use rayon::prelude::*;

use crate::error::AnalysisError;

/// Sequences moved by one pass; a network of a few million logits a chunk stays in cache and a
/// large vocabulary in memory.
pub(crate) const CHUNK: usize = 32;

/// Full predictive distributions are kept for at most this many scalars for each oracle.
const DISTRIBUTION_SCALARS: usize = 16 << 20;

/// Held-out sequences of a source.
#[derive(Debug)]
pub struct Probe {
    /// Size of the vocabulary of the source they come from.
    pub d_vocab: usize,
    /// The sequences.
    pub sequences: Sequences,
    /// Where triggers stand in each.
    pub triggers: Vec<TriggerPositions>,
    /// What each oracle makes of them.
    pub oracles: Vec<OracleOnProbe>,
    /// Identity of all this.
    pub key: Key,
}

/// One oracle's predictions on a probe.
#[derive(Debug)]
pub struct OracleOnProbe {
    /// Which.
    pub oracle: Oracle,
    /// Its loss at every position of every sequence, `[sequence, position]` row major, in nats.
    pub losses: Vec<f32>,
    /// Its distributions on the first sequences, log-probabilities `[sequence, position, d_vocab]`.
    pub log_probs: Vec<f32>,
    /// Minus Σ p log p of those distributions, averaged, in nats.
    pub entropy: f64,
}

impl Probe {
    /// Draws `count` held-out sequences. Their stream is its own, so they are the same for every
    /// checkpoint, replica and arm, and share nothing with training.
    /// `None` of a source that has no sequences.
    pub fn new(source: &Arc<Source>, seed: u64, count: usize, with_oracles: bool) -> Option<Self> {
        let language = source.language()?;
        let sequences = language.sequences(Split::HeldOut, &stream(seed), 0, count);
        let triggers = sequences.iter().map(|s| language.recurrences(s)).collect();
        let oracles = match with_oracles {
            true => language.oracles(),
            false => Vec::new(),
        };
        let oracles = oracles
            .into_par_iter()
            .map(|o| on_probe(language, o, &sequences))
            .collect();
        let key = KeyBuilder::new("probe/1")
            .key("source", &source.key())
            .number("seed", seed)
            .number("count", count as u64)
            .number("oracles", u64::from(with_oracles))
            .number("len", sequences.len as u64)
            .finish();
        Some(Self {
            d_vocab: language.d_vocab(),
            sequences,
            triggers,
            oracles,
            key,
        })
    }

    /// Positions of a sequence.
    pub fn positions(&self) -> usize {
        self.sequences.len - 1
    }

    /// Sequences whose full distributions are kept.
    pub fn with_distributions(&self) -> usize {
        distributions(self.d_vocab, self.sequences.rows, self.positions())
    }
}

/// Where held-out sequences come from.
pub(crate) fn stream(seed: u64) -> Stream {
    Stream::new(seed, "held-out sequences", &[])
}

fn distributions(d_vocab: usize, rows: usize, positions: usize) -> usize {
    (DISTRIBUTION_SCALARS / (positions * d_vocab).max(1)).clamp(1, rows)
}

fn on_probe(source: &Language, oracle: Oracle, sequences: &Sequences) -> OracleOnProbe {
    let (t, v) = (sequences.len - 1, source.d_vocab());
    let keep = distributions(v, sequences.rows, t);
    let parts: Vec<(Vec<f32>, Vec<f32>)> = (0..sequences.rows)
        .into_par_iter()
        .map(|row| {
            let sequence = sequences.row(row);
            let log_probs = source.predict(oracle, sequence);
            let losses = (0..t)
                .map(|k| -log_probs[k * v + sequence[k + 1] as usize])
                .collect();
            (losses, if row < keep { log_probs } else { Vec::new() })
        })
        .collect();
    let mut losses = Vec::with_capacity(sequences.rows * t);
    let mut log_probs = Vec::with_capacity(keep * t * v);
    for (l, p) in parts {
        losses.extend(l);
        log_probs.extend(p);
    }
    let sum: f64 = log_probs
        .iter()
        .map(|&l| f64::from(l).exp() * f64::from(l))
        .sum();
    OracleOnProbe {
        oracle,
        losses,
        entropy: -sum / (keep * t) as f64,
        log_probs,
    }
}

/// Examples as a batch of one replica.
pub(crate) fn batch_of(examples: &Examples, device: &Device) -> Batch {
    match examples {
        Examples::Sequences(sequences) => batch(sequences, 0..sequences.rows, device),
        Examples::Values(values) => batch_of_values(values, device),
    }
}

/// Vectors as a batch of one replica.
pub(crate) fn batch_of_values(values: &Values, device: &Device) -> Batch {
    let (inputs, targets) = (values.inputs.clone(), values.targets.clone());
    let shape = [1, values.rows, values.positions];
    Batch::of_vectors(inputs, targets, shape, values.weights.as_deref(), device)
}

/// A network's outputs for vectors at the positions that count in the loss, `[row, position,
/// d_out]` row major.
///
/// # Errors
/// If the device fails.
pub(crate) fn outputs_that_count(
    network: &Network,
    values: &Values,
) -> Result<Vec<f32>, AnalysisError> {
    let batch = batch_of_values(values, &network.device());
    let outputs = weights::read(&[network.outputs(&batch.inputs, batch.positions)])?.concat();
    let Some(counting) = &values.weights else {
        return Ok(outputs);
    };
    let rows = outputs.chunks_exact(network.config().d_out()).enumerate();
    let counted = rows.filter(|(row, _)| counting[row % values.positions] > 0.0);
    Ok(counted.flat_map(|(_, y)| y.iter().copied()).collect())
}

/// Rows of some sequences as a batch of one replica.
pub(crate) fn batch(sequences: &Sequences, rows: std::ops::Range<usize>, device: &Device) -> Batch {
    let rows: Vec<&[u32]> = rows.map(|row| sequences.row(row)).collect();
    Batch::of_sequences(&rows, 1, device)
}
