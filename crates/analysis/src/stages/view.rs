//! Slow places of one view: candidates from the posterior mean of the speed, weeded by the paths of
//! its posterior.
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
//!    where it is nearly as fast: the same places and directions for all paths, so that a path which
//!    merely wiggles somewhere gains nothing by it.
//!
//! Candidates fall one at a time, the weakest first, and the episodes on its sides become one: two
//! bumps with no evidence between them may together be the clear other side of a third boundary.

use std::ops::Range;

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
    pub level: f64,
}

/// A slow place that stood: x, its interval, and the share of paths that show it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SlowPlace {
    pub at: f64,
    pub lo: f64,
    pub hi: f64,
    pub evidence: f64,
}

/// The slow places of `motion` that pass the bar, by x.
pub(super) fn slow_places(motion: &Motion, bar: &Bar) -> Vec<SlowPlace> {
    let tracks = Tracks::new(motion);
    let mut candidates = tracks.minima();
    loop {
        let mut edges = vec![0];
        edges.extend(&candidates);
        edges.push(motion.x.len() - 1);
        let episodes: Vec<Episode> = edges
            .windows(2)
            .map(|w| tracks.episode(motion, bar, w[0], w[1]))
            .collect();
        let weighed: Vec<Weighed> = episodes
            .windows(2)
            .map(|e| tracks.weigh(motion, bar, &e[0], &e[1]))
            .collect();
        let weakest = (0..weighed.len())
            .filter(|&k| weighed[k].place.evidence < bar.evidence)
            .min_by(|&a, &b| weighed[a].order(&weighed[b]));
        match weakest {
            Some(k) => candidates.remove(k),
            None => return weighed.into_iter().map(|w| w.place).collect(),
        };
    }
}

/// Fewest measurements in an episode, and between the fastest places of two: two make one difference, and a curve through it says nothing
/// of its own.
const LEAST_SEEN: usize = 3;

/// Share of an episode's greatest mean speed from which a place belongs to its core: a sigmoid makes the middle half of its
/// change where it is at least three quarters as fast as in its middle.
const FAST: f64 = 0.75;

/// The stretch between two neighbouring candidates.
struct Episode {
    /// Where the mean path is fastest.
    fastest: usize,
    /// The stretch about it where it is nearly as fast.
    core: Range<usize>,
    /// Its surest change, in units of what the bar asks for: enough from 1 on.
    strength: f64,
}

/// A candidate with what speaks for it.
struct Weighed {
    place: SlowPlace,
    weaker: f64,
    stronger: f64,
}

impl Weighed {
    /// By evidence, then by the weaker and by the stronger of its episodes: of several candidates
    /// without evidence the one between two wiggles falls before the one between a wiggle and a
    /// real change.
    fn order(&self, other: &Weighed) -> std::cmp::Ordering {
        self.place
            .evidence
            .total_cmp(&other.place.evidence)
            .then(self.weaker.total_cmp(&other.weaker))
            .then(self.stronger.total_cmp(&other.stronger))
    }
}

/// Speeds along the mean path and along each drawn path.
struct Tracks {
    /// Mean speed at each place.
    mean: Vec<f64>,
    /// Speed of each path, `[path][place]`.
    speed: Vec<Vec<f64>>,
    /// Each path's velocity in the direction of the mean one, `[path][place]`.
    along: Vec<Vec<f64>>,
}

impl Tracks {
    fn new(motion: &Motion) -> Tracks {
        let places = 0..motion.x.len();
        let fastest = |g: usize| {
            motion
                .curves
                .iter()
                .max_by(|a, b| a.mean[g].abs().total_cmp(&b.mean[g].abs()))
        };
        let leaders: Vec<Option<&Mover>> = places.clone().map(fastest).collect();
        let mean: Vec<f64> = places
            .clone()
            .map(|g| leaders[g].map_or(0.0, |c| c.mean[g].abs()))
            .collect();
        let draws = motion.curves.first().map_or(0, |c| c.paths.len());
        let speed = (0..draws).map(|i| {
            let top = |g: usize| {
                motion
                    .curves
                    .iter()
                    .fold(0.0f64, |m, c| m.max(c.paths[i][g].abs()))
            };
            places.clone().map(top).collect()
        });
        let along = (0..draws).map(|i| {
            let forward = |g: usize| leaders[g].map_or(0.0, |c| c.paths[i][g] * c.mean[g].signum());
            places.clone().map(forward).collect()
        });
        Tracks {
            speed: speed.collect(),
            along: along.collect(),
            mean,
        }
    }

    /// Places of local minima of the mean speed, ends left out.
    fn minima(&self) -> Vec<usize> {
        let v = &self.mean;
        (1..v.len().saturating_sub(1))
            .filter(|&g| v[g] < v[g - 1] && v[g] <= v[g + 1])
            .collect()
    }

    fn episode(&self, motion: &Motion, bar: &Bar, from: usize, to: usize) -> Episode {
        let fastest = (from..=to)
            .max_by(|&a, &b| self.mean[a].total_cmp(&self.mean[b]))
            .unwrap_or(from);
        // The stretch about the fastest place where the mean path is nearly as fast.
        let fast = |g: &usize| self.mean[*g] >= FAST * self.mean[fastest];
        let begun = (from..=fastest).rev().take_while(fast).last();
        let ended = (fastest..=to).take_while(fast).last();
        let seen = measured_in(motion, from, to) >= LEAST_SEEN;
        let surest = motion
            .curves
            .iter()
            .fold(0.0f64, |s, c| s.max(c.strength(bar, from, to)));
        Episode {
            fastest,
            core: begun.unwrap_or(fastest)..ended.unwrap_or(fastest) + 1,
            strength: if seen { surest } else { 0.0 },
        }
    }

    /// Evidence for the candidate between two episodes, and where the paths that show it are
    /// slowest.
    fn weigh(&self, motion: &Motion, bar: &Bar, left: &Episode, right: &Episode) -> Weighed {
        // A slow place between two measurements is nothing but the way a smooth curve turns a corner.
        let seen = measured_in(motion, left.fastest, right.fastest) >= LEAST_SEEN;
        let weaker = if seen {
            left.strength.min(right.strength)
        } else {
            0.0
        };
        let mut slowest_at = Vec::new();
        if weaker >= 1.0 {
            for (speed, along) in self.speed.iter().zip(&self.along) {
                let between = left.fastest..=right.fastest;
                let Some(slowest) = between.min_by(|&a, &b| speed[a].total_cmp(&speed[b])) else {
                    continue;
                };
                let pace = mean(&along[left.core.clone()]).min(mean(&along[right.core.clone()]));
                if speed[slowest] <= bar.slowdown * pace {
                    slowest_at.push(vertex(&motion.x, speed, slowest));
                }
            }
        }
        slowest_at.sort_by(f64::total_cmp);
        let tail = 0.5 * (1.0 - bar.level);
        let at = |q| quantile(&slowest_at, q).unwrap_or(f64::NAN);
        Weighed {
            place: SlowPlace {
                at: at(0.5),
                lo: at(tail),
                hi: at(1.0 - tail),
                evidence: slowest_at.len() as f64 / self.speed.len().max(1) as f64,
            },
            weaker,
            stronger: left.strength.max(right.strength),
        }
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

/// Place of least speed near `g`: the vertex of the parabola through the squared speeds at `g` and
/// its neighbours, which is exact where a slope goes through zero in a straight line.
fn vertex(x: &[f64], speed: &[f64], g: usize) -> f64 {
    if g == 0 || g + 1 >= x.len() {
        return x[g];
    }
    let [a, b, c] = [g - 1, g, g + 1].map(|i| speed[i] * speed[i]);
    let bend = a - 2.0 * b + c;
    let shift = if bend > 0.0 {
        0.5 * (a - c) / bend
    } else {
        0.0
    };
    x[g] + shift.clamp(-1.0, 1.0) * (x[g + 1] - x[g])
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

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Quantile of sorted values, linear between neighbours; `None` of nothing.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}
