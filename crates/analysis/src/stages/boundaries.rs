//! The boundaries of a replica: the slow places of each view, those of different views joined where
//! they are the same.

use super::curve::{log_step, step_at};
use super::error::StageError;
use super::gp::Fit;
use super::outcome::{Boundary, ViewPlace};
use super::settings::{StageSettings, View};
use super::smooth::{Smooths, even};
use super::view::{Bar, Motion, Mover, SlowPlace, integral, slow_places};

/// The boundaries that the views of `settings` show in `smooths`, by step.
pub(super) fn boundaries(
    smooths: &Smooths,
    settings: &StageSettings,
) -> Result<Vec<Boundary>, StageError> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, view) in settings.views.iter().enumerate() {
        let Some(motion) = motion(smooths, view, settings)? else {
            continue;
        };
        let bar = Bar {
            evidence: settings.evidence,
            slowdown: settings.slowdown,
            least_change: settings.least_change,
            sure_change: settings.sure_change,
            level: settings.level,
        };
        let places = slow_places(&motion, &bar);
        groups.extend(places.into_iter().map(|place| Group {
            members: vec![(number, place)],
        }));
    }
    join(&mut groups, settings.same_place);
    let mut found: Vec<Boundary> = groups.iter().filter_map(|g| g.boundary(settings)).collect();
    found.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok(found)
}

/// The curves of `view` in motion, where all of them were measured; `None` if none of them changes.
fn motion(
    smooths: &Smooths,
    view: &View,
    settings: &StageSettings,
) -> Result<Option<Motion>, StageError> {
    // A curve in which no change was detected would add the speed of its noise.
    let changing: Vec<(&str, &[u64], &Fit)> = smooths
        .of(view)
        .filter_map(|(name, steps, fit)| Some((name, steps, fit.filter(|f| f.gain() > 0.0)?)))
        .collect();
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
    for (id, (name, _, fit)) in changing.iter().enumerate() {
        let mover = mover(fit, &motion.x, view.falling, settings.paths, id as u64);
        let singular = || StageError::Singular {
            name: (*name).to_owned(),
        };
        motion.curves.push(mover.ok_or_else(singular)?);
    }
    Ok(Some(motion))
}

/// One curve of a view on the grid `x`; `None` if its paths cannot be drawn.
fn mover(fit: &Fit, x: &[f64], falling: bool, paths: usize, id: u64) -> Option<Mover> {
    let smoothed = fit.smooth(x);
    let counted = |slope: f64| if falling { slope.min(0.0) } else { slope };
    let fastest = smoothed
        .slope
        .iter()
        .fold(f64::MIN_POSITIVE, |m, &s| m.max(counted(s).abs()));
    let extent = spread(&smoothed.mean) * if falling { -1.0 } else { 1.0 };
    let paths = fit.slope_paths(x, paths, id)?;
    let velocity = |slopes: &[f64]| slopes.iter().map(|&s| counted(s) / fastest).collect();
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

/// Slow places of different views that are one boundary.
struct Group {
    /// View and place.
    members: Vec<(usize, SlowPlace)>,
}

impl Group {
    /// The member with the narrowest interval, which places the boundary.
    fn sharpest(&self) -> Option<&(usize, SlowPlace)> {
        self.members
            .iter()
            .min_by(|(_, a), (_, b)| (a.hi - a.lo).total_cmp(&(b.hi - b.lo)))
    }

    fn boundary(&self, settings: &StageSettings) -> Option<Boundary> {
        let (first, place) = self.sharpest()?;
        let shown = |(view, place): &(usize, SlowPlace)| ViewPlace {
            view: settings.views[*view].name.clone(),
            at: step_at(place.at),
            lo: step_at(place.lo),
            hi: step_at(place.hi),
            evidence: place.evidence,
        };
        let sharpest = self.members.iter().filter(|(v, _)| v == first);
        let others = self.members.iter().filter(|(v, _)| v != first);
        let places: Vec<ViewPlace> = sharpest.chain(others).map(shown).collect();
        Some(Boundary {
            at: step_at(place.at),
            lo: step_at(place.lo),
            hi: step_at(place.hi),
            evidence: self.members.iter().fold(0.0, |e, (_, p)| p.evidence.max(e)),
            views: places.iter().map(|p| p.view.clone()).collect(),
            places,
        })
    }

    /// Distance on x if the two may be one boundary: no view in both, and close or within each
    /// other's interval.
    fn distance(&self, other: &Group, same_place: f64) -> Option<f64> {
        let shared = self
            .members
            .iter()
            .any(|(v, _)| other.members.iter().any(|(w, _)| v == w));
        let ((_, a), (_, b)) = (self.sharpest()?, other.sharpest()?);
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
        assert_eq!(groups[0].sharpest().unwrap().1.at, 5.2);
        let mut same_view = vec![alone(0, 5.0, 0.3), alone(0, 5.01, 0.3)];
        join(&mut same_view, 0.1);
        assert_eq!(same_view.len(), 2);
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
