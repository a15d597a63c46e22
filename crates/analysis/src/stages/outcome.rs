use serde::{Deserialize, Serialize};

/// The place between two episodes of change where the speed is least.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

/// What a stage is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// The model comes as near to the bigram oracle as it ever does.
    Bigram,
    /// The model nears the trigram oracle and no longer the bigram one.
    Ngram,
    /// A previous-token head forms, without a behaviour that has a name of its own.
    PreviousToken,
    /// The loss after repeated triggers falls below what order-free statistics of the context can
    /// give.
    Induction,
    /// None of these.
    Unnamed,
}

impl StageName {
    /// The name as tables and JSON spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            StageName::Bigram => "bigram",
            StageName::Ngram => "ngram",
            StageName::PreviousToken => "previous_token",
            StageName::Induction => "induction",
            StageName::Unnamed => "unnamed",
        }
    }
}

/// A head score that rose during a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Standard error over the chains of the change between the checkpoints nearest to the stage's ends: chain by chain,
    /// since they share their noise.
    #[serde(default)]
    pub delta_llc_se: Option<f64>,
    /// The oracle that the model is nearest to at the stage's end, and the divergence from it in
    /// nats.
    pub nearest_oracle: Option<(String, f64)>,
    /// Head scores that rose, the largest rise first.
    pub heads_rising: Vec<HeadRise>,
    /// One sentence with the figures that decided the name.
    pub why: String,
}

/// A smoothed curve on an even grid of ln(step + 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Boundaries by step.
    pub boundaries: Vec<Boundary>,
    /// Stages by step, one more than boundaries; they cover the run without gaps.
    pub stages: Vec<Stage>,
    /// λ̂, loss and behaviour, smoothed.
    pub smooth: Vec<SmoothCurve>,
}
