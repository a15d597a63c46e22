//! Hyper-parameters of a curve's covariance and noise, and their priors.

/// ln s², ln ℓ, w of the kernel; then of the noise: ln σ², its own parameter (ln κ where errors are
/// known, b where not), the logit of the shared share ρ, and ln r.
pub(super) type Theta = [f64; 7];

/// Where the noise begins among them.
pub(super) const NOISE: usize = 3;

/// Means and standard deviations of the normal priors; that of logit ρ is of errors that are
/// shared, see [`INDEPENDENT`].
const PRIORS: [(f64, f64); 7] = [
    (0.0, 2.0),
    (0.0, 1.0),
    (0.0, 1.0),
    (-5.0, 3.0),
    (0.0, 2.0),
    (1.5, 0.7),
    (-0.5, 0.3),
];

/// logit ρ of errors that are independent, a twentieth of whose variance is shared. Errors are as
/// likely of this kind as shared ones: a single broad prior puts most curves between the two, and
/// takes some noise that is independent for curves, some curves for shared noise.
const INDEPENDENT: (f64, f64) = (-3.0, 1.0);

/// Where the ascents start: from abrupt changes with little noise to slow ones with much, of either
/// kind.
pub(super) const STARTS: [Theta; 6] = [
    [0.0, -0.5, 0.7, -7.0, 0.0, -3.0, -0.6],
    [0.0, -0.9, 0.0, -5.0, 0.0, 1.0, -0.6],
    [0.0, 0.2, 0.0, -4.5, 0.0, -3.0, -0.6],
    [0.0, 0.2, 0.0, -4.5, 0.0, 1.0, -0.6],
    [-0.5, 1.0, 0.0, -1.5, 0.0, -3.0, -0.6],
    [-0.5, 1.0, 0.0, -1.5, 0.0, 1.0, -0.6],
];

/// Where those of a constant with noise start.
pub(super) const FLAT_STARTS: [[f64; 4]; 2] = [[0.0, 0.0, -3.0, -0.6], [0.0, 0.0, 1.5, -0.6]];

/// Beyond this no hyper-parameter is of use, and exponentials would overflow.
pub(super) const WIDEST: f64 = 25.0;

/// Those of the noise.
pub(super) fn noise_of(theta: &Theta) -> [f64; 4] {
    [theta[3], theta[4], theta[5], theta[6]]
}

/// Adds the log priors of the last `N` hyper-parameters to a log-likelihood; `traces` is twice its
/// gradient. `None` where the result is not finite.
pub(super) fn with_priors<const N: usize>(
    likelihood: f64,
    theta: &[f64; N],
    traces: [f64; N],
) -> Option<(f64, [f64; N])> {
    let mut value = likelihood;
    let mut gradient = [0.0; N];
    for i in 0..N {
        let prior = PRIORS[PRIORS.len() - N + i];
        let (log, slope) = match N - i {
            2 => either(theta[i], prior, INDEPENDENT),
            _ => normal(theta[i], prior),
        };
        value += log;
        gradient[i] = 0.5 * traces[i] + slope;
    }
    value.is_finite().then_some((value, gradient))
}

/// Logarithm of a normal density, up to a constant, and its derivative.
fn normal(x: f64, (mean, sd): (f64, f64)) -> (f64, f64) {
    let z = (x - mean) / sd;
    (-0.5 * z * z, -z / sd)
}

/// The same of the mean of two, each with its own normalisation.
fn either(x: f64, a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let ((la, sa), (lb, sb)) = (normal(x, a), normal(x, b));
    let (la, lb) = (la - a.1.ln(), lb - b.1.ln());
    let top = la.max(lb);
    let (pa, pb) = ((la - top).exp(), (lb - top).exp());
    let all = pa + pb;
    (top + (0.5 * all).ln(), (pa * sa + pb * sb) / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_the_priors_is_theirs_and_either_kind_of_noise_has_its_own_peak() {
        for at in [-6.0, -3.0, -1.0, 0.4, 1.25, 5.0] {
            let mut theta = [0.3; 7];
            theta[5] = at;
            let (_, gradient) = with_priors(0.0, &theta, [0.0; 7]).unwrap();
            for i in 0..7 {
                let value = |d: f64| {
                    let mut moved = theta;
                    moved[i] += d;
                    with_priors(0.0, &moved, [0.0; 7]).unwrap().0
                };
                let numeric = (value(1e-6) - value(-1e-6)) / 2e-6;
                assert!((gradient[i] - numeric).abs() < 1e-6, "{i} at {at}");
            }
        }
        let of = |logit: f64| {
            with_priors(0.0, &[-5.0, 0.0, logit, -0.6], [0.0; 4])
                .unwrap()
                .0
        };
        assert!(of(-3.0) > of(-1.0) && of(1.25) > of(-1.0));
    }
}
