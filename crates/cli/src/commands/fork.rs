//! `ontogeny fork`: the same network from some step on, with something changed.

use std::path::PathBuf;

use anyhow::Result;
use ontogeny_model::device::Chosen;
use ontogeny_store::{RunFolder, StateFolder, Step, TensorFile};
use ontogeny_training::config::{LoadedConfig, RunConfig, TrainingSection};
use ontogeny_training::{Group, Interrupter, Run, TrainingError, fork_states, reached, schedule};
use serde_json::json;

use super::run::{self, Opened, Went};
use super::{Finish, SCHEMA, print_json, shown};
use crate::arguments::ForkArguments;
use crate::failure::InFile;
use crate::signals::Stop;
use crate::tokens::{self, Made};
use crate::{place, watch};

/// Learning rates that differ by no more than this factor are no jump.
const JUMP: f64 = 1.25;
/// Longest name that a run may have, in bytes.
const LONGEST_NAME: usize = 64;

/// A run that is to begin at a step of another.
struct Fork {
    at: Step,
    loaded: LoadedConfig,
    run: Run,
    /// Tokens that were made for it.
    made: Made,
    root: PathBuf,
}

/// `ontogeny fork RUN@STEP`.
pub fn command(a: &ForkArguments, json: bool) -> Result<Finish> {
    let stop = Stop::on_request(json)?;
    let (folder, parent) = place::reopen(&a.point.run, &[])?;
    let chosen = place::same_device(&folder, a.device.as_deref())?;
    // Whatever is wrong with one of several is told before the first is trained.
    let steps = a.point.steps.iter();
    let forks = steps
        .map(|&at| prepare(a, &parent, &folder, at))
        .collect::<Result<Vec<_>>>()?;
    stop.begin_work();
    let (mut results, mut all_frozen) = (Vec::new(), true);
    for fork in forks {
        let at = fork.at;
        for jump in jumps(&parent, &fork) {
            errln!("warning: {jump}");
        }
        let opened = match open(fork, (&parent, &folder), &chosen, stop.interrupter())? {
            Some(opened) => opened,
            None => return Ok(stop.finish("the replay stopped")),
        };
        opened.announce();
        if !json {
            outln!("fork: {}", opened.folder.root().display());
        }
        let went = match a.train_only {
            true => run::trained(&opened, a.plain, json, &stop)?,
            false => run::whole(&opened, a.plain, json, &stop)?,
        };
        match went {
            Went::Stopped(finish) => return Ok(finish),
            Went::Through(mut result, frozen) => {
                result["at"] = json!(at);
                results.push(result);
                all_frozen &= frozen;
            }
        }
    }
    if json {
        print_json(&json!({ "schema": SCHEMA, "run": shown(folder.root()), "forks": results }));
    }
    Ok(match all_frozen {
        true => Finish::AllFrozen,
        false => Finish::Complete,
    })
}

/// The new run as the parent's configuration and the changes make it.
fn prepare(a: &ForkArguments, parent: &Run, folder: &RunFolder, at: Step) -> Result<Fork> {
    let concerned = |group: &&Group| match &a.replica {
        Some(name) => group.names().contains(name),
        None => true,
    };
    for group in parent.groups.iter().filter(concerned) {
        let reached = reached(group, folder)?;
        if at > reached {
            return Err(TrainingError::Unreached {
                path: folder.root().to_owned(),
                step: at,
                reached,
            }
            .into());
        }
    }
    let mut set = Vec::new();
    let name = format!("{}-at{at}", parent.config.name);
    if name.len() <= LONGEST_NAME {
        set.push(format!("name={}", toml::Value::String(name)));
    }
    // Other data may have fewer tokens; the network keeps its own number.
    let mut vocabularies = parent.groups.iter().map(|g| g.network.d_out());
    if let Some(d_vocab) = vocabularies.next()
        && vocabularies.all(|other| other == d_vocab)
    {
        set.push(format!("model.d_vocab={d_vocab}"));
    }
    set.extend(a.set.iter().cloned());
    if let Some(steps) = a.steps {
        set.push(format!("training.steps={steps}"));
    }
    if let Some(name) = &a.replica {
        set.extend(alone(parent, folder, name)?);
    }
    let origin = std::path::absolute(folder.root())?;
    // For the reader alone: nothing is opened by it.
    let origin = toml::Value::String(shown(&origin));
    set.push(format!(
        "fork={{ run = {origin}, at = {at}, key = \"{}\" }}",
        parent.key
    ));
    let loaded = RunConfig::load(&folder.config_toml(), &set)?;
    let current = loaded.config.phases.iter().rposition(|p| p.at <= at.0);
    let typed = a.set.iter().filter_map(|s| s.split('=').next());
    let first = |key: &str| key.trim() == "data" || key.trim().starts_with("data.");
    if let (Some(phase), Some(key)) = (current, typed.clone().find(|key| first(key))) {
        let begun = loaded.config.phases[phase].at;
        let message = format!(
            "at step {at} the run is past [data]: phases[{phase}] took over at step {begun}. Change it with \
             --set 'phases=[…]'"
        );
        return Err(loaded.error(key.trim(), message).into());
    }
    let out = match (&a.out, a.point.steps.len()) {
        (Some(out), 1) => Some(out.clone()),
        (Some(out), _) => Some(out.join(format!("at{at}"))),
        (None, _) => None,
    };
    let (run, made) = place::build_fork(&loaded, out.as_deref(), folder)?;
    let root = place::root(&run, out.as_deref());
    place::check_out(Some(&root))?;
    Ok(Fork {
        at,
        loaded,
        run,
        made,
        root,
    })
}

/// Where the learning rate jumps at the step of a fork: a sentence for each pair of rates. The rate
/// before is the one that the parent's next update would have had; a schedule that has ended keeps
/// its last.
fn jumps(parent: &Run, fork: &Fork) -> Vec<String> {
    let at = fork.at;
    let mut told: Vec<String> = Vec::new();
    for replica in fork.run.replicas() {
        let before = parent
            .replicas()
            .find(|r| r.entry.name == replica.entry.name);
        let Some(before) = before else { continue };
        let rate = |training: &TrainingSection| training.lr * schedule::rate(training, at.0);
        let (old, new) = (&before.config.training, &replica.config.training);
        let (was, is) = (rate(old), rate(new));
        let (least, most) = (was.min(is), was.max(is));
        if most <= JUMP * least {
            continue;
        }
        let [old, new] = [old, new].map(|training| {
            let name = serde_json::to_value(training.schedule).unwrap_or_default();
            let name = name.as_str().unwrap_or_default().to_owned();
            format!("{name} over {} steps", training.steps)
        });
        let sentence = format!(
            "the learning rate jumps at step {at}, from {was:.3e} ({old}) to {is:.3e} ({new}); \
             change it with --set training.lr=…, or go on at one rate with --set \
             'training.schedule=\"constant\"'"
        );
        if !told.contains(&sentence) {
            told.push(sentence);
        }
    }
    told
}

/// The changes that leave one replica of the parent's.
fn alone(parent: &Run, folder: &RunFolder, name: &str) -> Result<Vec<String>> {
    let Some(replica) = parent.replicas().find(|r| r.entry.name == name) else {
        let known: Vec<&str> = parent.replicas().map(|r| r.entry.name.as_str()).collect();
        return Err(InFile::error(
            folder.root(),
            format!("there is no replica `{name}`; it has {}", known.join(", ")),
        ));
    };
    let mut set = vec![format!("seeds=[{}]", replica.entry.seed)];
    let arms = &parent.config.arms;
    if let Some(arm) = arms.iter().find(|arm| arm.name == replica.entry.arm) {
        let arm = toml::Value::try_from(arm)?;
        set.push(format!("arms={}", toml::Value::Array(vec![arm])));
    }
    Ok(set)
}

/// The folder of the new run, with the state that it begins with; `None` if the replay was
/// interrupted.
fn open(
    fork: Fork,
    parent: (&Run, &RunFolder),
    chosen: &Chosen,
    interrupter: &Interrupter,
) -> Result<Option<Opened>> {
    let Fork {
        at,
        loaded,
        run,
        made,
        root,
    } = fork;
    let begun = RunFolder::exists(&root) && {
        let folder = RunFolder::open(&root)?;
        let has = |group: &Group| {
            let states = StateFolder::open(group.place(folder.state()));
            states.steps().is_ok_and(|steps| !steps.is_empty())
        };
        run.groups.iter().all(has)
    };
    let states: Vec<TensorFile> = if begun {
        Vec::new()
    } else {
        let mut observer = watch::replay();
        let states = fork_states(
            parent,
            (&run, &loaded),
            at,
            chosen,
            interrupter,
            observer.as_mut(),
        )?;
        match states {
            Some(states) => states,
            None => return Ok(None),
        }
    };
    let folder = place::folder(&run, Some(&root), chosen)?;
    let lock = folder.lock()?;
    tokens::keep(&run, &folder)?;
    made.take();
    for (group, state) in run.groups.iter().zip(&states) {
        let states = StateFolder::create(group.place(folder.state()))?.of_run(run.key);
        states.write(at, state, true)?;
    }
    place::refresh_configuration(&folder, &run)?;
    Ok(Some(Opened::new(run, folder, chosen.clone(), lock)))
}
