//! The numbers that the page's scripts draw, as JSON inside the page.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use ontogeny_results::stages::{Stage, StageName};
use ontogeny_results::table::MeasureRow;
use serde::Serialize;

use crate::estimate::{Word, estimates, named};
use crate::html::escape_json;
use crate::parts::{PartChart, is_drawn, part_charts};
use crate::series::{bin_means, position_edges, shown, thin};
use crate::verdict::{label, own_class};
use crate::{ReplicaReport, ReportInput, charts};

/// What the scripts read; columns instead of rows, because names then stand there once.
#[derive(Serialize)]
struct PageData<'a> {
    run: &'a str,
    /// Of losses and divergences, where it is not nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    level: Option<f64>,
    replicas: Vec<ReplicaData<'a>>,
}

#[derive(Serialize)]
struct ReplicaData<'a> {
    name: &'a str,
    arm: &'a str,
    seed: String,
    frozen: Option<&'a str>,
    steps: Vec<u64>,
    tokens: Vec<u64>,
    values: BTreeMap<&'a str, Vec<Option<f64>>>,
    positions: Option<PositionData>,
    training: TrainingData,
    stages: Vec<StageData<'a>>,
    boundaries: Vec<[Option<f64>; 3]>,
    smooth: BTreeMap<&'a str, SmoothData>,
    absent: BTreeMap<&'static str, &'static str>,
    /// By name of the measure: what is wrong with which of its values. Tables without verdicts have
    /// none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    flaws: BTreeMap<String, Vec<FlawData<'a>>>,
    /// Charts of parts of the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartChart>,
}

/// A verdict over an estimate that is not "ok".
#[derive(Serialize)]
struct FlawData<'a> {
    /// Which checkpoint.
    at: usize,
    word: &'static str,
    reason: &'a str,
}

/// Loss by position: `loss[checkpoint][bin]`.
#[derive(Serialize)]
struct PositionData {
    edges: Vec<usize>,
    loss: Vec<Vec<Option<f64>>>,
}

#[derive(Serialize)]
struct TrainingData {
    steps: Vec<u64>,
    loss: Vec<Option<f64>>,
}

/// Each place is `[at, lo, hi]`.
#[derive(Serialize)]
struct StageData<'a> {
    name: &'a StageName,
    label: Cow<'static, str>,
    /// What gives it its colour, where that is not spelled like its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    start: [Option<f64>; 3],
    end: Option<[Option<f64>; 3]>,
}

#[derive(Serialize)]
struct SmoothData {
    steps: Vec<Option<f64>>,
    mean: Vec<Option<f64>>,
    lo: Vec<Option<f64>>,
    hi: Vec<Option<f64>>,
    speed: Vec<Option<f64>>,
}

/// The page's data as JSON that may stand inside a `script` element.
pub(crate) fn page_json(input: &ReportInput) -> String {
    let data = PageData {
        run: &input.run,
        unit: (!input.unit.is_empty()).then_some(&*input.unit),
        level: (input.interval_level > 0.0)
            .then_some(input.interval_level)
            .and_then(shown),
        replicas: input.replicas.iter().map(replica_data).collect(),
    };
    // Only maps with keys that are no strings, or a failing writer, make this fail; there is
    // neither.
    let json = serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned());
    escape_json(&json)
}

fn replica_data(replica: &ReplicaReport) -> ReplicaData<'_> {
    let names: BTreeSet<&str> = replica
        .rows
        .iter()
        .flat_map(|row| row.values.keys().map(String::as_str))
        .filter(|name| is_drawn(name))
        .collect();
    let column = |name: &str| -> Vec<Option<f64>> {
        replica
            .rows
            .iter()
            .map(|row| row.values.get(name).copied().and_then(shown))
            .collect()
    };
    let training = thin(&replica.training);
    ReplicaData {
        name: &replica.name,
        arm: &replica.arm,
        // A seed may have more digits than a script's numbers hold.
        seed: replica.seed.to_string(),
        frozen: replica.frozen.as_deref(),
        steps: replica.rows.iter().map(|row| row.step).collect(),
        tokens: replica.rows.iter().map(|row| row.tokens).collect(),
        values: names
            .into_iter()
            .map(|name| (name, column(name)))
            .filter(|(_, column)| column.iter().any(Option::is_some))
            .collect(),
        positions: positions(replica),
        training: TrainingData {
            steps: training.iter().map(|point| point.step).collect(),
            loss: training.iter().map(|point| shown(point.loss)).collect(),
        },
        stages: replica.stages.stages.iter().map(stage_data).collect(),
        boundaries: replica
            .stages
            .boundaries
            .iter()
            .filter(|boundary| boundary.at.is_finite())
            .map(|boundary| [shown(boundary.at), shown(boundary.lo), shown(boundary.hi)])
            .collect(),
        smooth: replica
            .stages
            .smooth
            .iter()
            .map(|curve| {
                let column = |values: &[f64]| values.iter().copied().map(shown).collect();
                let data = SmoothData {
                    steps: column(&curve.steps),
                    mean: column(&curve.mean),
                    lo: column(&curve.lo),
                    hi: column(&curve.hi),
                    speed: column(&curve.speed),
                };
                (curve.name.as_str(), data)
            })
            .collect(),
        absent: charts::absent(replica),
        flaws: flaws(replica),
        parts: part_charts(replica),
    }
}

fn flaws(replica: &ReplicaReport) -> BTreeMap<String, Vec<FlawData<'_>>> {
    let mut flaws: BTreeMap<String, Vec<FlawData<'_>>> = BTreeMap::new();
    for estimate in estimates(replica) {
        if let Some(word @ (Word::Suspect | Word::Failed)) = estimate.word {
            let name = named("llc", estimate.component);
            flaws.entry(name).or_default().push(FlawData {
                at: estimate.row,
                word: word.text(),
                reason: estimate.reason,
            });
        }
    }
    flaws
}

fn positions(replica: &ReplicaReport) -> Option<PositionData> {
    let vector = |row: &MeasureRow| row.vectors.get("loss_by_position").cloned();
    let longest = replica
        .rows
        .iter()
        .filter_map(vector)
        .map(|vector| vector.len())
        .max()?;
    let edges = position_edges(longest);
    let loss = replica
        .rows
        .iter()
        .map(|row| {
            bin_means(&vector(row).unwrap_or_default(), &edges)
                .into_iter()
                .map(|mean| mean.and_then(shown))
                .collect()
        })
        .collect();
    Some(PositionData { edges, loss })
}

fn stage_data(stage: &Stage) -> StageData<'_> {
    StageData {
        name: &stage.name,
        label: label(stage.name),
        class: own_class(stage.name),
        start: [
            shown(stage.start),
            shown(stage.start_lo),
            shown(stage.start_hi),
        ],
        end: stage.end.filter(|end| end.is_finite()).map(|end| {
            [
                shown(end),
                shown(stage.end_lo.unwrap_or(end)),
                shown(stage.end_hi.unwrap_or(end)),
            ]
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_one_entry_for_each_row_and_null_where_nothing_was_measured() {
        let row = |step, values: &[(&str, f64)]| MeasureRow {
            step,
            tokens: step * 64,
            values: values
                .iter()
                .map(|&(name, value)| (name.to_owned(), value))
                .collect(),
            vectors: [("loss_by_position".to_owned(), vec![2.0, f64::NAN, 1.0])].into(),
            ..MeasureRow::default()
        };
        let input = ReportInput {
            replicas: vec![ReplicaReport {
                name: "a".into(),
                seed: u64::MAX,
                rows: vec![
                    row(0, &[("loss", 4.0), ("llc", f64::INFINITY)]),
                    row(7, &[("loss", f64::NAN), ("icl_score", -0.5)]),
                ],
                ..ReplicaReport::default()
            }],
            ..ReportInput::default()
        };
        let data: serde_json::Value =
            serde_json::from_str(&page_json(&input)).expect("the page's data is JSON");
        let replica = &data["replicas"][0];
        assert_eq!(replica["steps"], serde_json::json!([0, 7]));
        assert_eq!(replica["values"]["loss"], serde_json::json!([4.0, null]));
        assert_eq!(
            replica["values"]["icl_score"],
            serde_json::json!([null, -0.5])
        );
        // A column without any finite entry is left out altogether.
        assert!(replica["values"].get("llc").is_none());
        assert_eq!(
            replica["positions"]["loss"][0],
            serde_json::json!([2.0, null, 1.0])
        );
        assert_eq!(replica["seed"], "18446744073709551615");
        assert_eq!(data["level"], serde_json::Value::Null);
        // Nothing is said of verdicts and parts that the table does not have.
        assert!(replica.get("flaws").is_none() && replica.get("parts").is_none());
    }

    #[test]
    fn what_is_wrong_stands_beside_the_measure_that_it_is_about() {
        let row = |words: &[(&str, &str)]| MeasureRow {
            values: [("llc.head:0.1".to_owned(), 1.5)].into(),
            words: words
                .iter()
                .map(|&(name, word)| (name.to_owned(), word.to_owned()))
                .collect(),
            ..MeasureRow::default()
        };
        let input = ReportInput {
            replicas: vec![ReplicaReport {
                rows: vec![
                    row(&[("llc_verdict", "ok"), ("llc_verdict.head:0.1", "ok")]),
                    row(&[
                        ("llc_verdict", "failed"),
                        ("llc_verdict.head:0.1", "suspect"),
                        ("llc_reason.head:0.1", "the draws still move"),
                    ]),
                ],
                ..ReplicaReport::default()
            }],
            ..ReportInput::default()
        };
        let data: serde_json::Value =
            serde_json::from_str(&page_json(&input)).expect("the page's data is JSON");
        assert_eq!(
            data["replicas"][0]["flaws"],
            serde_json::json!({
                "llc": [{ "at": 1, "word": "failed", "reason": "" }],
                "llc.head:0.1": [{ "at": 1, "word": "suspect", "reason": "the draws still move" }],
            })
        );
        assert_eq!(
            data["replicas"][0]["parts"],
            serde_json::json!([{
                "of": null,
                "heads": true,
                "parts": [{ "component": "head:0.1", "label": "head 0.1", "end": "0.1" }],
            }])
        );
    }
}
