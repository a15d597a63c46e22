//! How much earlier in one arm than in another, and whether chance alone would do.

use std::cmp::Ordering;

use ontogeny_store::Stream;
use rand::RngExt;

use super::bootstrap::{percentile, resample};
use super::survival::{Observation, median};

/// The probability that a seed of the first arm is earlier than one of the second.
///
/// Over all pairs of seeds; equal times, and pairs of which censoring hides the order, count half.
/// Where all runs are equally long it is P(first earlier, by the end) + ½ P(alike, or neither by
/// the end).
pub fn probability_earlier(first: &[Observation], second: &[Observation]) -> f64 {
    let pairs = first.len() * second.len();
    let sum: f64 = first
        .iter()
        .flat_map(|a| second.iter().map(|b| a.order(*b)))
        .map(|order| match order {
            Some(Ordering::Less) => 1.0,
            Some(Ordering::Greater) => 0.0,
            Some(Ordering::Equal) | None => 0.5,
        })
        .sum();
    sum / pairs as f64
}

/// The log-rank statistic (Mantel 1966): (O − E)²/V of the events of the first arm, with the
/// hypergeometric variance.
///
/// `sorted` are the observations of both arms by time, events before censorings, each with whether
/// it is of the first.
fn log_rank(sorted: &[(Observation, bool)]) -> f64 {
    let mut at_risk = sorted.len() as f64;
    let mut of_first = sorted.iter().filter(|(_, first)| *first).count() as f64;
    let (mut difference, mut variance) = (0.0, 0.0);
    for alike in sorted.chunk_by(|a, b| a.0.time.total_cmp(&b.0.time).is_eq()) {
        let events = alike.iter().filter(|(o, _)| o.observed);
        let (mut d, mut d_first) = (0.0, 0.0);
        for (_, first) in events {
            d += 1.0;
            d_first += f64::from(u8::from(*first));
        }
        let share = of_first / at_risk;
        difference += d_first - d * share;
        if at_risk > 1.0 {
            variance += d * share * (1.0 - share) * (at_risk - d) / (at_risk - 1.0);
        }
        at_risk -= alike.len() as f64;
        of_first -= alike.iter().filter(|(_, first)| *first).count() as f64;
    }
    if variance > 0.0 {
        difference * difference / variance
    } else {
        0.0
    }
}

/// The p-value of the log-rank statistic when seeds are exchanged between two arms.
///
/// Over all ways to divide them if these are at most `permutations`, else over so many at random,
/// with the one that was seen among them, so that it is never 0. Times that are all alike give 1.
pub fn log_rank_p(
    first: &[Observation],
    second: &[Observation],
    permutations: usize,
    stream: &Stream,
) -> f64 {
    let first = first.iter().map(|o| (*o, true));
    let mut sorted: Vec<(Observation, bool)> =
        first.chain(second.iter().map(|o| (*o, false))).collect();
    sorted.sort_by(|(a, _), (b, _)| {
        a.time
            .total_cmp(&b.time)
            .then_with(|| b.observed.cmp(&a.observed))
    });
    let n = sorted.len();
    let k = sorted.iter().filter(|(_, first)| *first).count();
    // Equal statistics differ by rounding alone.
    let seen = log_rank(&sorted) * (1.0 - 1e-9);
    if ways(n, k) <= permutations as f64 {
        let (mut extreme, mut all) = (0_u64, 0_u64);
        let mut chosen: Vec<usize> = (0..k).collect();
        loop {
            for item in &mut sorted {
                item.1 = false;
            }
            for &i in &chosen {
                sorted[i].1 = true;
            }
            all += 1;
            extreme += u64::from(log_rank(&sorted) >= seen);
            if !next_choice(&mut chosen, n) {
                return extreme as f64 / all as f64;
            }
        }
    }
    let mut labels: Vec<bool> = (0..n).map(|i| i < k).collect();
    let extreme = (0..permutations as u64)
        .filter(|&index| {
            shuffle(stream, index, &mut labels);
            for (item, label) in sorted.iter_mut().zip(&labels) {
                item.1 = *label;
            }
            log_rank(&sorted) >= seen
        })
        .count();
    (extreme + 1) as f64 / (permutations + 1) as f64
}

/// Brings values into a random order (Fisher and Yates).
pub(super) fn shuffle<T>(stream: &Stream, index: u64, values: &mut [T]) {
    let mut rng = stream.at(index);
    for i in (1..values.len()).rev() {
        values.swap(i, rng.random_range(0..=i));
    }
}

/// Number of ways to choose k of n.
fn ways(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

/// The next ascending choice of numbers below n in lexicographic order; false after the last.
fn next_choice(chosen: &mut [usize], n: usize) -> bool {
    let k = chosen.len();
    let Some(i) = (0..k).rev().find(|&i| chosen[i] < n - k + i) else {
        return false;
    };
    chosen[i] += 1;
    for j in i + 1..k {
        chosen[j] = chosen[j - 1] + 1;
    }
    true
}

/// Holm's (1979) adjustment of p-values for their number, in the order they came in.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max((p[i] * (p.len() - rank) as f64).min(1.0));
        adjusted[i] = least;
    }
    adjusted
}

/// What a bootstrap over the seeds of both arms gives.
pub(super) struct Contrast {
    /// Of the median times: their ratio, or their difference.
    pub medians: (f64, f64, f64),
    /// Of [`probability_earlier`].
    pub earlier: (f64, f64, f64),
}

/// Both contrasts with their intervals `(value, lo, hi)`; `ratio` chooses that of the medians,
/// first over second.
///
/// A median that was not reached is somewhere after the last time of its arm: it enters the lower
/// and the upper end with what is worst for each, and makes the value itself not a number.
pub(super) fn contrast(
    first: &[Observation],
    second: &[Observation],
    ratio: bool,
    resamples: usize,
    level: f64,
    stream: &Stream,
) -> Contrast {
    let last = |all: &[Observation]| all.iter().map(|o| o.time).fold(0.0, f64::max);
    let (end_first, end_second) = (last(first), last(second));
    let of = |a: f64, b: f64| if ratio { a / b } else { a - b };
    // The least and the most that the contrast can be.
    let compared = |a: &mut [Observation], b: &mut [Observation]| {
        let (a, b) = (median(a), median(b));
        (of(a.min(end_first), b), of(a, b.min(end_second)))
    };
    let (one, other) = (stream.child("first", &[]), stream.child("second", &[]));
    let mut least = Vec::with_capacity(resamples);
    let mut most = Vec::with_capacity(resamples);
    let mut earlier = Vec::with_capacity(resamples);
    for b in 0..resamples as u64 {
        let (mut x, mut y) = (resample(&one, b, first), resample(&other, b, second));
        earlier.push(probability_earlier(&x, &y));
        let (low, high) = compared(&mut x, &mut y);
        least.push(low);
        most.push(high);
    }
    let (low, high) = compared(&mut first.to_vec(), &mut second.to_vec());
    let whole = if low.total_cmp(&high).is_eq() {
        low
    } else {
        f64::NAN
    };
    let (lo, hi) = (percentile(&least, level).0, percentile(&most, level).1);
    let (p_lo, p_hi) = percentile(&earlier, level);
    Contrast {
        medians: (whole, lo, hi),
        earlier: (probability_earlier(first, second), p_lo, p_hi),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(times: &[f64]) -> Vec<Observation> {
        times.iter().map(|t| Observation::at(*t)).collect()
    }

    fn sorted(first: &[Observation], second: &[Observation]) -> Vec<(Observation, bool)> {
        let first = first.iter().map(|o| (*o, true));
        let mut all: Vec<_> = first.chain(second.iter().map(|o| (*o, false))).collect();
        all.sort_by(|(a, _), (b, _)| a.time.total_cmp(&b.time));
        all
    }

    #[test]
    fn the_textbook_log_rank() {
        // Remission under placebo, beside the treated patients (Freireich et al. 1963): χ² = 16.79.
        let placebo = at(&[
            1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.0, 8.0, 8.0, 8.0, 8.0, 11.0, 11.0, 12.0,
            12.0, 15.0, 17.0, 22.0, 23.0,
        ]);
        let at6 = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let later = [
            6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0,
        ];
        let mut treated = at(&at6);
        treated.extend(later.map(Observation::later_than));
        let statistic = log_rank(&sorted(&treated, &placebo));
        assert!((statistic - 16.79).abs() < 0.005, "{statistic}");
        let p = log_rank_p(&treated, &placebo, 999, &Stream::new(0, "test", &[]));
        assert!((p - 0.001).abs() < 1e-12, "{p}");
    }

    #[test]
    fn separate_arms_are_the_two_extreme_divisions_of_all() {
        let (a, b) = (at(&[1.0, 2.0, 3.0, 4.0]), at(&[5.0, 6.0, 7.0, 8.0]));
        let p = log_rank_p(&a, &b, 1000, &Stream::new(0, "test", &[]));
        // 70 ways; the least p there is with four beside four.
        assert!((p - 2.0 / 70.0).abs() < 1e-12, "{p}");
        let same = at(&[3.0, 3.0]);
        assert_eq!(
            log_rank_p(&same, &same, 1000, &Stream::new(0, "test", &[])),
            1.0
        );
    }

    #[test]
    fn random_permutations_are_near_all_of_them() {
        let (a, b) = (
            at(&[1.0, 4.0, 3.0, 9.0, 12.0]),
            at(&[5.0, 8.0, 7.0, 10.0, 2.0]),
        );
        let stream = Stream::new(0, "test", &[]);
        let exact = log_rank_p(&a, &b, 252, &stream);
        let random = log_rank_p(&a, &b, 251, &stream);
        // Five standard errors of 251 draws.
        assert!(
            (exact - random).abs() < 5.0 * (exact * (1.0 - exact) / 251.0).sqrt() + 0.004,
            "{exact} {random}"
        );
    }

    #[test]
    fn earlier_with_ties_and_censoring() {
        assert_eq!(
            probability_earlier(&at(&[1.0, 2.0]), &at(&[2.0, 3.0])),
            0.875
        );
        let censored = [Observation::later_than(10.0)];
        assert_eq!(probability_earlier(&at(&[4.0]), &censored), 1.0);
        assert_eq!(probability_earlier(&at(&[12.0]), &censored), 0.5);
        assert_eq!(probability_earlier(&censored, &censored), 0.5);
        // What is known to be later than 10 is later than what came at 4.
        assert_eq!(probability_earlier(&censored, &at(&[4.0])), 0.0);
    }

    #[test]
    fn holm_of_a_known_case() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (a, e) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((a - e).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn contrasts_of_arms_that_differ_by_a_factor() {
        let a = at(&[100.0, 110.0, 90.0, 105.0, 95.0, 102.0, 98.0, 101.0]);
        let b: Vec<_> = a.iter().map(|o| Observation::at(3.0 * o.time)).collect();
        let c = contrast(&a, &b, true, 1000, 0.9, &Stream::new(0, "test", &[]));
        let (ratio, lo, hi) = c.medians;
        assert!((ratio - 1.0 / 3.0).abs() < 1e-12 && lo < ratio && ratio < hi && hi < 0.4);
        assert_eq!(c.earlier, (1.0, 1.0, 1.0));
        let never = [Observation::later_than(500.0); 8];
        let c = contrast(&a, &never, true, 1000, 0.9, &Stream::new(0, "test", &[]));
        // About 100 over something after 500.
        let (ratio, lo, hi) = c.medians;
        assert!(ratio.is_nan() && lo == 0.0 && hi < 0.22, "{:?}", c.medians);
    }
}
