//! Where runs lie, and how to come by one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use ontogeny_analysis::component;
use ontogeny_data::Source;
use ontogeny_model::device::{self, Chosen, DeviceChoice};
use ontogeny_store::{RUN_SCHEMA, RunFolder, RunManifest, rfc3339, write_atomically};
use ontogeny_training::config::{LoadedConfig, RunConfig};
use ontogeny_training::{Run, TrainingError};

use crate::watch::Building;

/// Folder of all runs, below the current one.
const RUNS: &str = "runs";
/// Folder of tokenized corpora below [`RUNS`], shared by runs.
const CACHE: &str = "cache";
/// The configuration that a command without one takes.
pub const DEFAULT_PRESET: &str = "induction";

/// Digits of the key in a folder's name.
const KEY_DIGITS: usize = 8;

/// Reads a configuration, or the embedded default.
pub fn configuration(path: Option<&Path>, set: &[String]) -> Result<LoadedConfig> {
    Ok(match path {
        Some(path) => RunConfig::load(path, set)?,
        None => RunConfig::preset(DEFAULT_PRESET, set)?,
    })
}

/// Folder of tokenized corpora.
fn cache() -> PathBuf {
    Path::new(RUNS).join(CACHE)
}

/// Builds what a configuration describes. If that fails, what was made of corpora on the way is
/// removed: a refused configuration leaves nothing behind.
pub fn build(loaded: &LoadedConfig) -> Result<Run> {
    let cache = cache();
    let files = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&cache).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let before = files();
    let missing: Vec<&Path> = [cache.as_path(), Path::new(RUNS)]
        .into_iter()
        .filter(|folder| !folder.exists())
        .collect();
    let progress = Building::new();
    let watch = |now| {
        progress.report(now);
        ControlFlow::Continue(())
    };
    let built = Run::build_watched(loaded, &cache, &watch).map_err(anyhow::Error::from);
    let checked = built.and_then(|run| components_exist(loaded, &run).map(|()| run));
    if let Ok(run) = &checked {
        for notice in run.sources().into_iter().flat_map(Source::notices) {
            errln!("note: {notice}");
        }
    }
    checked.inspect_err(|_| {
        // What cannot be removed does no harm, and the failure itself is what has to be told.
        for file in files().iter().filter(|file| !before.contains(file)) {
            let _ = std::fs::remove_file(file);
        }
        // Only empty folders can be removed so: another process may have begun to use them.
        for folder in missing {
            let _ = std::fs::remove_dir(folder);
        }
    })
}

/// Whether every network has the components whose λ̂ is asked for: better told before training than after.
fn components_exist(loaded: &LoadedConfig, run: &Run) -> Result<()> {
    for group in &run.groups {
        for name in &run.config.analysis.llc.components {
            component::parse(name, &group.network)
                .map_err(|e| loaded.error("analysis.llc.components", e.to_string()))?;
        }
    }
    Ok(())
}

/// Opens a device and says so if it is not what one would expect.
pub fn device(text: &str) -> Result<Chosen> {
    let choice: DeviceChoice = text.parse()?;
    let chosen = device::open(choice)?;
    if chosen.entry.software {
        errln!(
            "note: {} ({}): {}",
            chosen.entry.name,
            chosen.entry.description,
            chosen.reason
        );
    }
    Ok(chosen)
}

/// Where a run's folder is, or will be.
pub fn root(run: &Run, out: Option<&Path>) -> PathBuf {
    let key = run.key.to_string();
    match out {
        Some(out) => out.to_owned(),
        None => Path::new(RUNS).join(format!("{}-{}", run.config.name, &key[..KEY_DIGITS])),
    }
}

/// The device for what has to come out as a run did, bit for bit: of the kind that trained it.
pub fn same_device(folder: &RunFolder, named: Option<&str>) -> Result<Chosen> {
    let kind = folder.read_manifest()?.device_kind;
    let chosen = device(named.unwrap_or(&kind))?;
    if chosen.entry.kind != kind {
        return Err(TrainingError::Folder {
            path: folder.root().to_owned(),
            reason: format!(
                "was trained on `{kind}` and does not come out bit for bit on `{}`; use --device {kind}",
                chosen.entry.kind
            ),
        }
        .into());
    }
    Ok(chosen)
}

/// The folder of a run: found if it exists, created if not.
///
/// A folder that holds another run, or this one from another kind of device, is refused: its bits
/// would not be those that its name promises.
pub fn folder(run: &Run, out: Option<&Path>, chosen: &Chosen) -> Result<RunFolder> {
    let root = root(run, out);
    let kind = &chosen.entry.kind;
    if !RunFolder::exists(&root) {
        let manifest = RunManifest {
            schema: RUN_SCHEMA,
            name: run.config.name.clone(),
            config_key: run.key,
            device_kind: kind.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: rfc3339(SystemTime::now()),
            replicas: run.replicas().map(|r| r.entry.clone()).collect(),
        };
        return Ok(RunFolder::create(&root, &run.resolved_toml, &manifest)?);
    }
    let folder = RunFolder::open(&root)?;
    let manifest = folder.read_manifest()?;
    let refuse = |reason: String| TrainingError::Folder {
        path: root.clone(),
        reason,
    };
    if manifest.config_key != run.key {
        return Err(refuse(format!(
            "holds the run `{}` of another configuration; choose another --out",
            manifest.name
        ))
        .into());
    }
    if manifest.device_kind != *kind {
        return Err(refuse(format!(
            "was trained on `{}` and cannot go on bit for bit on `{kind}`; use --device {} or \
             another --out",
            manifest.device_kind, manifest.device_kind
        ))
        .into());
    }
    Ok(folder)
}

/// Writes the resolved configuration where settings that do not touch the weights have changed.
pub fn refresh_configuration(folder: &RunFolder, resolved: &str) -> Result<()> {
    let path = folder.config_toml();
    if std::fs::read_to_string(&path).ok().as_deref() != Some(resolved) {
        write_atomically(&path, resolved.as_bytes())?;
    }
    Ok(())
}

/// Opens the folder of a run and rebuilds the run from its own configuration.
pub fn reopen(root: &Path, set: &[String]) -> Result<(RunFolder, Run)> {
    let folder = RunFolder::open(root)?;
    let loaded = RunConfig::load(&folder.config_toml(), set)?;
    let run = build(&loaded)?;
    let manifest = folder.read_manifest()?;
    if run.key != manifest.config_key {
        return Err(TrainingError::Folder {
            path: root.to_owned(),
            reason: "its weights come from another configuration than this makes; only \
                     `analysis`, `stages` and `report` can be changed here"
                .to_owned(),
        }
        .into());
    }
    Ok((folder, run))
}

/// Reads a JSON file.
pub fn read_json(path: &Path) -> Result<serde_json::Value> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))
}

/// Writes a JSON file, whole or not at all.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    Ok(write_atomically(path, &serde_json::to_vec(value)?)?)
}
