//! A group of replicas at a step: what training moves, and a replay moves again.

use burn::tensor::Device;
use ontogeny_data::Features;
use ontogeny_model::device::Chosen;
use ontogeny_model::gradient::together;
use ontogeny_model::{InitKind, Network, NetworkConfig, init, weights};
use ontogeny_store::{NamedTensor, Step, Stream, TensorFile};

use crate::config::Optimizer as Rule;
use crate::error::TrainingError;
use crate::optimizer::Optimizer;
use crate::run::{Group, Replica};
use crate::schedule;
use crate::stack::{Dropout, Hyper, Outcome, Stack, column, join, update_all};
use crate::train::batch;

/// The replicas of a group after some step.
pub(crate) struct Course<'a> {
    pub(crate) group: &'a Group,
    pub(crate) stacks: Vec<Stack>,
    /// Updates done.
    pub(crate) step: Step,
}

impl<'a> Course<'a> {
    /// The replicas before their first update.
    pub(crate) fn start(group: &'a Group, chosen: &Chosen) -> Result<Self, TrainingError> {
        Ok(Self {
            group,
            stacks: stacks(group, chosen)?,
            step: Step(0),
        })
    }

    /// Puts the replicas where a state was taken. What does not fit is a sentence, and leaves them
    /// of no use.
    pub(crate) fn take_up(&mut self, at: Step, state: &TensorFile) -> Result<(), String> {
        let mut first = 0;
        for stack in &mut self.stacks {
            stack.restore(&state.tensors, first)?;
            first += stack.network().replicas();
        }
        self.step = at;
        Ok(())
    }

    /// One update of every replica. Each draws its own batch: a function of its seed and the step.
    pub(crate) fn update(&mut self) -> Vec<Outcome> {
        let (step, training) = (self.step.0, &self.group.training);
        let rate = schedule::rate(training, step);
        // Stacks are of one size, but for the last.
        let size = self.stacks[0].network().replicas();
        let replicas = &self.group.replicas;
        let outcomes = update_all(&mut self.stacks, step, rate, |stack| {
            let own = replicas.iter().skip(stack * size).take(size);
            own.map(|r| batch(r, step, training.batch)).collect()
        });
        self.step = Step(step + 1);
        outcomes
    }

    /// The weights of all replicas, named as checkpoints name them.
    pub(crate) fn weights(&self) -> Result<Vec<NamedTensor>, TrainingError> {
        let stacks = self.stacks.iter().map(|s| weights::to_named(s.network()));
        Ok(join(stacks.collect::<Result<Vec<_>, _>>()?))
    }

    /// Everything that the next update depends on.
    pub(crate) fn state(&self) -> Result<TensorFile, TrainingError> {
        let stacks = self.stacks.iter().map(Stack::state);
        Ok(TensorFile {
            metadata: [("step".to_owned(), self.step.0.to_string())].into(),
            tensors: join(stacks.collect::<Result<Vec<_>, _>>()?),
        })
    }

    /// The step at which each replica was frozen, in the group's order.
    pub(crate) fn frozen_at(&self) -> Result<Vec<Option<u64>>, TrainingError> {
        let mut all = Vec::new();
        for stack in &self.stacks {
            all.extend(stack.frozen_at()?);
        }
        Ok(all)
    }
}

/// The stacks of a group before their first update: one for each replica on a CPU, or for a few of
/// tiny networks, so that threads share them out; one for all on a GPU, so that one pass moves
/// them.
fn stacks(group: &Group, chosen: &Chosen) -> Result<Vec<Stack>, TrainingError> {
    let size = if chosen.is_cpu() {
        let rows = group.training.batch * group.replicas[0].source(0).positions();
        together(group.network.n_parameters(), rows)
    } else {
        group.replicas.len()
    };
    group
        .replicas
        .chunks(size)
        .map(|replicas| {
            Ok(Stack::new(
                start(group, replicas, &chosen.device)?,
                hyper(group, replicas, &chosen.device),
            )
            .with_dropout(dropout(group, replicas)))
        })
        .collect()
}

/// The weights that replicas begin with: drawn, or those of a checkpoint.
fn start(group: &Group, replicas: &[Replica], device: &Device) -> Result<Network, TrainingError> {
    let config = &group.network;
    let parts = replicas
        .iter()
        .map(|replica| match &replica.start {
            Some(tensors) => weights::from_named(config, 1, tensors, device).map_err(|reason| {
                TrainingError::Start {
                    path: replica
                        .config
                        .training
                        .start_from
                        .clone()
                        .unwrap_or_default(),
                    reason,
                }
            }),
            None => {
                if let Some(network) = aligned(config, replica, device) {
                    return Ok(network);
                }
                let stream = Stream::new(replica.entry.seed, "initial weights", &[]);
                Ok(init::draw(
                    config.clone(),
                    &[(replica.config.model.init, stream)],
                    device,
                ))
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Network::stack(parts))
}

/// The start that has the modes of the replica's source, if it is asked for.
fn aligned(config: &NetworkConfig, replica: &Replica, device: &Device) -> Option<Network> {
    let init = replica.config.model.init;
    let (NetworkConfig::Mlp(config), Some(Features::Hierarchy(tree))) =
        (config, replica.source(0).features())
    else {
        return None;
    };
    (init.kind == InitKind::Aligned).then(|| {
        let modes = tree.modes().iter().map(|mode| init::ModeVectors {
            input: &mode.items,
            output: &mode.properties,
        });
        init::aligned(config, init.scale, &modes.collect::<Vec<_>>(), device)
    })
}

fn dropout(group: &Group, replicas: &[Replica]) -> Option<Dropout> {
    let stream = |replica: &Replica| Stream::new(replica.entry.seed, "dropout", &[]);
    let chance = group.training.dropout;
    (chance > 0.0).then(|| Dropout {
        chance,
        streams: replicas.iter().map(stream).collect(),
    })
}

fn hyper(group: &Group, replicas: &[Replica], device: &Device) -> Hyper {
    let t = &group.training;
    let per_replica = |f: fn(&Replica) -> f64| {
        let values: Vec<f64> = replicas.iter().map(f).collect();
        column(&values, device)
    };
    Hyper {
        optimizer: match t.optimizer {
            Rule::Adamw => Optimizer::AdamW {
                beta1: t.betas[0],
                beta2: t.betas[1],
                epsilon: t.eps,
            },
            Rule::Adam => Optimizer::Adam {
                beta1: t.betas[0],
                beta2: t.betas[1],
                epsilon: t.eps,
            },
            Rule::Sgd => Optimizer::Sgd {
                momentum: t.momentum,
            },
        },
        learning_rate: per_replica(|r| r.config.training.lr),
        weight_decay: per_replica(|r| r.config.training.weight_decay),
        clip: per_replica(|r| r.config.training.clip),
    }
}
