//! A matrix product in registers, for operands that already lie in the cache.
//!
//! Attention multiplies blocks of 32 rows by heads of 16 to 64 columns: too small for a general
//! product to earn back its packing.

use crate::simd::{LANES, Lanes, Simd};

/// The left operand `a[i, p]` at `start[i·row + p·step]`.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) start: *const f32,
    pub(super) row: usize,
    pub(super) step: usize,
}

/// The right operand `b[p, j]` at `start[p·row + j]`.
#[derive(Clone, Copy)]
pub(super) struct Right {
    pub(super) start: *const f32,
    pub(super) row: usize,
}

/// The result `c[i, j]` at `start[i·row + j]`; `add` keeps what is there and adds to it. Where
/// `factors` is not null, row i is multiplied by `factors[i]` first.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) start: *mut f32,
    pub(super) row: usize,
    pub(super) add: bool,
    pub(super) factors: *const f32,
}

impl Left {
    /// The rows from `i` on.
    ///
    /// # Safety
    /// Row `i` must lie in (or just after) the same allocation.
    #[inline(always)]
    unsafe fn below(self, i: usize) -> Self {
        // SAFETY: by the contract above.
        let start = unsafe { self.start.add(i * self.row) };
        Self { start, ..self }
    }
}

/// `c = a b`, or `c += a b`, for `a` of `m × k`, `b` of `k × n` and `c` of `m × n`.
///
/// Every element is the sum over `p` in ascending order, one rounding per term where the CPU can.
///
/// # Safety
/// All elements of `a` and `b` must be readable and those of `c` writable (and initialized where
/// `c.add`); `c` must not overlap the others. `c.factors` must be null or hold `m` floats.
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(
    simd: S,
    [m, n, k]: [usize; 3],
    a: Left,
    b: Right,
    c: Target,
) {
    // SAFETY: `columns` is given column ranges within n, and the caller vouches for the operands.
    unsafe {
        let mut j = 0;
        if S::WIDE_TILES {
            while j + 2 * LANES <= n {
                columns::<S, 2>(simd, [m, k], a, b, c, j, LANES);
                j += 2 * LANES;
            }
        }
        while j + LANES <= n {
            columns::<S, 1>(simd, [m, k], a, b, c, j, LANES);
            j += LANES;
        }
        if j < n {
            columns::<S, 1>(simd, [m, k], a, b, c, j, n - j);
        }
    }
}

/// The columns from `j` on: `W` vectors of them, the last with `last` columns.
///
/// # Safety
/// As [`product`], for these columns.
#[inline(always)]
unsafe fn columns<S: Simd, const W: usize>(
    simd: S,
    [m, k]: [usize; 2],
    a: Left,
    b: Right,
    c: Target,
    j: usize,
    last: usize,
) {
    // SAFETY: `i` counts finished rows, so every tile stays within the m rows; the column offset j
    // is within the rows of b and c by the caller's contract.
    unsafe {
        let b = Right {
            start: b.start.add(j),
            ..b
        };
        let c_from = |i: usize| Target {
            start: c.start.add(i * c.row + j),
            // Never read where null.
            factors: c.factors.wrapping_add(i),
            ..c
        };
        let scaled = !c.factors.is_null();
        let mut i = 0;
        if S::WIDE_TILES {
            while i + 8 <= m {
                tile::<S, 8, W>(simd, k, a.below(i), b, c_from(i), scaled, last);
                i += 8;
            }
        } else {
            while i + 6 <= m {
                tile::<S, 6, W>(simd, k, a.below(i), b, c_from(i), scaled, last);
                i += 6;
            }
        }
        if i + 4 <= m {
            tile::<S, 4, W>(simd, k, a.below(i), b, c_from(i), scaled, last);
            i += 4;
        }
        if i + 2 <= m {
            tile::<S, 2, W>(simd, k, a.below(i), b, c_from(i), scaled, last);
            i += 2;
        }
        if i < m {
            tile::<S, 1, W>(simd, k, a.below(i), b, c_from(i), scaled, last);
        }
    }
}

/// `H` rows by `W` vectors of the result, kept in registers over the whole sum.
///
/// # Safety
/// As [`product`], for this tile.
#[inline(always)]
unsafe fn tile<S: Simd, const H: usize, const W: usize>(
    simd: S,
    k: usize,
    a: Left,
    b: Right,
    c: Target,
    scaled: bool,
    last: usize,
) {
    let count = |w: usize| if w + 1 == W { last } else { LANES };
    let mut sums = [[simd.splat(0.0); W]; H];
    // SAFETY: the caller vouches for H rows and k columns of a, k rows of b with W vectors (the
    // last of them `last` wide), and a tile of that shape in c.
    unsafe {
        for p in 0..k {
            let row = b.start.add(p * b.row);
            let mut factors = [simd.splat(0.0); W];
            for (w, factor) in factors.iter_mut().enumerate() {
                *factor = simd.load_head(row.add(w * LANES), count(w), 0.0);
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = simd.splat(*a.start.add(i * a.row + p * a.step));
                for (sum, factor) in sums.iter_mut().zip(factors) {
                    *sum = x.mul_add(factor, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let factor = simd.splat(if scaled { *c.factors.add(i) } else { 1.0 });
            for (w, &sum) in sums.iter().enumerate() {
                let sum = if scaled { sum.mul(factor) } else { sum };
                let to = c.start.add(i * c.row + w * LANES);
                let value = if c.add {
                    simd.load_head(to, count(w), 0.0).add(sum)
                } else {
                    sum
                };
                value.store_head(to, count(w));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, with_level};

    struct Product<'a> {
        shape: [usize; 3],
        a: &'a [f32],
        a_transposed: bool,
        b: &'a [f32],
        c: &'a mut [f32],
        add: bool,
    }
    impl Kernel for Product<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let [m, n, k] = self.shape;
            assert!(self.a.len() == m * k && self.b.len() == k * n && self.c.len() == m * n);
            let (row, step) = if self.a_transposed { (1, m) } else { (k, 1) };
            let (a, b, c) = (self.a.as_ptr(), self.b.as_ptr(), self.c.as_mut_ptr());
            // SAFETY: the lengths have been checked.
            unsafe {
                product(
                    simd,
                    self.shape,
                    Left {
                        start: a,
                        row,
                        step,
                    },
                    Right { start: b, row: n },
                    Target {
                        start: c,
                        row: n,
                        add: self.add,
                        factors: std::ptr::null(),
                    },
                );
            }
        }
    }

    /// Small integers: products and sums are exact, so any order of summation gives the same.
    #[test]
    fn every_tile_and_tail_is_exact_on_integers() {
        let integer = |i: usize, j: usize| ((7 * i + 3 * j + 5) % 11) as f32 - 5.0;
        with_level(|level| {
            for m in [1, 2, 3, 5, 6, 7, 8, 9, 13, 15, 16, 31] {
                for n in [1, 7, 15, 16, 17, 31, 32, 33, 48, 63] {
                    for k in [0, 1, 2, 5] {
                        for (a_transposed, add) in [(false, false), (true, true)] {
                            let mut a = vec![0.0; m * k];
                            let mut b = vec![0.0; k * n];
                            let mut expected = vec![if add { 2.0 } else { 0.0 }; m * n];
                            for p in 0..k {
                                for i in 0..m {
                                    a[if a_transposed { p * m + i } else { i * k + p }] =
                                        integer(i, p);
                                    for j in 0..n {
                                        b[p * n + j] = integer(p, j + 1);
                                        expected[i * n + j] += integer(i, p) * integer(p, j + 1);
                                    }
                                }
                            }
                            let mut c = vec![if add { 2.0 } else { f32::NAN }; m * n];
                            let shape = [m, n, k];
                            level.run(Product {
                                shape,
                                a: &a,
                                a_transposed,
                                b: &b,
                                c: &mut c,
                                add,
                            });
                            assert_eq!(c, expected, "{level:?} {shape:?} add {add}");
                        }
                    }
                }
            }
        });
    }
}
