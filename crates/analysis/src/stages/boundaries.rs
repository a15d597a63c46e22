//! The boundaries of a replica: the slow places of each view, those of different views joined where
//! they are the same.

use super::curve::{log_step, step_at};
use super::error::StageError;
use super::gp::Fit;
use super::outcome::{Boundary, ViewPlace};
use super::place::SlowPlace;
use super::settings::{StageSettings, View};
use super::smooth::{Smooths, even};
use super::view::{Bar, Motion, Mover, integral, slow_places};

/// The boundaries that the views of `settings` show in `smooths`, by step.
pub(super) fn boundaries(
    smooths: &Smooths,
    settings: &StageSettings,
) -> Result<Vec<Boundary>, StageError> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, view) in settings.views.iter().enumerate() {
        let changing = changing(smooths, view);
        let Some(motion) = motion(&changing, view, settings)? else {
            continue;
        };
        let bar = Bar {
            evidence: settings.evidence,
            slowdown: settings.slowdown,
            least_change: settings.least_change,
            sure_change: settings.sure_change,
        };
        let found = slow_places(&motion, &bar);
        if found.candidates.is_empty() {
            continue;
        }
        let simulated = simulated(&changing, &motion, view)?;
        let simulated = found.tracks(&simulated);
        groups.extend(found.candidates.iter().map(|candidate| {
            let place = candidate.place(&motion, &found.mean, &simulated, settings.level);
            Group {
                members: vec![(number, place)],
            }
        }));
    }
    join(&mut groups, settings.same_place);
    let mut found: Vec<Boundary> = groups.iter().filter_map(|g| g.boundary(settings)).collect();
    found.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok(found)
}

/// A curve that changes: its name, its steps and its fit.
type Changing<'a> = (&'a str, &'a [u64], &'a Fit);

/// The curves of `view` in which a change was detected; the others would add the speed of their
/// noise.
fn changing<'a>(smooths: &'a Smooths, view: &'a View) -> Vec<Changing<'a>> {
    let all = smooths.of(view);
    all.filter_map(|(name, steps, fit)| Some((name, steps, fit.filter(|f| f.gain() > 0.0)?)))
        .collect()
}

fn singular((name, _, _): &Changing<'_>) -> StageError {
    StageError::Singular {
        name: (*name).to_owned(),
    }
}

/// The `changing` curves of `view` in motion, where all of them were measured; `None` if there are
/// none.
fn motion(
    changing: &[Changing<'_>],
    view: &View,
    settings: &StageSettings,
) -> Result<Option<Motion>, StageError> {
    let (first, last) = changing
        .iter()
        .map(|(_, _, fit)| fit.range())
        .fold((f64::NEG_INFINITY, f64::INFINITY), |(a, b), (c, d)| {
            (a.max(c), b.min(d))
        });
    if changing.is_empty() || first >= last {
        return Ok(None);
    }
    let fewest = changing
        .iter()
        .map(|(_, steps, _)| steps)
        .min_by_key(|steps| steps.len());
    let mut motion = Motion {
        x: even(first, last, settings.grid),
        curves: Vec::new(),
        measured: fewest
            .into_iter()
            .copied()
            .flatten()
            .map(|&s| log_step(s as f64))
            .collect(),
    };
    for (id, curve) in changing.iter().enumerate() {
        let mover = mover(curve.2, &motion.x, view.falling, settings.paths, id as u64);
        motion.curves.push(mover.ok_or_else(|| singular(curve))?);
    }
    Ok(Some(motion))
}

/// Simulations of a view.
const SIMULATIONS: usize = 100;

/// Velocities of the curves of a view by fits to simulated measurements, each in units of its own
/// greatest, `[curve][simulation][place]`.
fn simulated(
    changing: &[Changing<'_>],
    motion: &Motion,
    view: &View,
) -> Result<Vec<Vec<Vec<f64>>>, StageError> {
    let of = |(id, curve): (usize, &Changing<'_>)| {
        let all = curve.2.simulated_slopes(&motion.x, SIMULATIONS, id as u64);
        let all = all.ok_or_else(|| singular(curve))?;
        let own =
            |slopes: &Vec<f64>| velocity(slopes, view.falling, greatest(slopes, view.falling));
        Ok(all.iter().map(own).collect())
    };
    changing.iter().enumerate().map(of).collect()
}

/// The greatest of slopes that count.
fn greatest(slopes: &[f64], falling: bool) -> f64 {
    let counted = velocity(slopes, falling, 1.0);
    counted
        .iter()
        .fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()))
}

/// Slopes in units of the `fastest`; where only a fall counts, a rise is none.
fn velocity(slopes: &[f64], falling: bool, fastest: f64) -> Vec<f64> {
    let counted = |slope: f64| if falling { slope.min(0.0) } else { slope };
    slopes.iter().map(|&s| counted(s) / fastest).collect()
}

/// One curve of a view on the grid `x`; `None` if its paths cannot be drawn.
fn mover(fit: &Fit, x: &[f64], falling: bool, paths: usize, id: u64) -> Option<Mover> {
    let smoothed = fit.smooth(x);
    let fastest = greatest(&smoothed.slope, falling);
    let extent = spread(&smoothed.mean) * if falling { -1.0 } else { 1.0 };
    let paths = fit.slope_paths(x, paths, id)?;
    let velocity = |slopes: &[f64]| velocity(slopes, falling, fastest);
    let change = |slopes: &Vec<f64>| integral(x, slopes).iter().map(|d| d / extent).collect();
    Some(Mover {
        mean: velocity(&smoothed.slope),
        change: paths.iter().map(change).collect(),
        paths: paths.iter().map(|p| velocity(p)).collect(),
        falling,
    })
}

fn spread(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (largest - least).max(f64::MIN_POSITIVE)
}

/// How many times as wide as the narrowest an interval may be that places a boundary of several
/// views.
const NARROW: f64 = 2.0;

/// Slow places of different views that are one boundary.
struct Group {
    /// View and place.
    members: Vec<(usize, SlowPlace)>,
}

impl Group {
    /// The member that places the boundary: of those whose interval is narrow, the first by the
    /// order of the views. Views may differ in where they have it, and chance should not decide
    /// between them.
    fn placing(&self) -> Option<&(usize, SlowPlace)> {
        let width = |p: &SlowPlace| p.hi - p.lo;
        let narrowest = self.members.iter().map(|(_, p)| width(p));
        let narrowest = narrowest.fold(f64::INFINITY, f64::min);
        self.members
            .iter()
            .filter(|(_, p)| width(p) <= NARROW * narrowest)
            .min_by_key(|(view, _)| *view)
    }

    fn boundary(&self, settings: &StageSettings) -> Option<Boundary> {
        let (first, place) = self.placing()?;
        let shown = |(view, place): &(usize, SlowPlace)| ViewPlace {
            view: settings.views[*view].name.clone(),
            at: step_at(place.at),
            lo: step_at(place.lo),
            hi: step_at(place.hi),
            evidence: place.evidence,
            slowest: step_at(place.slowest),
        };
        let placing = self.members.iter().filter(|(v, _)| v == first);
        let others = self.members.iter().filter(|(v, _)| v != first);
        let places: Vec<ViewPlace> = placing.chain(others).map(shown).collect();
        Some(Boundary {
            at: step_at(place.at),
            lo: step_at(place.lo),
            hi: step_at(place.hi),
            evidence: self.members.iter().fold(0.0, |e, (_, p)| p.evidence.max(e)),
            views: places.iter().map(|p| p.view.clone()).collect(),
            places,
        })
    }

    /// Distance on x if the two may be one boundary: no view in both, and close, or one within the
    /// other's interval.
    fn distance(&self, other: &Group, same_place: f64) -> Option<f64> {
        let shared = self
            .members
            .iter()
            .any(|(v, _)| other.members.iter().any(|(w, _)| v == w));
        let ((_, a), (_, b)) = (self.placing()?, other.placing()?);
        let distance = (a.at - b.at).abs();
        let near = distance <= same_place
            || (b.lo..=b.hi).contains(&a.at)
            || (a.lo..=a.hi).contains(&b.at);
        (near && !shared).then_some(distance)
    }
}

/// Joins groups, the closest pair first, until no two are one boundary.
fn join(groups: &mut Vec<Group>, same_place: f64) {
    loop {
        let mut closest: Option<(f64, usize, usize)> = None;
        for b in 1..groups.len() {
            for a in 0..b {
                if let Some(d) = groups[a].distance(&groups[b], same_place)
                    && closest.is_none_or(|(least, _, _)| d < least)
                {
                    closest = Some((d, a, b));
                }
            }
        }
        let Some((_, a, b)) = closest else { return };
        let gone = groups.remove(b);
        groups[a].members.extend(gone.members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(view: usize, at: f64, half: f64) -> Group {
        let place = SlowPlace {
            at,
            lo: at - half,
            hi: at + half,
            evidence: 0.95,
            slowest: at,
        };
        Group {
            members: vec![(view, place)],
        }
    }

    #[test]
    fn places_of_different_views_join_and_those_of_one_view_do_not() {
        let mut groups = vec![
            alone(0, 5.0, 0.3),
            alone(0, 6.0, 0.1),
            alone(1, 5.2, 0.01),
            alone(1, 7.0, 0.1),
        ];
        join(&mut groups, 0.1);
        // 5.2 lies within 5.0 ± .3; 6.0 and 7.0 are apart.
        assert_eq!(groups.len(), 3);
        assert_eq!(groups[0].members.len(), 2);
        assert_eq!(groups[0].placing().unwrap().1.at, 5.2);
        let mut same_view = vec![alone(0, 5.0, 0.3), alone(0, 5.01, 0.3)];
        join(&mut same_view, 0.1);
        assert_eq!(same_view.len(), 2);
    }

    #[test]
    fn the_first_view_places_a_boundary_unless_another_is_far_sharper() {
        let place = |first: f64, second: f64| {
            let members = [alone(0, 5.0, first), alone(1, 5.2, second)];
            let members = members.into_iter().flat_map(|g| g.members).collect();
            Group { members }.placing().unwrap().1.at
        };
        assert_eq!(place(0.19, 0.1), 5.0);
        assert_eq!(place(0.21, 0.1), 5.2);
    }

    #[test]
    fn the_closest_places_join_first() {
        let mut groups = vec![
            alone(0, 5.0, 0.01),
            alone(1, 5.3, 0.01),
            alone(0, 5.4, 0.01),
        ];
        join(&mut groups, 0.4);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].members.len(), 1, "5.0 is left to itself");
        assert_eq!(groups[1].members.len(), 2);
    }
}
