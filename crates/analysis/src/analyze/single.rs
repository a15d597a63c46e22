//! λ̂ of one checkpoint of one replica, found where an analysis of the whole run keeps it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use ontogeny_store::{CheckpointEntry, Step};

use super::estimates::{SharedMinibatches, llc_measures};
use super::jobs::{Job, SharedFile};
use super::plan::{GroupPlan, Plan, ReplicaPlan};
use crate::error::AnalysisError;
use crate::table::MeasureRow;

/// λ̂ at one checkpoint, as a row of the table that holds nothing else. What the run's analysis
/// estimated under the same causes is read, and what is estimated here is kept for it.
///
/// # Errors
/// If the checkpoint does not hold the replica, and whatever goes wrong in reading or sampling.
///
/// # Panics
/// If the plan does not estimate λ̂.
pub fn llc_at<'a>(
    plan: &'a Plan<'a>,
    group: &'a GroupPlan,
    replica: &'a ReplicaPlan,
    entry: CheckpointEntry,
) -> Result<MeasureRow, AnalysisError> {
    let llc = plan.settings.llc.as_ref();
    assert!(llc.is_some(), "the plan estimates λ̂");
    if !entry.replicas.contains(&replica.name) {
        return Err(AnalysisError::UnknownReplica {
            path: entry.path,
            replica: replica.name.clone(),
        });
    }
    let Step(step) = entry.step;
    let file = SharedFile {
        entry,
        content: Mutex::new(None),
        jobs_left: AtomicUsize::new(1),
    };
    let job = Job {
        group,
        replica,
        file: &file,
        with_llc: true,
    };
    let shared = SharedMinibatches {
        seed: plan.settings.seed,
        device: &plan.chosen.device,
        known: Mutex::new(HashMap::new()),
    };
    let measures = match llc {
        Some(llc) => llc_measures(plan, llc, &shared, &job, &mut None)?,
        None => crate::Measures::default(),
    };
    Ok(MeasureRow {
        step,
        tokens: step * replica.tokens_per_step,
        replica: replica.name.clone(),
        values: measures.values,
        vectors: measures.vectors,
        words: measures.words,
    })
}
