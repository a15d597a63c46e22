//! `ontogeny analyze`: from checkpoints to stages.

mod written;

pub use written::check_written;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use ontogeny_analysis::llc::{Baseline, Draws, LlcSettings};
use ontogeny_analysis::sampler;
use ontogeny_analysis::stages::{self, StageSettings};
use ontogeny_analysis::table::MeasureRow;
use ontogeny_analysis::{
    AnalysisError, GroupPlan, LlcData, LlcPlan, Plan, ReplicaPlan, Settings, Streams, analyze,
};
use ontogeny_data::Split;
use ontogeny_model::device::Chosen;
use ontogeny_results::stages::ReplicaStages;
use ontogeny_store::{CheckpointFolder, RunFolder, Step};
use ontogeny_training::config::{self, AnalysisSection, RunConfig, StagesSection};
use ontogeny_training::{Group, Run, tokens_seen};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::{Finish, SCHEMA, dynamics, print_json, shown};
use crate::arguments::FolderArguments;
use crate::signals::Stop;
use crate::{checks, place, watch};

/// Seconds of each phase, in the run's folder.
pub const TIMES: &str = "seconds.json";
/// The table of measures, in the analysis folder.
pub const TABLE: &str = "table.jsonl";
/// The stages of every replica, in the analysis folder.
pub const STAGES: &str = "stages.json";

/// Everything that was found.
pub struct Analysed {
    /// Rows of all replicas.
    pub rows: Vec<MeasureRow>,
    /// Stages of each replica.
    pub stages: Vec<ReplicaStages>,
    /// Seconds spent, in this call.
    pub seconds: f64,
}

/// `ontogeny analyze RUN`.
pub fn command(a: &FolderArguments, json: bool) -> Result<Finish> {
    let stop = Stop::on_request(json)?;
    let (folder, run) = place::reopen(&a.run, &a.set)?;
    let kind = folder.read_manifest()?.device_kind;
    let chosen = place::device(a.device.as_deref().unwrap_or(&kind))?;
    let _lock = folder.lock()?;
    place::refresh_configuration(&folder, &run)?;
    checks::tell_frozen(&run, &folder);
    stop.begin_work();
    let Some(analysed) = analyze_in(&run, &folder, &chosen, &|| stop.asked())? else {
        return Ok(stop.finish("analysis stopped"));
    };
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "run": shown(folder.root()),
            "table": shown(&folder.analysis().join(TABLE)),
            "seconds": { "analyze": analysed.seconds },
            "replicas": stages_json(&analysed),
        }));
    } else {
        print_stages(&analysed);
    }
    Ok(Finish::Complete)
}

/// Boundaries and stages of each replica, for scripts.
pub fn stages_json(analysed: &Analysed) -> Value {
    let replica = |s: &ReplicaStages| {
        json!({
            "name": s.replica,
            "boundaries": s.report.boundaries,
            "stages": s.report.stages,
        })
    };
    analysed.stages.iter().map(replica).collect()
}

/// Measures every checkpoint and finds the stages; `None` if it was interrupted.
pub fn analyze_in(
    run: &Run,
    folder: &RunFolder,
    chosen: &Chosen,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Analysed>> {
    let begun = Instant::now();
    let groups = groups(run, folder)?;
    let measurements = watch::Measurements::new();
    let rows = analyze(&Plan {
        groups: &groups,
        evals: &run.evals,
        settings: &settings(&run.config.analysis),
        chosen,
        results: folder.analysis(),
        stop,
        progress: &|done, total| measurements.report(done, total),
    });
    let rows = match rows {
        Err(AnalysisError::Interrupted) => return Ok(None),
        rows => rows?,
    };
    let moving = Instant::now();
    match dynamics::refresh(run, folder, chosen, stop) {
        Err(error) if dynamics::interrupted(&error) => return Ok(None),
        refreshed => refreshed?,
    }
    let moving = moving.elapsed().as_secs_f64();
    let times = folder.root().join(TIMES);
    add_seconds(&times, "dynamics", moving)?;
    add_seconds(&times, "measure", begun.elapsed().as_secs_f64() - moving)?;
    let detecting = Instant::now();
    let Some(stages) = detect(run, &rows, stop) else {
        return Ok(None);
    };
    add_seconds(&times, "stages", detecting.elapsed().as_secs_f64())?;
    written::write(&folder.analysis(), &rows, &stages)?;
    let seconds = begun.elapsed().as_secs_f64();
    add_seconds(&times, "analyze", seconds)?;
    Ok(Some(Analysed {
        rows,
        stages,
        seconds,
    }))
}

/// What an analysis needs to know of a run's replicas and checkpoints.
pub fn groups(run: &Run, folder: &RunFolder) -> Result<Vec<GroupPlan>> {
    run.groups
        .iter()
        .map(|group| {
            let there = group.written_checkpoints(run, folder)?;
            Ok(group_plan(run, group, there))
        })
        .collect()
}

/// What is to be measured of a group whose checkpoints lie in `checkpoints`.
pub fn group_plan(run: &Run, group: &Group, checkpoints: CheckpointFolder) -> GroupPlan {
    let llc = &run.config.analysis.llc;
    GroupPlan {
        network: group.network.clone(),
        checkpoints,
        icl: run.config.analysis.icl_positions(group.network.n_ctx()),
        replicas: group
            .replicas
            .iter()
            .map(|replica| ReplicaPlan {
                name: replica.entry.name.clone(),
                phases: replica.phases.clone(),
                tokens_per_step: tokens_seen(group, Step(1)),
                llc: llc.wants(replica.entry.seed),
            })
            .collect(),
    }
}

/// Stages of each replica; one with too few checkpoints is passed over with a word. `rows` are
/// sorted by replica, as [`analyze`] returns them. `None` if it was interrupted between two
/// replicas.
fn detect(
    run: &Run,
    rows: &[MeasureRow],
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<ReplicaStages>> {
    let settings = stage_settings(&run.config.stages);
    let own: Vec<&[MeasureRow]> = rows.chunk_by(|a, b| a.replica == b.replica).collect();
    let found: Vec<_> = own
        .into_par_iter()
        .map(|own| (!stop()).then(|| (own[0].replica.clone(), stages::detect(own, &settings))))
        .collect::<Option<_>>()?;
    let mut all = Vec::with_capacity(found.len());
    for (replica, report) in found {
        match report {
            Ok(report) => all.push(ReplicaStages { replica, report }),
            Err(error) => errln!("warning: no stages of {replica}: {error}"),
        }
    }
    Some(all)
}

/// Adds the seconds of a phase to those of calls before; a call that found everything done adds
/// next to nothing.
pub fn add_seconds(path: &Path, phase: &str, seconds: f64) -> Result<()> {
    let read = match path.exists() {
        true => place::read_json(path).unwrap_or(Value::Null),
        false => json!({}),
    };
    let mut times = match read {
        Value::Object(_) => read,
        _ => {
            checks::once(format!(
                "warning: {} was damaged: how long earlier calls took is not known any more",
                path.display()
            ));
            json!({})
        }
    };
    let before = times[phase].as_f64().unwrap_or(0.0);
    times[phase] = json!(before + seconds);
    place::write_json(path, &times)
}

/// The stages as a person reads them, and what to make of the estimates.
pub fn print_stages(analysed: &Analysed) {
    print_verdicts(&analysed.rows);
    for found in &analysed.stages {
        outln!("{}", found.replica);
        for stage in &found.report.stages {
            let end = match (stage.end, stage.end_lo, stage.end_hi) {
                (Some(at), Some(lo), Some(hi)) => format!("{at:.0} ({lo:.0}–{hi:.0})"),
                (Some(at), ..) => format!("{at:.0}"),
                _ => "the end".to_owned(),
            };
            let llc = stage
                .delta_llc
                .map_or(String::new(), |d| match stage.delta_llc_se {
                    Some(se) => format!("  Δλ̂ {d:+.1} ± {se:.1}"),
                    None => format!("  Δλ̂ {d:+.1}"),
                });

            outln!(
                "  {:<15} {:>6.0} to {end:<22} Δloss {:+.3}{llc}",
                stage.name,
                stage.start,
                stage.delta_loss
            );
        }
    }
}

/// How many estimates of λ̂ are trusted, in a line; nothing where none was made.
fn print_verdicts(rows: &[MeasureRow]) {
    let of = |word: &str| {
        let words = rows.iter().flat_map(|r| &r.words);
        words
            .filter(|(name, w)| name.starts_with("llc_verdict") && *w == word)
            .count()
    };
    let [ok, suspect, failed] = ["ok", "suspect", "failed"].map(of);
    if ok + suspect + failed > 0 {
        outln!("estimates of λ̂: {ok} ok, {suspect} suspect, {failed} failed");
    }
}

/// The analysis' own settings, from what was typed.
pub fn settings(section: &AnalysisSection) -> Settings {
    let llc = &section.llc;
    Settings {
        seed: section.seed,
        held_out: section.held_out,
        oracles: section.oracles,
        triggers: section.triggers,
        heads: section.heads,
        repeated: section.repeated,
        composition: section.composition,
        weight_norms: section.weight_norms,
        llc: llc.enabled.then(|| llc_plan(llc, section.seed)),
    }
}

/// How, on what and how often λ̂ is estimated, from what was typed.
pub fn llc_plan(llc: &config::LlcSection, seed: u64) -> LlcPlan {
    LlcPlan {
        settings: llc_settings(llc, seed),
        batch: llc.batch,
        data: llc_data(llc.data()),
        evaluate: llc.evaluate().map(llc_data),
        streams: match llc.streams {
            config::StreamKind::Common => Streams::Common,
            config::StreamKind::Independent => Streams::Independent,
        },
        components: llc.components.clone(),
        observables: llc.observables,
        every: llc.every,
    }
}

/// The estimator's own settings, from what was typed.
pub fn llc_settings(llc: &config::LlcSection, seed: u64) -> LlcSettings {
    LlcSettings {
        rule: match llc.sampler {
            config::Sampler::Sgld => sampler::Rule::Sgld,
            config::Sampler::RmspropSgld => sampler::Rule::RmspropSgld,
            config::Sampler::Sgnht => sampler::Rule::Sgnht,
            config::Sampler::Mala => sampler::Rule::Mala,
        },
        sampler: sampler::Settings {
            epsilon: llc.epsilon,
            nbeta: llc.nbeta,
            localization: llc.localization,
            weight_decay: llc.weight_decay,
            half_width: llc.half_width,
        },
        chains: llc.chains,
        draws: match llc.draws {
            config::DrawCount::Fixed(draws) => Draws::Fixed(draws),
            config::DrawCount::Auto => Draws::Auto {
                error: llc.precision,
                most: llc.most_draws,
            },
        },
        burn_in: llc.burn_in,
        seed,
        baseline: match llc.baseline {
            config::BaselineKind::Paired => Baseline::Paired,
            config::BaselineKind::Apart => Baseline::Apart(llc.baseline_batches),
        },
        looks: llc.looks,
    }
}

fn llc_data(data: config::LlcData) -> LlcData {
    match data {
        config::LlcData::Train => LlcData::Source(Split::Train),
        config::LlcData::HeldOut => LlcData::Source(Split::HeldOut),
        config::LlcData::Eval(name) => LlcData::Eval(name),
    }
}

/// The detector's own settings, from what was typed.
pub fn stage_settings(section: &StagesSection) -> StageSettings {
    StageSettings {
        level: section.level,
        evidence: section.evidence,
        slowdown: section.slowdown,
        least_change: section.least_change,
        sure_change: section.sure_change,
        same_place: section.same_place,
        head_rise: section.head_rise,
        least_fall: section.least_fall,
        ..StageSettings::default()
    }
}

/// The estimator's settings as the report shows them.
pub fn estimator(config: &RunConfig) -> Option<ontogeny_report::Estimator> {
    let llc = &config.analysis.llc;
    llc.enabled.then(|| ontogeny_report::Estimator {
        sampler: match llc.sampler {
            config::Sampler::Sgld => "SGLD",
            config::Sampler::RmspropSgld => "RMSprop-SGLD",
            config::Sampler::Sgnht => "SGNHT",
            config::Sampler::Mala => "MALA",
        }
        .to_owned(),
        epsilon: llc.epsilon,
        nbeta: llc.nbeta,
        gamma: llc.localization,
        chains: llc.chains as u64,
        draws: match llc.draws {
            config::DrawCount::Fixed(draws) => draws as u64,
            config::DrawCount::Auto => llc.most_draws as u64,
        },
        burn_in: llc.burn_in as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_typed_are_the_detectors_own() {
        assert_eq!(
            stage_settings(&StagesSection::default()),
            StageSettings::default()
        );
    }
}
