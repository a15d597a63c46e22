//! A run's checkpoints: one network configuration, one file per step.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::{CONFIG_FILE, Checkpoint, Head, check_run, check_step, write_config};
use crate::error::StoreError;
use crate::files::{PARTIAL, create_folder, read_json, rename, steps_in, sweep_partial};
use crate::key::Key;
use crate::step::Step;
use crate::tensor_file::TensorFile;

/// The folder `<run>/checkpoints`: `config.json` and files such as `step-0000000123.safetensors`.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
    config: Value,
    /// The run that the folder belongs to, where that is known.
    run: Option<Key>,
}

/// A checkpoint in a folder, as its file's header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointEntry {
    /// Optimizer updates done.
    pub step: Step,
    /// The file.
    pub path: PathBuf,
    /// The hash of the content. It names the weights in everything that is computed from them.
    pub hash: Key,
    /// The replicas' names, in the order of the leading axis.
    pub replicas: Vec<String>,
    /// The run that wrote it; checkpoints of Ontogeny 0.1.0 do not say.
    pub run: Option<Key>,
}

impl CheckpointFolder {
    /// Creates the folder for a run that writes it, or opens it if it is there already for the
    /// same network. What a killed writer left half written is removed, so the run should hold
    /// its [`crate::RunLock`].
    ///
    /// # Errors
    ///
    /// [`StoreError::ConfigTaken`] if it is there for another network; [`StoreError::Io`].
    pub fn create(path: impl AsRef<Path>, config: &Value) -> Result<Self, StoreError> {
        let path = path.as_ref();
        create_folder(path)?;
        write_config(path, config)?;
        sweep_partial(path);
        Ok(Self {
            path: path.to_owned(),
            config: config.clone(),
            run: None,
        })
    }

    /// The folder of a run to read from, whose network is `config`. A `config.json` that was
    /// deleted is not missed: it says nothing else.
    ///
    /// # Errors
    ///
    /// [`StoreError::ConfigTaken`] if its `config.json` says something else or is damaged;
    /// [`StoreError::Io`].
    pub fn open_for(path: impl AsRef<Path>, config: &Value, run: Key) -> Result<Self, StoreError> {
        let folder = Self {
            path: path.as_ref().to_owned(),
            config: config.clone(),
            run: Some(run),
        };
        let beside = folder.path.join(CONFIG_FILE);
        match read_json::<Value>(&beside) {
            Ok(there) if there == *config => Ok(folder),
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(folder)
            }
            Err(error @ StoreError::Io { .. }) => Err(error),
            Ok(_) | Err(_) => Err(StoreError::ConfigTaken { path: beside }),
        }
    }

    /// The folder of a run of which the network is not known: for listing only.
    pub(crate) fn unopened(path: PathBuf, run: Key) -> Self {
        Self {
            path,
            config: Value::Null,
            run: Some(run),
        }
    }

    /// The same folder as that of `run`: what is written carries the run's key, and what carries
    /// the key of another run is refused.
    pub fn of_run(mut self, run: Key) -> Self {
        self.run = Some(run);
        self
    }

    /// Opens a folder that exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] or [`StoreError::Json`] if its `config.json` cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Ok(Self {
            path: path.to_owned(),
            config: read_json(&path.join(CONFIG_FILE))?,
            run: None,
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The network configuration, which all checkpoints of the folder share.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The file that holds a step, whether or not it is there.
    pub fn path_of(&self, step: Step) -> PathBuf {
        self.path.join(step.file_name())
    }

    /// Writes a checkpoint, atomically.
    ///
    /// A run that was killed writes the steps after its last state again when it resumes. On a
    /// device that repeats itself bit for bit the file stays what it was; on another the run has
    /// truly taken another course, so the old file is replaced and its hash goes with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Shape`] if a leading axis is not the replicas' or data do not fill their
    /// shape, [`StoreError::Name`], [`StoreError::Metadata`] for names of replicas that are
    /// empty or not unique, [`StoreError::Config`] if the network is not the folder's,
    /// [`StoreError::Io`].
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<CheckpointEntry, StoreError> {
        self.write_to(self.path_of(checkpoint.step), checkpoint)
    }

    /// Writes a checkpoint aside: nobody sees it until [`CheckpointFolder::take_in`] gives it its
    /// name, and the next [`CheckpointFolder::create`] removes it if that never comes.
    ///
    /// # Errors
    ///
    /// Those of [`CheckpointFolder::write`].
    pub fn write_aside(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.write_to(self.aside(checkpoint.step), checkpoint)
            .map(|_| ())
    }

    /// Makes the checkpoint that was written aside one of the folder's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn take_in(&self, step: Step) -> Result<(), StoreError> {
        rename(&self.aside(step), &self.path_of(step))
    }

    /// Removes the checkpoint that was written aside, if there is one.
    pub fn discard(&self, step: Step) {
        // What cannot be removed is seen by nobody, and is swept later.
        let _ = fs::remove_file(self.aside(step));
    }

    fn aside(&self, step: Step) -> PathBuf {
        self.path.join(format!("{PARTIAL}{}", step.file_name()))
    }

    fn write_to(
        &self,
        path: PathBuf,
        checkpoint: &Checkpoint,
    ) -> Result<CheckpointEntry, StoreError> {
        if checkpoint.config != self.config {
            return Err(StoreError::Config {
                path,
                config: self.path.join(CONFIG_FILE),
            });
        }
        let hash = checkpoint.write(&path, self.run.as_ref())?;
        Ok(CheckpointEntry {
            step: checkpoint.step,
            path,
            hash,
            replicas: checkpoint.replicas.clone(),
            run: self.run,
        })
    }

    /// All checkpoints, by step. Only headers are read.
    ///
    /// # Errors
    ///
    /// The first file whose header is damaged, as [`Checkpoint::read`] would report it,
    /// contradicts its name, or says that another run wrote it ([`StoreError::OtherRun`]);
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<CheckpointEntry>, StoreError> {
        steps_in(&self.path)?
            .into_iter()
            .map(|step| {
                let path = self.path_of(step);
                let (metadata, hash) = TensorFile::read_metadata(&path)?;
                let head = Head::parse(&path, &metadata)?;
                check_step(&path, step, head.step)?;
                check_run(&path, self.run.as_ref(), head.run.as_ref())?;
                Ok(CheckpointEntry {
                    step,
                    path,
                    hash,
                    replicas: head.replicas,
                    run: head.run,
                })
            })
            .collect()
    }

    /// The steps that there are, ascending, by the files' names alone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn steps(&self) -> Result<Vec<Step>, StoreError> {
        steps_in(&self.path)
    }

    /// The steps that there are in the folder at `path`, as [`CheckpointFolder::steps`]; none if
    /// it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn steps_at(path: &Path) -> Result<Vec<Step>, StoreError> {
        steps_in(path)
    }

    /// Reads the checkpoint of a step and verifies it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoStep`], and those of [`Checkpoint::read`].
    pub fn read(&self, step: Step) -> Result<Checkpoint, StoreError> {
        let path = self.path_of(step);
        if !path.exists() {
            return Err(StoreError::NoStep {
                path: self.path.clone(),
                step,
                available: steps_in(&self.path)?,
            });
        }
        if let Some(run) = &self.run {
            Checkpoint::check_place(&path, run)?;
        }
        let (checkpoint, _) = Checkpoint::read(&path)?;
        check_step(&path, step, checkpoint.step)?;
        Ok(checkpoint)
    }

    /// Removes the checkpoint of a step.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn remove(&self, step: Step) -> Result<(), StoreError> {
        let path = self.path_of(step);
        fs::remove_file(&path).map_err(StoreError::io("remove", &path))
    }

    /// Removes the checkpoints of later steps, which a resumed run will write again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn remove_after(&self, step: Step) -> Result<(), StoreError> {
        for later in steps_in(&self.path)?.into_iter().filter(|s| *s > step) {
            let path = self.path_of(later);
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }
}
