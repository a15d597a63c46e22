//! What an analysis is asked for.

use std::path::PathBuf;
use std::sync::Arc;

use ontogeny_data::{Source, Split};
use ontogeny_model::NetworkConfig;
use ontogeny_model::device::Chosen;
use ontogeny_store::CheckpointFolder;
use serde::Serialize;

use crate::llc::LlcSettings;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Seed of held-out sequences and repeated random ones.
    pub seed: u64,
    /// Held-out sequences of each source.
    pub held_out: usize,
    /// Whether to compare with oracles.
    pub oracles: bool,
    /// Whether to read the loss at triggers.
    pub triggers: bool,
    /// Whether to score attention heads.
    pub heads: bool,
    /// Repeated random sequences for the prefix-matching score.
    pub repeated: usize,
    /// Whether to score the composition of heads.
    pub composition: bool,
    /// Whether to measure weight norms.
    pub weight_norms: bool,
    /// How λ̂ is estimated, if it is.
    pub llc: Option<LlcPlan>,
}

/// How, on what and how often λ̂ is estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LlcPlan {
    /// The estimator.
    pub settings: LlcSettings,
    /// Sequences in each minibatch.
    pub batch: usize,
    /// Whose loss the sampler follows.
    pub data: LlcData,
    /// Whose loss is estimated, where it is another.
    pub evaluate: Option<LlcData>,
    /// Whether checkpoints share noise and minibatches.
    pub streams: Streams,
    /// Whose weights are sampled, each in turn, in the language of [`component`](crate::component).
    pub components: Vec<String>,
    /// Held-out sequences whose tokens are looked at on every draw; 0 for none.
    pub observables: usize,
    /// At every n-th checkpoint, and the last.
    pub every: usize,
}

/// Whether the checkpoints of a trajectory share the sampler's random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Streams {
    /// They do (common random numbers): differences along a trajectory are far sharper than levels,
    /// and errors are shared along it.
    Common,
    /// Each has its own: errors of neighbours are independent.
    Independent,
}

/// Data whose loss is followed or estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum LlcData {
    /// The training source: this split of it.
    Source(Split),
    /// The eval of this name.
    Eval(String),
}

/// Checkpoints of replicas of one shape.
#[derive(Debug)]
pub struct GroupPlan {
    /// Where they lie.
    pub checkpoints: CheckpointFolder,
    /// Their shape.
    pub network: NetworkConfig,
    /// Positions between which the ICL score is taken.
    pub icl: (usize, usize),
    /// The replicas to analyse.
    pub replicas: Vec<ReplicaPlan>,
}

/// One replica: what it was trained on.
#[derive(Debug)]
pub struct ReplicaPlan {
    /// Its name in the checkpoints.
    pub name: String,
    /// Its sources, each with the first step that was trained on it; the first at 0.
    pub phases: Vec<(u64, Arc<Source>)>,
    /// Tokens of one update.
    pub tokens_per_step: u64,
    /// Whether its λ̂ is estimated, where any is.
    pub llc: bool,
}

/// All that an analysis needs.
pub struct Plan<'a> {
    /// The checkpoints.
    pub groups: &'a [GroupPlan],
    /// Further sources to measure the loss on, by name.
    pub evals: &'a [(String, Arc<Source>)],
    /// What is measured.
    pub settings: &'a Settings,
    /// Where it runs.
    pub chosen: &'a Chosen,
    /// Folder of the results.
    pub results: PathBuf,
    /// Asked between measurements and between the draws of an estimate; what is finished by then is
    /// kept.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Told how many of how many measurements are finished.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}
