//! `ontogeny report`: the page.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use ontogeny_analysis::select::{Difference, Favoured};
use ontogeny_analysis::table::MeasureRow;
use ontogeny_analysis::{loss_of, paired};
use ontogeny_model::Loss;
use ontogeny_model::device::{self, DeviceEntry};
use ontogeny_report::{
    GroupSize, Provenance, ReplicaReport, ReportInput, Selection, TrainingPoint, render,
};
use ontogeny_results::stages::{ReplicaStages, Stage, StageReport};
use ontogeny_store::{KeyBuilder, RunFolder, read_series, read_whole_lines, write_atomically};
use ontogeny_training::{Replica, Run};
use serde_json::json;

use super::analyze::{self, Analysed, STAGES, TABLE, TIMES};
use super::{SCHEMA, dynamics, print_json, shown};
use crate::arguments::FolderArguments;
use crate::failure::InFile;
use crate::{checks, place};

/// `ontogeny report RUN`.
pub fn command(a: &FolderArguments, json: bool) -> Result<()> {
    let (folder, run) = place::reopen(&a.run, &a.set)?;
    checks::tell_frozen(&run, &folder);
    let analysed = read(&folder)?;
    let kind = folder.read_manifest()?.device_kind;
    let entry = device::list()
        .into_iter()
        .find(|d| d.kind == kind)
        .unwrap_or_else(|| device::list().swap_remove(0));
    let command = format!("ontogeny run {}", folder.config_toml().display());
    let (path, seconds) = report_in(&run, &folder, &entry, &analysed, &command)?;
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "run": shown(folder.root()),
            "report": shown(&path),
            "seconds": { "report": seconds },
        }));
    } else {
        outln!("report: {}", path.display());
    }
    Ok(())
}

/// What an earlier analysis left on disk.
pub fn read(folder: &RunFolder) -> Result<Analysed> {
    let table = folder.analysis().join(TABLE);
    if !table.exists() {
        let missing = "was not analysed yet; run `ontogeny analyze`";
        return Err(InFile::error(folder.root(), missing));
    }
    for name in [TABLE, STAGES] {
        analyze::check_written(folder, name)?;
    }
    let cure = format!(
        "`ontogeny analyze {}` writes it anew",
        folder.root().display()
    );
    let rows = read_series(&table)
        .with_context(|| format!("the table is damaged; {cure}"))?
        .into_iter()
        .map(serde_json::from_value::<MeasureRow>)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| InFile::error(&table, format!("holds a line that is no row: {e}; {cure}")))?;
    let path = folder.analysis().join(STAGES);
    let stages: Vec<ReplicaStages> = place::read_json(&path)
        .and_then(|stages| Ok(serde_json::from_value(stages)?))
        .map_err(|e| InFile::error(&path, format!("does not hold stages: {e:#}; {cure}")))?;
    Ok(Analysed {
        rows,
        stages,
        seconds: 0.0,
    })
}

/// Draws the report and returns its path and the seconds it took.
pub fn report_in(
    run: &Run,
    folder: &RunFolder,
    device: &DeviceEntry,
    analysed: &Analysed,
    command: &str,
) -> Result<(PathBuf, f64)> {
    let begun = Instant::now();
    let times = place::read_json(&folder.root().join(TIMES)).unwrap_or_else(|_| json!({}));
    let mut input = input(run, folder, device, analysed, command, &times)?;
    // The page names the time that its own making took: drawn once to know it, and once to say it.
    let _ = render(&input);
    input.provenance.report_seconds = Some(begun.elapsed().as_secs_f64());
    let path = folder.report_html();
    write_atomically(&path, render(&input).as_bytes())?;
    Ok((path, begun.elapsed().as_secs_f64()))
}

fn input(
    run: &Run,
    folder: &RunFolder,
    device: &DeviceEntry,
    analysed: &Analysed,
    command: &str,
    times: &serde_json::Value,
) -> Result<ReportInput> {
    let manifest = folder.read_manifest()?;
    let group = &run.groups[0];
    let sources = run.replicas().flat_map(|r| &r.phases);
    let source_key = sources
        .fold(KeyBuilder::new("sources/1"), |k, (_, s)| {
            k.key("source", &s.key())
        })
        .finish();
    let sizes = run.groups.iter().map(|group| {
        let first = group.replicas.first().map(|replica| &replica.entry.name);
        let rows = analysed.rows.iter();
        GroupSize {
            network: group.network.describe(),
            replicas: group.replicas.len() as u64,
            parameters: group.network.n_parameters() as u64,
            tokens: ontogeny_training::tokens_seen(
                group,
                ontogeny_store::Step(group.training.steps),
            ),
            checkpoints: rows.filter(|row| Some(&row.replica) == first).count() as u64,
        }
    });
    let sizes: Vec<GroupSize> = sizes.collect();
    let networks = match &sizes[..] {
        [only] => only.network.clone(),
        several => {
            let each = several
                .iter()
                .map(|size| format!("{} of {}", size.replicas, size.network));
            format!(
                "{} shapes: {}",
                several.len(),
                each.collect::<Vec<_>>().join("; ")
            )
        }
    };
    Ok(ReportInput {
        title: run.config.name.clone(),
        run: folder.root().display().to_string(),
        summary: format!(
            "{networks}; {} replica{} trained for {} steps",
            run.replicas().count(),
            if run.replicas().count() == 1 { "" } else { "s" },
            group.training.steps,
        ),
        unit: match loss_of(&group.replicas[0].phases[0].1) {
            Loss::CrossEntropy => String::new(),
            other => other.unit().to_owned(),
        },
        created: manifest.created,
        version: manifest.version,
        interval_level: run.config.stages.level,
        provenance: Provenance {
            config: run.resolved_toml.clone(),
            config_key: run.key.to_string(),
            source_key: source_key.to_string(),
            device: format!("{} ({})", device.name, device.description),
            method: ontogeny_analysis::METHOD.to_owned(),
            groups: sizes,
            train_seconds: times["train"].as_f64(),
            analyze_seconds: times["analyze"].as_f64(),
            measure_seconds: times["measure"].as_f64(),
            stages_seconds: times["stages"].as_f64(),
            report_seconds: None,
            command: command.to_owned(),
        },
        estimator: analyze::estimator(&run.config),
        dynamics: dynamics::read(folder)?,
        replicas: replicas(run, folder, analysed)?,
        warnings: Vec::new(),
        notes: run
            .config
            .fork
            .iter()
            .map(|fork| {
                format!(
                    "Forked: weights, moments and the count of steps are those of {} at step {}.",
                    fork.run.display(),
                    fork.at
                )
            })
            .collect(),
    })
}

fn replicas(run: &Run, folder: &RunFolder, analysed: &Analysed) -> Result<Vec<ReplicaReport>> {
    let mut points: HashMap<String, Vec<TrainingPoint>> = HashMap::new();
    for line in metrics(folder)? {
        let point = || {
            Some(TrainingPoint {
                step: line["step"].as_u64()?,
                tokens: line["tokens"].as_u64()?,
                loss: line["loss"].as_f64()?,
            })
        };
        if let (Some(replica), Some(point)) = (line["replica"].as_str(), point()) {
            points.entry(replica.to_owned()).or_default().push(point);
        }
    }
    let mut rows: HashMap<&str, Vec<MeasureRow>> = HashMap::new();
    for row in &analysed.rows {
        rows.entry(&row.replica).or_default().push(row.clone());
    }
    let ends = checks::ends(folder.root());
    run.replicas()
        .map(|replica| {
            let name = &replica.entry.name;
            let frozen = ends
                .iter()
                .find(|e| e.name == *name)
                .and_then(|e| e.frozen_at);
            let found = analysed.stages.iter().find(|s| s.replica == *name);
            let stages = found.map_or_else(StageReport::default, |found| found.report.clone());
            Ok(ReplicaReport {
                name: name.clone(),
                arm: replica.entry.arm.clone(),
                seed: replica.entry.seed,
                frozen: frozen
                    .map(|s| format!("its loss or gradient stopped being finite at step {s}")),
                training: points.remove(name).unwrap_or_default(),
                selection: selection(replica, &analysed.rows, &stages, run.config.stages.level),
                rows: rows.remove(name.as_str()).unwrap_or_default(),
                stages,
            })
        })
        .collect()
}

/// The lines of the metrics; lost or damaged ones are told, since the rest of the report does not
/// need them.
fn metrics(folder: &RunFolder) -> Result<Vec<serde_json::Value>> {
    let path = folder.metrics();
    if !path.exists() {
        checks::once(format!(
            "warning: {} is missing, so the report has no training curves",
            path.display()
        ));
        return Ok(Vec::new());
    }
    let (lines, damaged) = read_whole_lines(&path)?;
    if let Some(first) = damaged.first() {
        checks::once(format!(
            "warning: the training curves lack {} damaged lines, the first of them {first}",
            damaged.len()
        ));
    }
    Ok(lines)
}

/// Each stage's first checkpoint against its last, where both have an estimate with the same
/// chains.
fn selection(
    replica: &Replica,
    rows: &[MeasureRow],
    stages: &StageReport,
    level: f64,
) -> Vec<Selection> {
    let own = |row: &&MeasureRow| row.replica == replica.entry.name;
    let estimated: Vec<&MeasureRow> = rows
        .iter()
        .filter(own)
        .filter(|row| row.values.contains_key("llc"))
        .collect();
    let Some(last) = estimated.last().map(|row| row.step as f64) else {
        return Vec::new();
    };
    // As the detector measures distance.
    let nearest = |step: f64| {
        let away = |row: &MeasureRow| (row.step as f64).ln_1p() - step.ln_1p();
        let all = estimated.iter().copied();
        all.min_by(|a, b| away(a).abs().total_cmp(&away(b).abs()))
    };
    let one = |(k, stage): (usize, &Stage)| {
        let (from, to) = (nearest(stage.start)?, nearest(stage.end.unwrap_or(last))?);
        let (llc, llc_se) = paired::change(from, to).filter(|_| from.step < to.step)?;
        let chains = from.vectors.get("llc_by_chain")?.len();
        // Sequences are what is drawn independently: their loss is the sum over their tokens.
        let tokens = replica.source(from.step).positions() as f64;
        let loss = tokens * (to.values.get("loss")? - from.values.get("loss")?);
        let difference = Difference {
            loss,
            // The table holds no error of the paired loss.
            loss_se: 0.0,
            llc,
            llc_se,
            llc_degrees: chains - 1,
        };
        let found = difference.select(&[], level);
        Some(Selection {
            stage: k + 1,
            from: from.step,
            to: to.step,
            delta_loss: loss,
            delta_llc: llc,
            delta_llc_se: llc_se,
            critical: found.critical,
            critical_interval: found.critical_interval,
            crossing: found.crossing,
            later_in_the_end: found.in_the_end == Favoured::B,
        })
    };
    stages.stages.iter().enumerate().filter_map(one).collect()
}
