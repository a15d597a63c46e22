//! What a page is made of: plain data, filled in by whoever has the tables at hand.
//!
//! Steps are optimizer updates, losses and divergences are nats per token, durations are seconds.
//! A number that is not finite is shown as missing, wherever it stands.

use std::collections::BTreeMap;

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

/// Joint principal components of the outputs of many checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dynamics {
    /// Share of the variance of each component.
    pub explained: Vec<f64>,
    /// One for each replica.
    pub paths: Vec<OutputPath>,
    /// Predictors that need no training, projected afterwards.
    pub oracles: Vec<Landmark>,
}

/// The way of one replica's outputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputPath {
    /// Its name.
    pub replica: String,
    /// Its arm.
    pub arm: String,
    /// Steps of its checkpoints.
    pub steps: Vec<u64>,
    /// `[checkpoint][component]`.
    pub places: Vec<Vec<f64>>,
}

/// A predictor among the outputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Landmark {
    /// Its name.
    pub name: String,
    /// Its coordinate on each component.
    pub place: Vec<f64>,
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
    /// Analysed checkpoints of each replica.
    pub checkpoints: u64,
    /// Tokens that each replica was trained on.
    pub tokens: u64,
    /// Parameters of each replica's network.
    pub parameters: u64,
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
    pub rows: Vec<Row>,
    /// The stages found, and the smooth curves they were read from.
    pub stages: Stages,
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

/// The measures of one checkpoint; a measure that was not made is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Optimizer updates done.
    pub step: u64,
    /// Tokens seen by then.
    pub tokens: u64,
    /// Single figures by name: `loss`, `llc`, `divergence.bigram`, `induction.1.3` and so on.
    pub values: BTreeMap<String, f64>,
    /// Figures with one entry for each position by name: `loss_by_position`.
    pub vectors: BTreeMap<String, Vec<f64>>,
    /// Verdicts over estimates and their reasons by name: `llc_verdict`, `llc_reason`,
    /// `llc_verdict.head:0.1`.
    pub words: BTreeMap<String, String>,
}

/// What the detection of stages found in one replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stages {
    /// Places between two episodes of change.
    pub boundaries: Vec<Boundary>,
    /// Episodes of change, sorted by their start.
    pub stages: Vec<Stage>,
    /// Smooth curves by name of the measure they follow.
    pub smooth: Vec<SmoothCurve>,
}

/// A place between two episodes of change, in steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// Where it is.
    pub at: f64,
    /// Lower end of its interval.
    pub lo: f64,
    /// Upper end of its interval.
    pub hi: f64,
    /// Strength of the evidence that it separates two episodes.
    pub evidence: f64,
}

/// What a stage is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// The output ends nearest to the unigram predictor.
    Unigram,
    /// The output approaches the bigram predictor.
    Bigram,
    /// The output leaves the bigram predictor for predictors with longer contexts.
    Ngram,
    /// Heads come to attend to the previous token.
    PreviousToken,
    /// The loss at repeated triggers falls below what order-free counting reaches.
    Induction,
    /// An episode of change that no rule names.
    #[default]
    Unnamed,
}

/// One episode of change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stage {
    /// What it is called.
    pub name: StageName,
    /// Step at which it starts.
    pub start: f64,
    /// Lower end of the interval of the start.
    pub start_lo: f64,
    /// Upper end of the interval of the start.
    pub start_hi: f64,
    /// Step at which it ends; absent where the run ended first.
    pub end: Option<f64>,
    /// Lower end of the interval of the end.
    pub end_lo: Option<f64>,
    /// Upper end of the interval of the end.
    pub end_hi: Option<f64>,
    /// Change of the loss over the stage.
    pub delta_loss: f64,
    /// Change of λ̂ over the stage, if it was estimated.
    pub delta_llc: Option<f64>,
    /// The oracle that the output is nearest to when the stage ends, with its divergence.
    pub nearest_oracle: Option<(String, f64)>,
    /// The head scores that rose.
    pub heads_rising: Vec<HeadRise>,
    /// Why the stage has its name, in words.
    pub why: String,
}

/// A head score that rose during a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadRise {
    /// The head, as `layer.head`.
    pub head: String,
    /// The score: `previous_token`, `induction` or `recurrence`.
    pub score: String,
    /// Its value when the stage starts.
    pub from: f64,
    /// Its value when the stage ends.
    pub to: f64,
}

/// A smooth curve through one measure; all vectors have the same length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmoothCurve {
    /// Name of the measure.
    pub name: String,
    /// Where the curve is evaluated, in steps, ascending.
    pub steps: Vec<f64>,
    /// The smooth value.
    pub mean: Vec<f64>,
    /// Lower end of its interval.
    pub lo: Vec<f64>,
    /// Upper end of its interval.
    pub hi: Vec<f64>,
    /// Its slope by log(step + 1).
    pub speed: Vec<f64>,
}
