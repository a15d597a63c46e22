//! Means, quantiles and the normal distribution, as every part of the analysis uses them.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// Beyond this, erfc loses digits and then all of them; the asymptotic series has 9 by here.
const FAR: f64 = 12.0;

/// ln of the probability that a standard normal number is more than z.
pub(crate) fn ln_above(z: f64) -> f64 {
    if z < FAR {
        (0.5 * libm::erfc(z * FRAC_1_SQRT_2)).ln()
    } else {
        -0.5 * z * z - (z * TAU.sqrt()).ln() + tail(z).ln()
    }
}

/// Density at z over the probability of more than z: the expectation of what lies above z.
pub(crate) fn mills(z: f64) -> f64 {
    if z < FAR {
        (-0.5 * z * z).exp() / TAU.sqrt() / (0.5 * libm::erfc(z * FRAC_1_SQRT_2))
    } else {
        z / tail(z)
    }
}

/// z times the probability of more than z over the density at z, by its asymptotic series.
fn tail(z: f64) -> f64 {
    let w = 1.0 / (z * z);
    1.0 - w * (1.0 - 3.0 * w * (1.0 - 5.0 * w * (1.0 - 7.0 * w)))
}

/// The quantile of p in (0, 1) of the standard normal distribution, by bisection.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let middle: f64 = 0.5 * (low + high);
        // Probability below, from the tail that keeps its digits.
        if 0.5 * libm::erfc(-middle * FRAC_1_SQRT_2) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// A quantile of Student's distribution with so many degrees of freedom, 20 at least: the first
/// terms of its expansion about the normal one (Abramowitz & Stegun 26.7.5).
pub(crate) fn student_quantile(p: f64, degrees: usize) -> f64 {
    let z = normal_quantile(p);
    let n = degrees as f64;
    z + (z.powi(3) + z) / (4.0 * n)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
}

/// Mean of some values; NaN of none.
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Unbiased variance.
pub fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

/// Standard error of a mean of independent values; `None` of fewer than two.
pub fn standard_error(x: &[f64]) -> Option<f64> {
    (x.len() > 1).then(|| (variance(x) / x.len() as f64).sqrt())
}

/// Quantile of sorted values, linear between neighbours; `None` of nothing.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_tabulated_ones() {
        for (p, z) in [
            (0.5, 0.0),
            (0.95, 1.644_853_6),
            (0.025, -1.959_964_0),
            (0.999, 3.090_232_3),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-6, "{p}");
        }
        assert!((student_quantile(0.975, 30) - 2.0423).abs() < 1e-3);
        assert!((student_quantile(0.9995, 60) - 3.4602).abs() < 1e-2);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_tail_goes_on_where_erfc_ends() {
        // Both forms at the seam: the series' first neglected term is 945/12¹⁰ = 1.5e-8.
        let (z, near) = (FAR, FAR - 1e-9);
        assert!((ln_above(z) - ln_above(near)).abs() < 5e-8);
        assert!((mills(z) / mills(near) - 1.0).abs() < 5e-8);
        // The derivative of ln Q is minus the Mills ratio.
        for z in [-3.0, 0.0, 2.0, 20.0] {
            let slope = (ln_above(z + 1e-5) - ln_above(z - 1e-5)) / 2e-5;
            assert!((slope + mills(z)).abs() < 1e-6 * (1.0 + z * z), "{z}");
        }
        assert!(ln_above(200.0).is_finite() && mills(200.0) > 200.0);
    }
}
