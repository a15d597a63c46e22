//! λ̂ of checkpoints, each estimate under the key of its causes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use ontogeny_data::{Language, Source, Split};
use ontogeny_model::{Network, NetworkConfig};
use ontogeny_store::{Key, Stream};

use super::jobs::{Job, load};
use super::plan::{LlcPlan, Plan, Streams};
use crate::component::{self, Component};
use crate::error::AnalysisError;
use crate::llc::{
    self, Covariances, Landscape, Llc, Minibatches, NetworkLoss, Observed, Probed, Spot, Stoppable,
    Subject,
};
use crate::measures::Measures;
use crate::probe;
use crate::results::Results;
use crate::{tokens, traces};

/// Changes with anything that changes a figure, so that old results are not taken for new ones.
const LLC_VERSION: &str = "llc/3";
/// The file of an estimate's draws.
const TRACE: &str = "parquet";
/// The files of what tokens have to do with an estimate, where that is asked for.
const TOKENS: [&str; 2] = ["tokens.parquet", "influence.parquet"];

/// λ̂ of every component that is asked for, from disk where it was estimated before.
pub(super) fn llc_measures<'a>(
    plan: &'a Plan<'a>,
    llc: &LlcPlan,
    shared: &SharedMinibatches<'a>,
    job: &Job<'a, '_>,
    network: &mut Option<Network>,
) -> Result<Measures, AnalysisError> {
    let asked = Asked::of(plan, llc, job)?;
    if !asked.missing(plan)?.is_empty() {
        let network = load(network, job, plan)?.clone();
        estimate_missing(plan, llc, shared, &[(job, &asked, network)])?;
    }
    let results = Results::new(&plan.results, "llc");
    let mut all = Measures::default();
    for (component, key) in &asked.components {
        match results.get(key)? {
            Some(known) => all.extend(known),
            None => {
                return Err(AnalysisError::Result {
                    path: results.beside(key, "json"),
                    reason: format!("the estimate of {component} was not kept"),
                });
            }
        }
    }
    Ok(all)
}

/// The estimates that a checkpoint is to have, each under the key of its causes.
struct Asked<'a> {
    sampled: (&'a Source, Split),
    evaluated: Option<(&'a Source, Split)>,
    causes: serde_json::Value,
    components: Vec<(Component, Key)>,
}

impl<'a> Asked<'a> {
    fn of(plan: &'a Plan<'a>, llc: &LlcPlan, job: &Job<'a, '_>) -> Result<Self, AnalysisError> {
        let sampled = job.data(plan, &llc.data);
        let evaluated = llc.evaluate.as_ref().map(|data| job.data(plan, data));
        let causes = serde_json::json!({
            "settings": llc.settings,
            "batch": llc.batch,
            "data": llc.data,
            "evaluate": llc.evaluate,
            "streams": llc.streams,
            "observables": llc.observables,
        });
        let mut base = job
            .key(LLC_VERSION, plan)
            .key("source", &sampled.0.key())
            .json("causes", &causes);
        if let Some((source, _)) = &evaluated {
            base = base.key("evaluated", &source.key());
        }
        let mut components: Vec<(Component, Key)> = Vec::new();
        for name in &llc.components {
            for component in component::parse(name, &job.group.network)? {
                if components.iter().all(|(c, _)| *c != component) {
                    let key = base.clone().text("component", &component.to_string());
                    components.push((component, key.finish()));
                }
            }
        }
        Ok(Self {
            sampled,
            evaluated,
            causes,
            components,
        })
    }

    /// Those that are not on disk.
    fn missing(&self, plan: &Plan<'_>) -> Result<Vec<&(Component, Key)>, AnalysisError> {
        let results = Results::new(&plan.results, "llc");
        let mut missing = Vec::new();
        for asked in &self.components {
            if !results.has(&asked.1)? {
                missing.push(asked);
            }
        }
        Ok(missing)
    }
}

/// Makes and keeps the estimates that are missing, of checkpoints of one shape that share data and
/// streams, in one walk.
fn estimate_missing<'a>(
    plan: &'a Plan<'a>,
    llc: &LlcPlan,
    shared: &SharedMinibatches<'a>,
    places: &[(&Job<'a, '_>, &Asked<'a>, Network)],
) -> Result<(), AnalysisError> {
    let (job, first, network) = &places[0];
    let config = network.config().clone();
    let own = (llc.streams == Streams::Independent).then(|| coordinate(&job.file.entry.hash));
    let minibatches = |(source, split)| shared.of(source, split, llc.batch, own);
    let sampled = minibatches(first.sampled);
    let evaluated = first.evaluated.map(minibatches);
    let landscape = NetworkLoss::new(&config, &sampled);
    let landscape = Stoppable::new(&landscape, plan.stop);
    let evaluation = evaluated.as_deref().map(|m| NetworkLoss::new(&config, m));
    let anchors: Vec<Vec<Tensor<3>>> = places
        .iter()
        .map(|(_, _, network)| network.clone().into_parameters())
        .collect();
    let mut wanted = Vec::new();
    for ((_, asked, _), anchor) in places.iter().zip(&anchors) {
        for (component, key) in asked.missing(plan)? {
            let mask = component.mask(&config, &plan.chosen.device);
            wanted.push((anchor, mask, component, key, &asked.causes));
        }
    }
    let spots: Vec<Spot<'_>> = wanted
        .iter()
        .map(|(anchor, mask, ..)| Spot { anchor, mask })
        .collect();
    let subject = Subject {
        landscape: &landscape,
        evaluation: evaluation.as_ref().map(|e| e as &dyn Landscape),
        anchor: &anchors[0],
        coordinate: own,
    };
    let probed = match first.sampled.0.language() {
        Some(source) if llc.observables > 0 => Some(probed(plan, source, &config, llc.observables)),
        _ => None,
    };
    let mut ledgers = Vec::new();
    let estimated = llc::estimate_all(&subject, &llc.settings, &spots, |chains| {
        let (observer, ledger) = probed.as_ref()?.observer(chains.len());
        ledgers.push(ledger);
        Some(observer)
    })?;
    let nbeta = llc.settings.sampler.nbeta;
    let covariances: Vec<Covariances> = ledgers
        .iter()
        .flat_map(|l| l.lock().unwrap_or_else(PoisonError::into_inner).clone())
        .collect();
    let mut covariances = covariances.chunks(llc.settings.chains);
    let seen = estimated.seen.chunks(llc.settings.chains);
    let results = Results::new(&plan.results, "llc");
    for (((_, _, component, key, causes), llc), seen) in
        wanted.iter().zip(&estimated.llcs).zip(seen)
    {
        let name = component.to_string();
        let named = (!component.is_all()).then_some(name.as_str());
        let mut causes = (*causes).clone();
        causes["component"] = name.clone().into();
        traces::write(&results.beside(key, TRACE), key, seen)?;
        let mut measures = llc.measures(named, nbeta);
        let mut kinds = vec![TRACE];
        let own = covariances.next().zip(probed.as_ref());
        if let Some((observed, probed)) = own.and_then(|(c, p)| Some((living(c, llc)?, p))) {
            let [of_tokens, among] = TOKENS.map(|kind| results.beside(key, kind));
            kinds.extend(TOKENS);
            tokens::write(&of_tokens, &among, key, probed, &observed)?;
            let by_position = tokens::by_position(&observed, probed.positions);
            let name = named.map_or("llc_susceptibility".to_owned(), |n| {
                format!("llc_susceptibility.{n}")
            });
            measures.vector(name, by_position.iter().map(|c| nbeta * c).collect());
        }
        results.put(**key, causes, measures, &kinds)?;
    }
    Ok(())
}

/// Chains of a stack on a GPU over all its checkpoints, for each component: enough to fill it with
/// small networks.
const STACKED_CHAINS: usize = 64;

/// How many checkpoints should be estimated in one walk on a GPU.
pub(super) fn stacked_checkpoints(llc: &LlcPlan) -> usize {
    match llc.streams {
        Streams::Common => (STACKED_CHAINS / llc.settings.chains.max(1)).max(1),
        // Noise of its own for each is a walk of its own for each.
        Streams::Independent => 1,
    }
}

/// Makes the estimates of several checkpoints as stacks, for their jobs to find.
pub(super) fn estimate_together<'a>(
    plan: &'a Plan<'a>,
    llc: &LlcPlan,
    shared: &SharedMinibatches<'a>,
    jobs: &[Job<'a, '_>],
) -> Result<(), AnalysisError> {
    let mut places: Vec<(&Job<'a, '_>, Asked<'a>, Network)> = Vec::new();
    for job in jobs.iter().filter(|job| job.with_llc) {
        let asked = Asked::of(plan, llc, job)?;
        if !asked.missing(plan)?.is_empty() {
            places.push((job, asked, job.network(plan)?));
        }
    }
    let alike = |a: &(&Job<'a, '_>, Asked<'a>, Network), b: &(_, Asked<'a>, Network)| {
        let keys = |asked: &Asked<'a>| {
            let evaluated = asked.evaluated.map(|(source, _)| source.key());
            (asked.sampled.0.key(), evaluated)
        };
        a.2.config() == b.2.config() && keys(&a.1) == keys(&b.1)
    };
    for same in places.chunk_by(alike) {
        let same: Vec<_> = same
            .iter()
            .map(|(job, asked, n)| (*job, asked, n.clone()))
            .collect();
        estimate_missing(plan, llc, shared, &same)?;
    }
    Ok(())
}

/// Held-out sequences whose tokens are looked at, the same for every checkpoint.
fn probed<'c>(
    plan: &Plan<'_>,
    source: &Language,
    config: &'c NetworkConfig,
    count: usize,
) -> Probed<'c> {
    let stream = Stream::new(plan.settings.seed, "observed sequences", &[]);
    let sequences = source.sequences(Split::HeldOut, &stream, 0, count);
    Probed {
        config,
        batch: probe::batch(&sequences, 0..sequences.rows, &plan.chosen.device),
        sequences: sequences.rows,
        positions: sequences.len - 1,
    }
}

/// What the chains that lived saw.
fn living(chains: &[Covariances], llc: &Llc) -> Option<Observed> {
    let alive = chains
        .iter()
        .zip(&llc.by_chain)
        .filter(|(_, c)| c.is_some());
    let alive: Vec<Covariances> = alive.map(|(c, _)| c.clone()).collect();
    Covariances::averaged(&alive)
}

/// A number from a hash, for streams of its own.
fn coordinate(key: &Key) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key.as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// Minibatches that checkpoints share, made once for each source.
pub(super) struct SharedMinibatches<'a> {
    pub(super) seed: u64,
    pub(super) device: &'a Device,
    pub(super) known: Mutex<HashMap<(String, bool), Arc<Minibatches<'a>>>>,
}

impl<'a> SharedMinibatches<'a> {
    /// Those of a source; with a coordinate of their own they are not shared.
    fn of(
        &self,
        source: &'a Source,
        split: Split,
        batch: usize,
        own: Option<u64>,
    ) -> Arc<Minibatches<'a>> {
        let make = || {
            Arc::new(Minibatches::new(
                source,
                split,
                self.seed,
                own,
                batch,
                self.device,
            ))
        };
        if own.is_some() {
            return make();
        }
        let name = (source.key().to_string(), split == Split::HeldOut);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name).or_insert_with(make).clone()
    }
}
