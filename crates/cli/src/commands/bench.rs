//! `ontogeny bench`: how fast this machine trains, samples and analyses.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{SCHEMA, print_json};
use crate::arguments::BenchArguments;
use crate::bench::{self, Measured, Plan, Task, Workload};
use crate::place;

/// Numbers of replicas that a GPU is measured with, to show how it scales.
const SWEEP: [u32; 5] = [1, 2, 4, 8, 16];

/// `ontogeny bench`.
pub fn command(a: &BenchArguments, json: bool) -> Result<()> {
    anyhow::ensure!(
        a.seconds.is_finite() && a.seconds > 0.0,
        "--seconds is {}; it must be above 0",
        a.seconds
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = a.threads.map_or(cores, |t| t as usize);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("the threads could not be started")?;
    let chosen = place::device(&a.device)?;
    let replicas = match (&a.replicas, a.task) {
        (Some(replicas), _) => replicas.clone(),
        (None, Task::Analyze) => vec![1],
        (None, _) if !chosen.is_cpu() => SWEEP.to_vec(),
        (None, Task::Train) => vec![threads as u32],
        (None, Task::Sgld) => vec![4],
    };
    let mut workload = Workload::from(a.workload);
    workload.n_ctx = a.context.map_or(workload.n_ctx, |n| n as usize);
    workload.d_vocab = a.vocabulary.map_or(workload.d_vocab, |n| n as usize);
    let mut all = Vec::with_capacity(replicas.len());
    if !json {
        outln!(
            "{:?} {:?} on {} ({}), {threads} threads, {}",
            a.task,
            a.workload,
            chosen.entry.name,
            chosen.entry.description,
            ontogeny_kernels::instruction_set(),
        );
        outln!("{}", header());
    }
    for replicas in replicas {
        let plan = Plan {
            task: a.task,
            workload,
            replicas: replicas as usize,
            threads,
            time: Duration::from_secs_f64(a.seconds),
            checkpoints: a.checkpoints as usize,
        };
        let measured = bench::measure(&plan, &chosen)?;
        if !json {
            outln!("{}", line(&measured));
        }
        all.push(measured);
    }
    if json {
        print_json(&object(&all)?);
    }
    Ok(())
}

/// The last measurement's figures, and all of them where there are several.
fn object(all: &[Measured]) -> Result<Value> {
    let mut object = serde_json::to_value(all.last())?;
    object["schema"] = json!(SCHEMA);
    if all.len() > 1 {
        object["sweep"] = serde_json::to_value(all)?;
    }
    Ok(object)
}

fn header() -> String {
    format!(
        "{:>8} {:>12} {:>17} {:>13} {:>9} {:>9} {:>9} {:>9}",
        "replicas",
        "ms/step·repl",
        "10 % … 90 %",
        "chain-steps/s",
        "of matmul",
        "RSS MB",
        "GPU MB",
        "launches",
    )
}

fn line(m: &Measured) -> String {
    let number =
        |x: Option<f64>, digits: usize| x.map_or("–".into(), |x| format!("{x:.digits$}"));
    format!(
        "{:>8} {:>12.3} {:>17} {:>13} {:>9} {:>9} {:>9} {:>9}",
        m.replicas,
        m.ms_per_replica_step,
        format!("{:.3} … {:.3}", m.ms_p10, m.ms_p90),
        number(m.chain_steps_per_s, 1),
        m.matmul_share
            .map_or("–".into(), |s| format!("{:.0} %", s * 100.0)),
        number(m.peak_rss_mb, 0),
        number(m.device_mb, 1),
        number(m.launches_per_step, 0),
    )
}
