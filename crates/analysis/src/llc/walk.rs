//! Chains around one place, and what is seen on the way.

use burn::tensor::Tensor;
use ontogeny_kernels::sum_of_squares;
use ontogeny_store::Stream;
use rayon::prelude::*;

use super::landscape::{Landscape, stream};
use crate::error::AnalysisError;
use crate::sampler::{Chains, LossAndGradient, Mask, Part, Rule, Settings, log_acceptance};

/// One chain to come.
#[derive(Debug, Clone)]
pub struct Walker<'a> {
    /// Where it starts: w*, the parameters of one replica, `[1, rows, cols]` each.
    pub anchor: &'a [Tensor<3>],
    /// What it samples, and how fast.
    pub settings: Settings,
    /// What of the weights it moves.
    pub mask: &'a Mask,
    /// Its number: minibatches and noise are hashed from it, so walkers of one number share them.
    pub chain: u64,
}

/// What is looked at besides the loss, at some of the draws.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight {
    /// Draws from here on count.
    pub burn_in: usize,
    /// At every n-th draw that counts, if any: acceptance of the step, temperature, distance.
    pub every: Option<usize>,
}

/// What one chain saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The loss at every draw, on the sampler's data.
    pub losses: Vec<f64>,
    /// The loss at the draws that count, on the data of the estimate.
    pub kept: Vec<f64>,
    /// L(w*) on the same data, where it is paired.
    pub baselines: Vec<f64>,
    /// Probability that Metropolis and Hastings would accept a step.
    pub acceptance: Vec<f64>,
    /// `(w − w*)·∇U(w)` over the number of weights that move: 1 on average in equilibrium at the
    /// right temperature.
    pub temperature: Vec<f64>,
    /// `‖w − w*‖`.
    pub distance: Vec<f64>,
}

/// What chains are told at every draw that counts, besides the sampler.
pub trait Observer: Send {
    /// The chains' weights at a draw, `[R, rows, cols]` each, and their losses `[R]`.
    ///
    /// # Errors
    /// If the device fails.
    fn see(&mut self, weights: &[Tensor<3>], losses: &Tensor<1>) -> Result<(), AnalysisError>;
}

/// Chains that move as one stack.
struct Group<'a> {
    chains: Chains,
    start: Vec<Tensor<3>>,
    settings: Vec<Settings>,
    mask: Mask,
    /// Weights that move, of each chain.
    sizes: Vec<f64>,
    numbers: Vec<u64>,
    seen: Vec<Seen>,
    observer: Option<Box<dyn Observer + 'a>>,
}

/// All chains of an estimate, on their way.
pub struct Walk<'a> {
    terms: Terms<'a>,
    groups: Vec<Group<'a>>,
}

/// What every group needs of the walk.
struct Terms<'a> {
    landscape: &'a dyn Landscape,
    /// Whose loss is estimated, where it is not the sampler's.
    evaluation: Option<&'a dyn Landscape>,
    rule: Rule,
    paired: bool,
    sight: Sight,
}

/// How a walk goes about.
pub struct Manner<'a> {
    /// The loss that the chains move on.
    pub landscape: &'a dyn Landscape,
    /// Whose loss is estimated, where it is another.
    pub evaluation: Option<&'a dyn Landscape>,
    /// The rule of movement.
    pub rule: Rule,
    /// Seed of the noise.
    pub seed: u64,
    /// What tells the noise from that of other checkpoints, if anything should.
    pub coordinate: Option<u64>,
    /// Whether L(w*) is taken on the data of each draw that counts.
    pub paired: bool,
    /// What else is looked at.
    pub sight: Sight,
}

impl<'a> Walk<'a> {
    /// Chains at their anchors, all of one shape. `observer` may give one to a group of chains of
    /// these numbers.
    pub fn new(
        manner: &Manner<'a>,
        walkers: &[Walker<'_>],
        mut observer: impl FnMut(&[u64]) -> Option<Box<dyn Observer + 'a>>,
    ) -> Self {
        let together = manner.landscape.together(walkers.len()).max(1);
        let groups = walkers
            .chunks(together)
            .map(|own| {
                let first = own[0].anchor;
                let shapes: Vec<[usize; 2]> = first
                    .iter()
                    .map(|p| p.dims())
                    .map(|[_, rows, columns]| [rows, columns])
                    .collect();
                let stacked = |i: usize| match own.len() {
                    1 => first[i].clone(),
                    _ => Tensor::cat(own.iter().map(|w| w.anchor[i].clone()).collect(), 0),
                };
                let start: Vec<Tensor<3>> = (0..first.len()).map(stacked).collect();
                let masks: Vec<&Mask> = own.iter().map(|w| w.mask).collect();
                let mask = Mask::stack(&masks, first);
                let settings: Vec<Settings> = own.iter().map(|w| w.settings).collect();
                let noise: Vec<Stream> = own
                    .iter()
                    .map(|w| stream(manner.seed, "sampler noise", w.chain, manner.coordinate))
                    .collect();
                let numbers: Vec<u64> = own.iter().map(|w| w.chain).collect();
                Group {
                    chains: Chains::new(
                        start.clone(),
                        manner.rule,
                        &settings,
                        mask.clone(),
                        &noise,
                    ),
                    start,
                    mask,
                    sizes: masks.iter().map(|m| m.weights(&shapes) as f64).collect(),
                    seen: vec![Seen::default(); own.len()],
                    observer: observer(&numbers),
                    settings,
                    numbers,
                }
            })
            .collect();
        Self {
            terms: Terms {
                landscape: manner.landscape,
                evaluation: manner.evaluation,
                rule: manner.rule,
                paired: manner.paired,
                sight: manner.sight,
            },
            groups,
        }
    }

    /// Goes on by so many draws.
    ///
    /// # Errors
    /// If the device fails.
    pub fn advance(&mut self, draws: usize) -> Result<(), AnalysisError> {
        let terms = &self.terms;
        self.groups
            .par_iter_mut()
            .map(|group| group.advance(terms, draws))
            .collect()
    }

    /// What each chain has seen, in the order of the walkers.
    pub fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.groups.iter().flat_map(|g| &g.seen)
    }

    /// Where the chains are, group by group.
    pub fn weights(&self) -> impl Iterator<Item = &[Tensor<3>]> {
        self.groups.iter().map(|g| g.chains.weights())
    }
}

impl Group<'_> {
    fn advance(&mut self, terms: &Terms<'_>, draws: usize) -> Result<(), AnalysisError> {
        let [mut losses, mut kept, mut baselines] = [const { Vec::new() }; 3];
        let [mut acceptance, mut temperature, mut distance] = [const { Vec::new() }; 3];
        for _ in 0..draws {
            let draw = self.chains.steps();
            let counts = draw >= terms.sight.burn_in as u64;
            let here =
                terms
                    .landscape
                    .loss_and_gradients(self.chains.weights(), &self.numbers, draw)?;
            losses.push(here.0.clone());
            if counts {
                let whose = terms.evaluation.unwrap_or(terms.landscape);
                let loss = match terms.evaluation {
                    Some(other) => other.loss(self.chains.weights(), &self.numbers, draw)?,
                    None => here.0.clone(),
                };
                if let Some(observer) = &mut self.observer {
                    observer.see(self.chains.weights(), &loss)?;
                }
                kept.push(loss);
                if terms.paired {
                    baselines.push(whose.loss(&self.start, &self.numbers, draw)?);
                }
            }
            let looks = terms.sight.every.is_some_and(|every| {
                counts && (draw - terms.sight.burn_in as u64).is_multiple_of(every.max(1) as u64)
            });
            if looks {
                let (t, d) = self.heat(&here);
                temperature.push(t);
                distance.push(d);
                if let Some(a) = self.step_and_look(terms, here, draw)? {
                    acceptance.push(a);
                }
            } else {
                self.step(terms, here, draw)?;
            }
        }
        for (to, columns) in [
            (Field::Losses, losses),
            (Field::Kept, kept),
            (Field::Baselines, baselines),
            (Field::Acceptance, acceptance),
            (Field::Temperature, temperature),
            (Field::Distance, distance),
        ] {
            let values = read(columns)?;
            for (i, value) in values.into_iter().enumerate() {
                let seen = &mut self.seen[i % self.numbers.len()];
                to.of(seen).push(value);
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        terms: &Terms<'_>,
        here: LossAndGradient,
        draw: u64,
    ) -> Result<(), AnalysisError> {
        let (numbers, mask) = (&self.numbers, &self.mask);
        self.chains.step(here, |weights| {
            let landscape = terms.landscape;
            landscape.loss_and_masked_gradients(mask, weights, numbers, draw)
        })
    }

    /// Takes a step, and says how likely it would have been accepted, where the rule is one for
    /// which that has a meaning.
    fn step_and_look(
        &mut self,
        terms: &Terms<'_>,
        here: LossAndGradient,
        draw: u64,
    ) -> Result<Option<Tensor<1>>, AnalysisError> {
        match terms.rule {
            Rule::Sgld => {
                let before = self.chains.weights().to_vec();
                self.step(terms, here.clone(), draw)?;
                let after = self.chains.weights();
                let there = terms.landscape.loss_and_masked_gradients(
                    &self.mask,
                    after,
                    &self.numbers,
                    draw,
                )?;
                let log = log_acceptance(
                    &self.settings,
                    &self.mask,
                    &self.start,
                    (&before, &here),
                    (after, &there),
                );
                Ok(Some(log.clamp_max(0.0).exp()))
            }
            Rule::Mala => {
                // It stays where it is unless it was accepted.
                let before = self.chains.weights().to_vec();
                self.step(terms, here, draw)?;
                let moved = distances(&before, self.chains.weights());
                Ok(Some(moved.greater_elem(0.0).float()))
            }
            Rule::RmspropSgld | Rule::Sgnht => {
                self.step(terms, here, draw)?;
                Ok(None)
            }
        }
    }

    /// `(w − w*)·∇U(w)` over the weights that move, and `‖w − w*‖`, `[R]` each.
    fn heat(&self, (_, gradients): &LossAndGradient) -> (Tensor<1>, Tensor<1>) {
        let device = self.start[0].device();
        let column = |f: &dyn Fn(usize) -> f64| {
            let values: Vec<f32> = (0..self.numbers.len()).map(|i| f(i) as f32).collect();
            Tensor::<1>::from_floats(values.as_slice(), &device)
        };
        let nbeta = column(&|i| self.settings[i].nbeta);
        let gamma = column(&|i| self.settings[i].localization);
        let decay = column(&|i| self.settings[i].weight_decay);
        let sizes = column(&|i| self.sizes[i].max(1.0));
        let chains = self.numbers.len();
        let mut along: Option<Tensor<1>> = None;
        let add = |sum: &mut Option<Tensor<1>>, x: Tensor<1>| {
            *sum = Some(match sum.take() {
                Some(sum) => sum + x,
                None => x,
            });
        };
        for (i, (w, start)) in self.chains.weights().iter().zip(&self.start).enumerate() {
            if matches!(self.mask.part(i), Part::Nothing) {
                continue;
            }
            // Zero wherever nothing moved.
            let away = w.clone() - start.clone();
            let [_, rows, columns] = away.dims();
            let dot = |x: Tensor<3>| {
                (away.clone() * x)
                    .reshape([chains, rows * columns])
                    .sum_dim(1)
                    .reshape([chains])
            };
            add(&mut along, dot(gradients[i].clone()) * nbeta.clone());
            add(&mut along, dot(w.clone()) * decay.clone());
        }
        let squares = squares(&self.start, self.chains.weights());
        let pull = squares.clone() * gamma;
        let along = along.map_or(pull.clone(), |a| a + pull);
        (along / sizes, squares.sqrt())
    }
}

/// `‖a − b‖²` of each chain, `[R]`.
fn squares(a: &[Tensor<3>], b: &[Tensor<3>]) -> Tensor<1> {
    let [chains, _, _] = a[0].dims();
    let parts = a
        .iter()
        .zip(b)
        .map(|(a, b)| sum_of_squares(a.clone() - b.clone()).reshape([chains]));
    parts
        .reduce(|a, b| a + b)
        .unwrap_or_else(|| Tensor::zeros([chains], &a[0].device()))
}

fn distances(a: &[Tensor<3>], b: &[Tensor<3>]) -> Tensor<1> {
    squares(a, b).sqrt()
}

/// A column of [`Seen`].
#[derive(Clone, Copy)]
enum Field {
    Losses,
    Kept,
    Baselines,
    Acceptance,
    Temperature,
    Distance,
}

impl Field {
    fn of(self, seen: &mut Seen) -> &mut Vec<f64> {
        match self {
            Self::Losses => &mut seen.losses,
            Self::Kept => &mut seen.kept,
            Self::Baselines => &mut seen.baselines,
            Self::Acceptance => &mut seen.acceptance,
            Self::Temperature => &mut seen.temperature,
            Self::Distance => &mut seen.distance,
        }
    }
}

/// Columns `[R]` one after the other.
pub(crate) fn read(columns: Vec<Tensor<1>>) -> Result<Vec<f64>, AnalysisError> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let values = Tensor::cat(columns, 0)
        .try_into_vec_as::<f32>()
        .map_err(|e| AnalysisError::Device(e.to_string()))?;
    Ok(values.into_iter().map(f64::from).collect())
}
