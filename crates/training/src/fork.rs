//! From the state of one run to the start of another.

use ontogeny_model::NetworkConfig;
use ontogeny_model::device::Chosen;
use ontogeny_store::{NamedTensor, RunFolder, Step, TensorFile};
use serde_json::Value;

use crate::Interrupter;
use crate::config::LoadedConfig;
use crate::course::Course;
use crate::error::TrainingError;
use crate::observer::Observer;
use crate::replay::Replay;
use crate::run::{Group, Run};
use crate::stack::join;

/// The states that a fork begins with, one for each of its groups: those of the parent's replicas
/// of the same names after `at` updates. Where no state was kept, the parent is replayed up to
/// there, and compared with its checkpoints on the way. `None` if that was interrupted. Nothing is
/// written.
///
/// `loaded` is the configuration of `fork`, for errors that name a key.
///
/// # Errors
/// [`TrainingError::Unreached`] if the parent has not come to `at`; [`TrainingError::Config`] for a
/// replica that the parent lacks, or a network or an optimizer that its state does not fit;
/// [`TrainingError::Replay`].
pub fn fork_states(
    parent: (&Run, &RunFolder),
    fork: (&Run, &LoadedConfig),
    at: Step,
    chosen: &Chosen,
    interrupter: &Interrupter,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<TensorFile>>, TrainingError> {
    let ((old, folder), (new, loaded)) = (parent, fork);
    // Everything that can be refused is refused before a step is replayed.
    for group in &new.groups {
        for replica in &group.replicas {
            let name = &replica.entry.name;
            let Some(from) = group_of(old, name) else {
                let known: Vec<&str> = old.replicas().map(|r| r.entry.name.as_str()).collect();
                let message = format!(
                    "the parent has no replica `{name}` to go on from; it has {}",
                    known.join(", ")
                );
                return Err(loaded.error("seeds", message).into());
            };
            if let Some((key, message)) = unlike(&from.network, &group.network) {
                return Err(loaded.error(&format!("model.{key}"), message).into());
            }
            if from.training.optimizer != group.training.optimizer {
                let message = "a fork keeps its parent's optimizer, whose moments it goes on with";
                return Err(loaded.error("training.optimizer", message).into());
            }
        }
    }
    let needed = |group: &Group| {
        let mut new = new.replicas();
        new.any(|r| group.names().contains(&r.entry.name))
    };
    let mut states: Vec<(&Group, TensorFile)> = Vec::new();
    for group in old.groups.iter().filter(|g| needed(g)) {
        let mut replay = Replay::read_only(old, group, folder, chosen)?;
        if at > replay.reached() {
            return Err(TrainingError::Unreached {
                path: folder.root().to_owned(),
                step: at,
                reached: replay.reached(),
            });
        }
        let from = replay.take_up(at)?.step;
        if from < at {
            observer.begin(&group.names(), from, at);
        }
        let there = replay.go(at, &[], interrupter, observer)?;
        if from < at {
            observer.end(at, !there);
        }
        match replay.into_course().filter(|_| there) {
            Some(course) => states.push((group, course.state()?)),
            None => return Ok(None),
        }
    }
    let mut out = Vec::with_capacity(new.groups.len());
    for group in &new.groups {
        let own = group.replicas.iter().filter_map(|replica| {
            let name = &replica.entry.name;
            states.iter().find_map(|(from, state)| {
                let row = from.names().iter().position(|n| n == name)?;
                Some(state.tensors.iter().map(|t| row_of(t, row)).collect())
            })
        });
        let state = TensorFile {
            metadata: [("step".to_owned(), at.0.to_string())].into(),
            tensors: join(own.collect()),
        };
        // Once into the place where it will go tells whether it fits, before anything is written.
        let mut course = Course::start(group, chosen)?;
        course
            .take_up(at, &state)
            .map_err(crate::train::misfit(folder))?;
        out.push(state);
    }
    Ok(Some(out))
}

fn group_of<'a>(run: &'a Run, replica: &str) -> Option<&'a Group> {
    let has = |group: &&Group| group.replicas.iter().any(|r| r.entry.name == replica);
    run.groups.iter().find(has)
}

/// One replica of a tensor, with its axis.
fn row_of(tensor: &NamedTensor, row: usize) -> NamedTensor {
    let mut shape = tensor.shape.clone();
    let size: usize = shape.iter().skip(1).product();
    if let Some(replicas) = shape.first_mut() {
        *replicas = 1;
    }
    NamedTensor {
        name: tensor.name.clone(),
        shape,
        data: tensor.data[row * size..(row + 1) * size].to_vec(),
    }
}

/// The first key in which two networks differ, other than in how they were drawn, and what to say
/// of it.
fn unlike(old: &NetworkConfig, new: &NetworkConfig) -> Option<(String, String)> {
    let same_start = new.clone().with_init(old.init());
    if same_start == *old {
        return None;
    }
    let fields = |config: &NetworkConfig| match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(&same_start));
    let (key, was) = old
        .iter()
        .find(|(key, value)| new.get(*key) != Some(value))?;
    let is = new.get(key).unwrap_or(&Value::Null);
    let message = format!(
        "a fork goes on with its parent's weights: `model.{key}` is {was} there and cannot become {is}"
    );
    Some((key.clone(), message))
}
