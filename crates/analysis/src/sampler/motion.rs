//! What a rule carries from step to step.

use burn::tensor::{Device, Tensor};
use ontogeny_kernels::{langevin, sum_of_squares};
use ontogeny_store::Stream;

use super::acceptance::{Point, log_ratio, outside};
use super::{Chains, Columns, LossAndGradient, Mask, Noise, Part, Rule, column, reflected};

/// Decay of the running mean of squares.
const SQUARES_DECAY: f64 = 0.99;
/// Added to the root of the running mean of squares.
const STABILITY: f64 = 0.1;
/// Friction that the thermostat begins with, and the strength of its noise.
const FRICTION: f64 = 0.01;

/// A rule on its way.
pub(super) enum Motion {
    Langevin,
    Preconditioned(Squares),
    Thermostat(Box<Thermostat>),
    /// One stream of uniforms for each chain.
    Adjusted(Vec<Stream>),
}

/// Running mean of the squares of the loss' gradient, once there was one.
pub(super) struct Squares(Vec<Tensor<3>>);

pub(super) struct Thermostat {
    momenta: Vec<Tensor<3>>,
    /// ξ, `[R, 1, 1]`.
    friction: Tensor<3>,
    /// Weights that move, `[R, 1, 1]`.
    size: Tensor<3>,
}

impl Motion {
    pub(super) fn new(
        rule: Rule,
        anchor: &[Tensor<3>],
        columns: &Columns,
        mask: &Mask,
        noise: &[Stream],
    ) -> Self {
        let children = |purpose: &str| -> Vec<Stream> {
            noise.iter().map(|s| s.child(purpose, &[])).collect()
        };
        let device = anchor[0].device();
        match rule {
            Rule::Sgld => Self::Langevin,
            Rule::RmspropSgld => Self::Preconditioned(Squares(Vec::new())),
            Rule::Mala => Self::Adjusted(children("acceptance")),
            Rule::Sgnht => {
                let noise = Noise::new(&children("momentum"), anchor.len(), &device);
                let root = columns.rates.epsilon.clone().sqrt();
                let momentum = |(i, w): (usize, &Tensor<3>)| {
                    mask.part(i).zeroed(noise.draw(0, i, w) * root.clone())
                };
                let sizes = anchor.iter().enumerate().map(|(i, w)| mask.part(i).size(w));
                Self::Thermostat(Box::new(Thermostat {
                    momenta: anchor.iter().enumerate().map(momentum).collect(),
                    friction: root.full_like(FRICTION),
                    size: sizes
                        .reduce(|a, b| a + b)
                        .unwrap_or_else(|| root.ones_like()),
                }))
            }
        }
    }
}

impl Squares {
    /// Takes in a gradient and returns the step size of every weight, `ε·G`. The first gradient is
    /// the first mean: from zero, the first steps would be ten times too long.
    pub(super) fn steps(&mut self, epsilon: &Tensor<3>, gradients: &[Tensor<3>]) -> Vec<Tensor<3>> {
        let squares = gradients.iter().map(|g| g.clone() * g.clone());
        self.0 = if self.0.is_empty() {
            squares.collect()
        } else {
            let old = std::mem::take(&mut self.0).into_iter();
            old.zip(squares)
                .map(|(old, new)| old * SQUARES_DECAY + new * (1.0 - SQUARES_DECAY))
                .collect()
        };
        let step = |v: &Tensor<3>| epsilon.clone() / (v.clone().sqrt() + STABILITY);
        self.0.iter().map(step).collect()
    }
}

impl Chains {
    pub(super) fn thermostat(&mut self, gradients: &[Tensor<3>]) {
        let Motion::Thermostat(state) = &mut self.motion else {
            return;
        };
        let epsilon = &self.columns.rates.epsilon;
        let kick = (epsilon.clone() * (2.0 * FRICTION)).sqrt();
        let mut energy: Option<Tensor<3>> = None;
        for (i, gradient) in gradients.iter().enumerate() {
            let part = self.mask.part(i);
            if matches!(part, Part::Nothing) {
                continue;
            }
            let (w, anchor) = (self.weights[i].clone(), &self.anchor[i]);
            let force = self.columns.force(&w, gradient, anchor);
            let noise = self.noise.draw(self.steps, i, &w);
            let p = state.momenta[i].clone();
            let p = p.clone() - force * epsilon.clone() - p * state.friction.clone()
                + noise * kick.clone();
            let mut p = part.zeroed(p);
            let mut next = w.clone() + p.clone();
            if let Some(b) = &self.columns.half_width {
                // A wall turns the momentum around.
                let away = (next.clone() - anchor.clone()).abs();
                let hit = (away - b.clone()).greater_elem(0.0);
                p = p.clone().mask_where(hit, p.neg());
                next = part.choose(reflected(next, anchor, b), Some(w));
            }
            self.weights[i] = next;
            let own = sum_of_squares(p.clone());
            energy = Some(match energy {
                Some(sum) => sum + own,
                None => own,
            });
            state.momenta[i] = p;
        }
        if let Some(energy) = energy {
            let temperature = energy / state.size.clone();
            state.friction = state.friction.clone() + temperature - epsilon.clone();
        }
    }

    pub(super) fn adjusted<E>(
        &mut self,
        uniforms: &[Stream],
        here: LossAndGradient,
        again: impl FnOnce(&[Tensor<3>]) -> Result<LossAndGradient, E>,
    ) -> Result<(), E> {
        let proposal: Vec<Tensor<3>> = (0..self.weights.len())
            .map(|i| {
                let w = &self.weights[i];
                let noise = self.noise.draw(self.steps, i, w);
                let tensors = [w, &here.1[i], &self.anchor[i], &noise].map(Clone::clone);
                let moved = langevin(tensors, &self.columns.rates);
                match self.mask.part(i) {
                    Part::Nothing => w.clone(),
                    part => part.choose(moved, Some(w.clone())),
                }
            })
            .collect();
        let there = again(&proposal)?;
        let ratio = log_ratio(
            &self.columns,
            &self.anchor,
            &self.mask,
            Point {
                weights: &self.weights,
                loss: &here.0,
                gradients: &here.1,
            },
            Point {
                weights: &proposal,
                loss: &there.0,
                gradients: &there.1,
            },
        );
        let ratio = match &self.columns.half_width {
            // A proposal outside has no probability.
            Some(b) => {
                let out = outside(&proposal, &self.anchor, b);
                ratio.mask_fill(out, f32::NEG_INFINITY)
            }
            None => ratio,
        };
        let device = self.weights[0].device();
        let threshold = self.log_uniforms(uniforms, &device);
        // A ratio that is not a number is not above anything.
        let accepted = ratio.greater(threshold);
        for (w, proposed) in self.weights.iter_mut().zip(proposal) {
            let shape = w.dims();
            *w = w
                .clone()
                .mask_where(accepted.clone().expand(shape), proposed);
        }
        Ok(())
    }

    fn log_uniforms(&self, streams: &[Stream], device: &Device) -> Tensor<3> {
        let one = |stream: &Stream| {
            let mut u = [0.0];
            stream.fill_uniform(self.steps, &mut u);
            // A zero would accept what is impossible.
            f64::from(u[0].max(f32::MIN_POSITIVE)).ln()
        };
        column(streams.iter().map(one), device)
    }
}
