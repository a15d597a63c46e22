//! Failures as a person reads them, and as a script does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ontogeny_analysis::AnalysisError;
use ontogeny_analysis::series::SeriesError;
use ontogeny_data::DataError;
use ontogeny_model::ModelError;
use ontogeny_store::StoreError;
use ontogeny_training::TrainingError;
use ontogeny_training::config::ConfigError;
use serde::Serialize;

use crate::{checks, terminal};

/// Exit code of a command that failed.
const FAILED: u8 = 1;
/// Exit code of a command line that could not be understood.
const USAGE: u8 = 2;
/// Exit code of a command that trained to the end, with every replica frozen on the way.
const ALL_FROZEN: u8 = 3;

/// Where a failure lies, as far as it is known.
#[derive(Debug, Default, Serialize)]
struct Failure {
    message: String,
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    key: Option<String>,
}

/// Prints an error to standard error; with `json` its last line is `{"error": …}`.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    errln!("error: {}", sentence(error));
    if json {
        print_json(&locate(error));
    }
    ExitCode::from(FAILED)
}

/// Says where a command was interrupted and how it goes on; to a script, which gets no result from
/// it, in the way of a failure. `code` is the exit code.
pub fn interrupted(how: String, code: u8, json: bool) -> ExitCode {
    errln!("{how}");
    if json {
        print_json(&Failure {
            message: how,
            ..Failure::default()
        });
    }
    ExitCode::from(code)
}

/// Says that no replica is left. The result was printed: the run is complete.
pub fn all_frozen() -> ExitCode {
    errln!("{}", checks::ALL_FROZEN);
    ExitCode::from(ALL_FROZEN)
}

/// The failure that standard output did not take the result. The work itself is done by then.
pub fn unprinted(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("cannot write the result to standard output")
}

/// A failure that only the binary itself can see, about a file or folder.
#[derive(Debug)]
pub struct InFile {
    path: PathBuf,
    reason: String,
}

impl InFile {
    /// The error that `path` is not what it should be, for `reason`.
    pub fn error(path: &Path, reason: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }
}

impl fmt::Display for InFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for InFile {}

/// What clap makes of a command line it cannot take; help and version are not failures.
pub fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|a| a == "--json");
    if let Err(error) = terminal::print_clap(error) {
        return report(&unprinted(error), json);
    }
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if json {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default();
        print_json(&Failure {
            message: message.trim_start_matches("error: ").to_owned(),
            ..Failure::default()
        });
    }
    ExitCode::from(USAGE)
}

/// The error and its causes, each said once: a message may already end in its cause's.
fn sentence(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |mut said, cause| {
            if !said.contains(&cause) {
                if !said.is_empty() {
                    said.push_str(": ");
                }
                said.push_str(&cause);
            }
            said
        })
}

fn print_json(failure: &Failure) {
    errln!("{}", serde_json::json!({ "error": failure }));
}

fn locate(error: &anyhow::Error) -> Failure {
    let message = sentence(error);
    for cause in error.chain() {
        if let Some(found) = known(cause) {
            return Failure {
                message: found.0.unwrap_or(message),
                ..found.1
            };
        }
    }
    Failure {
        message,
        ..Failure::default()
    }
}

/// What one of our own errors knows of its place; its own sentence where the chain's would repeat
/// the place.
fn known(cause: &(dyn std::error::Error + 'static)) -> Option<(Option<String>, Failure)> {
    if let Some(e) = cause.downcast_ref::<ConfigError>() {
        return Some((Some(e.message.clone()), config(e)));
    }
    if let Some(e) = cause.downcast_ref::<InFile>() {
        return Some((None, in_file(&e.path)));
    }
    if let Some(e) = cause.downcast_ref::<SeriesError>() {
        let (path, line, column) = e.place();
        let found = Failure {
            line: line.map(|l| l as u64),
            key: column.map(str::to_owned),
            ..in_file(path)
        };
        return Some((None, found));
    }
    if let Some(e) = cause.downcast_ref::<DataError>() {
        return Some((None, data(e)));
    }
    if let Some(e) = cause.downcast_ref::<StoreError>() {
        return Some((None, store(e)));
    }
    if let Some(e) = cause.downcast_ref::<ModelError>() {
        return Some((None, model(e)));
    }
    match cause.downcast_ref::<TrainingError>() {
        Some(TrainingError::Config(e)) => return Some((Some(e.message.clone()), config(e))),
        Some(TrainingError::Data(e)) => return Some((None, data(e))),
        Some(TrainingError::Store(e)) => return Some((None, store(e))),
        Some(TrainingError::Model(e)) => return Some((None, model(e))),
        Some(TrainingError::Start { path, .. }) => {
            let key = Some("training.start_from".to_owned());
            return Some((
                None,
                Failure {
                    key,
                    ..in_file(path)
                },
            ));
        }
        Some(
            TrainingError::Folder { path, .. }
            | TrainingError::State { path, .. }
            | TrainingError::Unreached { path, .. }
            | TrainingError::Replay { path, .. },
        ) => {
            return Some((None, in_file(path)));
        }
        _ => {}
    }
    match cause.downcast_ref::<AnalysisError>() {
        Some(AnalysisError::Store(e)) => Some((None, store(e))),
        Some(AnalysisError::Model(e)) => Some((None, model(e))),
        Some(
            AnalysisError::Result { path, .. }
            | AnalysisError::NoCheckpoints(path)
            | AnalysisError::UnknownReplica { path, .. },
        ) => Some((None, in_file(path))),
        _ => None,
    }
}

fn in_file(path: &Path) -> Failure {
    Failure {
        file: Some(path.display().to_string()),
        ..Failure::default()
    }
}

fn config(e: &ConfigError) -> Failure {
    Failure {
        message: String::new(),
        file: e.file.clone(),
        line: e.line.map(|n| n as u64),
        column: e.column.map(|n| n as u64),
        key: e.key.clone(),
    }
}

fn data(e: &DataError) -> Failure {
    Failure {
        file: e.file().map(|f| f.display().to_string()),
        line: e.line(),
        key: e.key().map(str::to_owned),
        ..Failure::default()
    }
}

fn store(e: &StoreError) -> Failure {
    let (line, column) = e.position().unzip();
    Failure {
        file: e.path().map(|p| p.display().to_string()),
        line: line.map(|n| n as u64),
        column: column.map(|n| n as u64),
        ..Failure::default()
    }
}

fn model(e: &ModelError) -> Failure {
    match e {
        ModelError::Config { field, .. } => Failure {
            key: Some(format!("model.{field}")),
            ..Failure::default()
        },
        ModelError::Checkpoint { path, .. } => in_file(path),
        _ => Failure::default(),
    }
}
