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
