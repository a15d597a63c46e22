//! One pass over parameters where a composition makes ten: optimizer, sampler, norms and sums.

use crate::simd::{Kernel, LANES, Lanes, Simd, blocks};

/// The numbers of an AdamW update of one replica.
#[derive(Clone, Copy)]
pub(crate) struct AdamWNumbers {
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    /// `1 − β`, rounded once from double precision, as is all below.
    pub(crate) one_minus_beta1: f32,
    pub(crate) one_minus_beta2: f32,
    /// `1 / (1 − β₁ᵗ)`.
    pub(crate) first_correction: f32,
    /// `1 / √(1 − β₂ᵗ)`.
    pub(crate) root_correction: f32,
    pub(crate) epsilon: f32,
    pub(crate) learning_rate: f32,
    /// `1 − lr·decay`.
    pub(crate) keep: f32,
    pub(crate) gradient_scale: f32,
}

/// Updates parameters and both moments in place.
pub(crate) struct AdamWUpdate<'a> {
    pub(crate) numbers: AdamWNumbers,
    pub(crate) parameter: &'a mut [f32],
    pub(crate) gradient: &'a [f32],
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
}

impl Kernel for AdamWUpdate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.parameter.len();
        assert!(self.gradient.len() == n && self.first.len() == n && self.second.len() == n);
        let c = |x: f32| simd.splat(x);
        let x = self.numbers;
        let (beta1, beta2) = (c(x.beta1), c(x.beta2));
        let (rest1, rest2) = (c(x.one_minus_beta1), c(x.one_minus_beta2));
        let (correction, root) = (c(x.first_correction), c(x.root_correction));
        let (epsilon, keep, scale) = (c(x.epsilon), c(x.keep), c(x.gradient_scale));
        let minus_lr = c(-x.learning_rate);
        let (parameter, gradient) = (self.parameter.as_mut_ptr(), self.gradient.as_ptr());
        let (first, second) = (self.first.as_mut_ptr(), self.second.as_mut_ptr());
        // SAFETY: `blocks` keeps j + count within n, the length of all four.
        unsafe {
            blocks!(j, count in n => {
                let g = simd.load_head(gradient.add(j), count, 0.0).mul(scale);
                let m = simd.load_head(first.add(j), count, 0.0).mul_add(beta1, g.mul(rest1));
                let v = simd.load_head(second.add(j), count, 0.0).mul_add(beta2, g.mul(g).mul(rest2));
                m.store_head(first.add(j), count);
                v.store_head(second.add(j), count);
                let direction = m.mul(correction).div(v.sqrt().mul_add(root, epsilon));
                let w = simd.load_head(parameter.add(j), count, 0.0);
                direction.mul_add(minus_lr, w.mul(keep)).store_head(parameter.add(j), count);
            });
        }
    }
}

/// `w ← w − (ε/2)(nβ·g + γ(w − w*) + decay·w) + √ε·noise`, in place.
pub(crate) struct LangevinUpdate<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) gradient: &'a [f32],
    pub(crate) anchor: &'a [f32],
    pub(crate) noise: &'a [f32],
    pub(crate) nbeta: f32,
    pub(crate) localization: f32,
    pub(crate) weight_decay: f32,
    pub(crate) half_epsilon: f32,
    pub(crate) root_epsilon: f32,
}

impl Kernel for LangevinUpdate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.weights.len();
        assert!(self.gradient.len() == n && self.anchor.len() == n && self.noise.len() == n);
        let (nbeta, localization) = (simd.splat(self.nbeta), simd.splat(self.localization));
        let decay = simd.splat(self.weight_decay);
        let (minus_half, root) = (
            simd.splat(-self.half_epsilon),
            simd.splat(self.root_epsilon),
        );
        let weights = self.weights.as_mut_ptr();
        let (gradient, anchor) = (self.gradient.as_ptr(), self.anchor.as_ptr());
        let noise = self.noise.as_ptr();
        // SAFETY: `blocks` keeps j + count within n, the length of all four.
        unsafe {
            blocks!(j, count in n => {
                let w = simd.load_head(weights.add(j), count, 0.0);
                let pull = w.sub(simd.load_head(anchor.add(j), count, 0.0)).mul(localization);
                let drift = simd.load_head(gradient.add(j), count, 0.0).mul_add(nbeta, pull);
                let drift = w.mul_add(decay, drift);
                let kick = simd.load_head(noise.add(j), count, 0.0).mul(root);
                drift.mul_add(minus_half, w).add(kick).store_head(weights.add(j), count);
            });
        }
    }
}

/// Returns `Σ x²`.
pub(crate) struct SumOfSquares<'a>(pub(crate) &'a [f32]);

impl Kernel for SumOfSquares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        /// Sums in single precision are short, and added up in double: a norm over millions keeps
        /// its digits.
        const RUN: usize = 4096;
        let mut total = 0.0;
        for run in self.0.chunks(RUN) {
            let x = run.as_ptr();
            // Two sums, so that additions wait for each other half as often.
            let mut sums = [simd.splat(0.0); 2];
            // SAFETY: `blocks` keeps j + count within the run.
            unsafe {
                blocks!(j, count in run.len() => {
                    let x = simd.load_head(x.add(j), count, 0.0);
                    let which = (j / LANES) % 2;
                    sums[which] = x.mul_add(x, sums[which]);
                });
            }
            total += f64::from(sums[0].add(sums[1]).sum());
        }
        total as f32
    }
}

/// `sum ← sum·keep + part·weight`, in place.
pub(crate) struct WeightedSum<'a> {
    pub(crate) sum: &'a mut [f32],
    pub(crate) keep: f32,
    pub(crate) part: &'a [f32],
    pub(crate) weight: f32,
}

impl Kernel for WeightedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.sum.len();
        assert!(self.part.len() == n);
        let (keep, weight) = (simd.splat(self.keep), simd.splat(self.weight));
        let (sum, part) = (self.sum.as_mut_ptr(), self.part.as_ptr());
        // SAFETY: `blocks` keeps j + count within n.
        unsafe {
            blocks!(j, count in n => {
                let kept = simd.load_head(sum.add(j), count, 0.0).mul(keep);
                let part = simd.load_head(part.add(j), count, 0.0);
                part.mul_add(weight, kept).store_head(sum.add(j), count);
            });
        }
    }
}
