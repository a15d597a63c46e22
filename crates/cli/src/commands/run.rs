//! `ontogeny run` and `ontogeny train`.

use anyhow::Result;
use ontogeny_model::device::Chosen;
use ontogeny_store::{RunFolder, RunLock};
use ontogeny_training::{Run, TrainingOutcome};
use serde_json::{Value, json};

use super::{Finish, SCHEMA, analyze, print_json, report, shown, train, typed};
use crate::arguments::RunArguments;
use crate::signals::Stop;
use crate::{place, tokens, watch};

/// A run that was built, its folder, and the right to write there.
pub struct Opened {
    /// The run.
    pub run: Run,
    /// Its folder.
    pub folder: RunFolder,
    /// Where it is computed.
    pub chosen: Chosen,
    _lock: RunLock,
}

/// How far a run came.
pub enum Went {
    /// To its end; the result for scripts, and whether every replica was frozen. People have been
    /// told.
    Through(Value, bool),
    /// It was interrupted.
    Stopped(Finish),
}

fn open(a: &RunArguments) -> Result<Opened> {
    let loaded = place::configuration(a.config.as_deref(), &a.set)?;
    place::check_out(a.out.as_deref())?;
    let chosen = place::device(&a.device)?;
    let (run, made) = place::build(&loaded, a.out.as_deref())?;
    let root = place::root(&run, a.out.as_deref());
    if let Some(fork) = &run.config.fork
        && !RunFolder::exists(&root)
    {
        let message = format!(
            "this goes on from step {} of {}, and {} does not hold that state; `ontogeny fork` makes such a run",
            fork.at,
            fork.run.display(),
            root.display()
        );
        return Err(loaded.error("fork", message).into());
    }
    let folder = place::folder(&run, a.out.as_deref(), &chosen)?;
    let lock = folder.lock()?;
    tokens::keep(&run, &folder)?;
    made.take();
    place::refresh_configuration(&folder, &run)?;
    let opened = Opened::new(run, folder, chosen, lock);
    opened.announce();
    Ok(opened)
}

impl Opened {
    /// A run with its folder, which `lock` is of.
    pub fn new(run: Run, folder: RunFolder, chosen: Chosen, lock: RunLock) -> Self {
        Self {
            run,
            folder,
            chosen,
            _lock: lock,
        }
    }

    /// Says where the run lies and where it is computed.
    pub fn announce(&self) {
        errln!(
            "{} on {} ({})",
            self.folder.root().display(),
            self.chosen.entry.name,
            self.chosen.entry.description
        );
    }
}

/// `ontogeny train`.
pub fn train_alone(a: &RunArguments, json: bool) -> Result<Finish> {
    let stop = Stop::on_request(json)?;
    let opened = open(a)?;
    stop.begin_work();
    finish(trained(&opened, a.plain, json, &stop)?, json)
}

/// `ontogeny run`.
pub fn run(a: &RunArguments, json: bool) -> Result<Finish> {
    let stop = Stop::on_request(json)?;
    let opened = open(a)?;
    stop.begin_work();
    finish(whole(&opened, a.plain, json, &stop)?, json)
}

fn finish(went: Went, json: bool) -> Result<Finish> {
    match went {
        Went::Stopped(finish) => Ok(finish),
        Went::Through(result, all_frozen) => {
            if json {
                print_json(&result);
            }
            Ok(match all_frozen {
                true => Finish::AllFrozen,
                false => Finish::Complete,
            })
        }
    }
}

/// Trains, and no more.
pub fn trained(o: &Opened, plain: bool, json: bool, stop: &Stop) -> Result<Went> {
    let plain = plain || json;
    let outcome = train::train_in(&o.run, &o.folder, &o.chosen, plain, stop.interrupter())?;
    if let Some(step) = outcome.interrupted_at {
        let stopped = stop.finish(&format!("training stopped at step {step}"));
        return Ok(Went::Stopped(stopped));
    }
    let seconds = json!({ "train": outcome.seconds });
    let replicas: Vec<Value> = o
        .run
        .replicas()
        .map(|r| replica_json(r, &outcome, Value::Array(Vec::new())))
        .collect();
    if !json {
        outln!(
            "trained in {}: {}",
            watch::duration(outcome.seconds),
            o.folder.root().display()
        );
    }
    let result = json!({
        "schema": SCHEMA,
        "run": shown(o.folder.root()),
        "seconds": seconds,
        "checkpoints": checkpoints(&o.run, &o.folder)?,
        "replicas": replicas,
    });
    Ok(Went::Through(result, outcome.all_frozen()))
}

/// Trains, analyses and reports.
pub fn whole(o: &Opened, plain: bool, json: bool, stop: &Stop) -> Result<Went> {
    let plain = plain || json;
    let outcome = train::train_in(&o.run, &o.folder, &o.chosen, plain, stop.interrupter())?;
    if let Some(step) = outcome.interrupted_at {
        let stopped = stop.finish(&format!("training stopped at step {step}"));
        return Ok(Went::Stopped(stopped));
    }
    let asked = || stop.asked();
    let Some(analysed) = analyze::analyze_in(&o.run, &o.folder, &o.chosen, &asked)? else {
        return Ok(Went::Stopped(stop.finish("analysis stopped")));
    };
    let (path, report_seconds) =
        report::report_in(&o.run, &o.folder, &o.chosen.entry, &analysed, &typed())?;
    let replicas: Vec<Value> = o
        .run
        .replicas()
        .map(|r| {
            let found = analysed.stages.iter().find(|s| s.replica == r.entry.name);
            let stages = found.map_or(Ok(Value::Array(Vec::new())), |s| {
                serde_json::to_value(&s.report.stages)
            });
            let mut replica = replica_json(r, &outcome, stages?);
            // The rows of a replica are in the order of their steps.
            let mut own = analysed.rows.iter().rev();
            if let Some(last) = own.find(|row| row.replica == r.entry.name) {
                replica["final"] = serde_json::to_value(&last.values)?;
            }
            Ok(replica)
        })
        .collect::<Result<_, serde_json::Error>>()?;
    if !json {
        analyze::print_stages(&analysed);
        outln!("report: {}", path.display());
    }
    let result = json!({
        "schema": SCHEMA,
        "run": shown(o.folder.root()),
        "report": shown(&path),
        "seconds": {
            "train": outcome.seconds,
            "analyze": analysed.seconds,
            "report": report_seconds,
        },
        "checkpoints": checkpoints(&o.run, &o.folder)?,
        "replicas": replicas,
    });
    Ok(Went::Through(result, outcome.all_frozen()))
}

fn replica_json(
    replica: &ontogeny_training::Replica,
    outcome: &TrainingOutcome,
    stages: Value,
) -> Value {
    let end = outcome
        .replicas
        .iter()
        .find(|e| e.name == replica.entry.name);
    json!({
        "name": replica.entry.name,
        "arm": replica.entry.arm,
        "seed": replica.entry.seed,
        "final_step": end.map(|e| e.final_step),
        "frozen_at": end.and_then(|e| e.frozen_at),
        "stages": stages,
    })
}

/// Every checkpoint: step, path, and the replicas in the order of the file's leading axis.
fn checkpoints(run: &Run, folder: &RunFolder) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for group in &run.groups {
        for entry in group.written_checkpoints(run, folder)?.list()? {
            all.push(json!({
                "step": entry.step,
                "path": shown(&entry.path),
                "replicas": entry.replicas,
                "hash": entry.hash,
            }));
        }
    }
    Ok(all)
}
