//! When something happened in how many seeds, where a run may have ended before it did.

use ontogeny_results::compare::Survival;
use serde::{Deserialize, Serialize};

use crate::statistics::normal_quantile;

/// When an event happened, or how long it was waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When it happened; if it did not, when the run ended (right-censored).
    pub time: f64,
    /// Whether it happened.
    pub observed: bool,
}

impl Observation {
    /// It happened.
    pub fn at(time: f64) -> Self {
        Self {
            time,
            observed: true,
        }
    }

    /// It had not happened when the run ended.
    pub fn later_than(time: f64) -> Self {
        Self {
            time,
            observed: false,
        }
    }

    /// Whether it is known to have happened before another did (`Less`), after it (`Greater`) or at
    /// the same time; `None` where censoring hides which.
    pub(super) fn order(self, other: Self) -> Option<std::cmp::Ordering> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = self.time.total_cmp(&other.time);
        match (self.observed, other.observed) {
            (true, true) => Some(order),
            // What is censored at the very time of an event happens after it.
            (true, false) => (order != Greater).then_some(Less),
            (false, true) => (order != Less).then_some(Greater),
            // Two that were waited for equally long are alike as far as anyone saw.
            (false, false) => (order == Equal).then_some(Equal),
        }
    }
}

/// The product-limit estimate of the share that an event has not happened to, with its pointwise
/// band at a level: Greenwood's variance on the scale of ln(−ln S), which keeps the band between 0
/// and 1.
///
/// Where the share is 0 that scale ends: the band there reaches from 0 to the upper edge before
/// it.
pub fn kaplan_meier(observations: &[Observation], level: f64) -> Survival {
    let mut sorted = observations.to_vec();
    sorted.sort_by(|a, b| a.time.total_cmp(&b.time));
    let z = normal_quantile(0.5 * (1.0 + level));
    let mut found = Survival {
        times: Vec::new(),
        share: Vec::new(),
        lo: Vec::new(),
        hi: Vec::new(),
        censored: Vec::new(),
    };
    let (mut share, mut sum, mut at_risk) = (1.0_f64, 0.0, sorted.len() as f64);
    let mut upper = 1.0;
    for alike in sorted.chunk_by(|a, b| a.time.total_cmp(&b.time).is_eq()) {
        let events = alike.iter().filter(|o| o.observed).count() as f64;
        let time = alike[0].time;
        found
            .censored
            .extend(alike.iter().filter(|o| !o.observed).map(|_| time));
        if events > 0.0 {
            share *= 1.0 - events / at_risk;
            sum += events / (at_risk * (at_risk - events));
            let (lo, hi) = if share > Survival::ROUNDING {
                let wide = z * sum.sqrt() / share.ln().abs();
                (share.powf(wide.exp()), share.powf((-wide).exp()))
            } else {
                share = 0.0;
                (0.0, upper)
            };
            upper = hi;
            found.times.push(time);
            found.share.push(share);
            found.lo.push(lo);
            found.hi.push(hi);
        }
        at_risk -= alike.len() as f64;
    }
    found
}

/// The median by [`Survival::median`], without the band: what a bootstrap asks for thousands of
/// times.
pub(super) fn median(observations: &mut [Observation]) -> f64 {
    // At equal times events come before censorings, as in the definition.
    observations.sort_by(|a, b| {
        a.time
            .total_cmp(&b.time)
            .then_with(|| b.observed.cmp(&a.observed))
    });
    let n = observations.len();
    let mut share = 1.0;
    let mut reached: Option<(f64, bool)> = None;
    for (i, o) in observations.iter().enumerate().filter(|(_, o)| o.observed) {
        if let Some((at, exactly)) = reached
            && o.time.total_cmp(&at).is_gt()
        {
            return if exactly { 0.5 * (at + o.time) } else { at };
        }
        share *= 1.0 - 1.0 / (n - i) as f64;
        if share <= 0.5 + Survival::ROUNDING {
            reached = Some((o.time, share >= 0.5 - Survival::ROUNDING));
        }
    }
    reached.map_or(f64::INFINITY, |(at, _)| at)
}

/// Wilson's interval for a share of which `k` of `n` were seen (1927).
pub fn wilson(k: usize, n: usize, level: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let z = normal_quantile(0.5 * (1.0 + level));
    let (k, n) = (k as f64, n as f64);
    let p = k / n;
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of remission of 21 patients under 6-mercaptopurine (Freireich et al. 1963), the usual
    /// example.
    pub(in crate::compare) fn treated() -> Vec<Observation> {
        let at = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let later = [
            6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0,
        ];
        let at = at.into_iter().map(Observation::at);
        at.chain(later.into_iter().map(Observation::later_than))
            .collect()
    }

    #[test]
    fn the_textbook_curve() {
        let found = kaplan_meier(&treated(), 0.95);
        assert_eq!(found.times, [6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0]);
        // Products of (1 − d/n): 18/21, 16/17, 14/15, 11/12, 10/11, 6/7, 5/6.
        let expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482];
        for (s, e) in found.share.iter().zip(expected) {
            assert!((s - e).abs() < 5e-5, "{s} {e}");
        }
        assert_eq!(found.median(), 23.0);
        // Greenwood at 6: .8571² · 3/(21·18) = .0764², on the scale of ln(−ln S).
        let wide: f64 = 1.959_964 * (3.0_f64 / (21.0 * 18.0)).sqrt() / (18.0_f64 / 21.0).ln().abs();
        let expected = (18.0_f64 / 21.0).powf(wide.exp());
        assert!((found.lo[0] - expected).abs() < 1e-6);
        assert!(found.lo.iter().zip(&found.hi).all(|(lo, hi)| lo <= hi));
        assert_eq!(found.censored.len(), 12);
    }

    #[test]
    fn without_censoring_it_is_the_share_that_is_left_and_the_ordinary_median() {
        let times = [5.0, 1.0, 4.0, 2.0];
        let found = kaplan_meier(&times.map(Observation::at), 0.9);
        for (s, e) in found.share.iter().zip([0.75, 0.5, 0.25, 0.0]) {
            assert!((s - e).abs() < 1e-12);
        }
        assert_eq!(found.median(), 3.0);
        let never = [Observation::later_than(3.0); 3];
        assert_eq!(kaplan_meier(&never, 0.9).median(), f64::INFINITY);
    }

    #[test]
    fn both_ways_to_a_median_agree() {
        // Every pattern of censoring over eight times with ties.
        for mask in 0..256_u32 {
            let all: Vec<_> = [1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 7.0, 7.0]
                .into_iter()
                .enumerate()
                .map(|(i, time)| Observation {
                    time,
                    observed: mask >> i & 1 == 1,
                })
                .collect();
            let curve = kaplan_meier(&all, 0.9).median();
            assert_eq!(median(&mut all.clone()), curve, "{mask:b}");
        }
    }

    #[test]
    fn wilson_of_a_known_case() {
        // 8 of 10 at 95 %: .4902 to .9433.
        let (lo, hi) = wilson(8, 10, 0.95);
        assert!((lo - 0.4902).abs() < 1e-4 && (hi - 0.9433).abs() < 1e-4);
        let (lo, hi) = wilson(0, 8, 0.9);
        // Nothing of n: from 0 to z²/(n + z²).
        let z2 = 1.644_853_6_f64.powi(2);
        assert!(lo == 0.0 && (hi - z2 / (8.0 + z2)).abs() < 1e-6);
    }
}
