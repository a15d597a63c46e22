//! `[training]`, `[[phases]]` and `[state]`: how weights come to be.

use std::path::PathBuf;

use ontogeny_data::SourceSpec;
use serde::{Deserialize, Serialize};

use super::validate::{Problem, at_least, at_most, fraction, not_negative, positive};

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    #[default]
    Adamw,
    /// Adam with weight decay as an L2 penalty, coupled to the moments (Kingma and Ba 2015).
    Adam,
    /// Stochastic gradient descent, with momentum if that is set.
    Sgd,
}

/// How the learning rate moves over the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// `lr` throughout.
    #[default]
    Constant,
    /// Linear rise to `lr` over the `warmup` steps, then constant.
    Warmup,
    /// Linear rise to `lr` over the `warmup` steps, then half a cosine down to `lr_end · lr`.
    Cosine,
    /// Linear rise to `lr` over the `warmup` steps, then linear down to `lr_end · lr`.
    OneCycle,
    /// From `lr_end · lr` up to `lr` and back again, in straight lines, every `period` steps (Smith
    /// 2017, triangular).
    Cyclic,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_no_chance(value: &f64) -> bool {
    *value == 0.0
}

/// The optimizer, its schedule and the length of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSection {
    /// Optimizer updates.
    pub steps: u64,
    /// Sequences in each update.
    pub batch: usize,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Learning rate at its height.
    pub lr: f64,
    /// Decay rates of Adam's and AdamW's two moments.
    pub betas: [f64; 2],
    /// Added to the root of Adam's and AdamW's second moment.
    pub eps: f64,
    /// Weight decay: of AdamW times the learning rate at each step, of the others added to the
    /// gradient.
    pub weight_decay: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Chance that a number of the residual stream is left out of an update: of the embedding, and
    /// of what each attention and each MLP adds.
    #[serde(skip_serializing_if = "is_no_chance")]
    pub dropout: f64,
    /// Greatest norm of a replica's gradient over all its parameters; 0 leaves it as it is.
    pub clip: f64,
    /// How the learning rate moves.
    pub schedule: LrSchedule,
    /// Steps over which the learning rate rises.
    pub warmup: u64,
    /// Learning rate at the last step as a fraction of `lr`, for `cosine` and `one_cycle`; the
    /// least for `cyclic`.
    pub lr_end: f64,
    /// Steps of a cycle of `cyclic`.
    #[serde(skip_serializing_if = "is_zero")]
    pub period: u64,
    /// A checkpoint to start from instead of drawn weights.
    pub start_from: Option<PathBuf>,
    /// Which of its replicas. Default: its only one.
    pub start_replica: Option<String>,
}

impl Default for TrainingSection {
    fn default() -> Self {
        Self {
            steps: 4000,
            batch: 32,
            optimizer: Optimizer::default(),
            lr: 1e-3,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            dropout: 0.0,
            clip: 0.0,
            schedule: LrSchedule::default(),
            warmup: 0,
            lr_end: 0.0,
            period: 0,
            start_from: None,
            start_replica: None,
        }
    }
}

/// A source that takes over at a step: `[[phases]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseSection {
    /// First step that is trained on it.
    #[serde(default)]
    pub at: u64,
    /// The source.
    pub data: SourceSpec,
}

/// When the state for resuming is kept, apart from the checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSection {
    /// Seconds between two states of which the last two are kept; 0 leaves it to `every`.
    pub seconds: f64,
    /// Steps between two such states; 0 leaves it to `seconds`.
    pub every: u64,
    /// Number of log-spaced states that are kept for good, so that a stretch can be replayed.
    pub log: usize,
}

impl Default for StateSection {
    fn default() -> Self {
        Self {
            seconds: 20.0,
            every: 0,
            log: 12,
        }
    }
}

impl TrainingSection {
    pub(super) fn validate(&self) -> Result<(), Problem> {
        at_least("training.steps", self.steps, 1)?;
        at_most("training.steps", self.steps, 1_000_000_000)?;
        at_least("training.batch", self.batch as u64, 1)?;
        at_most("training.batch", self.batch as u64, 1_000_000)?;
        positive("training.lr", self.lr)?;
        positive("training.eps", self.eps)?;
        not_negative("training.weight_decay", self.weight_decay)?;
        not_negative("training.clip", self.clip)?;
        for beta in self.betas {
            fraction("training.betas", beta, "each of ")?;
        }
        fraction("training.momentum", self.momentum, "")?;
        fraction("training.dropout", self.dropout, "")?;
        if self.momentum > 0.0 && self.optimizer != Optimizer::Sgd {
            return Err(Problem::new(
                "training.momentum",
                "`training.momentum` belongs to `optimizer = \"sgd\"`; for Adam and AdamW set the first \
                 of `training.betas`",
            )
            .or("training.optimizer"));
        }
        self.validate_schedule()?;
        if self.start_replica.is_some() && self.start_from.is_none() {
            return Err(Problem::new(
                "training.start_replica",
                "`training.start_replica` needs `training.start_from`, the checkpoint it is in",
            ));
        }
        Ok(())
    }

    fn validate_schedule(&self) -> Result<(), Problem> {
        not_negative("training.lr_end", self.lr_end)?;
        if self.lr_end > 1.0 {
            return Err(Problem::new(
                "training.lr_end",
                format!(
                    "`training.lr_end` is a fraction of `training.lr` and must be at most 1, \
                     found {}",
                    self.lr_end
                ),
            ));
        }
        let problem =
            |message: String| Err(Problem::new("training.warmup", message).or("training.schedule"));
        match self.schedule {
            LrSchedule::Constant if self.warmup > 0 => problem(format!(
                "`training.warmup` = {} has no effect with `schedule = \"constant\"`; \
                 use \"warmup\", \"cosine\" or \"one_cycle\"",
                self.warmup
            )),
            LrSchedule::Cyclic if self.warmup > 0 => problem(format!(
                "`training.warmup` = {} has no effect with `schedule = \"cyclic\"`, which begins at \
                 `lr_end`; leave it out",
                self.warmup
            )),
            LrSchedule::Cyclic if self.period < 2 => Err(Problem::new(
                "training.period",
                format!(
                    "`training.period`, the steps of a cycle, must be at least 2 with `schedule = \
                     \"cyclic\"`, found {}",
                    self.period
                ),
            )
            .or("training.schedule")),
            schedule if schedule != LrSchedule::Cyclic && self.period > 0 => Err(Problem::new(
                "training.period",
                "`training.period` belongs to `schedule = \"cyclic\"`",
            )
            .or("training.schedule")),
            LrSchedule::Warmup | LrSchedule::OneCycle if self.warmup == 0 => problem(
                "`training.warmup` must be at least 1 with the schedules \"warmup\" and \
                 \"one_cycle\", found 0"
                    .to_owned(),
            ),
            _ if self.warmup > self.steps => problem(format!(
                "`training.warmup` = {} is beyond the last step, {}",
                self.warmup, self.steps
            )),
            _ => Ok(()),
        }
    }
}

impl StateSection {
    pub(super) fn validate(&self) -> Result<(), Problem> {
        not_negative("state.seconds", self.seconds)?;
        at_most("state.log", self.log as u64, 1000)
    }
}
