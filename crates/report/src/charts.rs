//! Which charts a replica's table can fill, and what is said where it cannot.

use std::collections::BTreeMap;

use ontogeny_results::table::MeasureRow;

use crate::ReplicaReport;

/// A chart of the page.
struct Chart {
    /// Its name in the page's scripts.
    name: &'static str,
    /// Said in its place when it has no data.
    absent: &'static str,
    /// Whether a replica has data for it.
    filled: fn(&ReplicaReport) -> bool,
}

/// Every chart, in the page's order.
const CHARTS: &[Chart] = &[
    Chart {
        name: "loss",
        absent: "Loss: neither a held-out nor a training loss is in the table.",
        filled: |r| {
            has(r, |name| name == "loss" || name.starts_with("loss.")) || r.training.len() > 1
        },
    },
    Chart {
        name: "llc",
        absent: "Local learning coefficient λ̂: not estimated.",
        filled: |r| has(r, |name| name == "llc"),
    },
    Chart {
        name: "divergence",
        absent: "Divergence from oracles: the source has no oracle, or none was compared with.",
        filled: |r| has(r, |name| name.starts_with("divergence.")),
    },
    Chart {
        name: "triggers",
        absent: "Loss at triggers: the source has no trigger tokens, or they were not scored.",
        filled: |r| {
            has(r, |name| {
                matches!(name, "trigger_loss.first" | "trigger_loss.repeated")
            })
        },
    },
    Chart {
        name: "icl",
        absent: "In-context learning score: not measured.",
        filled: |r| has(r, |name| name == "icl_score"),
    },
    Chart {
        name: "previous_token",
        absent: "Previous-token heads: attention was not scored.",
        filled: |r| has(r, |name| name.starts_with("previous_token.")),
    },
    Chart {
        name: "induction",
        absent: "Induction heads: attention on repeated random tokens was not scored.",
        filled: |r| has(r, |name| name.starts_with("induction.")),
    },
    Chart {
        name: "recurrence",
        absent: "Heads at the source's own recurrences: the source has none, or they were not scored.",
        filled: |r| has(r, |name| name.starts_with("recurrence.")),
    },
    Chart {
        name: "positions",
        absent: "Loss by position: not measured.",
        filled: |r| r.rows.iter().filter(|row| has_positions(row)).count() > 1,
    },
    Chart {
        name: "speed",
        absent: "Speed of change: no smooth curve was fitted.",
        filled: |r| r.stages.smooth.iter().any(|curve| curve.speed.len() > 1),
    },
    Chart {
        name: "weight_norm",
        absent: "Weight norms: not measured.",
        filled: |r| {
            has(r, |name| {
                name == "weight_norm" || name.starts_with("weight_norm.")
            })
        },
    },
    Chart {
        name: "composition",
        absent: "Composition scores: the network has fewer than two layers of heads, or they were not measured.",
        filled: |r| has(r, |name| name.starts_with("composition.")),
    },
];

/// Whether a measure whose name passes is finite in at least two rows: a line needs two points.
fn has(replica: &ReplicaReport, passes: impl Fn(&str) -> bool) -> bool {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &replica.rows {
        for (name, value) in &row.values {
            if value.is_finite() && passes(name) {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    counts.values().any(|&count| count > 1)
}

/// Whether a row has a loss by position.
fn has_positions(row: &MeasureRow) -> bool {
    row.vectors
        .get("loss_by_position")
        .is_some_and(|vector| vector.iter().any(|x| x.is_finite()))
}

/// The charts that a replica leaves out, by name, with what is said instead.
pub(crate) fn absent(replica: &ReplicaReport) -> BTreeMap<&'static str, &'static str> {
    CHARTS
        .iter()
        .filter(|chart| !(chart.filled)(replica))
        .map(|chart| (chart.name, chart.absent))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrainingPoint;

    fn replica(rows: &[(u64, &str, f64)]) -> ReplicaReport {
        ReplicaReport {
            rows: rows
                .iter()
                .map(|&(step, name, value)| MeasureRow {
                    step,
                    values: [(name.to_owned(), value)].into(),
                    ..MeasureRow::default()
                })
                .collect(),
            ..ReplicaReport::default()
        }
    }

    #[test]
    fn an_empty_table_leaves_every_chart_out() {
        assert_eq!(absent(&ReplicaReport::default()).len(), CHARTS.len());
    }

    #[test]
    fn one_finite_point_is_not_a_line() {
        assert!(absent(&replica(&[(0, "llc", 1.0), (1, "llc", f64::NAN)])).contains_key("llc"));
        assert!(!absent(&replica(&[(0, "llc", 1.0), (1, "llc", 2.0)])).contains_key("llc"));
    }

    #[test]
    fn names_are_matched_whole_or_by_their_family() {
        let left_out = absent(&replica(&[(0, "loss.news", 1.0), (1, "loss.news", 2.0)]));
        assert!(!left_out.contains_key("loss"));
        // `llc_se` alone draws no λ̂.
        let left_out = absent(&replica(&[(0, "llc_se", 1.0), (1, "llc_se", 2.0)]));
        assert!(left_out.contains_key("llc"));
    }

    #[test]
    fn a_training_series_is_enough_for_the_loss() {
        let point = TrainingPoint {
            step: 1,
            tokens: 1,
            loss: 1.0,
        };
        let replica = ReplicaReport {
            training: vec![point, point],
            ..ReplicaReport::default()
        };
        assert!(!absent(&replica).contains_key("loss"));
    }
}
