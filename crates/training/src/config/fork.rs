//! `[fork]`: where a run began that goes on from another.

use std::path::PathBuf;

use ontogeny_store::{Key, KeyBuilder};
use serde::{Deserialize, Serialize};

use super::validate::Problem;

/// The run that a fork goes on from, and where. `ontogeny fork` writes it.
///
/// The state it begins with lies in the fork's own folder, so the parent is not needed any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkSection {
    /// Folder of the parent, for the reader; it may be gone.
    pub run: PathBuf,
    /// The step at which the parent was left: updates that were the parent's.
    pub at: u64,
    /// The parent's key: what decides its weights.
    pub key: Key,
}

impl ForkSection {
    /// One with every key set.
    pub(super) fn example() -> Self {
        Self {
            run: PathBuf::new(),
            at: 0,
            key: KeyBuilder::new("example").finish(),
        }
    }

    pub(super) fn validate(&self, steps: u64) -> Result<(), Problem> {
        if self.at < steps {
            return Ok(());
        }
        let message = format!(
            "the run was forked at step {}, and training ends at step {steps}: nothing is left to train; give it \
             more steps",
            self.at
        );
        Err(Problem::new("fork.at", message).or("training.steps"))
    }
}
