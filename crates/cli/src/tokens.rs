//! Where the tokens of a run's corpora lie, and what became of its corpora.
//!
//! A run keeps its tokens in its own folder, so that it can be measured wherever it is moved. New
//! runs below `runs` share one folder of tokens, from which theirs are linked.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ontogeny_data::{KeptSources, Source, SourceSpec, TextSpec, TokenCache};
use ontogeny_store::RunFolder;
use ontogeny_training::config::LoadedConfig;
use ontogeny_training::{Run, TrainingError};

use crate::place::RUNS;

/// Folders around a run's that its corpora are sought in.
const AROUND: usize = 3;
/// Folder of tokenized corpora below [`RUNS`], shared by runs.
const SHARED: &str = "cache";

fn shared() -> PathBuf {
    Path::new(RUNS).join(SHARED)
}

/// Where a new run finds and puts its tokens: in the folder `out` that it is to have, or in the
/// one that runs share.
pub fn of_new(out: Option<&Path>) -> (TokenCache, PathBuf) {
    match out {
        Some(out) => {
            let own = RunFolder::tokens_in(out);
            (TokenCache::new(&own).also(shared()), own)
        }
        None => (TokenCache::new(shared()), shared()),
    }
}

/// Where the tokens of a run that exists are: in its own folder, in the one that the runs around
/// it share, or in that below the current folder.
pub fn of_run(root: &Path) -> TokenCache {
    let own = RunFolder::tokens_in(root);
    let kept = KeptSources::read(&own);
    let mut cache = TokenCache::new(own);
    if let Some(around) = root.parent() {
        cache = cache.also(around.join(SHARED));
    }
    cache.also(shared()).with_kept(kept)
}

/// Tokens that were made for a run that may yet be refused: removed when this is dropped, unless
/// the run was taken. What other processes put beside them stays.
#[derive(Debug)]
pub struct Made {
    folder: PathBuf,
    cache: TokenCache,
    /// Folders that were not there, the innermost first.
    missing: Vec<PathBuf>,
    /// Whether the folder was that of a run already.
    of_run: bool,
    taken: bool,
}

impl Made {
    /// Remembers which folders are there before `cache` makes anything in `folder`.
    pub fn through(cache: &TokenCache, folder: &Path) -> Self {
        let around = folder.ancestors().filter(|f| !f.as_os_str().is_empty());
        Self {
            folder: folder.to_owned(),
            cache: cache.clone(),
            missing: around
                .take_while(|f| !f.exists())
                .map(Path::to_owned)
                .collect(),
            of_run: in_run(folder),
            taken: false,
        }
    }

    /// Leaves what was made.
    pub fn take(mut self) {
        self.taken = true;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // If another process has made the run meanwhile, they are the run's.
        if self.taken || !self.of_run && in_run(&self.folder) {
            return;
        }
        // What cannot be removed does no harm, and the failure itself is what has to be told.
        for file in self.cache.made() {
            let _ = std::fs::remove_file(file);
        }
        // Only empty folders can be removed so: another process may have begun to use them.
        for folder in &self.missing {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn in_run(folder: &Path) -> bool {
    folder.parent().is_some_and(RunFolder::exists)
}

/// Keeps the tokens of a run in its folder.
pub fn keep(run: &Run, folder: &RunFolder) -> Result<()> {
    let own = RunFolder::tokens_in(folder.root());
    Ok(KeptSources::keep(
        &own,
        described(run)
            .iter()
            .map(|(_, spec, source)| (*spec, *source)),
    )?)
}

/// Every source of a run with its key in the configuration, and as the configuration has it.
fn described(run: &Run) -> Vec<(String, &SourceSpec, &Source)> {
    let mut all = Vec::new();
    for replica in run.replicas() {
        let specs = replica.config.sources();
        for (i, ((_, spec), (_, source))) in specs.into_iter().zip(&replica.phases).enumerate() {
            let key = match i {
                0 => "data".to_owned(),
                later => format!("phases[{}].data", later - 1),
            };
            all.push((key, spec, &**source));
        }
    }
    for (i, (section, (_, source))) in run.config.evals.iter().zip(&run.evals).enumerate() {
        all.push((format!("evals[{i}].data"), &section.data, &**source));
    }
    all
}

/// What is to be said if a run's folder is of another key and a corpus of the run has changed
/// since it was made.
pub fn changed(run: &Run, root: &Path) -> Option<String> {
    let kept = KeptSources::read(&RunFolder::tokens_in(root))?;
    let all = described(run);
    let (key, spec, _) = all
        .iter()
        .find(|(_, spec, source)| kept.differs(spec, source) == Some(true))?;
    let SourceSpec::Text(spec) = spec else {
        return None;
    };
    let places: Vec<String> = paths(spec)
        .map(|path| match path == TextSpec::STATE_OF_THE_UNION {
            true => path.to_owned(),
            false => run.config.base_dir().join(path).display().to_string(),
        })
        .collect();
    let tokenizer = match &spec.tokenizer {
        Some(path) => format!(" or of its tokenizer {path}"),
        None => String::new(),
    };
    Some(format!(
        "the content of the corpus {}{tokenizer} (`{key}`) has changed since the run was made",
        places.join(", ")
    ))
}

fn paths(spec: &TextSpec) -> impl Iterator<Item = &str> {
    let several = spec.corpora.iter().flatten().map(|corpus| &*corpus.path);
    spec.corpus.as_deref().into_iter().chain(several)
}

/// Another folder from which the corpora of a run can be found, where some are missing from the
/// one that its configuration has and the run keeps no tokens: one that the run lies in, or the
/// current folder.
pub fn moved_base(loaded: &LoadedConfig, root: &Path) -> Option<PathBuf> {
    let relative: Vec<PathBuf> = needed(loaded)
        .into_iter()
        .filter(|path| path.is_relative())
        .collect();
    let all_in = |base: &Path| relative.iter().all(|path| base.join(path).exists());
    if relative.is_empty()
        || all_in(loaded.config.base_dir())
        || KeptSources::read(&RunFolder::tokens_in(root)).is_some()
    {
        return None;
    }
    let root = std::path::absolute(root).ok()?;
    let around = root.ancestors().skip(1).take(AROUND).map(Path::to_owned);
    around
        .chain(std::env::current_dir())
        .find(|base| all_in(base))
}

/// The error with what to do where a corpus of a run that exists is not found.
pub fn with_cure(error: anyhow::Error, loaded: &LoadedConfig, root: &Path) -> anyhow::Error {
    let base = loaded.config.base_dir();
    let found = |path: &PathBuf| base.join(path).exists();
    let all = needed(loaded);
    let Some(missing) = all.iter().find(|path| !found(path)) else {
        return error;
    };
    let cure = match missing.is_relative() {
        true => format!(
            ". It was sought from {}, the folders around the run and the current one. Name the \
             folder that holds it with `ontogeny analyze {} --set base=FOLDER`, which records it",
            base.display(),
            root.display()
        ),
        false => ". Put it, or a link to it, back there".to_owned(),
    };
    match error.downcast::<TrainingError>() {
        Ok(TrainingError::Config(mut error)) => {
            let key = error.key.as_deref().unwrap_or_default();
            if ["corpus", "path", "tokenizer", "start_from"]
                .iter()
                .any(|named| key.ends_with(named))
            {
                error.message.push_str(&cure);
            }
            TrainingError::Config(error).into()
        }
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

/// Paths of the corpora, tokenizers and starting checkpoints of a configuration, as they are
/// written.
fn needed(loaded: &LoadedConfig) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut add = |spec: &SourceSpec| {
        if let SourceSpec::Text(spec) = spec {
            let corpora = paths(spec).filter(|path| *path != TextSpec::STATE_OF_THE_UNION);
            all.extend(corpora.chain(spec.tokenizer.as_deref()).map(PathBuf::from));
        }
    };
    for arm in &loaded.arms {
        for (_, spec) in arm.config.sources() {
            add(spec);
        }
    }
    for eval in &loaded.config.evals {
        add(&eval.data);
    }
    if loaded.config.fork.is_none() {
        let starts = loaded
            .arms
            .iter()
            .map(|arm| &arm.config.training.start_from);
        all.extend(starts.flatten().map(PathBuf::from));
    }
    all
}
