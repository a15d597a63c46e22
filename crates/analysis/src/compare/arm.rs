//! What is compared: arms, their replicas, and the times of their events on an axis.

use ontogeny_results::compare::{Axis, Estimate, Event, EventRow, Survival};

use super::axis::Clock;
use super::error::CompareError;
use super::events::{BELOW_BAG, below_bag, moment};
use super::marks::marks;
use super::survival::Observation;
use crate::stages::{Stage, StageName};
use crate::table::MeasureRow;

/// Stages in the order in which they are listed; others follow in the order of [`StageName`].
const ORDER: [&str; 6] = [
    "unigram",
    "bigram",
    "ngram",
    "previous_token",
    "induction",
    BELOW_BAG,
];

/// One arm.
#[derive(Debug, Clone)]
pub struct ArmInput<'a> {
    /// Its name, unique among those compared.
    pub name: String,
    /// The run it belongs to.
    pub run: String,
    /// Its value of the knob, if there is one.
    pub dose: Option<f64>,
    /// From which step on how many repeated triggers an update sees, the first from 0.
    pub rates: Vec<(u64, f64)>,
    /// Repeated triggers in a sequence of its first source.
    pub repeats_per_sequence: f64,
    /// Its replicas.
    pub replicas: Vec<ReplicaInput<'a>>,
}

/// One replica.
#[derive(Debug, Clone)]
pub struct ReplicaInput<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its seed.
    pub seed: u64,
    /// Its rows, sorted by step; not empty.
    pub rows: &'a [MeasureRow],
    /// Its stages; `None` if none were sought in it.
    pub stages: Option<&'a [Stage]>,
}

/// A replica with its clock, and the [`marks`] of its table.
pub(super) struct Seed<'a> {
    pub input: &'a ReplicaInput<'a>,
    pub clock: Clock,
    marks: Vec<(String, Observation)>,
}

/// An axis, and how times on it become numbers that grow as training goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub axis: Axis,
    /// On the axis of loss a time is how far the loss has come down from here.
    pub top: f64,
}

impl Scale {
    /// The time of a step.
    pub fn time(self, clock: &Clock, step: f64) -> Option<f64> {
        let at = clock.on(self.axis, step)?;
        Some(match self.axis {
            Axis::Loss => self.top - at,
            _ => at,
        })
    }

    /// What is shown for a time.
    pub fn shown(self, time: f64) -> f64 {
        match self.axis {
            Axis::Loss => self.top - time,
            _ => time,
        }
    }

    /// What is shown for a figure among times with its ends: on the axis of loss they change
    /// places.
    pub fn estimate(self, (at, lo, hi): (f64, f64, f64)) -> Estimate {
        let (lo, hi) = match self.axis {
            Axis::Loss => (hi, lo),
            _ => (lo, hi),
        };
        Estimate::new(self.shown(at), self.shown(lo), self.shown(hi))
    }

    /// The same for a curve.
    pub fn survival(self, mut curve: Survival) -> Survival {
        for time in curve.times.iter_mut().chain(&mut curve.censored) {
            *time = self.shown(*time);
        }
        curve
    }
}

/// The replicas of each arm with their clocks.
///
/// # Errors
/// If an axis needs what an arm does not have.
pub(super) fn seeds<'a>(
    arms: &'a [ArmInput<'a>],
    axis: Axis,
    loss: &str,
) -> Result<(Vec<Vec<Seed<'a>>>, Scale), CompareError> {
    let mut top = f64::NEG_INFINITY;
    let mut all = Vec::with_capacity(arms.len());
    for arm in arms {
        if axis == Axis::Exposures && arm.rates.iter().all(|(_, rate)| *rate <= 0.0) {
            let arm = arm.name.clone();
            return Err(CompareError::NoExposures { arm });
        }
        let mut own = Vec::with_capacity(arm.replicas.len());
        for input in &arm.replicas {
            let clock = Clock::new(input.rows, &arm.rates, loss);
            match clock.loss_range() {
                Some((first, _)) => top = top.max(first),
                None if axis == Axis::Loss => return Err(no_loss(input, loss)),
                None => {}
            }
            let marks = marks(input.rows);
            own.push(Seed {
                input,
                clock,
                marks,
            });
        }
        all.push(own);
    }
    Ok((all, Scale { axis, top }))
}

fn no_loss(input: &ReplicaInput<'_>, loss: &str) -> CompareError {
    let names = input.rows.iter().flat_map(|r| r.values.keys());
    let mut there: Vec<&str> = names
        .filter(|n| *n == "loss" || n.starts_with("loss."))
        .map(String::as_str)
        .collect();
    there.sort_unstable();
    there.dedup();
    CompareError::NoLoss {
        measure: loss.to_owned(),
        replica: input.name.to_owned(),
        there: if there.is_empty() {
            "no loss at all".to_owned()
        } else {
            there.join(", ")
        },
    }
}

/// Names of the stages found in any replica, in the order in which they are listed; `below_bag` and
/// the [`marks`] if any table has them.
pub(super) fn stage_names(arms: &[Vec<Seed<'_>>]) -> Vec<String> {
    let replicas = || arms.iter().flatten();
    let found = replicas().filter_map(|s| s.input.stages).flatten();
    // What no criterion named is no stage that could be the same in two replicas.
    let mut names: Vec<String> = found
        .filter(|s| s.name != StageName::Unnamed)
        .map(|s| s.name.to_string())
        .collect();
    if replicas().any(|s| below_bag(s.input.rows).is_some()) {
        names.push(BELOW_BAG.to_owned());
    }
    let marks = replicas().flat_map(|s| &s.marks);
    names.extend(marks.map(|(name, _)| name.clone()));
    let rank = |name: &str| ORDER.iter().position(|o| *o == name).unwrap_or(ORDER.len());
    // What is no stage's name, a mark, comes after the stages.
    let by_name = |name: &String| match name.parse::<StageName>() {
        Ok(stage) => (rank(name), Some(stage), String::new()),
        Err(_) if name == BELOW_BAG => (rank(name), None, String::new()),
        Err(_) => (ORDER.len() + 1, None, name.clone()),
    };
    names.sort_by_cached_key(by_name);
    names.dedup();
    names
}

impl Seed<'_> {
    /// When an event of a stage happened, in steps; `None` if that cannot be said of this replica,
    /// or the stage has no such event.
    pub fn moment(&self, stage: &str, event: Event) -> Option<Observation> {
        match (stage, event) {
            (BELOW_BAG, Event::Onset) => below_bag(self.input.rows),
            (BELOW_BAG, _) => None,
            _ => match (stage.parse::<StageName>(), event) {
                (Ok(_), _) => moment(self.input.rows, self.input.stages?, stage, event),
                (Err(_), Event::Onset) => {
                    let mark = self.marks.iter().find(|(name, _)| name == stage);
                    mark.map(|(_, at)| *at)
                }
                (Err(_), _) => None,
            },
        }
    }

    /// Whether the run begins with an event: then it was not waited for, wherever the axis begins.
    pub fn begins_with(&self, stage: &str, event: Event) -> bool {
        let first = self.input.rows.first().map_or(0.0, |r| r.step as f64);
        self.moment(stage, event)
            .is_some_and(|o| o.observed && o.time <= first)
    }

    /// The moment of an event on an axis.
    pub fn time(&self, stage: &str, event: Event, scale: Scale) -> Option<Observation> {
        let moment = self.moment(stage, event)?;
        Some(Observation {
            time: scale.time(&self.clock, moment.time)?,
            ..moment
        })
    }

    /// A row of the tidy table.
    pub fn row(&self, arm: &ArmInput<'_>, stage: &str, event: Event) -> Option<EventRow> {
        let moment = self.moment(stage, event)?;
        let seen = arm.rates.iter().any(|(_, rate)| *rate > 0.0);
        Some(EventRow {
            arm: arm.name.clone(),
            stage: stage.to_owned(),
            seed: self.input.seed,
            event,
            step: moment.time,
            tokens: self.clock.tokens(moment.time),
            exposures: seen.then(|| self.clock.exposures(moment.time)),
            loss: self.clock.loss(moment.time),
            observed: moment.observed,
        })
    }
}
