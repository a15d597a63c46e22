//! Slow places of one view: candidates from the posterior mean of the speed, weeded by the paths of
//! its posterior. Where they are is said by the `place` module.
//!
//! The speed of a view is that of its fastest curve, each curve in units of its own greatest speed:
//! between two episodes everything is slow. The posterior mean has a local minimum of this speed
//! wherever anything wiggles. Such a candidate lies between two episodes, and stands if
//!
//! 1. each episode has measurements of its own, and over each some curve changes by at least
//!    `least_change` of its range and by `sure_change` posterior standard deviations. Candidates
//!    stand where the curve happens to wiggle most, so that two standard deviations, which chance
//!    reaches in one wiggle of twenty, would let noise through;
//! 2. at least a share `evidence` of the posterior paths slows down between the episodes to
//!    `slowdown` times the speed of the slower one. A path's speed in an episode is its mean
//!    velocity, in the direction of the mean path, about that path's fastest place in the episode,
//!    where it is nearly as fast: the same places and directions for all paths, so that a path
//!    which merely wiggles somewhere gains nothing by it.
//!
//! Candidates fall one at a time, the weakest first, and the episodes on its sides become one: two
//! bumps with no evidence between them may together be the clear other side of a third boundary.

use std::ops::Range;

use super::valley::Valley;
use crate::statistics::mean;

/// Velocities of a view on an even grid of x.
pub(super) struct Motion {
    /// The grid.
    pub x: Vec<f64>,
    /// The curves that move.
    pub curves: Vec<Mover>,
    /// Abscissae of the measurements behind it, sorted.
    pub measured: Vec<f64>,
}

/// One curve of a view.
pub(super) struct Mover {
    /// Mean velocity at each place, in units of its greatest.
    pub mean: Vec<f64>,
    /// Velocity of each path in the same units, `[path][place]`.
    pub paths: Vec<Vec<f64>>,
    /// How far each path has come since the first place, in shares of the curve's range,
    /// `[path][place]`; where only a fall counts, a fall is positive and a rise negative.
    pub change: Vec<Vec<f64>>,
    /// Whether only a fall counts as change.
    pub falling: bool,
}

/// What a candidate has to show.
pub(super) struct Bar {
    pub evidence: f64,
    pub slowdown: f64,
    pub least_change: f64,
    pub sure_change: f64,
}

/// What is slow in a view.
pub(super) struct Found {
    /// The slow places that pass the bar, by x.
    pub candidates: Vec<Candidate>,
    /// The view along its mean path.
    pub mean: Track,
    leaders: Vec<Leader>,
}

impl Found {
    /// The view along other paths, `[curve][path][place]`.
    pub fn tracks(&self, curves: &[Vec<Vec<f64>>]) -> Vec<Track> {
        let curves: Vec<&Vec<Vec<f64>>> = curves.iter().collect();
        Track::all(&self.leaders, &curves)
    }
}

/// Looks for the slow places of `motion` that pass the bar.
pub(super) fn slow_places(motion: &Motion, bar: &Bar) -> Found {
    let tracks = Tracks::new(motion);
    let mut candidates = tracks.minima();
    let candidates = loop {
        let mut edges = vec![0];
        edges.extend(&candidates);
        edges.push(motion.x.len() - 1);
        let episodes: Vec<Episode> = edges
            .windows(2)
            .map(|w| tracks.episode(motion, bar, w[0], w[1]))
            .collect();
        let weighed: Vec<Candidate> = episodes
            .windows(2)
            .map(|e| tracks.weigh(motion, bar, &e[0], &e[1]))
            .collect();
        let weakest = (0..weighed.len())
            .filter(|&k| weighed[k].evidence < bar.evidence)
            .min_by(|&a, &b| weighed[a].order(&weighed[b]));
        match weakest {
            Some(k) => candidates.remove(k),
            None => break weighed,
        };
    };
    Found {
        candidates,
        mean: tracks.mean,
        leaders: tracks.leaders,
    }
}

/// Fewest measurements in an episode, and between the fastest places of two: two make one
/// difference, and a curve through it says nothing of its own.
const LEAST_SEEN: usize = 3;

/// Share of an episode's greatest mean speed from which a place belongs to its core: a sigmoid
/// makes the middle half of its change where it is at least three quarters as fast as in its
/// middle.
const FAST: f64 = 0.75;

/// The stretch between two neighbouring candidates.
#[derive(Clone)]
pub(super) struct Episode {
    /// Its first and last place.
    pub ends: (usize, usize),
    /// Where the mean path is fastest.
    pub fastest: usize,
    /// The stretch about it where it is nearly as fast.
    pub core: Range<usize>,
    /// Its surest change, in units of what the bar asks for: enough from 1 on.
    pub strength: f64,
}

/// A slow place with the episodes at its sides and what speaks for it.
pub(super) struct Candidate {
    pub left: Episode,
    pub right: Episode,
    /// Share of the paths that show it.
    pub evidence: f64,
    /// Where those put it, sorted.
    pub middles: Vec<f64>,
    weaker: f64,
    stronger: f64,
}

impl Candidate {
    /// By evidence, then by the weaker and by the stronger of its episodes: of several candidates
    /// without evidence the one between two wiggles falls before the one between a wiggle and a
    /// real change.
    fn order(&self, other: &Candidate) -> std::cmp::Ordering {
        self.evidence
            .total_cmp(&other.evidence)
            .then(self.weaker.total_cmp(&other.weaker))
            .then(self.stronger.total_cmp(&other.stronger))
    }
}

/// A view along one path.
pub(super) struct Track {
    /// Its speed at each place.
    pub speed: Vec<f64>,
    /// Its velocity in the direction of the mean path.
    pub along: Vec<f64>,
}

/// The curve that is fastest in the mean at one place, and the sign of its velocity.
type Leader = (usize, f64);

/// A view along its mean path and along each drawn one.
struct Tracks {
    leaders: Vec<Leader>,
    mean: Track,
    paths: Vec<Track>,
}

impl Tracks {
    fn new(motion: &Motion) -> Tracks {
        let leader = |g: usize| {
            let speed = |c: &usize| motion.curves[*c].mean[g].abs();
            let fastest = (0..motion.curves.len()).max_by(|a, b| speed(a).total_cmp(&speed(b)));
            let fastest = fastest.unwrap_or(0);
            (fastest, motion.curves[fastest].mean[g].signum())
        };
        let leaders: Vec<Leader> = (0..motion.x.len()).map(leader).collect();
        let mean: Vec<&Vec<f64>> = motion.curves.iter().map(|c| &c.mean).collect();
        let mean = Track::of(&leaders, &mean);
        let paths: Vec<&Vec<Vec<f64>>> = motion.curves.iter().map(|c| &c.paths).collect();
        Tracks {
            paths: Track::all(&leaders, &paths),
            leaders,
            mean,
        }
    }

    /// Places of local minima of the mean speed, ends left out.
    fn minima(&self) -> Vec<usize> {
        let v = &self.mean.speed;
        (1..v.len().saturating_sub(1))
            .filter(|&g| v[g] < v[g - 1] && v[g] <= v[g + 1])
            .collect()
    }

    fn episode(&self, motion: &Motion, bar: &Bar, from: usize, to: usize) -> Episode {
        let fastest = (from..=to)
            .max_by(|&a, &b| self.mean.speed[a].total_cmp(&self.mean.speed[b]))
            .unwrap_or(from);
        // The stretch about the fastest place where the mean path is nearly as fast.
        let fast = |g: &usize| self.mean.speed[*g] >= FAST * self.mean.speed[fastest];
        let begun = (from..=fastest).rev().take_while(fast).last();
        let ended = (fastest..=to).take_while(fast).last();
        let seen = measured_in(motion, from, to) >= LEAST_SEEN;
        let surest = motion
            .curves
            .iter()
            .fold(0.0f64, |s, c| s.max(c.strength(bar, from, to)));
        Episode {
            ends: (from, to),
            fastest,
            core: begun.unwrap_or(fastest)..ended.unwrap_or(fastest) + 1,
            strength: if seen { surest } else { 0.0 },
        }
    }

    /// Evidence for the candidate between two episodes, and where the paths that show it have it.
    fn weigh(&self, motion: &Motion, bar: &Bar, left: &Episode, right: &Episode) -> Candidate {
        // A slow place between two measurements is nothing but the way a smooth curve turns a
        // corner.
        let seen = measured_in(motion, left.fastest, right.fastest) >= LEAST_SEEN;
        let weaker = if seen {
            left.strength.min(right.strength)
        } else {
            0.0
        };
        let mut middles = Vec::new();
        if weaker >= 1.0 {
            for path in &self.paths {
                let least = path.least(left, right);
                if least <= bar.slowdown * path.pace(left, right) {
                    middles.extend(path.middle(&motion.x, left, right));
                }
            }
        }
        middles.sort_by(f64::total_cmp);
        Candidate {
            evidence: middles.len() as f64 / self.paths.len().max(1) as f64,
            middles,
            weaker,
            stronger: left.strength.max(right.strength),
            left: left.clone(),
            right: right.clone(),
        }
    }
}

impl Track {
    /// Along one path of each curve, whose velocities are `curves`.
    fn of(leaders: &[Leader], curves: &[&Vec<f64>]) -> Track {
        let top = |g: usize| curves.iter().fold(0.0f64, |m, c| m.max(c[g].abs()));
        let forward = |(g, &(leader, sign)): (usize, &Leader)| sign * curves[leader][g];
        Track {
            speed: (0..leaders.len()).map(top).collect(),
            along: leaders.iter().enumerate().map(forward).collect(),
        }
    }

    /// The same of every path, `[curve][path][place]`.
    fn all(leaders: &[Leader], curves: &[&Vec<Vec<f64>>]) -> Vec<Track> {
        let count = curves.iter().map(|c| c.len()).min().unwrap_or(0);
        let of = |i: usize| {
            let curves: Vec<&Vec<f64>> = curves.iter().map(|c| &c[i]).collect();
            Track::of(leaders, &curves)
        };
        (0..count).map(of).collect()
    }

    /// The speed of the slower of two episodes.
    fn pace(&self, left: &Episode, right: &Episode) -> f64 {
        mean(&self.along[left.core.clone()]).min(mean(&self.along[right.core.clone()]))
    }

    /// The least speed between them.
    fn least(&self, left: &Episode, right: &Episode) -> f64 {
        let between = &self.speed[left.fastest..=right.fastest];
        between.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Where it is slowest between them: the vertex of the parabola through the squared speeds at
    /// the slowest place and its neighbours, which is exact where a slope goes through zero in a
    /// straight line.
    pub fn slowest(&self, x: &[f64], left: &Episode, right: &Episode) -> f64 {
        let between = left.fastest..=right.fastest;
        let g = between.min_by(|&a, &b| self.speed[a].total_cmp(&self.speed[b]));
        let g = g.unwrap_or(left.fastest);
        if g == 0 || g + 1 >= x.len() {
            return x[g];
        }
        let [a, b, c] = [g - 1, g, g + 1].map(|i| self.speed[i] * self.speed[i]);
        let bend = a - 2.0 * b + c;
        let shift = if bend > 0.0 {
            0.5 * (a - c) / bend
        } else {
            0.0
        };
        x[g] + shift.clamp(-1.0, 1.0) * (x[g + 1] - x[g])
    }

    /// The valley between them.
    pub fn valley(&self, x: &[f64], left: &Episode, right: &Episode) -> Option<Valley> {
        let between = left.fastest..=right.fastest;
        let pace = self.pace(left, right);
        Valley::of(&x[between.clone()], &self.speed[between], pace)
    }

    /// Its middle.
    pub fn middle(&self, x: &[f64], left: &Episode, right: &Episode) -> Option<f64> {
        self.valley(x, left, right).map(Valley::middle)
    }
}

impl Mover {
    /// How surely the curve changes over a stretch: its change over the least change, or over
    /// `sure_change` standard deviations, whichever ratio is smaller.
    fn strength(&self, bar: &Bar, from: usize, to: usize) -> f64 {
        let changes: Vec<f64> = self.change.iter().map(|p| p[to] - p[from]).collect();
        let centre = mean(&changes);
        let squares: Vec<f64> = changes.iter().map(|c| (c - centre).powi(2)).collect();
        let size = if self.falling {
            centre.max(0.0)
        } else {
            centre.abs()
        };
        let need = bar
            .least_change
            .max(bar.sure_change * mean(&squares).sqrt());
        size / need.max(f64::MIN_POSITIVE)
    }
}

/// Measurements between two places of the grid.
fn measured_in(motion: &Motion, from: usize, to: usize) -> usize {
    let inside = motion.x[from]..=motion.x[to];
    motion
        .measured
        .iter()
        .filter(|x| inside.contains(x))
        .count()
}

/// Integral of `v` from the first x to each, by trapezia.
pub(super) fn integral(x: &[f64], v: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let parts = x.windows(2).zip(v.windows(2)).map(|(x, v)| {
        sum += 0.5 * (v[0] + v[1]) * (x[1] - x[0]);
        sum
    });
    std::iter::once(0.0).chain(parts).collect()
}
