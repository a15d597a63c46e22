//! `ontogeny validate`: the estimator on models whose answer is known.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use ontogeny_analysis::known::{self, Case, Spec};
use rayon::prelude::*;
use serde_json::json;

use super::{SCHEMA, print_json, validate_detector, validate_stages};
use crate::arguments::ValidateArguments;
use crate::failure::InFile;

/// `ontogeny validate`.
pub fn command(a: &ValidateArguments, json: bool) -> Result<()> {
    if a.stages {
        return validate_stages::command(a.seed, json);
    }
    if a.detector {
        return validate_detector::command(a.seeds, json);
    }
    let specs = match &a.spec {
        Some(path) => vec![read(path)?],
        None => chosen(&a.case)?,
    };
    let begun = Instant::now();
    if !json {
        outln!(
            "{:<26} {:>8} {:>8} {:>9} {:>7} {:>9}  verdict",
            "case",
            "estimate",
            "± se",
            "expected",
            "λ",
            "nβ"
        );
    }
    let all: Vec<Case> = specs
        .par_iter()
        .map(|spec| -> Result<Case> {
            let case = known::validate(spec, a.sampler.map(Into::into), a.seed, specs.len())?;
            let case = case.map_err(|no| match &a.spec {
                Some(path) => InFile::error(path, no.to_string()),
                None => anyhow::Error::new(no),
            })?;
            if !json {
                print_case(&case);
            }
            Ok(case)
        })
        .collect::<Result<_>>()?;
    let failed = all.iter().filter(|c| !c.verdict.passed).count();
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "cases": all.iter().map(case_json).collect::<Vec<_>>(),
            "passed": all.len() - failed,
            "failed": failed,
            "seconds": begun.elapsed().as_secs_f64(),
        }));
    } else {
        outln!(
            "{} passed, {failed} failed, in {:.0} s",
            all.len() - failed,
            begun.elapsed().as_secs_f64()
        );
    }
    if failed > 0 {
        let names: Vec<&str> = all
            .iter()
            .filter(|c| !c.verdict.passed)
            .map(|c| c.name.as_str())
            .collect();
        bail!("the estimator is off in {}", names.join(", "));
    }
    Ok(())
}

/// The instances whose name begins as was asked, or all.
fn chosen(name: &Option<String>) -> Result<Vec<Spec>> {
    let all = known::shipped();
    let Some(name) = name else {
        return Ok(all);
    };
    let names: Vec<String> = all.iter().map(Spec::name).collect();
    let found: Vec<Spec> = all
        .into_iter()
        .filter(|s| s.name() == *name || s.kind() == name)
        .collect();
    if found.is_empty() {
        bail!(
            "there is no case `{name}`; there are the kinds and the cases {}",
            names.join(", ")
        );
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Spec> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| InFile::error(path, format!("cannot be read: {e}")))?;
    toml::from_str(&text).map_err(|e| InFile::error(path, e.to_string().trim_end().to_owned()))
}

fn print_case(case: &Case) {
    for (i, row) in case.table.iter().enumerate() {
        let last = i + 1 == case.table.len();
        let expected = row.expected.map_or("–".to_owned(), |e| format!("{e:.4}"));
        let verdict = match (last, case.verdict.passed) {
            (false, _) => String::new(),
            (true, true) => format!("ok: {}", case.verdict.reason),
            (true, false) => format!("FAILED: {}", case.verdict.reason),
        };
        outln!(
            "{:<26} {:>8.4} {:>8.4} {expected:>9} {:>7.3} {:>9.1}  {verdict}",
            if last { &case.name } else { "" },
            row.estimate,
            row.se,
            case.truth,
            row.nbeta
        );
    }
}

fn case_json(case: &Case) -> serde_json::Value {
    let row = case.last();
    json!({
        "name": case.name,
        "kind": case.kind,
        "estimate": row.map(|r| r.estimate),
        "se": row.map(|r| r.se),
        "truth": case.truth,
        "multiplicity": case.multiplicity,
        "expected": row.and_then(|r| r.expected),
        "nbeta": row.map(|r| r.nbeta),
        "localization": row.map(|r| r.localization),
        "box": row.and_then(|r| r.half_width),
        "sampler": row.map(|r| r.sampler),
        "epsilon": row.map(|r| r.epsilon),
        "draws": row.map(|r| r.draws),
        "chains": row.map(|r| r.chains),
        "verdict": if case.verdict.passed { "passed" } else { "failed" },
        "reason": case.verdict.reason,
        "table": case.table,
    })
}
