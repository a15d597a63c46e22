//! `ontogeny validate --stages`: from training to stages, on networks whose stages are known.

use std::time::Instant;

use anyhow::{Result, bail};
use ontogeny_analysis::known::{Finding, validate_stages};
use serde_json::json;

use super::{SCHEMA, print_json};

/// Trains, estimates, detects and compares.
pub fn command(seed: u64, json: bool) -> Result<()> {
    let begun = Instant::now();
    let staged = validate_stages(seed)?;
    let of = |wanted: bool| {
        staged
            .findings
            .iter()
            .filter(move |f| f.passed == Some(wanted))
    };
    let (passed, failed) = (of(true).count(), of(false).count());
    let seconds = begun.elapsed().as_secs_f64();
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "findings": staged.findings,
            "checkpoints": staged.checkpoints,
            "seeds": staged.seeds,
            "passed": passed,
            "failed": failed,
            "seconds": seconds,
        }));
    } else {
        outln!(
            "linear networks 5-4-4 with three modes at rates 4, 1 and 1/4; {} checkpoints, {} seeds of measured loss and λ̂; steps",
            staged.checkpoints,
            staged.seeds
        );
        outln!(
            "{:<10} {:<27} {:>9} {:>19} {:>9}  verdict",
            "start",
            "of",
            "measured",
            "interval",
            "expected"
        );
        for finding in &staged.findings {
            print(finding);
        }
        outln!("{passed} passed, {failed} failed, in {seconds:.0} s");
    }
    if failed > 0 {
        let names: Vec<String> = of(false)
            .map(|f| format!("{} ({} start)", f.what, f.start))
            .collect();
        bail!("off: {}", names.join(", "));
    }
    Ok(())
}

fn print(finding: &Finding) {
    let figure = |x: f64| match x.abs() {
        size if size >= 100.0 => format!("{x:.0}"),
        _ => format!("{x:.2}"),
    };
    let word = match finding.passed {
        Some(true) => "ok: ",
        Some(false) => "FAILED: ",
        None => "",
    };
    outln!(
        "{:<10} {:<27} {:>9} {:>19} {:>9}  {word}{}",
        finding.start,
        finding.what,
        finding.measured.map_or("–".to_owned(), figure),
        finding.interval.map_or(String::new(), |[lo, hi]| format!(
            "{} to {}",
            figure(lo),
            figure(hi)
        )),
        figure(finding.expected),
        finding.reason
    );
}
