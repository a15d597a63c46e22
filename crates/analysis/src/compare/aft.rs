//! A straight line through censored values: the log-normal model of accelerated failure times.

use nalgebra::{Matrix3, Vector3};

use crate::statistics::{ln_above, mills};

/// Steps of Newton's method; it takes about ten.
const STEPS: usize = 60;
/// A step that gains less than this per observation ends the search.
const GAIN: f64 = 1e-13;
/// Scatter below this share of the values' own spread is none: the likelihood has no maximum.
const NO_SCATTER: f64 = 1e-7;

/// y = a + b·x + σ·(standard normal).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Value at x = 0.
    pub a: f64,
    /// Slope.
    pub b: f64,
    /// Standard deviation about the line, by maximum likelihood (no correction for the two
    /// parameters).
    pub sigma: f64,
}

/// One value at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Place.
    pub x: f64,
    /// The value; of a censored one, what it is known to exceed.
    pub y: f64,
    /// Whether it was seen.
    pub observed: bool,
}

/// The line of greatest likelihood, values that were not seen being known to lie above their `y`.
///
/// With γ = 1/σ and δ = (a, b)/σ the log-likelihood Σ ln γ − ½(γy − δx)² over what was seen and Σ
/// ln Q(γy − δx) over the rest is concave (Olsen 1978), so Newton's method finds its one maximum.
/// `None` if values were seen at fewer than two places, or if no maximum exists (as where what was
/// seen at one place says nothing against any slope).
pub fn fit(points: &[Point]) -> Option<Line> {
    let seen = || points.iter().filter(|p| p.observed);
    let x0 = seen().next()?.x;
    if seen().all(|p| p.x.total_cmp(&x0).is_eq()) {
        return None;
    }
    // Standardised, so that one size of step fits all.
    let (mx, sx) = spread(points.iter().map(|p| p.x));
    let (my, sy) = spread(points.iter().map(|p| p.y));
    if sy <= 0.0 {
        // Every value alike: a level line without scatter.
        return points.iter().all(|p| p.observed).then_some(Line {
            a: my,
            b: 0.0,
            sigma: 0.0,
        });
    }
    let scaled: Vec<Point> = points
        .iter()
        .map(|p| Point {
            x: (p.x - mx) / sx,
            y: (p.y - my) / sy,
            observed: p.observed,
        })
        .collect();
    let start = least_squares(&scaled);
    let line = if scaled.iter().all(|p| p.observed) || start.sigma < NO_SCATTER {
        start
    } else {
        newton(&scaled, start)?
    };
    let b = line.b * sy / sx;
    Some(Line {
        a: my + sy * line.a - b * mx,
        b,
        sigma: line.sigma * sy,
    })
}

/// Mean and standard deviation.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// The line if every value had been seen.
fn least_squares(points: &[Point]) -> Line {
    let (mx, sx) = spread(points.iter().map(|p| p.x));
    let (my, _) = spread(points.iter().map(|p| p.y));
    let n = points.len() as f64;
    let covariance = points.iter().map(|p| (p.x - mx) * (p.y - my)).sum::<f64>() / n;
    let b = covariance / (sx * sx);
    let a = my - b * mx;
    let rest = points.iter().map(|p| (p.y - a - b * p.x).powi(2));
    Line {
        a,
        b,
        sigma: (rest.sum::<f64>() / n).sqrt(),
    }
}

fn newton(points: &[Point], start: Line) -> Option<Line> {
    // (γ, δ₀, δ₁)
    let mut at = Vector3::new(1.0, start.a, start.b) / start.sigma;
    let mut value = likelihood(points, &at);
    for _ in 0..STEPS {
        let (gradient, curvature) = slopes(points, &at);
        let step = curvature.cholesky()?.solve(&gradient);
        let mut length = 1.0;
        let (next, better) = loop {
            let next = at + step * length;
            let better = likelihood(points, &next);
            if better >= value {
                break (next, better);
            }
            length *= 0.5;
            if length < 1e-12 {
                break (at, value);
            }
        };
        let gain = better - value;
        (at, value) = (next, better);
        if at[0] > 1.0 / NO_SCATTER || at.amax() > 1e9 {
            return None;
        }
        if gain <= GAIN * points.len() as f64 {
            return Some(Line {
                a: at[1] / at[0],
                b: at[2] / at[0],
                sigma: 1.0 / at[0],
            });
        }
    }
    None
}

fn residual(p: &Point, at: &Vector3<f64>) -> f64 {
    at[0] * p.y - at[1] - at[2] * p.x
}

fn likelihood(points: &[Point], at: &Vector3<f64>) -> f64 {
    if at[0] <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let each = points.iter().map(|p| {
        let z = residual(p, at);
        if p.observed {
            at[0].ln() - 0.5 * z * z
        } else {
            ln_above(z)
        }
    });
    each.sum()
}

/// Gradient of the log-likelihood and the negative of its second derivatives.
fn slopes(points: &[Point], at: &Vector3<f64>) -> (Vector3<f64>, Matrix3<f64>) {
    let (mut gradient, mut curvature) = (Vector3::zeros(), Matrix3::zeros());
    for p in points {
        let z = residual(p, at);
        // Derivative of the residual by (γ, δ₀, δ₁).
        let v = Vector3::new(p.y, -1.0, -p.x);
        if p.observed {
            gradient -= v * z;
            gradient[0] += 1.0 / at[0];
            curvature += v * v.transpose();
            curvature[(0, 0)] += 1.0 / (at[0] * at[0]);
        } else {
            let m = mills(z);
            gradient -= v * m;
            curvature += v * v.transpose() * (m * (m - z));
        }
    }
    (gradient, curvature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_store::Stream;

    fn simulate(dataset: u64, doses: &[f64], each: usize, limit: f64) -> Vec<Point> {
        let mut noise = vec![0.0; doses.len() * each];
        Stream::new(1, "aft", &[]).fill_normal(dataset, &mut noise);
        let at = doses.iter().flat_map(|d| std::iter::repeat_n(*d, each));
        at.zip(noise)
            .map(|(x, z)| {
                let y = 2.0 - 0.5 * x + 0.3 * f64::from(z);
                Point {
                    x,
                    y: y.min(limit),
                    observed: y < limit,
                }
            })
            .collect()
    }

    #[test]
    fn without_censoring_newton_gives_least_squares() {
        let points = simulate(0, &[0.0, 1.0, 2.0], 8, f64::INFINITY);
        let ols = least_squares(&points);
        let off = Line {
            a: ols.a + 0.4,
            b: ols.b - 0.7,
            sigma: 2.0 * ols.sigma,
        };
        let found = newton(&points, off).unwrap();
        for (f, o) in [(found.a, ols.a), (found.b, ols.b), (found.sigma, ols.sigma)] {
            assert!((f - o).abs() < 1e-6, "{found:?} {ols:?}");
        }
        assert_eq!(
            fit(&points).map(|l| (l.b - ols.b).abs() < 1e-12),
            Some(true)
        );
    }

    #[test]
    fn the_maximum_is_one_by_brute_force() {
        let points = simulate(3, &[0.0, 1.0, 2.0, 3.0], 5, 1.4);
        assert!(points.iter().any(|p| !p.observed));
        let line = fit(&points).unwrap();
        let value = |a: f64, b: f64, s: f64| likelihood(&points, &(Vector3::new(1.0, a, b) / s));
        let best = value(line.a, line.b, line.sigma);
        for (da, db, ds) in [(1e-3, 0.0, 0.0), (0.0, 1e-3, 0.0), (0.0, 0.0, 1e-3)] {
            for sign in [-1.0, 1.0] {
                let (a, b) = (line.a + sign * da, line.b + sign * db);
                assert!(value(a, b, line.sigma + sign * ds) < best);
            }
        }
    }

    #[test]
    fn a_third_of_the_values_hidden_does_not_bias_the_slope() {
        // Of means 2, 1.75 and 1.5 with scatter .3, 63, 31 and 9 % lie above 1.9.
        let slopes: Vec<f64> = (0..400)
            .filter_map(|i| fit(&simulate(i, &[0.0, 0.5, 1.0], 8, 1.9)))
            .map(|l| l.b)
            .collect();
        assert!(slopes.len() == 400);
        let (mean, sd) = spread(slopes.iter().copied());
        // Maximum likelihood is biased by the order of 1/n: allow a tenth of a standard deviation
        // on top of five standard errors. Taking what is hidden for seen would give −.336.
        assert!(
            (mean + 0.5).abs() < 5.0 * sd / 20.0 + 0.1 * sd,
            "{mean} ± {sd}"
        );
        let naive: Vec<f64> = (0..400)
            .map(|i| least_squares(&simulate(i, &[0.0, 0.5, 1.0], 8, 1.9)).b)
            .collect();
        assert!(spread(naive.into_iter()).0 > -0.42);
    }

    #[test]
    fn what_has_no_line_has_none() {
        let at = |x, y, observed| Point { x, y, observed };
        assert_eq!(fit(&[at(0.0, 1.0, true), at(0.0, 2.0, true)]), None);
        assert_eq!(fit(&[at(0.0, 1.0, true), at(1.0, 2.0, false)]), None);
        assert_eq!(fit(&[]), None);
        let level = fit(&[at(0.0, 1.0, true), at(1.0, 1.0, true)]);
        assert_eq!(level.map(|l| l.b), Some(0.0));
    }
}
