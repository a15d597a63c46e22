//! What a run is: the file `run.json` in its folder.

use std::fs;
use std::io::ErrorKind;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::excerpt::excerpt;
use crate::files::{parse_json, write_json};
use crate::key::Key;
use crate::run_folder::RunFolder;
use crate::timestamp::{is_rfc3339, rfc3339};

/// The schema of `run.json` that this version writes and reads.
pub const RUN_SCHEMA: u32 = 1;

/// The kinds of devices that a run can have been trained on.
const KINDS: [&str; 3] = ["cpu", "gpu", "cuda"];

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

impl RunFolder {
    /// Writes `run.json`, atomically.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn write_manifest(&self, manifest: &RunManifest) -> Result<(), StoreError> {
        let path = self.manifest();
        let manifest = serde_json::to_value(manifest).map_err(|error| StoreError::Encode {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        write_json(&path, &manifest)
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoRun`] if there is none, [`StoreError::Schema`] if a later version wrote
    /// it, [`StoreError::Manifest`] for an entry that makes no sense, [`StoreError::Json`],
    /// [`StoreError::Io`].
    pub fn read_manifest(&self) -> Result<RunManifest, StoreError> {
        let (value, bytes) = self.manifest_value()?;
        let path = self.manifest();
        let wrong = |entry: &'static str, problem: String| StoreError::Manifest {
            path: path.clone(),
            entry,
            problem,
        };
        // Before anything else: a later schema may not have the fields of this one.
        match value.get("schema") {
            None => {
                let problem = "is missing, so nothing says how to read the file; it is a number, \
                               and 1 in every version so far";
                return Err(wrong("schema", problem.to_owned()));
            }
            Some(schema) => match schema.as_u64() {
                Some(found) if found == u64::from(RUN_SCHEMA) => {}
                Some(found) => {
                    return Err(StoreError::Schema {
                        path: path.clone(),
                        found,
                        known: RUN_SCHEMA,
                    });
                }
                None => {
                    let problem = format!(
                        "is {} and no whole number; it should be 1",
                        excerpt(&schema.to_string())
                    );
                    return Err(wrong("schema", problem));
                }
            },
        }
        let manifest: RunManifest = parse_json(&path, &bytes)?;
        if !KINDS.contains(&manifest.device_kind.as_str()) {
            let problem = format!(
                "is `{}`, which is no kind of device that this version knows; the kinds are {}",
                excerpt(&manifest.device_kind),
                KINDS.join(", ")
            );
            return Err(wrong("device_kind", problem));
        }
        if !is_rfc3339(&manifest.created) {
            let problem = format!(
                "is `{}` and no moment such as {}",
                excerpt(&manifest.created),
                rfc3339(SystemTime::UNIX_EPOCH)
            );
            return Err(wrong("created", problem));
        }
        Ok(manifest)
    }

    /// What is odd about `run.json` and yet no reason to refuse the run, a sentence each.
    /// `version` is the version of this program.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::read_manifest`].
    pub fn oddities(&self, version: &str) -> Result<Vec<String>, StoreError> {
        let manifest = self.read_manifest()?;
        let (value, _) = self.manifest_value()?;
        let mut found = Vec::new();
        if manifest.version != version {
            found.push(format!(
                "was made by Ontogeny {}, and this is {version}: training may not go on bit for \
                 bit, and figures may be computed differently",
                excerpt(&manifest.version)
            ));
        }
        let known = serde_json::to_value(&manifest).unwrap_or_default();
        let known = known.as_object().into_iter().flat_map(|known| known.keys());
        let known: Vec<&String> = known.collect();
        let entries = value.as_object().into_iter().flat_map(|all| all.keys());
        let strange: Vec<String> = entries
            .filter(|key| !known.contains(key))
            .map(|key| format!("`{key}`"))
            .collect();
        if !strange.is_empty() {
            found.push(format!(
                "run.json has {}, which this version does not know and does not read",
                excerpt(&strange.join(", "))
            ));
        }
        if manifest.created > rfc3339(SystemTime::now()) {
            found.push(format!(
                "run.json says that it was created at {}, which is yet to come; the clock of that \
                 machine or of this one is wrong",
                manifest.created
            ));
        }
        Ok(found)
    }

    fn manifest_value(&self) -> Result<(Value, Vec<u8>), StoreError> {
        let path = self.manifest();
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::NoRun {
                path: self.root().to_owned(),
            },
            _ => StoreError::io("read", &path)(error),
        })?;
        let value = parse_json(&path, &bytes)?;
        Ok((value, bytes))
    }
}
