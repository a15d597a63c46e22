//! Where a boundary is, and how surely.
//!
//! It is the middle of the valley of the mean speed between its episodes (see the `valley` module).
//! Three things make it unsure.
//!
//! 1. The curve, given its axis and hyper-parameters: the paths of the posterior differ.
//! 2. The noise, which has a part in where the axis is stretched, and so in where the fit is fast.
//!    Paths do not know of it: they are stretched where the fit is. So measurements are simulated
//!    from the fit, and fitted again.
//! 3. What happens between two measurements. A jump lies anywhere between them, while every fit
//!    puts it into their middle.
//!
//! The first two overlap, so the larger counts. In neither do the hyper-parameters vary, and the
//! errors of the fit's own shape are left out. What that takes away is given back by one factor,
//! [`WIDEN`], which was chosen on curves outside the model and is measured on others (the
//! `calibration` module).

use std::f64::consts::FRAC_1_SQRT_2;

use super::valley::Valley;
use super::view::{Candidate, Episode, Motion, Track, integral};
use crate::statistics::quantile;

/// By how much the intervals are widened.
const WIDEN: f64 = 1.5;

/// Share of an episode's change that lies between two neighbouring measurements: up to the first it
/// is resolved by them, from the second on it is a jump between the two.
const ABRUPT: (f64, f64) = (0.15, 0.5);

/// A slow place that stood: x, its interval, the share of paths that show it, and where the mean
/// path is slowest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SlowPlace {
    pub at: f64,
    pub lo: f64,
    pub hi: f64,
    pub evidence: f64,
    pub slowest: f64,
}

impl Candidate {
    /// Where it is on the `mean` track; its interval, of probability `level`, by its paths and by
    /// `simulated` tracks.
    pub fn place(
        &self,
        motion: &Motion,
        mean: &Track,
        simulated: &[Track],
        level: f64,
    ) -> SlowPlace {
        let x = &motion.x;
        let valley = mean.valley(x, &self.left, &self.right);
        let slowest = mean.slowest(x, &self.left, &self.right);
        // A candidate is slow in the mean; should its mean path have no valley all the same, the
        // place is where it is slowest.
        let valley = valley.unwrap_or(Valley {
            from: slowest,
            to: slowest,
        });
        let at = valley.middle();
        let again = simulated.iter();
        let mut again: Vec<f64> = again
            .filter_map(|t| t.middle(x, &self.left, &self.right))
            .collect();
        again.sort_by(f64::total_cmp);
        let left = unresolved(motion, mean, &self.left, valley.from);
        let right = unresolved(motion, mean, &self.right, valley.to);
        // Each edge is uniform over its gap, and the middle is half their sum: a triangle if they
        // are of one length, whose tails end here.
        let gaps = 0.5 * (1.0 - (1.0 - level).sqrt()) * left.hypot(right) * FRAC_1_SQRT_2;
        let tail = 0.5 * (1.0 - level);
        let away = |q: f64| {
            let of = |sorted: &[f64]| Some((quantile(sorted, q)? - quantile(sorted, 0.5)?).abs());
            let drawn = of(&self.middles).unwrap_or(0.0);
            (WIDEN * drawn.max(of(&again).unwrap_or(0.0))).hypot(gaps)
        };
        SlowPlace {
            at,
            lo: at - away(tail),
            hi: at + away(1.0 - tail),
            evidence: self.evidence,
            slowest,
        }
    }
}

/// Length on x within which the edge of an episode cannot be placed: of the gap between the
/// measurements at its sides, if the episode is a jump between two measurements, nothing if it is
/// resolved.
fn unresolved(motion: &Motion, mean: &Track, episode: &Episode, edge: f64) -> f64 {
    let done = integral(&motion.x, &mean.speed);
    let (first, last) = episode.ends;
    let until = |x: f64| {
        let x = x.clamp(motion.x[first], motion.x[last]);
        let i = motion
            .x
            .partition_point(|g| *g <= x)
            .clamp(1, motion.x.len() - 1);
        let share = (x - motion.x[i - 1]) / (motion.x[i] - motion.x[i - 1]);
        done[i - 1] + share * (done[i] - done[i - 1])
    };
    let whole = (done[last] - done[first]).max(f64::MIN_POSITIVE);
    let gaps = motion.measured.windows(2);
    let greatest = gaps.fold(0.0f64, |m, w| m.max((until(w[1]) - until(w[0])) / whole));
    let abrupt = ((greatest - ABRUPT.0) / (ABRUPT.1 - ABRUPT.0)).clamp(0.0, 1.0);
    let next = motion.measured.partition_point(|m| *m <= edge);
    match (next.checked_sub(1), motion.measured.get(next)) {
        (Some(before), Some(after)) => abrupt * (after - motion.measured[before]),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_of_a_jump_lies_anywhere_between_two_measurements_and_a_slow_one_is_resolved() {
        let motion = Motion {
            x: (0..=200).map(|i| 0.1 * f64::from(i)).collect(),
            curves: Vec::new(),
            measured: (0..=20).map(f64::from).collect(),
        };
        let length = |first: f64, last: f64| {
            let inside = |x: &f64| f64::from(u8::from((first..=last).contains(x)));
            let speed: Vec<f64> = motion.x.iter().map(inside).collect();
            let mean = Track {
                along: speed.clone(),
                speed,
            };
            let episode = Episode {
                ends: (0, 200),
                fastest: 35,
                core: 33..38,
                strength: 1.0,
            };
            unresolved(&motion, &mean, &episode, 3.7)
        };
        // All of it between 3 and 4.
        assert!((length(3.3, 3.7) - 1.0).abs() < 1e-9);
        // A tenth of it between any two.
        assert_eq!(length(2.0, 12.0), 0.0);
        let part = length(2.0, 5.0);
        assert!(0.0 < part && part < 1.0, "{part}");
    }
}
