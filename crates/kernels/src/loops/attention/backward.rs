//! The backward pass.

use super::{
    BLOCK, Heads, Relative, Rows, Sizes, add_onto, add_relative, clear, fresh, transpose_padded,
};
use crate::loops::product::{Left, Right, Target, product};
use crate::simd::{Kernel, LANES, Lanes, Simd, blocks, exp2};
use std::f32::consts::LOG2_E;
use std::mem::MaybeUninit;

/// Gradients of [`AttentionForward`](super::AttentionForward). With the probabilities `p`,
/// `dv = pᵀ do`; with `dp = do vᵀ` and `ds = p·(dp − Σⱼ do·o) / √d_head`, `dq = ds k` and
/// `dk = dsᵀ q`. The gradient in what is added to raw scores is `ds`, summed over all pairs of one
/// distance.
pub(crate) struct AttentionBackward<'a> {
    /// None of them zero.
    pub(crate) sizes: Sizes,
    pub(crate) q: Heads<'a>,
    pub(crate) k: Heads<'a>,
    pub(crate) v: Heads<'a>,
    /// What is added to the scores by distance.
    pub(crate) relative: Relative<'a>,
    /// The gradient in it, of the same shape; added to.
    pub(crate) relative_gradient: &'a mut [f32],
    /// What the forward pass put out.
    pub(crate) output: Heads<'a>,
    /// Dense `[batch, head, position, 2]`, of the forward pass.
    pub(crate) statistics: &'a [f32],
    /// The gradient in the output.
    pub(crate) gradient: Heads<'a>,
    /// Gradients in q, k and v: dense `[batch, position, head, d_head]`; set.
    pub(crate) inputs: [&'a mut [MaybeUninit<f32>]; 3],
    /// [`Sizes::backward_scratch`] floats, finite.
    pub(crate) scratch: &'a mut [f32],
}

impl Kernel for AttentionBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let sizes = self.sizes;
        for heads in [self.q, self.k, self.v, self.output, self.gradient] {
            heads.check(sizes);
        }
        self.relative.check(sizes);
        assert!(self.relative_gradient.len() == self.relative.rows.len());
        assert!(self.statistics.len() == 2 * sizes.rows());
        assert!(self.scratch.len() == sizes.backward_scratch());
        let inputs = self.inputs.map(|input| {
            assert!(input.len() == sizes.elements());
            input.as_mut_ptr().cast::<f32>()
        });
        for batch in 0..sizes.batch {
            for head in 0..sizes.heads {
                // SAFETY: all operands have been checked against the sizes, and the indices are
                // below.
                unsafe {
                    let start = sizes.start(batch, head);
                    backward_head(
                        simd,
                        sizes,
                        [&self.q, &self.k, &self.v].map(|heads| heads.head(batch, head)),
                        [&self.output, &self.gradient].map(|heads| heads.head(batch, head)),
                        self.relative.place(sizes, batch, head).map(|place| {
                            let rows = self.relative.rows.as_ptr().add(place);
                            (rows, self.relative_gradient.as_mut_ptr().add(place))
                        }),
                        self.statistics
                            .as_ptr()
                            .cast::<[f32; 2]>()
                            .add((batch * sizes.heads + head) * sizes.positions),
                        inputs.map(|input| input.add(start)),
                        self.scratch.as_mut_ptr(),
                    );
                }
            }
        }
    }
}

/// # Safety
/// All rows must hold `positions × d_head` elements, `relative` twice `positions`, the gradients
/// must take as many in rows `sizes.row()` apart, and `scratch` the floats of `backward_scratch`.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one head's operands, each used once"
)]
unsafe fn backward_head<S: Simd>(
    simd: S,
    sizes: Sizes,
    [q, k, v]: [Rows; 3],
    [output, gradient]: [Rows; 2],
    relative: Option<(*const f32, *mut f32)>,
    statistics: *const [f32; 2],
    [dq, dk, dv]: [*mut f32; 3],
    scratch: *mut f32,
) {
    let Sizes {
        positions, d_head, ..
    } = sizes;
    let (padded, row) = (sizes.padded(), sizes.row());
    // SAFETY: a block's rows lie below `positions`; a row of scratch holds `padded` floats, at
    // least as many as any whole vector of keys reaches.
    unsafe {
        let k_transposed = scratch;
        let v_transposed = k_transposed.add(d_head * padded);
        let p = v_transposed.add(d_head * padded);
        let ds = p.add(BLOCK * padded);
        transpose_padded(k, sizes, k_transposed);
        transpose_padded(v, sizes, v_transposed);
        // The last block attends to every key: taken first, it sets dk and dv, and the others add.
        for first in (0..positions).step_by(BLOCK).rev() {
            let rows = BLOCK.min(positions - first);
            let keys = first + rows;
            let add = keys < positions;
            let shape = [rows, keys.next_multiple_of(LANES), d_head];
            for (left, transposed, to) in [(q, k_transposed, p), (gradient, v_transposed, ds)] {
                let right = Right {
                    start: transposed,
                    row: padded,
                };
                product(simd, shape, left.left(first), right, fresh(to, padded));
            }
            if let Some((relative, _)) = relative {
                add_relative(simd, sizes, p, relative, (first, rows));
            }
            // All offsets first: a row waits for its own, and not for those of others.
            let mut offsets = [0.0; BLOCK];
            for (i, offset) in offsets.iter_mut().enumerate().take(rows) {
                *offset = dot(simd, output.at(first + i), gradient.at(first + i), d_head);
            }
            for (i, offset) in offsets.into_iter().enumerate().take(rows) {
                score_gradient_row(
                    simd,
                    p.add(i * padded),
                    ds.add(i * padded),
                    first + i + 1,
                    keys,
                    sizes.scale(),
                    *statistics.add(first + i),
                    offset,
                );
            }

            if let Some((_, gradient)) = relative {
                for i in 0..rows {
                    let query = first + i;
                    let own = gradient.add(positions - 1 - query);
                    add_onto(simd, own, ds.add(i * padded), query + 1);
                }
            }

            let left = Left {
                start: ds,
                row: padded,
                step: 1,
            };
            let to = fresh(dq.add(first * row), row);
            product(simd, [rows, d_head, keys], left, k.right(0), to);
            for (scores, right, to) in [(p, gradient, dv), (ds, q, dk)] {
                let transposed = Left {
                    start: scores,
                    row: 1,
                    step: padded,
                };
                let to = Target {
                    add,
                    ..fresh(to, row)
                };
                let shape = [keys, d_head, rows];
                product(simd, shape, transposed, right.right(first), to);
            }
        }
    }
}

/// `Σ x·y` over `n` floats.
///
/// # Safety
/// Both must hold `n` floats.
#[inline(always)]
unsafe fn dot<S: Simd>(simd: S, x: *const f32, y: *const f32, n: usize) -> f32 {
    let mut sums = simd.splat(0.0);
    // SAFETY: `blocks` keeps j + count within n.
    unsafe {
        blocks!(j, count in n => {
            let x = simd.load_head(x.add(j), count, 0.0);
            sums = x.mul_add(simd.load_head(y.add(j), count, 0.0), sums);
        });
    }
    sums.sum()
}

/// Replaces raw scores in `p` by probabilities and `do vᵀ` in `ds` by the gradient in the raw
/// scores: `ds = p·(dp − offset)·scale` over the first `valid` keys, zero for the rest up to whole
/// vectors.
///
/// # Safety
/// Both rows must hold `keys` floats rounded up to whole vectors, and `valid ≤ keys`.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one row's operands, each used once"
)]
unsafe fn score_gradient_row<S: Simd>(
    simd: S,
    p: *mut f32,
    ds: *mut f32,
    valid: usize,
    keys: usize,
    scale: f32,
    [largest, sum_factor]: [f32; 2],
    offset: f32,
) {
    let (exponent, factor) = (simd.splat(scale * LOG2_E), simd.splat(scale));
    let (shift, sum_factor) = (simd.splat(largest), simd.splat(sum_factor));
    let offset = simd.splat(offset);
    // SAFETY: whole vectors of `valid` and of `keys` lie within the rows.
    unsafe {
        blocks!(j, count in valid => {
            let x = simd.load_head(p.add(j), count, f32::NEG_INFINITY);
            let e = exp2(simd, x.sub(shift).mul(exponent)).mul(sum_factor);
            e.store(p.add(j));
            let dp = simd.load_head(ds.add(j), count, 0.0);
            e.mul(dp.sub(offset)).mul(factor).store(ds.add(j));
        });
        clear(simd, p, valid, keys);
        clear(simd, ds, valid, keys);
    }
}
