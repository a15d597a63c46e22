//! The estimates of λ̂ in a table: what was estimated, what its draws say about themselves, and the
//! verdict.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use ontogeny_results::table::MeasureRow;

use crate::{ReplicaReport, ReportInput};

/// Whether an estimate can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing speaks against it.
    Ok,
    /// It may be off by more than its error says.
    Suspect,
    /// It is no estimate of a learning coefficient.
    Failed,
}

impl Word {
    /// The word of a table; one that this page does not know is no reason for trust.
    fn read(text: &str) -> Self {
        match text {
            "ok" => Self::Ok,
            "failed" => Self::Failed,
            _ => Self::Suspect,
        }
    }

    /// The word on the page, which is also the class that gives it its mark.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
        }
    }
}

/// One estimate: of the whole network or of a part of it, at one checkpoint.
pub(crate) struct Estimate<'a> {
    /// Optimizer updates done at the checkpoint.
    pub(crate) step: u64,
    /// Which row of the replica's table it is from.
    pub(crate) row: usize,
    /// Whose weights were sampled; absent for the whole network.
    pub(crate) component: Option<&'a str>,
    /// The verdict; absent in tables without verdicts.
    pub(crate) word: Option<Word>,
    /// The verdict's reason; empty if there is none.
    pub(crate) reason: &'a str,
    values: &'a BTreeMap<String, f64>,
}

impl Estimate<'_> {
    /// One of its figures, such as `llc_se`, if it is finite.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.values
            .get(&named(name, self.component))
            .copied()
            .filter(|value| value.is_finite())
    }

    /// The larger of the standard errors from the chains and from the draws' autocorrelation:
    /// either alone may be small by chance.
    pub(crate) fn error(&self) -> Option<f64> {
        match (self.figure("llc_se"), self.figure("llc_mcse")) {
            (Some(chains), Some(draws)) => Some(chains.max(draws)),
            (chains, draws) => chains.or(draws),
        }
    }
}

/// A figure's name in the table: `llc` of the whole network, `llc.head:0.1` of a part of it.
pub(crate) fn named(name: &str, component: Option<&str>) -> String {
    match component {
        Some(component) => format!("{name}.{component}"),
        None => name.to_owned(),
    }
}

/// What a component is called on the page.
pub(crate) fn component_label(component: Option<&str>) -> String {
    match component {
        Some(component) => component.replace(':', " ").replace('+', " + "),
        None => "whole network".to_owned(),
    }
}

/// Whether any estimate of the page has a verdict; tables of older versions have none.
pub(crate) fn are_judged(input: &ReportInput) -> bool {
    let mut rows = input.replicas.iter().flat_map(|replica| &replica.rows);
    rows.any(|row| row.words.keys().any(|name| family(name, "llc_verdict")))
}

/// Every estimate of a replica: those of the whole network first, then part by part, each by step.
pub(crate) fn estimates(replica: &ReplicaReport) -> Vec<Estimate<'_>> {
    let rows = || replica.rows.iter().enumerate();
    components(replica)
        .into_iter()
        .flat_map(|component| rows().filter_map(move |(index, row)| at(index, row, component)))
        .collect()
}

/// The components that were estimated, the whole network (`None`) first, numbers in their names by
/// size.
pub(crate) fn components(replica: &ReplicaReport) -> Vec<Option<&str>> {
    let mut found: BTreeSet<Option<&str>> = BTreeSet::new();
    for row in &replica.rows {
        let values = row.values.keys().map(|name| (name, "llc"));
        let words = row.words.keys().map(|name| (name, "llc_verdict"));
        for (name, of) in values.chain(words) {
            if family(name, of) {
                found.insert(name[of.len()..].strip_prefix('.'));
            }
        }
    }
    let mut found: Vec<Option<&str>> = found.into_iter().collect();
    found.sort_by(|a, b| match (a, b) {
        (Some(a), Some(b)) => by_number(a, b),
        (a, b) => a.cmp(b),
    });
    found
}

/// Whether a name is `of` itself, or `of` for a component.
fn family(name: &str, of: &str) -> bool {
    name.strip_prefix(of)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The estimate in a row, if there is one, even one that came to no figure.
fn at<'a>(index: usize, row: &'a MeasureRow, component: Option<&'a str>) -> Option<Estimate<'a>> {
    let word = |name: &str| row.words.get(&named(name, component));
    let estimate = Estimate {
        step: row.step,
        row: index,
        component,
        word: word("llc_verdict").map(|text| Word::read(text)),
        reason: word("llc_reason").map_or("", String::as_str),
        values: &row.values,
    };
    (estimate.word.is_some() || estimate.figure("llc").is_some()).then_some(estimate)
}

/// Orders names as a reader would: `head:0.10` after `head:0.9`.
fn by_number(a: &str, b: &str) -> Ordering {
    let pieces = |name: &str| -> Vec<(u64, String)> {
        name.split_inclusive(|c: char| !c.is_ascii_digit())
            .map(|piece| {
                let digits = piece.trim_end_matches(|c: char| !c.is_ascii_digit());
                (
                    digits.parse().unwrap_or(0),
                    piece[digits.len()..].to_owned(),
                )
            })
            .collect()
    };
    pieces(a).cmp(&pieces(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, values: &[(&str, f64)], words: &[(&str, &str)]) -> MeasureRow {
        MeasureRow {
            step,
            values: values.iter().map(|&(n, v)| (n.to_owned(), v)).collect(),
            words: words
                .iter()
                .map(|&(n, w)| (n.to_owned(), w.to_owned()))
                .collect(),
            ..MeasureRow::default()
        }
    }

    #[test]
    fn estimates_come_part_by_part_with_their_own_figures() {
        let replica = ReplicaReport {
            rows: vec![
                row(
                    0,
                    &[
                        ("llc", 2.0),
                        ("llc_se", 0.1),
                        ("llc_mcse", 0.3),
                        ("llc.head:0.10", 0.5),
                        ("llc.head:0.9", 0.4),
                        ("llc_se.head:0.9", 0.2),
                    ],
                    &[("llc_verdict", "ok"), ("llc_verdict.head:0.9", "odd")],
                ),
                // All of its chains died, so it has a verdict and no figure.
                row(5, &[], &[("llc_verdict", "failed"), ("llc_reason", "hot")]),
            ],
            ..ReplicaReport::default()
        };
        let all = estimates(&replica);
        let places: Vec<_> = all.iter().map(|e| (e.component, e.step)).collect();
        assert_eq!(
            places,
            [
                (None, 0),
                (None, 5),
                (Some("head:0.9"), 0),
                (Some("head:0.10"), 0)
            ]
        );
        assert_eq!(all[0].error(), Some(0.3));
        assert_eq!((all[1].figure("llc"), all[1].reason), (None, "hot"));
        assert_eq!(all[2].error(), Some(0.2));
        // A word that is not known is not trusted.
        assert_eq!(all[2].word, Some(Word::Suspect));
        assert_eq!(all[3].word, None);
    }

    #[test]
    fn other_measures_are_no_components() {
        let replica = ReplicaReport {
            rows: vec![row(0, &[("llc_se", 1.0), ("llc_se.layer:0", 1.0)], &[])],
            ..ReplicaReport::default()
        };
        assert!(estimates(&replica).is_empty());
    }

    #[test]
    fn a_table_without_verdicts_is_not_judged() {
        let input = |words: &[(&str, &str)]| ReportInput {
            replicas: vec![ReplicaReport {
                rows: vec![row(0, &[("llc", 1.0)], words)],
                ..ReplicaReport::default()
            }],
            ..ReportInput::default()
        };
        assert!(!are_judged(&input(&[])));
        assert!(!are_judged(&input(&[("llc_verdicts", "ok")])));
        assert!(are_judged(&input(&[("llc_verdict.embed", "ok")])));
    }

    #[test]
    fn labels_are_words() {
        assert_eq!(component_label(Some("head:0.1+embed")), "head 0.1 + embed");
        assert_eq!(component_label(None), "whole network");
    }
}
