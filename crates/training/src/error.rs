//! What can go wrong in training.

use std::path::PathBuf;

use ontogeny_data::DataError;
use ontogeny_model::ModelError;
use ontogeny_store::StoreError;

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
    /// A resume state that does not fit the run.
    #[error("{}: the state for resuming does not fit this run: {reason}", path.display())]
    State {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
