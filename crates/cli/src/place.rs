//! Where runs lie, and how to come by one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use ontogeny_analysis::component;
use ontogeny_data::{KeptSources, Source, TokenCache};
use ontogeny_model::device::{self, Chosen, DeviceChoice};
use ontogeny_store::{RUN_SCHEMA, RunFolder, RunManifest, rfc3339, write_atomically};
use ontogeny_training::config::{LoadedConfig, RunConfig};
use ontogeny_training::{Run, TrainingError};

use crate::tokens::{self, Made};

/// Folder of all runs, below the current one.
pub const RUNS: &str = "runs";
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

/// Builds what a configuration describes, for a run in the folder `out`. The tokens of its corpora
/// that were made on the way are removed again unless they are taken: a refused configuration
/// leaves nothing behind.
pub fn build(loaded: &LoadedConfig, out: Option<&Path>) -> Result<(Run, Made)> {
    let (cache, folder) = tokens::of_new(out);
    build_with(loaded, cache, &folder)
}

/// Builds a run that goes on from another one, whose tokens may stand for corpora that are gone.
pub fn build_fork(
    loaded: &LoadedConfig,
    out: Option<&Path>,
    parent: &RunFolder,
) -> Result<(Run, Made)> {
    let (cache, folder) = tokens::of_new(out);
    let of_parent = RunFolder::tokens_in(parent.root());
    let kept = KeptSources::read(&of_parent);
    build_with(loaded, cache.also(of_parent).with_kept(kept), &folder)
}

fn build_with(loaded: &LoadedConfig, cache: TokenCache, folder: &Path) -> Result<(Run, Made)> {
    let made = Made::below(folder);
    let run = Run::build(loaded, cache)?;
    components_exist(loaded, &run)?;
    tell(&run);
    Ok((run, made))
}

/// Says what was noticed of a run's sources, each once: a command may open a run several times.
fn tell(run: &Run) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    for notice in run.sources().into_iter().flat_map(Source::notices) {
        if told.insert(notice.clone()) {
            errln!("note: {notice}");
        }
    }
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
        return Err(refuse(match tokens::changed(run, &root) {
            Some(changed) => format!(
                "holds the run `{}`, and {changed}; choose another --out for a run on the new \
                 one, or bring the old one back",
                manifest.name
            ),
            None => format!(
                "holds the run `{}` of another configuration; choose another --out",
                manifest.name
            ),
        })
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
///
/// Corpora that are not where they were are sought from the current folder and from those that the
/// run lies in; where they are gone or have changed, the tokens that the run kept stand for them.
pub fn reopen(root: &Path, set: &[String]) -> Result<(RunFolder, Run)> {
    let folder = RunFolder::open(root)?;
    let mut loaded = RunConfig::load(&folder.config_toml(), set)?;
    if let Some(base) = tokens::moved_base(&loaded, root) {
        let base = toml::Value::String(base.display().to_string());
        let set: Vec<String> = [set, &[format!("base={base}")]].concat();
        loaded = RunConfig::load(&folder.config_toml(), &set)?;
    }
    let own = RunFolder::tokens_in(root);
    let (run, made) = build_with(&loaded, tokens::of_run(root), &own)
        .map_err(|error| tokens::with_cure(error, &loaded, root))?;
    let manifest = folder.read_manifest()?;
    if run.key != manifest.config_key {
        let reason = match tokens::changed(&run, root) {
            Some(changed) => format!("{changed}; bring the old one back"),
            None => "its weights come from another configuration than this makes, or from a \
                     corpus that has changed since; only `analysis`, `stages` and `report` can be \
                     changed here"
                .to_owned(),
        };
        return Err(TrainingError::Folder {
            path: root.to_owned(),
            reason,
        }
        .into());
    }
    made.take();
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
