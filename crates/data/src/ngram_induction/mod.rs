//! The synthetic source: its program, its filter and its other oracles.

mod bag;
#[cfg(test)]
mod enumeration;
mod filter;
mod program;
mod repetition;
mod spec;
mod statistics;
mod subsets;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use ontogeny_store::{Key, KeyBuilder};
use rand::Rng;

use crate::draw::uniform;
use crate::language::LEAST_LOG_PROB;
use crate::training_set::TrainingSet;
use crate::{DataError, Oracle};
use bag::{Bag, fit_power};
use filter::Filter;
use program::Program;
use repetition::{Posterior, Repetition};
use statistics::Statistics;

pub use spec::{NgramInductionSpec, TriggerRank};

/// Part of [`NgramInduction::key`]: to be raised when sequences or predictions change.
const METHOD: &str = "ngram_induction/1";

/// Input positions in the sample that the oracles' statistics come from.
const SAMPLE: usize = 1 << 21;

/// The synthetic language of bigrams, skip-trigrams and triggers. See [`NgramInductionSpec`].
#[derive(Debug)]
pub struct NgramInduction {
    program: Program,
    repetition: Option<Repetition>,
    training_set: Option<TrainingSet>,
    seed: u64,
    n_ctx: usize,
    key: Key,
    /// Made when an oracle is first asked for: training needs none.
    oracles: OnceLock<Oracles>,
}

#[derive(Debug)]
struct Oracles {
    statistics: Statistics,
    bag_power: f64,
}

impl Oracles {
    fn sample(program: &Program, seed: u64, n_ctx: usize, positions: usize) -> Self {
        let statistics = Statistics::sample(program, seed, n_ctx, positions);
        let bag_power = fit_power(program, &statistics, seed, n_ctx);
        Self {
            statistics,
            bag_power,
        }
    }
}

impl NgramInduction {
    /// The oracles of this source.
    pub(crate) const ORACLES: [Oracle; 5] = [
        Oracle::Unigram,
        Oracle::Bigram,
        Oracle::Trigram,
        Oracle::BagOfContext,
        Oracle::InContext,
    ];

    pub(crate) fn build(spec: &NgramInductionSpec, n_ctx: usize) -> Result<Self, DataError> {
        let repetition = Repetition::build(spec, n_ctx + 1)?;
        let program = Program::build(spec)?;
        let key = KeyBuilder::new(METHOD)
            .json("spec", spec)
            .number("n_ctx", n_ctx as u64);
        let key = program.add_to(key).finish();
        Ok(Self {
            program,
            repetition,
            training_set: spec
                .training_set
                .map(|size| TrainingSet::new(spec.seed, size)),
            seed: spec.seed,
            n_ctx,
            key,
            oracles: OnceLock::new(),
        })
    }

    /// The trigger tokens, ascending.
    pub fn triggers(&self) -> &[u32] {
        &self.program.triggers
    }

    /// The exponent of the bag-of-context oracle's likelihood ratio, as fitted: 0 would mean that
    /// the bag tells nothing of a successor, 1 that its counts are as independent as assumed.
    pub fn bag_power(&self) -> f64 {
        self.oracles().bag_power
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn d_vocab(&self) -> usize {
        self.program.d_vocab()
    }

    pub(crate) fn n_ctx(&self) -> usize {
        self.n_ctx
    }

    pub(crate) fn is_trigger(&self, token: u32) -> bool {
        self.program.trigger(token).is_some()
    }

    pub(crate) fn token_frequencies(&self) -> Vec<f64> {
        self.oracles().statistics.frequencies.clone()
    }

    /// Appends a sequence of `n_ctx + 1` tokens.
    pub(crate) fn draw_into(&self, rng: &mut impl Rng, tokens: &mut Vec<u32>) {
        let (start, len) = (tokens.len(), self.n_ctx + 1);
        match self.repetition {
            Some(repetition) if uniform(rng) < repetition.probability => {
                let segment = repetition.segment;
                self.program.draw_into(rng, segment, tokens, |_, _| ());
                repetition.fill(tokens, start, len);
            }
            _ => self.program.draw_into(rng, len, tokens, |_, _| ()),
        }
    }

    pub(crate) fn training_set(&self) -> Option<&TrainingSet> {
        self.training_set.as_ref()
    }

    fn oracles(&self) -> &Oracles {
        self.oracles
            .get_or_init(|| Oracles::sample(&self.program, self.seed, self.n_ctx, SAMPLE))
    }

    /// Log-probabilities, `[sequence.len() − 1, d_vocab]`.
    pub(crate) fn predict(&self, oracle: Oracle, sequence: &[u32]) -> Vec<f32> {
        let mut log_probs = Vec::with_capacity(sequence.len() * self.d_vocab());
        self.predict_each(oracle, sequence, |p| {
            log_probs.extend(p.iter().map(|&p| (p.ln() as f32).max(LEAST_LOG_PROB)));
        });
        log_probs
    }

    /// Shows `P(next | …)`, `[d_vocab]`, of each position to `see`.
    fn predict_each(&self, oracle: Oracle, sequence: &[u32], mut see: impl FnMut(&[f64])) {
        let program = &self.program;
        let d = self.d_vocab();
        let (mut base, mut next) = (vec![0.0; d], vec![0.0; d]);
        // The filter knows the program and needs no statistics.
        let mut filter = Filter::new(program);
        let mut repetition = self.repetition.map(Posterior::new);
        let mut bag = (oracle == Oracle::BagOfContext)
            .then(|| self.oracles())
            .map(|o| Bag::new(program, &o.statistics, o.bag_power));
        for (position, pair) in sequence.windows(2).enumerate() {
            let last = pair[0];
            let before = position.checked_sub(1).map(|earlier| sequence[earlier]);
            if oracle > Oracle::Bigram {
                program.tables.next_into(before, last, &mut base);
            }
            match oracle {
                Oracle::Uniform => next.fill(1.0 / d as f64),
                Oracle::Unigram => next.copy_from_slice(&self.oracles().statistics.unigram),
                Oracle::Bigram => {
                    let start = last as usize * d;
                    next.copy_from_slice(&self.oracles().statistics.bigram[start..start + d]);
                }
                Oracle::Trigram => self
                    .oracles()
                    .statistics
                    .trigram_into(program, before, last, &base, &mut next),
                Oracle::BagOfContext => {
                    if let Some(bag) = &mut bag {
                        bag.add(last);
                        bag.predict_into(last, &base, &mut next);
                    }
                }
                Oracle::InContext => {
                    filter.predict_into(last, &base, &mut next);
                    filter.observe(last, pair[1], &base);
                    if let Some(repetition) = &mut repetition {
                        repetition.mix(&sequence[..=position], pair[1], &mut next);
                    }
                }
            }
            see(&next);
        }
    }
}
