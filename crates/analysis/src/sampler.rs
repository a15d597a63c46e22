//! Stochastic gradient Langevin dynamics around a checkpoint (Welling & Teh 2011), localized as in
//! Lau et al. 2023 (arXiv 2308.12108).
//!
//! The target is the tempered posterior `exp{−nβ·L(w) − (γ/2)‖w − w*‖²}`. One step is
//! `w ← w − (ε/2)[nβ·g + γ(w − w*)] + √ε·N(0, 1)`; the loss of a draw is read before its step, so
//! draw 0 is `w*` itself. Chains lie along the replica axis: one pass moves all of them.
//!
//! Nothing here knows what the loss is: a closure gives loss and gradient, so that the sampler can
//! be held against models whose answer is known.

use burn::tensor::{Device, Tensor, TensorData};
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

/// Runs the chains and returns the loss of every draw, `[draw, chain]` row major.
///
/// `anchor` is w*, repeated once for each chain, `[R, rows, cols]`; `noise` has one stream for each
/// chain. A chain whose loss stops being finite stays so: chains never touch one another.
///
/// # Panics
/// If there is not one stream for each chain.
pub fn run<E>(
    anchor: &[Tensor<3>],
    settings: &Sgld,
    noise: &[Stream],
    mut loss_and_gradient: impl FnMut(&[Tensor<3>], usize) -> Result<LossAndGradient, E>,
) -> Result<Vec<Tensor<1>>, E> {
    let mut weights = anchor.to_vec();
    let mut losses = Vec::with_capacity(settings.draws);
    for draw in 0..settings.draws {
        let (loss, gradients) = loss_and_gradient(&weights, draw)?;
        losses.push(loss);
        if draw + 1 == settings.draws {
            break; // Nobody looks at what the last step would reach.
        }
        let count = weights.len();
        weights = weights
            .into_iter()
            .zip(gradients)
            .zip(anchor)
            .enumerate()
            .map(|(index, ((w, gradient), start))| {
                let noise = normals(noise, (draw * count + index) as u64, &w);
                let pull = (w.clone() - start.clone()) * settings.localization;
                let drift = gradient * settings.nbeta + pull;
                w - drift * (settings.epsilon / 2.0) + noise * settings.epsilon.sqrt()
            })
            .collect();
    }
    Ok(losses)
}

/// Standard normals in the shape of `like`, chain `i` from its own stream.
fn normals(streams: &[Stream], index: u64, like: &Tensor<3>) -> Tensor<3> {
    let [chains, rows, cols] = like.dims();
    assert_eq!(chains, streams.len(), "one stream for each chain");
    let mut values = vec![0.0; chains * rows * cols];
    for (stream, chunk) in streams.iter().zip(values.chunks_exact_mut(rows * cols)) {
        stream.fill_normal(index, chunk);
    }
    let device: Device = like.device();
    Tensor::from_data(TensorData::new(values, [chains, rows, cols]), &device)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
