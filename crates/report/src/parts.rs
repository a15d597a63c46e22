//! Which charts show λ̂ of parts of the network, and which part is on which.

use serde::Serialize;

use crate::ReplicaReport;
use crate::estimate::{component_label, components, named};

/// Most lines of one chart: as many as there are colours that can be told apart.
const LINES: usize = 8;

/// Longest label that fits beside the end of a line.
const END_LENGTH: usize = 5;

/// One chart.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct PartChart {
    /// What is on it, where there are several charts.
    of: Option<String>,
    /// Whether only heads are on it; such charts share a vertical axis.
    heads: bool,
    parts: Vec<Part>,
}

/// One line of a chart.
#[derive(Debug, PartialEq, Serialize)]
struct Part {
    /// Its component in the table.
    component: String,
    /// What it is called in the legend.
    label: String,
    /// What stands at the end of its line, if it is short enough.
    end: Option<String>,
}

/// The charts of a replica's parts: one for all if they are few, otherwise the heads layer by layer
/// behind the others. None if no part was estimated at two checkpoints, since a line needs two
/// points.
pub(crate) fn part_charts(replica: &ReplicaReport) -> Vec<PartChart> {
    let drawn: Vec<&str> = components(replica)
        .into_iter()
        .flatten()
        .filter(|component| is_line(replica, component))
        .collect();
    let (heads, others): (Vec<&str>, Vec<&str>) = drawn
        .iter()
        .partition(|component| head(component).is_some());
    if drawn.is_empty() {
        return Vec::new();
    }
    if drawn.len() <= LINES {
        return vec![chart(None, &drawn)];
    }
    let layers = heads.chunk_by(|a, b| layer(a) == layer(b));
    let of_layers = layers.flat_map(|layer| layer.chunks(LINES));
    let of_others = match others.len() {
        // There are heads, or these would all be on one chart.
        0..=LINES => vec![("all but heads".to_owned(), others.as_slice())],
        _ => others.chunks(LINES).map(|own| (span(own), own)).collect(),
    };
    of_others
        .into_iter()
        .chain(of_layers.map(|own| (span(own), own)))
        .filter(|(_, own)| !own.is_empty())
        .map(|(of, own)| chart(Some(of), own))
        .collect()
}

/// Whether a component has λ̂ at two checkpoints.
fn is_line(replica: &ReplicaReport, component: &str) -> bool {
    let name = named("llc", Some(component));
    let rows = replica.rows.iter();
    let there = rows.filter(|row| row.values.get(&name).is_some_and(|value| value.is_finite()));
    there.count() > 1
}

/// A head's layer and number in it, as `layer.head`.
fn head(component: &str) -> Option<&str> {
    component
        .strip_prefix("head:")
        .filter(|head| !head.contains('+'))
}

fn layer(component: &str) -> Option<&str> {
    head(component)?.split('.').next()
}

fn chart(of: Option<String>, parts: &[&str]) -> PartChart {
    PartChart {
        of,
        heads: parts.iter().all(|component| head(component).is_some()),
        parts: parts.iter().map(|component| part(component)).collect(),
    }
}

fn part(component: &str) -> Part {
    let short = head(component).unwrap_or(component);
    Part {
        component: component.to_owned(),
        label: component_label(Some(component)),
        end: (short.len() <= END_LENGTH).then(|| short.to_owned()),
    }
}

/// The first and the last of a chart's parts.
fn span(parts: &[&str]) -> String {
    let name = |component: &&str| component_label(Some(component));
    match parts {
        [only] => name(only),
        [first, .., last] => match (head(first), head(last)) {
            (Some(first), Some(last)) => format!("heads {first} to {last}"),
            _ => format!("{} to {}", name(first), name(last)),
        },
        [] => String::new(),
    }
}

/// Whether a chart reads a figure: of the parts' many diagnostics only the errors are drawn.
pub(crate) fn is_drawn(name: &str) -> bool {
    match name.split_once('.') {
        Some((measure, _)) if measure.starts_with("llc_") => {
            matches!(measure, "llc_se" | "llc_mcse")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_results::table::MeasureRow;

    fn replica(components: &[String], rows: u64) -> ReplicaReport {
        let values = |step: u64| {
            let own = components
                .iter()
                .map(move |c| (format!("llc.{c}"), step as f64));
            own.chain([("llc".to_owned(), 3.0), ("llc_se".to_owned(), 1.0)])
        };
        ReplicaReport {
            rows: (0..rows)
                .map(|step| MeasureRow {
                    step,
                    values: values(step).collect(),
                    ..MeasureRow::default()
                })
                .collect(),
            ..ReplicaReport::default()
        }
    }

    fn heads(layers: usize, each: usize) -> Vec<String> {
        (0..layers * each)
            .map(|k| format!("head:{}.{}", k / each, k % each))
            .collect()
    }

    #[test]
    fn few_parts_share_one_chart() {
        let charts = part_charts(&replica(&heads(2, 4), 3));
        let [chart] = charts.as_slice() else {
            panic!("{charts:?}");
        };
        assert_eq!((chart.of.as_deref(), chart.heads), (None, true));
        assert_eq!(chart.parts.len(), 8);
        assert_eq!(chart.parts[5].component, "head:1.1");
        assert_eq!(chart.parts[5].label, "head 1.1");
        assert_eq!(chart.parts[5].end.as_deref(), Some("1.1"));
    }

    #[test]
    fn many_parts_are_split_by_layers_of_at_most_eight_heads() {
        let mut components = heads(2, 12);
        components.extend(["layer:0".to_owned(), "embed".to_owned()]);
        let charts = part_charts(&replica(&components, 3));
        let of: Vec<_> = charts
            .iter()
            .map(|c| c.of.as_deref().unwrap_or(""))
            .collect();
        assert_eq!(
            of,
            [
                "all but heads",
                "heads 0.0 to 0.7",
                "heads 0.8 to 0.11",
                "heads 1.0 to 1.7",
                "heads 1.8 to 1.11"
            ]
        );
        assert!(charts.iter().all(|c| c.parts.len() <= LINES));
        assert_eq!(charts[0].parts[1].end, None, "`layer:0` is too long");
    }

    #[test]
    fn no_parts_no_chart() {
        assert!(part_charts(&replica(&[], 3)).is_empty());
        assert!(part_charts(&replica(&heads(1, 2), 1)).is_empty());
    }

    #[test]
    fn a_part_brings_its_errors_but_not_its_other_diagnostics() {
        for (name, drawn) in [
            ("llc_r_hat", true),
            ("llc.head:0.1", true),
            ("llc_mcse.head:0.1", true),
            ("llc_r_hat.head:0.1", false),
            ("loss.news", true),
        ] {
            assert_eq!(is_drawn(name), drawn, "{name}");
        }
    }
}
