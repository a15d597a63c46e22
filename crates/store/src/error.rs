//! What can be wrong with the files of a run, in words for the person who reads them.

use std::io;
use std::path::{Path, PathBuf};

use crate::key::Key;
use crate::step::Step;

/// An error of the store. Each names the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A tensor file ends before what it announces.
    #[error("`{}` is truncated: {problem}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// A file is not a safetensors file, or not one of this kind.
    #[error("`{}` is not a valid safetensors file: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        problem: String,
    },
    /// A safetensors file that another program wrote.
    #[error(
        "`{}` is not a checkpoint of a run: entry `hash` is missing from its metadata, so another \
         program wrote it, and {problem}. What can be read are the files that a run of Ontogeny keeps as \
         RUN/checkpoints/step-….safetensors", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it holds.
        problem: String,
    },
    /// A file of another run.
    #[error(
        "`{}` was written by another run (key {}…) than the one whose folder it lies in (key {}…). \
         Put the run's own file back; or delete this one, and `ontogeny train RUN/config.toml \
         --out RUN` makes the run's own again", path.display(), held.short(), expected.short()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The key of the run that wrote it.
        held: Key,
        /// The key of the run whose folder it lies in.
        expected: Key,
    },
    /// A tensor's name is wrong.
    #[error("wrong name in `{}`: {problem}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Which name, and why.
        problem: String,
    },
    /// A tensor's shape or element type is wrong.
    #[error("wrong shape in `{}`: tensor `{tensor}` {problem}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What it has and what would be right.
        problem: String,
    },
    /// The content of a tensor file is not what was written.
    #[error(
        "wrong hash in `{}`: the file says {}…, its content gives {}…; it was changed or damaged \
         after it was written",
        path.display(), stored.short(), computed.short()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash in the file's header.
        stored: Key,
        /// The hash of what the file holds.
        computed: Key,
    },
    /// An entry of a tensor file's metadata is missing or wrong.
    #[error("wrong metadata in `{}`: entry `{entry}` {problem}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The entry's key in `__metadata__`.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The network configuration of a checkpoint disagrees with the `config.json` beside it.
    #[error(
        "`{}` holds another network configuration than `{}`; a checkpoint belongs in the folder of \
         its own run", path.display(), config.display()
    )]
    Config {
        /// The checkpoint file.
        path: PathBuf,
        /// The configuration beside it.
        config: PathBuf,
    },
    /// A folder's `config.json` describes something else than the network to be written there.
    #[error(
        "`{}` belongs to something else; choose another folder. In the folder of a run it was \
         changed or damaged: delete it, and it is made again from the run's configuration",
        path.display()
    )]
    ConfigTaken {
        /// The `config.json` in the way.
        path: PathBuf,
    },
    /// A text is not the JSON that was expected.
    #[error("`{}`, line {line}, column {column}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write a line of `{}` as JSON: {problem}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        problem: String,
    },
    /// A folder has nothing for the step asked for.
    #[error("`{}` holds no step {step}; {}", path.display(), describe(available))]
    NoStep {
        /// The folder.
        path: PathBuf,
        /// The step asked for.
        step: Step,
        /// The steps that are there, ascending.
        available: Vec<Step>,
    },
    /// A checkpoint has no replica of the name asked for.
    #[error("no replica is named `{replica}`; the replicas are {}", known.join(", "))]
    Replica {
        /// The name asked for.
        replica: String,
        /// The names that are there.
        known: Vec<String>,
    },
    /// A folder is not a run's.
    #[error(
        "`{}` is not the folder of a run: it has no `run.json`", path.display()
    )]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A new run would be written into a folder that holds something else.
    #[error(
        "`{}` already holds {}; choose an empty or a new folder", path.display(), listed(entries)
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The entries in the way, by name.
        entries: Vec<String>,
    },
    /// A path at which there cannot be a folder.
    #[error("cannot create folder `{}`: {reason}", path.display())]
    NoFolder {
        /// The path as it was named.
        path: PathBuf,
        /// What is there, and what would be right.
        reason: String,
    },
    /// An entry of a manifest that is missing or wrong.
    #[error("`{}`: `{entry}` {problem}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A file was written by a later version of this program.
    #[error(
        "`{}` has schema {found}, this version reads schema {known}; open the run with the version \
         of Ontogeny that wrote it", path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema in the file.
        found: u64,
        /// The schema this version knows.
        known: u32,
    },
    /// Another process is training into the same folder.
    #[error(
        "`{}` is in use by another process{}; wait until it ends, or choose another folder",
        path.display(), holder.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default()
    )]
    Locked {
        /// The run's folder.
        path: PathBuf,
        /// The process that holds the lock, where it is known.
        holder: Option<u32>,
    },
}

impl StoreError {
    /// The file or folder that the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Truncated { path, .. }
            | Self::Format { path, .. }
            | Self::Foreign { path, .. }
            | Self::OtherRun { path, .. }
            | Self::Name { path, .. }
            | Self::Shape { path, .. }
            | Self::Hash { path, .. }
            | Self::Metadata { path, .. }
            | Self::Config { path, .. }
            | Self::ConfigTaken { path }
            | Self::Json { path, .. }
            | Self::Encode { path, .. }
            | Self::NoStep { path, .. }
            | Self::NoRun { path }
            | Self::Occupied { path, .. }
            | Self::NoFolder { path, .. }
            | Self::Manifest { path, .. }
            | Self::Schema { path, .. }
            | Self::Locked { path, .. } => Some(path),
            Self::Replica { .. } => None,
        }
    }

    /// Line and column, both from 1, where the error is at a place in a text.
    pub fn position(&self) -> Option<(usize, usize)> {
        match self {
            Self::Json { line, column, .. } => Some((*line, *column)),
            _ => None,
        }
    }

    /// Turns the system's error about `path` into one of the store's, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Most names that a message lists.
const LISTED: usize = 5;

/// Names of files in a few words.
fn listed(entries: &[String]) -> String {
    let names: Vec<String> = entries
        .iter()
        .take(LISTED)
        .map(|e| format!("`{e}`"))
        .collect();
    match entries.len().saturating_sub(LISTED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// The steps of a folder in a few words.
fn describe(steps: &[Step]) -> String {
    match steps {
        [] => "it holds none at all".to_owned(),
        [only] => format!("it holds step {only} alone"),
        [first, .., last] if steps.len() > 8 => {
            format!("it holds {} steps from {first} to {last}", steps.len())
        }
        _ => {
            let steps: Vec<String> = steps.iter().map(Step::to_string).collect();
            format!("it holds steps {}", steps.join(", "))
        }
    }
}
