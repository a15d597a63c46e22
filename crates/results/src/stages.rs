//! The stages of development that were found in a replica, and the boundaries between them.

mod name;

pub use name::{StageName, UnknownStage};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The place between two episodes of change where the speed is least.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// Step, the middle of the posterior.
    pub at: f64,
    /// Lower end of the interval, in steps.
    pub lo: f64,
    /// Upper end of the interval, in steps.
    pub hi: f64,
    /// Share of posterior paths that show it, in the view that shows it best.
    pub evidence: f64,
    /// Names of the views that show it; the first one places it.
    pub views: Vec<String>,
    /// Where each of those views shows it, in the same order: λ̂ and loss need not be slowest at
    /// the same step.
    #[serde(default)]
    pub places: Vec<ViewPlace>,
}

/// A boundary as one view shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewPlace {
    /// The view.
    pub view: String,
    /// Step, the middle of the valley of speed.
    pub at: f64,
    /// Lower end of the interval, in steps.
    pub lo: f64,
    /// Upper end of the interval, in steps.
    pub hi: f64,
    /// Share of posterior paths that show it.
    pub evidence: f64,
    /// Step at which the smoothed curve is slowest: what one reads off a plateau by eye. It has no
    /// interval, because it is hardly to be found where the valley is flat.
    #[serde(default)]
    pub slowest: f64,
}

/// Which way a curve went over a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up, by two standard errors of the change or more.
    Rising,
    /// Down, by as much.
    Falling,
    /// By less than two standard errors: the curve may have risen or fallen.
    Flat,
}

impl Direction {
    /// The direction of a change with its standard error.
    pub fn of(change: f64, error: f64) -> Direction {
        match change {
            c if c.abs() < 2.0 * error || c == 0.0 => Direction::Flat,
            c if c > 0.0 => Direction::Rising,
            _ => Direction::Falling,
        }
    }

    /// The word as JSON spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Rising => "rising",
            Direction::Falling => "falling",
            Direction::Flat => "flat",
        }
    }
}

/// A measure of behaviour that changed during a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// The measure, as in the table.
    pub measure: String,
    /// Its smoothed value at the stage's start, in nats.
    pub from: f64,
    /// The same at its end.
    pub to: f64,
}

/// A head score that rose during a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadRise {
    /// The head as `layer.head`.
    pub head: String,
    /// Which score: `previous_token`, `induction` or `recurrence`.
    pub score: String,
    /// The score at the stage's start.
    pub from: f64,
    /// The score at its end.
    pub to: f64,
}

/// One episode of change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// Step where it begins: the run's first, or a boundary.
    pub start: f64,
    /// Lower end of the interval of `start`.
    pub start_lo: f64,
    /// Upper end of the interval of `start`.
    pub start_hi: f64,
    /// Step where it ends; `None` for the last stage: only a later episode shows that an earlier
    /// one is over.
    pub end: Option<f64>,
    /// Lower end of the interval of `end`.
    pub end_lo: Option<f64>,
    /// Upper end of the interval of `end`.
    pub end_hi: Option<f64>,
    /// Change of the smoothed loss over the stage, in nats; 0 where no loss was measured.
    pub delta_loss: f64,
    /// Change of the smoothed λ̂ over the stage, where λ̂ was measured.
    pub delta_llc: Option<f64>,
    /// Standard error over the chains of the change between the checkpoints nearest to the stage's
    /// ends: chain by chain, since they share their noise.
    #[serde(default)]
    pub delta_llc_se: Option<f64>,
    /// Which way λ̂ went, by the larger of `delta_llc_se` and the smoothed curve's own error;
    /// `None` where it was not measured.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Which way the loss went, by the smoothed curve's error.
    #[serde(default)]
    pub loss_direction: Option<Direction>,
    /// The measures of behaviour that changed most, the greatest change first.
    #[serde(default)]
    pub signature: Vec<Shift>,
    /// Change over the stage of every smoothed curve that a view holds, by name, in the measure's
    /// units.
    #[serde(default)]
    pub delta: BTreeMap<String, f64>,
    /// The oracle that the model is nearest to at the stage's end, and the divergence from it in
    /// nats.
    pub nearest_oracle: Option<(String, f64)>,
    /// Head scores that rose, the largest rise first.
    pub heads_rising: Vec<HeadRise>,
    /// One sentence with the figures that decided the name.
    pub why: String,
}

/// A smoothed curve on an even grid of ln(step + 1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SmoothCurve {
    /// The measure.
    pub name: String,
    /// Steps of the grid.
    pub steps: Vec<f64>,
    /// Posterior mean, in the measure's units.
    pub mean: Vec<f64>,
    /// Lower edge of the band for the curve (not for a further measurement).
    pub lo: Vec<f64>,
    /// Upper edge of the band.
    pub hi: Vec<f64>,
    /// Posterior mean of d measure / d ln(step + 1).
    pub speed: Vec<f64>,
}

/// What was found in one replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Boundaries by step.
    pub boundaries: Vec<Boundary>,
    /// Stages by step, one more than boundaries; they cover the run without gaps.
    pub stages: Vec<Stage>,
    /// λ̂, loss and behaviour, smoothed.
    pub smooth: Vec<SmoothCurve>,
}

/// The stages of one replica of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaStages {
    /// Its name.
    pub replica: String,
    /// What was found.
    pub report: StageReport,
}
