//! Chains of the sampler.

use anyhow::Result;
use burn::tensor::Tensor;
use ontogeny_analysis::sampler::{Chains, Mask, Rule, Settings};
use ontogeny_model::device::Chosen;
use ontogeny_model::{ModelError, Network, weights};
use ontogeny_store::Stream;
use ontogeny_training::batch_of;
use rayon::prelude::*;

use super::{Named, Plan, Times, Workload};

/// Steps of a chain in a window.
fn steps(workload: Workload) -> usize {
    match workload.name {
        Named::Tiny => 40,
        Named::Small => 10,
        Named::Paper => 2,
    }
}

/// Times steps of chains around one network, laid out as in an estimate: each chain with
/// minibatches and noise of its own.
pub fn time(plan: &Plan, chosen: &Chosen) -> Result<Times> {
    let together = if chosen.is_cpu() { 1 } else { plan.replicas };
    let device = &chosen.device;
    let network = plan.workload.draw(1, device);
    let pools: Vec<_> = (0..plan.replicas).map(|r| plan.workload.pool(r)).collect();
    let steps = steps(plan.workload);
    let settings = Settings::new(1e-6, 10.0, 100.0);
    let numbers: Vec<usize> = (0..plan.replicas).collect();
    let config = network.config();
    let mut window = 0;
    Times::take(plan, steps, chosen, || {
        window += 1;
        numbers
            .par_chunks(together)
            .map(|own| {
                let stream = |&c: &usize| Stream::new(window, "bench noise", &[c as u64]);
                let noise: Vec<Stream> = own.iter().map(stream).collect();
                let start = network.repeat(own.len()).into_parameters();
                let settings = vec![settings; own.len()];
                let mut chains = Chains::new(start, Rule::Sgld, &settings, Mask::all(), &noise);
                let mut losses = Vec::with_capacity(steps);
                for step in 0..steps {
                    let batch = |&c: &usize| pools[c][step % pools[c].len()].clone();
                    let batches: Vec<_> = own.iter().map(batch).collect();
                    let batch = batch_of(&batches, device);
                    // The network shares its memory with the chains, which update it in place: it
                    // must be gone by then.
                    let evaluate = |weights: &[Tensor<3>]| {
                        let at = Network::new(config.clone(), weights.to_vec());
                        at.loss_and_gradients(&batch)
                    };
                    let here = evaluate(chains.weights());
                    losses.push(here.0.clone());
                    chains.step(here, |weights| Ok::<_, ModelError>(evaluate(weights)))?;
                }
                weights::read(&[Tensor::cat(losses, 0).reshape([1, 1, -1])])?;
                Ok(())
            })
            .collect::<Result<(), ModelError>>()?;
        Ok(())
    })
}
