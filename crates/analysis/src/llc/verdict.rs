//! One word for an estimate, and why.

use serde::{Deserialize, Serialize};

use super::Llc;

/// Whether an estimate can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Nothing speaks against it.
    Ok,
    /// It may be off by more than its error says.
    Suspect,
    /// It is no estimate of a learning coefficient.
    Failed,
}

impl Word {
    /// The word in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
        }
    }
}

/// What is wrong, from what spoils most to what spoils least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The chains died, or are hotter than what they sample.
    StepTooLarge,
    /// The chains found places with a lower loss.
    NotAMinimum,
    /// L(w*) is known less well than its difference to the draws must be.
    BaselineNoise,
    /// The draws still move.
    NotConverged,
    /// The error is large beside the estimate.
    TooFewDraws,
}

/// A word, its cause unless it is "ok", and a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The word.
    pub word: Word,
    /// What is wrong.
    pub cause: Option<Cause>,
    /// Why, and for "ok" how to read the figure.
    pub reason: String,
}

/// A symptom is suspect from the first number on, and fatal from the second.
struct Bounds(f64, f64);

/// Mean of `(w − w*)·∇U` over the number of weights, 1 in equilibrium. A quadratic with εa = ½
/// shows 1.14, and its share of λ̂ is off by as much.
const HOT: Bounds = Bounds(1.12, 1.5);
/// Below this the chains have not yet taken up the noise.
const COLD: Bounds = Bounds(0.85, 0.5);
/// Share of the draws that lie below w*, from which on it is suspect where w* has a gradient.
const MANY_BELOW: f64 = 0.25;
/// Error of the baseline, of the estimate, and its drift, as shares of the estimate.
const BASELINE: Bounds = Bounds(0.1, 0.5);
const DRIFT: Bounds = Bounds(0.1, 0.3);
const ERROR: Bounds = Bounds(0.1, 0.5);
/// Split-R̂ from which chains that disagree by a twentieth of the estimate are suspect.
const R_HAT: f64 = 1.2;
/// Errors and drifts are shares of λ̂, or of this where λ̂ is less: two directions. An estimate of
/// 0.02 ± 0.05 says well enough that there is next to nothing.
const LEAST_SCALE: f64 = 1.0;
/// Standard errors by which a symptom must be sure.
const SURE: f64 = 3.0;

impl Bounds {
    /// The word for a symptom that is worse the larger it is.
    fn above(&self, value: f64) -> Word {
        match value {
            v if v > self.1 => Word::Failed,
            v if v > self.0 => Word::Suspect,
            _ => Word::Ok,
        }
    }

    fn below(&self, value: f64) -> Word {
        match value {
            v if v < self.1 => Word::Failed,
            v if v < self.0 => Word::Suspect,
            _ => Word::Ok,
        }
    }
}

/// The verdict over an estimate. `nbeta` is the nβ of its sampler.
pub fn judge(llc: &Llc, nbeta: f64) -> Verdict {
    let symptoms = symptoms(llc, nbeta);
    // The first of the worst: causes come in the order of their weight.
    let worst = symptoms
        .into_iter()
        .filter(|(word, ..)| *word > Word::Ok)
        .reduce(|a, b| if b.0 > a.0 { b } else { a });
    match worst {
        Some((word, cause, reason)) => Verdict {
            word,
            cause: Some(cause),
            reason,
        },
        None => Verdict {
            word: Word::Ok,
            cause: None,
            reason: reading(llc),
        },
    }
}

/// How to read an estimate with which nothing is wrong.
fn reading(llc: &Llc) -> String {
    match (llc.gradient_norm, llc.in_motion) {
        (Some(norm), Some(true)) => format!(
            "mid-training: w* still has a gradient of norm {norm:.2e}; read how it changes along the trajectory, not its \
             level"
        ),
        _ => "the draws agree with each other and stay above w*".to_owned(),
    }
}

fn symptoms(llc: &Llc, nbeta: f64) -> Vec<(Word, Cause, String)> {
    let mut all = Vec::new();
    let chains = llc.by_chain.len();
    let dead = llc.by_chain.iter().filter(|c| c.is_none()).count();
    let Some(mean) = llc.mean else {
        let reason = format!("all {chains} chains left the finite numbers: ε is too large");
        return vec![(Word::Failed, Cause::StepTooLarge, reason)];
    };
    if dead > 0 {
        let word = if 2 * dead >= chains {
            Word::Failed
        } else {
            Word::Suspect
        };
        let reason = format!("{dead} of {chains} chains left the finite numbers: ε is too large");
        all.push((word, Cause::StepTooLarge, reason));
    }
    let d = &llc.diagnostics;
    let scale = mean.abs().max(LEAST_SCALE);
    let error = llc.error();
    if let Some((t, se)) = llc.temperature {
        let word = HOT.above(t - SURE * se);
        let reason = format!(
            "the chains are {t:.2} times as hot as what they sample: ε is too large, or the minibatches too small"
        );
        all.push((word, Cause::StepTooLarge, reason));
    }
    let below = d.below.unwrap_or(0.0);
    if mean + 2.0 * error.unwrap_or(0.0) < 0.0 {
        let reason = format!(
            "negative, since {:.0} % of the draws have a lower loss than w*: it is not a minimum of this loss, and \
             λ̂ counts how far below it the chains got",
            100.0 * below
        );
        all.push((Word::Failed, Cause::NotAMinimum, reason));
    } else if below > MANY_BELOW && llc.in_motion == Some(true) {
        let reason = format!(
            "{:.0} % of the draws have a lower loss than w*: it is not a minimum of this loss",
            100.0 * below
        );
        all.push((Word::Suspect, Cause::NotAMinimum, reason));
    }
    if let Some(se) = llc.baseline_se {
        let share = nbeta * se / scale;
        let reason = format!(
            "L(w*) has a standard error of {se:.1e}, which is {:.0} % of λ̂; pair the baseline with the draws",
            100.0 * share
        );
        all.push((BASELINE.above(share), Cause::BaselineNoise, reason));
    }
    if let (Some(drift), Some(se)) = (d.drift, d.drift_se) {
        // An error from few chains is itself uncertain (Student's distribution has wide tails).
        let sure = drift.abs() > SURE * se * (1.0 + 2.0 / (chains - dead).max(2) as f64);
        let share = drift.abs() / scale;
        let reason = format!(
            "λ̂ still {} by {:.0} % from the earlier half of the draws to the later: leave out more, or draw more",
            if drift > 0.0 { "rises" } else { "falls" },
            100.0 * share
        );
        let word = if sure { DRIFT.above(share) } else { Word::Ok };
        all.push((word, Cause::NotConverged, reason));
    }
    if let Some((t, se)) = llc.temperature.filter(|_| !llc.boxed) {
        let reason = format!(
            "the chains have taken up {:.0} % of the noise that they are to have: leave out more draws",
            100.0 * t
        );
        all.push((COLD.below(t + SURE * se), Cause::NotConverged, reason));
    }
    match error {
        Some(error) => {
            let share = error / scale;
            let reason = format!(
                "a standard error of {error:.2} is {:.0} % of λ̂: more draws or chains",
                100.0 * share
            );
            all.push((ERROR.above(share), Cause::TooFewDraws, reason));
        }
        None => all.push((
            Word::Suspect,
            Cause::TooFewDraws,
            "too few draws and chains to tell its error".to_owned(),
        )),
    }
    if let (Some(r), Some(error)) = (d.r_hat, error)
        && r > R_HAT
        && error > 0.05 * scale
    {
        let reason = format!("the chains disagree (R̂ = {r:.2}): they have not met yet");
        all.push((Word::Suspect, Cause::NotConverged, reason));
    }
    all
}
