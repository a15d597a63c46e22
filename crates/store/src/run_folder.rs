//! The folder of a run: where everything lies, and who may write there.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::files::{
    create_folder, is_partial, parse_json, sweep_older, sweep_partial, write_atomically, write_json,
};
use crate::key::Key;

/// The schema of `run.json` that this version writes and reads.
pub const RUN_SCHEMA: u32 = 1;

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "run.json";
const LOCK: &str = "run.lock";

/// What a run is, in the file `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunManifest {
    /// [`RUN_SCHEMA`].
    pub schema: u32,
    /// The run's name.
    pub name: String,
    /// The key of the resolved configuration.
    pub config_key: Key,
    /// The kind of device that trained it: `cpu`, `gpu`, ….
    pub device_kind: String,
    /// The version of the program.
    pub version: String,
    /// When the run was created, RFC 3339 in UTC; see [`crate::rfc3339`].
    pub created: String,
    /// The replicas, in the order of the checkpoints' leading axis.
    pub replicas: Vec<ReplicaEntry>,
}

/// One replica of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaEntry {
    /// The replica's name, unique in the run.
    pub name: String,
    /// The arm it belongs to.
    pub arm: String,
    /// The seed of its initial weights and batches.
    pub seed: u64,
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
}

/// The right to write into a run's folder; given back when dropped or when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct RunLock {
    // Closing the file releases the lock.
    _file: File,
}

impl RunFolder {
    /// Creates the folder of a new run with its configuration and manifest. The manifest comes
    /// last: a folder without it is not a run yet and may be created again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Occupied`] if the folder holds a run or anything else; [`StoreError::Io`].
    pub fn create(
        root: impl AsRef<Path>,
        resolved_toml: &str,
        manifest: &RunManifest,
    ) -> Result<Self, StoreError> {
        let run = Self {
            root: root.as_ref().to_owned(),
        };
        create_folder(&run.root)?;
        let entries = fs::read_dir(&run.root).map_err(StoreError::io("list", &run.root))?;
        for entry in entries {
            let entry = entry.map_err(StoreError::io("list", &run.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != CONFIG && name != LOCK && !is_partial(&name) {
                return Err(StoreError::Occupied {
                    path: run.root,
                    entry: name,
                });
            }
        }
        write_atomically(&run.config_toml(), resolved_toml.as_bytes())?;
        let path = run.manifest();
        let manifest = serde_json::to_value(manifest).map_err(|error| StoreError::Encode {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        write_json(&path, &manifest)?;
        Ok(run)
    }

    /// Opens the folder of a run that exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoRun`], or what is wrong with its manifest (see
    /// [`RunFolder::read_manifest`]).
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let run = Self {
            root: root.as_ref().to_owned(),
        };
        run.read_manifest()?;
        Ok(run)
    }

    /// Whether a folder is a run's: whether [`RunFolder::open`] rather than
    /// [`RunFolder::create`] is right.
    pub fn exists(root: impl AsRef<Path>) -> bool {
        root.as_ref().join(MANIFEST).exists()
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoRun`] if there is none, [`StoreError::Schema`] if a later version wrote
    /// it, [`StoreError::Json`], [`StoreError::Io`].
    pub fn read_manifest(&self) -> Result<RunManifest, StoreError> {
        let path = self.manifest();
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::NoRun {
                path: self.root.clone(),
            },
            _ => StoreError::io("read", &path)(error),
        })?;
        let value: Value = parse_json(&path, &bytes)?;
        // Before anything else: a later schema may not have the fields of this one.
        if let Some(found) = value.get("schema").and_then(Value::as_u64)
            && found != u64::from(RUN_SCHEMA)
        {
            return Err(StoreError::Schema {
                path,
                found,
                known: RUN_SCHEMA,
            });
        }
        parse_json(&path, &bytes)
    }

    /// Takes the run for writing, so that two processes never train into one folder; at once or
    /// not at all. What killed processes left half written is removed.
    ///
    /// The lock is advisory and the system's own: it ends with the process, so none is ever left
    /// behind.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another process, or another [`RunLock`] of this one, has it;
    /// [`StoreError::Io`].
    pub fn lock(&self) -> Result<RunLock, StoreError> {
        let path = self.root.join(LOCK);
        let mut file = File::options()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // For the message only: without it the error is still right.
                let _ = file.read_to_string(&mut holder);
                return Err(StoreError::Locked {
                    path: self.root.clone(),
                    holder: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(StoreError::io("write", &path))?;
        self.sweep();
        Ok(RunLock { _file: file })
    }

    /// Removes what killed processes left half written, of what is written under the lock alone.
    fn sweep(&self) {
        sweep_partial(&self.root);
        let analysis = self.analysis();
        // Some results are written there without the lock.
        sweep_older(&analysis, Duration::from_secs(3600));
        for entry in fs::read_dir(analysis).into_iter().flatten().flatten() {
            sweep_partial(&entry.path());
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved configuration.
    pub fn config_toml(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// The manifest, `run.json`; see [`RunFolder::read_manifest`] for its content.
    pub fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }

    /// The folder of the checkpoints; see [`crate::CheckpointFolder`].
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The folder of the states to resume from; see [`crate::StateFolder`].
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The training metrics, a series; see [`crate::Series`].
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The folder of what was computed from the checkpoints.
    pub fn analysis(&self) -> PathBuf {
        self.root.join("analysis")
    }

    /// The report.
    pub fn report_html(&self) -> PathBuf {
        self.root.join("report.html")
    }
}
