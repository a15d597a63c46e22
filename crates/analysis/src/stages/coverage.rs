//! What a table says of a curve: how many values, from where to where, and where there are none.
//!
//! A smoother goes through a stretch without values as if nothing happened there, and an answer
//! about such a stretch is an answer about the smoother. So whoever reads boundaries is told where
//! the values are.

use serde::{Deserialize, Serialize};

use super::curve::{LEAST_POINTS, log_step};
use super::outcome::Boundary;
use super::settings::StageSettings;
use crate::table::MeasureRow;

/// How many times as wide as those around it a gap between two values is that is a hole.
const WIDER: f64 = 4.0;
/// Least width of such a hole, as a share of the curve's extent on ln(step + 1): two of its 120
/// bins.
const LEAST_HOLE: f64 = 0.02;
/// A gap of this share of the extent is a hole wherever gaps grow slowly, as towards the beginning
/// of evenly spaced steps.
const LARGE_HOLE: f64 = 0.1;
/// Gaps on either side that a gap is compared with.
const AROUND: usize = 3;
/// How many times the spread of the others a value lies outside of them that is told.
const FAR_OUT: f64 = 100.0;
/// Least extent of the steps on ln(step + 1). Places that are closer than .4 are one boundary;
/// below this, episodes of any width are squeezed into a part of one.
pub const LEAST_EXTENT: f64 = 0.1;

/// What is known of one curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The measure.
    pub curve: String,
    /// Its values.
    pub values: usize,
    /// Rows of the table without one.
    pub missing: usize,
    /// Step of its first value.
    pub first: Option<u64>,
    /// Step of its last value.
    pub last: Option<u64>,
    /// Whether it has values enough to be smoothed; else it is in no answer.
    pub used: bool,
    /// Whether all its values are the same.
    pub constant: bool,
    /// Stretches without values, by step.
    pub holes: Vec<Hole>,
    /// Values far outside the range of all others, by step.
    pub outliers: Vec<Outlier>,
}

/// A stretch of steps between two neighbouring values that is far wider than those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// Step of the last value before it.
    pub from: u64,
    /// Step of the first value after it.
    pub to: u64,
    /// Rows of the table within it.
    pub rows: usize,
}

/// A value far outside the range of all others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outlier {
    /// Its step.
    pub step: u64,
    /// What it is.
    pub value: f64,
}

impl Coverage {
    /// Of the measure `curve` in the rows of one replica, sorted by step.
    pub fn of(rows: &[MeasureRow], curve: &str) -> Coverage {
        let measured: Vec<(usize, u64, f64)> = rows
            .iter()
            .enumerate()
            .filter_map(|(i, row)| Some((i, row.step, *row.values.get(curve)?)))
            .collect();
        let value = |&(_, _, value): &(usize, u64, f64)| value;
        let step = |of: Option<&(usize, u64, f64)>| of.map(|&(_, step, _)| step);
        Coverage {
            curve: curve.to_owned(),
            values: measured.len(),
            missing: rows.len() - measured.len(),
            first: step(measured.first()),
            last: step(measured.last()),
            used: measured.len() >= LEAST_POINTS,
            constant: measured.windows(2).all(|w| value(&w[0]) == value(&w[1])),
            holes: holes(&measured),
            outliers: outliers(&measured),
        }
    }

    /// The hole that a step lies in.
    pub fn hole_at(&self, step: f64) -> Option<Hole> {
        let holds = |h: &&Hole| (h.from as f64) < step && step < h.to as f64;
        self.holes.iter().find(holds).copied()
    }
}

/// The curves that the views of `settings` hold: those that they name, and those of `rows` that
/// they name by a pattern.
pub fn coverage(rows: &[MeasureRow], settings: &StageSettings) -> Vec<Coverage> {
    let mut names: Vec<&str> = Vec::new();
    for view in &settings.views {
        for pattern in &view.curves {
            let there = rows.iter().flat_map(|r| r.values.keys());
            let matching = there.map(String::as_str).filter(|name| view.holds(name));
            let exact = (!pattern.ends_with('*')).then_some(pattern.as_str());
            for name in exact.into_iter().chain(matching) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names.iter().map(|name| Coverage::of(rows, name)).collect()
}

/// The curve and the hole in which a boundary lies: the place of it by its first view, if no curve
/// of this view has values around it.
pub fn in_hole<'a>(
    boundary: &Boundary,
    coverage: &'a [Coverage],
    settings: &StageSettings,
) -> Option<(&'a Coverage, Hole)> {
    let view = boundary.views.first()?;
    let view = settings.views.iter().find(|v| v.name == *view)?;
    let held = coverage.iter().filter(|c| c.used && view.holds(&c.curve));
    let mut narrowest: Option<(&Coverage, Hole)> = None;
    for curve in held {
        let hole = curve.hole_at(boundary.at)?;
        if narrowest.is_none_or(|(_, n)| hole.to - hole.from < n.to - n.from) {
            narrowest = Some((curve, hole));
        }
    }
    narrowest
}

/// The extent of rows, sorted by step, on ln(step + 1).
pub fn extent(rows: &[MeasureRow]) -> f64 {
    let end = |row: Option<&MeasureRow>| row.map_or(0.0, |r| log_step(r.step as f64));
    end(rows.last()) - end(rows.first())
}

fn holes(measured: &[(usize, u64, f64)]) -> Vec<Hole> {
    if measured.len() < LEAST_POINTS {
        return Vec::new();
    }
    let x: Vec<f64> = measured
        .iter()
        .map(|&(_, step, _)| log_step(step as f64))
        .collect();
    let gaps: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
    let whole = x[x.len() - 1] - x[0];
    let usual = upper_median(gaps.clone());
    let is_hole = |&i: &usize| {
        let before = &gaps[i.saturating_sub(AROUND)..i];
        let after = &gaps[i + 1..(i + 1 + AROUND).min(gaps.len())];
        let near = upper_median(before.iter().chain(after).copied().collect());
        let stands_out = gaps[i] >= WIDER * near && gaps[i] >= LEAST_HOLE * whole;
        stands_out || (gaps[i] >= LARGE_HOLE * whole && gaps[i] >= WIDER * usual)
    };
    let hole = |i: usize| Hole {
        from: measured[i].1,
        to: measured[i + 1].1,
        rows: measured[i + 1].0 - measured[i].0 - 1,
    };
    (0..gaps.len()).filter(is_hole).map(hole).collect()
}

/// The middle of values, the greater of two.
fn upper_median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Values that stand alone and as far outside the middle nine tenths as [`FAR_OUT`] times these are
/// apart.
fn outliers(measured: &[(usize, u64, f64)]) -> Vec<Outlier> {
    let n = measured.len();
    if n < LEAST_POINTS {
        return Vec::new();
    }
    let mut sorted: Vec<f64> = measured.iter().map(|m| m.2).collect();
    sorted.sort_by(f64::total_cmp);
    let cut = (n / 20).max(1);
    let (low, high) = (sorted[cut], sorted[n - 1 - cut]);
    let spread = high - low;
    let is_far = |value: f64| {
        let away = (low - value).max(value - high);
        spread > 0.0 && away > FAR_OUT * spread
    };
    // A jump stays where it went to.
    let alone = |&i: &usize| {
        let near = |j: Option<usize>| j.and_then(|j| measured.get(j)).is_some_and(|m| is_far(m.2));
        is_far(measured[i].2) && !near(i.checked_sub(1)) && !near(i.checked_add(1))
    };
    let outlier = |i: usize| Outlier {
        step: measured[i].1,
        value: measured[i].2,
    };
    (0..n).filter(alone).map(outlier).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::settings::View;
    use super::*;

    fn rows(values: &[(u64, Option<f64>)]) -> Vec<MeasureRow> {
        let row = |&(step, value): &(u64, Option<f64>)| MeasureRow {
            step,
            tokens: 0,
            replica: String::new(),
            values: value.map(|v| ("y".to_owned(), v)).into_iter().collect(),
            vectors: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        values.iter().map(row).collect()
    }

    /// Log-spaced steps, and where they have no value.
    fn log_rows(missing: impl Fn(u64) -> bool) -> Vec<MeasureRow> {
        let steps = (0..50).map(|i| (0.2 * f64::from(i)).exp_m1() as u64 + i as u64);
        let all: Vec<_> = steps
            .map(|s| (s, (!missing(s)).then_some(s as f64)))
            .collect();
        rows(&all)
    }

    fn ends(coverage: &Coverage) -> Vec<(u64, u64)> {
        coverage.holes.iter().map(|h| (h.from, h.to)).collect()
    }

    #[test]
    fn values_are_counted_and_ends_named() {
        let all = log_rows(|s| !(10..=3000).contains(&s));
        let found = Coverage::of(&all, "y");
        let there = all.iter().filter(|r| !r.values.is_empty());
        let steps: Vec<u64> = there.map(|r| r.step).collect();
        assert_eq!(
            (found.values, found.missing),
            (steps.len(), 50 - steps.len())
        );
        assert_eq!(found.first, steps.first().copied());
        assert_eq!(found.last, steps.last().copied());
        assert!(
            found.used && !found.constant && found.holes.is_empty(),
            "{found:?}"
        );
        let few = Coverage::of(&log_rows(|s| s > 5), "y");
        assert!(few.values < LEAST_POINTS && !few.used, "{few:?}");
        let none = Coverage::of(&all, "z");
        assert_eq!((none.values, none.first, none.used), (0, None, false));
    }

    #[test]
    fn a_hole_is_wider_than_what_is_around_it() {
        assert!(ends(&Coverage::of(&log_rows(|_| false), "y")).is_empty());
        let holed = log_rows(|s| (100..1500).contains(&s));
        let found = Coverage::of(&holed, "y");
        let [hole] = found.holes[..] else {
            panic!("{found:?}")
        };
        assert!(
            hole.from < 100 && hole.to >= 1500 && hole.rows > 5,
            "{hole:?}"
        );
        assert_eq!(found.hole_at(400.0), Some(hole));
        assert_eq!(found.hole_at(hole.from as f64), None);
        // A value in the middle does not hide two holes.
        let mut two = log_rows(|s| (100..1500).contains(&s));
        let middle = two.iter().position(|r| r.step > 350).unwrap();
        two[middle].values.insert("y".into(), 1.0);
        assert_eq!(Coverage::of(&two, "y").holes.len(), 2);
    }

    #[test]
    fn even_steps_have_a_hole_at_their_beginning_alone() {
        let even: Vec<_> = (0..200).map(|i| (100 * i, Some(1.0))).collect();
        assert_eq!(ends(&Coverage::of(&rows(&even), "y")), [(0, 100)]);
        let dense: Vec<_> = (0..20_000).map(|i| (i, Some(1.0))).collect();
        assert!(ends(&Coverage::of(&rows(&dense), "y")).is_empty());
        let cut: Vec<_> = (0..200).filter(|i| !(120..150).contains(i)).collect();
        let cut: Vec<_> = cut.iter().map(|i| (100 * i, Some(1.0))).collect();
        assert_eq!(
            ends(&Coverage::of(&rows(&cut), "y")),
            [(0, 100), (11_900, 15_000)]
        );
    }

    #[test]
    fn a_value_far_outside_is_named_and_a_jump_is_not() {
        let with = |at: usize, value: f64| {
            let steps = (0..40).map(|i| (i, Some((0.3 * i as f64).sin())));
            let mut all: Vec<_> = steps.collect();
            all[at].1 = Some(value);
            Coverage::of(&rows(&all), "y").outliers
        };
        assert_eq!(
            with(20, 1e6),
            [Outlier {
                step: 20,
                value: 1e6
            }]
        );
        assert_eq!(with(0, -1e6).len(), 1);
        assert!(with(20, 30.0).is_empty());
        let jump: Vec<_> = (0..40)
            .map(|i| (i, Some(if i < 20 { 1e-3 * (i % 3) as f64 } else { 1e6 })))
            .collect();
        assert!(Coverage::of(&rows(&jump), "y").outliers.is_empty());
    }

    #[test]
    fn a_boundary_is_in_a_hole_if_no_curve_of_its_view_was_measured_there() {
        let view = |curves: &[&str]| View {
            name: "v".into(),
            curves: curves.iter().map(|c| (*c).to_owned()).collect(),
            falling: false,
        };
        let settings = |curves: &[&str]| StageSettings {
            views: vec![view(curves)],
            ..StageSettings::default()
        };
        let mut all = log_rows(|s| (100..1500).contains(&s));
        for row in &mut all {
            row.values.insert("z".into(), 1.0);
        }
        let boundary = |at: f64| Boundary {
            at,
            lo: 0.9 * at,
            hi: 1.1 * at,
            evidence: 1.0,
            views: vec!["v".into()],
            places: Vec::new(),
        };
        let found = |curves: &[&str], at: f64| {
            let settings = settings(curves);
            let coverage = coverage(&all, &settings);
            in_hole(&boundary(at), &coverage, &settings).map(|(c, _)| c.curve.clone())
        };
        assert_eq!(found(&["y"], 400.0), Some("y".to_owned()));
        assert_eq!(found(&["y"], 40.0), None);
        assert_eq!(found(&["y", "z"], 400.0), None);
        assert_eq!(coverage(&all, &settings(&["nothing", "y"])).len(), 2);
    }

    #[test]
    fn the_extent_is_that_of_the_logarithm() {
        let narrow = rows(&[(10_000_000_000, None), (10_020_000_000, None)]);
        assert!((extent(&narrow) - 0.002).abs() < 1e-4);
        assert!(extent(&log_rows(|_| false)) > 9.0);
        assert_eq!(extent(&[]), 0.0);
    }
}
