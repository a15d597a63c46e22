//! The folder of a run: where everything lies, and who may write there.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checkpoint_folder::CheckpointFolder;
use crate::error::StoreError;
use crate::files::{
    check_folder, create_folder, is_partial, sweep_older, sweep_partial, write_atomically,
};
use crate::manifest::RunManifest;

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "run.json";
const LOCK: &str = "run.lock";
const TOKENS: &str = "cache";

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
        Self::check_new(&run.root)?;
        create_folder(&run.root)?;
        write_atomically(&run.config_toml(), resolved_toml.as_bytes())?;
        run.write_manifest(manifest)?;
        Ok(run)
    }

    /// Whether a new run could be created at `root`: whether a folder can be there, and no folder
    /// with other things in it is. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoFolder`], [`StoreError::Occupied`], [`StoreError::Io`].
    pub fn check_new(root: &Path) -> Result<(), StoreError> {
        check_folder(root)?;
        let listed = match fs::read_dir(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            listed => listed.map_err(StoreError::io("list", root))?,
        };
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry.map_err(StoreError::io("list", root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Corpora are tokenized before the folder is known to be a run's.
            if name != CONFIG && name != LOCK && name != TOKENS && !is_partial(&name) {
                entries.push(name);
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        entries.sort_unstable();
        Err(StoreError::Occupied {
            path: root.to_owned(),
            entries,
        })
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

    /// Looks at the headers of all checkpoints without knowing the run's groups: whether each is
    /// of the run and of the step that its name says. Returns how many do not say whose they are.
    ///
    /// # Errors
    ///
    /// As [`CheckpointFolder::list`] and [`RunFolder::read_manifest`].
    pub fn check_checkpoints(&self) -> Result<usize, StoreError> {
        let manifest = self.read_manifest()?;
        let all = self.checkpoints();
        let mut folders = vec![all.clone()];
        // Groups of several shapes have a folder each, named after an arm.
        let mut arms: Vec<&str> = manifest.replicas.iter().map(|r| r.arm.as_str()).collect();
        arms.sort_unstable();
        arms.dedup();
        folders.extend(arms.into_iter().map(|arm| all.join(arm)));
        let mut unmarked = 0;
        for folder in folders {
            let entries = CheckpointFolder::unopened(folder, manifest.config_key).list()?;
            unmarked += entries.iter().filter(|entry| entry.run.is_none()).count();
        }
        Ok(unmarked)
    }

    /// Takes the run for writing, so that two processes never train into one folder; at once or
    /// not at all. What killed processes left half written is removed.
    ///
    /// The lock is advisory and the system's own: it ends with the process, so none is ever left
    /// behind. Where the file system has no locks the run is given out without one, with a
    /// warning.
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
            Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                tracing::warn!(
                    "the file system of `{}` has no locks ({error}): nothing keeps a second \
                     process from writing into this run, so see to it that there is only one",
                    self.root.display()
                );
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

    /// The folder of a run's tokenized corpora, whether the run exists yet or not.
    pub fn tokens_in(root: &Path) -> PathBuf {
        root.join(TOKENS)
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

/// Whether an error says that a file system has no locks, rather than that a lock failed.
fn has_no_locks(error: &io::Error) -> bool {
    /// `ENOLCK`, with which NFS without its lock daemon answers.
    const NO_LOCKS: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    matches!(
        error.kind(),
        ErrorKind::Unsupported | ErrorKind::InvalidInput
    ) || (cfg!(unix) && error.raw_os_error() == Some(NO_LOCKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_without_locks_is_told_from_a_lock_that_failed() {
        let check = |code: i32, expected: bool| {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(has_no_locks(&error), expected, "{error}");
        };
        // ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL.
        for code in [37, 38, 95, 22] {
            check(code, true);
        }
        // EINTR, EIO, EBADF, EACCES.
        for code in [4, 5, 9, 13] {
            check(code, false);
        }
    }
}
