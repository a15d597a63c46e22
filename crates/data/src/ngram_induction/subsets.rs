//! Random subsets of a fixed size whose members are weighted.

/// The probability that each element belongs to a subset.
///
/// A subset of `m` elements has probability proportional to `exp` of the sum of its members'
/// `log_odds`; −∞ marks an element that cannot be in it. The sums over subsets are elementary
/// symmetric polynomials, found by dynamic programming from both ends in `n · m` operations, in
/// logarithms. `None` if fewer than `m` elements are possible.
pub(crate) fn inclusion(log_odds: &[f64], m: usize) -> Option<Vec<f64>> {
    let n = log_odds.len();
    if m == n {
        return log_odds
            .iter()
            .all(|&l| l > f64::NEG_INFINITY)
            .then(|| vec![1.0; n]);
    }
    let width = m + 1;
    // prefix[i][j]: log of the sum over subsets of j of the first i elements.
    let mut prefix = vec![f64::NEG_INFINITY; (n + 1) * width];
    prefix[0] = 0.0;
    for (i, &odds) in log_odds.iter().enumerate() {
        for j in 0..width {
            let without = prefix[i * width + j];
            let with = if j > 0 {
                prefix[i * width + j - 1] + odds
            } else {
                f64::NEG_INFINITY
            };
            prefix[(i + 1) * width + j] = log_add(without, with);
        }
    }
    let total = prefix[n * width + m];
    if total == f64::NEG_INFINITY {
        return None;
    }
    // suffix[j]: the same over the elements after i.
    let mut suffix = vec![f64::NEG_INFINITY; width];
    suffix[0] = 0.0;
    let mut probabilities = vec![0.0; n];
    for i in (0..n).rev() {
        let others = (0..m)
            .map(|j| prefix[i * width + j] + suffix[m - 1 - j])
            .fold(f64::NEG_INFINITY, log_add);
        probabilities[i] = (others + log_odds[i] - total).exp().min(1.0);
        for j in (1..width).rev() {
            suffix[j] = log_add(suffix[j], suffix[j - 1] + log_odds[i]);
        }
    }
    Some(probabilities)
}

fn log_add(a: f64, b: f64) -> f64 {
    let (more, less) = if a > b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY {
        more
    } else {
        more + (less - more).exp().ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over all subsets, by their bit patterns.
    fn by_enumeration(log_odds: &[f64], m: usize) -> Vec<f64> {
        let mut sums = vec![0.0; log_odds.len()];
        let mut total = 0.0;
        for set in (0u32..1 << log_odds.len()).filter(|set| set.count_ones() as usize == m) {
            let members = |i: &usize| set >> i & 1 == 1;
            let weight: f64 = (0..log_odds.len())
                .filter(members)
                .map(|i| log_odds[i].exp())
                .product();
            total += weight;
            for i in (0..log_odds.len()).filter(members) {
                sums[i] += weight;
            }
        }
        sums.iter().map(|sum| sum / total).collect()
    }

    #[test]
    fn agrees_with_enumeration() {
        let log_odds = [0.3, -2.0, 4.0, f64::NEG_INFINITY, 1.0, -7.5];
        for m in 0..=5 {
            let found = inclusion(&log_odds, m).unwrap();
            for (found, expected) in found.iter().zip(by_enumeration(&log_odds, m)) {
                assert!((found - expected).abs() < 1e-12, "{m}: {found} {expected}");
            }
        }
    }

    #[test]
    fn huge_odds_do_not_overflow() {
        let found = inclusion(&[2000.0, 1990.0, -3000.0], 1).unwrap();
        let second = (-10.0f64).exp() / (1.0 + (-10.0f64).exp());
        assert!((found[1] - second).abs() < 1e-12 && found[2] == 0.0);
    }

    #[test]
    fn too_few_possible_elements_are_none() {
        assert_eq!(inclusion(&[f64::NEG_INFINITY, 0.0], 2), None);
        assert_eq!(
            inclusion(&[f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0], 2),
            None
        );
    }
}
