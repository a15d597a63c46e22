//! The training loop.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use burn_train::Interrupter;
use ontogeny_data::{Sequences, Split};
use ontogeny_model::device::Chosen;
use ontogeny_model::{Transformer, init, weights};
use ontogeny_store::{
    Checkpoint, CheckpointEntry, CheckpointFolder, RunFolder, Schedule, ScheduleSpec, Series,
    StateFolder, Step, Stream, TensorFile,
};
use serde::{Deserialize, Serialize};

use crate::config::Optimizer as Rule;
use crate::error::TrainingError;
use crate::observer::{Observer, Progress};
use crate::optimizer::Optimizer;
use crate::run::{Group, Replica, Run};
use crate::schedule;
use crate::stack::{Hyper, Outcome, ReplicaOutcome, Stack, column, join, update_all};

/// Metrics are written at about this many log-spaced steps, and at every [`METRICS_EVERY`]th.
const METRICS_LOG: usize = 200;
/// Steps between two lines of metrics, later in training.
const METRICS_EVERY: u64 = 10;

/// How training ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingOutcome {
    /// Each replica's name and the updates it has.
    pub replicas: Vec<ReplicaEnd>,
    /// The step at which it was interrupted; `None` if it is complete.
    pub interrupted_at: Option<Step>,
    /// Seconds spent, in this call.
    pub seconds: f64,
}

/// How one replica ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaEnd {
    /// Its name.
    pub name: String,
    /// Updates it has.
    pub final_step: Step,
    /// The update at which its loss or gradient stopped being finite, if it did.
    pub frozen_at: Option<u64>,
}

/// One line of `metrics.jsonl`: a batch before its update.
#[derive(Debug, Clone, Serialize)]
struct MetricsLine<'a> {
    step: Step,
    tokens: u64,
    replica: &'a str,
    loss: Option<f32>,
    gradient_norm: Option<f32>,
    learning_rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_at: Option<u64>,
}

/// Trains every replica of the run to its last step, from the latest state if there is one.
///
/// # Errors
/// Anything that keeps the folder from being read or written, or the device from computing.
pub fn train(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    interrupter: &Interrupter,
    observer: &mut dyn Observer,
) -> Result<TrainingOutcome, TrainingError> {
    let begin = Instant::now();
    let (mut replicas, mut interrupted_at) = (Vec::new(), None);
    for (index, group) in run.groups.iter().enumerate() {
        let mut training = GroupTraining::begin(run, index, folder, chosen)?;
        interrupted_at = training.steps(interrupter, observer)?;
        replicas.extend(training.ends()?);
        debug_assert_eq!(group.replicas.len(), training.group.replicas.len());
        if interrupted_at.is_some() {
            break;
        }
    }
    Ok(TrainingOutcome {
        replicas,
        interrupted_at,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

/// One group on its way.
struct GroupTraining<'a> {
    run: &'a Run,
    group: &'a Group,
    stacks: Vec<Stack>,
    step: Step,
    last: Step,
    checkpoints: CheckpointFolder,
    states: StateFolder,
    kept: Schedule,
    metrics_at: Schedule,
    metrics: Series,
    /// What each replica's freezing is known to be, so that it is announced once.
    frozen: Vec<Option<u64>>,
    /// The step that a state on disk took it up at: all of it is written already.
    taken_up_at: Option<Step>,
}

impl<'a> GroupTraining<'a> {
    /// Draws the replicas, or takes them up where the latest state left them.
    fn begin(
        run: &'a Run,
        index: usize,
        folder: &RunFolder,
        chosen: &Chosen,
    ) -> Result<Self, TrainingError> {
        let group = &run.groups[index];
        let last = Step(group.training.steps);
        let checkpoints = group.checkpoints(folder)?;
        let states = StateFolder::create(group.place(folder.state()))?;

        let mut stacks = stacks(group, chosen)?;
        let mut taken_up_at = None;
        if let Some((at, state)) = states.latest()? {
            let mut first = 0;
            for stack in &mut stacks {
                stack
                    .restore(&state.tensors, first)
                    .map_err(|reason| TrainingError::State {
                        path: folder.state(),
                        reason,
                    })?;
                first += stack.network().replicas();
            }
            tracing::info!(step = at.0, "taken up from a state");
            taken_up_at = Some(at);
        }
        let step = taken_up_at.unwrap_or_default();
        let frozen = frozen_at(&stacks)?;
        // Lines from `step` on are written again; other groups' lines stay.
        let names: HashSet<String> = group.names().into_iter().collect();
        let metrics = Series::create_or_truncate_after(&folder.metrics(), |line| {
            let ours = line["replica"].as_str().is_some_and(|r| names.contains(r));
            !ours || line["step"].as_u64().is_some_and(|s| s < step.0)
        })?;
        Ok(Self {
            run,
            group,
            stacks,
            step,
            last,
            checkpoints,
            states,
            kept: Schedule::build(
                &ScheduleSpec {
                    log: run.config.state.log,
                    ..Default::default()
                },
                last,
            ),
            metrics_at: Schedule::build(
                &ScheduleSpec {
                    log: METRICS_LOG,
                    every: METRICS_EVERY,
                    at: vec![last.0.saturating_sub(1)],
                },
                last,
            ),
            metrics,
            frozen,
            taken_up_at,
        })
    }

    /// The loop. Returns the step at which it was interrupted, if it was.
    fn steps(
        &mut self,
        interrupter: &Interrupter,
        observer: &mut dyn Observer,
    ) -> Result<Option<Step>, TrainingError> {
        let names = self.group.names();
        observer.begin(&names, self.step, self.last);
        let mut state_written = Instant::now();
        loop {
            let done = self.step == self.last;
            let stopping = !done && interrupter.should_stop();
            let taken_up = self.taken_up_at == Some(self.step);
            let known = taken_up && self.checkpoints.path_of(self.step).exists();
            if self.run.schedule.contains(self.step) && !known {
                observer.checkpoint(&self.write_checkpoint()?);
            }
            let due = done || stopping || self.state_is_due(state_written.elapsed());
            if due && !taken_up {
                self.write_state()?;
                state_written = Instant::now();
            }
            if done || stopping {
                observer.end(self.step, stopping);
                return Ok(stopping.then_some(self.step));
            }
            let outcomes = self.update();
            if self.metrics_at.contains(self.step) {
                self.write_metrics(&outcomes, observer)?;
            }
            self.step = Step(self.step.0 + 1);
            observer.step(self.step);
        }
    }

    /// One update of every replica. Each draws its own batch: a function of its seed and the step.
    fn update(&mut self) -> Vec<Outcome> {
        let (step, training) = (self.step.0, &self.group.training);
        let rate = schedule::rate(training, step);
        // Stacks are of one size, but for the last.
        let size = self.stacks[0].network().replicas();
        let replicas = &self.group.replicas;
        update_all(&mut self.stacks, step, rate, |stack| {
            let own = replicas.iter().skip(stack * size).take(size);
            own.map(|r| batch(r, step, training.batch)).collect()
        })
    }

    fn write_metrics(
        &mut self,
        outcomes: &[Outcome],
        observer: &mut dyn Observer,
    ) -> Result<(), TrainingError> {
        let mut all: Vec<ReplicaOutcome> = Vec::with_capacity(self.group.replicas.len());
        for outcome in outcomes {
            all.extend(outcome.read()?);
        }
        let training = &self.group.training;
        let factor = schedule::rate(training, self.step.0);
        let tokens = tokens_seen(self.group, self.step);
        for ((replica, outcome), known) in
            self.group.replicas.iter().zip(&all).zip(&mut self.frozen)
        {
            if known.is_none() && outcome.frozen_at.is_some() {
                *known = outcome.frozen_at;
                observer.frozen(
                    &replica.entry.name,
                    outcome.frozen_at.unwrap_or(self.step.0),
                );
            }
            self.metrics.append(&MetricsLine {
                step: self.step,
                tokens,
                replica: &replica.entry.name,
                loss: finite(outcome.loss),
                gradient_norm: finite(outcome.gradient_norm),
                learning_rate: replica.config.training.lr * factor,
                frozen_at: outcome.frozen_at,
            })?;
        }
        let losses: Vec<f32> = all.iter().map(|o| o.loss).collect();
        observer.metrics(&Progress {
            step: self.step,
            last: self.last,
            tokens,
            losses: &losses,
        });
        Ok(())
    }

    fn write_checkpoint(&self) -> Result<CheckpointEntry, TrainingError> {
        let stacks = self
            .stacks
            .iter()
            .map(|s| weights::to_named(s.network()))
            .collect::<Result<Vec<_>, _>>()?;
        let entry = self.checkpoints.write(&Checkpoint {
            step: self.step,
            replicas: self.group.names(),
            config: self.checkpoints.config().clone(),
            tensors: join(stacks),
        })?;
        tracing::debug!(step = self.step.0, hash = %entry.hash.short(), "checkpoint written");
        Ok(entry)
    }

    fn state_is_due(&self, since: Duration) -> bool {
        let state = &self.run.config.state;
        self.kept.contains(self.step)
            || (state.every > 0 && self.step.0.is_multiple_of(state.every))
            || (state.seconds > 0.0 && since.as_secs_f64() >= state.seconds)
    }

    /// Metrics first: a state must never be newer than the lines before it.
    fn write_state(&mut self) -> Result<(), TrainingError> {
        self.metrics.flush()?;
        let stacks = self
            .stacks
            .iter()
            .map(Stack::state)
            .collect::<Result<Vec<_>, _>>()?;
        let file = TensorFile {
            metadata: [("step".to_owned(), self.step.0.to_string())].into(),
            tensors: join(stacks),
        };
        self.states
            .write(self.step, &file, self.kept.contains(self.step))?;
        Ok(())
    }

    fn ends(&self) -> Result<Vec<ReplicaEnd>, TrainingError> {
        let frozen = frozen_at(&self.stacks)?;
        let ends = self
            .group
            .replicas
            .iter()
            .zip(frozen)
            .map(|(replica, frozen_at)| ReplicaEnd {
                name: replica.entry.name.clone(),
                final_step: self.step,
                frozen_at,
            });
        Ok(ends.collect())
    }
}

/// The step at which each replica was frozen, stack by stack.
fn frozen_at(stacks: &[Stack]) -> Result<Vec<Option<u64>>, TrainingError> {
    let mut all = Vec::new();
    for stack in stacks {
        all.extend(stack.frozen_at()?);
    }
    Ok(all)
}

/// The batch of a replica's update after `step` updates.
pub fn batch(replica: &Replica, step: u64, rows: usize) -> Sequences {
    let stream = training_stream(replica.entry.seed);
    replica
        .source(step)
        .sequences(Split::Train, &stream, step, rows)
}

/// The stream of a seed's training batches, indexed by step. Arms of one seed see the same draws.
pub fn training_stream(seed: u64) -> Stream {
    Stream::new(seed, "training batches", &[])
}

/// Tokens each replica of the group was trained on after `step` updates.
pub fn tokens_seen(group: &Group, step: Step) -> u64 {
    step.0 * group.training.batch as u64 * group.network.n_ctx as u64
}

fn finite(x: f32) -> Option<f32> {
    x.is_finite().then_some(x)
}

/// The stacks of a group before their first update: one for each replica on a CPU, so that threads
/// share them out; one for all on a GPU, so that one pass moves them.
fn stacks(group: &Group, chosen: &Chosen) -> Result<Vec<Stack>, TrainingError> {
    let size = if chosen.is_cpu() {
        1
    } else {
        group.replicas.len()
    };
    group
        .replicas
        .chunks(size)
        .map(|replicas| {
            Ok(Stack::new(
                start(group, replicas, &chosen.device)?,
                hyper(group, replicas, &chosen.device),
            ))
        })
        .collect()
}

/// The weights that replicas begin with: drawn, or those of a checkpoint.
fn start(
    group: &Group,
    replicas: &[Replica],
    device: &Device,
) -> Result<Transformer, TrainingError> {
    let config = &group.network;
    let parts = replicas
        .iter()
        .map(|replica| match &replica.start {
            Some(tensors) => weights::from_named(config, 1, tensors, device).map_err(|reason| {
                TrainingError::Start {
                    path: replica
                        .config
                        .training
                        .start_from
                        .clone()
                        .unwrap_or_default(),
                    reason,
                }
            }),
            None => {
                let stream = Stream::new(replica.entry.seed, "initial weights", &[]);
                Ok(init::draw(
                    config,
                    &[(replica.config.model.init, stream)],
                    device,
                ))
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Transformer::stack(parts))
}

fn hyper(group: &Group, replicas: &[Replica], device: &Device) -> Hyper {
    let t = &group.training;
    let per_replica = |f: fn(&Replica) -> f64| {
        let values: Vec<f64> = replicas.iter().map(f).collect();
        column(&values, device)
    };
    Hyper {
        optimizer: match t.optimizer {
            Rule::Adamw => Optimizer::AdamW {
                beta1: t.betas[0],
                beta2: t.betas[1],
                epsilon: t.eps,
            },
            Rule::Sgd => Optimizer::Sgd {
                momentum: t.momentum,
            },
        },
        learning_rate: per_replica(|r| r.config.training.lr),
        weight_decay: per_replica(|r| r.config.training.weight_decay),
        clip: per_replica(|r| r.config.training.clip),
    }
}
