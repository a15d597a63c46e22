//! What the draws say about themselves.
//!
//! Series are `nβ·(L(w) − L(w*))` of the draws that count, one for each living chain, all of one
//! length.

use serde::{Deserialize, Serialize};

use crate::statistics::{mean, standard_error, variance};

/// Figures about the draws behind an estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Split-R̂ (Gelman et al. 2013, Bayesian Data Analysis, section 11.4): near 1 where chains
    /// agree with each other and with themselves.
    pub r_hat: Option<f64>,
    /// Independent draws that would say as much.
    pub effective_draws: Option<f64>,
    /// Monte Carlo standard error: standard deviation of the draws over the root of the effective
    /// ones.
    pub mcse: Option<f64>,
    /// Mean of the later half of the draws minus that of the earlier half.
    pub drift: Option<f64>,
    /// Standard error of the drift, from the chains.
    pub drift_se: Option<f64>,
    /// Share of the draws with a loss below that of w*.
    pub below: Option<f64>,
}

/// A series of more draws is taken as averages over blocks, this many of them at most:
/// autocorrelations at all lags of a long series would cost its square.
const MOST_BLOCKS: usize = 1024;

impl Diagnostics {
    /// Of these series.
    pub fn of(series: &[Vec<f64>]) -> Self {
        let draws = series.first().map_or(0, Vec::len);
        if draws < 4 {
            return Self::default();
        }
        let all = (series.len() * draws) as f64;
        let below = series.iter().flatten().filter(|x| **x < 0.0).count();
        let spread = variance(&series.concat());
        // Averages over blocks have the mean's error and are fewer.
        let block = draws.div_ceil(MOST_BLOCKS);
        let blocks: Vec<Vec<f64>> = series
            .iter()
            .map(|s| s.chunks_exact(block).map(mean).collect())
            .collect();
        let error = effective_draws(&blocks).map(|n| variance(&blocks.concat()) / n);
        let effective = error.map(|error| (spread / error).min(all));
        let (drift, drift_se) = drift(series, effective);
        Self {
            r_hat: split_r_hat(series),
            effective_draws: effective,
            mcse: error.map(f64::sqrt),
            drift: Some(drift),
            drift_se,
            below: Some(below as f64 / all),
        }
    }
}

/// Within and between variance of sequences of one length.
fn within_and_between(series: &[&[f64]]) -> (f64, f64) {
    let n = series[0].len() as f64;
    let within = series.iter().map(|s| variance(s)).sum::<f64>() / series.len() as f64;
    let means: Vec<f64> = series.iter().map(|s| mean(s)).collect();
    let between = if means.len() > 1 {
        n * variance(&means)
    } else {
        0.0
    };
    (within, between)
}

fn split_r_hat(series: &[Vec<f64>]) -> Option<f64> {
    let half = series[0].len() / 2;
    let halves: Vec<&[f64]> = series
        .iter()
        .flat_map(|s| [&s[..half], &s[s.len() - half..]])
        .collect();
    let (within, between) = within_and_between(&halves);
    let n = half as f64;
    (within > 0.0).then(|| (((n - 1.0) / n * within + between / n) / within).sqrt())
}

/// Draws of all chains divided by the autocorrelation time: sums of neighbouring autocorrelations
/// are added up as long as they are positive and fall (Geyer 1992, initial monotone sequence), of
/// the chains together (Gelman et al. 2013, section 11.5).
fn effective_draws(series: &[Vec<f64>]) -> Option<f64> {
    let n = series[0].len();
    let views: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let (within, between) = within_and_between(&views);
    let total = (n as f64 - 1.0) / n as f64 * within + between / n as f64;
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let means: Vec<f64> = series.iter().map(|s| mean(s)).collect();
    let correlation = |lag: usize| {
        let one = |(s, m): (&Vec<f64>, &f64)| {
            let pairs = s[..n - lag].iter().zip(&s[lag..]);
            pairs.map(|(a, b)| (a - m) * (b - m)).sum::<f64>() / n as f64
        };
        let covariance = series.iter().zip(&means).map(one).sum::<f64>() / series.len() as f64;
        1.0 - (within * (n as f64 - 1.0) / n as f64 - covariance) / total
    };
    let (mut time, mut last) = (0.0, f64::INFINITY);
    let mut lag = 0;
    while lag + 1 < n {
        let pair = (correlation(lag) + correlation(lag + 1)).min(last);
        if pair <= 0.0 {
            break;
        }
        time += 2.0 * pair;
        last = pair;
        lag += 2;
    }
    // The sum counts lag 0 twice. Draws that alternate may be worth more than independent ones, but
    // not claimed to be.
    let time = (time - 1.0).max(1.0);
    Some((series.len() * n) as f64 / time)
}

/// Chains from which on their scatter alone tells an error. Fewer may agree by chance.
const ENOUGH_CHAINS: usize = 4;

/// The drift, and its standard error over the chains; with few of them, that of the effective draws
/// if it is larger.
fn drift(series: &[Vec<f64>], effective: Option<f64>) -> (f64, Option<f64>) {
    let half = series[0].len() / 2;
    let own: Vec<f64> = series
        .iter()
        .map(|s| mean(&s[s.len() - half..]) - mean(&s[..half]))
        .collect();
    let among = standard_error(&own);
    if own.len() >= ENOUGH_CHAINS {
        return (mean(&own), among);
    }
    // Two halves with half of the effective draws each.
    let within = effective.map(|n| 2.0 * (variance(&series.concat()) / n).sqrt());
    let error = match (among, within) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    (mean(&own), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_store::Stream;

    /// Autoregressive series `x ← ρx + √(1 − ρ²)·N`, plus a slope.
    fn series(rho: f64, chains: u64, draws: usize, slope: f64) -> Vec<Vec<f64>> {
        (0..chains)
            .map(|c| {
                let mut noise = vec![0.0; draws];
                Stream::new(3, "diagnostics", &[c]).fill_normal(0, &mut noise);
                let mut x = f64::from(noise[0]);
                noise
                    .iter()
                    .enumerate()
                    .map(|(i, &z)| {
                        x = rho * x + (1.0 - rho * rho).sqrt() * f64::from(z);
                        x + slope * i as f64
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn effective_draws_of_an_autoregression() {
        for rho in [0.0, 0.5, 0.9] {
            let (chains, draws) = (8, 4000);
            let d = Diagnostics::of(&series(rho, chains, draws, 0.0));
            let expected = (chains as f64 * draws as f64) * (1.0 - rho) / (1.0 + rho);
            // The estimate of an autocorrelation time over n effective draws scatters by a few
            // times 1/√n.
            let actual = d.effective_draws.unwrap();
            assert!(
                (actual / expected - 1.0).abs() < 0.2,
                "{rho}: {actual} {expected}"
            );
            assert!((d.mcse.unwrap() * expected.sqrt() - 1.0).abs() < 0.2);
            assert!(d.r_hat.unwrap() < 1.05);
            assert!(d.drift.unwrap().abs() < 4.0 * d.drift_se.unwrap());
            assert!((d.below.unwrap() - 0.5).abs() < 0.05);
        }
    }

    #[test]
    fn a_slope_is_drift_and_shows_in_r_hat() {
        let d = Diagnostics::of(&series(0.5, 4, 400, 0.01));
        assert!((d.drift.unwrap() - 2.0).abs() < 0.5, "{:?}", d.drift);
        assert!(d.drift.unwrap() > 4.0 * d.drift_se.unwrap());
        assert!(d.r_hat.unwrap() > 1.2);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(Diagnostics::of(&[]), Diagnostics::default());
        assert_eq!(Diagnostics::of(&[vec![1.0; 3]]), Diagnostics::default());
        let still = Diagnostics::of(&[vec![1.0; 10], vec![1.0; 10]]);
        assert_eq!((still.r_hat, still.mcse), (None, None));
    }
}
