//! What a page is made of: plain data, filled in by whoever has the tables at hand. What an
//! analysis found has the types of `ontogeny_results`; here is what belongs to the page alone.
//!
//! Steps are optimizer updates, losses and divergences are nats per token, durations are seconds.
//! A number that is not finite is shown as missing, wherever it stands.

use ontogeny_results::dynamics::Dynamics;
use ontogeny_results::stages::StageReport;
use ontogeny_results::table::MeasureRow;
use serde::{Deserialize, Serialize};

/// Everything that one page shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportInput {
    /// Heading of the page.
    pub title: String,
    /// Name of the run.
    pub run: String,
    /// One phrase that says what was trained on what; empty leaves the line out.
    pub summary: String,
    /// When the run was made, as it is to be shown (RFC 3339).
    pub created: String,
    /// Version of the program that made it.
    pub version: String,
    /// Probability that each shown interval is meant to hold, e.g. 0.9; 0 where it is not known.
    pub interval_level: f64,
    /// Where the figures came from.
    pub provenance: Provenance,
    /// The unit of losses and divergences where it is not nats per token; empty else.
    pub unit: String,
    /// How λ̂ was estimated; absent if it was not.
    pub estimator: Option<Estimator>,
    /// The trained replicas, in the order in which they are to be listed.
    pub replicas: Vec<ReplicaReport>,
    /// The ways of all replicas through the space of outputs, if they were found.
    pub dynamics: Option<Dynamics>,
    /// What the reader has to know before reading the figures, a sentence each.
    pub warnings: Vec<String>,
    /// Remarks for the end of the page, a sentence each.
    pub notes: Vec<String>,
}

/// Where the figures came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// The resolved configuration, as TOML.
    pub config: String,
    /// Hash of the resolved configuration.
    pub config_key: String,
    /// Hash of the data source: its specification and content.
    pub source_key: String,
    /// The device that did the work, in words.
    pub device: String,
    /// Version of the methods that made the measures.
    pub method: String,
    /// The replicas by shape, each with how much was trained and measured of it.
    pub groups: Vec<GroupSize>,
    /// Duration of training in seconds; absent if it is not known.
    pub train_seconds: Option<f64>,
    /// Duration of analysis in seconds; absent if it is not known.
    pub analyze_seconds: Option<f64>,
    /// Seconds of the analysis spent on measuring checkpoints.
    pub measure_seconds: Option<f64>,
    /// Seconds of the analysis spent on finding stages.
    pub stages_seconds: Option<f64>,
    /// Duration of making the report in seconds; absent if it is not known.
    pub report_seconds: Option<f64>,
    /// The command that does it again.
    pub command: String,
}

/// Replicas of one shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupSize {
    /// What the network is, in words.
    pub network: String,
    /// How many there are.
    pub replicas: u64,
    /// Parameters of each one's network.
    pub parameters: u64,
    /// Tokens, or vectors, that each was trained on.
    pub tokens: u64,
    /// Analysed checkpoints of each.
    pub checkpoints: u64,
}

/// Settings of the sampler that estimated λ̂.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Estimator {
    /// Name of the sampler, e.g. `SGLD`.
    pub sampler: String,
    /// Step size ε.
    pub epsilon: f64,
    /// Inverse temperature times sample size, nβ.
    pub nbeta: f64,
    /// Localization strength γ.
    pub gamma: f64,
    /// Independent chains for each checkpoint.
    pub chains: u64,
    /// Draws of each chain, burn-in included.
    pub draws: u64,
    /// Draws left out at the start of each chain.
    pub burn_in: u64,
}

/// One replica: its training series, its table of measures, and its stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaReport {
    /// Name of the replica, unique in the run.
    pub name: String,
    /// The arm it belongs to.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// Why the replica was frozen during training, if it was.
    pub frozen: Option<String>,
    /// Loss on the training batches, sorted by step; a long series is averaged for the page.
    pub training: Vec<TrainingPoint>,
    /// One row for each analysed checkpoint, sorted by step.
    pub rows: Vec<MeasureRow>,
    /// The stages found, and the smooth curves they were read from.
    pub stages: StageReport,
    /// Each stage's first checkpoint against its last: which a posterior prefers.
    pub selection: Vec<Selection>,
}

/// Two checkpoints between which a posterior chooses: those nearest to a stage's start and end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Number of the stage, from 1.
    pub stage: usize,
    /// Step of the checkpoint nearest to its start.
    pub from: u64,
    /// Step of the checkpoint nearest to its end.
    pub to: u64,
    /// Change of the loss between the two, in nats per sequence.
    pub delta_loss: f64,
    /// Change of λ̂ between the two.
    pub delta_llc: f64,
    /// Its standard error, paired over the chains.
    pub delta_llc_se: f64,
    /// The number of sequences from which on the checkpoint of lower loss is preferred; absent if
    /// it always is.
    pub critical: Option<f64>,
    /// Interval of that number where there is one.
    pub critical_interval: Option<[f64; 2]>,
    /// Probability that there is one.
    pub crossing: f64,
    /// Whether the later checkpoint is the one that is preferred in the end.
    pub later_in_the_end: bool,
}

/// Loss on the training batch of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingPoint {
    /// Optimizer updates done.
    pub step: u64,
    /// Tokens seen by then.
    pub tokens: u64,
    /// Mean loss of the batch.
    pub loss: f64,
}
