//! The smoothed curves of a table.

use std::collections::{BTreeMap, BTreeSet};

use super::curve::{Curve, LEAST_POINTS, Points, log_step, step_at};
use super::error::StageError;
use super::gp::Fit;
use super::outcome::SmoothCurve;
use super::settings::{StageSettings, View};
use crate::statistics::normal_quantile;
use crate::table::MeasureRow;

/// Names, or beginnings of names, of the measures that are smoothed whether or not a view holds
/// them.
const SMOOTHED: [&str; 6] = [
    "llc",
    "loss",
    "icl_score",
    "divergence.",
    "cross_entropy.",
    "trigger_loss.",
];

/// Every smoothed curve of one replica, by name.
pub(super) struct Smooths {
    curves: BTreeMap<String, Smooth>,
}

/// One curve and its fit; a curve that never changes has none.
struct Smooth {
    curve: Curve,
    fit: Option<Fit>,
}

impl Smooths {
    /// Smooths what `settings` and naming need of `rows`; a measure with fewer than
    /// [`LEAST_POINTS`] values is left out.
    pub fn new(rows: &[MeasureRow], settings: &StageSettings) -> Result<Smooths, StageError> {
        Smooths::with(rows, settings, true)
    }

    /// The same; without what only names are given by unless `named`.
    pub fn with(
        rows: &[MeasureRow],
        settings: &StageSettings,
        named: bool,
    ) -> Result<Smooths, StageError> {
        let names: BTreeSet<&String> = rows.iter().flat_map(|r| r.values.keys()).collect();
        let mut curves = BTreeMap::new();
        for &name in &names {
            let wanted = settings.views.iter().any(|v| v.holds(name));
            if !wanted && (!named || !is_smoothed(name) || is_redundant(name, &names)) {
                continue;
            }
            if !wanted && settings.errors.names(name) {
                continue;
            }
            let errors = settings.errors.of(name);
            let curve = Curve::from_rows(rows, name, errors.as_deref());
            if curve.steps.len() < LEAST_POINTS {
                continue;
            }
            let fit = match Points::new(&curve, settings.points) {
                Some(points) => Some(
                    Fit::new(points).ok_or_else(|| StageError::Singular { name: name.clone() })?,
                ),
                None => None,
            };
            curves.insert(name.clone(), Smooth { curve, fit });
        }
        let smooths = Smooths { curves };
        if settings
            .views
            .iter()
            .all(|v| smooths.of(v).next().is_none())
        {
            let wanted: Vec<&str> = settings
                .views
                .iter()
                .flat_map(|v| &v.curves)
                .map(String::as_str)
                .collect();
            return Err(StageError::NoCurve {
                wanted: wanted.join(", "),
                need: LEAST_POINTS,
            });
        }
        Ok(smooths)
    }

    /// Mean and standard deviation of the smoothed curve at x; `None` where it was not measured.
    pub fn at(&self, name: &str, x: f64) -> Option<(f64, f64)> {
        let smooth = self.curves.get(name)?;
        match &smooth.fit {
            Some(fit) => {
                let (first, last) = fit.range();
                let there = fit.smooth(&[x.clamp(first, last)]);
                Some((there.mean[0], there.sd[0]))
            }
            None => Some((*smooth.curve.values.first()?, 0.0)),
        }
    }

    /// Change of the smoothed curve from x = `a` to `b`, and its standard deviation; `None` where
    /// it was not measured.
    pub fn change(&self, name: &str, a: f64, b: f64) -> Option<(f64, f64)> {
        let Some(fit) = &self.curves.get(name)?.fit else {
            return Some((0.0, 0.0));
        };
        let (first, last) = fit.range();
        Some(fit.change(a.clamp(first, last), b.clamp(first, last)))
    }

    /// First and last x of the curve; `None` where it was not smoothed.
    pub fn range(&self, name: &str) -> Option<(f64, f64)> {
        let steps = &self.curves.get(name)?.curve.steps;
        let end = |step: Option<&u64>| Some(log_step(*step? as f64));
        Some((end(steps.first())?, end(steps.last())?))
    }

    /// Whether the curve `name` was smoothed.
    pub fn has(&self, name: &str) -> bool {
        self.curves.contains_key(name)
    }

    /// Names of all smoothed curves.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.curves.keys().map(String::as_str)
    }

    /// Names of the smoothed curves that begin with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.curves
            .keys()
            .map(String::as_str)
            .filter(move |n| n.starts_with(prefix))
    }

    /// The curves with their bands, for drawing.
    pub fn curves(&self, settings: &StageSettings) -> Vec<SmoothCurve> {
        let z = normal_quantile(0.5 * (1.0 + settings.level));
        self.curves
            .iter()
            .map(|(name, smooth)| smooth.drawn(name, settings.grid, z))
            .collect()
    }

    /// The smoothed curves that `view` holds: each with its steps, and its fit unless it never
    /// changes.
    pub fn of<'a>(
        &'a self,
        view: &'a View,
    ) -> impl Iterator<Item = (&'a str, &'a [u64], Option<&'a Fit>)> {
        self.curves
            .iter()
            .filter(|(name, _)| view.holds(name))
            .map(|(name, s)| (name.as_str(), s.curve.steps.as_slice(), s.fit.as_ref()))
    }
}

/// Whether the measure is smoothed without being part of a view.
fn is_smoothed(name: &str) -> bool {
    SMOOTHED.iter().any(|s| {
        if s.ends_with('.') {
            name.starts_with(s)
        } else {
            name == *s
        }
    })
}

/// Whether the measure is a cross-entropy beside a divergence from the same oracle, which is the
/// same curve.
fn is_redundant(name: &str, names: &BTreeSet<&String>) -> bool {
    name.strip_prefix("cross_entropy.")
        .is_some_and(|oracle| names.contains(&format!("divergence.{oracle}")))
}

impl Smooth {
    fn drawn(&self, name: &str, grid: usize, z: f64) -> SmoothCurve {
        let (first, last) = self.fit.as_ref().map_or_else(
            || {
                let end = |s: Option<&u64>| log_step(s.copied().unwrap_or(0) as f64);
                (end(self.curve.steps.first()), end(self.curve.steps.last()))
            },
            Fit::range,
        );
        let x = even(first, last, grid);
        let steps = x.iter().map(|&x| step_at(x)).collect();
        let name = name.to_owned();
        match &self.fit {
            Some(fit) => {
                let s = fit.smooth(&x);
                let edge = |sign: f64| {
                    s.mean
                        .iter()
                        .zip(&s.sd)
                        .map(|(m, sd)| m + sign * z * sd)
                        .collect()
                };
                SmoothCurve {
                    lo: edge(-1.0),
                    hi: edge(1.0),
                    name,
                    steps,
                    mean: s.mean,
                    speed: s.slope,
                }
            }
            None => {
                let flat = vec![self.curve.values.first().copied().unwrap_or(0.0); grid];
                SmoothCurve {
                    name,
                    steps,
                    lo: flat.clone(),
                    hi: flat.clone(),
                    mean: flat,
                    speed: vec![0.0; grid],
                }
            }
        }
    }
}

/// `n` even places from `first` to `last`.
pub(super) fn even(first: f64, last: f64, n: usize) -> Vec<f64> {
    let width = (last - first) / (n - 1) as f64;
    (0..n)
        .map(|i| {
            if i + 1 == n {
                last
            } else {
                first + width * i as f64
            }
        })
        .collect()
}
