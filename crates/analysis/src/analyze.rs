//! Every measure at every checkpoint of every replica.
//!
//! Each result is written as soon as it is there, under the key of its causes; a second call finds
//! what the first one finished.

mod single;

pub use single::llc_at;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use ontogeny_data::{Language, Sequences, Source, Split};
use ontogeny_model::device::Chosen;
use ontogeny_model::{Network, NetworkConfig, weights};
use ontogeny_store::{Checkpoint, CheckpointEntry, CheckpointFolder, Key, KeyBuilder, Stream};
use rayon::prelude::*;
use serde::Serialize;

use crate::component::{self, Component};
use crate::error::AnalysisError;
use crate::llc::{
    self, Covariances, Landscape, Llc, LlcSettings, Minibatches, NetworkLoss, Observed, Probed,
    Spot, Stoppable, Subject,
};
use crate::measures::Measures;
use crate::probe::{self, Probe};
use crate::regression::{self, RegressionProbe};
use crate::results::Results;
use crate::table::MeasureRow;
use crate::{behaviour, features, heads, paired, structure, tokens, traces};

mod follow;

pub use follow::Follower;

/// The methods behind the figures, as a report names them.
pub const METHOD: &str = "behaviour/1, llc/3";

/// Changes with anything that changes a figure, so that old results are not taken for new ones: of
/// measures on sequences of tokens, on single vectors, and on pairs of in-context regression.
const BEHAVIOUR_VERSION: &str = "behaviour/1";
const FEATURES_VERSION: &str = "features/2";
const REGRESSION_VERSION: &str = "regression/1";
/// The same for the local learning coefficient.
const LLC_VERSION: &str = "llc/3";
/// The file of an estimate's draws.
const TRACE: &str = "parquet";
/// The files of what tokens have to do with an estimate, where that is asked for.
const TOKENS: [&str; 2] = ["tokens.parquet", "influence.parquet"];

/// What is measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Seed of held-out sequences and repeated random ones.
    pub seed: u64,
    /// Held-out sequences of each source.
    pub held_out: usize,
    /// Whether to compare with oracles.
    pub oracles: bool,
    /// Whether to read the loss at triggers.
    pub triggers: bool,
    /// Whether to score attention heads.
    pub heads: bool,
    /// Repeated random sequences for the prefix-matching score.
    pub repeated: usize,
    /// Whether to score the composition of heads.
    pub composition: bool,
    /// Whether to measure weight norms.
    pub weight_norms: bool,
    /// How λ̂ is estimated, if it is.
    pub llc: Option<LlcPlan>,
}

/// How, on what and how often λ̂ is estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LlcPlan {
    /// The estimator.
    pub settings: LlcSettings,
    /// Sequences in each minibatch.
    pub batch: usize,
    /// Whose loss the sampler follows.
    pub data: LlcData,
    /// Whose loss is estimated, where it is another.
    pub evaluate: Option<LlcData>,
    /// Whether checkpoints share noise and minibatches.
    pub streams: Streams,
    /// Whose weights are sampled, each in turn, in the language of [`component`](crate::component).
    pub components: Vec<String>,
    /// Held-out sequences whose tokens are looked at on every draw; 0 for none.
    pub observables: usize,
    /// At every n-th checkpoint, and the last.
    pub every: usize,
}

/// Whether the checkpoints of a trajectory share the sampler's random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Streams {
    /// They do (common random numbers): differences along a trajectory are far sharper than levels,
    /// and errors are shared along it.
    Common,
    /// Each has its own: errors of neighbours are independent.
    Independent,
}

/// Data whose loss is followed or estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum LlcData {
    /// The training source: this split of it.
    Source(Split),
    /// The eval of this name.
    Eval(String),
}

/// Checkpoints of replicas of one shape.
#[derive(Debug)]
pub struct GroupPlan {
    /// Where they lie.
    pub checkpoints: CheckpointFolder,
    /// Their shape.
    pub network: NetworkConfig,
    /// Positions between which the ICL score is taken.
    pub icl: (usize, usize),
    /// The replicas to analyse.
    pub replicas: Vec<ReplicaPlan>,
}

/// One replica: what it was trained on.
#[derive(Debug)]
pub struct ReplicaPlan {
    /// Its name in the checkpoints.
    pub name: String,
    /// Its sources, each with the first step that was trained on it; the first at 0.
    pub phases: Vec<(u64, Arc<Source>)>,
    /// Tokens of one update.
    pub tokens_per_step: u64,
    /// Whether its λ̂ is estimated, where any is.
    pub llc: bool,
}

/// All that an analysis needs.
pub struct Plan<'a> {
    /// The checkpoints.
    pub groups: &'a [GroupPlan],
    /// Further sources to measure the loss on, by name.
    pub evals: &'a [(String, Arc<Source>)],
    /// What is measured.
    pub settings: &'a Settings,
    /// Where it runs.
    pub chosen: &'a Chosen,
    /// Folder of the results.
    pub results: PathBuf,
    /// Asked between measurements and between the draws of an estimate; what is finished by then is
    /// kept.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Told how many of how many measurements are finished.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// One checkpoint of one replica.
struct Job<'a, 'f> {
    group: &'a GroupPlan,
    replica: &'a ReplicaPlan,
    file: &'f SharedFile,
    with_llc: bool,
}

/// A checkpoint's file, which holds every replica: read when the first job needs it, and forgotten
/// after the last. Were it read for each replica, the work would grow with the square of their
/// number.
struct SharedFile {
    entry: CheckpointEntry,
    content: Mutex<Option<Arc<Checkpoint>>>,
    jobs_left: AtomicUsize,
}

impl SharedFile {
    fn content(&self) -> Result<Arc<Checkpoint>, AnalysisError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = &*content {
            return Ok(content.clone());
        }
        let (read, _) = Checkpoint::read(&self.entry.path)?;
        Ok(content.insert(Arc::new(read)).clone())
    }

    /// To be told at the end of every job.
    fn one_done(&self) {
        if self.jobs_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.content.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Probes of the sources of sequences that appear, made once.
struct Probes {
    /// By the key of the source.
    training: BTreeMap<String, SourceProbe>,
    /// By the place of the eval.
    evals: Vec<Option<Probe>>,
}

/// What networks are measured on.
enum SourceProbe {
    /// Sequences of tokens.
    Tokens(Probe),
    /// Pairs of in-context regression.
    Pairs(RegressionProbe),
}

impl SourceProbe {
    fn key(&self) -> Key {
        match self {
            Self::Tokens(probe) => probe.key,
            Self::Pairs(probe) => probe.key,
        }
    }

    fn tokens(&self) -> Option<&Probe> {
        match self {
            Self::Tokens(probe) => Some(probe),
            Self::Pairs(_) => None,
        }
    }
}

/// Measures everything and returns the table, sorted by replica and step.
///
/// # Errors
/// The first thing that goes wrong; what was finished by then is on disk.
pub fn analyze<'a>(plan: &'a Plan<'a>) -> Result<Vec<MeasureRow>, AnalysisError> {
    let files = plan
        .groups
        .iter()
        .map(|group| {
            let entries = group.checkpoints.list()?;
            if entries.is_empty() {
                return Err(AnalysisError::NoCheckpoints(
                    group.checkpoints.path().to_owned(),
                ));
            }
            let shared = |entry| SharedFile {
                entry,
                content: Mutex::new(None),
                jobs_left: AtomicUsize::new(group.replicas.len()),
            };
            Ok(entries.into_iter().map(shared).collect())
        })
        .collect::<Result<Vec<Vec<SharedFile>>, AnalysisError>>()?;
    let every = plan.settings.llc.as_ref().map_or(1, |l| l.every.max(1));
    // The replicas of a file come one after the other.
    let mut jobs = Vec::new();
    for (group, files) in plan.groups.iter().zip(&files) {
        for (i, file) in files.iter().enumerate() {
            let there: HashSet<&String> = file.entry.replicas.iter().collect();
            for replica in &group.replicas {
                if !there.contains(&replica.name) {
                    return Err(AnalysisError::UnknownReplica {
                        path: file.entry.path.clone(),
                        replica: replica.name.clone(),
                    });
                }
                jobs.push(Job {
                    group,
                    replica,
                    file,
                    with_llc: replica.llc && (i % every == 0 || i + 1 == files.len()),
                });
            }
        }
    }
    let probes = Probes::new(plan);
    let shared = SharedMinibatches {
        seed: plan.settings.seed,
        device: &plan.chosen.device,
        known: Mutex::new(HashMap::new()),
    };
    let (finished, total) = (AtomicUsize::new(0), jobs.len());
    (plan.progress)(0, total);
    let one = |job: &Job<'a, '_>| -> Result<MeasureRow, AnalysisError> {
        if (plan.stop)() {
            return Err(AnalysisError::Interrupted);
        }
        let row = measure(plan, &probes, &shared, job)?;
        job.file.one_done();
        (plan.progress)(finished.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok(row)
    };
    // A GPU is one queue: jobs beside each other would only wait for one another.
    let rows: Vec<MeasureRow> = if plan.chosen.is_cpu() {
        jobs.par_iter().map(one).collect::<Result<_, _>>()
    } else {
        let llc = plan.settings.llc.as_ref();
        let mut rows = Vec::with_capacity(total);
        for jobs in jobs.chunks(llc.map_or(1, stacked_checkpoints)) {
            if (plan.stop)() {
                return Err(AnalysisError::Interrupted);
            }
            if let Some(llc) = llc {
                estimate_together(plan, llc, &shared, jobs)?;
            }
            for job in jobs {
                rows.push(one(job)?);
            }
        }
        Ok(rows)
    }?;
    // From files to replicas: a stable sort keeps the steps of each in their order.
    let names = plan.groups.iter().flat_map(|g| &g.replicas);
    let place: HashMap<&str, usize> = names.map(|r| r.name.as_str()).zip(0..).collect();
    let mut keyed: Vec<(usize, MeasureRow)> = rows
        .into_iter()
        .map(|row| (place[row.replica.as_str()], row))
        .collect();
    keyed.sort_by_key(|(place, _)| *place);
    let mut rows = keyed.into_iter().map(|(_, row)| row).collect::<Vec<_>>();
    paired::add_changes(&mut rows);
    Ok(rows)
}

impl Probes {
    fn new(plan: &Plan<'_>) -> Self {
        let s = plan.settings;
        let tokens =
            |source: &Arc<Source>, oracles| Probe::new(source, s.seed, s.held_out, oracles);
        let probe = |source: &Arc<Source>| {
            let pairs = || RegressionProbe::new(source, s.seed, s.held_out).map(SourceProbe::Pairs);
            let tokens = tokens(source, s.oracles).map(SourceProbe::Tokens);
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

impl<'a> Job<'a, '_> {
    /// The source in force when the checkpoint was written.
    fn source(&self) -> &'a Arc<Source> {
        let step = self.file.entry.step.0;
        let phase = self.replica.phases.iter().rposition(|(at, _)| *at <= step);
        &self.replica.phases[phase.unwrap_or(0)].1
    }

    /// The source and split that a setting names.
    fn data(&self, plan: &'a Plan<'a>, data: &LlcData) -> (&'a Source, Split) {
        match data {
            LlcData::Source(split) => (self.source(), *split),
            LlcData::Eval(name) => {
                let eval = plan.evals.iter().find(|(n, _)| n == name);
                (eval.map_or(self.source(), |(_, s)| s), Split::HeldOut)
            }
        }
    }

    /// What every result of this checkpoint is keyed by.
    fn key(&self, version: &str, plan: &Plan<'_>) -> KeyBuilder {
        KeyBuilder::new(version)
            .key("weights", &self.file.entry.hash)
            .text("replica", &self.replica.name)
            .text("device", &plan.chosen.entry.kind)
    }

    fn network(&self, plan: &Plan<'_>) -> Result<Network, AnalysisError> {
        let own = self.file.content()?.alone(&self.replica.name)?;
        Ok(weights::from_checkpoint(
            &own,
            &self.file.entry.path,
            &plan.chosen.device,
        )?)
    }
}

fn measure<'a>(
    plan: &'a Plan<'a>,
    probes: &Probes,
    shared: &SharedMinibatches<'a>,
    job: &Job<'a, '_>,
) -> Result<MeasureRow, AnalysisError> {
    let mut network = None;
    let mut measures = behaviour_measures(plan, probes, job, &mut network)?;
    if let Some(llc) = plan.settings.llc.as_ref().filter(|_| job.with_llc) {
        measures.extend(llc_measures(plan, llc, shared, job, &mut network)?);
    }
    Ok(MeasureRow {
        step: job.file.entry.step.0,
        tokens: job.file.entry.step.0 * job.replica.tokens_per_step,
        replica: job.replica.name.clone(),
        values: measures.values,
        vectors: measures.vectors,
        words: measures.words,
    })
}

/// The network of a job, read from disk when it is first needed.
fn load<'n>(
    network: &'n mut Option<Network>,
    job: &Job<'_, '_>,
    plan: &Plan<'_>,
) -> Result<&'n Network, AnalysisError> {
    match network {
        Some(network) => Ok(network),
        None => Ok(network.insert(job.network(plan)?)),
    }
}

fn behaviour_measures(
    plan: &Plan<'_>,
    probes: &Probes,
    job: &Job<'_, '_>,
    network: &mut Option<Network>,
) -> Result<Measures, AnalysisError> {
    let source = job.source();
    let probe = probes.training.get(&source.key().to_string());
    let s = Settings {
        llc: None,
        ..plan.settings.clone()
    };
    let causes = serde_json::json!({ "settings": s, "icl": job.group.icl });
    // Of what is looked at: a probe's, or else the source's own.
    let identity = |source: &Source, probe: Option<Key>| probe.unwrap_or_else(|| source.key());
    let version = match (probe, source.features()) {
        (Some(SourceProbe::Pairs(_)), _) => REGRESSION_VERSION,
        (None, Some(_)) => FEATURES_VERSION,
        (Some(SourceProbe::Tokens(_)), _) | (None, None) => BEHAVIOUR_VERSION,
    };
    let mut key = job
        .key(version, plan)
        .key("probe", &identity(source, probe.map(SourceProbe::key)))
        .json("causes", &causes);
    for ((name, source), probe) in plan.evals.iter().zip(&probes.evals) {
        key = key
            .text("eval", name)
            .key("probe", &identity(source, probe.as_ref().map(|p| p.key)));
    }
    let key: Key = key.finish();
    let results = Results::new(&plan.results, "behaviour");
    if let Some(known) = results.get(&key)? {
        return Ok(known);
    }
    let network = load(network, job, plan)?;
    let mut all = match (probe, source.features()) {
        (Some(SourceProbe::Tokens(probe)), _) => {
            behaviour::on_training_source(network, probe, job.group.icl, s.triggers)?
        }
        (Some(SourceProbe::Pairs(probe)), _) => regression::measure(network, probe)?,
        (None, Some(of)) => features::measure(network, source, of, s.seed, s.held_out)?,
        (None, None) => Measures::default(),
    };
    for ((name, source), probe) in plan.evals.iter().zip(&probes.evals) {
        let loss = match probe {
            Some(probe) => behaviour::loss(network, probe)?,
            None => features::loss(network, source, s.seed, s.held_out)?,
        };
        all.value(format!("loss.{name}"), loss);
    }
    let of_tokens = probe.and_then(SourceProbe::tokens);
    if let (Some(c), Some(probe)) = (
        network.config().transformer().filter(|_| s.heads),
        of_tokens,
    ) {
        let repeated: Sequences = heads::repeated_random(s.seed, s.repeated, c.n_ctx, c.d_vocab);
        all.extend(heads::scores(network, probe, &repeated)?);
    }
    if s.composition {
        all.extend(structure::composition(network)?);
    }
    if s.weight_norms {
        all.extend(structure::weight_norms(network)?);
    }
    results.put(key, causes, all, &[])
}

fn llc_measures<'a>(
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
fn stacked_checkpoints(llc: &LlcPlan) -> usize {
    match llc.streams {
        Streams::Common => (STACKED_CHAINS / llc.settings.chains.max(1)).max(1),
        // Noise of its own for each is a walk of its own for each.
        Streams::Independent => 1,
    }
}

/// Makes the estimates of several checkpoints as stacks, for their jobs to find.
fn estimate_together<'a>(
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
struct SharedMinibatches<'a> {
    seed: u64,
    device: &'a Device,
    known: Mutex<HashMap<(String, bool), Arc<Minibatches<'a>>>>,
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
