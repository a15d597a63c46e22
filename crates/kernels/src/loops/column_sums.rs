//! Sums over the rows of a dense matrix: the gradient of a bias.

use crate::simd::{Kernel, LANES, Lanes, Simd, blocks};

/// Sets `sums[j] = Σᵢ matrix[i, j]`, rows in ascending order.
pub(crate) struct ColumnSums<'a> {
    /// Dense, `[rows, sums.len()]`.
    pub(crate) matrix: &'a [f32],
    /// One sum for each column.
    pub(crate) sums: &'a mut [f32],
}

impl Kernel for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        /// Vectors summed side by side, so that additions do not wait for each other.
        const WIDTH: usize = 4;
        let columns = self.sums.len();
        if columns == 0 {
            return;
        }
        assert_eq!(self.matrix.len() % columns, 0);
        let rows = self.matrix.len() / columns;
        let (matrix, sums) = (self.matrix.as_ptr(), self.sums.as_mut_ptr());

        let wide = columns / (WIDTH * LANES) * (WIDTH * LANES);
        // SAFETY: columns up to `wide` hold whole groups of WIDTH vectors, and `blocks` keeps the
        // rest within `columns`; i < rows.
        unsafe {
            for j in (0..wide).step_by(WIDTH * LANES) {
                let mut totals = [simd.splat(0.0); WIDTH];
                for i in 0..rows {
                    let row = matrix.add(i * columns + j);
                    for (w, total) in totals.iter_mut().enumerate() {
                        *total = total.add(simd.load(row.add(w * LANES)));
                    }
                }
                for (w, total) in totals.iter().enumerate() {
                    total.store(sums.add(j + w * LANES));
                }
            }
            blocks!(j, count in columns - wide => {
                let mut total = simd.splat(0.0);
                for i in 0..rows {
                    let from = matrix.add(i * columns + wide + j);
                    total = total.add(simd.load_head(from, count, 0.0));
                }
                total.store_head(sums.add(wide + j), count);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::with_level;

    #[test]
    fn sums_are_those_of_a_scalar_loop_bit_for_bit() {
        with_level(|level| {
            for columns in [1, 5, 16, 61, 64, 80, 129] {
                for rows in [0, 1, 7] {
                    let matrix: Vec<f32> = (0..rows * columns)
                        .map(|i| (i as f32 * 0.37).sin())
                        .collect();
                    let mut sums = vec![f32::NAN; columns];
                    level.run(ColumnSums {
                        matrix: &matrix,
                        sums: &mut sums,
                    });
                    for (j, &sum) in sums.iter().enumerate() {
                        let expected = (0..rows).fold(0.0, |s, i| s + matrix[i * columns + j]);
                        assert_eq!(sum, expected, "{level:?} [{rows}, {columns}] column {j}");
                    }
                }
            }
        });
    }
}
