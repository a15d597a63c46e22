//! What a configuration says about Markov chains.

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::spec::{in_range, training_set};

/// Sequences that each come from a Markov chain of its own: the task of in-context Markov chains
/// (Edelman et al. 2024, arXiv 2402.11004).
///
/// For every sequence a matrix of transition probabilities is drawn from the prior `rows`, the
/// first token from the chain's stationary distribution, and each later one from the row of the
/// token before it. A sequence costs about `states³ + n_ctx · states` operations.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct MarkovChainsSpec {
    /// Number of states k, which are the tokens; 2 to 256.
    pub states: usize,
    /// What the matrices of transition probabilities are drawn from.
    pub rows: RowPrior,
    /// Concentration α of the Dirichlet distribution of the rows; smaller is more predictable. Of
    /// `rows = "dirichlet"` only.
    pub concentration: f64,
    /// Number of sequences that training draws from, uniformly: absent means that every sequence
    /// is a new one. Sequence `i` depends on `seed` and `i` alone, so a larger set contains the
    /// smaller ones. Held-out sequences are always new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_set: Option<u64>,
    /// Decides the training set; without one it has no effect.
    pub seed: u64,
}

/// What a chain's matrix of transition probabilities is drawn from.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum RowPrior {
    /// Rows are independent draws from the symmetric Dirichlet distribution.
    #[default]
    Dirichlet,
    /// Columns add up to 1 as rows do, so that every state is as frequent as any other and counts
    /// of single tokens tell next to nothing. Of two states, `[[p, 1 − p], [1 − p, p]]` with p
    /// uniform in [0, 1]. Of more, a matrix of independent exponentials of mean 1 whose columns and
    /// rows are scaled by turns until they add up to 1 within 10⁻¹² (Sinkhorn 1964).
    DoublyStochastic,
}

impl RowPrior {
    /// `dirichlet` or `doubly_stochastic`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dirichlet => "dirichlet",
            Self::DoublyStochastic => "doubly_stochastic",
        }
    }
}

impl Default for MarkovChainsSpec {
    fn default() -> Self {
        Self {
            states: 2,
            rows: RowPrior::default(),
            concentration: 1.0,
            training_set: None,
            seed: 0,
        }
    }
}

/// Largest `states`: the stationary distribution of a chain costs `states³` operations.
const MAX_STATES: usize = 256;

impl MarkovChainsSpec {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] with the key at fault.
    pub fn check(&self) -> Result<(), DataError> {
        if !(2..=MAX_STATES).contains(&self.states) {
            return Err(DataError::setting(
                "states",
                format!("is {}; it goes from 2 to {MAX_STATES}", self.states),
            ));
        }
        in_range("concentration", self.concentration, 1e-3, 1e3)?;
        if self.rows == RowPrior::DoublyStochastic && self.concentration != 1.0 {
            return Err(DataError::setting(
                "concentration",
                format!(
                    "is {}, but rows = \"doubly_stochastic\" has no concentration: leave it out",
                    self.concentration
                ),
            ));
        }
        training_set(self.training_set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut MarkovChainsSpec), key: &str, part: &str) {
        let mut spec = MarkovChainsSpec::default();
        change(&mut spec);
        let error = spec.check().expect_err("refused");
        assert_eq!(error.key(), Some(key));
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn senseless_values_are_refused_with_their_key() {
        refused(|s| s.states = 1, "states", "2 to 256");
        refused(|s| s.states = 257, "states", "is 257");
        refused(|s| s.concentration = 0.0, "concentration", "is 0");
        refused(|s| s.concentration = f64::NAN, "concentration", "NaN");
        refused(|s| s.concentration = 2e3, "concentration", "1000");
        refused(
            |s| (s.rows, s.concentration) = (RowPrior::DoublyStochastic, 0.5),
            "concentration",
            "leave it out",
        );
        refused(|s| s.training_set = Some(0), "training_set", "leave it out");
        for states in [2, 256] {
            for rows in [RowPrior::Dirichlet, RowPrior::DoublyStochastic] {
                let spec = MarkovChainsSpec {
                    states,
                    rows,
                    ..MarkovChainsSpec::default()
                };
                assert!(spec.check().is_ok(), "{spec:?}");
            }
        }
    }
}
