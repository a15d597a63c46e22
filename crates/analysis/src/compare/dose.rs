//! How the time of an event depends on a numeric knob.

use std::cmp::Ordering;

use ontogeny_store::Stream;

use super::aft::{Line, Point, fit};
use super::bootstrap::{percentile, resample};
use super::effect::shuffle;
use super::survival::Observation;

/// A fitted line may be missing in this share of resamples; beyond it an interval would only be of
/// the rest.
const MOST_LOST: f64 = 0.05;
/// Places at which the fitted line is drawn.
const DRAWN: usize = 41;

/// The seeds at one value of the knob, their times already on the scale on which the line is
/// straight.
#[derive(Debug, Clone)]
pub struct Group {
    /// The knob's value on the scale on which the line is straight.
    pub x: f64,
    /// ln time, or what stands in its place.
    pub seeds: Vec<Observation>,
}

/// A line with intervals by a bootstrap over the seeds within each value of the knob.
#[derive(Debug, Clone, PartialEq)]
pub struct DoseLine {
    /// The line of greatest likelihood.
    pub line: Line,
    /// Interval of its slope.
    pub slope: (f64, f64),
    /// Places along the knob, and there: the line, and the edges of its pointwise band.
    pub drawn: Vec<(f64, f64, f64, f64)>,
    /// Resamples that had no line of their own.
    pub lost: usize,
}

/// Fits the line; `None` where there is none, or none in more than one of twenty resamples.
pub fn dose_line(
    groups: &[Group],
    resamples: usize,
    level: f64,
    stream: &Stream,
) -> Option<DoseLine> {
    let points = |seeds: &[Vec<Observation>]| -> Vec<Point> {
        let each = groups.iter().zip(seeds).flat_map(|(group, seeds)| {
            seeds.iter().map(|o| Point {
                x: group.x,
                y: o.time,
                observed: o.observed,
            })
        });
        each.collect()
    };
    let own: Vec<Vec<Observation>> = groups.iter().map(|g| g.seeds.clone()).collect();
    let line = fit(&points(&own))?;
    let streams: Vec<Stream> = (0..groups.len() as u64)
        .map(|g| stream.child("seeds", &[g]))
        .collect();
    let lines: Vec<Line> = (0..resamples as u64)
        .filter_map(|b| {
            let drawn: Vec<_> = streams
                .iter()
                .zip(&own)
                .map(|(stream, seeds)| resample(stream, b, seeds))
                .collect();
            fit(&points(&drawn))
        })
        .collect();
    let lost = resamples - lines.len();
    if lost as f64 > MOST_LOST * resamples as f64 {
        return None;
    }
    let slopes: Vec<f64> = lines.iter().map(|l| l.b).collect();
    let ends = groups.iter().map(|g| g.x);
    let (first, last) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| {
        (lo.min(x), hi.max(x))
    });
    let drawn = (0..DRAWN).map(|i| {
        let x = first + (last - first) * i as f64 / (DRAWN - 1) as f64;
        let there: Vec<f64> = lines.iter().map(|l| l.a + l.b * x).collect();
        let (lo, hi) = percentile(&there, level);
        (x, line.a + line.b * x, lo, hi)
    });
    Some(DoseLine {
        line,
        slope: percentile(&slopes, level),
        drawn: drawn.collect(),
        lost,
    })
}

/// Kendall's τ_b between the knob and the times of all seeds, pairs hidden by censoring counted as
/// ties, with the two-sided p-value of exchanging the seeds between the values of the knob. `None`
/// where nothing can be ordered.
pub fn trend(groups: &[Group], permutations: usize, stream: &Stream) -> Option<(f64, f64)> {
    let each = groups
        .iter()
        .flat_map(|g| g.seeds.iter().map(move |o| (g.x, *o)));
    let (mut x, times): (Vec<f64>, Vec<Observation>) = each.unzip();
    let n = times.len();
    let mut order = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            order[i * n + j] = match times[i].order(times[j]) {
                Some(Ordering::Less) => -1.0,
                Some(Ordering::Greater) => 1.0,
                Some(Ordering::Equal) | None => 0.0,
            };
        }
    }
    let sum = |x: &[f64]| -> f64 {
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs
            .map(|(i, j)| sign(x[i] - x[j]) * order[i * n + j])
            .sum()
    };
    let ordered = order.iter().filter(|o| **o != 0.0).count() as f64;
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let apart = pairs.filter(|&(i, j)| sign(x[i] - x[j]) != 0.0).count() as f64;
    if ordered == 0.0 || apart == 0.0 {
        return None;
    }
    let seen = sum(&x);
    let extreme = (0..permutations as u64)
        .filter(|&index| {
            shuffle(stream, index, &mut x);
            sum(&x).abs() >= seen.abs()
        })
        .count();
    let p = (extreme + 1) as f64 / (permutations + 1) as f64;
    Some((seen / (ordered * apart).sqrt(), p))
}

/// −1, 0 or 1.
fn sign(difference: f64) -> f64 {
    match difference.partial_cmp(&0.0) {
        Some(Ordering::Less) => -1.0,
        Some(Ordering::Greater) => 1.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(dataset: u64, limit: f64) -> Vec<Group> {
        let x = [0.0, 0.7, 1.4, 2.1];
        let mut noise = vec![0.0; 32];
        Stream::new(5, "dose", &[]).fill_normal(dataset, &mut noise);
        let each = x.iter().zip(noise.chunks(8)).map(|(&x, noise)| Group {
            x,
            seeds: noise
                .iter()
                .map(|z| {
                    let y = 7.0 - 0.4 * x + 0.25 * f64::from(*z);
                    Observation {
                        time: y.min(limit),
                        observed: y < limit,
                    }
                })
                .collect(),
        });
        each.collect()
    }

    #[test]
    fn the_interval_covers_the_exponent_about_as_often_as_it_says() {
        // Eight seeds at each of four values; at the first, half are censored. Resampling eight
        // values gives 7/8 of their variance, so an interval meant for 90 % reaches 1.645·√(7/8)
        // standard errors, which is 87.6 %. Five binomial standard errors of 300 data sets are 9.5
        // % either way.
        let covered = (0..300)
            .filter_map(|i| dose_line(&groups(i, 7.0), 200, 0.9, &Stream::new(i, "test", &[])))
            .filter(|l| l.slope.0 <= -0.4 && -0.4 <= l.slope.1)
            .count();
        let share = covered as f64 / 300.0;
        assert!((0.781..0.971).contains(&share), "{share}");
    }

    #[test]
    fn tau_of_a_known_case() {
        // One seed for each value: 7 of 10 pairs in order, 3 against.
        let line = |times: &[f64]| -> Vec<Group> {
            let each = times.iter().enumerate().map(|(i, t)| Group {
                x: i as f64,
                seeds: vec![Observation::at(*t)],
            });
            each.collect()
        };
        let (tau, _) = trend(
            &line(&[3.0, 1.0, 2.0, 5.0, 4.0]),
            10,
            &Stream::new(0, "t", &[]),
        )
        .unwrap();
        assert!((tau - 0.4).abs() < 1e-12);
        // In perfect order: only it and its reverse of 720 are as extreme, 1/360.
        let all = line(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let (tau, p) = trend(&all, 20_000, &Stream::new(0, "t", &[])).unwrap();
        // Five standard errors of the count.
        let expected = 1.0 / 360.0;
        assert!(tau == 1.0 && (p - expected).abs() < 5.0 * (expected / 20_000.0_f64).sqrt());
        assert_eq!(
            trend(&line(&[2.0, 2.0]), 10, &Stream::new(0, "t", &[])),
            None
        );
    }

    #[test]
    fn a_trend_among_censored_seeds() {
        let mut all = groups(0, 7.0);
        let stream = Stream::new(0, "t", &[]);
        let (tau, p) = trend(&all, 2000, &stream).unwrap();
        assert!(tau < -0.5 && p < 0.01, "{tau} {p}");
        for group in &mut all {
            for seed in &mut group.seeds {
                *seed = Observation::later_than(9.0);
            }
        }
        assert_eq!(trend(&all, 100, &stream), None);
    }
}
