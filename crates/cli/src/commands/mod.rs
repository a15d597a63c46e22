//! One module for each command.

pub mod analyze;
mod bench;
mod calibrate;
mod compare;
mod data;
mod densify;
mod devices;
pub mod dynamics;
mod export;
mod fork;
mod llc;
mod predict;
mod report;
mod run;
mod select;
mod stages;
pub mod train;
mod validate;
mod validate_detector;
mod validate_stages;

use std::path::Path;

use anyhow::Result;
use ontogeny_store::Checkpoint;

use crate::arguments::{Arguments, Command};
use crate::failure::InFile;

/// Version of the JSON that commands print; it grows when a key changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How a command that did not fail ended.
pub enum Finish {
    /// It did what it was asked.
    Complete,
    /// It was interrupted.
    Interrupted {
        /// Where, and how it goes on.
        how: String,
        /// The exit code.
        code: u8,
    },
}

/// Calls the command that was typed.
pub fn dispatch(arguments: Arguments) -> Result<Finish> {
    let json = arguments.json;
    match arguments.command {
        Command::Run(a) => run::run(&a, json),
        Command::Train(a) => run::train_alone(&a, json),
        Command::Analyze(a) => analyze::command(&a, json),
        Command::Report(a) => report::command(&a, json).map(|()| Finish::Complete),
        Command::Compare(a) => compare::command(&a, json).map(|()| Finish::Complete),
        Command::Densify(a) => densify::command(&a, json),
        Command::Fork(a) => fork::command(&a, json),
        Command::Predict(a) => predict::command(&a, json).map(|()| Finish::Complete),
        Command::Data(a) => data::command(&a, json).map(|()| Finish::Complete),
        Command::Export(a) => export::command(&a, json).map(|()| Finish::Complete),
        Command::Bench(a) => bench::command(&a, json).map(|()| Finish::Complete),
        Command::Llc(a) => llc::command(&a, json).map(|()| Finish::Complete),
        Command::Select(a) => select::command(&a, json).map(|()| Finish::Complete),
        Command::Dynamics(a) => dynamics::command(&a, json),
        Command::Calibrate(a) => calibrate::command(&a, json).map(|()| Finish::Complete),
        Command::Validate(a) => validate::command(&a, json).map(|()| Finish::Complete),
        Command::Stages(a) => stages::command(&a, json).map(|()| Finish::Complete),
        Command::Devices => devices::command(json).map(|()| Finish::Complete),
    }
}

/// Prints the one JSON object of a command.
fn print_json(value: &serde_json::Value) {
    outln!("{value}");
}

/// A path as JSON and pages show it. They hold text and paths are bytes: what is no UTF-8 is
/// replaced in the text, and only there.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The command line as it was typed, for pages that say how they were made.
fn typed() -> String {
    let arguments = std::env::args_os().map(|a| a.to_string_lossy().into_owned());
    arguments.collect::<Vec<_>>().join(" ")
}

/// The replica that was named, or the only one.
pub fn replica_of(checkpoint: &Checkpoint, path: &Path, named: Option<&str>) -> Result<String> {
    match (named, checkpoint.replicas.as_slice()) {
        (Some(name), all) if all.iter().any(|r| r == name) => Ok(name.to_owned()),
        (Some(name), all) => Err(InFile::error(
            path,
            format!("there is no replica `{name}`; it holds {}", all.join(", ")),
        )),
        (None, [only]) => Ok(only.clone()),
        (None, all) => Err(InFile::error(
            path,
            format!(
                "holds several replicas; choose one with --replica: {}",
                all.join(", ")
            ),
        )),
    }
}
