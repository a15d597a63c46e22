//! What a configuration says about the synthetic source.

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::spec::{in_range, is_zero, training_set};

/// A synthetic language whose exact Bayes filter is known.
///
/// The logits of the next token are `A[b] + trigram_strength · A2[a] − zipf · ln(token + 1)`,
/// where `a, b` are the last two tokens and the rows of `A` and `A2` are logarithms of Dirichlet
/// draws. Beside that run trigger tokens: in each sequence every active trigger has a successor
/// of its own, drawn afresh, which only the sequence so far can tell. The model of the program is
/// the bigram source with triggers of Bietti et al. (arXiv 2306.00802), with a skip-trigram part
/// added so that there is something to learn between bigrams and induction.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct NgramInductionSpec {
    /// Seed of the tables: another seed is another language.
    pub seed: u64,
    /// Number of tokens, 2 to 1024.
    pub d_vocab: usize,
    /// Dirichlet concentration of the rows of `A`; smaller is more predictable.
    pub bigram_concentration: f64,
    /// Dirichlet concentration of the rows of `A2`.
    pub trigram_concentration: f64,
    /// Weight of `A2[a]` in the logits; 0 leaves a bigram language.
    pub trigram_strength: f64,
    /// Zipf tilt: `−zipf · ln(token + 1)` is added to the logits, so that small tokens are
    /// frequent. The exponent that results is another one and is reported by
    /// [`crate::Language::describe`].
    pub zipf: f64,
    /// Number of trigger tokens; 0 leaves an n-gram language.
    pub n_triggers: usize,
    /// Which tokens are triggers, by their frequency in the language without triggers.
    pub trigger_rank: TriggerRank,
    /// Which tokens are triggers, one by one; overrules `trigger_rank` if not empty, and must
    /// then hold `n_triggers` tokens.
    pub trigger_tokens: Vec<u32>,
    /// How many of the triggers, drawn at random for each sequence, are active in it: absent
    /// means all. An inactive trigger is followed by what the tables say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<usize>,
    /// Probability that a token that follows no trigger is one of the active triggers, all
    /// equally likely unless `burstiness` says otherwise, instead of what the tables say (they may
    /// also give a trigger).
    pub recurrence: f64,
    /// Probability that such a recurrence is of a trigger that the sequence has shown already, all
    /// of these equally likely; otherwise, and where none was shown yet, it is of any active one.
    /// Triggers come as often as without it, in fewer kinds per sequence (Chan et al., arXiv
    /// 2205.05055). Needs every trigger active: the observer would not know which can recur.
    #[serde(skip_serializing_if = "is_zero")]
    pub burstiness: f64,
    /// Probability that an active trigger is followed by its successor; otherwise by what the
    /// tables say.
    pub reliability: f64,
    /// Probability that a sequence is its first `segment` tokens repeated until it is full. The
    /// in-context oracle knows of it; the others are those of the language without repetitions,
    /// and so are [`crate::Language::token_frequencies`].
    #[serde(skip_serializing_if = "is_zero")]
    pub repeat: f64,
    /// Tokens of a repeated segment, fewer than the `n_ctx + 1` of a sequence: absent means half
    /// of them, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<usize>,
    /// Number of sequences that training draws from, uniformly: absent means that every sequence
    /// is a new one. Sequence `k` depends on `seed` and `k` alone, so a larger set contains the
    /// smaller ones. Held-out sequences are always new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_set: Option<u64>,
}

/// Which tokens are triggers, by rank of frequency.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRank {
    /// The most frequent tokens.
    MostFrequent,
    /// Tokens at equal distances in the ranking, from the middle of each stretch.
    #[default]
    Spread,
    /// The rarest tokens.
    Rarest,
}

impl Default for NgramInductionSpec {
    fn default() -> Self {
        Self {
            seed: 0,
            d_vocab: 64,
            bigram_concentration: 0.15,
            trigram_concentration: 0.3,
            trigram_strength: 0.8,
            zipf: 0.0,
            n_triggers: 4,
            trigger_rank: TriggerRank::default(),
            trigger_tokens: Vec::new(),
            active: None,
            recurrence: 0.2,
            burstiness: 0.0,
            reliability: 1.0,
            repeat: 0.0,
            segment: None,
            training_set: None,
        }
    }
}

/// Largest `d_vocab` of the synthetic source: its bigram oracle costs `d_vocab³` operations.
const MAX_D_VOCAB: usize = 1024;
/// Largest `n_triggers · d_vocab²`: numbers that the trigram oracle keeps.
const MAX_TRIGGER_STATISTICS: usize = 1 << 24;

impl NgramInductionSpec {
    /// Number of triggers that are active in each sequence.
    pub fn n_active(&self) -> usize {
        self.active.unwrap_or(self.n_triggers)
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] with the key at fault.
    pub fn check(&self) -> Result<(), DataError> {
        if !(2..=MAX_D_VOCAB).contains(&self.d_vocab) {
            return Err(DataError::setting(
                "d_vocab",
                format!(
                    "is {}; this source has 2 to {MAX_D_VOCAB} tokens",
                    self.d_vocab
                ),
            ));
        }
        in_range("bigram_concentration", self.bigram_concentration, 1e-3, 1e3)?;
        in_range(
            "trigram_concentration",
            self.trigram_concentration,
            1e-3,
            1e3,
        )?;
        in_range("trigram_strength", self.trigram_strength, 0.0, 10.0)?;
        in_range("zipf", self.zipf, -10.0, 10.0)?;
        in_range("recurrence", self.recurrence, 0.0, 0.95)?;
        in_range("burstiness", self.burstiness, 0.0, 1.0)?;
        in_range("reliability", self.reliability, 0.0, 1.0)?;
        in_range("repeat", self.repeat, 0.0, 1.0)?;
        if self.segment == Some(0) {
            return Err(DataError::setting(
                "segment",
                "is 0; a repeated segment has at least one token",
            ));
        }
        training_set(self.training_set)?;
        self.check_triggers()
    }

    fn check_triggers(&self) -> Result<(), DataError> {
        if self.n_triggers >= self.d_vocab {
            return Err(DataError::setting(
                "n_triggers",
                format!(
                    "is {}, but some of the {} tokens must be left to be successors",
                    self.n_triggers, self.d_vocab
                ),
            ));
        }
        if self.n_triggers * self.d_vocab * self.d_vocab > MAX_TRIGGER_STATISTICS {
            return Err(DataError::setting(
                "n_triggers",
                format!(
                    "is {}, too many for {} tokens: n_triggers · d_vocab² may be {MAX_TRIGGER_STATISTICS} at most",
                    self.n_triggers, self.d_vocab
                ),
            ));
        }
        if let Some(active) = self.active
            && active > self.n_triggers
        {
            return Err(DataError::setting(
                "active",
                format!("is {active}, more than the {} triggers", self.n_triggers),
            ));
        }
        if self.burstiness > 0.0 && self.n_active() < self.n_triggers {
            return Err(DataError::setting(
                "burstiness",
                format!(
                    "is {}, but only {} of the {} triggers are active: leave `active` out or \
                     `burstiness` at 0",
                    self.burstiness,
                    self.n_active(),
                    self.n_triggers
                ),
            ));
        }
        if self.trigger_tokens.is_empty() {
            return Ok(());
        }
        if self.trigger_tokens.len() != self.n_triggers {
            return Err(DataError::setting(
                "trigger_tokens",
                format!(
                    "lists {} tokens, but `n_triggers` is {}: make them equal",
                    self.trigger_tokens.len(),
                    self.n_triggers
                ),
            ));
        }
        for (place, &token) in self.trigger_tokens.iter().enumerate() {
            if token as usize >= self.d_vocab {
                return Err(DataError::setting(
                    "trigger_tokens",
                    format!(
                        "holds {token}, but tokens go from 0 to {}",
                        self.d_vocab - 1
                    ),
                ));
            }
            if self.trigger_tokens[..place].contains(&token) {
                return Err(DataError::setting(
                    "trigger_tokens",
                    format!("holds {token} twice"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut NgramInductionSpec), key: &str, part: &str) {
        let mut spec = NgramInductionSpec::default();
        change(&mut spec);
        let error = spec.check().expect_err("refused");
        assert_eq!(error.key(), Some(key));
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn senseless_values_are_refused_with_their_key() {
        refused(|s| s.d_vocab = 1, "d_vocab", "2 to 1024");
        refused(
            |s| s.bigram_concentration = 0.0,
            "bigram_concentration",
            "is 0",
        );
        refused(|s| s.trigram_strength = f64::NAN, "trigram_strength", "NaN");
        refused(|s| s.recurrence = 1.0, "recurrence", "0.95");
        refused(|s| s.reliability = -0.1, "reliability", "-0.1");
        refused(|s| s.burstiness = 1.5, "burstiness", "is 1.5");
        refused(|s| s.repeat = -0.5, "repeat", "is -0.5");
        refused(|s| s.segment = Some(0), "segment", "at least one token");
        refused(|s| s.training_set = Some(0), "training_set", "leave it out");
        refused(
            |s| (s.burstiness, s.active) = (0.5, Some(3)),
            "burstiness",
            "only 3 of the 4 triggers are active",
        );
        refused(|s| s.n_triggers = 64, "n_triggers", "successors");
        refused(|s| s.active = Some(5), "active", "more than the 4");
        refused(
            |s| s.trigger_tokens = vec![1],
            "trigger_tokens",
            "make them equal",
        );
        refused(
            |s| s.trigger_tokens = vec![1, 2, 3, 64],
            "trigger_tokens",
            "63",
        );
        refused(
            |s| s.trigger_tokens = vec![1, 2, 3, 1],
            "trigger_tokens",
            "1 twice",
        );
    }
}
