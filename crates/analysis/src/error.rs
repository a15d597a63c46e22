//! What can go wrong in analysis.

use std::path::PathBuf;

use ontogeny_model::ModelError;
use ontogeny_store::StoreError;

/// Why checkpoints could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// A network that cannot be rebuilt, or a device that is not there.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Something in the run's folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device failed while computing.
    #[error("the device failed while computing: {0}")]
    Device(String),
    /// A result on disk that is no result.
    #[error("{}: {reason}; delete it and analyse again", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to analyse.
    #[error(
        "{}: there is no checkpoint to analyse; `ontogeny train` with the run's config.toml, and \
         its folder as --out, makes those of its schedule", .0.display()
    )]
    NoCheckpoints(PathBuf),
    /// A measure of predicted tokens on data that have none.
    #[error("these data have no tokens to predict")]
    NoTokens,
    /// A replica in a checkpoint that the configuration does not have.
    #[error("{}: the checkpoint holds replica `{replica}`, which the configuration does not have", path.display())]
    UnknownReplica {
        /// The checkpoint.
        path: PathBuf,
        /// The replica.
        replica: String,
    },
    /// A component that the network does not have.
    #[error("`analysis.llc.components`: {0}")]
    Component(#[from] crate::component::UnknownComponent),
    /// Analysis was interrupted; what is finished is on disk.
    #[error("interrupted; what is finished is kept, and the same command goes on")]
    Interrupted,
}
