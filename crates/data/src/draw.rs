//! Draws whose mapping from random bits to values is ours, so that no update of a library changes
//! what a seed means.

use rand::Rng;

/// Uniform in [0, 1), a multiple of 2⁻⁵³.
pub(crate) fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Uniform over `0..n` by a widening multiplication (Lemire 2019, without rejection: the bias is
/// below `n · 2⁻⁶⁴`).
pub(crate) fn below(rng: &mut impl Rng, n: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}

/// An index with probability proportional to its weight. The weights are finite, none is
/// negative and one at least is positive.
pub(crate) fn weighted(rng: &mut impl Rng, weights: &[f64]) -> usize {
    let total: f64 = weights.iter().sum();
    let mut left = uniform(rng) * total;
    for (index, &weight) in weights.iter().enumerate() {
        if left < weight {
            return index;
        }
        left -= weight;
    }
    // Rounding may leave a remainder: it belongs to the last index that is possible at all.
    weights.iter().rposition(|&w| w > 0.0).unwrap_or(0)
}

/// Exponential of mean 1 (minus the logarithm of a uniform number), positive and finite.
pub(crate) fn exponential(rng: &mut impl Rng) -> f64 {
    // 1 − u is a multiple of 2⁻⁵³ and not 0. Where it is 1 its logarithm is 0: half of the least
    // value of the others stands for it.
    (-(1.0 - uniform(rng)).ln()).max(0.5 / (1u64 << 53) as f64)
}

/// Standard normal (Box & Muller 1958).
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (2.0 * exponential(rng)).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}

/// Logarithm of a gamma draw of the given shape, which is positive, and scale 1.
///
/// Shapes above 1 are drawn by rejection (Marsaglia & Tsang 2000). Below 1, a draw of shape α is
/// one of shape α + 1 times `u^(1/α)`; its logarithm is finite where the draw itself would be 0.
pub(crate) fn ln_gamma(rng: &mut impl Rng, shape: f64) -> f64 {
    if shape == 1.0 {
        return exponential(rng).ln();
    }
    if shape < 1.0 {
        return ln_gamma(rng, shape + 1.0) - exponential(rng) / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && -exponential(rng) < 0.5 * x * x + d - d * v + d * v.ln() {
            return d.ln() + v.ln();
        }
    }
}

/// A uniformly random subset of `m` of the numbers `0..n`, ascending (partial Fisher–Yates).
pub(crate) fn subset(rng: &mut impl Rng, n: usize, m: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..n).collect();
    if m < n {
        for place in 0..m {
            let other = place + below(rng, (n - place) as u64) as usize;
            numbers.swap(place, other);
        }
        numbers.truncate(m);
        numbers.sort_unstable();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;

    use super::*;

    #[test]
    fn weighted_draws_have_their_frequencies() {
        let weights = [0.5, 0.0, 2.0, 1.5];
        let mut counts = [0u32; 4];
        let mut rng = Stream::new(1, "test", &[]).at(0);
        for _ in 0..40_000 {
            counts[weighted(&mut rng, &weights)] += 1;
        }
        assert_eq!(counts[1], 0);
        // Five standard deviations of a binomial of 40 000 at 1/2 are 500.
        for (count, expected) in counts.iter().zip([5_000.0, 0.0, 20_000.0, 15_000.0]) {
            assert!((f64::from(*count) - expected).abs() < 500.0, "{counts:?}");
        }
    }

    /// Mean and its standard error.
    fn mean(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        (mean, squares.sqrt() / n)
    }

    #[test]
    fn normal_draws_have_their_moments() {
        let mut rng = Stream::new(4, "test", &[]).at(0);
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            let powers: Vec<f64> = draws.iter().map(|x| x.powi(power)).collect();
            let (found, error) = mean(&powers);
            assert!((found - expected).abs() < 5.0 * error, "{power}: {found}");
        }
    }

    #[test]
    fn gamma_draws_have_their_moments() {
        // Shape, and the mean of the logarithm: the digamma function of it.
        for (place, (shape, digamma)) in [
            (0.01, -100.560_885_457_869),
            (0.3, -3.502_524_222_200),
            (1.0, -0.577_215_664_902),
            (2.5, 0.703_156_640_645),
            (40.0, 3.676_327_374_035),
        ]
        .into_iter()
        .enumerate()
        {
            let mut rng = Stream::new(5, "test", &[]).at(place as u64);
            let logs: Vec<f64> = (0..100_000).map(|_| ln_gamma(&mut rng, shape)).collect();
            assert!(logs.iter().all(|l| l.is_finite()));
            let draws: Vec<f64> = logs.iter().map(|l| l.exp()).collect();
            let squares: Vec<f64> = draws.iter().map(|x| x * x).collect();
            for (values, expected) in [
                (&logs, digamma),
                (&draws, shape),
                (&squares, shape * (shape + 1.0)),
            ] {
                let (found, error) = mean(values);
                assert!(
                    (found - expected).abs() < 5.0 * error,
                    "{shape}: {found} ± {error}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn subsets_are_uniform() {
        let mut counts = std::collections::BTreeMap::new();
        let mut rng = Stream::new(2, "test", &[]).at(0);
        for _ in 0..30_000 {
            *counts.entry(subset(&mut rng, 4, 2)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 5000 each; five standard deviations are 323.
        assert!(
            counts.values().all(|c| c.abs_diff(5_000) < 323),
            "{counts:?}"
        );
        assert_eq!(subset(&mut rng, 3, 3), [0, 1, 2]);
    }

    #[test]
    fn below_reaches_both_ends() {
        let mut rng = Stream::new(3, "test", &[]).at(0);
        let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| below(&mut rng, 3)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
