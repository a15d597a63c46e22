//! What a source is like, in figures.

use ontogeny_store::{Key, Stream};
use serde::Serialize;

use crate::{Language, Oracle, Part, Split};

/// What a source is like: the data of `ontogeny data`.
#[derive(Serialize, Clone, Debug)]
pub struct Description {
    /// [`Language::key`].
    pub key: Key,
    /// Number of tokens.
    pub d_vocab: usize,
    /// Positions of a sequence.
    pub n_ctx: usize,
    /// Held-out sequences that the figures are averages over.
    pub sequences: usize,
    /// Loss of a predictor that knows nothing at all: `ln d_vocab`.
    pub uniform_loss: f64,
    /// Each oracle, from the least to the best informed.
    pub oracles: Vec<OracleDescription>,
    /// [`crate::MarkovChains::entropy_rate`], in nats per token: what a predictor loses that knows
    /// the chain of every sequence. Absent for other sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy_rate: Option<f64>,
    /// Of the realised token frequencies.
    pub zipf: ZipfFit,
    /// Input positions per sequence that hold a trigger for the first time.
    pub first_per_sequence: f64,
    /// Input positions per sequence that hold a trigger again.
    pub repeated_per_sequence: f64,
    /// [`Language::repeats_per_sequence`].
    pub repeats_per_sequence: f64,
    /// Each trigger of the synthetic language; empty for text, which has hundreds, and for Markov
    /// chains, which have none.
    pub triggers: Vec<TriggerDescription>,
    /// The training documents of all corpora; absent for a synthetic source.
    pub train: Option<Part>,
    /// The held-out documents of all corpora; absent for a synthetic source.
    pub held_out: Option<Part>,
    /// Each corpus; empty for a synthetic source.
    pub corpora: Vec<CorpusDescription>,
}

/// A corpus of a text source.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct CorpusDescription {
    /// As the configuration names it.
    pub path: String,
    /// Its share of the sequences: 1 for the only one.
    pub share: f64,
    /// Its training documents.
    pub train: Part,
    /// Its held-out documents.
    pub held_out: Part,
}

/// An oracle on held-out sequences; all figures are in nats per token.
#[derive(Serialize, Clone, Debug)]
pub struct OracleDescription {
    /// Which.
    pub oracle: Oracle,
    /// Mean of `−ln p(token)`.
    pub loss: f64,
    /// Standard error of `loss`, over sequences.
    pub loss_standard_error: f64,
    /// Mean entropy of the oracle's predictions: what it expects its loss to be.
    pub entropy: f64,
    /// Standard error of `entropy`, over sequences.
    pub entropy_standard_error: f64,
    /// Mean loss where a trigger was seen for the first time; absent if none was.
    pub trigger_loss_first: Option<f64>,
    /// Mean loss where a trigger was seen again; absent if none was.
    pub trigger_loss_repeated: Option<f64>,
}

/// A trigger token in held-out sequences.
#[derive(Serialize, Clone, Debug)]
pub struct TriggerDescription {
    /// The token.
    pub token: u32,
    /// Mean number of input positions of a sequence that hold it.
    pub mean_count: f64,
    /// Share of the sequences in which it occurs at least twice.
    pub share_repeated: f64,
    /// Share of the sequences in which it occurs at least three times.
    pub share_three_or_more: f64,
}

/// A straight line through (ln rank, ln frequency), by least squares over the tokens that occur.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct ZipfFit {
    /// The negative of its slope; 0 for equal frequencies, about 1 for words of a language.
    pub exponent: f64,
    /// Share of the variance of ln frequency that it explains; 1 if there is none to explain.
    pub r_squared: f64,
    /// Number of tokens that occur.
    pub tokens: usize,
}

/// Fits Zipf's law to relative frequencies, in any order.
pub fn zipf_fit(frequencies: &[f64]) -> ZipfFit {
    let mut logs: Vec<f64> = frequencies
        .iter()
        .filter(|&&f| f > 0.0)
        .map(|f| f.ln())
        .collect();
    logs.sort_by(|x, y| y.total_cmp(x));
    let n = logs.len() as f64;
    let ranks: Vec<f64> = (1..=logs.len()).map(|rank| (rank as f64).ln()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (x, y) = (mean(&ranks), mean(&logs));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (rank, log) in ranks.iter().zip(&logs) {
        xx += (rank - x) * (rank - x);
        xy += (rank - x) * (log - y);
        yy += (log - y) * (log - y);
    }
    ZipfFit {
        exponent: if xx > 0.0 { -xy / xx } else { 0.0 },
        r_squared: if xx > 0.0 && yy > 0.0 {
            xy * xy / (xx * yy)
        } else {
            1.0
        },
        tokens: logs.len(),
    }
}

/// Training sequences in the sample for [`Language::repeats_per_sequence`].
const REPEATS_SAMPLE: usize = 2048;

impl Language {
    /// Mean number of input positions of a training sequence that hold a trigger again: chances to
    /// see that what followed it last time follows it now.
    ///
    /// The mean is over 2048 sequences, always the same ones: a function of the source alone.
    pub fn repeats_per_sequence(&self) -> f64 {
        if let Self::MarkovChains(_) = self {
            // No triggers: nothing has to be drawn.
            return 0.0;
        }
        let stream = Stream::new(0, "repeats per sequence", &[]);
        let batch = self.sequences(Split::Train, &stream, 0, REPEATS_SAMPLE);
        let repeats: usize = batch
            .iter()
            .map(|sequence| self.recurrences(sequence).repeated.len())
            .sum();
        repeats as f64 / REPEATS_SAMPLE as f64
    }

    /// Measures the source on `rows` held-out sequences of the stream.
    ///
    /// # Panics
    ///
    /// If `rows` is 0, which leaves nothing to take a mean of.
    pub fn describe(&self, stream: &Stream, rows: usize) -> Description {
        assert!(rows > 0, "a description needs a sequence");
        let batch = self.sequences(Split::HeldOut, stream, 0, rows);
        let positions: Vec<_> = batch.iter().map(|row| self.recurrences(row)).collect();
        let per_sequence = |count: usize| count as f64 / rows as f64;
        let (train, held_out) = match self {
            Self::NgramInduction(_) | Self::MarkovChains(_) => (None, None),
            Self::Text(text) => (
                Some(text.part(Split::Train)),
                Some(text.part(Split::HeldOut)),
            ),
        };
        let inputs = |row: usize| &batch.row(row)[..self.n_ctx()];
        let trigger = |token: u32| {
            let counts: Vec<usize> = (0..rows)
                .map(|row| inputs(row).iter().filter(|&&t| t == token).count())
                .collect();
            let at_least = |n| per_sequence(counts.iter().filter(|&&count| count >= n).count());
            TriggerDescription {
                token,
                mean_count: per_sequence(counts.iter().sum()),
                share_repeated: at_least(2),
                share_three_or_more: at_least(3),
            }
        };
        let triggers = match self {
            Self::NgramInduction(source) => source.triggers().iter().map(|&t| trigger(t)).collect(),
            Self::Text(_) | Self::MarkovChains(_) => Vec::new(),
        };
        let oracles = self.oracles().into_iter();
        Description {
            key: self.key(),
            d_vocab: self.d_vocab(),
            n_ctx: self.n_ctx(),
            sequences: rows,
            uniform_loss: (self.d_vocab() as f64).ln(),
            oracles: oracles
                .map(|oracle| self.describe_oracle(oracle, batch.iter().zip(&positions)))
                .collect(),
            entropy_rate: match self {
                Self::NgramInduction(_) | Self::Text(_) => None,
                Self::MarkovChains(source) => Some(source.entropy_rate()),
            },
            zipf: zipf_fit(&self.token_frequencies()),
            first_per_sequence: per_sequence(positions.iter().map(|p| p.first.len()).sum()),
            repeated_per_sequence: per_sequence(positions.iter().map(|p| p.repeated.len()).sum()),
            repeats_per_sequence: self.repeats_per_sequence(),
            triggers,
            train,
            held_out,
            corpora: match self {
                Self::NgramInduction(_) | Self::MarkovChains(_) => Vec::new(),
                Self::Text(text) => text.corpora(),
            },
        }
    }

    fn describe_oracle<'a>(
        &self,
        oracle: Oracle,
        sequences: impl Iterator<Item = (&'a [u32], &'a crate::TriggerPositions)>,
    ) -> OracleDescription {
        let (mut losses, mut entropies) = (Vec::new(), Vec::new());
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for (sequence, positions) in sequences {
            let log_probs = self.predict(oracle, sequence);
            let rows = log_probs.chunks_exact(self.d_vocab());
            let loss: Vec<f64> = rows
                .clone()
                .zip(&sequence[1..])
                // Subtracted from 0 rather than negated: a certainty costs 0, not −0.
                .map(|(row, &next)| 0.0 - f64::from(row[next as usize]))
                .collect();
            let entropy = rows.map(|row| {
                row.iter()
                    .map(|&l| -f64::from(l.exp()) * f64::from(l))
                    .sum::<f64>()
            });
            losses.push(loss.iter().sum::<f64>() / loss.len() as f64);
            entropies.push(entropy.sum::<f64>() / loss.len() as f64);
            first.extend(positions.first.iter().map(|&p| loss[p]));
            repeated.extend(positions.repeated.iter().map(|r| loss[r.position]));
        }
        let (loss, loss_standard_error) = mean_and_error(&losses);
        let (entropy, entropy_standard_error) = mean_and_error(&entropies);
        let mean = |values: &[f64]| (!values.is_empty()).then(|| mean_and_error(values).0);
        OracleDescription {
            oracle,
            loss,
            loss_standard_error,
            entropy,
            entropy_standard_error,
            trigger_loss_first: mean(&first),
            trigger_loss_repeated: mean(&repeated),
        }
    }
}

/// The mean and its standard error; the latter is 0 for a single value.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let error = if values.len() > 1 {
        (squares / (n - 1.0) / n).sqrt()
    } else {
        0.0
    };
    (mean, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_fit_finds_the_exponent() {
        let mut frequencies: Vec<f64> = (1..=50).map(|rank| f64::from(rank).powf(-1.2)).collect();
        frequencies.reverse();
        frequencies.push(0.0);
        let fit = zipf_fit(&frequencies);
        assert!((fit.exponent - 1.2).abs() < 1e-9 && (fit.r_squared - 1.0).abs() < 1e-9);
        assert_eq!(fit.tokens, 50);
        let flat = zipf_fit(&[0.25; 4]);
        assert_eq!((flat.exponent, flat.r_squared), (0.0, 1.0));
    }
}
