//! The first part of a run: weights.

use anyhow::Result;
use ontogeny_model::device::Chosen;
use ontogeny_store::{RunFolder, Step};
use ontogeny_training::observer::Observer;
use ontogeny_training::{
    Interrupter, Run, TrainingError, TrainingOutcome, densify, missing, train,
};

use crate::online::{self, Clock};
use crate::{checks, place, watch};

/// Ends the monitor however training ends, be it by unwinding: the scope waits for its thread.
struct StopAtEnd<'a>(&'a Clock);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Trains beside a monitor that looks for stages in what is there so far.
fn watched(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    interrupter: &Interrupter,
    observer: Box<dyn Observer>,
) -> Result<TrainingOutcome> {
    let clock = Clock::default();
    let (monitor, mut watched) = online::pair(run, folder, chosen, &clock, observer)?;
    let outcome = beside(
        &clock,
        || monitor.watch(),
        || train(run, folder, chosen, interrupter, &mut watched),
    );
    Ok(outcome?)
}

/// Works, with `look` on a thread beside it that ends when `clock` stops. A panic of `look` ends
/// that thread alone.
fn beside<T>(clock: &Clock, look: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let looking = scope.spawn(look);
        let over = StopAtEnd(clock);
        let done = work();
        drop(over);
        if looking.join().is_err() {
            tracing::warn!("looking for stages during training broke off");
        }
        done
    })
}

/// Trains to the end, or to where a stop was asked for, and keeps how it ended.
pub fn train_in(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    plain: bool,
    interrupter: &Interrupter,
) -> Result<TrainingOutcome> {
    let observer = watch::training(&run.config.name, plain, interrupter);
    let mut outcome = if run.config.stages.online {
        watched(run, folder, chosen, interrupter, observer)?
    } else {
        let mut observer = observer;
        train(run, folder, chosen, interrupter, observer.as_mut())?
    };
    for notice in &outcome.notices {
        errln!("warning: {notice}");
    }
    if outcome.interrupted_at.is_none() {
        outcome.interrupted_at = restore(run, folder, chosen, interrupter)?;
    }
    let path = folder.root().join(super::analyze::TIMES);
    super::analyze::add_seconds(&path, "train", outcome.seconds)?;
    place::write_json(&folder.root().join(checks::ENDS), &outcome.replicas)?;
    for replica in &outcome.replicas {
        if let Some(step) = replica.frozen_at {
            errln!(
                "warning: {} stopped being finite at step {step} and was frozen there",
                replica.name
            );
        }
    }
    Ok(outcome)
}

/// Makes checkpoints again that the schedule has and that were deleted, bit for bit, and says so.
/// Returns where that was interrupted, if it was.
fn restore(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    interrupter: &Interrupter,
) -> Result<Option<Step>> {
    let lost = run
        .groups
        .iter()
        .map(|group| missing(run, group, folder))
        .collect::<Result<Vec<_>, _>>()?;
    if lost.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    for (group, steps) in run.groups.iter().zip(&lost).filter(|(_, s)| !s.is_empty()) {
        errln!(
            "warning: {}: {}; they were deleted, and are made again from the states that were kept",
            group.place(folder.checkpoints()).display(),
            checks::lacking(steps, run.schedule.steps().len())
        );
    }
    let mut observer = watch::replay();
    match densify(run, folder, &lost, chosen, interrupter, observer.as_mut()) {
        Ok(done) => Ok(done.iter().find_map(|group| group.interrupted_at)),
        // What is there is sound: only what was lost cannot be had again.
        Err(
            error @ (TrainingError::Replay { .. }
            | TrainingError::State { .. }
            | TrainingError::Store(_)),
        ) => {
            drop(observer);
            errln!("warning: they could not be made again, and stay missing: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// Panics, without the message.
    fn broken() {
        resume_unwind(Box::new("broken"));
    }

    #[test]
    fn training_outlives_a_monitor_that_panics() {
        let clock = Clock::default();
        assert_eq!(beside(&clock, broken, || 7), 7);
    }

    #[test]
    fn the_monitor_ends_with_a_training_that_panics() {
        let clock = Clock::default();
        let look = || {
            while !clock.is_over() {
                sleep(Duration::from_millis(1));
            }
        };
        let ended = catch_unwind(AssertUnwindSafe(|| beside(&clock, look, broken)));
        assert!(ended.is_err() && clock.is_over());
    }
}
