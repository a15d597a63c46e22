//! What can go wrong in training.

use std::path::PathBuf;

use ontogeny_data::DataError;
use ontogeny_model::ModelError;
use ontogeny_store::{Step, StoreError};

use crate::config::ConfigError;

/// Why a run could not be built or trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A corpus or another source.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network or its device.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The run's folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A checkpoint that a run cannot start from.
    #[error("cannot start from {}: {reason}", path.display())]
    Start {
        /// The checkpoint.
        path: PathBuf,
        /// Why not, and what would be right.
        reason: String,
    },
    /// A folder that holds another run.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What it holds, and what to do.
        reason: String,
    },
    /// A step that a run has not come to.
    #[error("{}: there is nothing at step {step} yet: the run is trained to step {reached}", path.display())]
    Unreached {
        /// The run's folder.
        path: PathBuf,
        /// The step that was asked for.
        step: Step,
        /// The last step that is sure to stay.
        reached: Step,
    },
    /// A replay that did not come out as the run did.
    #[error(
        "{}: replayed from step {from}, `{tensor}` of {replica} has other bits at step {step}; nothing was kept. \
         Another machine or another version of the program trained this run, or the file was changed",
        path.display()
    )]
    Replay {
        /// The checkpoint that is another.
        path: PathBuf,
        /// Where the replay began.
        from: Step,
        /// The checkpoint's step.
        step: Step,
        /// The first replica that differs.
        replica: String,
        /// The first of its tensors that differs.
        tensor: String,
    },
    /// A resume state that does not fit the run.
    #[error("{}: the state for resuming does not fit this run: {reason}", path.display())]
    State {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
