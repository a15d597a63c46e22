//! What can go wrong between a configuration, a file and a network.

use std::path::PathBuf;

/// Why a network could not be built or a device not be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A field of the configuration that makes no network.
    #[error("model.{field} {reason}")]
    Config {
        /// The field.
        field: String,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// A checkpoint that does not fit its own `config.json`.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Which tensor, and what was expected of it.
        reason: String,
    },
    /// A device that was asked for and is not there.
    #[error("{0}")]
    Device(String),
    /// Values could not be read back from the device.
    #[error("could not read values back from the device: {0}")]
    Read(String),
}

impl ModelError {
    /// A field that makes no network.
    pub fn config(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config {
            field: field.into(),
            reason: reason.into(),
        }
    }
}
