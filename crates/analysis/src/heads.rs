//! What attention heads look at.

use burn::tensor::Tensor;
use ontogeny_data::Sequences;
use ontogeny_model::{Network, Trace, TransformerConfig};
use ontogeny_store::Stream;
use rand::{Rng, RngExt};

use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::probe::{CHUNK, Probe, batch};

/// Scores of every head:
/// - `previous_token.<l>.<h>`: mean attention from position i to i − 1, on held-out sequences
///   (Olsson et al. 2022);
/// - `recurrence.<l>.<h>`: mean attention from a repeated trigger to the position after its
///   previous occurrence, on the same sequences;
/// - `induction.<l>.<h>`: prefix matching on repeated random tokens: mean attention from a token of
///   the second half to the one that followed it in the first.
///
/// # Errors
/// If the device fails.
pub fn scores(
    network: &Network,
    probe: &Probe,
    repeated: &Sequences,
) -> Result<Measures, AnalysisError> {
    let t = probe.positions();
    let Some(config) = network.config().transformer() else {
        return Ok(Measures::default());
    };
    let mut previous = Scores::new(config);
    let mut recurrence = Scores::new(config);
    on_patterns(network, &probe.sequences, &mut |row, patterns| {
        for query in 1..t {
            previous.add(patterns, query, query - 1);
        }
        for r in probe.triggers[row]
            .repeated
            .iter()
            .filter(|r| r.position < t)
        {
            recurrence.add(patterns, r.position, r.earlier + 1);
        }
    })?;
    let mut induction = Scores::new(config);
    let positions = repeated.len - 1;
    let half = positions / 2;
    on_patterns(network, repeated, &mut |_, patterns| {
        for query in half..positions {
            induction.add(patterns, query, query - half + 1);
        }
    })?;
    let mut measures = Measures::default();
    previous.write("previous_token", &mut measures);
    recurrence.write("recurrence", &mut measures);
    induction.write("induction", &mut measures);
    Ok(measures)
}

/// Random tokens, each sequence's second half repeating its first; one token more, as a target for
/// the last position that nobody looks at.
pub fn repeated_random(seed: u64, count: usize, n_ctx: usize, d_vocab: usize) -> Sequences {
    let stream = Stream::new(seed, "repeated random tokens", &[]);
    let half = n_ctx / 2;
    let len = 2 * half + 1;
    let mut tokens = Vec::with_capacity(count * len);
    for row in 0..count {
        let mut rng = stream.at(row as u64);
        let first = random(&mut rng, half, d_vocab);
        tokens.extend(first.iter().chain(&first).copied());
        tokens.push(first.first().copied().unwrap_or(0));
    }
    Sequences {
        tokens,
        rows: count,
        len,
    }
}

fn random(rng: &mut impl Rng, count: usize, d_vocab: usize) -> Vec<u32> {
    (0..count)
        .map(|_| rng.random_range(0..d_vocab as u32))
        .collect()
}

/// One head's attention over a sequence is a `[T, T]` slice of this: `[layer][head · T · T]`.
type Patterns<'a> = (&'a [Vec<f32>], usize);

/// Sums of attention at chosen places, for every head.
struct Scores {
    sums: Vec<Vec<f64>>,
    count: usize,
}

impl Scores {
    fn new(config: &TransformerConfig) -> Self {
        Self {
            sums: vec![vec![0.0; config.n_heads]; config.n_layers],
            count: 0,
        }
    }

    fn add(&mut self, (layers, t): Patterns<'_>, query: usize, key: usize) {
        for (sums, pattern) in self.sums.iter_mut().zip(layers) {
            for (head, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(pattern[(head * t + query) * t + key]);
            }
        }
        self.count += 1;
    }

    fn write(&self, name: &str, measures: &mut Measures) {
        for (l, heads) in self.sums.iter().enumerate() {
            for (h, sum) in heads.iter().enumerate() {
                // Without a place to look at there is no score.
                measures.value(format!("{name}.{l}.{h}"), sum / self.count as f64);
            }
        }
    }
}

/// Calls `f` with the row and the patterns of every layer for each sequence.
fn on_patterns(
    network: &Network,
    sequences: &Sequences,
    f: &mut impl FnMut(usize, Patterns<'_>),
) -> Result<(), AnalysisError> {
    let (t, device) = (sequences.len - 1, network.device());
    for first in (0..sequences.rows).step_by(CHUNK) {
        let chunk = first..(first + CHUNK).min(sequences.rows);
        let batch = batch(sequences, chunk.clone(), &device);
        let Some(Trace { patterns, .. }) = network.trace(&batch.inputs, t) else {
            continue;
        };
        let heads = patterns.first().map_or(0, |p| p.dims()[2]);
        let layers = patterns
            .into_iter()
            .map(|p: Tensor<5>| p.try_into_vec_as::<f32>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| AnalysisError::Device(e.to_string()))?;
        let size = heads * t * t;
        for (i, row) in chunk.enumerate() {
            let own: Vec<Vec<f32>> = layers
                .iter()
                .map(|l| l[i * size..(i + 1) * size].to_vec())
                .collect();
            f(row, (&own, t));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_sequences_repeat_and_differ() {
        let s = repeated_random(3, 4, 9, 50);
        assert_eq!((s.rows, s.len, s.tokens.len()), (4, 9, 36));
        for row in s.iter() {
            assert_eq!(row[..4], row[4..8]);
        }
        assert_ne!(s.row(0), s.row(1));
        assert_eq!(s, repeated_random(3, 4, 9, 50));
    }
}
