//! The estimator on models whose answer is known.

use serde::Serialize;

use super::{Coefficient, KnownLoss, Model, NoAnswer, Spec, expectation};
use crate::curvature::top_curvature;
use crate::error::AnalysisError;
use crate::llc::{Baseline, Draws, LlcSettings, Manner, Sight, Subject, Walk, Walker, estimate};
use crate::sampler::{Mask, Rule, Settings};
use crate::statistics::student_quantile;

/// One line of a convergence table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// nβ.
    pub nbeta: f64,
    /// γ.
    pub localization: f64,
    /// Half the width of the box, if there is one.
    #[serde(rename = "box")]
    pub half_width: Option<f64>,
    /// The rule of movement.
    pub sampler: Rule,
    /// ε, as it was found.
    pub epsilon: f64,
    /// Chains.
    pub chains: usize,
    /// Draws of each chain, those left out among them.
    pub draws: usize,
    /// λ̂.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// What a perfect sampler would say, where it is known.
    pub expected: Option<f64>,
}

/// An instance, and what the estimator says of it.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// λ.
    pub truth: f64,
    /// Its multiplicity.
    pub multiplicity: usize,
    /// At rising nβ; the last counts.
    pub table: Vec<Row>,
    /// Whether it is as it should be, and in words why or why not.
    pub verdict: Answer,
}

/// Whether a case passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether it did.
    pub passed: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Standard error that a case may have, as a share of its target, and the one that is aimed at.
const MOST_ERROR: f64 = 0.03;
const WANTED_ERROR: f64 = 0.02;
/// How far λ̂ may be from λ where no expectation is known.
const MOST_DISTANCE: f64 = 0.1;
/// Probability that any of the exact cases fails by chance.
const LEVEL: f64 = 0.01;
/// ε times the steepest curvature. The error of a finite step is a quarter of it, in the steepest
/// direction alone.
const FINE_STEP: f64 = 0.02;

/// What is asked of a case: at which temperature, and where.
pub(super) struct Question {
    pub(super) nbeta: f64,
    pub(super) localization: f64,
    pub(super) half_width: Option<f64>,
    /// ε times the steepest curvature.
    pub(super) step: f64,
    /// The rule that mixes fast enough, unless another was asked for.
    pub(super) rule: Rule,
    pub(super) burn_in: usize,
    pub(super) most_draws: usize,
}

/// Runs one instance, with a rule that suits it unless one is given. `cases` is how many are tested
/// together, for the level of each.
///
/// # Errors
/// [`NoAnswer`] inside the first result if the instance has none; [`AnalysisError`] if the device
/// fails.
pub fn validate(
    spec: &Spec,
    rule: Option<Rule>,
    seed: u64,
    cases: usize,
) -> Result<Result<Case, NoAnswer>, AnalysisError> {
    let (model, coefficient) = match spec.build() {
        Ok(built) => built,
        Err(no) => return Ok(Err(no)),
    };
    let mut table = Vec::new();
    for question in questions(spec, model.dimension()) {
        table.push(ask(spec, model.as_ref(), &question, rule, seed)?);
    }
    let verdict = match table.last() {
        Some(row) => answer(row, coefficient, cases),
        None => Answer {
            passed: false,
            reason: "nothing was asked".to_owned(),
        },
    };
    Ok(Ok(Case {
        name: spec.name(),
        kind: spec.kind(),
        truth: coefficient.lambda,
        multiplicity: coefficient.multiplicity,
        table,
        verdict,
    }))
}

fn questions(spec: &Spec, dimension: usize) -> Vec<Question> {
    // nβ = n/ln n at n = 1000.
    let usual = 1000.0 / 1000_f64.ln();
    let exact = |localization, half_width| Question {
        nbeta: usual,
        localization,
        half_width,
        step: FINE_STEP,
        rule: Rule::Sgld,
        burn_in: 200,
        most_draws: 200_000,
    };
    let limit = |localization: f64, nbeta: f64| Question {
        nbeta,
        localization,
        half_width: None,
        step: FINE_STEP,
        // Momenta cross the long flat valleys of these losses in far fewer steps.
        rule: Rule::Sgnht,
        burn_in: 4000,
        most_draws: 6_000_000 / dimension.clamp(10, 100),
    };
    match spec {
        Spec::Quadratic { .. } => vec![exact(1.0, None)],
        Spec::NormalCrossing { .. } => vec![exact(0.0, Some(1.0))],
        Spec::Regular { .. } => vec![exact(0.0, None)],
        // Degree 2L in the weights: γ^L/nβ is all that counts, up to scale.
        Spec::Rrr { .. } => [30.0, 100.0, 300.0, 1000.0]
            .map(|nbeta| limit(1.0, nbeta))
            .into(),
        // The deeper, the flatter w* is, and the longer chains take to leave it.
        Spec::Dln { widths, .. } => [30.0, 100.0, 300.0, 1000.0]
            .map(|nbeta| Question {
                burn_in: 4000 * widths.len().saturating_sub(2).clamp(1, 4).pow(3),
                ..limit(1.0, nbeta)
            })
            .into(),
        // The dead feature must stay where it is dead.
        Spec::Superposition { .. } => [1e4, 1e5, 1e6].map(|nbeta| limit(100.0, nbeta)).into(),
    }
}

fn ask(
    spec: &Spec,
    model: &dyn Model,
    question: &Question,
    rule: Option<Rule>,
    seed: u64,
) -> Result<Row, AnalysisError> {
    let row = sample(model, question, rule.unwrap_or(question.rule), seed)?;
    let (nbeta, gamma, half_width) = (question.nbeta, question.localization, question.half_width);
    Ok(Row {
        expected: match spec {
            Spec::Quadratic { curvatures } => {
                Some(expectation::quadratic(curvatures, nbeta, gamma, half_width))
            }
            Spec::NormalCrossing { powers } => {
                expectation::normal_crossing(powers, nbeta, gamma, half_width)
            }
            Spec::Regular { dimension } => {
                let model = super::Categorical {
                    dimension: *dimension,
                };
                (gamma == 0.0).then(|| expectation::categorical(&model, nbeta))
            }
            Spec::Rrr { .. } | Spec::Dln { .. } | Spec::Superposition { .. } => None,
        },
        ..row
    })
}

/// The estimate about a model's start, beside nothing.
pub(super) fn sample(
    model: &dyn Model,
    question: &Question,
    rule: Rule,
    seed: u64,
) -> Result<Row, AnalysisError> {
    let landscape = KnownLoss(model);
    let anchor = landscape.anchor();
    let chains = (4096 / model.dimension()).clamp(32, 256);
    let epsilon = step_size(&landscape, question, rule, seed)?;
    let settings = LlcSettings {
        rule,
        sampler: Settings {
            weight_decay: 0.0,
            half_width: question.half_width,
            ..Settings::new(epsilon, question.nbeta, question.localization)
        },
        chains,
        draws: Draws::Auto {
            error: WANTED_ERROR,
            most: question.most_draws,
        },
        burn_in: question.burn_in,
        seed,
        baseline: Baseline::Apart(2),
        looks: 64,
    };
    let subject = Subject {
        landscape: &landscape,
        evaluation: None,
        anchor: &anchor,
        coordinate: None,
    };
    let estimated = estimate(&subject, &settings, &[Mask::all()], |_| None)?;
    let llc = &estimated.llcs[0];
    Ok(Row {
        nbeta: question.nbeta,
        localization: question.localization,
        half_width: question.half_width,
        sampler: rule,
        epsilon,
        chains,
        draws: llc.draws,
        estimate: llc.mean.unwrap_or(f64::NAN),
        se: llc.error().unwrap_or(f64::NAN),
        expected: None,
    })
}

/// The ε at which the steepest curvature that pilot chains come upon, times ε, is what is wanted. A
/// singular w* may have no curvature at all where its neighbourhood has much, hence the pilots.
fn step_size(
    landscape: &KnownLoss<'_>,
    question: &Question,
    rule: Rule,
    seed: u64,
) -> Result<f64, AnalysisError> {
    const PILOTS: u64 = 16;
    const DRAWS: usize = 3000;
    let anchor = landscape.anchor();
    let mask = Mask::all();
    let steepest = |weights: &[burn::tensor::Tensor<3>], chains: &[u64]| {
        let all = top_curvature(landscape, weights, &mask, chains, 0)?;
        // One of the pilots may have wandered to where none will.
        let finite = all.iter().all(|h| h.is_finite());
        let most = all.into_iter().fold(0.0, f64::max);
        Ok::<_, AnalysisError>(finite.then_some(question.nbeta * most + question.localization))
    };
    let wide = question.half_width.map_or(f64::INFINITY, |b| 0.01 * b * b);
    let epsilon_of = |a: f64| (question.step / a).min(wide);
    let at_rest = steepest(&anchor, &[0])?.unwrap_or(question.localization);
    let mut epsilon = epsilon_of(at_rest.max(1e-6));
    for _ in 0..20 {
        let settings = Settings {
            half_width: question.half_width,
            ..Settings::new(epsilon, question.nbeta, question.localization)
        };
        let walkers: Vec<Walker<'_>> = (0..PILOTS)
            .map(|chain| Walker {
                anchor: &anchor,
                settings,
                mask: &mask,
                chain,
            })
            .collect();
        let manner = Manner {
            landscape,
            evaluation: None,
            rule,
            seed: seed ^ 0x70_69_6c_6f_74,
            coordinate: None,
            paired: false,
            sight: Sight::default(),
        };
        let mut walk = Walk::new(&manner, &walkers, |_| None);
        walk.advance(DRAWS)?;
        let chains: Vec<u64> = (0..PILOTS).collect();
        let mut found = None;
        for weights in walk.weights() {
            found = steepest(weights, &chains)?;
        }
        let alive = walk.seen().all(|s| s.losses.iter().all(|l| l.is_finite()));
        match found.filter(|_| alive) {
            // A pilot that died says nothing but that it was too fast.
            None => epsilon *= 0.1,
            Some(a) if epsilon * a > 1.2 * question.step => epsilon = epsilon_of(a),
            Some(_) => break,
        }
    }
    Ok(epsilon)
}

/// Whether the last row of a table is as it should be.
pub(super) fn answer(row: &Row, known: Coefficient, cases: usize) -> Answer {
    let lambda = known.lambda;
    let target = row.expected.unwrap_or(lambda);
    let share = row.se / target;
    let (passed, reason) = if !row.estimate.is_finite() || !row.se.is_finite() {
        (false, "the chains died".to_owned())
    } else if share > MOST_ERROR {
        (
            false,
            format!("the standard error is {:.1} % of the target", 100.0 * share),
        )
    } else if row.expected.is_some() {
        let t = (row.estimate - target) / row.se;
        let bound = student_quantile(1.0 - LEVEL / (2.0 * cases.max(1) as f64), row.chains - 1);
        (
            t.abs() <= bound,
            format!("{t:+.2} standard errors from the expectation; {bound:.2} are allowed"),
        )
    } else {
        let distance = row.estimate / lambda - 1.0;
        (
            distance.abs() <= MOST_DISTANCE,
            format!(
                "{:+.1} % from λ at nβ = {}{}",
                100.0 * distance,
                row.nbeta,
                match known.multiplicity {
                    1 => String::new(),
                    m => format!(
                        "; its multiplicity {m} alone holds λ̂ about {:.2} below it there",
                        (m - 1) as f64 / row.nbeta.ln()
                    ),
                }
            ),
        )
    };
    Answer { passed, reason }
}

impl Case {
    /// The line that counts.
    pub fn last(&self) -> Option<&Row> {
        self.table.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One case of each sort of answer, and a planted error that must be seen.
    #[test]
    fn an_estimate_is_held_against_its_expectation() {
        let row = |estimate, se, expected| Row {
            nbeta: 100.0,
            localization: 1.0,
            half_width: None,
            sampler: Rule::Sgld,
            epsilon: 1e-3,
            chains: 64,
            draws: 1000,
            estimate,
            se,
            expected,
        };
        let one = Coefficient {
            lambda: 1.0,
            multiplicity: 1,
        };
        assert!(answer(&row(1.02, 0.01, Some(1.0)), one, 20).passed);
        assert!(!answer(&row(1.05, 0.01, Some(1.0)), one, 20).passed);
        assert!(!answer(&row(1.0, 0.04, Some(1.0)), one, 20).passed);
        assert!(answer(&row(0.91, 0.01, None), one, 20).passed);
        assert!(!answer(&row(0.89, 0.01, None), one, 20).passed);
        assert!(!answer(&row(f64::NAN, 0.01, None), one, 20).passed);
    }

    #[test]
    fn quadratics_pass() {
        let spec = Spec::Quadratic {
            curvatures: vec![1.0, 4.0, 0.0],
        };
        let case = validate(&spec, None, 0, 1).unwrap().unwrap();
        assert!(case.verdict.passed, "{case:?}");
    }
}
