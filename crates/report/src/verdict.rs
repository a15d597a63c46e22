//! The run's outcome in one sentence.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ontogeny_results::stages::{Stage, StageName};

use crate::html::escape;
use crate::number::compact;
use crate::{ReplicaReport, ReportInput};

/// Classes for stages that have no colour of their own; the style sheet has a colour for each.
const TONES: [&str; 6] = ["tone-1", "tone-2", "tone-3", "tone-4", "tone-5", "tone-6"];

/// What a stage is called on the page.
pub(crate) fn label(name: StageName) -> Cow<'static, str> {
    match name {
        StageName::Ngram => "n-gram".into(),
        StageName::PreviousToken => "previous-token".into(),
        StageName::TaskMean => "task mean".into(),
        StageName::Dmmse => "dMMSE".into(),
        StageName::Rank(rank) => format!("rank {rank}").into(),
        StageName::Unigram
        | StageName::Bigram
        | StageName::Induction
        | StageName::Uniform
        | StageName::Zero
        | StageName::Ridge
        | StageName::Polygon { .. }
        | StageName::Unnamed => name.spelling(),
    }
}

/// What an oracle is called on the page; one that is not known keeps its name.
pub(crate) fn oracle_label(name: &str) -> String {
    match name {
        "in_context" => "in-context".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The class that gives a stage its colour. Stages that follow one another in a run, such as ranks
/// and polygons, have different ones.
pub(crate) fn class(name: StageName) -> &'static str {
    match name {
        StageName::Unigram => "unigram",
        StageName::Bigram => "bigram",
        StageName::Ngram => "ngram",
        StageName::PreviousToken => "previous_token",
        StageName::Induction => "induction",
        StageName::Unnamed => "unnamed",
        StageName::Uniform | StageName::Zero => TONES[0],
        StageName::TaskMean => TONES[1],
        StageName::Dmmse => TONES[2],
        StageName::Ridge => TONES[3],
        StageName::Rank(rank) => TONES[usize::from(rank) % TONES.len()],
        StageName::Polygon { corners, plus } => {
            TONES[(3 * usize::from(corners) + usize::from(plus)) % TONES.len()]
        }
    }
}

/// The class of a stage that is not spelled like its name; nothing where it is.
pub(crate) fn own_class(name: StageName) -> Option<&'static str> {
    Some(class(name)).filter(|class| *class != name.spelling())
}

/// A stage's name beside a swatch of its colour, as HTML.
pub(crate) fn chip(name: StageName) -> String {
    format!(
        "<span class=\"chip {}\">{}</span>",
        class(name),
        label(name)
    )
}

/// The outcome as HTML: the stages of the only replica, or in how many replicas each was found.
pub(crate) fn sentence(input: &ReportInput) -> String {
    match input.replicas.as_slice() {
        [] => "The run has no replicas.".to_owned(),
        [only] => one(only),
        several => many(several),
    }
}

fn last_step(replica: &ReplicaReport) -> f64 {
    let analysed = replica.rows.last().map_or(0, |row| row.step);
    replica
        .training
        .last()
        .map_or(analysed, |point| point.step.max(analysed)) as f64
}

fn one(replica: &ReplicaReport) -> String {
    let last = compact(last_step(replica));
    let frozen = match &replica.frozen {
        Some(reason) => format!(
            " The replica was frozen: {}.",
            escape(reason.trim_end_matches('.'))
        ),
        None => String::new(),
    };
    if replica.stages.stages.is_empty() {
        return format!("No stage was found up to step {last}.{frozen}");
    }
    let stages: Vec<String> = replica
        .stages
        .stages
        .iter()
        .map(|stage| {
            let span = match stage.end {
                Some(end) => format!("{}–{}", compact(stage.start), compact(end)),
                None => format!("from {} on", compact(stage.start)),
            };
            format!(
                "<span class=\"found\">{} <span class=\"span\">{span}</span></span>",
                chip(stage.name)
            )
        })
        .collect();
    let count = match stages.len() {
        1 => "One stage".to_owned(),
        2 => "Two stages".to_owned(),
        3 => "Three stages".to_owned(),
        4 => "Four stages".to_owned(),
        more => format!("{more} stages"),
    };
    format!("{count} in {last} steps: {}.{frozen}", stages.join(", "))
}

fn many(replicas: &[ReplicaReport]) -> String {
    let found = |name: StageName| -> Vec<&Stage> {
        replicas
            .iter()
            .filter_map(|replica| {
                replica
                    .stages
                    .stages
                    .iter()
                    .find(|stage| stage.name == name)
            })
            .collect()
    };
    let mut parts: Vec<String> = Vec::new();
    let stages = replicas.iter().flat_map(|replica| &replica.stages.stages);
    let mut names: BTreeSet<StageName> = stages.map(|stage| stage.name).collect();
    names.remove(&StageName::Unnamed);
    for name in names {
        let stages = found(name);
        let Some(start) = median(stages.iter().map(|stage| stage.start)) else {
            continue;
        };
        // A stage that the run cut off ends later than any that was seen to end.
        let end = median(
            stages
                .iter()
                .map(|stage| stage.end.unwrap_or(f64::INFINITY)),
        );
        let span = match end {
            Some(end) if end.is_finite() => format!("{}–{}", compact(start), compact(end)),
            _ => format!("from {} on", compact(start)),
        };
        let of = if parts.is_empty() { "replicas " } else { "" };
        parts.push(format!(
            "{} in {} of {} {of}<span class=\"span\">({span})</span>",
            chip(name),
            stages.len(),
            replicas.len()
        ));
    }
    let frozen = replicas
        .iter()
        .filter(|replica| replica.frozen.is_some())
        .count();
    let frozen = if frozen > 0 {
        let were = if frozen == 1 { "was" } else { "were" };
        format!(" {frozen} of {} replicas {were} frozen.", replicas.len())
    } else {
        String::new()
    };
    if parts.is_empty() {
        let any = replicas
            .iter()
            .any(|replica| !replica.stages.stages.is_empty());
        let what = if any {
            "Only unnamed stages were"
        } else {
            "No stage was"
        };
        return format!("{what} found in the {} replicas.{frozen}", replicas.len());
    }
    let note = " <span class=\"aside\">Steps in brackets are medians.</span>";
    format!("Found: {}.{frozen}{note}", parts.join(", "))
}

/// The middle one of the values, the lower of two; NaN is left out.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_results::stages::StageReport;

    fn replica(stages: &[(StageName, f64, Option<f64>)]) -> ReplicaReport {
        ReplicaReport {
            stages: StageReport {
                stages: stages
                    .iter()
                    .map(|&(name, start, end)| Stage {
                        name,
                        start,
                        end,
                        ..Stage::default()
                    })
                    .collect(),
                ..StageReport::default()
            },
            ..ReplicaReport::default()
        }
    }

    fn check(replicas: Vec<ReplicaReport>, expected: &str) {
        let html = sentence(&ReportInput {
            replicas,
            ..ReportInput::default()
        });
        let mut text = String::new();
        let mut inside = false;
        for character in html.chars() {
            match character {
                '<' => inside = true,
                '>' => inside = false,
                other if !inside => text.push(other),
                _ => {}
            }
        }
        assert_eq!(text, expected);
    }

    #[test]
    fn one_replica_lists_its_stages() {
        check(
            vec![replica(&[
                (StageName::Bigram, 12.0, Some(794.0)),
                (StageName::Ngram, 794.0, Some(1_300.0)),
                (StageName::Induction, 1_300.0, None),
            ])],
            "Three stages in 0 steps: bigram 12–794, n-gram 794–1.3k, induction from 1.3k on.",
        );
        check(vec![replica(&[])], "No stage was found up to step 0.");
        check(vec![], "The run has no replicas.");
    }

    #[test]
    fn several_replicas_are_counted() {
        let bigram = (StageName::Bigram, 12.0, Some(800.0));
        let late = (StageName::Induction, 2_000.0, None);
        check(
            vec![replica(&[bigram, late]), replica(&[bigram]), replica(&[])],
            "Found: bigram in 2 of 3 replicas (12–800), induction in 1 of 3 (from 2k on). \
             Steps in brackets are medians.",
        );
        // Most inductions were cut off by the end of the run, so the median has no end.
        let early = (StageName::Induction, 1_000.0, Some(2_000.0));
        check(
            vec![replica(&[early]), replica(&[late]), replica(&[late])],
            "Found: induction in 3 of 3 replicas (from 2k on). Steps in brackets are medians.",
        );
        check(
            vec![replica(&[(StageName::Unnamed, 1.0, None)]), replica(&[])],
            "Only unnamed stages were found in the 2 replicas.",
        );
    }

    #[test]
    fn stages_of_other_tasks_have_labels_and_colours() {
        let polygon = |corners, plus| StageName::Polygon { corners, plus };
        check(
            vec![replica(&[
                (StageName::Zero, 0.0, Some(40.0)),
                (StageName::Dmmse, 40.0, Some(300.0)),
                (polygon(5, 1), 300.0, None),
            ])],
            "Three stages in 0 steps: zero 0–40, dMMSE 40–300, 5-gon+ from 300 on.",
        );
        let ranks = [
            (StageName::Rank(10), 50.0, None),
            (StageName::Rank(2), 9.0, Some(50.0)),
            (StageName::Unnamed, 0.0, Some(9.0)),
        ];
        check(
            vec![replica(&ranks), replica(&[])],
            "Found: rank 2 in 1 of 2 replicas (9–50), rank 10 in 1 of 2 (from 50 on). \
             Steps in brackets are medians.",
        );
        assert_eq!(
            chip(StageName::TaskMean),
            "<span class=\"chip tone-2\">task mean</span>"
        );
        assert_eq!(own_class(StageName::Bigram), None);
        // Neighbours in the order of development differ.
        for (a, b) in [
            (StageName::Zero, StageName::Rank(1)),
            (StageName::Rank(1), StageName::Rank(2)),
            (polygon(4, 2), polygon(5, 0)),
            (polygon(5, 0), polygon(5, 1)),
        ] {
            assert_ne!(class(a), class(b), "{a} and {b}");
        }
        let style = include_str!("../assets/style.css");
        for tone in TONES {
            assert!(style.contains(&format!(".chip.{tone} {{ --c: var(--stage-{tone}); }}")));
            assert_eq!(style.matches(&format!("--stage-{tone}: #")).count(), 2);
        }
    }

    #[test]
    fn a_frozen_replica_is_named_with_its_reason() {
        let mut frozen = replica(&[]);
        frozen.frozen = Some("loss <NaN> at step 40".into());
        check(
            vec![frozen],
            "No stage was found up to step 0. The replica was frozen: loss &lt;NaN&gt; at step 40.",
        );
    }
}
