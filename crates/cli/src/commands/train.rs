//! The first part of a run: weights.

use anyhow::Result;
use ontogeny_model::device::Chosen;
use ontogeny_store::RunFolder;
use ontogeny_training::{Interrupter, Run, TrainingOutcome, train};

use crate::{place, watch};

/// Trains to the end, or to where Ctrl-C was pressed, and keeps how it ended.
pub fn train_in(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    plain: bool,
    interrupter: &Interrupter,
) -> Result<TrainingOutcome> {
    let mut observer = watch::training(&run.config.name, plain, interrupter);
    let outcome = train(run, folder, chosen, interrupter, observer.as_mut())?;
    drop(observer);
    let path = folder.root().join(super::analyze::TIMES);
    super::analyze::add_seconds(&path, "train", outcome.seconds)?;
    place::write_json(&folder.root().join("training.json"), &outcome.replicas)?;
    for replica in &outcome.replicas {
        if let Some(step) = replica.frozen_at {
            eprintln!(
                "warning: {} stopped being finite at step {step} and was frozen there",
                replica.name
            );
        }
    }
    Ok(outcome)
}
