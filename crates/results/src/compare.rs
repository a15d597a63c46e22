//! What a comparison of arms gives.
//!
//! Times are on the comparison's [`Axis`], in its unit. A time that lies beyond the end of the runs
//! was not seen: it is absent or censored, never replaced by the last step.

use serde::{Deserialize, Serialize};

/// What the time of an event is measured in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Optimizer updates.
    #[default]
    Step,
    /// Tokens trained on.
    Tokens,
    /// Repeated triggers trained on: occurrences from which induction can be learned.
    Exposures,
    /// The least loss so far, in nats, which falls as training goes on.
    Loss,
}

/// Which moment of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The boundary it begins at.
    #[default]
    Onset,
    /// Where its own measure has covered half of its change over the stage.
    Half,
    /// The boundary it ends at.
    End,
}

impl Event {
    /// All, in the order of time.
    pub const ALL: [Self; 3] = [Self::Onset, Self::Half, Self::End];

    /// `onset`, `half` or `end`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Onset => "onset",
            Self::Half => "half",
            Self::End => "end",
        }
    }
}

/// A figure with its interval. What is absent lies beyond what was seen: a median that was not
/// reached by the end of the runs, an interval that goes on beyond them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub at: Option<f64>,
    /// Lower end.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
}

impl Estimate {
    /// A figure with its two ends; what is not finite becomes absent.
    pub fn new(at: f64, lo: f64, hi: f64) -> Self {
        let there = |v: f64| v.is_finite().then_some(v);
        Self {
            at: there(at),
            lo: there(lo),
            hi: there(hi),
        }
    }

    /// A mean with its interval, if it has one.
    pub fn of_mean((at, interval): (f64, Option<(f64, f64)>)) -> Self {
        let (lo, hi) = interval.unwrap_or((f64::NAN, f64::NAN));
        Self::new(at, lo, hi)
    }
}

/// Everything that was compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What times are measured in.
    pub axis: Axis,
    /// The moment that effects, survival curves and dose–response are about.
    pub event: Event,
    /// The measure that serves as the axis of loss.
    pub loss: String,
    /// Probability of the intervals.
    pub level: f64,
    /// Bootstrap resamples of each interval.
    pub resamples: usize,
    /// Permutations of each test at most.
    pub permutations: usize,
    /// The arms, in order.
    pub arms: Vec<Arm>,
    /// Each stage in each arm.
    pub stages: Vec<StageFigures>,
    /// Each pair of arms in each stage.
    pub effects: Vec<Effect>,
    /// Dependence on the knob, if there is one.
    pub dose: Option<Dose>,
    /// Measures along the axis.
    pub curves: Vec<MeasureCurves>,
    /// Measures at equal loss, if the axis is the loss.
    pub equal_loss: Option<EqualLoss>,
    /// The stages of every seed along the axis.
    pub timelines: Vec<Timeline>,
    /// One row for each arm, stage, seed and event.
    pub events: Vec<EventRow>,
}

/// One arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Its name, unique in the comparison.
    pub name: String,
    /// The run it belongs to.
    pub run: String,
    /// Its value of the knob.
    pub dose: Option<f64>,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// Where the longest of its runs ends on the axis; the least loss that any of its seeds comes
    /// down to.
    pub last: f64,
    /// Repeated triggers in a sequence, on average, of what it is first trained on.
    pub repeats_per_sequence: Option<f64>,
}

/// One stage in every arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFigures {
    /// Name of the stage.
    pub stage: String,
    /// In each arm.
    pub arms: Vec<ArmStage>,
}

/// One stage in one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmStage {
    /// The arm.
    pub arm: String,
    /// Seeds in which the stage appeared.
    pub found: usize,
    /// Seeds in which it was looked for.
    pub seeds: usize,
    /// Share of the seeds in which it appeared, with Wilson's interval.
    pub share: Estimate,
    /// Median of its onset (Kaplan–Meier) with the bootstrap interval.
    pub onset: Estimate,
    /// Median of its half.
    pub half: Estimate,
    /// Median of its end.
    pub end: Estimate,
    /// Share of the seeds in which the chosen event has not happened; empty where the stage has no
    /// such event.
    pub survival: Option<Survival>,
}

/// The product-limit estimate of the share that an event has not happened to (Kaplan and Meier
/// 1958).
///
/// A step function: 1 before the first of `times`, `share[i]` from `times[i]` on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// Times at which the event happened, ascending.
    pub times: Vec<f64>,
    /// Share that it has not happened to from then on.
    pub share: Vec<f64>,
    /// Lower edge of the pointwise band.
    pub lo: Vec<f64>,
    /// Upper edge of the pointwise band.
    pub hi: Vec<f64>,
    /// Times at which waiting ended in vain, ascending.
    pub censored: Vec<f64>,
}

impl Survival {
    /// Shares that differ by less are the same: rounding of a product of a few dozen ratios.
    pub const ROUNDING: f64 = 1e-9;

    /// The time by which the event has happened to half; infinite if it has not by the end.
    pub fn median(&self) -> f64 {
        let half = |share: &f64| *share <= 0.5 + Self::ROUNDING;
        let Some(i) = self.share.iter().position(half) else {
            return f64::INFINITY;
        };
        // Where exactly half is left until a next event, every time between is a median: the middle
        // is what an ordinary median of an even number takes.
        match self.times.get(i + 1) {
            Some(next) if self.share[i] >= 0.5 - Self::ROUNDING => 0.5 * (self.times[i] + next),
            _ => self.times[i],
        }
    }
}

/// How two arms differ in one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The stage.
    pub stage: String,
    /// The arm that is compared.
    pub arm: String,
    /// The arm it is compared with.
    pub against: String,
    /// Ratio of the median times, `arm` over `against`; on the axis of loss their difference in
    /// nats.
    pub medians: Estimate,
    /// Probability that a seed of `arm` is earlier than one of `against`.
    pub earlier: Estimate,
    /// p-value of the log-rank test by permutation.
    pub p: f64,
    /// The same, adjusted for the number of comparisons by Holm's method.
    pub p_holm: f64,
}

/// Dependence on a numeric knob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dose {
    /// Key of the knob.
    pub knob: String,
    /// Whether the fit is over its logarithm.
    pub log: bool,
    /// For each stage.
    pub fits: Vec<DoseFit>,
}

/// The fit of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoseFit {
    /// The stage.
    pub stage: String,
    /// Slope of ln time by ln dose (an exponent), or by dose (a rate) where the fit is not over its
    /// logarithm; of the loss itself where that is the axis.
    pub slope: Estimate,
    /// Value of the line at 0.
    pub intercept: Option<f64>,
    /// Scatter about it.
    pub sigma: Option<f64>,
    /// Resamples without a line of their own.
    pub lost: usize,
    /// Kendall's τ between dose and time.
    pub tau: Option<f64>,
    /// Its p-value by permutation.
    pub tau_p: Option<f64>,
    /// Places along the knob where the line is drawn.
    pub x: Vec<f64>,
    /// The median there, on the axis, with its band.
    pub y: Vec<Estimate>,
    /// Each seed: dose, time on the axis, and whether it was observed.
    pub seeds: Vec<(f64, f64, bool)>,
    /// Why there is no line, where there is none.
    pub why: Option<String>,
}

/// One measure of every arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasureCurves {
    /// The measure.
    pub measure: String,
    /// The arms that have it.
    pub arms: Vec<(String, Curve)>,
}

/// A mean over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Places on the axis, ascending.
    pub x: Vec<f64>,
    /// Mean over seeds with its interval, which is absent where there is one seed.
    pub y: Vec<Estimate>,
    /// Seeds that were averaged.
    pub seeds: usize,
}

/// Measures where arms have come down to the same loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EqualLoss {
    /// Losses that every seed of every arm reaches, descending.
    pub levels: Vec<f64>,
    /// Each measure of each arm there.
    pub measures: Vec<LevelFigures>,
}

/// One measure of one arm at equal losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelFigures {
    /// The measure; `step` for the step at which the loss was reached.
    pub measure: String,
    /// The arm.
    pub arm: String,
    /// Seeds that have it.
    pub seeds: usize,
    /// Mean over seeds at each level.
    pub y: Vec<Estimate>,
}

/// The stages of the seeds of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The arm.
    pub arm: String,
    /// Each seed.
    pub seeds: Vec<SeedLine>,
}

/// The stages of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedLine {
    /// The seed.
    pub seed: u64,
    /// Name, start and end of each stage on the axis; the last one has no end.
    pub stages: Vec<(String, f64, Option<f64>)>,
}

/// One event of one seed; the tidy table has a row for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
