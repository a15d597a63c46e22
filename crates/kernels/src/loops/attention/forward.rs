//! The forward pass.

use super::{BLOCK, Heads, Relative, Rows, Sizes, add_relative, clear, fresh, transpose_padded};
use crate::loops::product::{Left, Right, Target, product};
use crate::simd::{Kernel, LANES, Lanes, Simd, blocks, exp2};
use std::f32::consts::LOG2_E;
use std::mem::MaybeUninit;

/// `output = softmax(q kᵀ / √d_head + relative, causal) v`.
pub(crate) struct AttentionForward<'a> {
    /// None of them zero.
    pub(crate) sizes: Sizes,
    pub(crate) q: Heads<'a>,
    pub(crate) k: Heads<'a>,
    pub(crate) v: Heads<'a>,
    /// What is added to the scores by distance.
    pub(crate) relative: Relative<'a>,
    /// Dense `[batch, position, head, d_head]`; set.
    pub(crate) output: &'a mut [MaybeUninit<f32>],
    /// Dense `[batch, head, position, 2]`: of each row the largest score and the factor by which
    /// `p = factor·2^((score − largest)·log₂e/√d_head)`; set.
    pub(crate) statistics: &'a mut [MaybeUninit<f32>],
    /// [`Sizes::forward_scratch`] floats, finite.
    pub(crate) scratch: &'a mut [f32],
}

impl Kernel for AttentionForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let sizes = self.sizes;
        self.q.check(sizes);
        self.k.check(sizes);
        self.v.check(sizes);
        self.relative.check(sizes);
        assert!(self.output.len() == sizes.elements() && self.statistics.len() == 2 * sizes.rows());
        assert!(self.scratch.len() == sizes.forward_scratch());
        let output = self.output.as_mut_ptr().cast::<f32>();
        let statistics = self.statistics.as_mut_ptr().cast::<[f32; 2]>();
        for batch in 0..sizes.batch {
            for head in 0..sizes.heads {
                // SAFETY: all operands have been checked against the sizes, and the indices are
                // below.
                unsafe {
                    forward_head(
                        simd,
                        sizes,
                        self.q.head(batch, head),
                        self.k.head(batch, head),
                        self.v.head(batch, head),
                        self.relative
                            .place(sizes, batch, head)
                            .map(|place| self.relative.rows.as_ptr().add(place)),
                        output.add(sizes.start(batch, head)),
                        statistics.add((batch * sizes.heads + head) * sizes.positions),
                        self.scratch.as_mut_ptr(),
                    );
                }
            }
        }
    }
}

/// # Safety
/// The rows must hold `positions × d_head` elements, `relative` `positions`, `output` must take as
/// many in rows `sizes.row()` apart, `statistics` a pair for each position, and `scratch` the
/// floats of `forward_scratch`.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one head's operands, each used once"
)]
unsafe fn forward_head<S: Simd>(
    simd: S,
    sizes: Sizes,
    q: Rows,
    k: Rows,
    v: Rows,
    relative: Option<*const f32>,
    output: *mut f32,
    statistics: *mut [f32; 2],
    scratch: *mut f32,
) {
    let Sizes {
        positions, d_head, ..
    } = sizes;
    let padded = sizes.padded();
    let scale = sizes.scale() * LOG2_E;
    const { assert!(BLOCK == LANES, "a block's factors are one vector") };
    // SAFETY: a block's rows lie below `positions`; a row of scratch holds `padded` floats, at
    // least as many as any whole vector of keys reaches.
    unsafe {
        let k_transposed = scratch;
        let scores = scratch.add(d_head * padded);
        transpose_padded(k, sizes, k_transposed);
        for first in (0..positions).step_by(BLOCK) {
            let rows = BLOCK.min(positions - first);
            let keys = first + rows;
            let shape = [rows, keys.next_multiple_of(LANES), d_head];
            let right = Right {
                start: k_transposed,
                row: padded,
            };
            product(simd, shape, q.left(first), right, fresh(scores, padded));

            if let Some(relative) = relative {
                add_relative(simd, sizes, scores, relative, (first, rows));
            }

            // One kind of work for all rows after the other: what a row does waits for itself, and
            // rows side by side fill the waiting.
            let mut largest = [0.0; BLOCK];
            for (i, largest) in largest.iter_mut().enumerate().take(rows) {
                *largest = largest_of_row(simd, scores.add(i * padded), first + i + 1);
            }
            let mut sums = [1.0; BLOCK];
            for (i, sum) in sums.iter_mut().enumerate().take(rows) {
                let row = scores.add(i * padded);
                let valid = first + i + 1;
                *sum = powers_of_row(simd, row, valid, keys, scale, largest[i]);
            }
            let mut factors = [0.0; BLOCK];
            simd.splat(1.0)
                .div(simd.load(sums.as_ptr()))
                .store(factors.as_mut_ptr());
            for i in 0..rows {
                *statistics.add(first + i) = [largest[i], factors[i]];
            }

            let block = output.add(first * sizes.row());
            let left = Left {
                start: scores,
                row: padded,
                step: 1,
            };
            let shape = [rows, d_head, keys];
            let to = Target {
                factors: factors.as_ptr(),
                ..fresh(block, sizes.row())
            };
            product(simd, shape, left, v.right(0), to);
        }
    }
}

/// The largest of the first `valid` scores; a NaN among them may be missed.
///
/// # Safety
/// `row` must hold `valid` floats.
#[inline(always)]
unsafe fn largest_of_row<S: Simd>(simd: S, row: *const f32, valid: usize) -> f32 {
    let mut largest = simd.splat(f32::NEG_INFINITY);
    // SAFETY: `blocks` keeps j + count within the row.
    unsafe {
        blocks!(j, count in valid => {
            largest = largest.max(simd.load_head(row.add(j), count, f32::NEG_INFINITY));
        });
    }
    largest.maximum()
}

/// Replaces the first `valid` raw scores by `2^(scale·(score − largest))`, and the rest, up to
/// `keys` rounded up to whole vectors, by 0. Returns the sum, which is NaN if a score is.
///
/// # Safety
/// `row` must hold `keys` floats rounded up to whole vectors, and `valid ≤ keys`.
#[inline(always)]
unsafe fn powers_of_row<S: Simd>(
    simd: S,
    row: *mut f32,
    valid: usize,
    keys: usize,
    scale: f32,
    largest: f32,
) -> f32 {
    let (factor, shift) = (simd.splat(scale), simd.splat(largest));
    let mut sums = simd.splat(0.0);
    // SAFETY: whole vectors of `valid` and of `keys` lie within the row.
    unsafe {
        blocks!(j, count in valid => {
            let x = simd.load_head(row.add(j), count, f32::NEG_INFINITY);
            let e = exp2(simd, x.sub(shift).mul(factor));
            e.store(row.add(j));
            sums = sums.add(e);
        });
        clear(simd, row, valid, keys);
    }
    sums.sum()
}
