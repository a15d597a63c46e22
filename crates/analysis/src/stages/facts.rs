//! What can be asked about the stages of a run: their ends, the smoothed measures there, and the
//! heads.

use std::collections::{BTreeMap, BTreeSet};

use super::curve::log_step;
use super::outcome::{Boundary, Direction, HeadRise, Shift, StageName};
use super::settings::StageSettings;
use super::smooth::Smooths;
use crate::paired;
use crate::table::MeasureRow;

/// Head scores, whose names end in `.<layer>.<head>`.
const HEAD_SCORES: [&str; 3] = ["previous_token", "induction", "recurrence"];

/// Beginnings of the names of measures of behaviour, all in nats.
const BEHAVIOUR: [&str; 4] = [
    "divergence.",
    "cross_entropy.",
    "trigger_loss.",
    "icl_score",
];
/// As many of them as tell a stage's signature.
const MOST_SHIFTS: usize = 5;

/// The stages of one replica as intervals of x = ln(step + 1), and its measures.
pub(super) struct Facts<'a> {
    rows: &'a [MeasureRow],
    smooths: &'a Smooths,
    pub settings: &'a StageSettings,
    boundaries: &'a [Boundary],
    /// Beginning and end of each stage; the last ends with the rows.
    pub spans: Vec<(f64, f64)>,
}

impl<'a> Facts<'a> {
    /// The stages between `boundaries`; `rows` are not empty.
    pub fn new(
        rows: &'a [MeasureRow],
        smooths: &'a Smooths,
        boundaries: &'a [Boundary],
        settings: &'a StageSettings,
    ) -> Facts<'a> {
        let end = |row: Option<&MeasureRow>| row.map_or(0.0, |r| log_step(r.step as f64));
        let mut edges = vec![end(rows.first())];
        edges.extend(boundaries.iter().map(|b| log_step(b.at)));
        edges.push(end(rows.last()));
        let spans = edges.windows(2).map(|w| (w[0], w[1])).collect();
        Facts {
            rows,
            smooths,
            settings,
            boundaries,
            spans,
        }
    }

    /// The smoothed measure and its standard deviation at x; `None` if it was not measured.
    pub fn at(&self, name: &str, x: f64) -> Option<(f64, f64)> {
        self.smooths.at(name, x)
    }

    /// Beginning and end of stage `k` for a measure: where its own view has the boundaries, as far
    /// as it shows them. Views may have the same boundary at different places, and what a curve
    /// does between two places of another is not its change over a stage.
    fn span(&self, name: &str, k: usize) -> (f64, f64) {
        let own = |b: &Boundary| {
            let holds = |view: &str| {
                let mut views = self.settings.views.iter();
                views.any(|v| v.name == view && v.holds(name))
            };
            let place = b.places.iter().find(|p| holds(&p.view));
            place.map(|p| log_step(p.at))
        };
        let (start, end) = self.spans[k];
        let before = k.checked_sub(1).and_then(|i| own(&self.boundaries[i]));
        let after = self.boundaries.get(k).and_then(own);
        (before.unwrap_or(start), after.unwrap_or(end))
    }

    /// Beginning and end of stage `k` for a measure; `None` where it was not measured in any part
    /// of it. A curve that ends early does not stand still afterwards.
    fn measured_span(&self, name: &str, k: usize) -> Option<(f64, f64)> {
        let (start, end) = self.span(name, k);
        let (first, last) = self.smooths.range(name)?;
        (start < last && first < end).then_some((start, end))
    }

    /// The smoothed measure at both ends of stage `k`.
    pub fn ends(&self, name: &str, k: usize) -> Option<(f64, f64)> {
        let (start, end) = self.measured_span(name, k)?;
        Some((self.at(name, start)?.0, self.at(name, end)?.0))
    }

    /// Change of the smoothed measure over stage `k`.
    pub fn change(&self, name: &str, k: usize) -> Option<f64> {
        self.ends(name, k).map(|(from, to)| to - from)
    }

    /// Changes over stage `k` of the curves that views hold.
    pub fn changes(&self, k: usize) -> BTreeMap<String, f64> {
        let held = |name: &&str| self.settings.views.iter().any(|v| v.holds(name));
        let names = self.smooths.all().filter(held);
        names
            .filter_map(|name| Some((name.to_owned(), self.change(name, k)?)))
            .collect()
    }

    /// Which way the measure went over stage `k`: by its smoothed curve, and by `error` if that is
    /// larger.
    pub fn direction(&self, name: &str, k: usize, error: Option<f64>) -> Option<Direction> {
        let (start, end) = self.measured_span(name, k)?;
        let (change, own) = self.smooths.change(name, start, end)?;
        Some(Direction::of(change, own.max(error.unwrap_or(0.0))))
    }

    /// The measures of behaviour that changed over stage `k` by at least `least_fall` and surely,
    /// the greatest change first.
    pub fn signature(&self, k: usize) -> Vec<Shift> {
        let behaviour = |name: &&str| BEHAVIOUR.iter().any(|b| name.starts_with(b));
        let mut shifts: Vec<Shift> = self
            .smooths
            .all()
            .filter(behaviour)
            .filter(|name| self.direction(name, k, None) != Some(Direction::Flat))
            .filter_map(|name| {
                let (from, to) = self.ends(name, k)?;
                let enough = (to - from).abs() >= self.settings.least_fall;
                enough.then(|| Shift {
                    measure: name.to_owned(),
                    from,
                    to,
                })
            })
            .collect();
        shifts.sort_by(|a, b| (b.to - b.from).abs().total_cmp(&(a.to - a.from).abs()));
        shifts.truncate(MOST_SHIFTS);
        shifts
    }

    /// Standard error of the change of λ̂ over stage `k`, between the checkpoints nearest to its
    /// ends that have one.
    pub fn paired_error(&self, k: usize) -> Option<f64> {
        let (start, end) = self.span("llc", k);
        let nearest = |x: f64| {
            let away = |row: &&MeasureRow| (log_step(row.step as f64) - x).abs();
            let there = self.rows.iter().filter(|r| r.values.contains_key("llc"));
            there.min_by(|a, b| away(a).total_cmp(&away(b)))
        };
        let (from, to) = (nearest(start)?, nearest(end)?);
        paired::change(from, to).map(|(_, se)| se)
    }

    /// Place and value of the least smoothed value between two places.
    pub fn least(&self, name: &str, (from, to): (f64, f64)) -> Option<(f64, f64)> {
        (0..=100)
            .map(|i| from + (to - from) * f64::from(i) / 100.0)
            .filter_map(|x| Some((x, self.at(name, x)?.0)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The run from its first to its last step.
    pub fn run(&self) -> (f64, f64) {
        (self.spans[0].0, self.spans[self.spans.len() - 1].1)
    }

    /// `divergence.<oracle>`, or `cross_entropy.<oracle>`, which differs from it by the oracle's
    /// entropy: a constant.
    pub fn divergence(&self, oracle: &str) -> Option<String> {
        ["divergence", "cross_entropy"]
            .map(|kind| format!("{kind}.{oracle}"))
            .into_iter()
            .find(|name| self.smooths.has(name))
    }

    /// The oracle of least divergence at x, and that divergence in nats, not below 0.
    pub fn nearest_oracle(&self, x: f64) -> Option<(String, f64)> {
        let prefix = "divergence.";
        self.smooths
            .names(prefix)
            .filter_map(|name| Some((name[prefix.len()..].to_owned(), self.at(name, x)?.0)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(name, divergence)| (name, divergence.max(0.0)))
    }

    /// The predictors that stages may be called after by nearness alone, in the order of their
    /// names: those that are not about sequences of tokens, for which there are rules of their own.
    pub fn predictors(&self) -> Vec<StageName> {
        let prefix = "divergence.";
        let named = |name: &str| name[prefix.len()..].parse::<StageName>().ok();
        let by_nearness = |name: &StageName| {
            matches!(
                name,
                StageName::Uniform
                    | StageName::Zero
                    | StageName::TaskMean
                    | StageName::Dmmse
                    | StageName::Ridge
                    | StageName::Rank(_)
                    | StageName::Polygon { .. }
            )
        };
        let mut found: Vec<StageName> = self
            .smooths
            .names(prefix)
            .filter_map(named)
            .filter(by_nearness)
            .collect();
        found.sort_unstable();
        found
    }

    /// Head scores that rise by at least `least` over stage `k`, the largest rise first.
    pub fn rises(&self, k: usize, least: f64) -> Vec<HeadRise> {
        let (start, end) = self.spans[k];
        let names: BTreeSet<&String> = self.rows.iter().flat_map(|r| r.values.keys()).collect();
        let mut rises: Vec<HeadRise> = names
            .into_iter()
            .filter_map(|name| {
                let (score, head) = name.split_once('.')?;
                let (from, to) = (self.score(name, start)?, self.score(name, end)?);
                (HEAD_SCORES.contains(&score) && to - from >= least).then(|| HeadRise {
                    head: head.to_owned(),
                    score: score.to_owned(),
                    from,
                    to,
                })
            })
            .collect();
        rises.sort_by(|a, b| (b.to - b.from).total_cmp(&(a.to - a.from)));
        rises
    }

    /// A head score at x, linear between the checkpoints on either side: attention averaged over
    /// many positions has hardly any noise, and a network may have very many heads to smooth.
    fn score(&self, name: &str, x: f64) -> Option<f64> {
        let mut before: Option<(f64, f64)> = None;
        for row in self.rows {
            let Some(&value) = row.values.get(name) else {
                continue;
            };
            let here = log_step(row.step as f64);
            match before {
                Some((a, v)) if here >= x => {
                    return Some(v + (value - v) * ((x - a) / (here - a)).clamp(0.0, 1.0));
                }
                None if here >= x => return Some(value),
                _ => before = Some((here, value)),
            }
        }
        before.map(|(_, value)| value)
    }
}
