//! How far the building of a source is, for whoever waits for it.

use std::fmt;
use std::ops::ControlFlow;

use crate::DataError;

/// What is being done.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BuildPhase {
    /// The files of a corpus are read.
    ReadCorpus,
    /// The words of the training documents are counted.
    CountWords,
    /// Pairs of tokens are merged into new tokens.
    LearnTokens,
    /// Documents become tokens.
    Tokenize,
}

impl fmt::Display for BuildPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadCorpus => "reading the corpus",
            Self::CountWords => "counting words",
            Self::LearnTokens => "learning tokens",
            Self::Tokenize => "tokenizing",
        })
    }
}

/// How far a phase is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct BuildProgress {
    /// What is being done.
    pub phase: BuildPhase,
    /// How much of it is done: bytes of text, or tokens of the vocabulary while they are learned.
    pub done: u64,
    /// How much there is to do, in the unit of `done`; 0 where that is not known.
    pub total: u64,
}

/// Is told how far a source is, at least every few million bytes of text, and may answer that
/// building it should stop.
pub type BuildWatch<'a> = &'a (dyn Fn(BuildProgress) -> ControlFlow<()> + Sync);

/// Tells `watch` how far a phase is.
///
/// # Errors
///
/// [`DataError::Stopped`] if the answer is to stop.
pub(crate) fn tell(
    watch: BuildWatch<'_>,
    phase: BuildPhase,
    done: u64,
    total: u64,
) -> Result<(), DataError> {
    match watch(BuildProgress { phase, done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(DataError::Stopped),
    }
}
