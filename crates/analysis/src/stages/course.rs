//! How a curve is fitted: hyper-parameters of the greatest marginal likelihood on the straight
//! axis, then bends of the axis where the curve is fast (see the `bend` module), as long as they
//! are worth their price. And the same course taken again, on simulated measurements.

use nalgebra::{Cholesky, DVector, Dyn};

use super::bend::Bend;
use super::curve::Points;
use super::draws::normals;
use super::hyper::{FLAT_STARTS, STARTS, Theta, noise_of};
use super::kernel::{Kernel, Place};
use super::likelihood::Problem;
use super::optimize::maximise;
use super::smooth::even;

/// How often the axis is bent at most, each time by the speed that the bend before shows.
const BENDS: usize = 3;
/// Values of κ that are tried.
const STRETCHES: [f64; 2] = [2.0, 8.0];
/// Nats that a bend has to gain.
const WORTH: f64 = 2.0;
/// What a curve and a bend have to gain over a constant, in logs of the number of points. Half a
/// log for each of three hyper-parameters (Schwarz 1978) would be 1.5 and .5; but errors that
/// neighbours share are so like a curve that of noise alone, at 45 points, one series in twenty
/// gains 9 nats on the straight axis and 15 on a bent one.
const PRICE: f64 = 2.5;
const BEND_PRICE: f64 = 1.5;
/// Places at which the speed is looked at for it.
const CELLS: usize = 101;

/// The most probable hyper-parameters, with what a posterior needs.
pub(super) struct Best {
    pub kernel: Kernel,
    /// The axis on which the kernel is stationary.
    pub bend: Bend,
    /// The points, seen by the kernel.
    pub places: Vec<Place>,
    /// Cholesky factor of the points' covariance K.
    pub factor: Cholesky<f64, Dyn>,
    /// K⁻¹y.
    pub weights: DVector<f64>,
    /// Nats by which the points prefer this to a constant with noise, after a price for its
    /// hyper-parameters.
    pub gain: f64,
    /// How it was come by.
    pub course: Course,
}

/// The fits on the way: on the straight axis, and after each bend of it.
#[derive(Debug, Clone)]
pub(super) struct Course {
    straight: Theta,
    /// κ and the hyper-parameters after it.
    bends: Vec<(f64, Theta)>,
}

impl Course {
    fn last(&self) -> &Theta {
        self.bends.last().map_or(&self.straight, |(_, theta)| theta)
    }
}

/// Fits `points`; `None` if no covariance could be factored.
pub(super) fn best(points: &Points) -> Option<Best> {
    let (first, last) = (points.x[0], points.x[points.x.len() - 1]);
    let mut problem = Problem::new(points, Bend::straight(first, last));
    let (mut theta, mut value) = maximise(&STARTS, |theta| problem.value(theta))?;
    let flat = [noise_of(&theta), FLAT_STARTS[0], FLAT_STARTS[1]];
    let (_, null) = maximise(&flat, |noise| problem.null(noise))?;
    let ln_n = (points.x.len() as f64).ln();
    let mut gain = value - null - PRICE * ln_n;
    let mut course = Course {
        straight: theta,
        bends: Vec::new(),
    };
    for _ in 0..BENDS {
        let speed = slopes(&problem, &theta)?;
        let mut better = None;
        for kappa in STRETCHES {
            let bent = Problem::new(points, Bend::by_speed(first, last, &speed, kappa));
            let Some((t, v)) = maximise(&[theta], |theta| bent.value(theta)) else {
                continue;
            };
            if v > value + WORTH && better.as_ref().is_none_or(|&(_, _, b, _)| v > b) {
                better = Some((bent, t, v, kappa));
            }
        }
        let Some(found) = better else { break };
        let kappa;
        (problem, theta, value, kappa) = found;
        course.bends.push((kappa, theta));
        let bends = course.bends.len() as f64;
        gain = gain.max(value - null - (PRICE + BEND_PRICE * bends) * ln_n);
    }
    let kernel = problem.kernel(&theta);
    let (places, covariance) = problem.covariance(&kernel, &problem.noise(&noise_of(&theta)));
    let (factor, weights) = problem.solve(covariance)?;
    Some(Best {
        kernel,
        bend: problem.bend,
        places,
        factor,
        weights,
        gain,
        course,
    })
}

/// A curve as a fit sees it.
pub(super) struct Seen {
    kernel: Kernel,
    bend: Bend,
    places: Vec<Place>,
    weights: DVector<f64>,
}

impl Seen {
    /// Posterior mean of the slope at each of `grid`.
    pub fn slopes(&self, grid: &[f64]) -> Vec<f64> {
        let slope = |&x: &f64| {
            let p = self.kernel.place(x, self.bend.at(x));
            let parts = self.places.iter().zip(self.weights.iter());
            parts.map(|(&q, w)| self.kernel.slope(p, q) * w).sum()
        };
        grid.iter().map(slope).collect()
    }
}

/// Posterior mean of the slope of `problem` at even places.
fn slopes(problem: &Problem<'_>, theta: &Theta) -> Option<Vec<f64>> {
    let kernel = problem.kernel(theta);
    let (places, covariance) = problem.covariance(&kernel, &problem.noise(&noise_of(theta)));
    let (_, weights) = problem.solve(covariance)?;
    let seen = Seen {
        kernel,
        bend: problem.bend.clone(),
        places,
        weights,
    };
    let x = &problem.points.x;
    Some(seen.slopes(&even(x[0], x[x.len() - 1], CELLS)))
}

/// Fits to `count` simulations of `points`: the curve `mean` at them, with noise as it was fitted,
/// `id` keeping the noise of different curves apart. Hyper-parameters stay as they were, while the
/// axis is bent anew, as often as it was, by the speed that each simulation shows. `None` if a
/// covariance cannot be factored.
pub(super) fn simulated(
    points: &Points,
    course: &Course,
    mean: &[f64],
    count: usize,
    id: u64,
) -> Option<Vec<Seen>> {
    let (first, last) = (points.x[0], points.x[points.x.len() - 1]);
    let straight = Problem::new(points, Bend::straight(first, last));
    let noise = straight.noise(&noise_of(course.last()));
    let root = Cholesky::new(straight.with_noise(&noise, |_, _| 0.0))?.unpack();
    let kernel = straight.kernel(&course.straight);
    let noise = straight.noise(&noise_of(&course.straight));
    let (places, covariance) = straight.covariance(&kernel, &noise);
    let factor = Cholesky::new(covariance)?;
    let cells = even(first, last, CELLS);
    let mut z = DVector::zeros(points.x.len());
    let draw = |draw: usize| {
        normals(!id, draw as u64, z.as_mut_slice());
        let y = DVector::from_column_slice(mean) + &root * &z;
        let mut seen = Seen {
            kernel,
            bend: straight.bend.clone(),
            places: places.clone(),
            weights: factor.solve(&y),
        };
        for (kappa, theta) in &course.bends {
            let bend = Bend::by_speed(first, last, &seen.slopes(&cells), *kappa);
            let mut problem = Problem::new(points, bend);
            problem.y.copy_from(&y);
            let kernel = problem.kernel(theta);
            let noise = problem.noise(&noise_of(theta));
            let (places, covariance) = problem.covariance(&kernel, &noise);
            let (_, weights) = problem.solve(covariance)?;
            seen = Seen {
                kernel,
                bend: problem.bend,
                places,
                weights,
            };
        }
        Some(seen)
    };
    (0..count).map(draw).collect()
}
