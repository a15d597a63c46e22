//! What is looked at when the folder of a run is opened, and told where it is odd.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use ontogeny_store::{ReplicaEntry, RunFolder, RunManifest, Step};
use ontogeny_training::{ReplicaEnd, Run, missing};

use crate::failure::InFile;
use crate::place;

/// How each replica ended, in the run's folder.
pub const ENDS: &str = "training.json";
/// Most steps that a message lists.
const LISTED: usize = 8;

/// What was told by [`once`].
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Tells a person something on standard error, once in a command.
pub fn once(sentence: String) {
    if is_new(sentence.clone()) {
        errln!("{sentence}");
    }
}

/// Tells a person something about a folder, once in a command, by whatever path it is named.
fn once_about(word: &str, root: &Path, sentence: &str) {
    let place = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    if is_new(format!("{}: {sentence}", place.display())) {
        errln!("{word}: {}: {sentence}", root.display());
    }
}

fn is_new(sentence: String) -> bool {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let new = !told.contains(&sentence);
    if new {
        told.push(sentence);
    }
    new
}

/// The manifest of a folder that was opened. Another version of the program and the like are told.
pub fn manifest(folder: &RunFolder) -> Result<RunManifest> {
    for oddity in folder.oddities(env!("CARGO_PKG_VERSION"))? {
        once_about("note", folder.root(), &oddity);
    }
    Ok(folder.read_manifest()?)
}

/// Whether every checkpoint in a folder is of its run and of the step that its name says. Those of
/// the first version do not say whose they are: that is told.
pub fn checkpoints(folder: &RunFolder) -> Result<()> {
    let unmarked = folder.check_checkpoints()?;
    if unmarked > 0 {
        let sentence = format!(
            "{unmarked} checkpoints do not say which run they are of, as those of Ontogeny 0.1.0; \
             that they are of this one cannot be checked"
        );
        once_about("note", folder.root(), &sentence);
    }
    Ok(())
}

/// Whether a run's manifest and its configuration have the same replicas.
pub fn same_replicas(folder: &RunFolder, manifest: &RunManifest, run: &Run) -> Result<()> {
    let made: Vec<ReplicaEntry> = run.replicas().map(|r| r.entry.clone()).collect();
    if manifest.replicas != made {
        let names = |all: &[ReplicaEntry]| -> String {
            let names: Vec<&str> = all.iter().map(|r| r.name.as_str()).collect();
            names.join(", ")
        };
        return Err(InFile::error(
            &folder.manifest(),
            format!(
                "lists the replicas {}, but config.toml beside it makes {}: one of the two was \
                 edited after training. Undo that",
                names(&manifest.replicas),
                names(&made)
            ),
        ));
    }
    Ok(())
}

/// Tells where a run's manifest and its configuration give it different names.
pub fn tell_name(folder: &RunFolder, manifest: &RunManifest, run: &Run) {
    if manifest.name != run.config.name {
        let sentence = format!(
            "run.json calls the run `{}`, config.toml calls it `{}`",
            manifest.name, run.config.name
        );
        once_about("note", folder.root(), &sentence);
    }
}

/// Tells which checkpoints of the run's schedule are not there, and what makes them again.
pub fn tell_missing(run: &Run, folder: &RunFolder, kind: &str) -> Result<()> {
    for group in &run.groups {
        let steps = missing(run, group, folder)?;
        if !steps.is_empty() {
            let sentence = format!(
                "{}; `{}` makes them again",
                lacking(&steps, run.schedule.steps().len()),
                train_command(folder, kind)
            );
            once_about("warning", &group.place(folder.checkpoints()), &sentence);
        }
    }
    Ok(())
}

/// The sentence that so many checkpoints of a schedule are not there.
pub fn lacking(steps: &[Step], scheduled: usize) -> String {
    let listed: Vec<String> = steps.iter().take(LISTED).map(Step::to_string).collect();
    let more = match steps.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} of the {scheduled} checkpoints on the schedule are missing: step{} {}{more}",
        steps.len(),
        if steps.len() == 1 { "" } else { "s" },
        listed.join(", ")
    )
}

/// The command that trains a run on, or again where something is missing.
pub fn train_command(folder: &RunFolder, kind: &str) -> String {
    format!(
        "ontogeny train {} --out {} --device {kind}",
        folder.config_toml().display(),
        folder.root().display()
    )
}

/// How each replica of a run ended; empty where training has not ended yet.
pub fn ends(root: &Path) -> Vec<ReplicaEnd> {
    let path = root.join(ENDS);
    if !path.exists() {
        return Vec::new();
    }
    let read = place::read_json(&path).and_then(|ends| Ok(serde_json::from_value(ends)?));
    read.unwrap_or_else(|error| {
        once(format!(
            "warning: {} does not say how training ended ({error:#}), so frozen replicas are not \
             known; training the run again writes it anew",
            path.display()
        ));
        Vec::new()
    })
}

/// Tells which replicas of a run were frozen: their curves are flat from there on, and not because
/// they learned nothing.
pub fn tell_frozen(run: &Run, folder: &RunFolder) {
    let ends = ends(folder.root());
    for end in &ends {
        if let Some(step) = end.frozen_at {
            once(format!(
                "warning: {} stopped being finite at step {step} and was frozen there: it is the \
                 same at all later checkpoints because it was not trained any more",
                end.name
            ));
        }
    }
    // A training that was stopped may not have begun with all of them.
    let all = run.replicas().count();
    if ends.len() == all && ends.iter().all(|end| end.frozen_at.is_some()) {
        once(ALL_FROZEN.to_owned());
    }
}

/// What is said when no replica is left.
pub const ALL_FROZEN: &str = "warning: every replica was frozen, so this run has learned nothing \
                              since. A smaller `training.lr` or a `training.clip` usually helps";
