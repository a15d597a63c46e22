//! A checkpoint of a run, with the network and what it was trained on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use ontogeny_analysis::llc::Minibatches;
use ontogeny_data::{Source, Split};
use ontogeny_model::device::Chosen;
use ontogeny_model::{Transformer, weights};
use ontogeny_store::{Checkpoint, CheckpointFolder, RunFolder};
use ontogeny_training::Run;
use ontogeny_training::config::LlcData;

use crate::commands::replica_of;
use crate::failure::InFile;
use crate::place;

/// One replica at one checkpoint.
pub struct Spot {
    /// The checkpoint's file.
    pub path: PathBuf,
    /// Its step.
    pub step: u64,
    /// The replica's name.
    pub replica: String,
    /// The network.
    pub network: Transformer,
    /// What it was trained on at that step.
    pub source: Arc<Source>,
}

/// Opens a checkpoint that lies in a run's folder.
pub fn open(path: &Path, named: Option<&str>, run: &Run, chosen: &Chosen) -> Result<Spot> {
    let (checkpoint, _) = Checkpoint::read(path)?;
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
    let root = root_of(path)?;
    // What was typed is what messages should name.
    let typed = std::path::absolute(path)? == root;
    place::reopen(if typed { path } else { &root }, set)
}

/// Checkpoints of a run from its first to its last, so many of them, evenly on the schedule; of the first group.
pub fn spread(run: &Run, folder: &RunFolder, count: usize) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    if let Some(group) = run.groups.first() {
        let all = CheckpointFolder::open(group.place(folder.checkpoints()))?.list()?;
        let last = all.len().saturating_sub(1);
        let count = count.min(all.len()).max(1);
        for i in 0..count {
            // The untouched start says little of the rest: the first one is left out where there are others.
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
