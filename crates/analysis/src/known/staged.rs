//! Stages whose places are known: a linear network is trained, its λ̂ estimated along the way, its
//! stages detected, and each of the three held against its closed form.

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_store::Stream;
use rayon::prelude::*;
use serde::Serialize;

use super::growth::{LinearModes, Mode, descend};
use super::validate::{Question, answer, sample};
use super::{KnownLoss, Model, reduced_rank};
use crate::error::AnalysisError;
use crate::llc::{Baseline, Draws, LlcSettings, Spot, Subject, estimate_all};
use crate::sampler::{Mask, Rule, Settings};
use crate::stages::{StageError, StageReport, StageSettings, detect};
use crate::table::MeasureRow;

/// One line of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How the network began.
    pub start: &'static str,
    /// What is compared.
    pub what: String,
    /// What was measured, if anything was.
    pub measured: Option<f64>,
    /// Its interval or what it may be, if there is one.
    pub interval: Option<[f64; 2]>,
    /// What the closed form says.
    pub expected: f64,
    /// Whether it is as it should be; absent where it only informs.
    pub passed: Option<bool>,
    /// Why, or how to read it.
    pub reason: String,
}

/// What a validation of stages found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Staged {
    /// Every comparison.
    pub findings: Vec<Finding>,
    /// Checkpoints of each network.
    pub checkpoints: usize,
    /// Trajectories of loss and λ̂, each with noise of its own.
    pub seeds: u64,
}

/// Why stages could not be validated.
#[derive(Debug, thiserror::Error)]
pub enum StagedError {
    /// The sampler's device.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// What the detector has against the rows.
    #[error(transparent)]
    Stages(#[from] StageError),
}

/// Rates 4, 1 and ¼: half-rises a factor of four apart, each worth at least a twentieth of the
/// whole loss.
const VARIANCES: [f64; 3] = [4.0, 1.0, 0.25];
/// Strength of each mode at the decoupled start; the random one has it in the mean for the first
/// mode.
const START: f64 = 1e-3;
/// Step of the descent. Its relative error in time is half of this times the rate, at most half a
/// percent.
const RATE: f64 = 2.5e-3;
/// Updates: the slowest mode's half-rise is at about 5500, and it is learned to a few parts in 10⁴
/// at the end.
const LAST: u64 = 12_000;
/// Checkpoints, evenly on a logarithmic axis as far as whole numbers allow.
const CHECKPOINTS: usize = 90;
/// Trajectories of λ̂ and of the measured loss.
const SEEDS: u64 = 8;
/// Fresh inputs that the loss of each checkpoint is measured on: its error is then 1.4 % of it
/// where one mode is most of it.
const INPUTS: usize = 10_000;
/// Relative error of the effective start of a mode from a random one: what the argument leaves out
/// are products of the strengths of modes that are still small with those that rise, a few percent.
const START_ERROR: f64 = 0.1;
/// Probability that the intervals of a boundary miss too often by chance.
const LEVEL: f64 = 0.01;

fn network() -> LinearModes {
    LinearModes {
        hidden: 4,
        outputs: 4,
        modes: VARIANCES
            .map(|variance| Mode {
                target: 1.0,
                variance,
            })
            .into(),
        idle: vec![1.0, 1.0],
    }
}

/// Trains, estimates, detects and compares, from both starts.
///
/// # Errors
/// [`StagedError`] if the device fails or the detector refuses its rows.
pub fn validate_stages(seed: u64) -> Result<Staged, StagedError> {
    let model = network();
    // H units share 2·deviation²·H/4 of squared length in (b + c)/2.
    let deviation = (2.0 * START / model.hidden as f64).sqrt();
    let starts = [
        ("decoupled", model.decoupled(START), 0.0),
        ("random", model.random(deviation, seed), START_ERROR),
    ];
    let found: Vec<Vec<Finding>> = starts
        .into_par_iter()
        .map(|(name, w, doubt)| from_start(&model, name, w, doubt, seed))
        .collect::<Result<_, StagedError>>()?;
    Ok(Staged {
        findings: found.concat(),
        checkpoints: log_steps(CHECKPOINTS, LAST).len(),
        seeds: SEEDS,
    })
}

/// A trained network: its weights and loss at the checkpoints, and when its modes were half risen.
struct Trained {
    steps: Vec<u64>,
    weights: Vec<Vec<f64>>,
    half_rises: Vec<Option<f64>>,
}

fn train(model: &LinearModes, w: Vec<f64>) -> Trained {
    let mut trained = Trained {
        steps: log_steps(CHECKPOINTS, LAST),
        weights: Vec::new(),
        half_rises: vec![None; model.modes.len()],
    };
    let mut before = vec![0.0; model.modes.len()];
    let mut kept = 0;
    descend(model, w, RATE, LAST, |step, w| {
        let now = model.strengths(w);
        for (k, mode) in model.modes.iter().enumerate() {
            let half = 0.5 * mode.target;
            if trained.half_rises[k].is_none() && now[k] >= half && step > 0 {
                let part = (half - before[k]) / (now[k] - before[k]);
                trained.half_rises[k] = Some((step - 1) as f64 + part);
            }
        }
        before = now;
        if trained.steps.get(kept) == Some(&step) {
            kept += 1;
            trained.weights.push(w.to_vec());
        }
    });
    trained
}

/// 0 and `count` steps evenly on ln(step + 1) up to the last, each once.
fn log_steps(count: usize, last: u64) -> Vec<u64> {
    let whole = (last as f64).ln_1p();
    let mut steps: Vec<u64> = (0..=count)
        .map(|k| (whole * k as f64 / count as f64).exp_m1().round() as u64)
        .collect();
    steps.dedup();
    steps
}

fn from_start(
    model: &LinearModes,
    start: &'static str,
    w: Vec<f64>,
    doubt: f64,
    seed: u64,
) -> Result<Vec<Finding>, StagedError> {
    let starts = model.effective_starts(&w);
    let trained = train(model, w);
    let mut findings = half_rises(model, start, &starts, doubt, &trained);
    let expected = model.boundaries(&starts, RATE);
    let seen: Vec<StageReport> = (0..SEEDS)
        .into_par_iter()
        .map(|own| {
            let rows = rows(model, &trained, seed ^ (own << 32))?;
            Ok(detect(&rows, &StageSettings::default())?)
        })
        .collect::<Result<_, StagedError>>()?;
    findings.extend(boundaries(start, &expected, &seen));
    findings.extend(coefficients(model, start, &expected, &trained, seed)?);
    Ok(findings)
}

/// When modes are half risen.
///
/// In ln w the descent of one mode is Euler's method on a speed g that falls, by `2va` for each
/// unit of ln w, so it runs ahead of the flow by ½·step·2va of the time in each step: at most
/// ½·step·vt up to the half-rise, where a = t/2. Each step of ln(1 + step·g) lags by ½·step·g ≤
/// ½·step·vt the same way, so the two together stay within step·vt/2 on either side. Interpolation
/// between two updates is good to one update.
fn half_rises(
    model: &LinearModes,
    start: &'static str,
    starts: &[f64],
    doubt: f64,
    trained: &Trained,
) -> Vec<Finding> {
    let modes = model.modes.iter().zip(starts).zip(&trained.half_rises);
    modes
        .enumerate()
        .map(|(k, ((mode, &from), &measured))| {
            let expected = mode.half_rise(from) / RATE;
            // An error of the start is one of its logarithm, over twice the rate.
            let of_start = doubt / (2.0 * mode.rate() * RATE);
            let allowed = 0.5 * RATE * mode.rate() * expected + 1.0 + of_start;
            let passed = measured.is_some_and(|m| (m - expected).abs() <= allowed);
            Finding {
                start,
                what: format!("half-rise of mode {}", k + 1),
                measured,
                interval: Some([expected - allowed, expected + allowed]),
                expected,
                passed: Some(passed),
                reason: match measured {
                    Some(m) => format!(
                        "{:+.2} % from the closed form; {:.2} % are allowed for the step{}",
                        100.0 * (m / expected - 1.0),
                        100.0 * allowed / expected,
                        if doubt > 0.0 { " and the start" } else { "" }
                    ),
                    None => "the mode did not rise".to_owned(),
                },
            }
        })
        .collect()
}

/// Settings of λ̂ along the trajectory. γ is four times the steepest descent that nβ·L has at a
/// saddle, so that no chain runs away: λ̂ is then local at saddles too, and far below λ.
fn along(model: &LinearModes, seed: u64) -> LlcSettings {
    let steepest = model.modes.iter().map(Mode::rate).fold(0.0, f64::max);
    let nbeta = 1000.0;
    let gamma = 4.0 * steepest * nbeta;
    // The steepest curvature of all is 2vt, at the truth.
    let epsilon = 0.1 / (gamma + 2.0 * steepest * nbeta);
    LlcSettings {
        rule: Rule::Sgld,
        sampler: Settings::new(epsilon, nbeta, gamma),
        chains: 8,
        draws: Draws::Fixed(800),
        burn_in: 100,
        seed,
        baseline: Baseline::Apart(2),
        looks: 0,
    }
}

/// The table of a trajectory as a seed measures it: loss and λ̂, both with their noise.
fn rows(
    model: &LinearModes,
    trained: &Trained,
    seed: u64,
) -> Result<Vec<MeasureRow>, AnalysisError> {
    let landscape = KnownLoss(model);
    let anchors: Vec<Vec<Tensor<3>>> = trained.weights.iter().map(|w| tensor(w)).collect();
    let mask = Mask::all();
    let spots: Vec<Spot<'_>> = anchors
        .iter()
        .map(|anchor| Spot {
            anchor,
            mask: &mask,
        })
        .collect();
    let subject = Subject {
        landscape: &landscape,
        evaluation: None,
        anchor: &anchors[0],
        coordinate: None,
    };
    let settings = along(model, seed);
    let estimated = estimate_all(&subject, &settings, &spots, |_| None)?;
    let row = |((&step, w), llc): ((&u64, &Vec<f64>), &crate::llc::Llc)| {
        let mut measures = llc.measures(None, settings.sampler.nbeta);
        let stream = Stream::new(seed, "inputs of a linear network", &[step]);
        let (loss, se) = model.measured_loss(w, INPUTS, &stream);
        measures.value("loss", loss);
        measures.value("loss_se", se.unwrap_or(f64::NAN));
        MeasureRow {
            step,
            tokens: step,
            replica: "linear network".to_owned(),
            values: measures.values,
            vectors: measures.vectors,
            words: measures.words,
        }
    };
    let measured = trained.steps.iter().zip(&trained.weights);
    Ok(measured.zip(&estimated.llcs).map(row).collect())
}

fn tensor(w: &[f64]) -> Vec<Tensor<3>> {
    let values: Vec<f32> = w.iter().map(|&w| w as f32).collect();
    let shape = [1, 1, values.len()];
    vec![Tensor::from_data(
        TensorData::new(values, shape),
        &Device::flex(),
    )]
}

/// Whether the intervals of detected boundaries hold those of the closed form.
fn boundaries(start: &'static str, expected: &[f64], seen: &[StageReport]) -> Vec<Finding> {
    let level = StageSettings::default().level;
    let least = least_hits(seen.len(), level);
    let mut findings: Vec<Finding> = expected
        .iter()
        .enumerate()
        .map(|(k, &place)| {
            let nearest: Vec<&crate::stages::Boundary> = seen
                .iter()
                .filter_map(|report| {
                    let away = |at: f64| (at.ln_1p() - place.ln_1p()).abs();
                    let all = report.boundaries.iter();
                    all.min_by(|a, b| away(a.at).total_cmp(&away(b.at)))
                })
                .collect();
            let holds = nearest.iter().filter(|b| b.lo <= place && place <= b.hi);
            let hits = holds.count();
            let first = nearest.first();
            Finding {
                start,
                what: format!("boundary of modes {} and {}", k + 1, k + 2),
                measured: first.map(|b| b.at),
                interval: first.map(|b| [b.lo, b.hi]),
                expected: place,
                passed: Some(hits >= least),
                reason: format!(
                    "the {:.0} % interval holds it for {hits} of {} seeds; {least} are enough",
                    100.0 * level,
                    seen.len()
                ),
            }
        })
        .collect();
    let counts: Vec<f64> = seen.iter().map(|r| r.boundaries.len() as f64).collect();
    let exact = counts
        .iter()
        .filter(|c| **c == expected.len() as f64)
        .count();
    findings.push(Finding {
        start,
        what: "boundaries found".to_owned(),
        measured: Some(crate::statistics::mean(&counts)),
        interval: None,
        expected: expected.len() as f64,
        passed: None,
        reason: format!("so many for {exact} of {} seeds", seen.len()),
    });
    findings
}

/// The least number of hits that is no surprise where each has this probability: fewer have one of
/// at most [`LEVEL`].
fn least_hits(trials: usize, probability: f64) -> usize {
    let mut below = 0.0;
    let mut term = (1.0 - probability).powi(trials as i32);
    for hits in 0..trials {
        below += term;
        if below > LEVEL {
            return hits;
        }
        term *= (trials - hits) as f64 / (hits + 1) as f64 * probability / (1.0 - probability);
    }
    trials
}

/// A model about weights of one's own.
struct At<'a> {
    model: &'a dyn Model,
    weights: &'a [f64],
}

impl Model for At<'_> {
    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn start(&self) -> Vec<f64> {
        self.weights.to_vec()
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        self.model.loss_and_gradient(w, gradient)
    }
}

/// λ̂ at the end against the formula, and on the way for information.
///
/// A plateau is a saddle of the whole loss and has no learning coefficient there. What it is a
/// minimum of is the loss whose truth are the modes learned so far, and that has one: of
/// reduced-rank regression with a truth of their number.
fn coefficients(
    model: &LinearModes,
    start: &'static str,
    plateaus: &[f64],
    trained: &Trained,
    seed: u64,
) -> Result<Vec<Finding>, AnalysisError> {
    let question = Question {
        nbeta: 1000.0,
        localization: 1.0,
        half_width: None,
        step: 0.02,
        rule: Rule::Sgnht,
        burn_in: 4000,
        most_draws: 60_000,
    };
    let nearest = |place: f64| {
        let away = |k: &usize| ((trained.steps[*k] as f64).ln_1p() - place.ln_1p()).abs();
        let all = 0..trained.steps.len();
        all.min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(0)
    };
    let mut places: Vec<usize> = vec![0];
    places.extend(plateaus.iter().map(|&place| nearest(place)));
    places.push(trained.steps.len() - 1);
    places
        .into_par_iter()
        .enumerate()
        .map(|(rank, place)| {
            let of_these = model.with_truth_of(rank);
            let about = At {
                model: &of_these,
                weights: &trained.weights[place],
            };
            let known = reduced_rank([model.inputs(), model.hidden, model.outputs], rank);
            let row = sample(&about, &question, question.rule, seed)?;
            let verdict = answer(&row, known, 1);
            let last = rank == model.modes.len();
            Ok(Finding {
                start,
                what: match last {
                    true => format!("λ̂ at the end, step {}", trained.steps[place]),
                    false => format!("λ̂ of {rank} modes, step {}", trained.steps[place]),
                },
                measured: Some(row.estimate).filter(|x| x.is_finite()),
                interval: Some([row.estimate - 1.96 * row.se, row.estimate + 1.96 * row.se])
                    .filter(|i| i.iter().all(|x| x.is_finite())),
                expected: known.lambda,
                passed: last.then_some(verdict.passed),
                reason: match last {
                    true => verdict.reason,
                    false => format!(
                        "of the loss whose truth are the modes learned so far; {}",
                        verdict.reason
                    ),
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_misses_are_allowed_as_chance_makes() {
        // P(X ≤ 4) = .0050 and P(X ≤ 5) = .0381 for 8 trials at .9.
        assert_eq!(least_hits(8, 0.9), 5);
        // P(X ≤ 5) = .0016 and P(X ≤ 6) = .0128 for 10.
        assert_eq!(least_hits(10, 0.9), 6);
        assert_eq!(least_hits(1, 0.9), 0);
    }

    #[test]
    fn modes_rise_when_the_closed_form_says() {
        let model = network();
        let deviation = (2.0 * START / model.hidden as f64).sqrt();
        for (name, w, doubt) in [
            ("decoupled", model.decoupled(START), 0.0),
            ("random", model.random(deviation, 1), START_ERROR),
            ("random", model.random(deviation, 2), START_ERROR),
        ] {
            let starts = model.effective_starts(&w);
            let trained = train(&model, w);
            for finding in half_rises(&model, name, &starts, doubt, &trained) {
                assert_eq!(finding.passed, Some(true), "{finding:?}");
            }
            // A start that is wrong by a factor of two is seen.
            let wrong: Vec<f64> = starts.iter().map(|s| 2.0 * s).collect();
            for finding in half_rises(&model, name, &wrong, doubt, &trained) {
                assert_eq!(finding.passed, Some(false), "{finding:?}");
            }
        }
    }

    #[test]
    fn the_boundaries_lie_between_the_rises() {
        let model = network();
        let starts = [START; 3];
        let rises: Vec<f64> = model
            .modes
            .iter()
            .map(|m| m.half_rise(START) / RATE)
            .collect();
        let boundaries = model.boundaries(&starts, RATE);
        assert_eq!(boundaries.len(), 2);
        for (k, &at) in boundaries.iter().enumerate() {
            assert!(
                1.2 * rises[k] < at && at < 0.8 * rises[k + 1],
                "{boundaries:?}"
            );
        }
    }
}
