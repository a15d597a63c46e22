//! Stochastic gradient Langevin dynamics around a checkpoint (Welling & Teh 2011), localized as in
//! Lau et al. 2023 (arXiv 2308.12108).
//!
//! The target is the tempered posterior `exp{−nβ·L(w) − (γ/2)‖w − w*‖²}`. One step is
//! `w ← w − (ε/2)[nβ·g + γ(w − w*)] + √ε·N(0, 1)`; the loss of a draw is read before its step, so
//! draw 0 is `w*` itself. Chains lie along the replica axis: one pass moves all of them.
//!
//! Nothing here knows what the loss is: a closure gives loss and gradient, so that the sampler can
//! be held against models whose answer is known.

use burn::tensor::Tensor;
use ontogeny_kernels::noise::{Distribution, Keys};
use ontogeny_kernels::{LangevinRates, langevin};
use ontogeny_store::Stream;
use serde::{Deserialize, Serialize};

/// Settings of the sampler that do not depend on the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sgld {
    /// Step size ε.
    pub epsilon: f64,
    /// Inverse temperature times sample size, nβ.
    pub nbeta: f64,
    /// Localization strength γ.
    pub localization: f64,
    /// Draws of a chain, those of the burn-in included.
    pub draws: usize,
}

/// Loss of each chain, `[R]`, and the gradient of its parameters, `[R, rows, cols]` each.
pub type LossAndGradient = (Tensor<1>, Vec<Tensor<3>>);

/// Chains on their way.
pub struct Chains<'a> {
    /// w*, repeated once for each chain, `[R, rows, cols]`.
    anchor: &'a [Tensor<3>],
    weights: Vec<Tensor<3>>,
    rates: LangevinRates,
    streams: &'a [Stream],
    keys: Keys,
    /// Steps done.
    steps: u64,
}

impl<'a> Chains<'a> {
    /// Chains at `anchor`, which holds w* repeated once for each chain, `[R, rows, cols]`; `noise` has one
    /// stream for each chain.
    ///
    /// # Panics
    /// If there is no parameter, or not one stream for each chain.
    pub fn new(anchor: &'a [Tensor<3>], settings: &Sgld, noise: &'a [Stream]) -> Self {
        let [chains, _, _] = anchor[0].dims();
        assert_eq!(chains, noise.len(), "one stream for each chain");
        let device = anchor[0].device();
        let column = |value: f64| Tensor::full([chains, 1, 1], value, &device);
        let keys: Vec<[u32; 4]> = noise.iter().map(Stream::key).collect();
        Self {
            anchor,
            weights: anchor.to_vec(),
            rates: LangevinRates {
                epsilon: column(settings.epsilon),
                nbeta: column(settings.nbeta),
                localization: column(settings.localization),
            },
            streams: noise,
            keys: Keys::new(&keys, &device),
            steps: 0,
        }
    }

    /// Where the chains are, `[R, rows, cols]` each.
    pub fn weights(&self) -> &[Tensor<3>] {
        &self.weights
    }

    /// One step of every chain, from the gradient of its loss where it is.
    pub fn step(&mut self, gradients: Vec<Tensor<3>>) {
        let count = self.weights.len() as u64;
        let weights = std::mem::take(&mut self.weights);
        self.weights = weights
            .into_iter()
            .zip(gradients)
            .zip(self.anchor)
            .zip(0..)
            .map(|(((w, gradient), start), index)| {
                let [_, rows, columns] = w.dims();
                let index = self.steps * count + index;
                let host = |chain: usize, out: &mut [f32]| {
                    self.streams[chain].fill_normal(index, out);
                };
                let noise = self
                    .keys
                    .draw(Distribution::Normal, index, [rows, columns], host);
                langevin([w, gradient, start.clone(), noise], &self.rates)
            })
            .collect();
        self.steps += 1;
    }
}

/// Runs the chains and returns the loss of every draw, `[R]` each.
///
/// A chain whose loss stops being finite stays so: chains never touch one another.
///
/// # Panics
/// As [`Chains::new`].
pub fn run<E>(
    anchor: &[Tensor<3>],
    settings: &Sgld,
    noise: &[Stream],
    mut loss_and_gradient: impl FnMut(&[Tensor<3>], usize) -> Result<LossAndGradient, E>,
) -> Result<Vec<Tensor<1>>, E> {
    let mut chains = Chains::new(anchor, settings, noise);
    let mut losses = Vec::with_capacity(settings.draws);
    for draw in 0..settings.draws {
        let (loss, gradients) = loss_and_gradient(chains.weights(), draw)?;
        losses.push(loss);
        // Nobody looks at what the last step would reach.
        if draw + 1 < settings.draws {
            chains.step(gradients);
        }
    }
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use burn::tensor::{Device, TensorData};

    use super::*;

    /// E[λ̂] of the quadratic ½Σh_i w_i² for SGLD with a finite step and a finite chain, started at
    /// the minimum, loss read before each step, full batch: with `a = nβh + γ` and `ρ = 1 − εa/2`,
    /// the variance of `w` before step k is `(1 − ρ^{2k}) / (a(1 − εa/4))`.
    fn expected(curvatures: &[f64], s: &Sgld, burn_in: usize) -> f64 {
        curvatures
            .iter()
            .map(|h| {
                let a = s.nbeta * h + s.localization;
                let rho = 1.0 - s.epsilon * a / 2.0;
                let kept = (burn_in..s.draws).map(|k| 1.0 - rho.powi(2 * k as i32));
                let mean = kept.sum::<f64>() / (s.draws - burn_in) as f64;
                0.5 * s.nbeta * h / (a * (1.0 - s.epsilon * a / 4.0)) * mean
            })
            .sum()
    }

    fn check(curvatures: &[f64], settings: Sgld, burn_in: usize) {
        let device = Device::flex();
        let (chains, d) = (256, curvatures.len());
        let anchor = [Tensor::<3>::zeros([chains, 1, d], &device)];
        let h: Vec<f32> = curvatures.iter().map(|&h| h as f32).collect();
        let h = Tensor::<3>::from_data(TensorData::new(h, [1, 1, d]), &device);
        let noise: Vec<Stream> = (0..chains)
            .map(|c| Stream::new(7, "test noise", &[c as u64]))
            .collect();
        let losses = run(&anchor, &settings, &noise, |w, _| {
            let gradient = w[0].clone() * h.clone();
            let loss = (gradient.clone() * w[0].clone()).sum_dim(2) * 0.5;
            Ok::<_, Infallible>((loss.reshape([chains]), vec![gradient]))
        })
        .unwrap();
        let mut by_chain = vec![0.0; chains];
        for loss in &losses[burn_in..] {
            let loss = loss.clone().try_into_vec_as::<f32>().unwrap();
            for (sum, l) in by_chain.iter_mut().zip(loss) {
                *sum += settings.nbeta * f64::from(l) / (settings.draws - burn_in) as f64;
            }
        }
        let mean = by_chain.iter().sum::<f64>() / chains as f64;
        let variance =
            by_chain.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (chains - 1) as f64;
        let error = (variance / chains as f64).sqrt();
        let expected = expected(curvatures, &settings, burn_in);
        // Chains are independent, so the mean is normal about its expectation: 4 standard errors
        // are passed by chance once in 16 000 runs, and the streams are fixed.
        assert!(
            (mean - expected).abs() < 4.0 * error,
            "{mean} ± {error}, expected {expected}"
        );
        // And the test has teeth: the error is small beside the answer.
        assert!(error < 0.03 * expected, "{error} of {expected}");
    }

    #[test]
    fn quadratic_with_a_coarse_step() {
        let settings = Sgld {
            epsilon: 0.01,
            nbeta: 50.0,
            localization: 5.0,
            draws: 400,
        };
        check(&[1.0, 4.0, 0.25, 0.0], settings, 0);
    }

    #[test]
    fn quadratic_with_burn_in_left_out() {
        let settings = Sgld {
            epsilon: 0.002,
            nbeta: 100.0,
            localization: 10.0,
            draws: 300,
        };
        check(&[1.0; 10], settings, 100);
    }

    #[test]
    fn a_chain_that_dies_leaves_the_others_as_they_were() {
        let device = Device::flex();
        let settings = Sgld {
            epsilon: 0.01,
            nbeta: 10.0,
            localization: 1.0,
            draws: 20,
        };
        let streams: Vec<Stream> = (0..3).map(|c| Stream::new(1, "test noise", &[c])).collect();
        let losses = |start: &[f32], streams: &[Stream]| -> Vec<f32> {
            let n = start.len();
            let anchor = [Tensor::<3>::from_data(
                TensorData::new(start.to_vec(), [n, 1, 1]),
                &device,
            )];
            let all = run(&anchor, &settings, streams, |w, _| {
                let loss = (w[0].clone() * w[0].clone()).reshape([n]) * 0.5;
                Ok::<_, Infallible>((loss, vec![w[0].clone()]))
            });
            let all = all.unwrap();
            all.iter()
                .map(|l| l.clone().try_into_vec_as::<f32>().unwrap()[n - 1])
                .collect()
        };
        let alone = losses(&[0.5], &streams[2..]);
        let beside = losses(&[1.0, f32::NAN, 0.5], &streams);
        assert_eq!(alone, beside);
        assert!(alone.iter().all(|l| l.is_finite()));
    }
}
