//! A checkpoint of a run, with the network and what it was trained on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use ontogeny_analysis::llc::Minibatches;
use ontogeny_data::{Source, Split};
use ontogeny_model::device::Chosen;
use ontogeny_model::{Network, weights};
use ontogeny_store::{Checkpoint, Key, RunFolder};
use ontogeny_training::config::LlcData;
use ontogeny_training::{Group, Run};

use crate::commands::replica_of;
use crate::failure::InFile;
use crate::place;
use crate::stretch::at_step;

/// One replica at one checkpoint.
pub struct Spot {
    /// The checkpoint's file.
    pub path: PathBuf,
    /// Its step.
    pub step: u64,
    /// The replica's name.
    pub replica: String,
    /// The network.
    pub network: Network,
    /// What it was trained on at that step.
    pub source: Arc<Source>,
}

/// Reads a checkpoint, and the hash of its content. One that lies among the checkpoints of a run
/// has to be that run's, and of the step that its name says.
pub fn read(path: &Path) -> Result<(Checkpoint, Key)> {
    let found = Checkpoint::read(path)?;
    let absolute = std::path::absolute(path)?;
    let root = absolute.ancestors().find(|p| RunFolder::exists(p));
    if let Some(folder) = root.map(RunFolder::open).transpose()?
        && absolute.starts_with(folder.checkpoints())
    {
        Checkpoint::check_place(path, &folder.read_manifest()?.config_key)?;
    }
    Ok(found)
}

/// Opens a checkpoint that lies in a run's folder.
pub fn open(path: &Path, named: Option<&str>, run: &Run, chosen: &Chosen) -> Result<Spot> {
    let (checkpoint, _) = read(path)?;
    let replica = replica_of(&checkpoint, path, named)?;
    let step = checkpoint.step.0;
    let network = weights::from_checkpoint(&checkpoint.alone(&replica)?, path, &chosen.device)?;
    let phases = run
        .replicas()
        .find(|r| r.entry.name == replica)
        .map(|r| &r.phases)
        .ok_or_else(|| {
            InFile::error(
                path,
                format!("the run's configuration has no replica `{replica}`"),
            )
        })?;
    let phase = phases.iter().rposition(|(at, _)| *at <= step).unwrap_or(0);
    Ok(Spot {
        path: path.to_owned(),
        step,
        replica,
        network,
        source: phases[phase].1.clone(),
    })
}

/// The checkpoint that is named: a file, or `RUN@STEP` for that of a run which is nearest to a
/// step.
pub fn resolve(named: &Path, replica: Option<&str>) -> Result<PathBuf> {
    if named.is_file() {
        return Ok(named.to_owned());
    }
    let form =
        "name a checkpoint file, or RUN@STEP for the checkpoint of a run that is nearest to a step";
    let Some((root, step)) = at_step(named.as_os_str()) else {
        let what = match RunFolder::exists(named) {
            true => "is a run's folder and no checkpoint",
            false => "there is no such file",
        };
        return Err(InFile::error(named, format!("{what}; {form}")));
    };
    let Ok(step) = step.parse::<u64>() else {
        let wrong = format!("`{step}` is no step, which is a whole number; {form}");
        return Err(InFile::error(named, wrong));
    };
    let root = root.as_path();
    if !RunFolder::exists(root) {
        return Err(InFile::error(root, format!("is no run's folder; {form}")));
    }
    let (folder, run) = place::reopen(root, &[])?;
    let has = |group: &&Group| {
        replica.is_none_or(|name| group.replicas.iter().any(|r| r.entry.name == name))
    };
    let groups: Vec<&Group> = run.groups.iter().filter(has).collect();
    let [group] = groups.as_slice() else {
        let all: Vec<&str> = run.replicas().map(|r| r.entry.name.as_str()).collect();
        let why = match replica {
            Some(name) => format!("there is no replica `{name}`; it holds {}", all.join(", ")),
            None => format!(
                "holds several replicas; choose one with --replica: {}",
                all.join(", ")
            ),
        };
        return Err(InFile::error(root, why));
    };
    let entries = group.written_checkpoints(&run, &folder)?.list()?;
    let nearest = entries.into_iter().min_by_key(|e| e.step.0.abs_diff(step));
    match nearest {
        Some(entry) => Ok(entry.path),
        None => Err(InFile::error(root, "has no checkpoint; train first")),
    }
}

/// The folder of the run that a checkpoint lies in, or that is named itself.
pub fn root_of(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match absolute.ancestors().find(|p| RunFolder::exists(p)) {
        Some(root) => Ok(root.to_owned()),
        None if path.exists() => Err(InFile::error(
            path,
            "lies in no run's folder; the source it was trained on is not known",
        )),
        None => Err(InFile::error(path, "there is no such file or folder")),
    }
}

/// The run that a checkpoint or a run's folder belongs to, with settings of the analysis changed.
pub fn run_of(path: &Path, set: &[String]) -> Result<(RunFolder, Run)> {
    if path.is_file() {
        // Better told that it is no checkpoint than that it lies nowhere.
        read(path)?;
    }
    let root = root_of(path)?;
    // What was typed is what messages should name.
    let typed = std::path::absolute(path)? == root;
    place::reopen(if typed { path } else { &root }, set)
}

/// Checkpoints of a run from its first to its last, so many of them, evenly on the schedule; of the
/// first group.
pub fn spread(run: &Run, folder: &RunFolder, count: usize) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    if let Some(group) = run.groups.first() {
        let all = group.written_checkpoints(run, folder)?.list()?;
        let last = all.len().saturating_sub(1);
        let count = count.min(all.len()).max(1);
        for i in 0..count {
            // The untouched start says little of the rest: the first one is left out where there
            // are others.
            let at = last * (i + 1) / count;
            paths.extend(all.get(at).map(|e| e.path.clone()));
        }
        paths.dedup();
    }
    Ok(paths)
}

/// Minibatches of the data that a setting names, at a checkpoint.
pub fn minibatches<'a>(
    spot: &'a Spot,
    run: &'a Run,
    data: &LlcData,
    chosen: &Chosen,
) -> Minibatches<'a> {
    let (source, split): (&Source, Split) = match data {
        LlcData::Train => (&spot.source, Split::Train),
        LlcData::HeldOut => (&spot.source, Split::HeldOut),
        LlcData::Eval(name) => {
            let eval = run.evals.iter().find(|(n, _)| n == name);
            (eval.map_or(&spot.source, |(_, s)| s), Split::HeldOut)
        }
    };
    let analysis = &run.config.analysis;
    let device = &chosen.device;
    Minibatches::new(
        source,
        split,
        analysis.seed,
        None,
        analysis.llc.batch,
        device,
    )
}
