//! Rows added to every row of a matrix: a bias, or positions.

use crate::simd::{Kernel, Lanes, Simd, blocks};
use std::mem::MaybeUninit;

/// Sets `sums[i, j] = x[i, j] + rows[j]`; what is `None` is zero.
pub(crate) struct AddRows<'a> {
    /// Dense, as many as the sums.
    pub(crate) x: Option<&'a [f32]>,
    /// One for each column.
    pub(crate) rows: Option<&'a [f32]>,
    /// Not zero.
    pub(crate) columns: usize,
    /// Dense, `[_, columns]`; set.
    pub(crate) sums: &'a mut [MaybeUninit<f32>],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let columns = self.columns;
        assert!(self.sums.len().is_multiple_of(columns));
        assert!(self.x.is_none_or(|x| x.len() == self.sums.len()));
        assert!(self.rows.is_none_or(|rows| rows.len() == columns));
        let height = self.sums.len() / columns;
        let sums = self.sums.as_mut_ptr().cast::<f32>();
        for i in 0..height {
            let start = i * columns;
            // SAFETY: `blocks` keeps j + count within a row, and `start` is that of one of
            // `height`.
            unsafe {
                let sums = sums.add(start);
                match (self.x, self.rows) {
                    (Some(x), Some(rows)) => {
                        let (x, rows) = (x.as_ptr().add(start), rows.as_ptr());
                        blocks!(j, count in columns => {
                            let row = simd.load_head(rows.add(j), count, 0.0);
                            let sum = simd.load_head(x.add(j), count, 0.0).add(row);
                            sum.store_head(sums.add(j), count);
                        });
                    }
                    (Some(x), None) => {
                        let x = x.as_ptr().add(start);
                        blocks!(j, count in columns => {
                            simd.load_head(x.add(j), count, 0.0).store_head(sums.add(j), count);
                        });
                    }
                    (None, Some(rows)) => {
                        let rows = rows.as_ptr();
                        blocks!(j, count in columns => {
                            simd.load_head(rows.add(j), count, 0.0).store_head(sums.add(j), count);
                        });
                    }
                    (None, None) => {
                        blocks!(j, count in columns => {
                            simd.splat(0.0).store_head(sums.add(j), count);
                        });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::with_level;

    #[test]
    fn every_combination_is_that_of_a_scalar_loop() {
        with_level(|level| {
            for columns in [1, 15, 16, 37] {
                let rows: Vec<f32> = (0..columns).map(|j| j as f32 * 0.5).collect();
                let x: Vec<f32> = (0..3 * columns).map(|i| i as f32 - 7.0).collect();
                for (with_x, with_rows) in
                    [(true, true), (true, false), (false, true), (false, false)]
                {
                    let mut sums = vec![MaybeUninit::new(f32::NAN); 3 * columns];
                    level.run(AddRows {
                        x: with_x.then_some(&x),
                        rows: with_rows.then_some(&rows),
                        columns,
                        sums: &mut sums,
                    });
                    for (i, sum) in sums.iter().enumerate() {
                        let x = if with_x { x[i] } else { 0.0 };
                        let row = if with_rows { rows[i % columns] } else { 0.0 };
                        // SAFETY: every element was set before the call.
                        assert_eq!(
                            unsafe { sum.assume_init() },
                            x + row,
                            "{level:?} {columns} {i}"
                        );
                    }
                }
            }
        });
    }
}
