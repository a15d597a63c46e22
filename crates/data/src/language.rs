//! Sources of token sequences: sequences, oracles, recurrences.

use std::fmt;

use ontogeny_store::{Key, Stream};
use serde::{Deserialize, Serialize};

use crate::training_set::TrainingSet;
use crate::{DataError, EncodedText, MarkovChains, NgramInduction, Split, Text};

/// A source of token sequences, ready to be drawn from.
///
/// A sequence has `len = n_ctx + 1` tokens: the first `n_ctx` are a network's inputs, the last
/// `n_ctx` its targets; position `k` predicts token `k + 1` from tokens `0..=k`.
#[derive(Debug)]
pub enum Language {
    /// The synthetic language of bigrams, skip-trigrams and triggers.
    NgramInduction(NgramInduction),
    /// Text from files.
    Text(Text),
    /// Sequences, each from a Markov chain of its own.
    MarkovChains(MarkovChains),
}

/// A batch of sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// `[rows, len]`, row major.
    pub tokens: Vec<u32>,
    /// Number of sequences.
    pub rows: usize,
    /// Tokens in each: `n_ctx + 1`.
    pub len: usize,
}

impl Sequences {
    /// The sequence in the given row: `len` tokens.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.tokens[row * self.len..(row + 1) * self.len]
    }

    /// All sequences, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.tokens.chunks_exact(self.len)
    }
}

/// A predictor that needs no training, against which a network is measured.
///
/// Each uses all that the one before it uses, and something more. A source has some of them
/// ([`Language::oracles`]). Where all sequences come from one program, an oracle knows that
/// program's statistics; where each has a program of its own ([`MarkovChains`]), it takes them from
/// the sequence so far.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oracle {
    /// Knows nothing: all tokens are equally likely.
    Uniform,
    /// Knows how often tokens come, and nothing of their order.
    Unigram,
    /// Knows the last token.
    Bigram,
    /// Knows the last two tokens.
    Trigram,
    /// Knows the last two tokens and how often each token has occurred so far in the sequence,
    /// but not in which order: what a network may gain from repetition without induction.
    BagOfContext,
    /// Knows all tokens so far and the program that makes them: the best predictor there is.
    InContext,
}

impl Oracle {
    /// All oracles, from the least to the best informed.
    pub const ALL: [Self; 6] = [
        Self::Uniform,
        Self::Unigram,
        Self::Bigram,
        Self::Trigram,
        Self::BagOfContext,
        Self::InContext,
    ];

    /// The name in tables and files: `uniform`, `unigram`, `bigram`, `trigram`,
    /// `bag_of_context`, `in_context`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Unigram => "unigram",
            Self::Bigram => "bigram",
            Self::Trigram => "trigram",
            Self::BagOfContext => "bag_of_context",
            Self::InContext => "in_context",
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A trigger that was seen before in the same sequence.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recurrence {
    /// Input position that holds the trigger.
    pub position: usize,
    /// Position of the same token's previous occurrence. An induction head attends from
    /// `position` to `earlier + 1`.
    pub earlier: usize,
}

/// The input positions of a sequence (`0..n_ctx`) that hold a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerPositions {
    /// Positions that hold a trigger for the first time.
    pub first: Vec<usize>,
    /// Positions that hold a trigger for the second or a later time.
    pub repeated: Vec<Recurrence>,
}

/// The least log-probability that an oracle gives: an impossible token gets it in place of −∞,
/// so that sums of `p · log q` stay numbers.
pub const LEAST_LOG_PROB: f32 = -80.0;

impl Language {
    /// Names the content: the specification with the tables or texts that it led to, the
    /// tokenizer, `n_ctx`, and the version of the method. Where the corpus lies does not count.
    pub fn key(&self) -> Key {
        match self {
            Self::NgramInduction(source) => source.key(),
            Self::Text(source) => source.key(),
            Self::MarkovChains(source) => source.key(),
        }
    }

    /// What was noticed while the source was built and does not keep it from being used, each a
    /// sentence for a person: documents left out, characters without a token. The same sentences
    /// come from a corpus that was tokenized before.
    pub fn notices(&self) -> &[String] {
        match self {
            Self::NgramInduction(_) | Self::MarkovChains(_) => &[],
            Self::Text(source) => source.notices(),
        }
    }

    /// Number of tokens: every token is smaller.
    pub fn d_vocab(&self) -> usize {
        match self {
            Self::NgramInduction(source) => source.d_vocab(),
            Self::Text(source) => source.d_vocab(),
            Self::MarkovChains(source) => source.d_vocab(),
        }
    }

    /// Number of positions of a sequence that predict a token.
    pub fn n_ctx(&self) -> usize {
        match self {
            Self::NgramInduction(source) => source.n_ctx(),
            Self::Text(source) => source.n_ctx(),
            Self::MarkovChains(source) => source.n_ctx(),
        }
    }

    /// Batch `index` of a stream: `rows` sequences.
    ///
    /// A pure function of its arguments, whatever was drawn before. Row `i` does not depend on
    /// `rows`: a smaller batch is the beginning of a larger one. Where the source has a finite
    /// training set, the stream says which of its sequences are in the batch, and nothing else.
    pub fn sequences(&self, split: Split, stream: &Stream, index: u64, rows: usize) -> Sequences {
        let len = self.n_ctx() + 1;
        let mut tokens = Vec::with_capacity(rows * len);
        let batch = stream.child(split.name(), &[index]);
        for row in 0..rows as u64 {
            let mut rng = batch.at(row);
            if let Some(set) = self.training_set(split) {
                rng = set.choose(&mut rng);
            }
            match self {
                Self::NgramInduction(source) => source.draw_into(&mut rng, &mut tokens),
                Self::Text(source) => source.draw_into(split, &mut rng, &mut tokens),
                Self::MarkovChains(source) => source.draw_into(&mut rng, &mut tokens),
            }
        }
        Sequences { tokens, rows, len }
    }

    /// The finite set that a split's sequences come from, if they do.
    fn training_set(&self, split: Split) -> Option<&TrainingSet> {
        match (split, self) {
            (Split::HeldOut, _) => None,
            (Split::Train, Self::NgramInduction(source)) => source.training_set(),
            (Split::Train, Self::Text(source)) => source.training_set(),
            (Split::Train, Self::MarkovChains(source)) => source.training_set(),
        }
    }

    /// The oracles that this source has, from the least to the best informed.
    pub fn oracles(&self) -> Vec<Oracle> {
        match self {
            Self::NgramInduction(_) => NgramInduction::ORACLES.to_vec(),
            Self::Text(_) => Text::ORACLES.to_vec(),
            Self::MarkovChains(_) => MarkovChains::ORACLES.to_vec(),
        }
    }

    /// An oracle's log-probabilities of the next token at each position of a sequence.
    ///
    /// Returns `[sequence.len() − 1, d_vocab]` (that is `[n_ctx, d_vocab]` for a sequence of this
    /// source), natural logarithms, none below [`LEAST_LOG_PROB`]: the last token is a target only.
    ///
    /// # Panics
    ///
    /// If the source does not have the oracle, or a token is not below `d_vocab`: mistakes of the
    /// program.
    pub fn predict(&self, oracle: Oracle, sequence: &[u32]) -> Vec<f32> {
        assert!(
            self.oracles().contains(&oracle),
            "this source has no {oracle} oracle"
        );
        let d_vocab = self.d_vocab();
        assert!(
            sequence.iter().all(|&token| (token as usize) < d_vocab),
            "a token is not below {d_vocab}"
        );
        match self {
            Self::NgramInduction(source) => source.predict(oracle, sequence),
            Self::Text(source) => source.predict(oracle, sequence),
            Self::MarkovChains(source) => source.predict(oracle, sequence),
        }
    }

    /// Where a sequence (`n_ctx + 1` tokens) holds triggers, at its input positions.
    ///
    /// For the synthetic source these are the trigger tokens, active or not (which, a network
    /// cannot know at the first). For text they are the tokens worth copying after: those whose
    /// successor, when they come back within `n_ctx` tokens, is the one of last time clearly more
    /// often than their bigram counts explain (by a fifth of the cases at least, in 30 returns or
    /// more of the training documents). The choice of tokens is the corpus's, made on the training
    /// documents: whether the next token of `sequence` is in fact the same does not count. Markov
    /// chains have none.
    pub fn recurrences(&self, sequence: &[u32]) -> TriggerPositions {
        let inputs = &sequence[..sequence.len().saturating_sub(1)];
        match self {
            Self::NgramInduction(source) => {
                trigger_positions(inputs, |token| source.is_trigger(token))
            }
            Self::Text(source) => trigger_positions(inputs, |token| source.is_trigger(token)),
            Self::MarkovChains(_) => TriggerPositions::default(),
        }
    }

    /// Relative frequency of each token, `[d_vocab]`, adding up to 1: estimated from a large fixed
    /// sample of the synthetic language, equal by symmetry for Markov chains, counted in the
    /// training documents of a corpus.
    pub fn token_frequencies(&self) -> Vec<f64> {
        match self {
            Self::NgramInduction(source) => source.token_frequencies(),
            Self::Text(source) => source.token_frequencies(),
            Self::MarkovChains(source) => source.token_frequencies(),
        }
    }

    /// Each token in a readable form: its text, or its number for a synthetic source. A token
    /// that is part of a character shows as U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> Vec<String> {
        match self {
            Self::NgramInduction(_) | Self::MarkovChains(_) => {
                tokens.iter().map(u32::to_string).collect()
            }
            Self::Text(source) => source.decode(tokens),
        }
    }

    /// A text's tokens.
    ///
    /// # Errors
    ///
    /// As [`Language::encode_noting`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode_noting(text).map(|encoded| encoded.tokens)
    }

    /// A text's tokens, and what they do not say. A control token that the text spells is read as
    /// text.
    ///
    /// # Errors
    ///
    /// [`DataError::NoText`] for a synthetic source, [`DataError::Tokenizer`] if a character of
    /// the text has no token.
    pub fn encode_noting(&self, text: &str) -> Result<EncodedText, DataError> {
        match self {
            Self::NgramInduction(_) | Self::MarkovChains(_) => Err(DataError::NoText {
                last: self.d_vocab() - 1,
            }),
            Self::Text(source) => source.encode(text),
        }
    }
}

fn trigger_positions(inputs: &[u32], is_trigger: impl Fn(u32) -> bool) -> TriggerPositions {
    let mut found = TriggerPositions::default();
    let mut seen: Vec<(u32, usize)> = Vec::new();
    for (position, &token) in inputs.iter().enumerate() {
        if !is_trigger(token) {
            continue;
        }
        match seen.iter_mut().find(|(trigger, _)| *trigger == token) {
            Some((_, last)) => {
                found.repeated.push(Recurrence {
                    position,
                    earlier: *last,
                });
                *last = position;
            }
            None => {
                found.first.push(position);
                seen.push((token, position));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables and files know an oracle by its name alone.
    #[test]
    fn oracles_are_ordered_and_written_by_their_names() {
        assert!(Oracle::ALL.is_sorted());
        for oracle in Oracle::ALL {
            assert_eq!(serde_json::to_value(oracle).unwrap(), oracle.name());
        }
        for own in [
            &NgramInduction::ORACLES[..],
            &Text::ORACLES,
            &MarkovChains::ORACLES,
        ] {
            assert!(own.is_sorted_by(|a, b| a < b), "{own:?}");
        }
    }

    #[test]
    fn first_and_later_occurrences() {
        let found = trigger_positions(&[7, 1, 7, 2, 2, 7], |token| token != 1);
        assert_eq!(found.first, [0, 3]);
        let pairs: Vec<_> = found
            .repeated
            .iter()
            .map(|r| (r.position, r.earlier))
            .collect();
        assert_eq!(pairs, [(2, 0), (4, 3), (5, 2)]);
    }
}
