//! Chains that sample around a checkpoint.
//!
//! The target is the tempered posterior `exp{−nβ·L(w) − (γ/2)‖w − w*‖² − (δ/2)‖w‖²}` of Lau et al.
//! 2023 (arXiv 2308.12108), δ being a weight decay, inside a box about `w*` if there is one. The
//! loss of a draw is read before its step, so draw 0 is `w*` itself. Chains lie along the replica
//! axis: one pass moves all of them, and each has settings, noise and a mask of its own, so that a
//! grid of settings or all heads of a layer are one stack.
//!
//! Nothing here knows what the loss is: it comes in with its gradient, so that the sampler can be
//! held against models whose answer is known.

mod acceptance;
mod mask;
mod motion;

pub use acceptance::log_acceptance;
pub use mask::{Mask, Part};

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_kernels::noise::{Distribution, Keys};
use ontogeny_kernels::{LangevinRates, langevin};
use ontogeny_store::Stream;
use serde::{Deserialize, Serialize};

use motion::Motion;

/// The rule by which chains move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Stochastic gradient Langevin dynamics (Welling & Teh 2011):
    /// `w ← w − (ε/2)·∇U(w) + √ε·N(0, 1)`.
    #[default]
    Sgld,
    /// The same with steps divided by a running root mean square of the loss' gradient (Li et al.
    /// 2016): `V ← αV + (1 − α)g²`, `G = 1/(√V + s)`, `w ← w − (ε/2)·G·∇U(w) + √(εG)·N(0, 1)`, with
    /// α = .99, s = .1.
    RmspropSgld,
    /// A thermostat (Ding et al. 2014): momenta `p ← p − ε·∇U(w) − ξp + √(2Aε)·N(0, 1)`,
    /// `w ← w + p`, `ξ ← ξ + mean(p²) − ε`, from `p ~ √ε·N(0, 1)` and ξ = A = .01. The friction ξ
    /// takes up whatever noise the minibatches add.
    Sgnht,
    /// SGLD's step as a proposal, accepted or not by Metropolis and Hastings (Besag 1994): no error
    /// of a finite step where the loss is not a minibatch's. Two evaluations a step: a reference.
    Mala,
}

/// What a chain samples, and with what step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Step size ε.
    pub epsilon: f64,
    /// Inverse temperature times sample size, nβ.
    pub nbeta: f64,
    /// Localization strength γ.
    pub localization: f64,
    /// Strength δ of a Gaussian prior about 0.
    pub weight_decay: f64,
    /// Half the width of a box about w* that the chains stay in: SGLD and its kin are reflected at
    /// its walls.
    pub half_width: Option<f64>,
}

impl Settings {
    /// Without weight decay or box.
    pub fn new(epsilon: f64, nbeta: f64, localization: f64) -> Self {
        Self {
            epsilon,
            nbeta,
            localization,
            weight_decay: 0.0,
            half_width: None,
        }
    }
}

/// Loss of each chain, `[R]`, and the gradient of its parameters, `[R, rows, cols]` each.
pub type LossAndGradient = (Tensor<1>, Vec<Tensor<3>>);

/// The settings of all chains as columns, `[R, 1, 1]`.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) rates: LangevinRates,
    /// Where any chain has a box; infinite for those without.
    pub(crate) half_width: Option<Tensor<3>>,
}

impl Columns {
    fn new(settings: &[Settings], device: &Device) -> Self {
        let column = |f: fn(&Settings) -> f64| column(settings.iter().map(f), device);
        Self {
            rates: LangevinRates {
                epsilon: column(|s| s.epsilon),
                nbeta: column(|s| s.nbeta),
                localization: column(|s| s.localization),
                weight_decay: column(|s| s.weight_decay),
            },
            half_width: settings
                .iter()
                .any(|s| s.half_width.is_some())
                .then(|| column(|s| s.half_width.unwrap_or(f64::INFINITY))),
        }
    }

    /// `nβ·g + γ(w − w*) + δ·w`.
    fn force(&self, weights: &Tensor<3>, gradient: &Tensor<3>, anchor: &Tensor<3>) -> Tensor<3> {
        let pull = (weights.clone() - anchor.clone()) * self.rates.localization.clone();
        let decay = weights.clone() * self.rates.weight_decay.clone();
        gradient.clone() * self.rates.nbeta.clone() + pull + decay
    }
}

/// One number for each chain, `[R, 1, 1]`.
fn column(values: impl Iterator<Item = f64>, device: &Device) -> Tensor<3> {
    let values: Vec<f32> = values.map(|v| v as f32).collect();
    let shape = [values.len(), 1, 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Noise of every chain.
struct Noise {
    streams: Vec<Stream>,
    keys: Keys,
    count: u64,
}

impl Noise {
    fn new(streams: &[Stream], parameters: usize, device: &Device) -> Self {
        let keys: Vec<[u32; 4]> = streams.iter().map(Stream::key).collect();
        Self {
            streams: streams.to_vec(),
            keys: Keys::new(&keys, device),
            count: parameters as u64,
        }
    }

    /// Standard normals for parameter `parameter` at a step.
    fn draw(&self, step: u64, parameter: usize, like: &Tensor<3>) -> Tensor<3> {
        let [_, rows, columns] = like.dims();
        let index = step * self.count + parameter as u64;
        let host = |chain: usize, out: &mut [f32]| self.streams[chain].fill_normal(index, out);
        self.keys
            .draw(Distribution::Normal, index, [rows, columns], host)
    }
}

/// Chains on their way.
pub struct Chains {
    /// w*, repeated once for each chain, `[R, rows, cols]`.
    anchor: Vec<Tensor<3>>,
    weights: Vec<Tensor<3>>,
    columns: Columns,
    mask: Mask,
    noise: Noise,
    motion: Motion,
    /// Steps done.
    steps: u64,
}

impl Chains {
    /// Chains at `anchor`, which holds w* repeated once for each chain, `[R, rows, cols]`;
    /// `settings` and `noise` have one entry for each chain.
    ///
    /// # Panics
    /// If there is no parameter, or not one entry for each chain.
    pub fn new(
        anchor: Vec<Tensor<3>>,
        rule: Rule,
        settings: &[Settings],
        mask: Mask,
        noise: &[Stream],
    ) -> Self {
        let [chains, _, _] = anchor[0].dims();
        assert_eq!(chains, noise.len(), "one stream for each chain");
        assert_eq!(chains, settings.len(), "settings of each chain");
        let device = anchor[0].device();
        let columns = Columns::new(settings, &device);
        Self {
            weights: anchor.clone(),
            motion: Motion::new(rule, &anchor, &columns, &mask, noise),
            noise: Noise::new(noise, anchor.len(), &device),
            anchor,
            columns,
            mask,
            steps: 0,
        }
    }

    /// Where the chains are, `[R, rows, cols]` each.
    pub fn weights(&self) -> &[Tensor<3>] {
        &self.weights
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step of every chain, from loss and gradient where it is. `again` gives them elsewhere on
    /// the same data; only [`Rule::Mala`] asks.
    ///
    /// Nothing should hold on to the weights meanwhile, or they are copied in place of being
    /// updated.
    ///
    /// # Errors
    /// Those of `again`.
    pub fn step<E>(
        &mut self,
        here: LossAndGradient,
        again: impl FnOnce(&[Tensor<3>]) -> Result<LossAndGradient, E>,
    ) -> Result<(), E> {
        match &mut self.motion {
            Motion::Langevin => {
                self.langevin(here.1, None);
            }
            Motion::Preconditioned(squares) => {
                let steps = squares.steps(&self.columns.rates.epsilon, &here.1);
                self.langevin(here.1, Some(steps));
            }
            Motion::Thermostat(_) => self.thermostat(&here.1),
            Motion::Adjusted(uniforms) => {
                let uniforms = uniforms.clone();
                self.adjusted(&uniforms, here, again)?;
            }
        }
        self.steps += 1;
        Ok(())
    }

    /// SGLD's step, with the step sizes of each weight in place of ε if given.
    fn langevin(&mut self, gradients: Vec<Tensor<3>>, steps: Option<Vec<Tensor<3>>>) {
        let weights = std::mem::take(&mut self.weights);
        self.weights = weights
            .into_iter()
            .zip(gradients)
            .enumerate()
            .map(|(i, (w, gradient))| {
                let part = self.mask.part(i);
                if matches!(part, Part::Nothing) {
                    return w;
                }
                let noise = self.noise.draw(self.steps, i, &w);
                let mut rates = self.columns.rates.clone();
                if let Some(steps) = &steps {
                    rates.epsilon = steps[i].clone();
                }
                let start = &self.anchor[i];
                let kept = matches!(part, Part::Some(_)).then(|| w.clone());
                let next = langevin([w, gradient, start.clone(), noise], &rates);
                let next = match &self.columns.half_width {
                    Some(b) => reflected(next, start, b),
                    None => next,
                };
                part.choose(next, kept)
            })
            .collect();
    }
}

/// Weights that a step took out of the box, mirrored at its walls.
fn reflected(weights: Tensor<3>, anchor: &Tensor<3>, half_width: &Tensor<3>) -> Tensor<3> {
    let away = weights - anchor.clone();
    let above = (away.clone() - half_width.clone()).clamp_min(0.0) * 2.0;
    let below = (away.clone() + half_width.clone()).clamp_max(0.0) * 2.0;
    let inside = (away - above - below)
        .min_pair(half_width.clone())
        .max_pair(half_width.clone().neg());
    anchor.clone() + inside
}

#[cfg(test)]
mod tests;
