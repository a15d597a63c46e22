//! Boundaries as they would have been announced while the run went on.
//!
//! The detector sees the rows up to a checkpoint and nothing later. A boundary lies between two
//! episodes, so it can be announced only once the later episode is sure: some time after the place
//! itself. What is announced may move, and what looked like a second episode may turn out to be the
//! rest of the first: it is withdrawn, but only after [`PATIENCE`] looks in a row have not found it
//! again. Near the threshold evidence comes and goes with every checkpoint, and nobody is helped by
//! being told so.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::curve::{LEAST_POINTS, log_step};
use super::error::StageError;
use super::find;
use super::looks::looks;
use super::outcome::Boundary;
use super::settings::StageSettings;
use crate::table::MeasureRow;

/// Looks in a row, each at a later checkpoint, that have to miss a boundary before it is withdrawn.
pub const PATIENCE: usize = 4;

/// What is said about a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncementKind {
    /// It was not known before.
    New,
    /// Its interval has nothing left in common with the one that was announced last.
    Moved,
    /// The rows that have come since no longer show it.
    Withdrawn,
}

/// A change in what is known of a replica's boundaries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// What happened.
    pub kind: AnnouncementKind,
    /// The boundary as it now stands; as it was announced last where it is withdrawn.
    pub boundary: Boundary,
    /// Step of the last row that was known.
    pub announced_at: u64,
}

/// What has been announced of one replica so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Announcer {
    standing: Vec<Standing>,
}

#[derive(Debug, Clone, PartialEq)]
struct Standing {
    announced: Boundary,
    latest: Boundary,
    /// Looks that have missed it since it was found last, and the step of the latest look.
    missed: usize,
    looked_at: u64,
}

impl Announcer {
    /// Nothing was announced yet.
    pub fn new() -> Announcer {
        Announcer::default()
    }

    /// Looks for boundaries in all rows of a replica up to now, and says what changed since the
    /// call before.
    ///
    /// With too few rows, or too few values of every curve, nothing is known and nothing changes.
    ///
    /// # Errors
    /// As [`super::detect`], but for rows or values that are too few.
    pub fn update(
        &mut self,
        rows_so_far: &[MeasureRow],
        settings: &StageSettings,
    ) -> Result<Vec<Announcement>, StageError> {
        let step = rows_so_far.last().map_or(0, |r| r.step);
        Ok(match found_in(rows_so_far, settings)? {
            Some(found) => self.compare(step, found, settings),
            None => Vec::new(),
        })
    }

    /// Withdraws what the last look has missed: nothing comes after it that could find it again.
    pub fn settle(&mut self, step: u64) -> Vec<Announcement> {
        let (gone, kept) = std::mem::take(&mut self.standing)
            .into_iter()
            .partition(|s| s.missed > 0);
        self.standing = kept;
        let gone: Vec<Standing> = gone;
        let withdrawn = gone.into_iter().map(|s| Announcement {
            kind: AnnouncementKind::Withdrawn,
            boundary: s.announced,
            announced_at: step,
        });
        withdrawn.collect()
    }

    /// The boundaries that stand, by step, with those that a few looks have missed.
    pub fn standing(&self) -> impl Iterator<Item = &Boundary> {
        self.standing.iter().map(|s| &s.latest)
    }

    /// As [`Announcer::update`], where the boundaries in the rows up to `step` were found already.
    pub fn compare(
        &mut self,
        step: u64,
        found: Vec<Boundary>,
        settings: &StageSettings,
    ) -> Vec<Announcement> {
        let before = std::mem::take(&mut self.standing);
        let latest: Vec<Boundary> = before.iter().map(|s| s.latest.clone()).collect();
        let pairs = matched(&latest, &found, settings.same_place);
        let mut told = Vec::new();
        let mut tell = |kind, boundary: &Boundary| {
            told.push(Announcement {
                kind,
                boundary: boundary.clone(),
                announced_at: step,
            });
        };
        for (i, standing) in before.iter().enumerate() {
            if pairs.iter().any(|&(old, _)| old == i) {
                continue;
            }
            let missed = standing.missed + usize::from(step > standing.looked_at);
            if missed >= PATIENCE {
                tell(AnnouncementKind::Withdrawn, &standing.announced);
            } else {
                self.standing.push(Standing {
                    missed,
                    looked_at: step,
                    ..standing.clone()
                });
            }
        }
        for (j, boundary) in found.into_iter().enumerate() {
            let old = pairs.iter().find(|p| p.1 == j).map(|p| &before[p.0]);
            let announced = match old {
                Some(old) if overlap(&old.announced, &boundary) => old.announced.clone(),
                Some(_) => {
                    tell(AnnouncementKind::Moved, &boundary);
                    boundary.clone()
                }
                None => {
                    tell(AnnouncementKind::New, &boundary);
                    boundary.clone()
                }
            };
            self.standing.push(Standing {
                announced,
                latest: boundary,
                missed: 0,
                looked_at: step,
            });
        }
        let place = |s: &Standing| s.latest.at;
        self.standing.sort_by(|a, b| place(a).total_cmp(&place(b)));
        told
    }
}

/// Boundaries, or `None` where there is too little to look for them.
fn found_in(
    rows: &[MeasureRow],
    settings: &StageSettings,
) -> Result<Option<Vec<Boundary>>, StageError> {
    match find(rows, settings) {
        Ok(found) => Ok(Some(found)),
        Err(StageError::TooFewCheckpoints { .. } | StageError::NoCurve { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn overlap(a: &Boundary, b: &Boundary) -> bool {
    a.lo <= b.hi && b.lo <= a.hi
}

/// Distance on ln(step + 1) of two boundaries that may be one: their intervals overlap, or they are
/// within `near`.
fn apart(a: &Boundary, b: &Boundary, near: f64) -> Option<f64> {
    let distance = (log_step(a.at) - log_step(b.at)).abs();
    (overlap(a, b) || distance <= near).then_some(distance)
}

/// Pairs of an old and a new boundary that are one, the nearest first, each in one pair at most.
fn matched(old: &[Boundary], new: &[Boundary], near: f64) -> Vec<(usize, usize)> {
    let mut all: Vec<(f64, usize, usize)> = Vec::new();
    for (i, a) in old.iter().enumerate() {
        for (j, b) in new.iter().enumerate() {
            all.extend(apart(a, b, near).map(|d| (d, i, j)));
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, i, j) in all {
        if pairs.iter().all(|&(a, b)| a != i && b != j) {
            pairs.push((i, j));
        }
    }
    pairs
}

/// A boundary of the whole table, and when it would have been known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// As the whole table shows it.
    pub boundary: Boundary,
    /// Step of the checkpoint from which on every table shows it.
    pub announced_at: u64,
    /// From its place to there, in steps.
    pub delay: f64,
    /// The same on ln(step + 1).
    pub delay_log: f64,
}

/// A boundary that was announced and later withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// As it was announced last.
    pub boundary: Boundary,
    /// Step at which it was announced first.
    pub announced_at: u64,
    /// Step at which it was withdrawn.
    pub withdrawn_at: u64,
}

/// A table replayed checkpoint by checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The boundaries of the whole table, by step.
    pub boundaries: Vec<Followed>,
    /// What was withdrawn on the way.
    pub withdrawn: Vec<Withdrawn>,
    /// Everything that would have been said, in order.
    pub announcements: Vec<Announcement>,
    /// Rows at which the detector looked: all from [`LEAST_POINTS`] on, or some of very many (see
    /// [`looks`]). A step of announcement is that of a look.
    pub looks: usize,
    /// Rows from [`LEAST_POINTS`] on.
    pub rows: usize,
}

/// Runs the detector on beginnings of `rows`: on every one from [`LEAST_POINTS`] rows on, or on
/// those that [`looks`] chooses of very many. `looked` is called after each look, from any thread.
///
/// # Errors
/// As [`super::detect`].
pub fn replay(
    rows: &[MeasureRow],
    settings: &StageSettings,
    looked: &(dyn Fn() + Sync),
) -> Result<Replay, StageError> {
    let whole = find(rows, settings)?;
    let lengths = looks(rows);
    let found: Vec<Vec<Boundary>> = lengths
        .par_iter()
        .map(|&n| {
            let found = found_in(&rows[..n], settings)?.unwrap_or_default();
            looked();
            Ok(found)
        })
        .collect::<Result<_, StageError>>()?;
    let step = |k: usize| rows[lengths[k] - 1].step;
    let boundaries = whole.iter().map(|boundary| {
        let shown = |found: &Vec<Boundary>| {
            let one = std::slice::from_ref(boundary);
            !matched(one, found, settings.same_place).is_empty()
        };
        let since = found.iter().rev().take_while(|f| shown(f)).count().max(1);
        let announced_at = step(found.len() - since);
        Followed {
            boundary: boundary.clone(),
            announced_at,
            delay: announced_at as f64 - boundary.at,
            delay_log: log_step(announced_at as f64) - log_step(boundary.at),
        }
    });
    let boundaries = boundaries.collect();
    let mut announcer = Announcer::new();
    let mut announcements: Vec<Announcement> = Vec::new();
    for (k, found) in found.into_iter().enumerate() {
        announcements.extend(announcer.compare(step(k), found, settings));
    }
    announcements.extend(announcer.settle(rows.last().map_or(0, |r| r.step)));
    Ok(Replay {
        boundaries,
        withdrawn: withdrawn(&announcements, settings),
        announcements,
        looks: lengths.len(),
        rows: rows.len() + 1 - LEAST_POINTS,
    })
}

/// Each withdrawal with the step at which what it takes back was announced first.
fn withdrawn(announcements: &[Announcement], settings: &StageSettings) -> Vec<Withdrawn> {
    let mut open: Vec<(Boundary, u64)> = Vec::new();
    let mut gone = Vec::new();
    for a in announcements {
        let nearest = |open: &[(Boundary, u64)]| {
            let distance = |b: &Boundary| apart(b, &a.boundary, settings.same_place);
            let near = open.iter().enumerate();
            near.filter_map(|(i, (b, _))| Some((distance(b)?, i)))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, i)| i)
        };
        match (a.kind, nearest(&open)) {
            (AnnouncementKind::Withdrawn, Some(i)) => {
                let (_, announced_at) = open.remove(i);
                gone.push(Withdrawn {
                    boundary: a.boundary.clone(),
                    announced_at,
                    withdrawn_at: a.announced_at,
                });
            }
            (AnnouncementKind::Moved, Some(i)) => open[i].0 = a.boundary.clone(),
            _ => open.push((a.boundary.clone(), a.announced_at)),
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::super::calibration::{Curves, Family, Noise, Profile, Shape};
    use super::*;

    fn rows(shape: Shape, seed: u64) -> Vec<MeasureRow> {
        let family = Family {
            name: "λ̂".into(),
            shape,
            noise: Noise::of(0.01),
            points: 45,
            curves: Curves::Llc,
        };
        family.draw(7, seed).0
    }

    const TWO: Shape = Shape::Two {
        profile: Profile::Sigmoid,
        width: (0.2, 0.3),
        gap: (2.4, 2.6),
    };

    #[test]
    fn a_boundary_is_announced_after_its_place_and_before_the_end_and_stays() {
        let rows = rows(TWO, 3);
        let settings = StageSettings::default();
        let replay = replay(&rows, &settings, &|| ()).unwrap();
        assert_eq!(replay.boundaries.len(), 1, "{replay:?}");
        let known = &replay.boundaries[0];
        assert_eq!(known.boundary, find(&rows, &settings).unwrap()[0]);
        let last = rows[rows.len() - 1].step;
        assert!(known.delay > 0.0 && known.announced_at < last, "{known:?}");
        // The later episode is sure at the latest where its steepest place is well past.
        assert!(known.delay_log < 2.6, "{known:?}");
        let news = replay.announcements.iter();
        let news = news.filter(|a| a.kind == AnnouncementKind::New).count();
        assert_eq!(news, 1 + replay.withdrawn.len());
    }

    #[test]
    fn the_announcer_says_each_thing_once_and_agrees_with_the_replay() {
        let rows = rows(TWO, 3);
        let settings = StageSettings::default();
        let mut announcer = Announcer::new();
        let mut told = Vec::new();
        for n in 1..=rows.len() {
            told.extend(announcer.update(&rows[..n], &settings).unwrap());
        }
        told.extend(announcer.settle(rows[rows.len() - 1].step));
        assert_eq!(
            told,
            replay(&rows, &settings, &|| ()).unwrap().announcements
        );
        assert_eq!(announcer.standing().count(), 1);
        assert!(announcer.update(&rows, &settings).unwrap().is_empty());
    }

    #[test]
    fn what_is_gone_is_withdrawn_and_what_left_its_interval_has_moved() {
        let boundary = |at: f64| Boundary {
            at,
            lo: 0.9 * at,
            hi: 1.1 * at,
            evidence: 0.95,
            views: vec!["complexity".into()],
            places: Vec::new(),
        };
        let settings = StageSettings::default();
        let mut announcer = Announcer::new();
        let mut next = |step, at: &[f64]| {
            let found = at.iter().map(|&a| boundary(a)).collect();
            announcer.compare(step, found, &settings)
        };
        assert_eq!(next(200, &[100.0]).len(), 1);
        assert!(next(210, &[105.0]).is_empty());
        let moved = next(220, &[125.0, 1000.0]);
        assert_eq!(
            moved.iter().map(|a| a.kind).collect::<Vec<_>>(),
            [AnnouncementKind::Moved, AnnouncementKind::New]
        );
        // A few looks may miss it, and another look at the same checkpoint is none.
        for step in [230, 230, 240, 250] {
            assert!(next(step, &[1000.0]).is_empty());
        }
        assert!(next(260, &[125.0, 1000.0]).is_empty(), "it is back");
        for step in [270, 280, 290] {
            assert!(next(step, &[1000.0]).is_empty());
        }
        let gone = next(300, &[1000.0]);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].kind, AnnouncementKind::Withdrawn);
        assert_eq!(gone[0].boundary.at, 125.0);
        let mut announcer = Announcer::new();
        announcer.compare(10, vec![boundary(5.0)], &settings);
        announcer.compare(20, Vec::new(), &settings);
        assert_eq!(announcer.standing().count(), 1);
        assert_eq!(announcer.settle(20).len(), 1);
        assert_eq!(announcer.standing().count(), 0);
    }
}
