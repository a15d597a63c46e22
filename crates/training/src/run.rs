//! From a loaded configuration to objects that are known to fit together.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ontogeny_data::{BuildWatch, DataError, Source, SourceSpec, TokenCache};
use ontogeny_model::{ModelError, NetworkConfig, weights};
use ontogeny_store::{
    Checkpoint, CheckpointFolder, Key, KeyBuilder, NamedTensor, ReplicaEntry, RunFolder, Schedule,
    Step,
};

use crate::config::{LoadedConfig, RunConfig, TrainingSection};
use crate::error::TrainingError;

/// A run that can be trained: every source built, every shape checked.
#[derive(Debug)]
pub struct Run {
    /// The configuration, defaults written out.
    pub config: RunConfig,
    /// The same as text.
    pub resolved_toml: String,
    /// Key over what decides the trained weights, corpora and starting checkpoints included.
    pub key: Key,
    /// Replicas that share a shape and a rule of update, trained together.
    pub groups: Vec<Group>,
    /// Further sources to measure the loss on, with their names.
    pub evals: Vec<(String, Arc<Source>)>,
    /// Steps at which weights are kept.
    pub schedule: Schedule,
}

/// Replicas that can lie in one stack.
#[derive(Debug)]
pub struct Group {
    /// Name of the folder of its checkpoints, if there are several groups.
    pub folder: Option<String>,
    /// The network; its `init` is the first replica's.
    pub network: NetworkConfig,
    /// What the replicas' updates have in common.
    pub training: TrainingSection,
    /// The replicas in the order of the leading axis.
    pub replicas: Vec<Replica>,
}

/// One replica: its name, and what is its own.
#[derive(Debug)]
pub struct Replica {
    /// Name, arm and seed.
    pub entry: ReplicaEntry,
    /// The configuration of its arm.
    pub config: RunConfig,
    /// Its sources in order, each with the first step that is trained on it; the first at 0.
    pub phases: Vec<(u64, Arc<Source>)>,
    /// Weights to begin from, in the classic shapes behind a replica axis of one.
    pub start: Option<Vec<NamedTensor>>,
}

impl Replica {
    /// The source that the update after `step` updates draws from.
    pub fn source(&self, step: u64) -> &Arc<Source> {
        let current = self.phases.iter().rposition(|(at, _)| *at <= step);
        &self.phases[current.unwrap_or(0)].1
    }
}

/// Sources that were built already, so that arms share them.
#[derive(Default)]
struct Sources(Vec<(SourceSpec, usize, Arc<Source>)>);

impl Sources {
    fn get(
        &mut self,
        spec: &SourceSpec,
        n_ctx: usize,
        base: &Path,
        cache: &TokenCache,
        watch: BuildWatch<'_>,
    ) -> Result<Arc<Source>, DataError> {
        if let Some((_, _, source)) = self.0.iter().find(|(s, n, _)| s == spec && *n == n_ctx) {
            return Ok(source.clone());
        }
        let source = Arc::new(Source::build_watched(spec, n_ctx, base, cache, watch)?);
        self.0.push((spec.clone(), n_ctx, source.clone()));
        Ok(source)
    }
}

impl Run {
    /// Builds what the configuration describes. `cache` tells where tokenized corpora are
    /// kept: a path is the folder for them.
    ///
    /// # Errors
    /// A corpus or a starting checkpoint that cannot be used, or a network that does not fit its
    /// source.
    pub fn build(
        loaded: &LoadedConfig,
        cache: impl Into<TokenCache>,
    ) -> Result<Self, TrainingError> {
        Self::build_watched(loaded, cache, &|_| ControlFlow::Continue(()))
    }

    /// As [`Run::build`], telling `watch` how far a corpus is.
    ///
    /// # Errors
    /// As [`Run::build`], and [`DataError::Stopped`] in words if `watch` answers with a break.
    pub fn build_watched(
        loaded: &LoadedConfig,
        cache: impl Into<TokenCache>,
        watch: BuildWatch<'_>,
    ) -> Result<Self, TrainingError> {
        let cache: TokenCache = cache.into();
        let config = &loaded.config;
        let base = config.base_dir();
        let mut sources = Sources::default();
        let mut key = KeyBuilder::new("run/1")
            .key("config", &config.training_key())
            .json("checkpoints", &config.checkpoints);

        let mut source = |spec: &SourceSpec, n_ctx: usize, at: String| {
            sources
                .get(spec, n_ctx, base, &cache, watch)
                .map_err(|e| TrainingError::from(loaded.source_error(&at, &e)))
        };
        // Every network is measured on every eval, so the shortest context decides.
        let shortest = loaded.arms.iter().map(|arm| arm.config.model.n_ctx).min();
        let shortest = shortest.unwrap_or(config.model.n_ctx);
        let evals = config
            .evals
            .iter()
            .enumerate()
            .map(|(i, eval)| {
                let at = format!("evals[{i}].data");
                Ok((eval.name.clone(), source(&eval.data, shortest, at)?))
            })
            .collect::<Result<Vec<_>, TrainingError>>()?;

        let mut groups: Vec<Group> = Vec::new();
        for entry in config.replicas() {
            let arm = loaded.arms.iter().find(|arm| arm.name == entry.arm);
            let own = arm.map_or_else(|| config.clone(), |arm| arm.config.clone());
            let phases = own
                .sources()
                .into_iter()
                .enumerate()
                .map(|(i, (step, spec))| {
                    let at = match i {
                        0 => "data".to_owned(),
                        later => format!("phases[{}].data", later - 1),
                    };
                    Ok((step, source(spec, own.model.n_ctx, at)?))
                })
                .collect::<Result<Vec<_>, TrainingError>>()?;
            for (_, source) in &phases {
                key = key.key("source", &source.key());
            }
            let of_phases: Vec<&Source> = phases.iter().map(|(_, source)| &**source).collect();
            let network = own.model.build(&of_phases).map_err(|e| match e {
                ModelError::Config { field, reason } => {
                    let key = format!("model.{field}");
                    TrainingError::from(loaded.error(&key, format!("`{key}` {reason}")))
                }
                other => other.into(),
            })?;
            let start = match &own.training.start_from {
                // A fork begins with its parent's state, whatever the parent began with.
                Some(path) if config.fork.is_none() => {
                    let path = base.join(path);
                    let replica = own.training.start_replica.as_deref();
                    let (start, hash) =
                        starting_weights(&path, replica, &network).map_err(|reason| {
                            let message = format!("cannot start from {}: {reason}", path.display());
                            TrainingError::from(loaded.error("training.start_from", message))
                        })?;
                    key = key.key("start", &hash);
                    Some(start)
                }
                _ => None,
            };
            let replica = Replica {
                entry,
                config: own,
                phases,
                start,
            };
            match groups
                .iter_mut()
                .find(|g| g.takes(&network, &replica.config.training))
            {
                Some(group) => group.replicas.push(replica),
                None => groups.push(Group {
                    folder: None,
                    network,
                    training: replica.config.training.clone(),
                    replicas: vec![replica],
                }),
            }
        }
        let narrowest = groups.iter().map(|g| g.network.d_out()).min().unwrap_or(0);
        for (i, (name, source)) in evals.iter().enumerate() {
            let needed = source.d_out();
            if needed > narrowest {
                let message = format!(
                    "the eval `{name}` has {needed} tokens, the network {narrowest}; set \
                     `model.d_vocab` = {needed}"
                );
                return Err(loaded.error(&format!("evals[{i}].data"), message).into());
            }
        }
        if groups.len() > 1 {
            for group in &mut groups {
                group.folder = group.replicas.first().map(|r| r.entry.arm.clone());
            }
        }
        let first = Step(config.fork.as_ref().map_or(0, |fork| fork.at));
        let schedule =
            Schedule::build(&config.checkpoints, Step(config.training.steps)).beginning_at(first);
        Ok(Self {
            config: config.clone(),
            resolved_toml: loaded.resolved_toml.clone(),
            key: key.finish(),
            groups,
            evals,
            schedule,
        })
    }

    /// Every source once: those that replicas are trained on, then those that the loss is only
    /// measured on.
    pub fn sources(&self) -> Vec<&Source> {
        let trained = self.replicas().flat_map(|replica| &replica.phases);
        let all = trained
            .map(|(_, source)| source)
            .chain(self.evals.iter().map(|(_, source)| source));
        let mut once: Vec<&Source> = Vec::new();
        for source in all {
            if once.iter().all(|seen| seen.key() != source.key()) {
                once.push(source);
            }
        }
        once
    }

    /// Every replica, in the order of the configuration.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.groups.iter().flat_map(|g| &g.replicas)
    }
}

impl Group {
    /// Whether a replica of this network and training can lie in the same stack: all but its
    /// initialisation, its learning rate, weight decay, clipping and start must agree.
    fn takes(&self, network: &NetworkConfig, training: &TrainingSection) -> bool {
        let same_network = self.network.clone().with_init(network.init());
        let TrainingSection {
            lr,
            weight_decay,
            clip,
            ref start_from,
            ref start_replica,
            ..
        } = *training;
        let same_training = TrainingSection {
            lr,
            weight_decay,
            clip,
            start_from: start_from.clone(),
            start_replica: start_replica.clone(),
            ..self.training.clone()
        };
        same_network == *network && same_training == *training
    }

    /// The group's own place below a folder of the run: the folder itself if it is the only group.
    pub fn place(&self, below: PathBuf) -> PathBuf {
        match &self.folder {
            Some(name) => below.join(name),
            None => below,
        }
    }

    /// The folder of the group's checkpoints, to write into; made if it is not there yet.
    ///
    /// # Errors
    /// A folder that cannot be made, or that is there for another network.
    pub fn checkpoints(
        &self,
        run: &Run,
        folder: &RunFolder,
    ) -> Result<CheckpointFolder, TrainingError> {
        let place = self.place(folder.checkpoints());
        Ok(CheckpointFolder::create(place, &self.network_json(folder)?)?.of_run(run.key))
    }

    /// The folder of the group's checkpoints, to read from. What another run wrote is refused
    /// there.
    ///
    /// # Errors
    /// A folder that is there for another network, or that cannot be read.
    pub fn written_checkpoints(
        &self,
        run: &Run,
        folder: &RunFolder,
    ) -> Result<CheckpointFolder, TrainingError> {
        let place = self.place(folder.checkpoints());
        let network = self.network_json(folder)?;
        Ok(CheckpointFolder::open_for(place, &network, run.key)?)
    }

    fn network_json(&self, folder: &RunFolder) -> Result<serde_json::Value, TrainingError> {
        serde_json::to_value(&self.network).map_err(|e| TrainingError::State {
            path: folder.checkpoints(),
            reason: e.to_string(),
        })
    }

    /// Names of the replicas in the order of the leading axis.
    pub fn names(&self) -> Vec<String> {
        self.replicas.iter().map(|r| r.entry.name.clone()).collect()
    }
}

/// One replica of a checkpoint as the start of another run, and the file's hash; or why not.
fn starting_weights(
    path: &Path,
    replica: Option<&str>,
    network: &NetworkConfig,
) -> Result<(Vec<NamedTensor>, Key), String> {
    let (checkpoint, hash) = Checkpoint::read(path).map_err(|e| e.to_string())?;
    let name = match (replica, checkpoint.replicas.as_slice()) {
        (Some(name), _) => name.to_owned(),
        (None, [only]) => only.clone(),
        (None, several) => {
            return Err(format!(
                "it holds several replicas; set `training.start_replica` to one of {}",
                several.join(", ")
            ));
        }
    };
    let tensors = checkpoint.alone(&name).map_err(|e| e.to_string())?.tensors;
    // Building it once tells whether the shapes fit, before anything is written.
    weights::from_named(network, 1, &tensors, &burn::tensor::Device::flex())?;
    Ok((tensors, hash))
}
