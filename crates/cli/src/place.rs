//! Where runs lie, and how to come by one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use ontogeny_analysis::component;
use ontogeny_data::{KeptSources, Source, TokenCache};
use ontogeny_model::device::{self, Chosen, DeviceChoice};
use ontogeny_store::{RUN_SCHEMA, RunFolder, RunManifest, rfc3339, write_atomically};
use ontogeny_training::config::{LoadedConfig, RunConfig};
use ontogeny_training::{Run, TrainingError};

use crate::failure::InFile;
use crate::tokens::{self, Made};
use crate::watch::Building;
use crate::{checks, differences};

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
    let made = Made::through(&cache, folder);
    let progress = Building::new();
    let watch = |now| {
        progress.report(now);
        ControlFlow::Continue(())
    };
    let run = Run::build_watched(loaded, cache, &watch)?;
    components_exist(loaded, &run)?;
    for notice in run.sources().into_iter().flat_map(Source::notices) {
        checks::once(format!("note: {notice}"));
    }
    Ok((run, made))
}

/// Whether every network has the components whose λ̂ is asked for: better told before training than
/// after.
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
        let changed = tokens::changed(run, folder.root()).unwrap_or_else(|| {
            "what its configuration names has changed since: the content of a corpus, or of the \
             checkpoint that it starts from"
                .to_owned()
        });
        return format!(
            "holds the run `{name}`, and {changed}. Choose another --out, or bring back what was"
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
/// Corpora that are not where they were are sought from the current folder and from those that the
/// run lies in; where they are gone or have changed, the tokens that the run kept stand for them.
/// Checkpoints are looked at: one of another run is refused, missing ones are told.
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
    let mut loaded = load(set)?;
    if let Some(base) = tokens::moved_base(&loaded, root) {
        let base = toml::Value::String(base.display().to_string());
        let set: Vec<String> = [set, &[format!("base={base}")]].concat();
        loaded = load(&set)?;
    }
    let own = RunFolder::tokens_in(root);
    let (run, made) = build_with(&loaded, tokens::of_run(root), &own)
        .map_err(|error| tokens::with_cure(error, &loaded, root))?;
    if run.key != manifest.config_key {
        if let Some(changed) = tokens::changed(&run, root) {
            return Err(refuse(root, format!("{changed}; bring the old one back")));
        }
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
    made.take();
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
