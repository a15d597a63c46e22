//! Where runs lie, and how to come by one.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use ontogeny_analysis::component;
use ontogeny_data::Source;
use ontogeny_model::device::{self, Chosen, DeviceChoice};
use ontogeny_store::{RUN_SCHEMA, RunFolder, RunManifest, rfc3339, write_atomically};
use ontogeny_training::config::{LoadedConfig, RunConfig};
use ontogeny_training::{Run, TrainingError};

use crate::failure::InFile;
use crate::{checks, differences};

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
    let built = Run::build(loaded, &cache).map_err(anyhow::Error::from);
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

/// Whether `--out` can be a run's folder: one that is there, or one that can be made. Better told
/// before corpora are read and networks built.
pub fn check_out(out: Option<&Path>) -> Result<()> {
    match out {
        Some(out) if !RunFolder::exists(out) => Ok(RunFolder::check_new(out)?),
        _ => Ok(()),
    }
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
    let manifest = checks::manifest(&folder)?;
    if manifest.config_key != run.key {
        return Err(refuse(&root, other_run(run, &folder, &manifest)));
    }
    if manifest.device_kind != *kind {
        return Err(refuse(
            &root,
            format!(
                "was trained on `{}` and cannot go on bit for bit on `{kind}`; use --device {} or \
                 another --out",
                manifest.device_kind, manifest.device_kind
            ),
        ));
    }
    checks::same_replicas(&folder, &manifest, run)?;
    checks::checkpoints(&folder)?;
    Ok(folder)
}

fn refuse(root: &Path, reason: String) -> anyhow::Error {
    let path = root.to_owned();
    TrainingError::Folder { path, reason }.into()
}

/// What to say of a folder that holds a run of another configuration: which keys differ, and what
/// to do.
fn other_run(run: &Run, folder: &RunFolder, manifest: &RunManifest) -> String {
    let name = &manifest.name;
    let old = match RunConfig::load(&folder.config_toml(), &[]) {
        Ok(old) => old.config,
        Err(error) => {
            return format!(
                "holds the run `{name}` of another configuration, which cannot be read ({}); \
                 choose another --out",
                error.message
            );
        }
    };
    let found = differences::between(&old, &run.config);
    if found.is_empty() {
        return format!(
            "holds the run `{name}` of the same configuration, but what that names has changed \
             since: the content of a corpus, or of the checkpoint that it starts from. Choose \
             another --out"
        );
    }
    let (trained, wanted) = (old.training.steps, run.config.training.steps);
    let longer = match trained < wanted {
        true => format!(
            "; for more steps, `ontogeny fork {}@{trained} --steps {wanted}`",
            folder.root().display()
        ),
        false => String::new(),
    };
    format!(
        "holds the run `{name}` of another configuration, which differs in{}\nChoose another \
         --out{longer}",
        differences::lines(&found)
    )
}

/// Writes the resolved configuration where settings that do not touch the weights have changed.
/// One that was edited so that it would make other weights is told: it is not what trained the run.
pub fn refresh_configuration(folder: &RunFolder, run: &Run) -> Result<()> {
    let path = folder.config_toml();
    let resolved = &run.resolved_toml;
    let manifest = folder.read_manifest()?;
    if manifest.name != run.config.name {
        errln!(
            "note: {}: the run was called `{}` and is called `{}` now",
            folder.root().display(),
            manifest.name,
            run.config.name
        );
        folder.write_manifest(&RunManifest {
            name: run.config.name.clone(),
            ..manifest
        })?;
    }
    if std::fs::read_to_string(&path).ok().as_ref() == Some(resolved) {
        return Ok(());
    }
    match RunConfig::load(&path, &[]) {
        Ok(old) => {
            let found = differences::between(&old.config, &run.config);
            if !found.is_empty() {
                errln!(
                    "warning: {} was edited after training and is written anew; it differed in{}",
                    path.display(),
                    differences::lines(&found)
                );
            }
        }
        Err(error) => errln!("warning: this is written anew: {error}"),
    }
    Ok(write_atomically(&path, resolved.as_bytes())?)
}

/// Opens the folder of a run and rebuilds the run from its own configuration.
///
/// Its checkpoints are looked at: one of another run is refused, missing ones are told.
pub fn reopen(root: &Path, set: &[String]) -> Result<(RunFolder, Run)> {
    let folder = RunFolder::open(root)?;
    let manifest = checks::manifest(&folder)?;
    let path = folder.config_toml();
    let load = |set: &[String]| {
        RunConfig::load(&path, set).map_err(|mut error| {
            let version = env!("CARGO_PKG_VERSION");
            if !path.exists() {
                error.message.push_str(&format!(
                    "; `ontogeny train` with the configuration that made the run, and `--out {}`, \
                     writes it again",
                    root.display()
                ));
            } else if manifest.version != version && error.file.as_deref() != Some("--set") {
                error.message.push_str(&format!(
                    " (the run was made by Ontogeny {}, and this is {version}: open it with that \
                     version)",
                    manifest.version
                ));
            }
            error
        })
    };
    let loaded = load(set)?;
    let run = build(&loaded)?;
    if run.key != manifest.config_key {
        let changed = match set {
            [] => Vec::new(),
            set => differences::between(&load(&[])?.config, &load(set)?.config),
        };
        if changed.is_empty() {
            return Err(InFile::error(
                &path,
                format!(
                    "does not make the run in this folder any more (run.json has the key {}…, it \
                     makes {}…): it was edited after training, or a corpus or a checkpoint that it \
                     names has changed since. Undo that; a run with other settings needs a folder \
                     of its own",
                    manifest.config_key.short(),
                    run.key.short()
                ),
            ));
        }
        return Err(refuse(
            root,
            format!(
                "its weights come from another configuration than --set makes; only `analysis`, \
                 `stages` and `report` can be changed here, and this changes{}",
                differences::lines(&changed)
            ),
        ));
    }
    checks::same_replicas(&folder, &manifest, &run)?;
    checks::tell_name(&folder, &manifest, &run);
    checks::checkpoints(&folder)?;
    checks::tell_missing(&run, &folder, &manifest.device_kind)?;
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
