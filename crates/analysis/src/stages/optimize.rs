//! Maximising a smooth function of a few variables: BFGS with a backtracking line search.
//!
//! The marginal likelihood of a Gaussian process has three or four hyper-parameters and a gradient
//! that costs as much as its value, so a quasi-Newton ascent from a handful of fixed starts is
//! quick and gives the same answer each time.

/// The best point found by ascents from each of `starts`, with its value; `None` if no start has a
/// finite value.
///
/// `f` returns the value and its gradient, or `None` where it is not defined (a step that leads
/// there is shortened).
pub(super) fn maximise<const N: usize>(
    starts: &[[f64; N]],
    f: impl Fn(&[f64; N]) -> Option<(f64, [f64; N])>,
) -> Option<([f64; N], f64)> {
    let mut best: Option<([f64; N], f64)> = None;
    for start in starts {
        if let Some((x, value)) = ascend(*start, &f)
            && best.is_none_or(|(_, b)| value > b)
        {
            best = Some((x, value));
        }
    }
    best
}

/// Steps of one ascent at most: far more than three or four smooth variables take.
const MAX_STEPS: usize = 60;
/// Longest step, in log units of a hyper-parameter.
const MAX_MOVE: f64 = 2.0;
/// Gain below which an ascent has arrived, in nats of log-likelihood.
const ARRIVED: f64 = 1e-3;

fn ascend<const N: usize>(
    mut x: [f64; N],
    f: &impl Fn(&[f64; N]) -> Option<(f64, [f64; N])>,
) -> Option<([f64; N], f64)> {
    let (mut value, mut gradient) = f(&x)?;
    let mut inverse = identity::<N>();
    for step in 0..MAX_STEPS {
        let mut direction = apply(&inverse, &gradient);
        let mut slope = dot(&direction, &gradient);
        if slope <= 0.0 || !slope.is_finite() {
            inverse = identity();
            direction = gradient;
            slope = dot(&gradient, &gradient);
        }
        let longest = direction.iter().fold(0.0f64, |m, d| m.max(d.abs()));
        if longest == 0.0 || !longest.is_finite() {
            break;
        }
        // The first direction is the bare gradient, whose length means nothing: take at most half a
        // unit.
        let cap = if step == 0 { 0.5 } else { MAX_MOVE };
        let mut scale = (cap / longest).min(1.0);
        let mut found = None;
        for _ in 0..25 {
            let trial: [f64; N] = std::array::from_fn(|i| x[i] + scale * direction[i]);
            if let Some((v, g)) = f(&trial)
                && v >= value + 1e-4 * scale * slope
            {
                found = Some((trial, v, g));
                break;
            }
            scale *= 0.5;
        }
        let Some((next, next_value, next_gradient)) = found else {
            break;
        };
        let moved: [f64; N] = std::array::from_fn(|i| next[i] - x[i]);
        // Signs turned: BFGS is written for descent of −f.
        let bent: [f64; N] = std::array::from_fn(|i| gradient[i] - next_gradient[i]);
        update(&mut inverse, &moved, &bent);
        let gain = next_value - value;
        (x, value, gradient) = (next, next_value, next_gradient);
        if gain < ARRIVED {
            break;
        }
    }
    value.is_finite().then_some((x, value))
}

/// BFGS update of the inverse Hessian of −f; left out where the curvature along the step is not
/// positive.
fn update<const N: usize>(inverse: &mut [[f64; N]; N], s: &[f64; N], y: &[f64; N]) {
    let sy = dot(s, y);
    if sy <= 1e-12 {
        return;
    }
    let hy = apply(inverse, y);
    let yhy = dot(y, &hy);
    for i in 0..N {
        for j in 0..N {
            inverse[i][j] +=
                (1.0 + yhy / sy) * s[i] * s[j] / sy - (hy[i] * s[j] + s[i] * hy[j]) / sy;
        }
    }
}

fn identity<const N: usize>() -> [[f64; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { 0.0 }))
}

fn apply<const N: usize>(m: &[[f64; N]; N], v: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| dot(&m[i], v))
}

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_top_of_a_bent_valley() {
        // −Rosenbrock, top at (1, 1).
        let (x, value) = maximise(&[[-1.2, 1.0], [0.0, 0.0]], |&[a, b]| {
            let (u, w) = (1.0 - a, b - a * a);
            Some((-(u * u + 20.0 * w * w), [2.0 * u + 80.0 * a * w, -40.0 * w]))
        })
        .unwrap();
        assert!(
            (x[0] - 1.0).abs() < 0.02 && (x[1] - 1.0).abs() < 0.04,
            "{x:?}"
        );
        assert!(value > -1e-3);
    }

    #[test]
    fn an_undefined_region_is_avoided_and_an_undefined_start_skipped() {
        // log x − x, defined for x > 0 only, top at 1.
        let f = |&[x]: &[f64; 1]| (x > 0.0).then(|| (x.ln() - x, [1.0 / x - 1.0]));
        let (x, _) = maximise(&[[-1.0], [6.0]], f).unwrap();
        assert!((x[0] - 1.0).abs() < 1e-2, "{x:?}");
        assert!(maximise(&[[-1.0]], f).is_none());
    }
}
