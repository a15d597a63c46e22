//! `ontogeny compare`: arms beside each other.

mod comparable;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ontogeny_analysis::compare::{
    ArmInput, Axis, CompareSettings, Comparison, Event, Pairs, ReplicaInput, compare,
    events_parquet,
};
use ontogeny_analysis::dynamics::Dynamics;
use ontogeny_analysis::table::MeasureRow;
use ontogeny_data::{Language, Source};
use ontogeny_report::compare::{CompareInput, RunEntry, markdown, page};
use ontogeny_results::stages::ReplicaStages;
use ontogeny_store::{RunFolder, create_folder, rfc3339, write_atomically};
use ontogeny_training::Run;
use ontogeny_training::config::RunConfig;
use serde_json::json;

use super::{SCHEMA, print_json, shown};
use super::{dynamics, report};
use crate::arguments::{CompareArguments, CompareAxis, CompareEvent, ComparePairs};
use crate::failure::InFile;
use crate::{differences, place};

/// Folder of the comparison in the first experiment's, unless another is named.
const FOLDER: &str = "compare";
/// Parts of a configuration in which arms can differ.
const DECISIVE: [&str; 4] = ["data", "model", "training", "phases"];

/// One experiment as it lies on disk.
struct Experiment {
    root: PathBuf,
    /// The kind of device that trained it.
    kind: String,
    name: String,
    run: Run,
    rows: Vec<MeasureRow>,
    stages: Vec<ReplicaStages>,
    dynamics: Option<Dynamics>,
}

/// `ontogeny compare EXPERIMENT…`.
pub fn command(a: &CompareArguments, json: bool) -> Result<()> {
    comparable::refuse_twice(&a.experiments)?;
    let experiments = a
        .experiments
        .iter()
        .map(|root| read(root))
        .collect::<Result<Vec<_>>>()?;
    comparable::refuse_copies(&experiments)?;
    let configs = configurations(&experiments);
    let names = arm_names(&experiments);
    let (knob, differing) = knob(&configs, a.knob.as_deref())?;
    let arms = arms(&experiments, &names, knob.as_ref());
    let settings = CompareSettings {
        axis: axis(a.at),
        event: event(a.event),
        loss: a.loss.clone(),
        pairs: pairs(a, &names)?,
        resamples: a.resamples as usize,
        permutations: a.permutations as usize,
        seed: a.seed,
        ..CompareSettings::default()
    };
    let knob = knob.as_ref().map(|(key, _)| key.as_str());
    let found = compare(&arms, knob, &settings)?;
    let mut notes = Vec::new();
    if knob.is_none() && differing.len() > 1 {
        notes.push(format!(
            "No dose–response: the arms differ in {}; choose one that is numeric with --knob.",
            differing.join(", ")
        ));
    } else if let Some(knob) = knob {
        let others: Vec<_> = differing.iter().filter(|k| *k != knob).cloned().collect();
        if !others.is_empty() {
            notes.push(format!(
                "The arms differ in {} beside {knob}, which the dose–response does not take into account.",
                others.join(", ")
            ));
        }
    }
    notes.extend(comparable::frozen(&experiments, &names));
    notes.extend(missing(&experiments));
    let out = match &a.out {
        Some(out) => out.clone(),
        None => experiments[0].root.join(FOLDER),
    };
    let input = page_input(&experiments, &names, found, differing, notes);
    write(&out, &input)?;
    if json {
        let mut printed = serde_json::to_value(&input)?;
        printed["schema"] = json!(SCHEMA);
        printed["files"] = json!({
            "html": shown(&out.join("compare.html")),
            "parquet": shown(&out.join("compare.parquet")),
            "markdown": shown(&out.join("compare.md")),
            "json": shown(&out.join("compare.json")),
        });
        print_json(&printed);
    } else {
        out!("{}", markdown::tables(&input));
        outln!("\ncomparison: {}", out.join("compare.html").display());
    }
    Ok(())
}

/// Reads an experiment that was analysed.
fn read(root: &Path) -> Result<Experiment> {
    // First what costs little: a folder that was not analysed is told before a corpus is opened.
    let folder = RunFolder::open(root)?;
    let kind = folder.read_manifest()?.device_kind;
    let analysed = report::read(&folder)?;
    let (folder, run) = place::reopen(root, &[])?;
    let dynamics = dynamics::read(&folder)?;
    for replica in run.replicas() {
        let name = &replica.entry.name;
        if !analysed.rows.iter().any(|r| r.replica == *name) {
            let missing = format!(
                "the table has no row of the replica `{name}`; run `ontogeny analyze {}`",
                root.display()
            );
            return Err(InFile::error(root, missing));
        }
    }
    Ok(Experiment {
        root: root.to_owned(),
        kind,
        name: run.config.name.clone(),
        run,
        rows: analysed.rows,
        stages: analysed.stages,
        dynamics,
    })
}

/// The arms of an experiment, in order, each with the configuration of its replicas.
fn own_arms(experiment: &Experiment) -> Vec<(&str, &RunConfig)> {
    let mut found: Vec<(&str, &RunConfig)> = Vec::new();
    for replica in experiment.run.replicas() {
        if found.iter().all(|(name, _)| *name != replica.entry.arm) {
            found.push((&replica.entry.arm, &replica.config));
        }
    }
    // Arms of several shapes lie in several groups; the configuration has the order that was typed.
    let place = |name: &str| {
        experiment
            .run
            .config
            .arms
            .iter()
            .position(|a| a.name == name)
    };
    found.sort_by_key(|(name, _)| place(name));
    found
}

/// Names by which arms are told apart, in the order of experiments and arms: those that several
/// runs share get the run's name in front, or the folder where runs are called alike.
fn arm_names(experiments: &[Experiment]) -> Vec<String> {
    let plain: Vec<(usize, &str)> = experiments
        .iter()
        .enumerate()
        .flat_map(|(i, e)| own_arms(e).into_iter().map(move |(name, _)| (i, name)))
        .collect();
    let run = |i: usize| {
        let e = &experiments[i];
        match experiments.iter().filter(|o| o.name == e.name).count() {
            1 => e.name.clone(),
            _ => e.root.display().to_string(),
        }
    };
    let shared = |name: &str| plain.iter().filter(|(_, other)| *other == name).count() > 1;
    plain
        .iter()
        .map(|&(i, name)| match shared(name) {
            true => format!("{}/{name}", run(i)),
            false => name.to_owned(),
        })
        .collect()
}

/// What decides the weights of each arm, as dotted keys with their values.
fn configurations(experiments: &[Experiment]) -> Vec<Vec<(String, toml::Value)>> {
    let arms = experiments.iter().flat_map(own_arms);
    arms.map(|(_, config)| differences::keys(config, &DECISIVE))
        .collect()
}

/// A knob: its key, and its value in each arm.
type Knob = (String, Vec<f64>);

/// The numeric key that differs between arms, if it is named or the only one that differs; and all
/// that differ.
fn knob(
    configs: &[Vec<(String, toml::Value)>],
    named: Option<&str>,
) -> Result<(Option<Knob>, Vec<String>)> {
    let mut keys: Vec<&str> = configs.iter().flatten().map(|(k, _)| k.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |key: &str| -> Vec<Option<&toml::Value>> {
        let value =
            |config: &'_ Vec<(String, toml::Value)>| config.iter().position(|(k, _)| k == key);
        configs.iter().map(|c| value(c).map(|i| &c[i].1)).collect()
    };
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|key| of(key).windows(2).any(|pair| pair[0] != pair[1]))
        .map(str::to_owned)
        .collect();
    let numbers = |key: &str| -> Option<Vec<f64>> {
        let each = of(key).into_iter().map(|value| match value? {
            toml::Value::Integer(n) => Some(*n as f64),
            toml::Value::Float(x) => Some(*x),
            _ => None,
        });
        each.collect()
    };
    let found = match named {
        Some(key) if !differing.iter().any(|d| d == key) => {
            let there = match differing.as_slice() {
                [] => "they differ in nothing that decides the weights".to_owned(),
                keys => format!("they differ in {}", keys.join(", ")),
            };
            bail!("--knob {key}: the arms do not differ in it; {there}");
        }
        Some(key) => match numbers(key) {
            Some(values) => Some((key.to_owned(), values)),
            None => bail!("--knob {key}: it is not a number in every arm"),
        },
        None => match differing.as_slice() {
            [only] => numbers(only).map(|values| (only.clone(), values)),
            _ => None,
        },
    };
    Ok((found, differing))
}

fn arms<'a>(
    experiments: &'a [Experiment],
    names: &[String],
    knob: Option<&Knob>,
) -> Vec<ArmInput<'a>> {
    let own = experiments
        .iter()
        .flat_map(|e| own_arms(e).into_iter().map(move |(name, _)| (e, name)));
    let mut counted: Vec<(ontogeny_store::Key, f64)> = Vec::new();
    own.zip(names)
        .enumerate()
        .map(|(i, ((experiment, arm), name))| {
            let replicas = || {
                let all = experiment.run.replicas();
                all.filter(move |r| r.entry.arm == arm)
            };
            let mut repeats = |source: &Source| -> f64 {
                let key = source.key();
                if let Some((_, count)) = counted.iter().find(|(k, _)| *k == key) {
                    return *count;
                }
                let count = source
                    .language()
                    .map_or(0.0, Language::repeats_per_sequence);
                counted.push((key, count));
                count
            };
            let mut first = 0.0;
            let mut rates = Vec::new();
            if let Some(replica) = replicas().next() {
                for (at, source) in &replica.phases {
                    let each = repeats(source);
                    if *at == 0 {
                        first = each;
                    }
                    rates.push((*at, each * replica.config.training.batch as f64));
                }
            }
            ArmInput {
                name: name.clone(),
                run: experiment.name.clone(),
                dose: knob.map(|(_, values)| values[i]),
                rates,
                repeats_per_sequence: first,
                replicas: replicas()
                    .map(|r| ReplicaInput {
                        name: &r.entry.name,
                        seed: r.entry.seed,
                        rows: rows_of(&experiment.rows, &r.entry.name),
                        stages: experiment
                            .stages
                            .iter()
                            .find(|s| s.replica == r.entry.name)
                            .map(|s| s.report.stages.as_slice()),
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The rows of one replica: the table is sorted by replica.
fn rows_of<'a>(rows: &'a [MeasureRow], name: &str) -> &'a [MeasureRow] {
    let mut own = rows.chunk_by(|a, b| a.replica == b.replica);
    own.find(|own| own[0].replica == name).unwrap_or(&[])
}

fn axis(at: CompareAxis) -> Axis {
    match at {
        CompareAxis::Step => Axis::Step,
        CompareAxis::Tokens => Axis::Tokens,
        CompareAxis::Exposures => Axis::Exposures,
        CompareAxis::Loss => Axis::Loss,
    }
}

fn event(event: CompareEvent) -> Event {
    match event {
        CompareEvent::Onset => Event::Onset,
        CompareEvent::Half => Event::Half,
        CompareEvent::End => Event::End,
    }
}

fn pairs(a: &CompareArguments, names: &[String]) -> Result<Pairs> {
    if a.pairs == ComparePairs::All {
        return Ok(Pairs::All);
    }
    let Some(arm) = &a.against else {
        return Ok(Pairs::Against(0));
    };
    match names.iter().position(|name| name == arm) {
        Some(i) => Ok(Pairs::Against(i)),
        None => bail!(
            "--against {arm}: there is no such arm; there is {}",
            names.join(", ")
        ),
    }
}

/// Replicas in which no stages were sought.
fn missing(experiments: &[Experiment]) -> Vec<String> {
    let mut notes = Vec::new();
    for experiment in experiments {
        for replica in experiment.run.replicas() {
            let name = &replica.entry.name;
            if !experiment.stages.iter().any(|s| s.replica == *name) {
                notes.push(format!(
                    "No stages were sought in {name} of {}: it counts nowhere but in what is read without the detector.",
                    experiment.name
                ));
            }
        }
    }
    notes
}

fn page_input(
    experiments: &[Experiment],
    names: &[String],
    comparison: Comparison,
    differing: Vec<String>,
    notes: Vec<String>,
) -> CompareInput {
    let mut title: Vec<&str> = experiments.iter().map(|e| e.name.as_str()).collect();
    title.dedup();
    // Paths get the names that their arms have in the comparison.
    let mut at = 0;
    let dynamics = experiments.iter().map(|experiment| {
        let own = own_arms(experiment);
        let names = &names[at..];
        at += own.len();
        let mut dynamics = experiment.dynamics.clone();
        for path in dynamics.iter_mut().flat_map(|d| &mut d.paths) {
            if let Some(i) = own.iter().position(|(name, _)| *name == path.arm) {
                path.arm.clone_from(&names[i]);
            }
        }
        dynamics
    });
    let runs = experiments.iter().map(|e| RunEntry {
        name: e.name.clone(),
        folder: shown(&e.root),
        key: e.run.key.to_string(),
    });
    CompareInput {
        title: title.join(", "),
        runs: runs.collect(),
        created: rfc3339(std::time::SystemTime::now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: typed(),
        differing,
        comparison,
        dynamics: dynamics.collect(),
        notes,
    }
}

/// The command line, so that the page can say how it was made.
fn typed() -> String {
    let rest = std::env::args_os().skip(1);
    let rest = rest.map(|a| a.to_string_lossy().into_owned());
    std::iter::once("ontogeny".to_owned())
        .chain(rest)
        .collect::<Vec<_>>()
        .join(" ")
}

fn write(out: &Path, input: &CompareInput) -> Result<()> {
    create_folder(out)?;
    let mut value = serde_json::to_value(input)?;
    value["schema"] = json!(SCHEMA);
    write_atomically(
        &out.join("compare.parquet"),
        &events_parquet(&input.comparison.events)?,
    )?;
    write_atomically(
        &out.join("compare.md"),
        markdown::document(input).as_bytes(),
    )?;
    place::write_json(&out.join("compare.json"), &value)?;
    write_atomically(&out.join("compare.html"), page::render(input).as_bytes())?;
    Ok(())
}
