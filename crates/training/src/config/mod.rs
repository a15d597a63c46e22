//! From what was typed to what will be built.
//!
//! A configuration is a short TOML file over good defaults. [`RunConfig::load`] reads it in stages:
//! the text becomes a tree in which every value remembers where it was written; defaults lie under
//! it, `--set` overrides and each arm's changes over it; unknown keys, ill-typed values and values
//! that make no sense are refused with a [`ConfigError`] that shows the file, the line and the
//! nearest valid key. What comes out is a [`LoadedConfig`]: the typed configuration, the complete
//! text with every default written out, and one [`ArmConfig`] for each arm.
//!
//! ```
//! # use ontogeny_training::config::RunConfig;
//! let loaded = RunConfig::preset("induction", &["training.steps=500".to_owned()])?;
//! assert_eq!(loaded.config.training.steps, 500);
//! let error = RunConfig::preset("induction", &["model.n_layer=3".to_owned()]).unwrap_err();
//! assert_eq!(error.key.as_deref(), Some("model.n_layer"));
//! # Ok::<(), ontogeny_training::config::ConfigError>(())
//! ```
//!
//! Nothing here writes a file, reads a corpus or knows of a device.

mod analysis;
#[cfg(test)]
mod bad_configs;
mod base;
mod check;
mod document;
mod encoding;
mod error;
mod fork;
#[cfg(test)]
mod good_configs;
mod keys;
mod load;
mod model;
mod overrides;
mod suggest;
mod training;
mod validate;
mod wording;

use std::path::{Path, PathBuf};

use ontogeny_data::SourceSpec;
use ontogeny_store::{Key, KeyBuilder, ReplicaEntry, ScheduleSpec};
use serde::{Deserialize, Serialize};

pub use analysis::{
    AnalysisSection, Axis, BaselineKind, DrawCount, EvalSection, LlcData, LlcSection,
    ReportSection, Sampler, StagesSection, StreamKind,
};
pub use error::ConfigError;
pub use fork::ForkSection;
pub use load::{ArmConfig, LoadedConfig};
pub use model::{ModelSection, NetworkKind};
pub use training::{LrSchedule, Optimizer, PhaseSection, StateSection, TrainingSection};

/// Name of the arm of a configuration that lists none.
pub const ONLY_ARM: &str = "base";

/// A run as it was typed, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the run and of its folder. Default: the file's name without its extension.
    pub name: String,
    /// One replica for each seed in each arm. A seed decides the start and the order of the data.
    pub seeds: Vec<u64>,
    /// Folder that relative paths start from. Default: the file's own; always set once loaded.
    pub base: Option<PathBuf>,
    /// The run that this one goes on from with something changed, if it is a fork.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<ForkSection>,
    /// The network.
    pub model: ModelSection,
    /// The source that training begins with.
    pub data: SourceSpec,
    /// The optimizer and its schedule.
    pub training: TrainingSection,
    /// Steps at which weights are kept.
    pub checkpoints: ScheduleSpec,
    /// When the state for resuming is kept.
    pub state: StateSection,
    /// What is measured at each checkpoint.
    pub analysis: AnalysisSection,
    /// How stages are told apart.
    pub stages: StagesSection,
    /// How results are shown.
    pub report: ReportSection,
    /// Sources that take over later in training.
    pub phases: Vec<PhaseSection>,
    /// Further sources to measure the loss on.
    pub evals: Vec<EvalSection>,
    /// Variations of this configuration that are trained beside each other.
    pub arms: Vec<ArmSection>,
}

/// One variation: `[[arms]]` with a name and the keys it changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArmSection {
    /// Name of the arm; its replicas are called after it.
    pub name: String,
    /// What differs, as nested tables or dotted keys: `set = { "training.lr" = 3e-4 }`.
    /// An arm may change the model, the data, the phases and the training, but not its length.
    pub set: toml::Table,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            seeds: vec![0],
            base: None,
            fork: None,
            model: ModelSection::default(),
            data: SourceSpec::default(),
            training: TrainingSection::default(),
            checkpoints: ScheduleSpec {
                log: 50,
                every: 0,
                at: Vec::new(),
            },
            state: StateSection::default(),
            analysis: AnalysisSection::default(),
            stages: StagesSection::default(),
            report: ReportSection::default(),
            phases: Vec::new(),
            evals: Vec::new(),
            arms: Vec::new(),
        }
    }
}

impl RunConfig {
    /// Key over what decides the trained weights: model, data, phases, training, seeds and arms; of
    /// a fork, its parent and the step too.
    ///
    /// What is measured, kept or shown does not enter, and neither does the name. Paths enter as
    /// they were typed: the content of a corpus or of a starting checkpoint has a key of its own.
    pub fn training_key(&self) -> Key {
        let key = KeyBuilder::new("training/1")
            .json("model", &self.model)
            .json("data", &self.data)
            .json("phases", &self.phases)
            .json("training", &self.training)
            .json("seeds", &self.seeds)
            .json("arms", &self.arms);
        match &self.fork {
            Some(fork) => key.key("parent", &fork.key).number("at", fork.at),
            None => key,
        }
        .finish()
    }

    /// The replicas in order, arms outside and seeds inside.
    ///
    /// They are called `seed0`, or `wide.seed0` where the configuration lists arms.
    pub fn replicas(&self) -> Vec<ReplicaEntry> {
        let replica = |arm: &str, seed: u64, name: String| ReplicaEntry {
            name,
            arm: arm.to_owned(),
            seed,
        };
        if self.arms.is_empty() {
            return self
                .seeds
                .iter()
                .map(|&seed| replica(ONLY_ARM, seed, format!("seed{seed}")))
                .collect();
        }
        self.arms
            .iter()
            .flat_map(|arm| {
                self.seeds
                    .iter()
                    .map(move |&seed| replica(&arm.name, seed, format!("{}.seed{seed}", arm.name)))
            })
            .collect()
    }

    /// Folder that relative paths start from.
    pub fn base_dir(&self) -> &Path {
        self.base.as_deref().unwrap_or(Path::new("."))
    }

    /// The sources of training in order, each with the step at which it begins; the first at 0.
    pub fn sources(&self) -> Vec<(u64, &SourceSpec)> {
        std::iter::once((0, &self.data))
            .chain(self.phases.iter().map(|phase| (phase.at, &phase.data)))
            .collect()
    }
}
