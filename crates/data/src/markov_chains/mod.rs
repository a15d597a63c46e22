//! In-context Markov chains: every sequence comes from a chain of its own (Edelman et al. 2024,
//! arXiv 2402.11004).
//!
//! No table can be learned by heart, since no two sequences share one. What there is to learn is to
//! count: single tokens first, then pairs.

mod chain;
mod counts;
mod spec;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use ontogeny_store::{Key, KeyBuilder, Stream};
use rand::Rng;

use crate::Oracle;
use crate::training_set::TrainingSet;
use chain::Chain;
use counts::Counts;

pub use spec::{MarkovChainsSpec, RowPrior};

/// Part of the source's key: to be raised when sequences or predictions change.
const METHOD: &str = "markov_chains/1";

/// Chains in the sample of [`MarkovChains::entropy_rate`], where they are small.
const CHAINS: usize = 1 << 16;

/// Operations that the sample may cost: of chains of more than 25 states there are fewer, whose
/// entropy rates also differ less.
const OPERATIONS: usize = 1 << 30;

/// Markov chains, one for each sequence. See [`MarkovChainsSpec`].
#[derive(Debug)]
pub struct MarkovChains {
    spec: MarkovChainsSpec,
    n_ctx: usize,
    training_set: Option<TrainingSet>,
    /// Made when it is first asked for: training does not need it.
    entropy_rate: OnceLock<f64>,
}

impl MarkovChains {
    /// The oracles of this source.
    pub(crate) const ORACLES: [Oracle; 3] = [Oracle::Uniform, Oracle::Unigram, Oracle::Bigram];

    /// The specification is one that was checked.
    pub(crate) fn new(spec: MarkovChainsSpec, n_ctx: usize) -> Self {
        let training_set = spec
            .training_set
            .map(|size| TrainingSet::new(spec.seed, size));
        Self {
            spec,
            n_ctx,
            training_set,
            entropy_rate: OnceLock::new(),
        }
    }

    /// What the settings are.
    pub fn spec(&self) -> &MarkovChainsSpec {
        &self.spec
    }

    /// Expected loss, in nats per token, of a predictor that knows the chain of every sequence: the
    /// entropy rate of a chain, averaged over the prior. No predictor does better.
    ///
    /// Doubly stochastic chains of two states have ½, in closed form. Otherwise it is the mean over
    /// a fixed sample of 2¹⁶ chains, fewer where there are more than 25 states (2³⁰/states³, so 64
    /// of 256 states). Two states have a standard error of .0006 then.
    pub fn entropy_rate(&self) -> f64 {
        *self.entropy_rate.get_or_init(|| {
            if self.stays_or_switches() {
                // ∫ −p·ln p − (1 − p)·ln(1 − p) dp over [0, 1].
                return 0.5;
            }
            let chains = (OPERATIONS / self.spec.states.pow(3)).min(CHAINS);
            let rates = self.sample(chains).map(|chain| chain.entropy_rate());
            rates.sum::<f64>() / chains as f64
        })
    }

    /// Chains of the prior, always the same ones.
    fn sample(&self, chains: usize) -> impl Iterator<Item = Chain> {
        let stream = Stream::new(0, "entropy rate", &[]);
        (0..chains as u64).map(move |index| Chain::draw(&self.spec, &mut stream.at(index)))
    }

    /// Whether a chain is one number, the probability that a token is the one before it.
    fn stays_or_switches(&self) -> bool {
        self.spec.states == 2 && self.spec.rows == RowPrior::DoublyStochastic
    }

    pub(crate) fn key(&self) -> Key {
        let spec = &self.spec;
        let mut key = KeyBuilder::new(METHOD)
            .number("n_ctx", self.n_ctx as u64)
            .number("states", spec.states as u64)
            .text("rows", spec.rows.name());
        if spec.rows == RowPrior::Dirichlet {
            key = key.number("concentration", spec.concentration.to_bits());
        }
        if let Some(size) = spec.training_set {
            key = key.number("training_set", size).number("seed", spec.seed);
        }
        key.finish()
    }

    pub(crate) fn d_vocab(&self) -> usize {
        self.spec.states
    }

    pub(crate) fn n_ctx(&self) -> usize {
        self.n_ctx
    }

    /// Equal: the prior favours no state.
    pub(crate) fn token_frequencies(&self) -> Vec<f64> {
        vec![1.0 / self.spec.states as f64; self.spec.states]
    }

    /// Appends a sequence of `n_ctx + 1` tokens, of a new chain.
    pub(crate) fn draw_into(&self, rng: &mut impl Rng, tokens: &mut Vec<u32>) {
        let chain = Chain::draw(&self.spec, rng);
        chain.draw_into(rng, self.n_ctx + 1, tokens);
    }

    pub(crate) fn training_set(&self) -> Option<&TrainingSet> {
        self.training_set.as_ref()
    }

    /// Log-probabilities, `[sequence.len() − 1, d_vocab]`; this source has no oracle beyond
    /// bigrams.
    pub(crate) fn predict(&self, oracle: Oracle, sequence: &[u32]) -> Vec<f32> {
        let k = self.spec.states;
        let inputs = &sequence[..sequence.len().saturating_sub(1)];
        let mut log_probs = Vec::with_capacity(inputs.len() * k);
        let mut counts = Counts::new(k);
        let mut next = vec![1.0 / k as f64; k];
        for &token in inputs {
            counts.add(token);
            match oracle {
                Oracle::Uniform => (),
                Oracle::Unigram => counts.unigram_into(&mut next),
                Oracle::Bigram | Oracle::Trigram | Oracle::BagOfContext | Oracle::InContext => {
                    match self.stays_or_switches() {
                        true => counts.pooled_into(&mut next),
                        false => counts.bigram_into(self.spec.concentration, &mut next),
                    }
                }
            }
            log_probs.extend(next.iter().map(|&p| p.ln() as f32));
        }
        log_probs
    }
}
