//! `[analysis]`, `[[evals]]`, `[stages]` and `[report]`: what is made of the checkpoints.

use ontogeny_data::SourceSpec;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// Joint principal components of the outputs of all checkpoints.
    #[serde(skip_serializing_if = "is_true")]
    pub dynamics: bool,
    /// The local learning coefficient.
    pub llc: LlcSection,
}

/// A switch that is on is not written.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_true(on: &bool) -> bool {
    *on
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
            dynamics: true,
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
    /// The same, with steps divided by a running root mean square of the gradient.
    RmspropSgld,
    /// Langevin dynamics with momenta and a thermostat.
    Sgnht,
    /// SGLD's step, accepted or not by Metropolis and Hastings: a reference, at twice the cost.
    Mala,
}

/// How many draws a chain makes: a number, or "auto".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrawCount {
    /// So many, those of the burn-in among them.
    Fixed(usize),
    /// Until `precision` is reached or `most_draws` are made.
    Auto,
}

/// The word for [`DrawCount::Auto`].
const AUTO: &str = "auto";

impl Serialize for DrawCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(draws) => serializer.serialize_u64(*draws as u64),
            Self::Auto => serializer.serialize_str(AUTO),
        }
    }
}

impl<'de> Deserialize<'de> for DrawCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DrawCountVisitor)
    }
}

struct DrawCountVisitor;

impl Visitor<'_> for DrawCountVisitor {
    type Value = DrawCount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of draws, or \"auto\"")
    }

    fn visit_i64<E: de::Error>(self, draws: i64) -> Result<DrawCount, E> {
        let wrong = || E::invalid_value(de::Unexpected::Signed(draws), &self);
        usize::try_from(draws)
            .map(DrawCount::Fixed)
            .map_err(|_| wrong())
    }

    fn visit_u64<E: de::Error>(self, draws: u64) -> Result<DrawCount, E> {
        Ok(DrawCount::Fixed(draws as usize))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DrawCount, E> {
        match text {
            AUTO => Ok(DrawCount::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

/// What L(w*) is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// The minibatches of the draws that count.
    #[default]
    Paired,
    /// `baseline_batches` minibatches of its own.
    Apart,
}

/// Whether checkpoints share the sampler's noise and minibatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// They do, which makes differences along a trajectory sharp.
    #[default]
    Common,
    /// Each has its own, which makes their errors independent.
    Independent,
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
    /// Strength of a Gaussian prior about 0, as a weight decay.
    pub weight_decay: f64,
    /// Half the width of a box about the checkpoint that the chains stay in.
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    pub half_width: Option<f64>,
    /// Draws of each chain, those of the burn-in among them, or "auto".
    pub draws: DrawCount,
    /// With "auto": the wanted standard error as a share of the estimate.
    pub precision: f64,
    /// With "auto": most draws of a chain.
    pub most_draws: usize,
    /// Draws left out at the beginning of each chain.
    pub burn_in: usize,
    /// Sequences in each minibatch.
    pub batch: usize,
    /// Whose loss the sampler follows: "train", "held_out" or the name of one of `[[evals]]`.
    pub data: String,
    /// Whose loss is estimated, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate: Option<String>,
    /// Whose weights are sampled, each in turn: "all", "layer:0", "head:1.6", "attn:0", "mlp",
    /// "embed", "unembed", "norm", unions with "+", and the lists "heads", "heads:1" and "layers".
    pub components: Vec<String>,
    /// What the loss at the checkpoint is taken on.
    pub baseline: BaselineKind,
    /// With `baseline = "apart"`: minibatches that it is averaged over.
    pub baseline_batches: usize,
    /// Whether checkpoints share noise and minibatches.
    pub streams: StreamKind,
    /// Draws of each chain at which acceptance and temperature are looked at; each costs an
    /// evaluation.
    pub looks: usize,
    /// Held-out sequences whose tokens' losses are followed on every draw: their covariances with
    /// the loss and with each other lie beside the results as Parquet. 0 for none.
    pub observables: usize,
    /// It is estimated at every n-th checkpoint.
    pub every: usize,
    /// Of an experiment with many seeds: those whose replicas are estimated. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Vec<u64>>,
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
            weight_decay: 0.0,
            half_width: None,
            draws: DrawCount::Fixed(120),
            precision: 0.02,
            most_draws: 2000,
            burn_in: 80,
            batch: 32,
            data: "train".to_owned(),
            evaluate: None,
            components: vec!["all".to_owned()],
            baseline: BaselineKind::default(),
            baseline_batches: 64,
            streams: StreamKind::default(),
            looks: 2,
            observables: 0,
            every: 1,
            seeds: None,
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

impl LlcData {
    fn named(name: &str) -> Self {
        match name {
            "train" => Self::Train,
            "held_out" => Self::HeldOut,
            name => Self::Eval(name.to_owned()),
        }
    }
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
    /// Whether checkpoints are measured, and boundaries announced, while training goes on.
    pub online: bool,
    /// Share of the time that this may take from training where no core is idle.
    pub online_share: f64,
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
            online: true,
            online_share: 0.1,
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

    pub(super) fn validate(&self, evals: &[EvalSection], seeds: &[u64]) -> Result<(), Problem> {
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
        self.llc.validate(evals)?;
        self.llc.validate_seeds(seeds)
    }
}

impl LlcSection {
    /// The data whose loss the sampler follows.
    pub fn data(&self) -> LlcData {
        LlcData::named(&self.data)
    }

    /// The data whose loss is estimated, where it is another.
    pub fn evaluate(&self) -> Option<LlcData> {
        self.evaluate.as_deref().map(LlcData::named)
    }

    /// Whether replicas of this seed are estimated.
    pub fn wants(&self, seed: u64) -> bool {
        self.seeds
            .as_ref()
            .is_none_or(|seeds| seeds.contains(&seed))
    }

    fn validate_seeds(&self, known: &[u64]) -> Result<(), Problem> {
        let key = "analysis.llc.seeds";
        let wanted = self.seeds.iter().flatten();
        match wanted.into_iter().find(|seed| !known.contains(seed)) {
            Some(unknown) => Err(Problem::new(
                key,
                format!("`{key}` names {unknown}, which is none of the run's `seeds`, {known:?}"),
            )),
            None => Ok(()),
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
        not_negative("analysis.llc.weight_decay", self.weight_decay)?;
        if let Some(half_width) = self.half_width {
            positive("analysis.llc.box", half_width)?;
        }
        at_least(
            "analysis.llc.baseline_batches",
            self.baseline_batches as u64,
            2,
        )?;
        at_most(
            "analysis.llc.baseline_batches",
            self.baseline_batches as u64,
            1_000_000,
        )?;
        at_most("analysis.llc.observables", self.observables as u64, 100_000)?;
        at_most("analysis.llc.looks", self.looks as u64, 1_000_000)?;
        let (draws, key) = match self.draws {
            DrawCount::Fixed(draws) => (draws, "analysis.llc.draws"),
            DrawCount::Auto => (self.most_draws, "analysis.llc.most_draws"),
        };
        positive("analysis.llc.precision", self.precision)?;
        at_least(key, draws as u64, 1)?;
        at_most(key, draws as u64, 100_000_000)?;
        if draws <= self.burn_in {
            return Err(Problem::new(
                "analysis.llc.burn_in",
                format!(
                    "`analysis.llc.burn_in` = {} leaves nothing of `{key}` = {draws}; the draws count those of the burn-in",
                    self.burn_in
                ),
            )
            .or(key));
        }
        if self.components.is_empty() {
            return Err(Problem::new(
                "analysis.llc.components",
                "`analysis.llc.components` names no component; for the whole network it is [\"all\"]".to_owned(),
            ));
        }
        known_data("analysis.llc.data", &self.data(), evals)?;
        match self.evaluate() {
            Some(data) => known_data("analysis.llc.evaluate", &data, evals),
            None => Ok(()),
        }
    }
}

/// Whether there is data of this name.
fn known_data(key: &'static str, data: &LlcData, evals: &[EvalSection]) -> Result<(), Problem> {
    match data {
        LlcData::Eval(name) if !evals.iter().any(|eval| eval.name == *name) => {
            let known: Vec<&str> = ["train", "held_out"]
                .into_iter()
                .chain(evals.iter().map(|eval| eval.name.as_str()))
                .collect();
            Err(Problem::new(
                key,
                format!(
                    "`{key}` names no data that there is, `{name}`; it can be {}",
                    super::suggest::any_of(&known)
                ),
            ))
        }
        _ => Ok(()),
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
        not_negative("stages.least_fall", self.least_fall)?;
        if !(self.online_share > 0.0 && self.online_share <= 1.0) {
            return Err(Problem::new(
                "stages.online_share",
                format!(
                    "`stages.online_share` must be above 0 and at most 1, found {}",
                    self.online_share
                ),
            ));
        }
        Ok(())
    }
}
