//! Everything that is measured of a checkpoint, through the same doors as `ontogeny analyze`.

use anyhow::Result;
use ontogeny_model::device::Chosen;
use ontogeny_store::RunFolder;
use ontogeny_training::Interrupter;

use super::{Plan, Times};
use crate::{commands, place};

/// Chains and draws of each estimate of λ̂ that is timed.
const CHAINS: usize = 4;
const DRAWS: usize = 20;

/// Trains a few steps to have checkpoints, and times their analysis. A step is one of a chain, with
/// all that is measured beside it.
pub fn time(plan: &Plan, chosen: &Chosen) -> Result<Times> {
    let place = tempfile::tempdir()?;
    let c = plan.workload.network();
    let seeds: Vec<usize> = (0..plan.replicas).collect();
    let text = format!(
        "seeds = {seeds:?}\n\
         [model]\nn_layers = 2\nn_heads = {}\nd_model = {}\nn_ctx = {}\n\
         [data]\nkind = \"ngram_induction\"\nd_vocab = {}\n\
         [training]\nsteps = {last}\nbatch = {}\n\
         [checkpoints]\nlog = 0\nevery = 1\n[stages]\nonline = false\n\
         [analysis.llc]\nchains = {CHAINS}\ndraws = {DRAWS}\nburn_in = {}\nbatch = {}\n",
        c.n_heads,
        c.d_model,
        c.n_ctx,
        c.d_vocab,
        plan.workload.batch,
        DRAWS / 2,
        plan.workload.batch,
        last = plan.checkpoints - 1,
    );
    let path = place.path().join("bench.toml");
    std::fs::write(&path, text)?;
    let loaded = place::configuration(Some(&path), &[])?;
    let (run, made) = place::build(&loaded, Some(&place.path().join("run")))?;
    made.take();
    let interrupter = Interrupter::new();
    let mut number = 0;
    let root = place.path().to_owned();
    let folders = |number: usize| root.join(format!("run-{number}"));
    // Each window has a folder of its own: what was measured before would not be measured again.
    let mut fresh = || -> Result<RunFolder> {
        number += 1;
        let folder = place::folder(&run, Some(&folders(number)), chosen)?;
        commands::train::train_in(&run, &folder, chosen, true, &interrupter)?;
        Ok(folder)
    };
    let mut ready = vec![fresh()?];
    let steps = plan.checkpoints * CHAINS * DRAWS;
    Times::take_after(
        plan,
        steps,
        chosen,
        || {
            if ready.is_empty() {
                ready.push(fresh()?);
            }
            Ok(ready.pop())
        },
        |folder| {
            if let Some(folder) = folder {
                commands::analyze::analyze_in(&run, &folder, chosen, &|| false)?;
            }
            Ok(())
        },
    )
}
