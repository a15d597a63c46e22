//! Stages as a script reads them.

use ontogeny_analysis::stages::{self, Boundary, StageSettings};
use serde_json::{Value, json};

use super::{Failed, Found};
use crate::commands::SCHEMA;

/// The object of all replicas; `curves`: with the smoothed curves.
pub fn of(
    found: &[Found],
    failed: &[Failed],
    notes: &[String],
    settings: &StageSettings,
    curves: bool,
) -> Value {
    let replicas: Vec<Value> = found.iter().map(|f| replica(f, settings, curves)).collect();
    let mut all = match found {
        // The only one's figures also stand at the top, where a file without replicas has them.
        [_] => replicas[0].clone(),
        _ => json!({}),
    };
    let failure = |f: &Failed| json!({"name": f.name, "message": format!("{:#}", f.error)});
    all["schema"] = json!(SCHEMA);
    all["replicas"] = json!(replicas);
    all["failed"] = failed.iter().map(failure).collect();
    all["notes"] = json!(notes);
    if let Some(top) = all.as_object_mut() {
        top.remove("name");
    }
    all
}

fn replica(found: &Found, settings: &StageSettings, curves: bool) -> Value {
    let boundary = |b: &Boundary| {
        let mut one = json!(b);
        if let Some((curve, hole)) = stages::in_hole(b, &found.coverage, settings) {
            one["in_hole"] = json!({"curve": curve.curve, "from": hole.from, "to": hole.to});
        }
        one
    };
    let boundaries: Vec<Value> = found.report.boundaries.iter().map(boundary).collect();
    let mut one = json!({
        "name": found.name,
        "coverage": found.coverage,
        "boundaries": boundaries,
        "stages": found.report.stages,
    });
    if curves {
        one["curves"] = json!(found.report.smooth);
    }
    if let Some(replay) = &found.replay {
        one["online"] = json!(replay);
    }
    one
}
