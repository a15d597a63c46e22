//! Layer normalization of dense rows, and its gradients.

use crate::simd::{Kernel, Lanes, Simd, blocks};
use std::mem::MaybeUninit;

/// `y = (x − mean) · rstd · weight + bias` for each row, with `rstd = 1/√(variance + eps)` and the
/// biased variance, summed in a second pass around the mean.
pub(crate) struct LayerNormForward<'a> {
    /// Dense `[rows, weight.len()]`.
    pub(crate) x: &'a [f32],
    /// `[d]`.
    pub(crate) weight: &'a [f32],
    /// `[d]`.
    pub(crate) bias: &'a [f32],
    /// Added to the variance.
    pub(crate) eps: f32,
    /// As `x`; set.
    pub(crate) y: &'a mut [MaybeUninit<f32>],
    /// `[rows, 2]`: mean and rstd of each row; set.
    pub(crate) statistics: &'a mut [MaybeUninit<f32>],
}

impl Kernel for LayerNormForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let d = self.weight.len();
        let rows = self.statistics.len() / 2;
        assert!(self.bias.len() == d && self.x.len() == rows * d);
        assert!(self.y.len() == self.x.len() && self.statistics.len() == 2 * rows);
        let (weight, bias) = (self.weight.as_ptr(), self.bias.as_ptr());
        let per_element = 1.0 / d as f32;

        for i in 0..rows {
            // SAFETY: row i lies within x and y, whose lengths have been checked, and `blocks`
            // keeps j + count within d, the length of weight and bias.
            let (mean, rstd) = unsafe {
                let x = self.x.as_ptr().add(i * d);
                let y = self.y.as_mut_ptr().cast::<f32>().add(i * d);
                let mut sums = simd.splat(0.0);
                blocks!(j, count in d => {
                    sums = sums.add(simd.load_head(x.add(j), count, 0.0));
                });
                let mean = sums.sum() * per_element;
                let center = simd.splat(mean);
                let mut squares = simd.splat(0.0);
                blocks!(j, count in d => {
                    // The mean in lanes beyond the row: they deviate by nothing.
                    let deviation = simd.load_head(x.add(j), count, mean).sub(center);
                    squares = deviation.mul_add(deviation, squares);
                });
                let rstd = 1.0 / (squares.sum() * per_element + self.eps).sqrt();
                let factor = simd.splat(rstd);
                blocks!(j, count in d => {
                    let normal = simd.load_head(x.add(j), count, 0.0).sub(center).mul(factor);
                    let weight = simd.load_head(weight.add(j), count, 0.0);
                    let bias = simd.load_head(bias.add(j), count, 0.0);
                    normal.mul_add(weight, bias).store_head(y.add(j), count);
                });
                (mean, rstd)
            };
            self.statistics[2 * i].write(mean);
            self.statistics[2 * i + 1].write(rstd);
        }
    }
}

/// Where the gradient in the input goes.
pub(crate) enum InputGradient<'a> {
    /// Over the gradient in the output.
    Overwrite(&'a mut [f32]),
    /// Beside the gradient in the output, into memory of the same length.
    Beside(&'a [f32], &'a mut [MaybeUninit<f32>]),
}

/// Gradients of layer normalization. With `n = (x − mean)·rstd` and `g = dy·weight`, row by row:
/// `dx = rstd · (g − mean(g) − n·mean(g·n))`, and over rows `dweight = Σ dy·n`, `dbias = Σ dy`.
pub(crate) struct LayerNormBackward<'a> {
    /// Dense `[rows, weight.len()]`.
    pub(crate) x: &'a [f32],
    /// `[d]`.
    pub(crate) weight: &'a [f32],
    /// `[rows, 2]`: mean and rstd of each row.
    pub(crate) statistics: &'a [f32],
    /// The gradient in the output, as `x`, and where `dx` goes.
    pub(crate) output: InputGradient<'a>,
    /// `[d]`, added to.
    pub(crate) weight_gradient: &'a mut [f32],
    /// `[d]`, added to.
    pub(crate) bias_gradient: &'a mut [f32],
}

impl Kernel for LayerNormBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let d = self.weight.len();
        let rows = self.statistics.len() / 2;
        let (dy, dx, length) = match self.output {
            InputGradient::Overwrite(dy) => {
                let start = dy.as_mut_ptr();
                (start.cast_const(), start, dy.len())
            }
            InputGradient::Beside(dy, dx) => {
                assert_eq!(dy.len(), dx.len());
                (dy.as_ptr(), dx.as_mut_ptr().cast(), dy.len())
            }
        };
        assert!(self.weight_gradient.len() == d && self.bias_gradient.len() == d);
        assert!(self.x.len() == rows * d && length == rows * d);
        let weight = self.weight.as_ptr();
        let dweight = self.weight_gradient.as_mut_ptr();
        let dbias = self.bias_gradient.as_mut_ptr();
        let per_element = 1.0 / d as f32;

        for i in 0..rows {
            let mean = simd.splat(self.statistics[2 * i]);
            let rstd = simd.splat(self.statistics[2 * i + 1]);
            // SAFETY: row i lies within x, dy and dx, whose lengths have been checked, and `blocks`
            // keeps j + count within d, the length of the vectors. Where dx is dy, each block of dy
            // is read for the last time just before it is written.
            unsafe {
                let x = self.x.as_ptr().add(i * d);
                let (dy, dx) = (dy.add(i * d), dx.add(i * d));
                let (mut g_sums, mut gn_sums) = (simd.splat(0.0), simd.splat(0.0));
                blocks!(j, count in d => {
                    let n = simd.load_head(x.add(j), count, 0.0).sub(mean).mul(rstd);
                    // Zero in lanes beyond the row, and so are all terms below.
                    let dy = simd.load_head(dy.add(j), count, 0.0);
                    let g = dy.mul(simd.load_head(weight.add(j), count, 0.0));
                    g_sums = g_sums.add(g);
                    gn_sums = g.mul_add(n, gn_sums);
                    let sum = simd.load_head(dweight.add(j), count, 0.0);
                    dy.mul_add(n, sum).store_head(dweight.add(j), count);
                    let sum = simd.load_head(dbias.add(j), count, 0.0);
                    sum.add(dy).store_head(dbias.add(j), count);
                });
                let g_mean = simd.splat(g_sums.sum() * per_element);
                let minus_gn_mean = simd.splat(-gn_sums.sum() * per_element);
                blocks!(j, count in d => {
                    let n = simd.load_head(x.add(j), count, 0.0).sub(mean).mul(rstd);
                    let dy = simd.load_head(dy.add(j), count, 0.0);
                    let g = dy.mul(simd.load_head(weight.add(j), count, 0.0));
                    let centered = n.mul_add(minus_gn_mean, g.sub(g_mean));
                    centered.mul(rstd).store_head(dx.add(j), count);
                });
            }
        }
    }
}
