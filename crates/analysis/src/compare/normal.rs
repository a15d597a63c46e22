//! The standard normal distribution, as far out in its tail as censored data need it.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// Beyond this, erfc loses digits and then all of them; the asymptotic series has 9 by here.
const FAR: f64 = 12.0;

/// ln of the probability of more than z.
pub(super) fn ln_above(z: f64) -> f64 {
    if z < FAR {
        (0.5 * libm::erfc(z * FRAC_1_SQRT_2)).ln()
    } else {
        -0.5 * z * z - (z * TAU.sqrt()).ln() + tail(z).ln()
    }
}

/// Density at z over the probability of more than z: the expectation of what lies above z.
pub(super) fn mills(z: f64) -> f64 {
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

/// The quantile of p in (0, 1), by bisection.
pub(super) fn quantile(p: f64) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_tabulated_ones() {
        for (p, z) in [(0.5, 0.0), (0.95, 1.644_853_6), (0.025, -1.959_964_0)] {
            assert!((quantile(p) - z).abs() < 1e-6, "{p}");
        }
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
