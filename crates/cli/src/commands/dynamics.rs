//! `ontogeny dynamics`: joint principal components of the outputs of a run's checkpoints.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ontogeny_analysis::AnalysisError;
use ontogeny_analysis::dynamics::{
    Dynamics, DynamicsPlan, FixedValues, Member, Outputs, key, trajectories,
};
use ontogeny_data::Source;
use ontogeny_model::device::Chosen;
use ontogeny_store::{Key, RunFolder, Seal, check_seal, seal, write_atomically};
use ontogeny_training::Run;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Finish, SCHEMA, print_json, shown};
use crate::arguments::DynamicsArguments;
use crate::failure::InFile;
use crate::place;
use crate::signals::Stop;

/// What was found, in the analysis folder.
const FILE: &str = "dynamics.json";
/// Components unless more are asked for.
pub const COMPONENTS: usize = 4;
/// Replicas of each arm unless more are asked for.
pub const REPLICAS_PER_ARM: usize = 4;

/// The file: what was found, and of what.
#[derive(Serialize, Deserialize)]
struct Stored {
    schema: u32,
    /// Names everything that it depends on.
    key: Key,
    /// Replicas that are not in it, each with the reason.
    left_out: Vec<LeftOut>,
    #[serde(flatten)]
    dynamics: Dynamics,
}

/// A replica that is not in the joint components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LeftOut {
    replica: String,
    reason: String,
}

/// `ontogeny dynamics RUN`.
pub fn command(a: &DynamicsArguments, json: bool) -> Result<Finish> {
    let stop = Stop::on_request(json)?;
    let (folder, run) = place::reopen(&a.run, &a.set)?;
    let kind = folder.read_manifest()?.device_kind;
    let chosen = place::device(a.device.as_deref().unwrap_or(&kind))?;
    let _lock = folder.lock()?;
    stop.begin_work();
    let bounds = [a.components as usize, a.replicas_per_arm as usize];
    let found = match found(&run, &folder, &chosen, bounds, &|| stop.asked()) {
        Err(error) if interrupted(&error) => return Ok(stop.finish("dynamics stopped")),
        found => found?,
    };
    let Some(stored) = found else {
        bail!(
            "the outputs of all checkpoints of {} are the same: there is nothing to decompose",
            folder.root().display()
        );
    };
    if json {
        let mut value = serde_json::to_value(&stored)?;
        value["schema"] = json!(SCHEMA);
        value["path"] = json!(shown(&path(&folder)));
        print_json(&value);
    } else {
        print(&stored, &path(&folder));
    }
    Ok(Finish::Complete)
}

/// Finds the components by the default bounds where a run wants them. A run that has none, since no
/// two checkpoints differ, is none the worse.
pub fn refresh(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    if run.config.analysis.dynamics {
        found(run, folder, chosen, [COMPONENTS, REPLICAS_PER_ARM], stop)?;
    }
    Ok(())
}

/// Whether an error only says that one was asked to stop.
pub fn interrupted(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<AnalysisError>();
    matches!(cause, Some(AnalysisError::Interrupted))
}

/// What an earlier call left on disk, if there was one.
pub fn read(folder: &RunFolder) -> Result<Option<Dynamics>> {
    Ok(stored(&path(folder))?.map(|stored| stored.dynamics))
}

fn path(folder: &RunFolder) -> PathBuf {
    folder.analysis().join(FILE)
}

fn stored(path: &Path) -> Result<Option<Stored>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let cure = "`ontogeny dynamics` makes it again";
    if check_seal(&bytes) == Seal::Broken {
        let changed = format!("was changed or damaged after it was written; {cure}");
        return Err(InFile::error(path, changed));
    }
    let stored = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} does not hold dynamics; {cure}", path.display()))?;
    Ok(Some(stored))
}

/// The components, from disk if they were found before; `None` if no two checkpoints differ.
fn found(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    [components, replicas_per_arm]: [usize; 2],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Stored>> {
    let first = &run.groups[0];
    let (d_vocab, n_ctx) = (first.network.d_out(), first.network.n_ctx());
    let (mut members, mut folders, mut left_out) = (Vec::<Member>::new(), Vec::new(), Vec::new());
    for group in &run.groups {
        let network = &group.network;
        let alike = network.d_out() == d_vocab && network.n_ctx() == n_ctx;
        if alike {
            folders.push(group.written_checkpoints(run, folder)?);
        }
        for replica in &group.replicas {
            let (name, arm) = (&replica.entry.name, &replica.entry.arm);
            let siblings = members.iter().filter(|m| m.arm == *arm).count();
            let reason = if !alike {
                format!(
                    "its vocabulary is {} and its context {}, and not {d_vocab} and {n_ctx}",
                    network.d_out(),
                    network.n_ctx()
                )
            } else if siblings >= replicas_per_arm {
                format!("there are {replicas_per_arm} replicas of its arm already")
            } else {
                members.push(Member {
                    replica: name.clone(),
                    arm: arm.clone(),
                    folder: folders.len() - 1,
                });
                continue;
            };
            left_out.push(LeftOut {
                replica: name.clone(),
                reason,
            });
        }
    }
    let seed = run.config.analysis.seed;
    let Some(outputs) = outputs(run, &members, d_vocab, seed) else {
        return Ok(None);
    };
    let plan = DynamicsPlan {
        members,
        folders,
        outputs,
        seed,
        components,
        chosen,
        stop,
    };
    let key = key(&plan)?;
    let path = path(folder);
    match stored(&path) {
        Ok(Some(known)) if known.key == key => return Ok(Some(known)),
        Ok(_) => {}
        Err(damage) => errln!("warning: {damage:#}"),
    }
    let Some(dynamics) = trajectories(&plan)? else {
        return Ok(None);
    };
    let stored = Stored {
        schema: SCHEMA,
        key,
        left_out,
        dynamics,
    };
    std::fs::create_dir_all(folder.analysis())
        .map_err(|e| InFile::error(&folder.analysis(), format!("cannot be made: {e}")))?;
    write_atomically(&path, &seal(&stored)?)?;
    Ok(Some(stored))
}

/// What the members' outputs are read on: probabilities of tokens, or vectors.
fn outputs<'a>(run: &'a Run, members: &[Member], d_vocab: usize, seed: u64) -> Option<Outputs<'a>> {
    let first = &run.groups[0].replicas[0].phases[0].1;
    if let Some(source) = first.language() {
        return Some(Outputs::Tokens { source, d_vocab });
    }
    let mut arms: Vec<(&str, &Source)> = Vec::new();
    for replica in run.replicas() {
        let arm = replica.entry.arm.as_str();
        let is_in = members.iter().any(|m| m.replica == replica.entry.name);
        if is_in && arms.iter().all(|(known, _)| *known != arm) {
            arms.push((arm, &replica.phases[0].1));
        }
    }
    FixedValues::new(&arms, seed).map(Outputs::Values)
}

fn print(stored: &Stored, path: &Path) {
    let d = &stored.dynamics;
    let shares: Vec<String> = d
        .explained
        .iter()
        .map(|share| format!("{:.1} %", 100.0 * share))
        .collect();
    outln!(
        "variance of the outputs on each component: {}",
        shares.join(", ")
    );
    let place = |place: &[f64]| -> String { place.iter().map(|x| format!("{x:>9.3}")).collect() };
    for oracle in &d.oracles {
        outln!("{:<24} {}", oracle.name, place(&oracle.place));
    }
    for way in &d.paths {
        for (word, at) in [("from", 0), ("to", way.steps.len().saturating_sub(1))] {
            if let (Some(step), Some(own)) = (way.steps.get(at), way.places.get(at)) {
                let name = format!("{} {word} step {step}", way.replica);
                outln!("{name:<24} {}", place(own));
            }
        }
    }
    for left in &stored.left_out {
        outln!("left out: {}, since {}", left.replica, left.reason);
    }
    outln!("{}", path.display());
}
