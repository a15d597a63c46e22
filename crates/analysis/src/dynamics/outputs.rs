//! The outputs of checkpoints at fixed places of fixed sequences.

use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use ontogeny_data::{Language, Sequences, Split};
use ontogeny_model::device::Chosen;
use ontogeny_model::{Network, weights};
use ontogeny_store::{Checkpoint, CheckpointEntry, CheckpointFolder, Key, KeyBuilder, Stream};
use rayon::prelude::*;

use super::principal::principal;
use super::values::FixedValues;
use super::{Dynamics, Landmark, Path};
use crate::error::AnalysisError;
use crate::probe;

/// Held-out sequences that outputs are read on.
const SEQUENCES: usize = 32;
/// Probabilities of a row, about so many; a large vocabulary has more, since there are places
/// enough for it to differ at.
const WIDTH: usize = 8192;
/// Fewest places, whatever the vocabulary.
const LEAST_PLACES: usize = 16;
/// Most probabilities of all rows together: 256 MB.
const MOST_SCALARS: usize = 64 << 20;
/// Changes with anything that changes a figure.
const VERSION: &str = "dynamics/1";

/// Whose outputs are decomposed, and on what.
pub struct DynamicsPlan<'a> {
    /// The replicas, in the order of their paths; all with one vocabulary and one context.
    pub members: Vec<Member>,
    /// The folders that their checkpoints lie in, each with its place in [`Member::folder`].
    pub folders: Vec<CheckpointFolder>,
    /// What outputs are read on.
    pub outputs: Outputs<'a>,
    /// Seed of sequences and places.
    pub seed: u64,
    /// Components.
    pub components: usize,
    /// Where networks run.
    pub chosen: &'a Chosen,
    /// Asked between checkpoints.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// What outputs are read on, and which predictors are projected in.
pub enum Outputs<'a> {
    /// Probabilities of the next token.
    Tokens {
        /// The source of the sequences and of the oracles.
        source: &'a Language,
        /// Size of the networks' vocabulary, at least the source's.
        d_vocab: usize,
    },
    /// Vectors, as they are.
    Values(FixedValues),
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub replica: String,
    /// Its arm.
    pub arm: String,
    /// Which folder its checkpoints lie in.
    pub folder: usize,
}

/// Where outputs are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The sequences.
    pub sequences: Sequences,
    /// Positions among those of all sequences, one sequence after the other, ascending.
    pub positions: Vec<usize>,
}

/// The places for so many rows: a fixed random choice among the positions of the sequences.
pub fn places(source: &Language, d_vocab: usize, seed: u64, rows: usize) -> Places {
    let sequences = source.sequences(Split::HeldOut, &probe::stream(seed), 0, SEQUENCES);
    let all = sequences.rows * (sequences.len - 1);
    let room = MOST_SCALARS / (rows * d_vocab).max(1);
    let count = (WIDTH / d_vocab)
        .max(LEAST_PLACES)
        .min(room.max(1))
        .min(all);
    let mut lots = vec![0.0; all];
    Stream::new(seed, "places of outputs", &[]).fill_uniform(0, &mut lots);
    let mut positions: Vec<usize> = (0..all).collect();
    positions.sort_by(|&a, &b| lots[a].total_cmp(&lots[b]));
    positions.truncate(count);
    positions.sort_unstable();
    Places {
        sequences,
        positions,
    }
}

/// The checkpoints of every folder.
fn entries(plan: &DynamicsPlan<'_>) -> Result<Vec<Vec<CheckpointEntry>>, AnalysisError> {
    let of = |folder: &CheckpointFolder| -> Result<Vec<CheckpointEntry>, AnalysisError> {
        match folder.list()? {
            none if none.is_empty() => Err(AnalysisError::NoCheckpoints(folder.path().to_owned())),
            some => Ok(some),
        }
    };
    plan.folders.iter().map(of).collect()
}

/// Names everything that the result depends on.
///
/// # Errors
/// If checkpoints cannot be listed, or there are none.
pub fn key(plan: &DynamicsPlan<'_>) -> Result<Key, AnalysisError> {
    let source = match &plan.outputs {
        Outputs::Tokens { source, .. } => source.key(),
        Outputs::Values(values) => values.key,
    };
    let mut key = KeyBuilder::new(VERSION)
        .key("source", &source)
        .text("device", &plan.chosen.entry.kind)
        .number("seed", plan.seed)
        .number("components", plan.components as u64);
    if let Outputs::Tokens { d_vocab, .. } = &plan.outputs {
        key = key.number("vocabulary", *d_vocab as u64);
    }
    let entries = entries(plan)?;
    for member in &plan.members {
        key = key
            .text("replica", &member.replica)
            .text("arm", &member.arm);
        for entry in &entries[member.folder] {
            key = key.key("weights", &entry.hash);
        }
    }
    Ok(key.finish())
}

/// One row: which member, at which step, and its probabilities.
struct Row {
    member: usize,
    step: u64,
    outputs: Vec<f32>,
}

/// The paths of all replicas, and the oracles beside them; `None` if no two checkpoints differ.
///
/// # Errors
/// If a checkpoint cannot be read or the device fails; [`AnalysisError::Interrupted`] if it was
/// stopped.
pub fn trajectories(plan: &DynamicsPlan<'_>) -> Result<Option<Dynamics>, AnalysisError> {
    let entries = entries(plan)?;
    let files: Vec<(usize, &CheckpointEntry)> = entries
        .iter()
        .enumerate()
        .flat_map(|(folder, all)| all.iter().map(move |entry| (folder, entry)))
        .collect();
    let count = |folder: usize| plan.members.iter().filter(|m| m.folder == folder).count();
    let rows = files.iter().map(|(folder, _)| count(*folder)).sum();
    let reading = Reading::of(plan, rows);
    let of_file = |(folder, entry): &(usize, &CheckpointEntry)| {
        if (plan.stop)() {
            return Err(AnalysisError::Interrupted);
        }
        of_file(plan, &reading, *folder, entry)
    };
    // A GPU is one queue.
    let read: Vec<Vec<Row>> = match plan.chosen.is_cpu() {
        true => files.par_iter().map(of_file).collect::<Result<_, _>>()?,
        false => files.iter().map(of_file).collect::<Result<_, _>>()?,
    };
    let mut rows: Vec<Row> = read.into_iter().flatten().collect();
    rows.sort_by_key(|row| (row.member, row.step));
    let (about, outputs): (Vec<(usize, u64)>, Vec<Vec<f32>>) = rows
        .into_iter()
        .map(|row| ((row.member, row.step), row.outputs))
        .unzip();
    let (names, landmarks): (Vec<String>, Vec<Vec<f32>>) = reading.landmarks().into_iter().unzip();
    let last_of_first = about.iter().rposition(|(m, _)| *m == 0).unwrap_or(0);
    let found = principal(&outputs, &landmarks, plan.components, last_of_first);
    if found.explained.is_empty() {
        return Ok(None);
    }
    let mut paths: Vec<Path> = plan
        .members
        .iter()
        .map(|member| Path {
            replica: member.replica.clone(),
            arm: member.arm.clone(),
            steps: Vec::new(),
            places: Vec::new(),
        })
        .collect();
    for ((member, step), place) in about.into_iter().zip(found.rows) {
        paths[member].steps.push(step);
        paths[member].places.push(place);
    }
    Ok(Some(Dynamics {
        explained: found.explained,
        paths,
        oracles: names
            .into_iter()
            .zip(found.landmarks)
            .map(|(name, place)| Landmark { name, place })
            .collect(),
    }))
}

/// How a row is read off a network.
enum Reading<'a> {
    Tokens {
        source: &'a Language,
        d_vocab: usize,
        places: Places,
    },
    Values(&'a FixedValues),
}

impl<'a> Reading<'a> {
    fn of(plan: &'a DynamicsPlan<'_>, rows: usize) -> Self {
        match &plan.outputs {
            Outputs::Tokens { source, d_vocab } => Self::Tokens {
                source,
                d_vocab: *d_vocab,
                places: places(source, *d_vocab, plan.seed, rows),
            },
            Outputs::Values(values) => Self::Values(values),
        }
    }

    /// The row of a network.
    fn row(&self, network: &Network, device: &Device) -> Result<Vec<f32>, AnalysisError> {
        match self {
            Self::Tokens { places, .. } => probabilities(network, places, device),
            Self::Values(values) => values.row(network),
        }
    }

    /// The rows of the predictors that need no training, by name.
    fn landmarks(&self) -> Vec<(String, Vec<f32>)> {
        match self {
            Self::Tokens {
                source,
                d_vocab,
                places,
            } => {
                let of = |oracle: ontogeny_data::Oracle| {
                    let predict = |sequence: &[u32]| source.predict(oracle, sequence);
                    let row = of_oracle(source.d_vocab(), *d_vocab, places, &predict);
                    (oracle.name().to_owned(), row)
                };
                source.oracles().into_par_iter().map(of).collect()
            }
            Self::Values(values) => values.landmarks.clone(),
        }
    }
}

/// The rows of a checkpoint's file, which is read once.
fn of_file(
    plan: &DynamicsPlan<'_>,
    reading: &Reading<'_>,
    folder: usize,
    entry: &CheckpointEntry,
) -> Result<Vec<Row>, AnalysisError> {
    let (checkpoint, _) = Checkpoint::read(&entry.path)?;
    let device = &plan.chosen.device;
    let own = plan
        .members
        .iter()
        .enumerate()
        .filter(|(_, m)| m.folder == folder);
    own.map(|(member, named)| {
        if !entry.replicas.contains(&named.replica) {
            return Err(AnalysisError::UnknownReplica {
                path: PathBuf::from(&entry.path),
                replica: named.replica.clone(),
            });
        }
        let alone = checkpoint.alone(&named.replica)?;
        let network = weights::from_checkpoint(&alone, &entry.path, device)?;
        Ok(Row {
            member,
            step: entry.step.0,
            outputs: reading.row(&network, device)?,
        })
    })
    .collect()
}

/// A network's probabilities of the next token at the places.
fn probabilities(
    network: &Network,
    places: &Places,
    device: &Device,
) -> Result<Vec<f32>, AnalysisError> {
    let sequences = &places.sequences;
    let t = sequences.len - 1;
    let positions: Vec<i32> = places.positions.iter().map(|&p| p as i32).collect();
    let batch = probe::batch(sequences, 0..sequences.rows, device);
    let logits = network.outputs(&batch.inputs, t);
    let v = logits.dims()[2];
    let at = TensorData::new(positions, [places.positions.len()]);
    let chosen = logits
        .reshape([sequences.rows * t, v])
        .select(0, Tensor::<1, Int>::from_data(at, device));
    activation::softmax(chosen, 1)
        .try_into_vec_as::<f32>()
        .map_err(|e| AnalysisError::Device(e.to_string()))
}

/// An oracle's row; tokens that the source, of `v`, does not have get nothing.
fn of_oracle(
    v: usize,
    d_vocab: usize,
    places: &Places,
    predict: &(dyn Fn(&[u32]) -> Vec<f32> + Sync),
) -> Vec<f32> {
    let sequences = &places.sequences;
    let t = sequences.len - 1;
    let mut row = Vec::with_capacity(places.positions.len() * d_vocab);
    for of_one in places.positions.chunk_by(|a, b| a / t == b / t) {
        let log_probs = predict(sequences.row(of_one[0] / t));
        for position in of_one {
            let own = &log_probs[(position % t) * v..][..v];
            row.extend(own.iter().map(|l| l.exp()));
            row.resize(row.len() + d_vocab - v, 0.0);
        }
    }
    row
}
