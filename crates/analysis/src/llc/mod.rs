//! The local learning coefficient of a checkpoint, λ̂ = nβ·(E[L(w)] − L(w*)) (Lau et al. 2023),
//! with what its draws say about themselves and a verdict.

mod diagnostics;
mod landscape;
mod observables;
mod stoppable;
mod verdict;
mod walk;

pub use diagnostics::Diagnostics;
pub use landscape::{Landscape, Minibatches, NetworkLoss};
pub use observables::{Covariances, Ledger, Observed, Probed};
pub use stoppable::Stoppable;
pub use verdict::{Cause, Verdict, Word, judge};
pub(crate) use walk::read as walk_read;
pub use walk::{Manner, Observer, Seen, Sight, Walk, Walker};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::sampler::{LossAndGradient, Mask, Part, Rule, Settings};
use crate::statistics::{mean, standard_error};

/// How the coefficient is estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlcSettings {
    /// The rule by which chains move.
    pub rule: Rule,
    /// What they sample, and their step.
    pub sampler: Settings,
    /// Independent chains.
    pub chains: usize,
    /// Draws of a chain, those of the burn-in included.
    pub draws: Draws,
    /// Draws left out at the beginning of each chain.
    pub burn_in: usize,
    /// Seed of noise and minibatches; chains have streams of their own, hashed from it.
    pub seed: u64,
    /// What L(w*) is taken on.
    pub baseline: Baseline,
    /// At how many draws of a chain acceptance, temperature and distance are looked at; each is an
    /// evaluation more.
    pub looks: usize,
}

/// How many draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draws {
    /// So many.
    Fixed(usize),
    /// Until standard error and drift are at most `error` of λ̂, or there are `most`. The earlier
    /// half of all draws is left out, and the burn-in at least.
    Auto {
        /// Wanted standard error as a share of λ̂.
        error: f64,
        /// Most draws of a chain.
        most: usize,
    },
}

/// What L(w*) is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The very data of each draw that counts, whose noise then cancels.
    Paired,
    /// So many minibatches of its own, once.
    Apart(usize),
}

/// One of several places, with what moves there.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    /// w*, `[1, rows, cols]` each.
    pub anchor: &'a [Tensor<3>],
    /// What moves.
    pub mask: &'a Mask,
}

/// What is estimated: a place, and the loss around it.
pub struct Subject<'a> {
    /// The loss that the chains move on.
    pub landscape: &'a dyn Landscape,
    /// Whose loss is estimated, where it is another.
    pub evaluation: Option<&'a dyn Landscape>,
    /// w*, `[1, rows, cols]` each.
    pub anchor: &'a [Tensor<3>],
    /// Tells this place's noise from that of others, where they should not share it.
    pub coordinate: Option<u64>,
}

/// An estimate and the chains behind it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Llc {
    /// Mean over the living chains; `None` if all died.
    pub mean: Option<f64>,
    /// Standard error over the living chains; `None` with fewer than two.
    pub standard_error: Option<f64>,
    /// Mean of L(w*), in nats.
    pub baseline: Option<f64>,
    /// Standard error of L(w*) where it was not paired.
    pub baseline_se: Option<f64>,
    /// Each chain's own estimate; `None` for one whose loss stopped being finite, which is in none
    /// of the figures above.
    pub by_chain: Vec<Option<f64>>,
    /// nβ·(L(w) − L(w*)) of every kept draw, averaged over the living chains.
    pub trace: Vec<f64>,
    /// What the draws say about themselves.
    pub diagnostics: Diagnostics,
    /// Mean probability that Metropolis and Hastings would accept a step.
    pub acceptance: Option<f64>,
    /// `(w − w*)·∇U(w)` over the number of weights, and its standard error: 1 in equilibrium.
    pub temperature: Option<(f64, f64)>,
    /// Last distance from w*, averaged over the chains.
    pub distance: Option<f64>,
    /// Norm of the loss' gradient at w*, its noise taken out; 0 where there is nothing but noise.
    pub gradient_norm: Option<f64>,
    /// Whether the gradient at w* is sure not to be 0.
    pub in_motion: Option<bool>,
    /// Draws of a chain, those left out included.
    pub draws: usize,
    /// Draws left out.
    pub left_out: usize,
    /// Whether the wanted precision was reached, where one was asked for.
    pub precise: Option<bool>,
    /// Whether the chains were in a box.
    pub boxed: bool,
}

/// Minibatches at w* from which its gradient is told from noise.
const GRADIENT_BATCHES: u64 = 8;
/// Numbers of chains that are none: their minibatches are those of the gradient, and of a baseline
/// of its own.
const GRADIENT_CHAIN: u64 = u64::MAX;
const BASELINE_CHAIN: u64 = u64::MAX - 1;

/// What every chain saw, in the order of components and chains.
pub struct Estimated {
    /// One estimate for each mask.
    pub llcs: Vec<Llc>,
    /// What each chain saw: all chains of the first mask, then those of the second, and so on.
    pub seen: Vec<Seen>,
}

/// Estimates the coefficient of each mask's weights, the others held where they are.
///
/// The chains of all masks are one walk: chain number c has the same noise and minibatches under
/// each.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If the burn-in leaves no draw, or there is no mask.
pub fn estimate<'a>(
    subject: &Subject<'a>,
    settings: &LlcSettings,
    masks: &[Mask],
    observer: impl FnMut(&[u64]) -> Option<Box<dyn Observer + 'a>>,
) -> Result<Estimated, AnalysisError> {
    let anchor = subject.anchor;
    let spots: Vec<Spot<'_>> = masks.iter().map(|mask| Spot { anchor, mask }).collect();
    estimate_all(subject, settings, &spots, observer)
}

/// The same at several places of one shape, each with a mask; the anchor of the subject does not
/// count. The chains of all are one walk, and where one pass moves a stack, one stack.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If the burn-in leaves no draw, or there is no place.
pub fn estimate_all<'a>(
    subject: &Subject<'a>,
    settings: &LlcSettings,
    spots: &[Spot<'_>],
    observer: impl FnMut(&[u64]) -> Option<Box<dyn Observer + 'a>>,
) -> Result<Estimated, AnalysisError> {
    let walkers: Vec<Walker<'_>> = spots
        .iter()
        .flat_map(|spot| {
            (0..settings.chains as u64).map(move |chain| Walker {
                anchor: spot.anchor,
                settings: settings.sampler,
                mask: spot.mask,
                chain,
            })
        })
        .collect();
    let first = match settings.draws {
        Draws::Fixed(draws) => draws,
        Draws::Auto { most, .. } => (2 * settings.burn_in + FIRST_DRAWS).min(most),
    };
    assert!(settings.burn_in < first, "the burn-in leaves draws");
    let manner = Manner {
        landscape: subject.landscape,
        evaluation: subject.evaluation,
        rule: settings.rule,
        seed: settings.seed,
        coordinate: subject.coordinate,
        paired: settings.baseline == Baseline::Paired,
        sight: Sight {
            burn_in: settings.burn_in,
            every: match settings.looks {
                0 => None,
                looks => Some(((first - settings.burn_in) / looks).max(1)),
            },
        },
    };
    let evaluated = subject.evaluation.unwrap_or(subject.landscape);
    // Masks at one place have its baseline and gradient in common.
    let mut places: Vec<AtRest> = Vec::new();
    let mut place_of = Vec::with_capacity(spots.len());
    for (i, spot) in spots.iter().enumerate() {
        let known = spots[..i]
            .iter()
            .position(|other| std::ptr::eq(other.anchor, spot.anchor));
        place_of.push(match known {
            Some(known) => place_of[known],
            None => {
                places.push(AtRest::new(subject, evaluated, settings, spot.anchor)?);
                places.len() - 1
            }
        });
    }
    let mut walk = Walk::new(&manner, &walkers, observer);
    walk.advance(first)?;
    let mut draws = first;
    loop {
        let left_out = match settings.draws {
            Draws::Fixed(_) => settings.burn_in,
            Draws::Auto { .. } => settings.burn_in.max(draws / 2),
        };
        let seen: Vec<&Seen> = walk.seen().collect();
        let nbeta = settings.sampler.nbeta;
        let mut llcs: Vec<Llc> = seen
            .chunks(settings.chains)
            .zip(&place_of)
            .map(|(own, &place)| {
                let later = left_out - settings.burn_in;
                let looks = manner.sight.every.map_or(0, |every| later.div_ceil(every));
                summarize(own, places[place].apart, nbeta, [later, looks])
            })
            .collect();
        for ((llc, spot), &place) in llcs.iter_mut().zip(spots).zip(&place_of) {
            (llc.draws, llc.left_out) = (draws, left_out);
            llc.boxed = settings.sampler.half_width.is_some();
            (llc.gradient_norm, llc.in_motion) = at_rest(&places[place].gradients, spot.mask)?;
        }
        if let Draws::Auto { error, most } = settings.draws {
            let precise: Vec<bool> = llcs.iter().map(|l| l.is_precise(error)).collect();
            for (llc, precise) in llcs.iter_mut().zip(&precise) {
                llc.precise = Some(*precise);
            }
            if !precise.iter().all(|p| *p) && draws < most {
                let more = (draws / 2).max(1).min(most - draws);
                walk.advance(more)?;
                draws += more;
                continue;
            }
        }
        return Ok(Estimated {
            llcs,
            seen: walk.seen().cloned().collect(),
        });
    }
}

/// Draws after the burn-in before precision is first looked at.
const FIRST_DRAWS: usize = 40;

/// Mean and standard error of L(w*) over minibatches of its own.
fn baseline_apart(
    landscape: &dyn Landscape,
    anchor: &[Tensor<3>],
    batches: usize,
) -> Result<(f64, f64), AnalysisError> {
    let losses = (0..batches.max(2) as u64)
        .map(|draw| landscape.loss(anchor, &[BASELINE_CHAIN], draw))
        .collect::<Result<Vec<_>, _>>()?;
    let losses = walk::read(losses)?;
    Ok((mean(&losses), standard_error(&losses).unwrap_or(0.0)))
}

/// What is taken at w* itself.
struct AtRest {
    /// Mean and standard error of L(w*), where it is not paired.
    apart: Option<(f64, f64)>,
    gradients: Vec<LossAndGradient>,
}

impl AtRest {
    fn new(
        subject: &Subject<'_>,
        evaluated: &dyn Landscape,
        settings: &LlcSettings,
        anchor: &[Tensor<3>],
    ) -> Result<Self, AnalysisError> {
        let gradient = |draw| {
            subject
                .landscape
                .loss_and_gradients(anchor, &[GRADIENT_CHAIN], draw)
        };
        Ok(Self {
            apart: match settings.baseline {
                Baseline::Paired => None,
                Baseline::Apart(batches) => Some(baseline_apart(evaluated, anchor, batches)?),
            },
            gradients: (0..GRADIENT_BATCHES)
                .map(gradient)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Norm of the gradient, and whether it is sure not to be 0: the squared norm is the mean inner
/// product of two different minibatches' gradients, which noise does not raise.
fn at_rest(
    gradients: &[LossAndGradient],
    mask: &Mask,
) -> Result<(Option<f64>, Option<bool>), AnalysisError> {
    let mut products = Vec::new();
    for (i, (_, a)) in gradients.iter().enumerate() {
        for (_, b) in &gradients[..i] {
            let parts = a.iter().zip(b).enumerate().map(|(k, (a, b))| {
                let product = a.clone() * b.clone();
                match mask.part(k) {
                    Part::All => product.sum(),
                    part => part.zeroed(product).sum(),
                }
            });
            products.extend(parts.reduce(|a, b| a + b));
        }
    }
    let products = walk::read(products)?;
    if products.iter().any(|p| !p.is_finite()) {
        return Ok((None, None));
    }
    let (square, error) = (mean(&products), standard_error(&products));
    let sure = error.is_some_and(|error| square > 4.0 * error && square > 0.0);
    Ok((Some(square.max(0.0).sqrt()), Some(sure)))
}

/// The estimate of chains that saw this, leaving out so many of the draws that count and of the
/// looks at them. L(w*) and its error are given where they are not paired.
pub(crate) fn summarize(
    seen: &[&Seen],
    apart: Option<(f64, f64)>,
    nbeta: f64,
    [left_out, looks]: [usize; 2],
) -> Llc {
    let alive = |s: &Seen| {
        let finite = |x: &[f64]| x.iter().all(|x| x.is_finite());
        finite(&s.losses) && finite(&s.kept)
    };
    let living: Vec<&Seen> = seen.iter().copied().filter(|s| alive(s)).collect();
    let baseline = |s: &Seen, k: usize| apart.map_or_else(|| s.baselines[k], |(mean, _)| mean);
    let series: Vec<Vec<f64>> = living
        .iter()
        .map(|s| {
            (left_out..s.kept.len())
                .map(|k| nbeta * (s.kept[k] - baseline(s, k)))
                .collect()
        })
        .collect();
    let means: Vec<f64> = series.iter().map(|s| mean(s)).collect();
    let mut own = means.iter();
    let by_chain: Vec<Option<f64>> = seen
        .iter()
        .map(|s| if alive(s) { own.next().copied() } else { None })
        .collect();
    let some = !living.is_empty();
    let over_living = |f: fn(&Seen) -> &[f64]| -> Vec<f64> {
        living
            .iter()
            .filter(|s| !f(s).is_empty())
            .map(|s| mean(f(s)))
            .collect()
    };
    let acceptance = over_living(|s| &s.acceptance);
    let heat: Vec<Vec<f64>> = living
        .iter()
        .map(|s| s.temperature.iter().skip(looks).copied().collect())
        .filter(|own: &Vec<f64>| !own.is_empty())
        .collect();
    let last: Vec<f64> = living
        .iter()
        .filter_map(|s| s.distance.last().copied())
        .collect();
    let kept = series.first().map_or(0, Vec::len);
    Llc {
        mean: some.then(|| mean(&means)),
        standard_error: standard_error(&means),
        baseline: some.then(|| {
            let one = |s: &&Seen| {
                let all: Vec<f64> = (left_out..s.kept.len()).map(|k| baseline(s, k)).collect();
                mean(&all)
            };
            mean(&living.iter().map(one).collect::<Vec<_>>())
        }),
        baseline_se: apart.map(|(_, se)| se),
        by_chain,
        trace: (0..kept)
            .map(|k| series.iter().map(|s| s[k]).sum::<f64>() / series.len() as f64)
            .collect(),
        diagnostics: Diagnostics::of(&series),
        acceptance: (!acceptance.is_empty()).then(|| mean(&acceptance)),
        temperature: temperature(&heat),
        distance: (!last.is_empty()).then(|| mean(&last)),
        ..Llc::default()
    }
}

/// Mean temperature and its standard error: the larger of that over all looks, which follow each
/// other closely, and that over the chains, which are few.
fn temperature(heat: &[Vec<f64>]) -> Option<(f64, f64)> {
    let all = heat.concat();
    let means: Vec<f64> = heat.iter().map(|own| mean(own)).collect();
    let among = standard_error(&means).unwrap_or(0.0);
    standard_error(&all).map(|se| (mean(&all), se.max(among)))
}

impl Llc {
    /// The larger of the standard errors from the chains and from the draws' autocorrelation: few
    /// chains may agree by chance, and one chain does not know what it has not seen.
    pub fn error(&self) -> Option<f64> {
        match (self.standard_error, self.diagnostics.mcse) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }

    fn is_precise(&self, wanted: f64) -> bool {
        let (Some(mean), Some(error)) = (self.mean, self.error()) else {
            // Nothing that more draws could mend.
            return self.mean.is_none();
        };
        let drift = match (self.diagnostics.drift, self.diagnostics.drift_se) {
            // What chance explains is no drift.
            (Some(drift), Some(se)) if drift.abs() > 2.0 * se => drift.abs(),
            _ => 0.0,
        };
        // Walls push back: in a box the temperature says nothing. Chains that began at w* without
        // heat: slow directions warm up long after the fast ones have settled.
        let warm = self.boxed
            || self
                .temperature
                .is_none_or(|(t, se)| t + 2.0 * se > 1.0 - wanted);
        error <= wanted * mean.abs() && drift <= 2.0 * wanted * mean.abs() && warm
    }

    /// The figures as measures of a checkpoint, `llc` for the whole network and `llc.COMPONENT` for
    /// a part of it.
    pub fn measures(&self, component: Option<&str>, nbeta: f64) -> Measures {
        let mut measures = Measures::default();
        let name = |name: &str| match component {
            None => name.to_owned(),
            Some(component) => format!("{name}.{component}"),
        };
        let dead = self.by_chain.iter().filter(|c| c.is_none()).count();
        let d = &self.diagnostics;
        for (of, value) in [
            ("llc_chains_used", Some((self.by_chain.len() - dead) as f64)),
            ("llc_chains_dead", Some(dead as f64)),
            ("llc", self.mean),
            ("llc_se", self.standard_error),
            ("llc_baseline", self.baseline),
            ("llc_baseline_se", self.baseline_se),
            ("llc_mcse", d.mcse),
            ("llc_r_hat", d.r_hat),
            ("llc_effective_draws", d.effective_draws),
            ("llc_drift", d.drift),
            ("llc_below", d.below),
            ("llc_acceptance", self.acceptance),
            ("llc_temperature", self.temperature.map(|(t, _)| t)),
            ("llc_distance", self.distance),
            ("llc_gradient_norm", self.gradient_norm),
            ("llc_draws", Some(self.draws as f64)),
            ("llc_left_out", Some(self.left_out as f64)),
            ("llc_precise", self.precise.map(|p| f64::from(u8::from(p)))),
        ] {
            if let Some(value) = value {
                measures.value(name(of), value);
            }
        }
        measures.vector(name("llc_trace"), self.trace.clone());
        if let Some(by_chain) = self.by_chain.iter().copied().collect::<Option<Vec<f64>>>() {
            measures.vector(name("llc_by_chain"), by_chain);
        }
        let verdict = judge(self, nbeta);
        measures.word(name("llc_verdict"), verdict.word.as_str());
        measures.word(name("llc_reason"), verdict.reason);
        measures
    }
}

#[cfg(test)]
mod tests;
