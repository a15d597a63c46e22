//! The oracles of Markov chains: what the counts of a sequence so far tell of its next token.
//!
//! - unigram: `(n_j + 1) / (t + k)`, with n_j the number of tokens j among the t seen so far, the
//!   current one included;
//! - bigram: `(n_ij + α) / (n_i + kα)`, with n_ij the number of transitions so far from the current
//!   token i to j, and n_i their sum over j. This is the mean of row i under the posterior of
//!   independent Dirichlet(α) rows.
//! - bigram, of doubly stochastic chains of two states: the token stays with probability
//!   `(n_stay + 1) / (n + 2)`, over all n transitions so far, since both rows are one number.
//!
//! The bigram oracle is Bayes' rule for chains whose first token tells nothing of the chain. The
//! first token comes from the stationary distribution, so that for Dirichlet rows it tells a
//! little: over a whole sequence, whatever its length, a predictor that uses it gains no more than
//! the mutual information of first token and chain (.129 nats for two states and α = 1). For doubly
//! stochastic chains the first token is uniform and tells nothing. Of these, two states are exact;
//! for more the formula of Dirichlet(1) serves, which does not use that columns add up to 1.

/// Tokens and transitions of a sequence so far.
#[derive(Debug)]
pub(super) struct Counts {
    /// Number of states k.
    states: usize,
    /// How often each token was seen, `[states]`.
    tokens: Vec<u32>,
    /// Number of tokens so far.
    len: u32,
    /// How often each transition was seen, `[from, to]`.
    transitions: Vec<u32>,
    /// How often a token was the one before it.
    stays: u32,
    /// The current token.
    last: Option<u32>,
}

impl Counts {
    pub(super) fn new(states: usize) -> Self {
        Self {
            states,
            tokens: vec![0; states],
            len: 0,
            transitions: vec![0; states * states],
            stays: 0,
            last: None,
        }
    }

    /// Takes in the next token of the sequence.
    pub(super) fn add(&mut self, token: u32) {
        if let Some(last) = self.last {
            self.transitions[last as usize * self.states + token as usize] += 1;
            self.stays += u32::from(last == token);
        }
        self.tokens[token as usize] += 1;
        self.len += 1;
        self.last = Some(token);
    }

    /// `P(next)` of the unigram oracle into `out`, `[states]`.
    pub(super) fn unigram_into(&self, out: &mut [f64]) {
        laplace_into(&self.tokens, 1.0, out);
    }

    /// `P(next)` of the bigram oracle into `out`, `[states]`; uniform before the first token.
    pub(super) fn bigram_into(&self, concentration: f64, out: &mut [f64]) {
        match self.last {
            Some(last) => {
                let start = last as usize * self.states;
                let row = &self.transitions[start..start + self.states];
                laplace_into(row, concentration, out);
            }
            None => out.fill(1.0 / self.states as f64),
        }
    }

    /// The same for doubly stochastic chains of two states.
    pub(super) fn pooled_into(&self, out: &mut [f64]) {
        let transitions = self.len.saturating_sub(1);
        let stay = (f64::from(self.stays) + 1.0) / (f64::from(transitions) + 2.0);
        match self.last {
            Some(last) => {
                for (token, p) in out.iter_mut().enumerate() {
                    *p = if token == last as usize {
                        stay
                    } else {
                        1.0 - stay
                    };
                }
            }
            None => out.fill(1.0 / self.states as f64),
        }
    }
}

/// Relative frequencies, each count raised by `more`.
fn laplace_into(counts: &[u32], more: f64, out: &mut [f64]) {
    let total = f64::from(counts.iter().sum::<u32>()) + more * counts.len() as f64;
    for (p, &count) in out.iter_mut().zip(counts) {
        *p = (f64::from(count) + more) / total;
    }
}
