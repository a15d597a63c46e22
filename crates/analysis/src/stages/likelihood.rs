//! The marginal likelihood of a curve's points, with its gradient (Rasmussen and Williams 2006,
//! section 5.4.1).
//!
//! The noise is fitted, because what is reported beside an estimate is often not its error from one
//! checkpoint to the next. Its variance is v(x) = σ² + κ·se² where standard errors are known, and
//! else σ²·exp(b·x̃), so that a curve may be noisier at its end than at its start. A share ρ of it
//! is shared along the curve: an Ornstein-Uhlenbeck process, whose correlation falls as exp(−|x −
//! x'|/r). Chains that have the same noise and minibatches at every checkpoint make such errors,
//! and a smoother that takes errors to be independent reads them as change. How long they last is
//! hardly to be told from some dozens of points, so r has a narrow prior about .6 e-folds of steps.
//! Errors that last as long as a stage are change, as far as one curve can tell.
//!
//! Hyper-parameters maximise the marginal likelihood times weak priors (the `hyper` module), which
//! matter only while points are few.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::bend::Bend;
use super::curve::Points;
use super::hyper::{NOISE, Theta, WIDEST, noise_of, with_priors};
use super::kernel::{Axis, CONSTANT, Kernel, Place};

/// Added to every noise variance: a curve that is smooth to the last bit still has to be factored.
const NOISE_FLOOR: f64 = 1e-8;

/// What the likelihood needs, computed once.
pub(super) struct Problem<'a> {
    pub points: &'a Points,
    axis: Axis,
    pub bend: Bend,
    tilde: Vec<f64>,
    /// Standardised values.
    pub y: DVector<f64>,
}

/// The noise of all points.
pub(super) struct Noise {
    /// Variance of one measurement at each point, and its root.
    variance: Vec<f64>,
    sd: Vec<f64>,
    /// Derivatives of its logarithm by the two parameters of the size.
    by: Vec<[f64; 2]>,
    /// ρ, the share of the variance that neighbours share.
    shared: f64,
    /// r, over which they share it, on x.
    range: f64,
}

impl<'a> Problem<'a> {
    pub fn new(points: &'a Points, bend: Bend) -> Problem<'a> {
        let axis = Axis::over(&points.x);
        Problem {
            points,
            axis,
            bend,
            tilde: points.x.iter().map(|&x| axis.tilde(x)).collect(),
            y: DVector::from_column_slice(&points.y),
        }
    }

    pub fn kernel(&self, theta: &Theta) -> Kernel {
        Kernel {
            axis: self.axis,
            signal: theta[0].exp(),
            length: theta[1].exp(),
            warp: theta[2],
        }
    }

    /// The noise by its four hyper-parameters.
    pub fn noise(&self, &[ln_sigma2, own, logit, ln_range]: &[f64; 4]) -> Noise {
        let size = |i: usize| match &self.points.known {
            Some(known) => {
                let fitted = ln_sigma2.exp();
                // Points hold the variance of a mean of `count`.
                let known = own.exp() * known[i] * self.points.count[i];
                let all = fitted + known;
                (all, [fitted / all, known / all])
            }
            None => {
                let tilde = self.tilde[i];
                ((ln_sigma2 + own * tilde).exp(), [1.0, tilde])
            }
        };
        let (variance, by): (Vec<f64>, _) = (0..self.y.len()).map(size).unzip();
        Noise {
            sd: variance.iter().map(|v| v.sqrt()).collect(),
            variance,
            by,
            shared: 1.0 / (1.0 + (-logit).exp()),
            range: ln_range.exp(),
        }
    }

    /// Covariance of the noise of two points, and its derivatives by logit ρ and ln r.
    fn noise_between(&self, noise: &Noise, i: usize, j: usize) -> (f64, [f64; 2]) {
        let rho = noise.shared;
        if i == j {
            let (all, own) = (noise.variance[i], 1.0 / self.points.count[i]);
            let turn = rho * (1.0 - rho) * all * (1.0 - own);
            return (all * (rho + (1.0 - rho) * own), [turn, 0.0]);
        }
        let apart = (self.points.x[i] - self.points.x[j]).abs() / noise.range;
        let all = noise.sd[i] * noise.sd[j] * rho * (-apart).exp();
        (all, [(1.0 - rho) * all, apart * all])
    }

    fn places(&self, kernel: &Kernel, x: &[f64]) -> Vec<Place> {
        x.iter()
            .map(|&x| kernel.place(x, self.bend.at(x)))
            .collect()
    }

    pub fn covariance(&self, kernel: &Kernel, noise: &Noise) -> (Vec<Place>, DMatrix<f64>) {
        let places: Vec<Place> = self.places(kernel, &self.points.x);
        let k = self.with_noise(noise, |i, j| kernel.value(places[i], places[j]));
        (places, k)
    }

    /// The covariance of the points where that of the curve is `curve`.
    pub fn with_noise(&self, noise: &Noise, curve: impl Fn(usize, usize) -> f64) -> DMatrix<f64> {
        let n = self.y.len();
        let mut k = DMatrix::zeros(n, n);
        for j in 0..n {
            for i in j..n {
                let value = curve(i, j) + self.noise_between(noise, i, j).0;
                k[(i, j)] = value;
                k[(j, i)] = value;
            }
            k[(j, j)] += NOISE_FLOOR;
        }
        k
    }

    pub fn solve(&self, k: DMatrix<f64>) -> Option<(Cholesky<f64, Dyn>, DVector<f64>)> {
        let factor = Cholesky::new(k)?;
        let weights = factor.solve(&self.y);
        Some((factor, weights))
    }

    /// Log marginal likelihood with its priors, and the gradient (Rasmussen and Williams, eq. 5.8
    /// and 5.9).
    pub fn value(&self, theta: &Theta) -> Option<(f64, Theta)> {
        if theta.iter().any(|t| t.abs() > WIDEST) {
            return None;
        }
        let kernel = self.kernel(theta);
        let noise = self.noise(&noise_of(theta));
        let (places, covariance) = self.covariance(&kernel, &noise);
        let (factor, weights) = self.solve(covariance)?;
        let inverse = inverse(&factor);
        let mut gradient = [0.0; 7];
        for (j, &q) in places.iter().enumerate() {
            for (i, &p) in places.iter().enumerate().skip(j) {
                // Pairs stand twice in the sum.
                let twice = if i == j { 1.0 } else { 2.0 };
                let w = twice * (weights[i] * weights[j] - inverse[(i, j)]);
                let (smooth, pull) = kernel.smooth_and_pull(p, q);
                gradient[0] += w * smooth;
                let apart = p.u - q.u;
                gradient[1] += w * pull * apart * apart;
                gradient[2] -= w * pull * apart * (p.by_warp - q.by_warp);
            }
        }
        let by_noise = self.noise_gradient(&weights, &inverse, &noise);
        gradient[NOISE..].copy_from_slice(&by_noise);
        with_priors(self.likelihood(&factor, &weights), theta, gradient)
    }

    /// The same for a constant with noise.
    pub fn null(&self, theta: &[f64; 4]) -> Option<(f64, [f64; 4])> {
        if theta.iter().any(|t| t.abs() > WIDEST) {
            return None;
        }
        let noise = self.noise(theta);
        let covariance = self.with_noise(&noise, |_, _| CONSTANT);
        let (factor, weights) = self.solve(covariance)?;
        let gradient = self.noise_gradient(&weights, &inverse(&factor), &noise);
        let value = self.likelihood(&factor, &weights);
        with_priors(value, theta, gradient)
    }

    fn noise_gradient(
        &self,
        weights: &DVector<f64>,
        inverse: &DMatrix<f64>,
        noise: &Noise,
    ) -> [f64; 4] {
        let mut gradient = [0.0; 4];
        for j in 0..self.y.len() {
            for i in j..self.y.len() {
                let twice = if i == j { 1.0 } else { 2.0 };
                let w = twice * (weights[i] * weights[j] - inverse[(i, j)]);
                let (value, [by_share, by_range]) = self.noise_between(noise, i, j);
                for (k, by) in gradient[..2].iter_mut().enumerate() {
                    *by += w * value * 0.5 * (noise.by[i][k] + noise.by[j][k]);
                }
                gradient[2] += w * by_share;
                gradient[3] += w * by_range;
            }
        }
        gradient
    }

    fn likelihood(&self, factor: &Cholesky<f64, Dyn>, weights: &DVector<f64>) -> f64 {
        let log_determinant = 2.0 * factor.l_dirty().diagonal().map(f64::ln).sum();
        let n = self.y.len() as f64;
        -0.5 * (self.y.dot(weights) + log_determinant + n * std::f64::consts::TAU.ln())
    }
}

/// The lower half of the inverse of the factored matrix: LᵀL of the inverse of its factor.
fn inverse(factor: &Cholesky<f64, Dyn>) -> DMatrix<f64> {
    let lower = factor.l_dirty();
    let n = lower.nrows();
    // Column j of L⁻¹ begins at row j.
    let mut root = DMatrix::<f64>::zeros(n, n);
    for j in 0..n {
        root[(j, j)] = 1.0 / lower[(j, j)];
        for k in j..n {
            let done = root[(k, j)] / if k == j { 1.0 } else { lower[(k, k)] };
            root[(k, j)] = done;
            for i in k + 1..n {
                root[(i, j)] -= lower[(i, k)] * done;
            }
        }
    }
    let mut inverse = DMatrix::zeros(n, n);
    for j in 0..n {
        for i in j..n {
            inverse[(i, j)] = root
                .column(i)
                .rows_range(i..)
                .dot(&root.column(j).rows_range(i..));
        }
    }
    inverse
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::curve::Curve;
    use super::super::draws::normals;
    use super::super::hyper::STARTS;
    use super::super::optimize::maximise;
    use super::*;

    /// About `n` points of `f`, with noise of standard deviation `sd` that errors, if any, put at
    /// twice as much.
    pub fn points(n: usize, sd: f64, errors: bool, f: impl Fn(f64) -> f64) -> Points {
        let steps: Vec<u64> = (0..n)
            .map(|i| (0.2 * i as f64).exp_m1() as u64 + i as u64)
            .collect();
        let mut noise = vec![0.0; n];
        normals(91, 0, &mut noise);
        let x = |s: u64| (s as f64).ln_1p();
        let values = steps
            .iter()
            .zip(&noise)
            .map(|(&s, z)| f(x(s)) + sd * z)
            .collect();
        let errors = errors.then(|| vec![2.0 * sd; n]);
        Points::new(
            &Curve {
                name: "y".into(),
                steps,
                values,
                errors,
            },
            100,
        )
        .unwrap()
    }

    #[test]
    fn the_gradient_is_that_of_the_likelihood() {
        for errors in [false, true] {
            let points = points(14, 0.1, errors, |x| (2.0 * x).sin());
            let problem = Problem::new(
                &points,
                Bend::by_speed(
                    points.x[0],
                    points.x[points.x.len() - 1],
                    &[0.1, 1.0, 0.3, 0.0],
                    2.0,
                ),
            );
            let theta = [0.3, -0.2, 0.4, -3.0, 0.5, 0.4, -0.7];
            let (_, gradient) = problem.value(&theta).unwrap();
            for i in 0..7 {
                let at = |d: f64| {
                    let mut moved = theta;
                    moved[i] += d;
                    problem.value(&moved).unwrap().0
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!(
                    (gradient[i] - numeric).abs() < 1e-5,
                    "{i}: {} {numeric}",
                    gradient[i]
                );
            }
            let theta = [-1.0, 0.3, 0.4, -0.7];
            let (_, gradient) = problem.null(&theta).unwrap();
            for i in 0..4 {
                let at = |d: f64| {
                    let mut moved = theta;
                    moved[i] += d;
                    problem.null(&moved).unwrap().0
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((gradient[i] - numeric).abs() < 1e-5, "{i}");
            }
        }
    }

    #[test]
    fn the_noise_is_fitted_whatever_the_errors_claim() {
        // The errors claim twice the noise that there is: κ has to come out near a quarter.
        for errors in [false, true] {
            let points = points(80, 0.1, errors, f64::sin);
            let problem = Problem::new(
                &points,
                Bend::straight(points.x[0], points.x[points.x.len() - 1]),
            );
            let (theta, _) = maximise(&STARTS, |t| problem.value(t)).unwrap();
            let noise = problem.noise(&noise_of(&theta));
            let sd = noise.variance[40].sqrt() * points.scale;
            assert!((0.07..0.13).contains(&sd), "{sd}");
        }
    }
}
