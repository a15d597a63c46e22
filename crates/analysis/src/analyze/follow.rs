//! Measuring checkpoints one at a time, as a training run writes them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use ontogeny_store::CheckpointEntry;

use super::estimates::SharedMinibatches;
use super::jobs::{Job, SharedFile};
use super::measure;
use super::measures::Probes;
use super::plan::{GroupPlan, Plan};
use crate::error::AnalysisError;
use crate::table::MeasureRow;

/// Measures the checkpoints that it is shown, in any order.
///
/// Results are kept where [`analyze`](super::analyze) looks for them, so nothing is measured twice.
pub struct Follower<'a> {
    plan: &'a Plan<'a>,
    probes: Probes,
    shared: SharedMinibatches<'a>,
}

impl<'a> Follower<'a> {
    /// Prepares what all checkpoints share: held-out sequences, and the oracles' predictions there.
    pub fn new(plan: &'a Plan<'a>) -> Self {
        Self {
            plan,
            probes: Probes::new(plan),
            shared: SharedMinibatches {
                seed: plan.settings.seed,
                device: &plan.chosen.device,
                known: Mutex::new(HashMap::new()),
            },
        }
    }

    /// One row for each replica of a checkpoint of `group`, in the order of the plan; with `llc`
    /// also λ̂ of those replicas that are to have it.
    ///
    /// # Errors
    /// A file that cannot be read, a replica that it does not hold, a device that fails.
    pub fn measure(
        &self,
        group: &'a GroupPlan,
        entry: &CheckpointEntry,
        llc: bool,
    ) -> Result<Vec<MeasureRow>, AnalysisError> {
        let file = SharedFile {
            entry: entry.clone(),
            content: Mutex::new(None),
            jobs_left: AtomicUsize::new(group.replicas.len()),
        };
        let measured = group.replicas.iter().map(|replica| {
            if (self.plan.stop)() {
                return Err(AnalysisError::Interrupted);
            }
            let job = Job {
                group,
                replica,
                file: &file,
                with_llc: llc && replica.llc,
            };
            measure(self.plan, &self.probes, &self.shared, &job)
        });
        measured.collect()
    }
}
