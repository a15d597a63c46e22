//! The training loop.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use burn_train::Interrupter;
use ontogeny_data::{Examples, Split};
use ontogeny_model::device::Chosen;
use ontogeny_store::{
    Checkpoint, CheckpointEntry, CheckpointFolder, RunFolder, Schedule, ScheduleSpec, Series,
    StateFolder, Step, Stream,
};
use serde::{Deserialize, Serialize};

use crate::course::Course;
use crate::error::TrainingError;
use crate::lost_metrics::lost_metrics;
use crate::observer::{Observer, Progress};
use crate::run::{Group, Replica, Run};
use crate::schedule;
use crate::stack::{Outcome, ReplicaOutcome};

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
    /// What was found lost or damaged when the run was taken up, a sentence each.
    pub notices: Vec<String>,
}

impl TrainingOutcome {
    /// Whether every replica stopped being finite, so that nothing is left that could learn.
    pub fn all_frozen(&self) -> bool {
        !self.replicas.is_empty() && self.replicas.iter().all(|end| end.frozen_at.is_some())
    }
}

/// How one replica ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaEnd {
    /// Its name.
    pub name: String,
    /// Updates it has. Those after it was frozen do not count: its weights did not move any more.
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
    let mut notices = Vec::new();
    for group in &run.groups {
        let mut training = GroupTraining::begin(run, group, folder, chosen)?;
        notices.append(&mut training.notices);
        interrupted_at = training.steps(interrupter, observer)?;
        replicas.extend(training.ends()?);
        if interrupted_at.is_some() {
            break;
        }
    }
    Ok(TrainingOutcome {
        replicas,
        interrupted_at,
        seconds: begin.elapsed().as_secs_f64(),
        notices,
    })
}

/// One group on its way.
struct GroupTraining<'a> {
    run: &'a Run,
    course: Course<'a>,
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
    /// What was found lost or damaged.
    notices: Vec<String>,
}

impl<'a> GroupTraining<'a> {
    /// Draws the replicas, or takes them up where the latest state left them.
    fn begin(
        run: &'a Run,
        group: &'a Group,
        folder: &RunFolder,
        chosen: &Chosen,
    ) -> Result<Self, TrainingError> {
        let last = Step(group.training.steps);
        let checkpoints = group.checkpoints(run, folder)?;
        let states = StateFolder::create(group.place(folder.state()))?.of_run(run.key);

        let mut course = Course::start(group, chosen)?;
        let mut taken_up_at = None;
        if let Some((at, state)) = states.latest()? {
            course.take_up(at, &state).map_err(misfit(folder))?;
            tracing::info!(step = at.0, "taken up from a state");
            taken_up_at = Some(at);
        } else if let Some(fork) = &run.config.fork {
            return Err(misfit(folder)(format!(
                "there is none, and the run goes on from step {} of {}; `ontogeny fork` writes the one it begins with",
                fork.at,
                fork.run.display()
            )));
        }
        let step = course.step;
        let frozen = course.frozen_at()?;
        // Lines from `step` on are written again; other groups' lines stay.
        let names: HashSet<String> = group.names().into_iter().collect();
        let was_there = folder.metrics().exists();
        let resumed = Series::resume(&folder.metrics(), |line| {
            let ours = line["replica"].as_str().is_some_and(|r| names.contains(r));
            !ours || line["step"].as_u64().is_some_and(|s| s < step.0)
        })?;
        let metrics_at = Schedule::build(
            &ScheduleSpec {
                log: METRICS_LOG,
                every: METRICS_EVERY,
                at: vec![last.0.saturating_sub(1)],
            },
            last,
        );
        let first = Step(run.config.fork.as_ref().map_or(0, |fork| fork.at));
        let expected = metrics_at.steps().iter().copied();
        let expected: Vec<Step> = expected.filter(|&at| first <= at && at < step).collect();
        let notices = lost_metrics(group, folder, &expected, &resumed, was_there);
        Ok(Self {
            run,
            course,
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
            metrics_at,
            metrics: resumed.series,
            frozen,
            taken_up_at,
            notices,
        })
    }

    /// The loop. Returns the step at which it was interrupted, if it was.
    fn steps(
        &mut self,
        interrupter: &Interrupter,
        observer: &mut dyn Observer,
    ) -> Result<Option<Step>, TrainingError> {
        let names = self.course.group.names();
        observer.begin(&names, self.course.step, self.last);
        let mut state_written = Instant::now();
        loop {
            let step = self.course.step;
            let done = step == self.last;
            let stopping = !done && interrupter.should_stop();
            let taken_up = self.taken_up_at == Some(step);
            let known = taken_up && self.checkpoints.path_of(step).exists();
            if self.run.schedule.contains(step) && !known {
                observer.checkpoint(&self.write_checkpoint()?);
            }
            let due = done || stopping || self.state_is_due(state_written.elapsed());
            if due && !taken_up {
                self.write_state()?;
                state_written = Instant::now();
            }
            if done || stopping {
                observer.end(step, stopping);
                return Ok(stopping.then_some(step));
            }
            let outcomes = self.course.update();
            if self.metrics_at.contains(step) {
                self.write_metrics(step, &outcomes, observer)?;
            }
            observer.step(self.course.step);
        }
    }

    fn write_metrics(
        &mut self,
        step: Step,
        outcomes: &[Outcome],
        observer: &mut dyn Observer,
    ) -> Result<(), TrainingError> {
        let group = self.course.group;
        let mut all: Vec<ReplicaOutcome> = Vec::with_capacity(group.replicas.len());
        for outcome in outcomes {
            all.extend(outcome.read()?);
        }
        let training = &group.training;
        let factor = schedule::rate(training, step.0);
        let tokens = tokens_seen(group, step);
        for ((replica, outcome), known) in group.replicas.iter().zip(&all).zip(&mut self.frozen) {
            if known.is_none() && outcome.frozen_at.is_some() {
                *known = outcome.frozen_at;
                observer.frozen(&replica.entry.name, outcome.frozen_at.unwrap_or(step.0));
            }
            self.metrics.append(&MetricsLine {
                step,
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
            step,
            last: self.last,
            tokens,
            losses: &losses,
        });
        Ok(())
    }

    fn write_checkpoint(&self) -> Result<CheckpointEntry, TrainingError> {
        let entry = self
            .checkpoints
            .write(&checkpoint(&self.course, &self.checkpoints)?)?;
        tracing::debug!(step = entry.step.0, hash = %entry.hash.short(), "checkpoint written");
        Ok(entry)
    }

    fn state_is_due(&self, since: Duration) -> bool {
        let state = &self.run.config.state;
        let step = self.course.step;
        self.kept.contains(step)
            || (state.every > 0 && step.0.is_multiple_of(state.every))
            || (state.seconds > 0.0 && since.as_secs_f64() >= state.seconds)
    }

    /// Metrics first: a state must never be newer than the lines before it.
    fn write_state(&mut self) -> Result<(), TrainingError> {
        self.metrics.flush()?;
        let step = self.course.step;
        let keep = self.kept.contains(step);
        self.states.write(step, &self.course.state()?, keep)?;
        Ok(())
    }

    fn ends(&self) -> Result<Vec<ReplicaEnd>, TrainingError> {
        let frozen = self.course.frozen_at()?;
        let ends = self
            .course
            .group
            .replicas
            .iter()
            .zip(frozen)
            .map(|(replica, frozen_at)| ReplicaEnd {
                name: replica.entry.name.clone(),
                final_step: frozen_at.map_or(self.course.step, Step),
                frozen_at,
            });
        Ok(ends.collect())
    }
}

/// The checkpoint of where a group stands.
pub(crate) fn checkpoint(
    course: &Course<'_>,
    checkpoints: &CheckpointFolder,
) -> Result<Checkpoint, TrainingError> {
    Ok(Checkpoint {
        step: course.step,
        replicas: course.group.names(),
        config: checkpoints.config().clone(),
        tensors: course.weights()?,
    })
}

/// The error of a state that is not what the run needs.
pub(crate) fn misfit(folder: &RunFolder) -> impl Fn(String) -> TrainingError {
    let path = folder.state();
    move |reason| TrainingError::State {
        path: path.clone(),
        reason,
    }
}

/// The batch of a replica's update after `step` updates.
pub fn batch(replica: &Replica, step: u64, rows: usize) -> Examples {
    let stream = training_stream(replica.entry.seed);
    replica
        .source(step)
        .examples(Split::Train, &stream, step, rows)
}

/// The stream of a seed's training batches, indexed by step. Arms of one seed see the same draws.
pub fn training_stream(seed: u64) -> Stream {
    Stream::new(seed, "training batches", &[])
}

/// Tokens each replica of the group was trained on after `step` updates.
pub fn tokens_seen(group: &Group, step: Step) -> u64 {
    step.0 * group.training.batch as u64 * group.network.n_ctx() as u64
}

fn finite(x: f32) -> Option<f32> {
    x.is_finite().then_some(x)
}
