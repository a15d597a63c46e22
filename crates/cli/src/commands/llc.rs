//! `ontogeny llc`: the local learning coefficient at single checkpoints.

use std::time::Instant;

use anyhow::Result;
use ontogeny_analysis::component;
use ontogeny_analysis::llc::{Landscape, Llc, NetworkLoss, Subject, estimate, judge};
use serde_json::json;

use super::{SCHEMA, analyze, print_json, shown};
use crate::arguments::LlcArguments;
use crate::{place, spot};

/// `ontogeny llc CHECKPOINT…`.
pub fn command(a: &LlcArguments, json: bool) -> Result<()> {
    let mut all = Vec::new();
    for path in &a.checkpoints {
        let (folder, run) = spot::run_of(path, &a.set)?;
        let kind = folder.read_manifest()?.device_kind;
        let chosen = place::device(a.device.as_deref().unwrap_or(&kind))?;
        let section = &run.config.analysis.llc;
        let settings = analyze::llc_settings(section, run.config.analysis.seed);
        let spot = spot::open(path, a.replica.as_deref(), &run, &chosen)?;
        let config = spot.network.config().clone();
        let minibatches = |data| spot::minibatches(&spot, &run, &data, &chosen);
        let sampled = minibatches(section.data());
        let evaluated = section.evaluate().map(minibatches);
        let landscape = NetworkLoss::new(&config, &sampled);
        let evaluation = evaluated.as_ref().map(|m| NetworkLoss::new(&config, m));
        let anchor = spot.network.clone().into_parameters();
        for name in &section.components {
            for component in component::parse(name, &config)? {
                let subject = Subject {
                    landscape: &landscape,
                    evaluation: evaluation.as_ref().map(|e| e as &dyn Landscape),
                    anchor: &anchor,
                    coordinate: None,
                };
                let begun = Instant::now();
                let mask = component.mask(&config, &chosen.device);
                let estimated = estimate(&subject, &settings, &[mask], |_| None)?;
                let seconds = begun.elapsed().as_secs_f64();
                let llc = &estimated.llcs[0];
                let nbeta = settings.sampler.nbeta;
                if json {
                    let verdict = judge(llc, nbeta);
                    all.push(json!({
                        "checkpoint": shown(&spot.path),
                        "step": spot.step,
                        "replica": spot.replica,
                        "component": component.to_string(),
                        "mean": llc.mean,
                        "se": llc.standard_error,
                        "mcse": llc.diagnostics.mcse,
                        "baseline": llc.baseline,
                        "by_chain": llc.by_chain,
                        "trace": llc.trace,
                        "diagnostics": llc.diagnostics,
                        "acceptance": llc.acceptance,
                        "temperature": llc.temperature.map(|(t, _)| t),
                        "distance": llc.distance,
                        "gradient_norm": llc.gradient_norm,
                        "draws": llc.draws,
                        "left_out": llc.left_out,
                        "precise": llc.precise,
                        "verdict": verdict.word,
                        "reason": verdict.reason,
                        "seconds": seconds,
                    }));
                } else {
                    print(spot.step, &component.to_string(), llc, nbeta, seconds);
                }
            }
        }
    }
    if json {
        print_json(&json!({ "schema": SCHEMA, "estimates": all }));
    }
    Ok(())
}

fn print(step: u64, component: &str, llc: &Llc, nbeta: f64, seconds: f64) {
    let figure = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.2}"));
    let verdict = judge(llc, nbeta);
    outln!(
        "step {step:>7}  {component:<12} λ̂ {:>8} ± {:<6} {}: {}",
        figure(llc.mean),
        figure(llc.error()),
        verdict.word.as_str(),
        verdict.reason
    );
    let d = &llc.diagnostics;
    outln!(
        "  {} draws, {} left out{}; R̂ {}, {} effective, drift {}, acceptance {}, temperature {}, distance {}, in {seconds:.1} s",
        llc.draws,
        llc.left_out,
        match llc.precise {
            Some(true) => ", as precise as was asked for",
            Some(false) => ", the budget ended first",
            None => "",
        },
        figure(d.r_hat),
        d.effective_draws
            .map_or("–".to_owned(), |n| format!("{n:.0}")),
        figure(d.drift),
        figure(llc.acceptance),
        figure(llc.temperature.map(|(t, _)| t)),
        figure(llc.distance),
    );
}
