//! `[analysis]`, `[[evals]]`, `[stages]` and `[report]`: what is made of the checkpoints.

use ontogeny_data::SourceSpec;
use serde::{Deserialize, Serialize};

use super::validate::{Problem, at_least, at_most, not_negative, positive};

/// What is measured at each checkpoint. The loss on held-out data always is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalysisSection {
    /// Seed of the held-out sequences, the repeated random ones and the sampler.
    pub seed: u64,
    /// Held-out sequences that losses and oracle scores are averaged over, for each source.
    pub held_out: usize,
    /// The two positions of the ICL score (loss at the second minus loss at the first) as
    /// fractions of the context.
    pub icl_positions: [f64; 2],
    /// Cross-entropy with and divergence from each oracle predictor of the source.
    pub oracles: bool,
    /// Loss at first and at repeated triggers.
    pub triggers: bool,
    /// Previous-token and prefix-matching scores of each head.
    pub heads: bool,
    /// Repeated random sequences that the prefix-matching score is averaged over.
    pub repeated: usize,
    /// Composition scores of pairs of heads.
    pub composition: bool,
    /// Norms of the weights.
    pub weight_norms: bool,
    /// The local learning coefficient.
    pub llc: LlcSection,
}

impl Default for AnalysisSection {
    fn default() -> Self {
        Self {
            seed: 0,
            held_out: 256,
            icl_positions: [0.05, 0.5],
            oracles: true,
            triggers: true,
            heads: true,
            repeated: 32,
            composition: true,
            weight_norms: true,
            llc: LlcSection::default(),
        }
    }
}

/// The rule by which the sampler moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Stochastic gradient Langevin dynamics (Welling and Teh 2011; Lau et al. 2023).
    #[default]
    Sgld,
}

/// Estimation of the local learning coefficient by sampling around each checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlcSection {
    /// Whether it is estimated at all.
    pub enabled: bool,
    /// The sampler.
    pub sampler: Sampler,
    /// Step size ε.
    pub epsilon: f64,
    /// Inverse temperature times sample size, nβ.
    pub nbeta: f64,
    /// Strength γ of the pull back to the checkpoint.
    pub localization: f64,
    /// Independent chains.
    pub chains: usize,
    /// Draws of each chain, those of the burn-in among them.
    pub draws: usize,
    /// Draws left out at the beginning of each chain.
    pub burn_in: usize,
    /// Sequences in each minibatch.
    pub batch: usize,
    /// Whose loss: "train", "held_out" or the name of one of `[[evals]]`.
    pub data: String,
    /// It is estimated at every n-th checkpoint.
    pub every: usize,
}

impl Default for LlcSection {
    fn default() -> Self {
        Self {
            enabled: true,
            sampler: Sampler::default(),
            epsilon: 3e-4,
            nbeta: 100.0,
            localization: 100.0,
            chains: 4,
            // On the default source the excess loss levels off between draws 60 and 80.
            draws: 120,
            burn_in: 80,
            batch: 32,
            data: "train".to_owned(),
            every: 1,
        }
    }
}

/// The data whose loss the sampler follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LlcData {
    /// Fresh sequences of the training split.
    Train,
    /// Sequences of the held-out split of the training source.
    HeldOut,
    /// The eval of this name.
    Eval(String),
}

/// A further source to measure the loss on: `[[evals]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalSection {
    /// Name of its measures: `loss.<name>`.
    #[serde(default)]
    pub name: String,
    /// The source.
    pub data: SourceSpec,
}

/// How stages are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StagesSection {
    /// Probability that each reported interval is to hold.
    pub level: f64,
    /// Share of the posterior's paths that must show a boundary for it to be reported.
    pub evidence: f64,
    /// A path shows a boundary where its speed falls to this share of the episodes' around it.
    pub slowdown: f64,
    /// Least change of an episode, as a share of the whole range of the curves.
    pub least_change: f64,
    /// Least change of an episode in posterior standard deviations.
    pub sure_change: f64,
    /// Boundaries that stand closer than this on ln(step + 1) are one boundary.
    pub same_place: f64,
    /// Least rise of a head's score that can name a stage.
    pub head_rise: f64,
    /// Least fall of a divergence or a loss, in nats, that can name a stage.
    pub least_fall: f64,
}

impl Default for StagesSection {
    fn default() -> Self {
        Self {
            level: 0.9,
            evidence: 0.9,
            slowdown: 0.7,
            least_change: 0.02,
            sure_change: 5.0,
            same_place: 0.4,
            head_rise: 0.1,
            least_fall: 0.05,
        }
    }
}

/// The horizontal axis of the report's charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Optimizer updates.
    #[default]
    Step,
    /// Tokens trained on.
    Tokens,
}

/// How results are shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSection {
    /// The horizontal axis.
    pub axis: Axis,
}

impl AnalysisSection {
    /// The two positions of the ICL score in a context of `n_ctx` ≥ 2, from 0; they differ.
    pub fn icl_positions(&self, n_ctx: usize) -> (usize, usize) {
        let last = n_ctx.saturating_sub(1);
        let position = |fraction: f64| ((fraction * n_ctx as f64) as usize).min(last);
        let (early, late) = (
            position(self.icl_positions[0]),
            position(self.icl_positions[1]),
        );
        if early < late {
            (early, late)
        } else if late < last {
            (late, late + 1)
        } else {
            (last.saturating_sub(1), last)
        }
    }

    pub(super) fn validate(&self, evals: &[EvalSection]) -> Result<(), Problem> {
        at_least("analysis.held_out", self.held_out as u64, 1)?;
        at_most("analysis.held_out", self.held_out as u64, 1_000_000)?;
        at_least("analysis.repeated", self.repeated as u64, 1)?;
        at_most("analysis.repeated", self.repeated as u64, 1_000_000)?;
        let [early, late] = self.icl_positions;
        if !(0.0 <= early && early < late && late <= 1.0) {
            return Err(Problem::new(
                "analysis.icl_positions",
                format!(
                    "`analysis.icl_positions` must be two rising fractions of the context between \
                     0 and 1, found [{early}, {late}]"
                ),
            ));
        }
        self.llc.validate(evals)
    }
}

impl LlcSection {
    /// The data whose loss the sampler follows.
    pub fn data(&self) -> LlcData {
        match self.data.as_str() {
            "train" => LlcData::Train,
            "held_out" => LlcData::HeldOut,
            name => LlcData::Eval(name.to_owned()),
        }
    }

    fn validate(&self, evals: &[EvalSection]) -> Result<(), Problem> {
        positive("analysis.llc.epsilon", self.epsilon)?;
        positive("analysis.llc.nbeta", self.nbeta)?;
        not_negative("analysis.llc.localization", self.localization)?;
        at_least("analysis.llc.chains", self.chains as u64, 1)?;
        at_most("analysis.llc.chains", self.chains as u64, 10_000)?;
        at_least("analysis.llc.batch", self.batch as u64, 1)?;
        at_most("analysis.llc.batch", self.batch as u64, 1_000_000)?;
        at_least("analysis.llc.every", self.every as u64, 1)?;
        at_least("analysis.llc.draws", self.draws as u64, 1)?;
        at_most("analysis.llc.draws", self.draws as u64, 100_000_000)?;
        if self.draws <= self.burn_in {
            return Err(Problem::new(
                "analysis.llc.burn_in",
                format!(
                    "`analysis.llc.burn_in` = {} leaves nothing of `analysis.llc.draws` = {}; \
                     the draws count those of the burn-in",
                    self.burn_in, self.draws
                ),
            )
            .or("analysis.llc.draws"));
        }
        match self.data() {
            LlcData::Eval(name) if !evals.iter().any(|eval| eval.name == name) => {
                let known: Vec<&str> = ["train", "held_out"]
                    .into_iter()
                    .chain(evals.iter().map(|eval| eval.name.as_str()))
                    .collect();
                Err(Problem::new(
                    "analysis.llc.data",
                    format!(
                        "`analysis.llc.data` names no data that there is, `{name}`; it can be {}",
                        super::suggest::any_of(&known)
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl StagesSection {
    pub(super) fn validate(&self) -> Result<(), Problem> {
        for (key, value) in [
            ("stages.level", self.level),
            ("stages.evidence", self.evidence),
            ("stages.slowdown", self.slowdown),
        ] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Problem::new(
                    key,
                    format!("`{key}` must be above 0 and below 1, found {value}"),
                ));
            }
        }
        not_negative("stages.least_change", self.least_change)?;
        not_negative("stages.sure_change", self.sure_change)?;
        not_negative("stages.same_place", self.same_place)?;
        not_negative("stages.head_rise", self.head_rise)?;
        not_negative("stages.least_fall", self.least_fall)
    }
}
