//! Weights for science: a value that is written once and never changed.
//!
//! A checkpoint is one tensor file per step. Every tensor has the replica axis in front, and the
//! metadata hold the step, the replicas' names in the order of that axis, and the configuration
//! that suffices to rebuild the network, which also lies beside the file as `config.json`.

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::StoreError;
use crate::files::{create_folder, read_json, write_json};
use crate::key::Key;
use crate::step::Step;
use crate::tensor_file::{NamedTensor, RUN, TensorFile, write_tensors};

/// The file with the network configuration, beside the checkpoints.
pub(crate) const CONFIG_FILE: &str = "config.json";
/// What [`Checkpoint::export`] calls the weights.
const EXPORT_FILE: &str = "model.safetensors";

const SCHEMA_ENTRY: &str = "schema";
const SCHEMA: &str = "checkpoint/1";
const STEP_ENTRY: &str = "step";
const REPLICAS_ENTRY: &str = "replicas";
const CONFIG_ENTRY: &str = "config";
/// What an export has and a checkpoint has not: the replica that was cut out.
const EXPORTED_ENTRY: &str = "replica";

/// The weights of all replicas of one architecture after some step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Optimizer updates done.
    pub step: Step,
    /// The replicas' names, in the order of every tensor's leading axis.
    pub replicas: Vec<String>,
    /// The network configuration; its content is the model's affair.
    pub config: Value,
    /// The parameters, each `[replica, …]`.
    pub tensors: Vec<NamedTensor>,
}

impl Checkpoint {
    /// Reads one checkpoint file and verifies it; also returns the hash of its content. The
    /// `config.json` beside it, if there is one, must agree.
    ///
    /// # Errors
    ///
    /// Those of [`TensorFile::read`]; [`StoreError::Metadata`] if the file is no checkpoint;
    /// [`StoreError::Shape`] if a leading axis does not fit the replicas;
    /// [`StoreError::Config`] if `config.json` says something else.
    pub fn read(path: &Path) -> Result<(Self, Key), StoreError> {
        let (file, key) = TensorFile::read(path)?;
        let head = Head::parse(path, &file.metadata)?;
        check_tensors(path, &head.replicas, &file.tensors)?;
        let beside = path.with_file_name(CONFIG_FILE);
        match read_json::<Value>(&beside) {
            Ok(config) if config == head.config => {}
            Ok(_) => {
                return Err(StoreError::Config {
                    path: path.to_owned(),
                    config: beside,
                });
            }
            // A file that was sent alone carries its configuration with it.
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let checkpoint = Self {
            step: head.step,
            replicas: head.replicas,
            config: head.config,
            tensors: file.tensors,
        };
        Ok((checkpoint, key))
    }

    /// Whether a file in the folder of `run` is a checkpoint of that run, and of the step that its
    /// name says; only its header is read. Files of Ontogeny 0.1.0 do not say whose they are.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherRun`]; [`StoreError::Metadata`] if it is no checkpoint, or one of
    /// another step; those of [`TensorFile::read_metadata`].
    pub fn check_place(path: &Path, run: &Key) -> Result<(), StoreError> {
        let (metadata, _) = TensorFile::read_metadata(path)?;
        let head = Head::parse(path, &metadata)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(named) = Step::from_file_name(&name) {
            check_step(path, named, head.step)?;
        }
        check_run(path, Some(run), head.run.as_ref())
    }

    /// Cuts out one replica. Its tensors have the classic shapes, without the replica axis, so the
    /// result is for use in memory and is not written as a checkpoint.
    ///
    /// # Errors
    ///
    /// [`StoreError::Replica`], which lists the names there are.
    pub fn select(&self, replica: &str) -> Result<Self, StoreError> {
        let index = self
            .replicas
            .iter()
            .position(|name| name == replica)
            .ok_or_else(|| StoreError::Replica {
                replica: replica.to_owned(),
                known: self.replicas.clone(),
            })?;
        let tensors = self
            .tensors
            .iter()
            .map(|tensor| {
                let shape = tensor.shape.get(1..).unwrap_or_default().to_vec();
                let size: usize = shape.iter().product();
                NamedTensor {
                    name: tensor.name.clone(),
                    data: tensor.data[index * size..(index + 1) * size].to_vec(),
                    shape,
                }
            })
            .collect();
        Ok(Self {
            step: self.step,
            replicas: vec![replica.to_owned()],
            config: self.config.clone(),
            tensors,
        })
    }

    /// Cuts out one replica and leaves it its axis, of length one: a checkpoint of a stack of one.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::select`].
    pub fn alone(&self, replica: &str) -> Result<Self, StoreError> {
        let mut own = self.select(replica)?;
        for tensor in &mut own.tensors {
            tensor.shape.insert(0, 1);
        }
        Ok(own)
    }

    /// Writes one replica in the classic shapes as `model.safetensors` and `config.json` into
    /// `folder`, which is created if need be. Returns the path of the weights.
    ///
    /// # Errors
    ///
    /// [`StoreError::Replica`]; [`StoreError::ConfigTaken`] if the folder's `config.json` is
    /// another one; [`StoreError::Io`].
    pub fn export(&self, replica: &str, folder: &Path) -> Result<PathBuf, StoreError> {
        let selected = self.select(replica)?;
        create_folder(folder)?;
        write_config(folder, &self.config)?;
        let metadata = BTreeMap::from([
            (STEP_ENTRY.to_owned(), self.step.to_string()),
            (EXPORTED_ENTRY.to_owned(), replica.to_owned()),
            (CONFIG_ENTRY.to_owned(), self.config.to_string()),
        ]);
        let path = folder.join(EXPORT_FILE);
        write_tensors(&path, &metadata, &selected.tensors)?;
        Ok(path)
    }

    /// Writes the checkpoint of `run` as `path`, atomically, and returns the hash of its content.
    pub(crate) fn write(&self, path: &Path, run: Option<&Key>) -> Result<Key, StoreError> {
        check_replicas(path, &self.replicas)?;
        check_tensors(path, &self.replicas, &self.tensors)?;
        let replicas = Value::from(self.replicas.clone());
        let mut metadata = BTreeMap::from([
            (SCHEMA_ENTRY.to_owned(), SCHEMA.to_owned()),
            (STEP_ENTRY.to_owned(), self.step.to_string()),
            (REPLICAS_ENTRY.to_owned(), replicas.to_string()),
            (CONFIG_ENTRY.to_owned(), self.config.to_string()),
        ]);
        metadata.extend(run.map(|run| (RUN.to_owned(), run.to_string())));
        write_tensors(path, &metadata, &self.tensors)
    }
}

/// Puts `config.json` into a folder, or finds that it is there already.
pub(crate) fn write_config(folder: &Path, config: &Value) -> Result<(), StoreError> {
    let path = folder.join(CONFIG_FILE);
    match read_json::<Value>(&path) {
        Ok(there) if there == *config => Ok(()),
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            write_json(&path, config)
        }
        Err(error @ StoreError::Io { .. }) => Err(error),
        // Another network's, or something else altogether: not to be overwritten.
        Ok(_) | Err(_) => Err(StoreError::ConfigTaken { path }),
    }
}

/// What a checkpoint's metadata say.
pub(crate) struct Head {
    pub(crate) step: Step,
    pub(crate) replicas: Vec<String>,
    pub(crate) config: Value,
    /// The run that wrote it, where the file says so.
    pub(crate) run: Option<Key>,
}

impl Head {
    pub(crate) fn parse(
        path: &Path,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, StoreError> {
        let error = |entry: &str, problem: String| StoreError::Metadata {
            path: path.to_owned(),
            entry: entry.to_owned(),
            problem,
        };
        let entry = |name: &str| {
            metadata.get(name).ok_or_else(|| {
                let problem = match metadata.get(EXPORTED_ENTRY) {
                    Some(replica) => format!(
                        "is missing: the file is not a checkpoint of a run but what `ontogeny \
                         export` made of its replica `{replica}` at step {}, for other programs; \
                         name the checkpoint itself, RUN/checkpoints/step-….safetensors",
                        metadata.get(STEP_ENTRY).map_or("?", String::as_str)
                    ),
                    None => "is missing: the file is not a checkpoint of a run".to_owned(),
                };
                error(name, problem)
            })
        };
        let schema = entry(SCHEMA_ENTRY)?;
        if schema != SCHEMA {
            let problem = format!("is `{schema}`, this version reads `{SCHEMA}`");
            return Err(error(SCHEMA_ENTRY, problem));
        }
        let step = entry(STEP_ENTRY)?
            .parse()
            .map_err(|e| error(STEP_ENTRY, format!("is not a step: {e}")))?;
        let replicas: Vec<String> = serde_json::from_str(entry(REPLICAS_ENTRY)?)
            .map_err(|e| error(REPLICAS_ENTRY, format!("is not a list of names: {e}")))?;
        check_replicas(path, &replicas)?;
        let config = serde_json::from_str(entry(CONFIG_ENTRY)?)
            .map_err(|e| error(CONFIG_ENTRY, format!("is not JSON: {e}")))?;
        let run = metadata.get(RUN).map(|key| key.parse::<Key>());
        let run = run
            .transpose()
            .map_err(|e| error(RUN, format!("is no key: {e}")))?;
        Ok(Self {
            step,
            replicas,
            config,
            run,
        })
    }
}

/// A file that was renamed would put its weights at a wrong place of every curve.
pub(crate) fn check_step(path: &Path, named: Step, held: Step) -> Result<(), StoreError> {
    if named == held {
        return Ok(());
    }
    Err(StoreError::Metadata {
        path: path.to_owned(),
        entry: STEP_ENTRY.to_owned(),
        problem: format!("is {held}, but the file's name says {named}"),
    })
}

/// Whether a file that lies in the folder of the run `expected` may be its own: those of Ontogeny
/// 0.1.0 do not say whose they are.
pub(crate) fn check_run(
    path: &Path,
    expected: Option<&Key>,
    held: Option<&Key>,
) -> Result<(), StoreError> {
    match (expected, held) {
        (Some(expected), Some(held)) if expected != held => Err(StoreError::OtherRun {
            path: path.to_owned(),
            held: *held,
            expected: *expected,
        }),
        _ => Ok(()),
    }
}

fn check_replicas(path: &Path, replicas: &[String]) -> Result<(), StoreError> {
    let mut names = HashSet::new();
    let problem = if replicas.is_empty() {
        "lists no replica".to_owned()
    } else if let Some(name) = replicas.iter().find(|name| !names.insert(*name)) {
        format!("lists `{name}` twice")
    } else if names.contains(&String::new()) {
        "lists a replica without a name".to_owned()
    } else {
        return Ok(());
    };
    Err(StoreError::Metadata {
        path: path.to_owned(),
        entry: REPLICAS_ENTRY.to_owned(),
        problem,
    })
}

fn check_tensors(
    path: &Path,
    replicas: &[String],
    tensors: &[NamedTensor],
) -> Result<(), StoreError> {
    for tensor in tensors {
        if tensor.shape.first() != Some(&replicas.len()) {
            return Err(StoreError::Shape {
                path: path.to_owned(),
                tensor: tensor.name.clone(),
                problem: format!(
                    "has shape {:?}; its leading axis should be the {} replicas",
                    tensor.shape,
                    replicas.len()
                ),
            });
        }
    }
    Ok(())
}
