//! The work there is: checkpoints of replicas, and the files that hold them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ontogeny_data::{Source, Split};
use ontogeny_model::{Network, weights};
use ontogeny_store::{Checkpoint, CheckpointEntry, KeyBuilder};

use super::plan::{GroupPlan, LlcData, Plan, ReplicaPlan};
use crate::error::AnalysisError;

/// One checkpoint of one replica.
pub(super) struct Job<'a, 'f> {
    pub(super) group: &'a GroupPlan,
    pub(super) replica: &'a ReplicaPlan,
    pub(super) file: &'f SharedFile,
    pub(super) with_llc: bool,
}

/// A checkpoint's file, which holds every replica: read when the first job needs it, and forgotten
/// after the last. Were it read for each replica, the work would grow with the square of their
/// number.
pub(super) struct SharedFile {
    pub(super) entry: CheckpointEntry,
    pub(super) content: Mutex<Option<Arc<Checkpoint>>>,
    pub(super) jobs_left: AtomicUsize,
}

impl SharedFile {
    pub(super) fn content(&self) -> Result<Arc<Checkpoint>, AnalysisError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = &*content {
            return Ok(content.clone());
        }
        let (read, _) = Checkpoint::read(&self.entry.path)?;
        Ok(content.insert(Arc::new(read)).clone())
    }

    /// To be told at the end of every job.
    pub(super) fn one_done(&self) {
        if self.jobs_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.content.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

impl<'a> Job<'a, '_> {
    /// The source in force when the checkpoint was written.
    pub(super) fn source(&self) -> &'a Arc<Source> {
        let step = self.file.entry.step.0;
        let phase = self.replica.phases.iter().rposition(|(at, _)| *at <= step);
        &self.replica.phases[phase.unwrap_or(0)].1
    }

    /// The source and split that a setting names.
    pub(super) fn data(&self, plan: &'a Plan<'a>, data: &LlcData) -> (&'a Source, Split) {
        match data {
            LlcData::Source(split) => (self.source(), *split),
            LlcData::Eval(name) => {
                let eval = plan.evals.iter().find(|(n, _)| n == name);
                (eval.map_or(self.source(), |(_, s)| s), Split::HeldOut)
            }
        }
    }

    /// What every result of this checkpoint is keyed by.
    pub(super) fn key(&self, version: &str, plan: &Plan<'_>) -> KeyBuilder {
        KeyBuilder::new(version)
            .key("weights", &self.file.entry.hash)
            .text("replica", &self.replica.name)
            .text("device", &plan.chosen.entry.kind)
    }

    pub(super) fn network(&self, plan: &Plan<'_>) -> Result<Network, AnalysisError> {
        let own = self.file.content()?.alone(&self.replica.name)?;
        Ok(weights::from_checkpoint(
            &own,
            &self.file.entry.path,
            &plan.chosen.device,
        )?)
    }
}

/// The network of a job, read from disk when it is first needed.
pub(super) fn load<'n>(
    network: &'n mut Option<Network>,
    job: &Job<'_, '_>,
    plan: &Plan<'_>,
) -> Result<&'n Network, AnalysisError> {
    match network {
        Some(network) => Ok(network),
        None => Ok(network.insert(job.network(plan)?)),
    }
}
