//! Networks in training.

use anyhow::Result;
use ontogeny_data::Examples;
use ontogeny_model::device::Chosen;
use ontogeny_training::optimizer::Optimizer;
use ontogeny_training::{Hyper, Stack, column, update_all};

use super::{Plan, Times};

/// Times updates with AdamW, stacks laid out as in a run.
pub fn time(plan: &Plan, chosen: &Chosen) -> Result<Times> {
    let together = if chosen.is_cpu() { 1 } else { plan.replicas };
    let device = &chosen.device;
    let all = plan.workload.draw(plan.replicas, device);
    let mut stacks: Vec<Stack> = (0..plan.replicas)
        .step_by(together)
        .map(|first| {
            let column = |value: f64| column(&vec![value; together], device);
            let hyper = Hyper {
                optimizer: Optimizer::AdamW {
                    beta1: 0.9,
                    beta2: 0.999,
                    epsilon: 1e-8,
                },
                learning_rate: column(1e-3),
                weight_decay: column(0.01),
                clip: column(0.0),
            };
            Stack::new(all.narrow(first, together), hyper)
        })
        .collect();
    drop(all);
    let pools: Vec<Vec<Examples>> = (0..plan.replicas).map(|r| plan.workload.pool(r)).collect();
    // A device is asked for its numbers once in a window, as in a run at each line of metrics.
    let steps = if chosen.is_cpu() { 1 } else { 10 };
    let mut step = 0;
    Times::take(plan, steps, chosen, || {
        let mut outcomes = Vec::new();
        for _ in 0..steps {
            outcomes = update_all(&mut stacks, step, 1.0, |stack| {
                let own = &pools[stack * together..][..together];
                own.iter()
                    .map(|pool| pool[step as usize % pool.len()].clone())
                    .collect()
            });
            step += 1;
        }
        for outcome in &outcomes {
            outcome.read()?;
        }
        Ok(())
    })
}
