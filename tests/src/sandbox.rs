//! The folder that a test works in.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::{Ended, Running, Streams, binary};

/// Files below a folder, by their path from it, with their content.
pub type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// A folder of its own for a test: the current one of its commands, removed with it.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty folder.
    ///
    /// # Panics
    /// If the system gives none.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("ontogeny-test-").tempdir();
        Self {
            root: root.expect("a temporary folder can be made"),
        }
    }

    /// The path of something in the folder; an absolute path stays what it is.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file, with the folders that it lies in.
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder of the test can be made");
        }
        fs::write(path, content).expect("a file of the test can be written");
    }

    /// Content of a file.
    ///
    /// # Panics
    /// If it cannot be read.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        let content = fs::read(&path);
        assert!(content.is_ok(), "{}: {content:?}", path.display());
        content.unwrap_or_default()
    }

    /// Content of a text file.
    ///
    /// # Panics
    /// If it cannot be read or is no text.
    #[track_caller]
    pub fn text(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(name)).expect("a text file is UTF-8")
    }

    /// Calls the binary here and waits for its end.
    ///
    /// # Panics
    /// If it cannot be started, or does not come to an end.
    #[track_caller]
    pub fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Ended {
        self.start(arguments).wait()
    }

    /// Starts the binary here.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start(&self, arguments: &[impl AsRef<OsStr>]) -> Running {
        Running::start(self.root.path(), arguments)
    }

    /// Starts the binary here with streams of the test's.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start_with(&self, arguments: &[impl AsRef<OsStr>], streams: Streams) -> Running {
        let mut command = Command::new(binary());
        command.args(arguments);
        Running::start_as(self.root.path(), command, streams)
    }

    /// Starts a line of shell here in which `"$0" "$@"` calls the binary with `arguments`. With
    /// `exec` before it, the binary takes the shell's place and gets its signals.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start_in_shell(
        &self,
        line: &str,
        arguments: &[impl AsRef<OsStr>],
        streams: Streams,
    ) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(binary()).args(arguments);
        Running::start_as(self.root.path(), command, streams)
    }

    /// Every file below `name`. Folders count too, as empty files whose path ends in a slash.
    ///
    /// # Panics
    /// If something cannot be read.
    pub fn tree(&self, name: impl AsRef<Path>) -> Tree {
        let mut tree = Tree::new();
        let root = self.path(name);
        walk(&root, &mut |path, is_folder| {
            let short = path.strip_prefix(&root).unwrap_or(path);
            let content = match is_folder {
                true => Vec::new(),
                false => fs::read(path).expect("a file of the test can be read"),
            };
            let slash = if is_folder { "/" } else { "" };
            tree.insert(format!("{}{slash}", short.display()).into(), content);
        });
        tree
    }

    /// When each file below `name` was last written.
    ///
    /// # Panics
    /// If something cannot be read.
    pub fn times(&self, name: impl AsRef<Path>) -> BTreeMap<PathBuf, SystemTime> {
        let mut times = BTreeMap::new();
        walk(&self.path(name), &mut |path, is_folder| {
            if !is_folder {
                let modified = fs::metadata(path).and_then(|m| m.modified());
                times.insert(path.to_owned(), modified.expect("a file has a time"));
            }
        });
        times
    }

    /// Names of the files in a folder, sorted; none if the folder is not there.
    pub fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Shows everything below a folder to `see`, folders before what they hold.
fn walk(folder: &Path, see: &mut dyn FnMut(&Path, bool)) {
    let entries = fs::read_dir(folder).expect("a folder of the test can be listed");
    for entry in entries.flatten() {
        let path = entry.path();
        let is_folder = path.is_dir();
        see(&path, is_folder);
        if is_folder {
            walk(&path, see);
        }
    }
}
