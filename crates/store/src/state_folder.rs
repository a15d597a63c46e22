//! What a run needs to go on: optimizer moments and the like, beside the weights.
//!
//! States are another thing than checkpoints. The last two are kept in `recent`, so that there is
//! one to go on from even if the newest is damaged, and a sparse choice of them for good in
//! `kept`, so that any stretch of the run can be replayed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkpoint::{check_run, check_step};
use crate::error::StoreError;
use crate::files::{create_folder, steps_in, sweep_partial};
use crate::key::Key;
use crate::step::Step;
use crate::tensor_file::{RUN, TensorFile, write_tensors};

/// How many states stay in `recent`.
const RECENT: usize = 2;
/// The entry of a state's metadata that holds its step, where its writer gave it one.
const STEP: &str = "step";

/// The folder `<run>/state`.
#[derive(Clone, Debug)]
pub struct StateFolder {
    recent: PathBuf,
    kept: PathBuf,
    /// The run that the folder belongs to, where that is known.
    run: Option<Key>,
}

impl StateFolder {
    /// Creates the folder for a run that writes it, or opens it if it is there already. What a
    /// killed writer left half written is removed, so the run should hold its
    /// [`crate::RunLock`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let states = Self::open(path);
        for folder in [&states.recent, &states.kept] {
            create_folder(folder)?;
            sweep_partial(folder);
        }
        Ok(states)
    }

    /// The state folder at `path`, to read from. One that does not exist has no states.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self {
            recent: path.join("recent"),
            kept: path.join("kept"),
            run: None,
        }
    }

    /// The same folder as that of `run`: what is written carries the run's key, and what carries
    /// the key of another run counts as damaged.
    pub fn of_run(mut self, run: Key) -> Self {
        self.run = Some(run);
        self
    }

    /// Writes the state after `step`, atomically; for good if `keep`. States in `recent` that are
    /// older than the last two are removed then.
    ///
    /// # Errors
    ///
    /// Those of [`TensorFile::write`].
    pub fn write(&self, step: Step, state: &TensorFile, keep: bool) -> Result<(), StoreError> {
        let folder = if keep { &self.kept } else { &self.recent };
        let mut metadata = state.metadata.clone();
        metadata.extend(self.run.map(|run| (RUN.to_owned(), run.to_string())));
        write_tensors(&folder.join(step.file_name()), &metadata, &state.tensors)?;
        // Only once the new one is safe, and never a later one: that would be the state of a run
        // which someone has gone back behind.
        let past: Vec<Step> = steps_in(&self.recent)?
            .into_iter()
            .filter(|other| *other <= step)
            .collect();
        for old in &past[..past.len().saturating_sub(RECENT)] {
            let path = self.recent.join(old.file_name());
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    /// The newest state that is whole, or `None` if there is none yet. A damaged one is passed
    /// over for the one before, with a warning.
    ///
    /// # Errors
    ///
    /// If there are states but all are damaged: what is wrong with the newest, as
    /// [`TensorFile::read`] says. [`StoreError::Io`] if a folder cannot be listed.
    pub fn latest(&self) -> Result<Option<(Step, TensorFile)>, StoreError> {
        let mut newest_error = None;
        for step in self.steps()?.into_iter().rev() {
            match self.at(step) {
                Ok(state) => return Ok(Some((step, state))),
                Err(error) => {
                    tracing::warn!("passing over a damaged state: {error}");
                    newest_error = newest_error.or(Some(error));
                }
            }
        }
        newest_error.map_or(Ok(None), Err)
    }

    /// The state after `step`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoStep`], which says what there is; those of [`TensorFile::read`];
    /// [`StoreError::Metadata`] if the file holds another step than its name says,
    /// [`StoreError::OtherRun`] if another run wrote it.
    pub fn at(&self, step: Step) -> Result<TensorFile, StoreError> {
        let mut error = None;
        for folder in [&self.recent, &self.kept] {
            let path = folder.join(step.file_name());
            if path.exists() {
                match self.read(step, &path) {
                    Ok(state) => return Ok(state),
                    Err(damage) => error = error.or(Some(damage)),
                }
            }
        }
        match error {
            Some(damage) => Err(damage),
            None => Err(StoreError::NoStep {
                path: self.recent.with_file_name(""),
                step,
                available: self.steps()?,
            }),
        }
    }

    fn read(&self, step: Step, path: &Path) -> Result<TensorFile, StoreError> {
        let (state, _) = TensorFile::read(path)?;
        let step_held = state.metadata.get(STEP);
        if let Some(held) = step_held.and_then(|held| held.parse::<Step>().ok()) {
            check_step(path, step, held)?;
        }
        let held = state.metadata.get(RUN).map(|held| held.parse::<Key>());
        let held = held.transpose().map_err(|error| StoreError::Metadata {
            path: path.to_owned(),
            entry: RUN.to_owned(),
            problem: format!("is no key: {error}"),
        })?;
        check_run(path, self.run.as_ref(), held.as_ref())?;
        Ok(state)
    }

    /// The steps of which there is a state, ascending.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn steps(&self) -> Result<Vec<Step>, StoreError> {
        let mut steps = steps_in(&self.recent)?;
        steps.extend(steps_in(&self.kept)?);
        steps.sort_unstable();
        steps.dedup();
        Ok(steps)
    }
}
