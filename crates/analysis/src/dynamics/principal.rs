//! Principal components of a few long rows, by the matrix of their inner products.

use nalgebra::{DMatrix, DVector};
use ontogeny_store::Stream;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Principal {
    /// Share of the variance of each component, the largest first.
    pub explained: Vec<f64>,
    /// `[row][component]`.
    pub rows: Vec<Vec<f64>>,
    /// `[landmark][component]`.
    pub landmarks: Vec<Vec<f64>>,
}

/// Columns that are held in double precision at a time.
const BAND: usize = 512;
/// Up to so many rows all eigenvectors are found; beyond, which would take the cube of their
/// number, the first alone.
const FEW_ROWS: usize = 400;
/// A component of a smaller share of the variance is rounding.
const LEAST_SHARE: f64 = 1e-10;

/// The first `count` components of the rows' scatter about their mean, and the landmarks' places on
/// them. On each the row `positive` has a coordinate of at least 0, which settles the sign. Fewer
/// components come out of rows that have no more.
pub(super) fn principal(
    rows: &[Vec<f32>],
    landmarks: &[Vec<f32>],
    count: usize,
    positive: usize,
) -> Principal {
    let (n, width) = (rows.len(), rows.first().map_or(0, Vec::len));
    let mut products = DMatrix::<f64>::zeros(n, n);
    let mut across = DMatrix::<f64>::zeros(n, landmarks.len());
    for first in (0..width).step_by(BAND) {
        let columns = first..(first + BAND).min(width);
        let band = |of: &[Vec<f32>]| {
            DMatrix::from_fn(of.len(), columns.len(), |i, j| {
                f64::from(of[i][columns.start + j])
            })
        };
        let (mut own, mut theirs) = (band(rows), band(landmarks));
        let centre = own.row_mean();
        for mut row in own.row_iter_mut() {
            row -= &centre;
        }
        for mut row in theirs.row_iter_mut() {
            row -= &centre;
        }
        products.gemm(1.0, &own, &own.transpose(), 1.0);
        across.gemm(1.0, &own, &theirs.transpose(), 1.0);
    }
    let variance = products.trace();
    let found = match n {
        0..=FEW_ROWS => all(products),
        _ => first_of(&products, count.min(n)),
    };
    let kept: Vec<(f64, DVector<f64>)> = found
        .into_iter()
        .take(count)
        .filter(|(value, _)| *value > LEAST_SHARE * variance)
        .map(|(value, vector)| match vector[positive] < 0.0 {
            true => (value, -vector),
            false => (value, vector),
        })
        .collect();
    Principal {
        explained: kept.iter().map(|(value, _)| value / variance).collect(),
        rows: (0..n)
            .map(|i| kept.iter().map(|(v, u)| v.sqrt() * u[i]).collect())
            .collect(),
        // A direction is the rows' mixture Xᵀu/σ, so a landmark's coordinate is its products with
        // the rows, mixed alike.
        landmarks: (0..landmarks.len())
            .map(|m| {
                let own = across.column(m);
                kept.iter().map(|(v, u)| own.dot(u) / v.sqrt()).collect()
            })
            .collect(),
    }
}

/// All eigenvalues, the largest first, with their vectors.
fn all(symmetric: DMatrix<f64>) -> Vec<(f64, DVector<f64>)> {
    let eigen = symmetric.symmetric_eigen();
    let vectors = eigen.eigenvectors.column_iter().map(|u| u.into_owned());
    let mut found: Vec<(f64, DVector<f64>)> =
        eigen.eigenvalues.iter().copied().zip(vectors).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found
}

/// The largest `count` eigenvalues with their vectors, by iteration of a subspace somewhat larger
/// than them, from a fixed start.
fn first_of(symmetric: &DMatrix<f64>, count: usize) -> Vec<(f64, DVector<f64>)> {
    const MORE: usize = 12;
    const MOST_TURNS: usize = 300;
    let n = symmetric.nrows();
    let width = (count + MORE).min(n);
    let mut noise = vec![0.0; n * width];
    Stream::new(0, "start of a subspace", &[]).fill_normal(0, &mut noise);
    let start = DMatrix::from_iterator(n, width, noise.into_iter().map(f64::from));
    let mut basis = start.qr().q();
    let mut before: Vec<f64> = Vec::new();
    let mut found = Vec::new();
    for _ in 0..MOST_TURNS {
        basis = (symmetric * &basis).qr().q();
        let within = all(basis.transpose() * (symmetric * &basis));
        let values: Vec<f64> = within.iter().take(count).map(|(v, _)| *v).collect();
        found = within;
        // Errors of values are squares of those of vectors.
        let largest = values.first().copied().unwrap_or(0.0);
        let moved = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-13 * largest;
        if before.len() == values.len() && !values.iter().zip(&before).any(moved) {
            break;
        }
        before = values;
    }
    let whole = |(value, vector): (f64, DVector<f64>)| (value, &basis * vector);
    found.into_iter().take(count).map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(rows: usize, columns: usize, seed: u64) -> Vec<Vec<f32>> {
        let stream = Stream::new(seed, "rows of a test", &[]);
        (0..rows as u64)
            .map(|i| {
                let mut row = vec![0.0; columns];
                stream.fill_normal(i, &mut row);
                // Columns of falling weight, so that components are apart; and not centred.
                for (j, x) in row.iter_mut().enumerate() {
                    *x = 3.0 + *x / (1.0 + j as f32);
                }
                row
            })
            .collect()
    }

    #[test]
    fn components_are_those_of_the_singular_values() {
        let (rows, marks) = (noise(7, 600, 1), noise(2, 600, 2));
        let found = principal(&rows, &marks, 3, 6);
        let mut x = DMatrix::from_fn(7, 600, |i, j| f64::from(rows[i][j]));
        let centre = x.row_mean();
        for mut row in x.row_iter_mut() {
            row -= &centre;
        }
        let svd = x.clone().svd(true, true);
        let (u, v) = (svd.u.unwrap(), svd.v_t.unwrap());
        let total: f64 = svd.singular_values.iter().map(|s| s * s).sum();
        for k in 0..3 {
            let s = svd.singular_values[k];
            assert!((found.explained[k] - s * s / total).abs() < 1e-10);
            let sign = u[(6, k)].signum();
            for (i, row) in found.rows.iter().enumerate() {
                assert!((row[k] - sign * s * u[(i, k)]).abs() < 1e-8, "{i} {k}");
            }
            for (mark, place) in marks.iter().zip(&found.landmarks) {
                let off = |j: usize| f64::from(mark[j]) - centre[j];
                let expected: f64 = (0..600).map(|j| off(j) * v[(k, j)]).sum();
                assert!((place[k] - sign * expected).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn a_landmark_that_equals_a_row_lands_on_it() {
        let rows = noise(9, 40, 3);
        let found = principal(&rows, &[rows[4].clone()], 4, 0);
        for (a, b) in found.landmarks[0].iter().zip(&found.rows[4]) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        assert!(found.rows[0].iter().all(|x| *x >= 0.0));
    }

    #[test]
    fn the_first_components_are_the_same_without_the_others() {
        let rows = noise(60, 50, 4);
        let x = DMatrix::from_fn(60, 50, |i, j| f64::from(rows[i][j]));
        let products = &x * x.transpose();
        let (whole, some) = (all(products.clone()), first_of(&products, 4));
        assert_eq!(some.len(), 4);
        for ((a, u), (b, w)) in whole.iter().zip(&some) {
            assert!((a / b - 1.0).abs() < 1e-10, "{a} {b}");
            assert!((u.dot(w).abs() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn rows_that_do_not_differ_have_no_components() {
        let same = vec![vec![0.25_f32; 16]; 5];
        assert!(principal(&same, &[], 3, 0).explained.is_empty());
        let two = vec![vec![0.0_f32; 16], vec![1.0_f32; 16]];
        assert_eq!(principal(&two, &[], 3, 1).explained.len(), 1);
    }
}
