//! The names of stages, each earned by figures that are reported with it.
//!
//! A name goes to one stage at most: to the one that earned it most. A later stage that goes on
//! with the same thing is unnamed, because nothing new began in it. Behaviour outranks structure: a
//! stage in which the model nears the trigram oracle is called after that, though a previous-token
//! head formed in it and made it possible.
//!
//! Where a source has exact predictors beside those of sequences of tokens, a stage is called after
//! the one that the network is nearest to at its end.

use super::facts::Facts;
use super::outcome::StageName;

type Named = (StageName, String);

/// A criterion: how well stage `k` meets it, and the reason to give.
type Rule = fn(&Facts<'_>, usize) -> Option<(f64, String)>;

/// In the order in which names are given away: what is hardest to mistake comes first.
const RULES: [(StageName, Rule); 5] = [
    (StageName::Induction, induction),
    (StageName::Bigram, bigram),
    (StageName::Unigram, unigram),
    (StageName::Ngram, ngram),
    (StageName::PreviousToken, previous_token),
];

/// Name and reason of each stage.
pub(super) fn names(facts: &Facts<'_>) -> Vec<Named> {
    let stages = facts.spans.len();
    let mut names: Vec<Option<Named>> = vec![None; stages];
    let mut give = |name, rule: &dyn Fn(usize) -> Option<(f64, String)>| {
        let best = (0..stages)
            .filter(|&k| names[k].is_none())
            .filter_map(|k| rule(k).map(|(merit, why)| (k, merit, why)))
            .max_by(|(_, a, _), (_, b, _)| a.total_cmp(b));
        if let Some((k, _, why)) = best {
            names[k] = Some((name, why));
        }
    };
    for (name, rule) in RULES {
        give(name, &|k| rule(facts, k));
    }
    for name in facts.predictors() {
        give(name, &|k| nearest(facts, k, name));
    }
    let unnamed = |k| (StageName::Unnamed, why_unnamed(facts, k));
    names
        .into_iter()
        .enumerate()
        .map(|(k, n)| n.unwrap_or_else(|| unnamed(k)))
        .collect()
}

/// Where the source has triggers, the loss after repeated ones must fall below the bag-of-context
/// oracle's at the same places, by two standard deviations: statistics of the context without order
/// lower that loss too, but not so far. The loss may drift slightly below long before a head forms,
/// so the stage that counts is the one in which it passes a quarter of the depth that it reaches by
/// the end of any stage.
///
/// Where there are no triggers, a score of a head at induction must rise by twice `head_rise` while
/// the ICL score falls by `least_fall`.
fn induction(facts: &Facts<'_>, k: usize) -> Option<(f64, String)> {
    let (repeated, order_free) = (
        "trigger_loss.repeated",
        "trigger_loss.repeated.bag_of_context",
    );
    let Some((from, to)) = facts.ends(repeated, k) else {
        return induction_without_triggers(facts, k);
    };
    // Depth below the oracle, and how much of it is sure.
    let depth = |x: f64| {
        let (loss, sd) = facts.at(repeated, x)?;
        let depth = facts.at(order_free, x)?.0 - loss;
        Some((depth, depth - 2.0 * sd))
    };
    let (start, end) = facts.spans[k];
    let deepest = facts
        .spans
        .iter()
        .filter_map(|&(_, end)| depth(end))
        .map(|d| d.0);
    let quarter = 0.25 * deepest.fold(0.0f64, f64::max);
    let (before, after) = (depth(start)?, depth(end)?);
    let why = format!(
        "the loss after repeated triggers fell from {from:.2} to {to:.2} nats, below the {:.2} of the bag-of-context oracle",
        facts.at(order_free, end)?.0,
    );
    (before.0 < quarter && after.0 >= quarter && after.1 > 0.0).then_some((from - to, why))
}

fn induction_without_triggers(facts: &Facts<'_>, k: usize) -> Option<(f64, String)> {
    let (from, to) = facts.ends("icl_score", k)?;
    let rise = facts
        .rises(k, facts.settings.head_rise)
        .into_iter()
        .find(|r| r.score != "previous_token")?;
    let merit = rise.to - rise.from;
    let why = format!(
        "the {} score of head {} rose from {:.2} to {:.2} while the ICL score went from {from:.2} to {to:.2} nats; the source has no triggers to test with",
        rise.score, rise.head, rise.from, rise.to
    );
    let earned = merit >= 2.0 * facts.settings.head_rise && from - to >= facts.settings.least_fall;
    earned.then_some((merit, why))
}

/// The divergence from the bigram oracle falls to its least value of the run, or to within a
/// twentieth of its whole fall (or .02 nats) of it, because the slowest place and the least value
/// need not be the same step; and no other oracle is nearer there.
fn bigram(facts: &Facts<'_>, k: usize) -> Option<(f64, String)> {
    let at = facts.least(&facts.divergence("bigram")?, facts.spans[k])?.0;
    approach(facts, k, "bigram", at)
}

/// The same of the unigram oracle, and no other is nearer at the stage's end: a model that passes
/// by the unigram statistics on its way to those of bigrams, within one episode, has no unigram
/// stage.
fn unigram(facts: &Facts<'_>, k: usize) -> Option<(f64, String)> {
    approach(facts, k, "unigram", facts.spans[k].1)
}

/// Merit and reason if stage `k` brings the model as near to `oracle` as it ever comes, and no
/// other is nearer at `judged`.
fn approach(facts: &Facts<'_>, k: usize, oracle: &str, judged: f64) -> Option<(f64, String)> {
    let curve = facts.divergence(oracle)?;
    let (first, last) = facts.run();
    let (least_at, least) = facts.least(&curve, (first, last))?;
    let (at, value) = facts.least(&curve, facts.spans[k])?;
    let from = facts.at(&curve, facts.spans[k].0)?.0;
    let above = value - least;
    let whole = facts.at(&curve, first)?.0 - least;
    let nearest = facts.nearest_oracle(judged);
    let is_nearest = nearest.as_ref().is_none_or(|(name, _)| name == oracle);
    let place = if above < 0.005 {
        "its least of the run".to_owned()
    } else {
        format!(
            "{above:.2} above its least of the run (step {:.0})",
            least_at.exp_m1()
        )
    };
    let why = format!(
        "the divergence from the {oracle} oracle fell from {from:.2} to {value:.2} nats at step {:.0}, {place}{}",
        at.exp_m1(),
        if nearest.is_some() {
            ", and no other oracle was nearer"
        } else {
            ""
        },
    );
    let fall = from - value;
    let earned =
        fall >= facts.settings.least_fall && above <= (0.05 * whole).max(0.02) && is_nearest;
    earned.then_some((fall, why))
}

/// Share of the whole fall of a divergence over the run that a stage must bring, to be called after
/// the predictor.
const LEAST_SHARE: f64 = 0.1;

/// At the stage's end no predictor is nearer, and over the stage the divergence from it fell by a
/// tenth at least of its whole fall over the run.
fn nearest(facts: &Facts<'_>, k: usize, predictor: StageName) -> Option<(f64, String)> {
    let curve = facts.divergence(&predictor.to_string())?;
    let (first, last) = facts.run();
    let whole = facts.at(&curve, first)?.0 - facts.least(&curve, (first, last))?.1;
    let (from, to) = facts.ends(&curve, k)?;
    let (closest, _) = facts.nearest_oracle(facts.spans[k].1)?;
    let earned = closest == predictor.to_string() && from - to >= LEAST_SHARE * whole;
    let why = format!(
        "the divergence from the {predictor} predictor fell from {from:.3} to {to:.3}, and no \
         other predictor was nearer in the end"
    );
    (earned && whole > 0.0).then_some((from - to, why))
}

/// The divergence from the trigram oracle falls, and the one from the bigram oracle rises or falls
/// by less than a third as much.
fn ngram(facts: &Facts<'_>, k: usize) -> Option<(f64, String)> {
    let (from, to) = facts.ends(&facts.divergence("trigram")?, k)?;
    let (bigram_from, bigram_to) = facts.ends(&facts.divergence("bigram")?, k)?;
    let fall = from - to;
    let why = format!(
        "the divergence from the trigram oracle fell from {from:.2} to {to:.2} nats while the one from the bigram oracle went from {bigram_from:.2} to {bigram_to:.2}"
    );
    let earned = fall >= facts.settings.least_fall && bigram_from - bigram_to <= fall / 3.0;
    earned.then_some((fall, why))
}

/// A previous-token score rises by twice `head_rise`, and no score of a head at induction by as
/// much as a quarter of `head_rise`: on real text the latter stay small even in models that have
/// learned induction.
fn previous_token(facts: &Facts<'_>, k: usize) -> Option<(f64, String)> {
    let rises = facts.rises(k, 0.25 * facts.settings.head_rise);
    let top = rises.first()?;
    let rise = top.to - top.from;
    let why = format!(
        "the previous-token score of head {} rose from {:.2} to {:.2} and no induction score rose",
        top.head, top.from, top.to
    );
    let alone = rises.iter().all(|r| r.score == "previous_token");
    (alone && rise >= 2.0 * facts.settings.head_rise).then_some((rise, why))
}

fn why_unnamed(facts: &Facts<'_>, k: usize) -> String {
    let parts: Vec<String> = [("loss", "the loss"), ("llc", "the LLC")]
        .into_iter()
        .filter_map(|(curve, words)| {
            let (from, to) = facts.ends(curve, k)?;
            Some(format!("{words} went from {from:.2} to {to:.2}"))
        })
        .collect();
    match parts.is_empty() {
        true => "the criterion of no name was met".to_owned(),
        false => format!(
            "{}, and the criterion of no name was met",
            parts.join(" and ")
        ),
    }
}
