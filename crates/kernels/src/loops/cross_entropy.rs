//! Negative log-likelihood of one target per row, and its gradient in the logits, in one pass.

use crate::simd::{Kernel, Lanes, Simd, blocks, exp};
use std::mem::MaybeUninit;

/// Where the gradient goes.
pub(crate) enum Destination<'a> {
    /// Nowhere: only the losses are wanted.
    Nowhere(&'a [f32]),
    /// Over the logits.
    Overwrite(&'a mut [f32]),
    /// Beside the logits, into memory of the same length.
    Beside(&'a [f32], &'a mut [MaybeUninit<f32>]),
}

/// For each row `x` with target `t`: the loss `log Σⱼ exp xⱼ − x_t` in nats, and as its gradient
/// `scale · (softmax(x) − one-hot(t))`, which fills the destination.
pub(crate) struct CrossEntropy<'a> {
    /// The logits, dense `[rows, targets.len()]`, and where their gradient goes.
    pub(crate) logits: Destination<'a>,
    /// One class for each row, below `d_vocab`.
    pub(crate) targets: &'a [usize],
    /// Logits in a row.
    pub(crate) d_vocab: usize,
    /// Factor of the gradient.
    pub(crate) scale: f32,
    /// One loss for each row, set.
    pub(crate) losses: &'a mut [f32],
}

impl Kernel for CrossEntropy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.losses.len();
        let (from, to, length) = match self.logits {
            Destination::Nowhere(x) => (x.as_ptr(), None, x.len()),
            Destination::Overwrite(x) => {
                let start = x.as_mut_ptr();
                (start.cast_const(), Some(start), x.len())
            }
            Destination::Beside(x, d) => {
                assert_eq!(x.len(), d.len());
                (x.as_ptr(), Some(d.as_mut_ptr().cast()), x.len())
            }
        };
        assert!(self.targets.len() == rows && length == rows * self.d_vocab);
        for (i, (loss, &target)) in self.losses.iter_mut().zip(self.targets).enumerate() {
            assert!(
                target < self.d_vocab,
                "target {target} of row {i} is not below the vocabulary of {}",
                self.d_vocab
            );
            let start = i * self.d_vocab;
            // SAFETY: row i lies within the checked length, in both places, and target < d_vocab.
            *loss = unsafe {
                let to = to.map(|to| to.add(start));
                row(simd, from.add(start), to, self.d_vocab, target, self.scale)
            };
        }
    }
}

/// One row's loss; its gradient goes to `to`, which may be the row itself.
///
/// # Safety
/// `from` must be readable and `to` writable over `d_vocab` floats, with `target < d_vocab`.
#[inline(always)]
unsafe fn row<S: Simd>(
    simd: S,
    from: *const f32,
    to: Option<*mut f32>,
    d_vocab: usize,
    target: usize,
    scale: f32,
) -> f32 {
    // SAFETY: `blocks` keeps j + count within d_vocab. Where `to` is `from`, each block is read
    // before it is written, and `logit` before any.
    unsafe {
        let logit = *from.add(target);
        let mut largest = simd.splat(f32::NEG_INFINITY);
        blocks!(j, count in d_vocab => {
            largest = largest.max(simd.load_head(from.add(j), count, f32::NEG_INFINITY));
        });
        // A NaN among the logits may be missed here, but not below: every exponential is summed.
        let largest = largest.maximum();
        let shift = simd.splat(largest);
        let mut sums = simd.splat(0.0);
        let Some(to) = to else {
            blocks!(j, count in d_vocab => {
                let x = simd.load_head(from.add(j), count, f32::NEG_INFINITY);
                sums = sums.add(exp(simd, x.sub(shift)));
            });
            return sums.sum().ln() + (largest - logit);
        };
        blocks!(j, count in d_vocab => {
            let x = simd.load_head(from.add(j), count, f32::NEG_INFINITY);
            let e = exp(simd, x.sub(shift));
            e.store_head(to.add(j), count);
            sums = sums.add(e);
        });
        let sum = sums.sum();
        let factor = simd.splat(scale / sum);
        blocks!(j, count in d_vocab => {
            let e = simd.load_head(to.add(j), count, 0.0);
            e.mul(factor).store_head(to.add(j), count);
        });
        *to.add(target) -= scale;
        sum.ln() + (largest - logit)
    }
}
