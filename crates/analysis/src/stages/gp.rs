//! Gaussian-process regression of one curve over x = ln(step + 1) (Rasmussen and Williams 2006,
//! chapters 2 and 5).

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::bend::Bend;
use super::course::{Best, Course, best, simulated};
use super::curve::Points;
use super::draws::normals;
use super::kernel::{Axis, Kernel, Place};

/// A fitted Gaussian process.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    points: Points,
    kernel: Kernel,
    bend: Bend,
    places: Vec<Place>,
    factor: Cholesky<f64, Dyn>,
    weights: DVector<f64>,
    gain: f64,
    course: Course,
}

/// A smoothed curve on a grid, in the curve's own units.
#[derive(Debug, Clone)]
pub(super) struct Smoothed {
    /// Posterior mean of the curve.
    pub mean: Vec<f64>,
    /// Posterior standard deviation of the curve, noise left out.
    pub sd: Vec<f64>,
    /// Posterior mean of d/dx.
    pub slope: Vec<f64>,
}

impl Fit {
    /// Fits `points`; `None` if no covariance could be factored.
    pub fn new(points: Points) -> Option<Fit> {
        let Best {
            kernel,
            bend,
            places,
            factor,
            weights,
            gain,
            course,
        } = best(&points)?;
        Some(Fit {
            points,
            kernel,
            bend,
            places,
            factor,
            weights,
            gain,
            course,
        })
    }

    /// Nats by which the data prefer this fit to a constant with noise, after a price for its
    /// parameters.
    pub fn gain(&self) -> f64 {
        self.gain
    }

    /// First and last abscissa of the points.
    pub fn range(&self) -> (f64, f64) {
        let Axis { middle, half } = self.kernel.axis;
        (middle - half, middle + half)
    }

    /// The posterior on `grid`.
    pub fn smooth(&self, grid: &[f64]) -> Smoothed {
        let (scale, shift) = (self.points.scale, self.points.shift);
        let grid = self.seen(grid);
        let cross = self.cross(&grid, |p, q| self.kernel.value(p, q));
        let mean = cross.tr_mul(&self.weights) * scale;
        let slope = self
            .cross(&grid, |p, q| self.kernel.slope(p, q))
            .tr_mul(&self.weights)
            * scale;
        let half = self.solve_lower(cross);
        let sd = grid.iter().zip(half.column_iter()).map(|(&p, column)| {
            (self.kernel.value(p, p) - column.norm_squared())
                .max(0.0)
                .sqrt()
                * scale
        });
        Smoothed {
            sd: sd.collect(),
            mean: mean.iter().map(|m| m + shift).collect(),
            slope: slope.iter().copied().collect(),
        }
    }

    /// Change of the curve from `a` to `b`, and its posterior standard deviation.
    pub fn change(&self, a: f64, b: f64) -> (f64, f64) {
        let places = self.seen(&[a, b]);
        let between = |p, q| self.kernel.value(p, q);
        let cross = self.cross(&places, between);
        let apart = DMatrix::from_columns(&[cross.column(1) - cross.column(0)]);
        let mean = apart.column(0).dot(&self.weights);
        let (p, q) = (places[0], places[1]);
        let before = between(p, p) + between(q, q) - 2.0 * between(p, q);
        let known = self.solve_lower(apart).norm_squared();
        let scale = self.points.scale;
        (mean * scale, (before - known).max(0.0).sqrt() * scale)
    }

    /// Draws of d/dx on `grid` from the joint posterior, one row each, in the curve's units; `None`
    /// if its covariance cannot be factored. `id` keeps the draws of different curves apart.
    pub fn slope_paths(&self, grid: &[f64], draws: usize, id: u64) -> Option<Vec<Vec<f64>>> {
        let (n, places) = (grid.len(), self.seen(grid));
        let half = self.solve_lower(self.cross(&places, |p, q| self.kernel.slope(p, q)));
        let mut covariance = -half.tr_mul(&half);
        for j in 0..n {
            for i in 0..n {
                covariance[(i, j)] += self.kernel.slopes(places[i], places[j]);
            }
        }
        let largest = covariance.diagonal().max().max(f64::MIN_POSITIVE);
        // The posterior of a smooth curve on a fine grid is singular to rounding; a little white
        // noise mends that.
        let factor = [1e-9, 1e-7, 1e-5, 1e-3].iter().find_map(|jitter| {
            let mut mended = covariance.clone();
            for i in 0..n {
                mended[(i, i)] += jitter * largest;
            }
            Cholesky::new(mended)
        })?;
        let lower = factor.unpack();
        let mean = self.smooth(grid).slope;
        let mut z = DVector::zeros(n);
        let paths = (0..draws).map(|draw| {
            normals(id, draw as u64, z.as_mut_slice());
            let noise = &lower * &z;
            mean.iter()
                .zip(noise.iter())
                .map(|(m, e)| m + e * self.points.scale)
                .collect()
        });
        Some(paths.collect())
    }

    /// d/dx on `grid` of fits to measurements that are simulated from this one, one row each, in
    /// the curve's units; `None` if a covariance cannot be factored. `id` keeps the simulations of
    /// different curves apart.
    pub fn simulated_slopes(&self, grid: &[f64], count: usize, id: u64) -> Option<Vec<Vec<f64>>> {
        let between = |p, q| self.kernel.value(p, q);
        let mean = self.cross(&self.places, between).tr_mul(&self.weights);
        let fits = simulated(&self.points, &self.course, mean.as_slice(), count, id)?;
        let scaled = |slopes: Vec<f64>| slopes.iter().map(|s| s * self.points.scale).collect();
        Some(fits.iter().map(|fit| scaled(fit.slopes(grid))).collect())
    }

    fn seen(&self, grid: &[f64]) -> Vec<Place> {
        grid.iter()
            .map(|&x| self.kernel.place(x, self.bend.at(x)))
            .collect()
    }

    fn cross(&self, grid: &[Place], k: impl Fn(Place, Place) -> f64) -> DMatrix<f64> {
        DMatrix::from_fn(self.places.len(), grid.len(), |i, j| {
            k(grid[j], self.places[i])
        })
    }

    fn solve_lower(&self, mut right: DMatrix<f64>) -> DMatrix<f64> {
        // A Cholesky factor's diagonal is positive, so the solution always exists.
        self.factor.l_dirty().solve_lower_triangular_mut(&mut right);
        right
    }
}

#[cfg(test)]
mod tests {
    use super::super::likelihood::tests::points;
    use super::*;

    #[test]
    fn the_curve_and_its_slope_are_recovered_within_their_error() {
        let fit = Fit::new(points(60, 0.02, false, f64::sin)).unwrap();
        let grid: Vec<f64> = (2..20).map(|i| 0.5 * f64::from(i)).collect();
        let s = fit.smooth(&grid);
        for (i, &x) in grid.iter().enumerate() {
            assert!(
                (s.mean[i] - x.sin()).abs() < 4.0 * s.sd[i],
                "{x}: {} ± {}",
                s.mean[i],
                s.sd[i]
            );
            assert!(s.sd[i] < 0.03);
            assert!((s.slope[i] - x.cos()).abs() < 0.2, "{x}: {}", s.slope[i]);
        }
    }

    #[test]
    fn noise_alone_is_no_change_and_a_trend_is() {
        assert!(Fit::new(points(40, 1.0, false, |_| 3.0)).unwrap().gain() < 0.0);
        assert!(Fit::new(points(40, 0.1, false, |x| x)).unwrap().gain() > 0.0);
        assert!(
            Fit::new(points(40, 0.1, false, |x| (x - 4.0).tanh()))
                .unwrap()
                .gain()
                > 0.0
        );
    }

    #[test]
    fn slope_paths_have_the_posterior_mean_and_integrate_to_the_curves_error() {
        let fit = Fit::new(points(40, 0.1, false, f64::sin)).unwrap();
        let grid: Vec<f64> = (0..60).map(|i| 1.0 + 0.1 * f64::from(i)).collect();
        let paths = fit.slope_paths(&grid, 2000, 0).unwrap();
        let s = fit.smooth(&grid);
        let n = paths.len() as f64;
        for g in [5, 30, 50] {
            let mean = paths.iter().map(|p| p[g]).sum::<f64>() / n;
            let variance = paths.iter().map(|p| (p[g] - mean).powi(2)).sum::<f64>() / n;
            assert!((mean - s.slope[g]).abs() < 4.0 * (variance / n).sqrt());
        }
        let rise = |p: &Vec<f64>| (0..59).map(|g| 0.05 * (p[g] + p[g + 1])).sum::<f64>();
        let mean = paths.iter().map(rise).sum::<f64>() / n;
        assert!((mean - (s.mean[59] - s.mean[0])).abs() < 0.01, "{mean}");
    }

    #[test]
    fn simulated_fits_scatter_about_the_fit_and_depend_on_their_curve_only() {
        let grid: Vec<f64> = (0..40).map(|i| 1.0 + 0.15 * f64::from(i)).collect();
        let scatter = |sd: f64| {
            let fit = Fit::new(points(40, sd, false, f64::sin)).unwrap();
            let all = fit.simulated_slopes(&grid, 200, 3).unwrap();
            assert_eq!(all, fit.simulated_slopes(&grid, 200, 3).unwrap());
            assert_ne!(all, fit.simulated_slopes(&grid, 200, 4).unwrap());
            let slope = fit.smooth(&grid).slope;
            let n = all.len() as f64;
            let mut sum = 0.0;
            for g in [10, 20, 30] {
                let mean = all.iter().map(|p| p[g]).sum::<f64>() / n;
                let square = all.iter().map(|p| (p[g] - mean).powi(2)).sum::<f64>();
                let own = (square / n).sqrt();
                // The fit to a fit is smoother: its slopes, of 1 at most, may be a tenth less.
                assert!(
                    (mean - slope[g]).abs() < 0.1 + 4.0 * own / n.sqrt(),
                    "{mean}"
                );
                sum += own;
            }
            sum
        };
        assert!(scatter(0.2) > 3.0 * scatter(0.02));
    }
}
