//! What the detector found, held against what was there.

use serde::Serialize;

use super::super::curve::log_step;
use super::super::outcome::Boundary;
use super::curves::Shown;

/// A count of trials and how many of them came out well, with the 95 % interval of the rate (Wilson
/// 1927).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Rate {
    /// How many did.
    pub hits: usize,
    /// Of how many.
    pub of: usize,
}

impl Rate {
    /// hits/of; NaN of none.
    pub fn share(self) -> f64 {
        self.hits as f64 / self.of as f64
    }

    /// The 95 % interval of the rate; (0, 1) of no trials.
    pub fn interval(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, p, z) = (self.of as f64, self.share(), 1.959_964);
        let scale = 1.0 / (1.0 + z * z / n);
        let centre = scale * (p + z * z / (2.0 * n));
        let half = scale * z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }

    /// Counts one more trial.
    pub fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.of += 1;
    }

    /// Both together.
    pub fn and(self, other: Rate) -> Rate {
        Rate {
            hits: self.hits + other.hits,
            of: self.of + other.of,
        }
    }
}

/// The detector on the curves of one family.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Score {
    /// Curves on which exactly the true number of boundaries was found.
    pub exact: Rate,
    /// Curves on which more were found.
    pub more: Rate,
    /// True boundaries between whose episodes one was found, and those whose interval held it.
    pub held: Rate,
    /// Of boundaries on a plateau without slope: those whose interval has a place on the plateau.
    pub on_plateau: Rate,
    /// Of the same: those whose interval lies within the plateau.
    pub within_plateau: Rate,
    /// Lengths of the intervals on ln(step + 1), sorted.
    #[serde(skip)]
    pub widths: Vec<f64>,
}

impl Score {
    /// Counts one development, of which the views would show this without noise.
    pub fn add(&mut self, shown: &[Shown], found: &[Boundary]) {
        let count = shown.iter().map(|s| s.boundaries.len()).max().unwrap_or(0);
        self.exact.add(found.len() == count);
        self.more.add(found.len() > count);
        for k in 0..count {
            let of = |view: &str| {
                let mut views = shown.iter().filter(|s| s.view == view);
                views.next().and_then(|s| s.boundaries.get(k)).copied()
            };
            // What is true for the view that placed it.
            let own = found.iter().filter_map(|b| {
                let place = of(&b.places.first()?.view)?;
                let (from, to) = place.between;
                let meant = (from..=to).contains(&log_step(b.at));
                meant.then_some((b, place))
            });
            let Some((b, place)) = own.max_by(|a, b| a.0.evidence.total_cmp(&b.0.evidence)) else {
                continue;
            };
            let (lo, hi) = (log_step(b.lo), log_step(b.hi));
            self.held.add((lo..=hi).contains(&place.at));
            if let Some((a, b)) = place.plateau {
                self.on_plateau.add(lo <= b && a <= hi);
                self.within_plateau.add(a <= lo && hi <= b);
            }
            let slot = self.widths.partition_point(|w| *w < hi - lo);
            self.widths.insert(slot, hi - lo);
        }
    }

    /// The middle length of the intervals on ln(step + 1); `None` without any.
    pub fn median_width(&self) -> Option<f64> {
        self.widths.get(self.widths.len() / 2).copied()
    }
}
