//! What a comparison's page is made of.
//!
//! The fields are those of the comparison itself; an absent figure lies beyond what was seen.

use serde::{Deserialize, Serialize};

use crate::input::Dynamics;

/// A figure with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Estimate {
    /// The figure; absent where it was not reached.
    pub at: Option<f64>,
    /// Lower end; absent where it is not bounded.
    pub lo: Option<f64>,
    /// Upper end; absent where it is not bounded.
    pub hi: Option<f64>,
}

/// Everything that one page of a comparison shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareInput {
    /// Heading of the page.
    pub title: String,
    /// The runs that arms were taken from.
    pub runs: Vec<RunEntry>,
    /// When the comparison was made (RFC 3339).
    pub created: String,
    /// Version of the program that made it.
    pub version: String,
    /// The command that made it.
    pub command: String,
    /// What times are measured in.
    pub axis: Axis,
    /// The moment that is compared.
    pub event: Event,
    /// The measure that serves as the axis of loss.
    pub loss: String,
    /// Probability of the intervals.
    pub level: f64,
    /// Bootstrap resamples of each interval.
    pub resamples: u64,
    /// Permutations of each test at most.
    pub permutations: u64,
    /// Keys of the configuration in which the arms differ.
    pub differing: Vec<String>,
    /// The arms, in order.
    pub arms: Vec<Arm>,
    /// Each stage in each arm.
    pub stages: Vec<StageFigures>,
    /// Each pair of arms in each stage.
    pub effects: Vec<Effect>,
    /// Dependence on a numeric knob, if there is one.
    pub dose: Option<Dose>,
    /// Measures along the axis.
    pub curves: Vec<MeasureCurves>,
    /// Measures at equal loss, if the axis is the loss.
    pub equal_loss: Option<EqualLoss>,
    /// The stages of every seed along the axis.
    pub timelines: Vec<Timeline>,
    /// One row for each arm, stage, seed and event.
    pub events: Vec<EventRow>,
    /// Paths through the space of outputs, of each run that has them.
    pub dynamics: Vec<Option<Dynamics>>,
    /// What the reader has to know, a sentence each.
    pub notes: Vec<String>,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunEntry {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Hash of what decided its weights.
    pub key: String,
}

/// What times are measured in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Optimizer updates.
    #[default]
    Step,
    /// Tokens trained on.
    Tokens,
    /// Repeated triggers trained on.
    Exposures,
    /// The least loss so far.
    Loss,
}

/// Which moment of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Its beginning.
    #[default]
    Onset,
    /// Half of its change.
    Half,
    /// Its end.
    End,
}

/// One arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Its run.
    pub run: String,
    /// Its value of the knob.
    pub dose: Option<f64>,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// Where the longest of its runs ends on the axis.
    pub last: f64,
    /// Repeated triggers in a sequence.
    pub repeats_per_sequence: Option<f64>,
}

/// One stage in every arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StageFigures {
    /// The stage.
    pub stage: String,
    /// In each arm.
    pub arms: Vec<ArmStage>,
}

/// One stage in one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArmStage {
    /// The arm.
    pub arm: String,
    /// Seeds in which it appeared.
    pub found: u64,
    /// Seeds in which it was looked for.
    pub seeds: u64,
    /// Share of them.
    pub share: Estimate,
    /// Median of its onset.
    pub onset: Estimate,
    /// Median of its half.
    pub half: Estimate,
    /// Median of its end.
    pub end: Estimate,
    /// Share of the seeds in which the event has not happened.
    pub survival: Option<Survival>,
}

/// A Kaplan–Meier curve: 1 before the first of `times`, `share[i]` from `times[i]` on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Survival {
    /// Times of events.
    pub times: Vec<f64>,
    /// Share from then on.
    pub share: Vec<f64>,
    /// Lower edge of the band.
    pub lo: Vec<f64>,
    /// Upper edge of the band.
    pub hi: Vec<f64>,
    /// Times at which waiting ended in vain.
    pub censored: Vec<f64>,
}

/// How two arms differ in one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// The stage.
    pub stage: String,
    /// The arm that is compared.
    pub arm: String,
    /// The arm it is compared with.
    pub against: String,
    /// Ratio of the medians; on the axis of loss their difference.
    pub medians: Estimate,
    /// Probability that a seed of `arm` is earlier.
    pub earlier: Estimate,
    /// p-value of the log-rank test.
    pub p: f64,
    /// The same, adjusted.
    pub p_holm: f64,
}

/// Dependence on a numeric knob.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dose {
    /// Its key.
    pub knob: String,
    /// Whether the fit is over its logarithm.
    pub log: bool,
    /// For each stage.
    pub fits: Vec<DoseFit>,
}

/// The fit of one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DoseFit {
    /// The stage.
    pub stage: String,
    /// Exponent or rate.
    pub slope: Estimate,
    /// Value of the line at 0.
    pub intercept: Option<f64>,
    /// Scatter about it.
    pub sigma: Option<f64>,
    /// Resamples without a line.
    pub lost: u64,
    /// Kendall's τ.
    pub tau: Option<f64>,
    /// Its p-value.
    pub tau_p: Option<f64>,
    /// Places where the line is drawn.
    pub x: Vec<f64>,
    /// The line with its band.
    pub y: Vec<Estimate>,
    /// Each seed: dose, time, whether it was observed.
    pub seeds: Vec<(f64, f64, bool)>,
    /// Why there is no line.
    pub why: Option<String>,
}

/// One measure of every arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeasureCurves {
    /// The measure.
    pub measure: String,
    /// The arms that have it.
    pub arms: Vec<(String, Curve)>,
}

/// A mean over seeds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// Places on the axis.
    pub x: Vec<f64>,
    /// Mean and interval.
    pub y: Vec<Estimate>,
    /// Seeds that were averaged.
    pub seeds: u64,
}

/// Measures at equal loss.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EqualLoss {
    /// The losses.
    pub levels: Vec<f64>,
    /// Each measure of each arm there.
    pub measures: Vec<LevelFigures>,
}

/// One measure of one arm at equal losses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LevelFigures {
    /// The measure.
    pub measure: String,
    /// The arm.
    pub arm: String,
    /// Seeds that have it.
    pub seeds: u64,
    /// Mean over seeds at each level.
    pub y: Vec<Estimate>,
}

/// The stages of the seeds of one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    /// The arm.
    pub arm: String,
    /// Each seed.
    pub seeds: Vec<SeedLine>,
}

/// The stages of one seed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeedLine {
    /// The seed.
    pub seed: u64,
    /// Name, start and end of each stage.
    pub stages: Vec<(String, f64, Option<f64>)>,
}

/// One event of one seed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRow {
    /// The arm.
    pub arm: String,
    /// The stage.
    pub stage: String,
    /// The seed.
    pub seed: u64,
    /// The event.
    pub event: Event,
    /// When, or until when it was waited for: in steps.
    pub step: f64,
    /// In tokens.
    pub tokens: Option<f64>,
    /// In repeated triggers.
    pub exposures: Option<f64>,
    /// In loss.
    pub loss: Option<f64>,
    /// Whether it happened.
    pub observed: bool,
}
