//! Causal attention of every head, in blocks of query rows whose scores stay in the cache.
//!
//! The backward pass computes the probabilities again from the scores and each row's largest score
//! and sum, and needs no `[position, position]` memory (Dao et al. 2022, FlashAttention, section
//! 3.1, without its tiling of the keys: a block of scores fits the cache at the contexts meant
//! here).

mod backward;
mod forward;

pub(crate) use backward::AttentionBackward;
pub(crate) use forward::AttentionForward;

use super::product::{Left, Right, Target};
use super::transpose::transpose;
use crate::simd::{LANES, Lanes, Simd, blocks};

/// Query rows in a block. Keys after a block's last row are left out, keys within it are computed
/// and masked: with 32 rows, a third of the work at 64 positions would be masked.
const BLOCK: usize = 16;

/// The sizes of a call, and what follows from them.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) batch: usize,
    pub(crate) heads: usize,
    pub(crate) positions: usize,
    pub(crate) d_head: usize,
}

impl Sizes {
    /// Elements in all heads together.
    pub(crate) fn elements(self) -> usize {
        self.rows() * self.d_head
    }

    /// Query rows in all heads together.
    pub(crate) fn rows(self) -> usize {
        self.batch * self.heads * self.positions
    }

    /// Floats of scratch that a forward pass needs: `kᵀ`, and a block of scores.
    pub(crate) fn forward_scratch(self) -> usize {
        (self.d_head + BLOCK) * self.padded()
    }

    /// Floats of scratch that a backward pass needs: `kᵀ`, `vᵀ`, and two blocks of scores.
    pub(crate) fn backward_scratch(self) -> usize {
        2 * self.forward_scratch()
    }

    /// The row length of all scratch: positions, up to an odd number of whole vectors. Rows of a
    /// power of two would compete for the same few sets of the cache.
    fn padded(self) -> usize {
        self.positions.next_multiple_of(LANES) | LANES
    }

    /// Factor of the scores, `1/√d_head`.
    fn scale(self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }

    /// Start of a head in memory laid out as `[batch, position, head, d_head]`.
    fn start(self, batch: usize, head: usize) -> usize {
        (batch * self.positions * self.heads + head) * self.d_head
    }

    /// Distance of positions in that layout.
    fn row(self) -> usize {
        self.heads * self.d_head
    }
}

/// Queries, keys, values or a gradient: `[batch, head, position, d_head]` in any layout whose last
/// dimension is dense.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    /// From the first element on.
    pub(crate) data: &'a [f32],
    /// Distances along batch, head and position.
    pub(crate) strides: [usize; 3],
}

impl Heads<'_> {
    fn check(&self, sizes: Sizes) {
        let last = (sizes.batch - 1) * self.strides[0]
            + (sizes.heads - 1) * self.strides[1]
            + (sizes.positions - 1) * self.strides[2]
            + (sizes.d_head - 1);
        assert!(last < self.data.len());
    }

    /// One head.
    ///
    /// # Safety
    /// The indices must be below the checked sizes.
    #[inline(always)]
    unsafe fn head(&self, batch: usize, head: usize) -> Rows {
        let offset = batch * self.strides[0] + head * self.strides[1];
        Rows {
            // SAFETY: an offset of checked sizes.
            start: unsafe { self.data.as_ptr().add(offset) },
            row: self.strides[2],
        }
    }
}

/// What is added to the scores by the distance from a query back to a key: nothing, or for each
/// replica and head a row of `positions` numbers, already in units of raw scores (times √d_head)
/// and in reverse, so that for query `i` the number of key `j` is `positions − 1 − i` further on
/// than
/// `j`.
#[derive(Clone, Copy)]
pub(crate) struct Relative<'a> {
    /// `[replica, head, position]`, or empty.
    pub(crate) rows: &'a [f32],
}

impl Relative<'_> {
    /// Checks that the rows belong to a whole number of replicas that share the batch evenly.
    fn check(&self, sizes: Sizes) {
        let row = sizes.heads * sizes.positions;
        let replicas = self.rows.len() / row;
        assert!(self.rows.len() == replicas * row);
        assert!(replicas == 0 || sizes.batch.is_multiple_of(replicas));
    }

    /// Place of a head's row; `None` where nothing is added.
    fn place(&self, sizes: Sizes, batch: usize, head: usize) -> Option<usize> {
        let replicas = self.rows.len() / (sizes.heads * sizes.positions);
        let each = sizes.batch.checked_div(replicas)?;
        Some((batch / each * sizes.heads + head) * sizes.positions)
    }
}

/// Adds a head's numbers by distance to the raw scores of the `rows` queries from `first` on.
///
/// # Safety
/// `scores` must hold a row of `sizes.padded()` floats for each, `relative` `positions` floats, and
/// the queries lie below `positions`.
#[inline(always)]
unsafe fn add_relative<S: Simd>(
    simd: S,
    sizes: Sizes,
    scores: *mut f32,
    relative: *const f32,
    (first, rows): (usize, usize),
) {
    for i in 0..rows {
        let query = first + i;
        // SAFETY: `query + 1` floats from there on end with the last of `positions`.
        unsafe {
            let own = relative.add(sizes.positions - 1 - query);
            add_onto(simd, scores.add(i * sizes.padded()), own, query + 1);
        }
    }
}

/// Adds `n` floats to as many others.
///
/// # Safety
/// Both must hold `n` floats, and not overlap.
#[inline(always)]
unsafe fn add_onto<S: Simd>(simd: S, to: *mut f32, from: *const f32, n: usize) {
    // SAFETY: `blocks` keeps j + count within n.
    unsafe {
        blocks!(j, count in n => {
            let sum = simd
                .load_head(to.add(j), count, 0.0)
                .add(simd.load_head(from.add(j), count, 0.0));
            sum.store_head(to.add(j), count);
        });
    }
}

/// `[position, d_head]` of one head, rows `row` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    start: *const f32,
    row: usize,
}

impl Rows {
    /// # Safety
    /// Row `i` must exist.
    #[inline(always)]
    unsafe fn at(self, i: usize) -> *const f32 {
        // SAFETY: the row exists.
        unsafe { self.start.add(i * self.row) }
    }

    /// As a left operand, from row `i` on.
    ///
    /// # Safety
    /// Row `i` must exist.
    #[inline(always)]
    unsafe fn left(self, i: usize) -> Left {
        Left {
            // SAFETY: the row exists.
            start: unsafe { self.at(i) },
            row: self.row,
            step: 1,
        }
    }

    /// As a right operand, from row `i` on.
    ///
    /// # Safety
    /// Row `i` must exist.
    #[inline(always)]
    unsafe fn right(self, i: usize) -> Right {
        Right {
            // SAFETY: the row exists.
            start: unsafe { self.at(i) },
            row: self.row,
        }
    }
}

/// Zeroes the whole vectors of a row that begin at or after `valid` and before `keys`.
///
/// # Safety
/// `row` must hold `keys` floats rounded up to whole vectors.
#[inline(always)]
unsafe fn clear<S: Simd>(simd: S, row: *mut f32, valid: usize, keys: usize) {
    for j in (valid.next_multiple_of(LANES)..keys).step_by(LANES) {
        // SAFETY: j is the start of a whole vector of the row.
        unsafe { simd.splat(0.0).store(row.add(j)) }
    }
}

/// `to[c, i] = from[i, c]`, rows of `to` padded to whole vectors. The padding keeps what it holds.
///
/// # Safety
/// `to` must hold `d_head` rows of `padded` floats.
#[inline(always)]
unsafe fn transpose_padded(from: Rows, sizes: Sizes, to: *mut f32) {
    let shape = [sizes.positions, sizes.d_head];
    // SAFETY: `from` is one head, and `to` has rows of at least `positions` floats.
    unsafe { transpose(from.start, from.row, shape, to, sizes.padded()) }
}

/// A product's result that replaces what is there.
#[inline(always)]
fn fresh(start: *mut f32, row: usize) -> Target {
    Target {
        start,
        row,
        add: false,
        factors: std::ptr::null(),
    }
}
