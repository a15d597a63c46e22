//! The marginal likelihood of a curve's points, with its gradient (Rasmussen and Williams 2006,
//! section 5.4.1), and its greatest value.
//!
//! The noise is fitted, because what is reported beside an estimate is often not its error from one
//! checkpoint to the next: its variance is σ² + κ·se² where standard errors are known, and else
//! σ²·exp(b·x̃), so that a curve may be noisier at its end than at its start. Hyper-parameters
//! maximise the marginal likelihood times weak priors, which matter only while points are few.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::curve::Points;
use super::kernel::{Axis, CONSTANT, Kernel, Place};
use super::optimize::maximise;

/// Added to every noise variance: a curve that is smooth to the last bit still has to be factored.
const NOISE_FLOOR: f64 = 1e-8;

/// ln s², ln ℓ, w of the kernel, then ln σ² and the noise's own parameter: ln κ where errors are
/// known, b where not.
type Theta = [f64; 5];

/// Means and standard deviations of the normal priors.
const PRIORS: [(f64, f64); 5] = [(0.0, 2.0), (0.0, 1.0), (0.0, 1.0), (-5.0, 3.0), (0.0, 1.0)];

/// Where the ascents start: from abrupt changes with little noise to slow ones with much.
const STARTS: [Theta; 4] = [
    [0.0, -0.5, 0.7, -7.0, 0.0],
    [0.0, -0.9, 0.0, -5.0, 0.0],
    [0.0, 0.2, 0.0, -4.5, 0.0],
    [-0.5, 1.0, 0.0, -1.5, 0.0],
];

/// Beyond this no hyper-parameter is of use, and exponentials would overflow.
const WIDEST: f64 = 25.0;

/// The most probable hyper-parameters, with what a posterior needs.
pub(super) struct Best {
    pub kernel: Kernel,
    /// The points, seen by the kernel.
    pub places: Vec<Place>,
    /// Cholesky factor of the points' covariance K.
    pub factor: Cholesky<f64, Dyn>,
    /// K⁻¹y.
    pub weights: DVector<f64>,
    /// Nats by which the points prefer this to a constant with noise, after a price for its
    /// hyper-parameters.
    pub gain: f64,
}

/// Fits `points`; `None` if no covariance could be factored.
pub(super) fn best(points: &Points) -> Option<Best> {
    let problem = Problem::new(points);
    let (theta, value) = maximise(&STARTS, |theta| problem.value(theta))?;
    let flat = [[theta[3], theta[4]], [0.0, 0.0], [-3.0, 0.0]];
    let (_, null) = maximise(&flat, |noise| problem.null(noise))?;
    let kernel = problem.kernel(&theta);
    let (places, covariance) = problem.covariance(&kernel, theta[3], theta[4]);
    let (factor, weights) = problem.solve(covariance)?;
    // Three hyper-parameters more than a constant has, at half a log of the points each (Schwarz
    // 1978).
    let price = 1.5 * (points.x.len() as f64).ln();
    Some(Best {
        kernel,
        places,
        factor,
        weights,
        gain: value - null - price,
    })
}

/// What the likelihood needs, computed once.
struct Problem<'a> {
    points: &'a Points,
    axis: Axis,
    tilde: Vec<f64>,
    y: DVector<f64>,
}

impl<'a> Problem<'a> {
    fn new(points: &'a Points) -> Problem<'a> {
        let axis = Axis::over(&points.x);
        Problem {
            points,
            axis,
            tilde: points.x.iter().map(|&x| axis.tilde(x)).collect(),
            y: DVector::from_column_slice(&points.y),
        }
    }

    fn kernel(&self, theta: &Theta) -> Kernel {
        Kernel {
            axis: self.axis,
            signal: theta[0].exp(),
            length: theta[1].exp(),
            warp: theta[2],
        }
    }

    /// The two summands of point `i`'s noise variance: by σ², and by its known error.
    fn noise(&self, i: usize, ln_sigma2: f64, own: f64) -> (f64, f64) {
        let count = self.points.count[i];
        match &self.points.known {
            Some(known) => (ln_sigma2.exp() / count, own.exp() * known[i]),
            None => ((ln_sigma2 + own * self.tilde[i]).exp() / count, 0.0),
        }
    }

    fn covariance(&self, kernel: &Kernel, ln_sigma2: f64, own: f64) -> (Vec<Place>, DMatrix<f64>) {
        let places: Vec<Place> = self.points.x.iter().map(|&x| kernel.place(x)).collect();
        let n = places.len();
        let k = DMatrix::from_fn(n, n, |i, j| kernel.value(places[i], places[j]));
        (places, self.with_noise(k, ln_sigma2, own))
    }

    fn with_noise(&self, mut k: DMatrix<f64>, ln_sigma2: f64, own: f64) -> DMatrix<f64> {
        for i in 0..k.nrows() {
            let (fitted, known) = self.noise(i, ln_sigma2, own);
            k[(i, i)] += fitted + known + NOISE_FLOOR;
        }
        k
    }

    fn solve(&self, k: DMatrix<f64>) -> Option<(Cholesky<f64, Dyn>, DVector<f64>)> {
        let factor = Cholesky::new(k)?;
        let weights = factor.solve(&self.y);
        Some((factor, weights))
    }

    /// Log marginal likelihood with its priors, and the gradient (Rasmussen and Williams, eq. 5.8
    /// and 5.9).
    fn value(&self, theta: &Theta) -> Option<(f64, Theta)> {
        if theta.iter().any(|t| t.abs() > WIDEST) {
            return None;
        }
        let kernel = self.kernel(theta);
        let (places, covariance) = self.covariance(&kernel, theta[3], theta[4]);
        let (factor, weights) = self.solve(covariance)?;
        let inverse = factor.inverse();
        let mut gradient = [0.0; 5];
        for (j, &q) in places.iter().enumerate() {
            for (i, &p) in places.iter().enumerate() {
                let w = weights[i] * weights[j] - inverse[(i, j)];
                gradient[0] += w * kernel.smooth(p, q);
                let w = w * kernel.pull(p, q);
                let apart = p.u - q.u;
                gradient[1] += w * apart * apart;
                gradient[2] -= w * apart * (p.by_warp - q.by_warp);
            }
        }
        let by_noise = self.noise_gradient(&weights, &inverse, theta[3], theta[4]);
        (gradient[3], gradient[4]) = by_noise;
        with_priors(self.likelihood(&factor, &weights), theta, gradient, &PRIORS)
    }

    /// The same for a constant with noise.
    fn null(&self, noise: &[f64; 2]) -> Option<(f64, [f64; 2])> {
        if noise.iter().any(|t| t.abs() > WIDEST) {
            return None;
        }
        let n = self.y.len();
        let covariance = self.with_noise(DMatrix::from_element(n, n, CONSTANT), noise[0], noise[1]);
        let (factor, weights) = self.solve(covariance)?;
        let (a, b) = self.noise_gradient(&weights, &factor.inverse(), noise[0], noise[1]);
        let value = self.likelihood(&factor, &weights);
        with_priors(value, noise, [a, b], &[PRIORS[3], PRIORS[4]])
    }

    fn noise_gradient(
        &self,
        weights: &DVector<f64>,
        inverse: &DMatrix<f64>,
        ln_sigma2: f64,
        own: f64,
    ) -> (f64, f64) {
        let (mut by_sigma, mut by_own) = (0.0, 0.0);
        for i in 0..self.y.len() {
            let w = weights[i].powi(2) - inverse[(i, i)];
            let (fitted, known) = self.noise(i, ln_sigma2, own);
            by_sigma += w * fitted;
            let own = if self.points.known.is_some() {
                known
            } else {
                fitted * self.tilde[i]
            };
            by_own += w * own;
        }
        (by_sigma, by_own)
    }

    fn likelihood(&self, factor: &Cholesky<f64, Dyn>, weights: &DVector<f64>) -> f64 {
        let log_determinant = 2.0 * factor.l_dirty().diagonal().map(f64::ln).sum();
        let n = self.y.len() as f64;
        -0.5 * (self.y.dot(weights) + log_determinant + n * std::f64::consts::TAU.ln())
    }
}

/// Adds the log priors to a log-likelihood; `traces` is twice its gradient.
fn with_priors<const N: usize>(
    likelihood: f64,
    theta: &[f64; N],
    traces: [f64; N],
    priors: &[(f64, f64); N],
) -> Option<(f64, [f64; N])> {
    let z: [f64; N] = std::array::from_fn(|i| (theta[i] - priors[i].0) / priors[i].1);
    let value = likelihood - 0.5 * z.iter().map(|z| z * z).sum::<f64>();
    let gradient = std::array::from_fn(|i| 0.5 * traces[i] - z[i] / priors[i].1);
    value.is_finite().then_some((value, gradient))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::curve::Curve;
    use super::super::draws::normals;
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
            let problem = Problem::new(&points);
            let theta = [0.3, -0.2, 0.4, -3.0, 0.5];
            let (_, gradient) = problem.value(&theta).unwrap();
            for i in 0..5 {
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
            let (_, gradient) = problem.null(&[-1.0, 0.3]).unwrap();
            let numeric = (problem.null(&[-1.0, 0.3 + 1e-5]).unwrap().0
                - problem.null(&[-1.0, 0.3 - 1e-5]).unwrap().0)
                / 2e-5;
            assert!((gradient[1] - numeric).abs() < 1e-5);
        }
    }

    #[test]
    fn the_noise_is_fitted_whatever_the_errors_claim() {
        // The errors claim twice the noise that there is: κ has to come out near a quarter.
        for errors in [false, true] {
            let points = points(80, 0.1, errors, f64::sin);
            let problem = Problem::new(&points);
            let (theta, _) = maximise(&STARTS, |t| problem.value(t)).unwrap();
            let (fitted, known) = problem.noise(40, theta[3], theta[4]);
            let sd = (fitted + known).sqrt() * points.scale;
            assert!((0.07..0.13).contains(&sd), "{sd}");
        }
    }
}
