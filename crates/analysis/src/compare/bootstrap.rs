//! Intervals over seeds: resampling seeds with replacement (Efron 1979).

use ontogeny_store::Stream;
use rand::RngExt;

/// Resample `index` of some observations: as many, drawn with replacement.
pub(super) fn resample<T: Copy>(stream: &Stream, index: u64, of: &[T]) -> Vec<T> {
    let mut rng = stream.at(index);
    (0..of.len())
        .map(|_| of[rng.random_range(0..of.len())])
        .collect()
}

/// The percentile interval of resampled values at a level.
///
/// Values may be infinite. One that is not a number could be anything: it counts as less than all
/// others for the lower end, and as more for the upper, so that what is not determined widens the
/// interval.
pub(super) fn percentile(values: &[f64], level: f64) -> (f64, f64) {
    if values.is_empty() {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    let sorted = |unknown: f64| {
        let known = values.iter().map(|v| if v.is_nan() { unknown } else { *v });
        let mut known: Vec<f64> = known.collect();
        known.sort_by(f64::total_cmp);
        known
    };
    let tail = 0.5 * (1.0 - level) * (values.len() - 1) as f64;
    // Whole ranks, outwards: between a finite and an infinite value there is nothing to
    // interpolate.
    let lo = sorted(f64::NEG_INFINITY)[tail.floor() as usize];
    let hi = sorted(f64::INFINITY)[values.len() - 1 - tail.floor() as usize];
    (lo, hi)
}

/// The mean of some values, and its percentile interval over resamples; a single value has none.
pub(super) fn mean(
    values: &[f64],
    stream: &Stream,
    resamples: usize,
    level: f64,
) -> (f64, Option<(f64, f64)>) {
    let of = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    if values.len() < 2 {
        return (of(values), None);
    }
    let means: Vec<f64> = (0..resamples as u64)
        .map(|b| of(&resample(stream, b, values)))
        .collect();
    (of(values), Some(percentile(&means, level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_the_normal_one() {
        // 200 values 0..199: the standard error of the mean is √((200² − 1)/12/200) = 4.08, and 90
        // % is 1.645 of it.
        let values: Vec<f64> = (0..200).map(f64::from).collect();
        let stream = Stream::new(0, "test", &[]);
        let (mean, interval) = mean(&values, &stream, 4000, 0.9);
        let (lo, hi) = interval.unwrap();
        assert_eq!(mean, 99.5);
        // A quantile of 4000 resamples is known to √(.05·.95/4000)/density = .03 standard errors;
        // five of those.
        assert!((lo - (99.5 - 6.715)).abs() < 0.7, "{lo}");
        assert!((hi - (99.5 + 6.715)).abs() < 0.7, "{hi}");
        assert_eq!(
            super::mean(&values, &stream, 100, 0.9),
            super::mean(&values, &stream, 100, 0.9)
        );
    }

    #[test]
    fn what_is_not_determined_widens_the_interval() {
        let mut values = vec![1.0; 80];
        assert_eq!(percentile(&values, 0.9), (1.0, 1.0));
        values.extend([f64::NAN; 20]);
        assert_eq!(percentile(&values, 0.9), (f64::NEG_INFINITY, f64::INFINITY));
        values.truncate(82);
        assert_eq!(percentile(&values, 0.9), (1.0, 1.0));
    }
}
