//! Every measure at every checkpoint of every replica.
//!
//! Each result is written as soon as it is there, under the key of its causes; a second call finds
//! what the first one finished.

mod estimates;
mod follow;
mod jobs;
mod measures;
mod plan;
mod single;

pub use follow::Follower;
pub use plan::{GroupPlan, LlcData, LlcPlan, Plan, ReplicaPlan, Settings, Streams};
pub use single::llc_at;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use self::estimates::{SharedMinibatches, estimate_together, llc_measures, stacked_checkpoints};
use self::jobs::{Job, SharedFile};
use self::measures::{Probes, measures_of};
use crate::error::AnalysisError;
use crate::paired;
use crate::table::MeasureRow;

/// The methods behind the figures, as a report names them.
pub const METHOD: &str = "behaviour/2, llc/3";

/// Measures everything and returns the table, sorted by replica and step.
///
/// # Errors
/// The first thing that goes wrong; what was finished by then is on disk.
pub fn analyze<'a>(plan: &'a Plan<'a>) -> Result<Vec<MeasureRow>, AnalysisError> {
    let files = plan
        .groups
        .iter()
        .map(|group| {
            let entries = group.checkpoints.list()?;
            if entries.is_empty() {
                return Err(AnalysisError::NoCheckpoints(
                    group.checkpoints.path().to_owned(),
                ));
            }
            let shared = |entry| SharedFile {
                entry,
                content: Mutex::new(None),
                jobs_left: AtomicUsize::new(group.replicas.len()),
            };
            Ok(entries.into_iter().map(shared).collect())
        })
        .collect::<Result<Vec<Vec<SharedFile>>, AnalysisError>>()?;
    let every = plan.settings.llc.as_ref().map_or(1, |l| l.every.max(1));
    // The replicas of a file come one after the other.
    let mut jobs = Vec::new();
    for (group, files) in plan.groups.iter().zip(&files) {
        for (i, file) in files.iter().enumerate() {
            let there: HashSet<&String> = file.entry.replicas.iter().collect();
            for replica in &group.replicas {
                if !there.contains(&replica.name) {
                    return Err(AnalysisError::UnknownReplica {
                        path: file.entry.path.clone(),
                        replica: replica.name.clone(),
                    });
                }
                jobs.push(Job {
                    group,
                    replica,
                    file,
                    with_llc: replica.llc && (i % every == 0 || i + 1 == files.len()),
                });
            }
        }
    }
    let probes = Probes::new(plan);
    let shared = SharedMinibatches {
        seed: plan.settings.seed,
        device: &plan.chosen.device,
        known: Mutex::new(HashMap::new()),
    };
    let (finished, total) = (AtomicUsize::new(0), jobs.len());
    (plan.progress)(0, total);
    let one = |job: &Job<'a, '_>| -> Result<MeasureRow, AnalysisError> {
        if (plan.stop)() {
            return Err(AnalysisError::Interrupted);
        }
        let row = measure(plan, &probes, &shared, job)?;
        job.file.one_done();
        (plan.progress)(finished.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok(row)
    };
    // A GPU is one queue: jobs beside each other would only wait for one another.
    let rows: Vec<MeasureRow> = if plan.chosen.is_cpu() {
        jobs.par_iter().map(one).collect::<Result<_, _>>()
    } else {
        let llc = plan.settings.llc.as_ref();
        let mut rows = Vec::with_capacity(total);
        for jobs in jobs.chunks(llc.map_or(1, stacked_checkpoints)) {
            if (plan.stop)() {
                return Err(AnalysisError::Interrupted);
            }
            if let Some(llc) = llc {
                estimate_together(plan, llc, &shared, jobs)?;
            }
            for job in jobs {
                rows.push(one(job)?);
            }
        }
        Ok(rows)
    }?;
    // From files to replicas: a stable sort keeps the steps of each in their order.
    let names = plan.groups.iter().flat_map(|g| &g.replicas);
    let place: HashMap<&str, usize> = names.map(|r| r.name.as_str()).zip(0..).collect();
    let mut keyed: Vec<(usize, MeasureRow)> = rows
        .into_iter()
        .map(|row| (place[row.replica.as_str()], row))
        .collect();
    keyed.sort_by_key(|(place, _)| *place);
    let mut rows = keyed.into_iter().map(|(_, row)| row).collect::<Vec<_>>();
    paired::add_changes(&mut rows);
    Ok(rows)
}

/// All of one checkpoint's measures, as a row.
fn measure<'a>(
    plan: &'a Plan<'a>,
    probes: &Probes,
    shared: &SharedMinibatches<'a>,
    job: &Job<'a, '_>,
) -> Result<MeasureRow, AnalysisError> {
    let mut network = None;
    let mut measures = measures_of(plan, probes, job, &mut network)?;
    if let Some(llc) = plan.settings.llc.as_ref().filter(|_| job.with_llc) {
        measures.extend(llc_measures(plan, llc, shared, job, &mut network)?);
    }
    Ok(MeasureRow {
        step: job.file.entry.step.0,
        tokens: job.file.entry.step.0 * job.replica.tokens_per_step,
        replica: job.replica.name.clone(),
        values: measures.values,
        vectors: measures.vectors,
        words: measures.words,
    })
}
