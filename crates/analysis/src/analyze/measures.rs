//! What is measured of a network but λ̂: each measure says to which tasks it applies, and has a key
//! of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use ontogeny_data::{Features, Source};
use ontogeny_model::{Network, TransformerConfig};
use ontogeny_store::{Key, KeyBuilder};
use serde_json::{Value, json};

use super::jobs::{Job, load};
use super::plan::{Plan, Settings};
use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::probe::Probe;
use crate::regression::{self, RegressionProbe};
use crate::results::Results;
use crate::{behaviour, features, heads, structure};

/// Probes of the sources that appear, made once.
pub(super) struct Probes {
    /// By the key of the source.
    training: BTreeMap<String, SourceProbe>,
    /// By the place of the eval.
    evals: Vec<Option<Probe>>,
}

/// What networks are measured on.
enum SourceProbe {
    /// Sequences of tokens.
    Tokens(Box<Probe>),
    /// Pairs of in-context regression.
    Pairs(Box<RegressionProbe>),
}

impl Probes {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        let s = plan.settings;
        let tokens =
            |source: &Arc<Source>, oracles| Probe::new(source, s.seed, s.held_out, oracles);
        let probe = |source: &Arc<Source>| {
            let pairs = || {
                let pairs = RegressionProbe::new(source, s.seed, s.held_out);
                pairs.map(|probe| SourceProbe::Pairs(Box::new(probe)))
            };
            let tokens = tokens(source, s.oracles);
            let tokens = tokens.map(|probe| SourceProbe::Tokens(Box::new(probe)));
            tokens.or_else(pairs)
        };
        let mut training = BTreeMap::new();
        let replicas = plan.groups.iter().flat_map(|g| &g.replicas);
        for (_, source) in replicas.flat_map(|r| &r.phases) {
            let key = source.key().to_string();
            if !training.contains_key(&key)
                && let Some(probe) = probe(source)
            {
                training.insert(key, probe);
            }
        }
        let evals = plan.evals.iter().map(|(_, source)| tokens(source, false));
        Self {
            evals: evals.collect(),
            training,
        }
    }
}

/// One measure of one checkpoint. To add one: a variant, and what each function here says of it.
enum Measure<'a> {
    /// Losses and divergences on sequences of tokens, at triggers too.
    Tokens(&'a Probe),
    /// Losses and divergences on pairs of in-context regression.
    Pairs(&'a RegressionProbe),
    /// Losses, amplitudes and polygons on single vectors.
    Features(&'a Source, &'a Features),
    /// The loss on a further source.
    Eval(&'a str, &'a Source, Option<&'a Probe>),
    /// Scores of attention heads.
    Heads(&'a Probe, &'a TransformerConfig),
    /// Composition of heads.
    Composition,
    /// Norms of the weights.
    WeightNorms,
}

impl<'a> Measure<'a> {
    /// The measures that apply to a checkpoint and are asked for.
    fn of(plan: &'a Plan<'_>, probes: &'a Probes, job: &Job<'a, '_>) -> Vec<Self> {
        let (s, source) = (plan.settings, job.source());
        let probe = probes.training.get(&source.key().to_string());
        let mut all = Vec::new();
        match (probe, source.features()) {
            (Some(SourceProbe::Tokens(probe)), _) => all.push(Self::Tokens(probe)),
            (Some(SourceProbe::Pairs(probe)), _) => all.push(Self::Pairs(probe)),
            (None, Some(of)) => all.push(Self::Features(source, of)),
            (None, None) => {}
        }
        for ((name, source), probe) in plan.evals.iter().zip(&probes.evals) {
            all.push(Self::Eval(name, source, probe.as_ref()));
        }
        let transformer = job.group.network.transformer();
        if let (Some(SourceProbe::Tokens(probe)), Some(c)) = (probe, transformer)
            && s.heads
        {
            all.push(Self::Heads(probe, c));
        }
        if s.composition && transformer.is_some() {
            all.push(Self::Composition);
        }
        if s.weight_norms {
            all.push(Self::WeightNorms);
        }
        all
    }

    /// The folder of its results, and its version: changed with anything that changes a figure, so
    /// that old results are not taken for new ones.
    fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Tokens(_) => ("behaviour", "behaviour/2"),
            Self::Pairs(_) => ("behaviour", "regression/2"),
            Self::Features(..) => ("behaviour", "features/3"),
            Self::Eval(..) => ("evals", "eval/1"),
            Self::Heads(..) => ("heads", "heads/1"),
            Self::Composition => ("composition", "composition/1"),
            Self::WeightNorms => ("weight_norms", "weight_norms/1"),
        }
    }

    /// What decides its figures, beside the weights: adds the identity of what is looked at to a
    /// key, and returns the settings.
    fn causes(&self, key: KeyBuilder, s: &Settings, icl: (usize, usize)) -> (KeyBuilder, Value) {
        let drawn = json!({ "seed": s.seed, "held_out": s.held_out });
        match self {
            Self::Tokens(probe) => (
                key.key("probe", &probe.key),
                json!({ "icl": icl, "triggers": s.triggers }),
            ),
            Self::Pairs(probe) => (key.key("probe", &probe.key), Value::Null),
            Self::Features(source, _) => (key.key("source", &source.key()), drawn),
            Self::Eval(name, source, probe) => {
                let key = key.text("eval", name);
                match probe {
                    Some(probe) => (key.key("probe", &probe.key), Value::Null),
                    None => (key.key("source", &source.key()), drawn),
                }
            }
            Self::Heads(probe, _) => (
                key.key("probe", &probe.key),
                json!({ "seed": s.seed, "repeated": s.repeated }),
            ),
            Self::Composition | Self::WeightNorms => (key, Value::Null),
        }
    }

    fn take(
        &self,
        network: &Network,
        s: &Settings,
        icl: (usize, usize),
    ) -> Result<Measures, AnalysisError> {
        match self {
            Self::Tokens(probe) => behaviour::on_training_source(network, probe, icl, s.triggers),
            Self::Pairs(probe) => regression::measure(network, probe),
            Self::Features(source, of) => {
                features::measure(network, source, of, s.seed, s.held_out)
            }
            Self::Eval(name, source, probe) => {
                let loss = match probe {
                    Some(probe) => behaviour::loss(network, probe)?,
                    None => features::loss(network, source, s.seed, s.held_out)?,
                };
                let mut measures = Measures::default();
                measures.value(format!("loss.{name}"), loss);
                Ok(measures)
            }
            Self::Heads(probe, c) => {
                let repeated = heads::repeated_random(s.seed, s.repeated, c.n_ctx, c.d_vocab);
                heads::scores(network, probe, &repeated)
            }
            Self::Composition => structure::composition(network),
            Self::WeightNorms => structure::weight_norms(network),
        }
    }
}

/// Every measure of a checkpoint but λ̂, from disk where it was taken before.
pub(super) fn measures_of(
    plan: &Plan<'_>,
    probes: &Probes,
    job: &Job<'_, '_>,
    network: &mut Option<Network>,
) -> Result<Measures, AnalysisError> {
    let (s, icl) = (plan.settings, job.group.icl);
    let mut all = Measures::default();
    for measure in Measure::of(plan, probes, job) {
        let (folder, version) = measure.kind();
        let (key, causes) = measure.causes(job.key(version, plan), s, icl);
        let key: Key = key.json("causes", &causes).finish();
        let results = Results::new(&plan.results, folder);
        all.extend(match results.get(&key)? {
            Some(known) => known,
            None => {
                let taken = measure.take(load(network, job, plan)?, s, icl)?;
                results.put(key, causes, taken, &[])?
            }
        });
    }
    Ok(all)
}
