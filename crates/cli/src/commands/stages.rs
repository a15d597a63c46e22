//! `ontogeny stages`: the detector on a table.

use std::path::Path;

use anyhow::{Result, bail};
use ontogeny_analysis::series::{self, Wanted};
use ontogeny_analysis::stages::{self, Boundary, Replay, Stage, StageReport, StageSettings, View};
use ontogeny_analysis::table::MeasureRow;
use ontogeny_store::RunFolder;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::analyze::TABLE;
use super::{SCHEMA, print_json};
use crate::arguments::StagesArguments;
use crate::checks;
use crate::failure::InFile;

/// What was found in one replica.
struct Found {
    name: String,
    report: StageReport,
    replay: Option<Replay>,
}

/// `ontogeny stages TABLE`.
pub fn command(a: &StagesArguments, json: bool) -> Result<()> {
    let (replicas, settings) = match a.table.is_dir() {
        true => (of_run(a)?, StageSettings::default()),
        false => of_file(a)?,
    };
    let found = replicas
        .par_iter()
        .map(|rows| {
            let name = rows.first().map_or(String::new(), |r| r.replica.clone());
            let refuse = |e: stages::StageError| {
                let of = if name.is_empty() {
                    String::new()
                } else {
                    format!("replica {name}: ")
                };
                InFile::error(&a.table, format!("{of}{e}"))
            };
            let report = stages::detect(rows, &settings).map_err(refuse)?;
            let replay = match a.online {
                true => Some(stages::replay(rows, &settings).map_err(refuse)?),
                false => None,
            };
            Ok(Found {
                name,
                report,
                replay,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if json {
        print_json(&to_json(&found, a.curves));
    } else {
        for one in &found {
            print_found(one);
        }
    }
    Ok(())
}

/// The replicas of a run's table.
fn of_run(a: &StagesArguments) -> Result<Vec<Vec<MeasureRow>>> {
    for (given, option) in [
        (a.x.is_some(), "--x"),
        (a.y.is_some(), "--y"),
        (!a.y2.is_empty(), "--y2"),
        (a.err.is_some(), "--err"),
    ] {
        if given {
            bail!(
                "{option} names a column of a file, and {} is a run's folder",
                a.table.display()
            );
        }
    }
    let folder = RunFolder::open(&a.table)?;
    checks::manifest(&folder)?;
    checks::checkpoints(&folder)?;
    checks::tell_frozen(folder.root());
    super::analyze::check_written(&folder, TABLE)?;
    let path = folder.analysis().join(TABLE);
    let text = std::fs::read_to_string(&path).map_err(|e| {
        InFile::error(
            &path,
            format!("cannot be read: {e}; `ontogeny analyze` writes it"),
        )
    })?;
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let row: MeasureRow = serde_json::from_str(line).map_err(|e| {
            let damage = format!(
                "line {}: {e}; `ontogeny analyze {}` writes the table anew",
                i + 1,
                folder.root().display()
            );
            InFile::error(&path, damage)
        })?;
        rows.push(row);
    }
    let all: Vec<Vec<MeasureRow>> = rows
        .chunk_by(|a, b| a.replica == b.replica)
        .map(<[MeasureRow]>::to_vec)
        .collect();
    let Some(name) = &a.replica else {
        return Ok(all);
    };
    let names: Vec<String> = all.iter().map(|r| r[0].replica.clone()).collect();
    match all.into_iter().find(|r| r[0].replica == *name) {
        Some(one) => Ok(vec![one]),
        None => Err(InFile::error(
            &path,
            format!(
                "there is no replica `{name}`; it holds {}",
                names.join(", ")
            ),
        )),
    }
}

/// The replicas of a file, and a view for each of its curves.
fn of_file(a: &StagesArguments) -> Result<(Vec<Vec<MeasureRow>>, StageSettings)> {
    let need = |given: &Option<String>, option: &str, what: &str| match given {
        Some(name) => Ok(name.clone()),
        None => Err(anyhow::anyhow!(
            "{} is a file: {option} has to name its column {what}",
            a.table.display()
        )),
    };
    let step = need(&a.x, "--x", "of steps")?;
    let first = need(&a.y, "--y", "with the curve")?;
    let values: Vec<String> = std::iter::once(first).chain(a.y2.iter().cloned()).collect();
    for (i, name) in values.iter().enumerate() {
        if values[..i].contains(name) || *name == step {
            bail!("the column `{name}` is named twice");
        }
    }
    let settings = StageSettings {
        views: values.iter().map(|name| view(name)).collect(),
        ..StageSettings::default()
    };
    let wanted = Wanted {
        step,
        values,
        error: a.err.clone(),
        replica: a.replica.clone(),
    };
    Ok((series::read(Path::new(&a.table), &wanted)?, settings))
}

fn view(curve: &str) -> View {
    View {
        name: curve.to_owned(),
        curves: vec![curve.to_owned()],
        falling: false,
    }
}

fn print_found(found: &Found) {
    if !found.name.is_empty() {
        outln!("{}", found.name);
    }
    let boundaries = &found.report.boundaries;
    match boundaries.len() {
        0 => outln!("  no boundary: one episode of change, or none"),
        _ => outln!(
            "  {:<12} {:<22} {:>8} {:>8}  shown by",
            "boundary",
            "90 % interval",
            "slowest",
            "evidence"
        ),
    }
    for b in boundaries {
        outln!(
            "  {:<12.0} {:<22} {:>8.0} {:>8.2}  {}",
            b.at,
            format!("{:.0} to {:.0}", b.lo, b.hi),
            b.places.first().map_or(b.at, |p| p.slowest),
            b.evidence,
            shown(b)
        );
    }
    for stage in &found.report.stages {
        print_stage(stage);
    }
    if let Some(replay) = &found.replay {
        print_replay(replay);
    }
}

/// The views that show a boundary, those that do not place it with their own place.
fn shown(b: &Boundary) -> String {
    let one = |(i, p): (usize, &stages::ViewPlace)| match i {
        0 => p.view.clone(),
        _ => format!("{} at {:.0} ({:.0} to {:.0})", p.view, p.at, p.lo, p.hi),
    };
    b.places
        .iter()
        .enumerate()
        .map(one)
        .collect::<Vec<_>>()
        .join(", ")
}

fn print_stage(stage: &Stage) {
    let end = stage
        .end
        .map_or("the end".to_owned(), |end| format!("{end:.0}"));
    let changes: Vec<String> = stage
        .delta
        .iter()
        .map(|(curve, change)| format!("{curve} {change:+.3}"))
        .collect();
    outln!(
        "  {:<15} {:>7.0} to {end:<9} {}",
        stage.name.as_str(),
        stage.start,
        changes.join("  ")
    );
    if stage.name != stages::StageName::Unnamed {
        outln!("    {}", stage.why);
    }
}

fn print_replay(replay: &Replay) {
    outln!("  as the run went on:");
    for f in &replay.boundaries {
        outln!(
            "  {:<12.0} announced at step {}, {:.0} steps later ({:.2} on ln(step + 1))",
            f.boundary.at,
            f.announced_at,
            f.delay,
            f.delay_log
        );
    }
    for w in &replay.withdrawn {
        outln!(
            "  {:<12.0} announced at step {} and withdrawn at step {}",
            w.boundary.at,
            w.announced_at,
            w.withdrawn_at
        );
    }
    if replay.withdrawn.is_empty() {
        outln!("  nothing was withdrawn");
    }
}

fn to_json(found: &[Found], curves: bool) -> Value {
    let replicas: Vec<Value> = found.iter().map(|f| replica_json(f, curves)).collect();
    let mut all = match found {
        // The only one's figures also stand at the top, where a file without replicas has them.
        [_] => replicas[0].clone(),
        _ => json!({}),
    };
    all["schema"] = json!(SCHEMA);
    all["replicas"] = json!(replicas);
    if let Some(top) = all.as_object_mut() {
        top.remove("name");
    }
    all
}

fn replica_json(found: &Found, curves: bool) -> Value {
    let mut one = json!({
        "name": found.name,
        "boundaries": found.report.boundaries,
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
