//! What a run is on disk, and where its randomness comes from.
//!
//! - [`Step`] counts optimizer updates; a [`Schedule`] is a sorted set of them.
//! - [`Key`] names content: weights, data, settings.
//! - [`Stream`] is randomness as a function of (seed, purpose, coordinates, index).
//! - [`RunFolder`] knows where things lie; [`CheckpointFolder`] holds the weights for science,
//!   [`StateFolder`] what a run needs to go on, a [`Series`] the metrics.
//!
//! What others wrote is quoted with [`excerpt`] and, where a foreign library reads it, read in
//! [`contained`] calls; [`ParquetFile`] checks what Parquet files say of their pages.
//!
//! Files appear whole or not at all ([`write_atomically`]), tensor files carry a hash of their
//! content, and every [`StoreError`] names its file. Nothing here knows of networks, data sources
//! or tensors on a device.
//!
//! ```
//! use ontogeny_store::{Checkpoint, CheckpointFolder, NamedTensor, Step};
//!
//! let folder = tempfile::tempdir()?;
//! let config = serde_json::json!({ "d_vocab": 3, "d_model": 2 });
//! let checkpoints = CheckpointFolder::create(folder.path(), &config)?;
//! checkpoints.write(&Checkpoint {
//!     step: Step(0),
//!     replicas: vec!["a-1".to_owned()],
//!     config,
//!     tensors: vec![NamedTensor {
//!         name: "embed.W_E".to_owned(),
//!         shape: vec![1, 3, 2],
//!         data: vec![0.5; 6],
//!     }],
//! })?;
//!
//! let one = checkpoints.read(Step(0))?.select("a-1")?;
//! assert_eq!(one.tensors[0].shape, [3, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod checkpoint_folder;
mod contained;
mod error;
mod excerpt;
mod files;
mod key;
mod manifest;
mod parquet_file;
mod random;
mod run_folder;
mod schedule;
mod seal;
mod series;
mod state_folder;
mod step;
mod tensor_file;
mod timestamp;

pub use checkpoint::Checkpoint;
pub use checkpoint_folder::{CheckpointEntry, CheckpointFolder};
pub use contained::contained;
pub use error::StoreError;
pub use excerpt::{excerpt, shortened};
pub use files::{check_folder, create_folder, write_atomically};
pub use key::{Key, KeyBuilder, ParseKeyError};
pub use manifest::{RUN_SCHEMA, ReplicaEntry, RunManifest};
pub use parquet_file::{ParquetFile, parquet_message};
pub use random::{Stream, StreamRng};
pub use run_folder::{RunFolder, RunLock};
pub use schedule::{Schedule, ScheduleSpec, fill_gaps};
pub use seal::{Seal, check_seal, hash_of_bytes, seal};
pub use series::{Resumed, Series, read_series, read_whole_lines};
pub use state_folder::StateFolder;
pub use step::Step;
pub use tensor_file::{NamedTensor, TensorFile};
pub use timestamp::rfc3339;
