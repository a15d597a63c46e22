use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::StageError;

/// How stages are sought. Every field has a default, and the defaults were measured: see the
/// module's documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageSettings {
    /// Where boundaries are looked for, apart from each other; a boundary counts if any view shows
    /// it.
    pub views: Vec<View>,
    /// Which measures are standard errors, and of which curves.
    pub errors: ErrorMeasures,
    /// Probability of the intervals and of the bands: .9 reaches from the 5 % to the 95 % quantile.
    pub level: f64,
    /// Share of posterior paths that must show a boundary for it to be reported.
    pub evidence: f64,
    /// A path shows a boundary where its speed falls to this share of the speed in the slower of
    /// the episodes on either side.
    pub slowdown: f64,
    /// Least change of an episode, as a share of a curve's whole range.
    pub least_change: f64,
    /// Least change of an episode in posterior standard deviations of that change.
    pub sure_change: f64,
    /// Boundaries of different views that stand closer than this on ln(step + 1) are one boundary.
    pub same_place: f64,
    /// Paths drawn from the posterior of the speed.
    pub paths: usize,
    /// Places on ln(step + 1) where the speed is looked at.
    pub grid: usize,
    /// Points of a curve at most; more are averaged into bins of equal width on ln(step + 1).
    pub points: usize,
    /// Least rise of a head score, in units of attention, that is reported and that can name a
    /// stage.
    pub head_rise: f64,
    /// Least fall of a divergence or a loss, in nats, that can name a stage.
    pub least_fall: f64,
}

/// Where the standard errors of curves are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorMeasures {
    /// The measure `<curve>_se`, as in a run's own table.
    #[default]
    Suffixed,
    /// For some curves, by name, a measure of any name; the others have none. In a table of
    /// anyone's a measure `loss_se` may be a curve like any other.
    Named(BTreeMap<String, String>),
}

impl ErrorMeasures {
    /// The measure with the standard errors of `curve`.
    pub fn of(&self, curve: &str) -> Option<String> {
        match self {
            ErrorMeasures::Suffixed => Some(format!("{curve}_se")),
            ErrorMeasures::Named(all) => all.get(curve).cloned(),
        }
    }

    /// Whether the measure was named as the standard errors of a curve.
    pub fn names(&self, measure: &str) -> bool {
        match self {
            ErrorMeasures::Suffixed => false,
            ErrorMeasures::Named(all) => all.values().any(|m| m == measure),
        }
    }
}

/// One way of looking at development: curves whose common speed of change is searched for slow
/// places.
///
/// The speed is that of the fastest curve, |d curve/d ln(step + 1)| in units of the curve's own
/// greatest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// A short name, which boundaries refer to.
    pub name: String,
    /// Names of measures; one that ends in `*` stands for every name that begins so. What the table
    /// lacks is left out.
    pub curves: Vec<String>,
    /// Whether only a fall of a curve counts as motion. A model that leaves an oracle behind does
    /// so because it nears another; counted twice, that would hide the slow place between the two.
    #[serde(default)]
    pub falling: bool,
}

impl View {
    fn new(name: &str, curves: &[&str], falling: bool) -> View {
        let curves = curves.iter().map(|&c| c.to_owned()).collect();
        View {
            name: name.to_owned(),
            curves,
            falling,
        }
    }

    /// Whether the curve called `name` belongs to this view.
    pub fn holds(&self, name: &str) -> bool {
        self.curves
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern,
            })
    }
}

impl Default for StageSettings {
    /// Three views. `complexity` is λ̂ alone: a plateau there may have no counterpart in behaviour.
    /// `behaviour` is the approach to the predictors that stages are named after: the divergences
    /// from the bigram and the trigram oracle and the loss after repeated triggers. `loss` is for
    /// sources that have none of these.
    fn default() -> StageSettings {
        let behaviour = [
            "divergence.bigram",
            "divergence.trigram",
            "trigger_loss.repeated",
        ];
        StageSettings {
            views: vec![
                View::new("complexity", &["llc"], false),
                View::new("behaviour", &behaviour, true),
                View::new("loss", &["loss"], true),
            ],
            errors: ErrorMeasures::Suffixed,
            level: 0.9,
            evidence: 0.9,
            slowdown: 0.7,
            least_change: 0.02,
            sure_change: 5.0,
            same_place: 0.4,
            paths: 400,
            grid: 200,
            points: 120,
            head_rise: 0.1,
            least_fall: 0.05,
        }
    }
}

impl StageSettings {
    /// Says which setting is out of its range.
    ///
    /// # Errors
    /// [`StageError::Setting`] for the first that is.
    pub fn check(&self) -> Result<(), StageError> {
        let share = |key, value: f64| {
            let fine = value > 0.0 && value < 1.0;
            (!fine).then(|| refuse(key, value, "above 0 and below 1"))
        };
        let at_least_0 = |key, value: f64| {
            let fine = value >= 0.0 && value.is_finite();
            (!fine).then(|| refuse(key, value, "a number of at least 0"))
        };
        let count = |key, value: usize, least: usize, range| {
            (value < least || value > 5000).then(|| refuse(key, value, range))
        };
        let faults = [
            share("level", self.level),
            share("evidence", self.evidence),
            share("slowdown", self.slowdown),
            at_least_0("least_change", self.least_change),
            at_least_0("sure_change", self.sure_change),
            at_least_0("same_place", self.same_place),
            at_least_0("head_rise", self.head_rise),
            at_least_0("least_fall", self.least_fall),
            count("paths", self.paths, 20, "between 20 and 5000"),
            count("grid", self.grid, 20, "between 20 and 5000"),
            count("points", self.points, 20, "between 20 and 5000"),
        ];
        if self.views.iter().all(|v| v.curves.is_empty()) {
            return Err(refuse(
                "views",
                "empty",
                "at least one view with at least one curve",
            ));
        }
        faults.into_iter().flatten().next().map_or(Ok(()), Err)
    }
}

fn refuse(key: &'static str, value: impl ToString, range: &'static str) -> StageError {
    StageError::Setting {
        key,
        value: value.to_string(),
        range,
    }
}
