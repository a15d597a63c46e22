//! What `ontogeny bench` measures: time per replica-step, against the machine's own matrix
//! products.
//!
//! Workloads are networks of fixed shape on random tokens made beforehand, so that the same can be
//! timed in other programs (`benches/peers`).

mod analyze;
mod machine;
mod sgld;
mod train;
mod workload;

use std::time::{Duration, Instant};

use anyhow::Result;
use ontogeny_model::device::Chosen;
use serde::Serialize;

pub use workload::{Named, Workload};

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Updates of networks in training.
    Train,
    /// Steps of the sampler's chains.
    Sgld,
    /// Everything that is measured of a checkpoint.
    Analyze,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What.
    pub task: Task,
    /// Of which networks.
    pub workload: Workload,
    /// Networks in training, or chains.
    pub replicas: usize,
    /// Threads of the CPU.
    pub threads: usize,
    /// For about how long.
    pub time: Duration,
    /// Checkpoints whose analysis is timed.
    pub checkpoints: usize,
}

/// What was measured. Figures that a task does not have are `None`.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What was timed.
    pub task: Task,
    /// The workload.
    pub workload: Workload,
    /// Networks or chains at once.
    pub replicas: usize,
    /// Checkpoints, where their analysis was timed.
    pub checkpoints: Option<usize>,
    /// Threads of the CPU.
    pub threads: usize,
    /// Device, as `--device` names it.
    pub device: String,
    /// Vector instructions of the fused operations.
    pub instructions: &'static str,
    /// Version of this program.
    pub version: &'static str,
    /// Steps that were timed.
    pub steps: usize,
    /// Median of milliseconds for one step of one replica, all replicas at work.
    pub ms_per_replica_step: f64,
    /// 10th percentile.
    pub ms_p10: f64,
    /// 90th percentile.
    pub ms_p90: f64,
    /// Steps of all chains in a second.
    pub chain_steps_per_s: Option<f64>,
    /// Arithmetic of one replica-step in GFLOP, the masked half of attention counted.
    pub gflop_per_replica_step: f64,
    /// The machine's matrix products at the shape of this workload, all threads busy, in GFLOP/s.
    pub matmul_gflops: Option<f64>,
    /// Share of that rate that the step reached.
    pub matmul_share: Option<f64>,
    /// Largest memory of this process so far, in MB.
    pub peak_rss_mb: Option<f64>,
    /// Memory of the device in use, in MB.
    pub device_mb: Option<f64>,
    /// Kernels started on the device for one step of all replicas.
    pub launches_per_step: Option<f64>,
}

/// Runs one plan.
///
/// # Errors
/// If the device fails.
pub fn measure(plan: &Plan, chosen: &Chosen) -> Result<Measured> {
    let times = match plan.task {
        Task::Train => train::time(plan, chosen)?,
        Task::Sgld => sgld::time(plan, chosen)?,
        Task::Analyze => analyze::time(plan, chosen)?,
    };
    let peak = machine::peak_rss_mb();
    let on_cpu = chosen.is_cpu();
    let rate = on_cpu.then(|| {
        ontogeny_kernels::machine::product_rate(
            plan.workload.projection(),
            plan.threads,
            Duration::from_secs(2),
        )
    });
    let gflop = plan.workload.step_flop() / 1e9;
    let median = times.quantile(0.5);
    Ok(Measured {
        task: plan.task,
        workload: plan.workload,
        replicas: plan.replicas,
        checkpoints: (plan.task == Task::Analyze).then_some(plan.checkpoints),
        threads: plan.threads,
        device: chosen.entry.name.clone(),
        instructions: ontogeny_kernels::instruction_set(),
        version: env!("CARGO_PKG_VERSION"),
        steps: times.steps,
        ms_per_replica_step: median,
        ms_p10: times.quantile(0.1),
        ms_p90: times.quantile(0.9),
        chain_steps_per_s: (plan.task != Task::Train)
            .then(|| (times.steps * plan.replicas) as f64 / times.seconds),
        gflop_per_replica_step: gflop,
        matmul_gflops: rate,
        matmul_share: rate
            .filter(|_| plan.task != Task::Analyze)
            .map(|rate| gflop / (median / 1e3) / rate),
        peak_rss_mb: peak,
        device_mb: times.device_mb,
        launches_per_step: times.launches_per_step,
    })
}

/// Times of windows of steps.
#[derive(Debug, Default)]
struct Times {
    /// Milliseconds for one step of one replica, sorted.
    ms: Vec<f64>,
    steps: usize,
    device_mb: Option<f64>,
    launches_per_step: Option<f64>,
    /// Seconds of all windows together.
    seconds: f64,
}

impl Times {
    /// Calls `window` for about the plan's time, after a first call that does not count: it makes
    /// `steps` steps of every replica each time.
    fn take(
        plan: &Plan,
        steps: usize,
        chosen: &Chosen,
        mut window: impl FnMut() -> Result<()>,
    ) -> Result<Self> {
        Self::take_after(plan, steps, chosen, || Ok(()), |()| window())
    }

    /// As [`take`](Self::take), with something to be done before each window that is not timed.
    fn take_after<T>(
        plan: &Plan,
        steps: usize,
        chosen: &Chosen,
        mut before: impl FnMut() -> Result<T>,
        mut window: impl FnMut(T) -> Result<()>,
    ) -> Result<Self> {
        window(before()?)?;
        let begin = Instant::now();
        let mut times = Self::default();
        while times.ms.len() < 3 || begin.elapsed() < plan.time {
            let ready = before()?;
            let start = Instant::now();
            window(ready)?;
            let seconds = start.elapsed().as_secs_f64();
            times
                .ms
                .push(seconds * 1e3 / (steps * plan.replicas) as f64);
            times.seconds += seconds;
            times.steps += steps;
        }
        if !chosen.is_cpu() {
            let ready = before()?;
            let launches = machine::launches(&chosen.device, || window(ready))?;
            times.launches_per_step = launches.map(|n| n as f64 / steps as f64);
            times.device_mb = machine::device_mb(&chosen.device);
        }
        times.ms.sort_by(f64::total_cmp);
        Ok(times)
    }

    fn quantile(&self, q: f64) -> f64 {
        let last = self.ms.len() - 1;
        let at = q * last as f64;
        let (low, rest) = (at.floor() as usize, at.fract());
        self.ms[low] * (1.0 - rest) + self.ms[(low + 1).min(last)] * rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_times() {
        let times = Times {
            ms: vec![1.0, 2.0, 4.0],
            ..Times::default()
        };
        assert_eq!(times.quantile(0.5), 2.0);
        assert_eq!(times.quantile(0.75), 3.0);
        assert_eq!(times.quantile(1.0), 4.0);
    }
}
