//! Whether experiments can be compared, and which of their arms were not trained to the end.

use std::path::PathBuf;

use anyhow::Result;

use super::{Experiment, own_arms};
use crate::checks;
use crate::failure::InFile;

/// Refuses a folder that is named twice, be it by another path or through a link.
pub(super) fn refuse_twice(roots: &[PathBuf]) -> Result<()> {
    let mut seen: Vec<(PathBuf, &PathBuf)> = Vec::new();
    for root in roots {
        // A folder that is not there is told when it is opened.
        let Ok(place) = std::fs::canonicalize(root) else {
            continue;
        };
        if let Some((_, before)) = seen.iter().find(|(known, _)| *known == place) {
            let same = match *before == root {
                true => "is named twice".to_owned(),
                false => format!("is the same folder as {}", before.display()),
            };
            let why = "a run is not compared with itself; its arms and replicas are compared by \
                       naming it once";
            return Err(InFile::error(root, format!("{same}: {why}")));
        }
        seen.push((place, root));
    }
    Ok(())
}

/// Refuses a copy of a run beside the run: its replicas would count twice.
pub(super) fn refuse_copies(experiments: &[Experiment]) -> Result<()> {
    for (i, experiment) in experiments.iter().enumerate() {
        let same = |other: &&Experiment| {
            (other.run.key, &other.kind) == (experiment.run.key, &experiment.kind)
        };
        if let Some(before) = experiments[..i].iter().find(same) {
            return Err(InFile::error(
                &experiment.root,
                format!(
                    "holds the same run as {} (key {}…): a run is not compared with itself, since \
                     each of its replicas would count twice",
                    before.root.display(),
                    experiment.run.key.short()
                ),
            ));
        }
    }
    Ok(())
}

/// Arms of which replicas were frozen: they did not develop because they were not trained.
pub(super) fn frozen(experiments: &[Experiment], names: &[String]) -> Vec<String> {
    let arms = experiments
        .iter()
        .flat_map(|e| own_arms(e).into_iter().map(move |(arm, _)| (e, arm)));
    let mut notes = Vec::new();
    for ((experiment, arm), name) in arms.zip(names) {
        let ends = checks::ends(&experiment.root);
        let own = experiment.run.replicas().filter(|r| r.entry.arm == arm);
        let own: Vec<&str> = own.map(|r| r.entry.name.as_str()).collect();
        let at = |replica: &str| ends.iter().find(|e| e.name == replica)?.frozen_at;
        let frozen: Vec<String> = own
            .iter()
            .filter_map(|replica| Some(format!("{replica} at step {}", at(replica)?)))
            .collect();
        if !frozen.is_empty() {
            let whole = match frozen.len() == own.len() {
                true => format!("Every replica of {name}"),
                false => format!("{} of {} replicas of {name}", frozen.len(), own.len()),
            };
            notes.push(format!(
                "{whole} stopped being finite and was frozen ({}): stages that have not come there \
                 did not come late, training had ended.",
                frozen.join(", ")
            ));
        }
    }
    for note in &notes {
        errln!("warning: {note}");
    }
    notes
}
