//! Sequences that repeat their beginning, and what can be told of that.
//!
//! With probability `probability` a sequence is its first `segment` tokens over and over;
//! otherwise it is the program's to the end. The first `segment` tokens have the same distribution
//! in both cases, so they tell nothing; from there on each token that is the one of a segment ago
//! multiplies the odds of a repetition by `1 / P(token | context, no repetition)`, and one that is
//! not ends the matter. The filter gives that probability, so the mixture is Bayes' rule, exactly.

use crate::DataError;
use crate::NgramInductionSpec;

/// How sequences repeat themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Repetition {
    /// Probability that a sequence does, above 0.
    pub(crate) probability: f64,
    /// Tokens until it begins again.
    pub(crate) segment: usize,
}

impl Repetition {
    /// For sequences of `len` tokens; `None` if none is repeated.
    pub(crate) fn build(spec: &NgramInductionSpec, len: usize) -> Result<Option<Self>, DataError> {
        let segment = spec.segment.unwrap_or(len.div_ceil(2));
        if segment >= len {
            return Err(DataError::setting(
                "segment",
                format!(
                    "is {segment}, but a sequence has {len} tokens (n_ctx + 1): it is repeated \
                     only if it is shorter"
                ),
            ));
        }
        Ok((spec.repeat > 0.0).then_some(Self {
            probability: spec.repeat,
            segment,
        }))
    }

    /// Fills a sequence, of which the first segment stands after `start`, up to `len` tokens.
    pub(crate) fn fill(self, tokens: &mut Vec<u32>, start: usize, len: usize) {
        for position in start + self.segment..start + len {
            tokens.push(tokens[position - self.segment]);
        }
    }
}

/// The probability that a sequence repeats itself, token by token.
#[derive(Debug)]
pub(crate) struct Posterior {
    segment: usize,
    /// Logarithm of the odds; +∞ is certainty, −∞ its opposite.
    log_odds: f64,
}

impl Posterior {
    pub(crate) fn new(repetition: Repetition) -> Self {
        let p = repetition.probability;
        Self {
            segment: repetition.segment,
            log_odds: p.ln() - (1.0 - p).ln(),
        }
    }

    /// The token that a repetition would have after `context`; none within the first segment.
    fn repeated(&self, context: &[u32]) -> Option<u32> {
        let place = context.len().checked_sub(self.segment)?;
        Some(context[place])
    }

    /// Turns the probabilities `p`, `[d_vocab]`, of the next token without a repetition into
    /// those with one, and takes in that the next token was `next`.
    pub(crate) fn mix(&mut self, context: &[u32], next: u32, p: &mut [f64]) {
        let Some(repeated) = self.repeated(context) else {
            return;
        };
        if self.log_odds == f64::NEG_INFINITY {
            return;
        }
        let otherwise = p[next as usize];
        // Each from the odds: 1 minus a certainty to sixteen digits would be none.
        let no_repetition = 1.0 / (1.0 + self.log_odds.exp());
        for p in p.iter_mut() {
            *p *= no_repetition;
        }
        p[repeated as usize] += 1.0 / (1.0 + (-self.log_odds).exp());
        if next == repeated {
            self.log_odds -= otherwise.ln();
        } else {
            self.log_odds = f64::NEG_INFINITY;
        }
    }
}
