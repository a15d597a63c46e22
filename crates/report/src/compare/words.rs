//! How figures of a comparison are written.

use ontogeny_results::compare::{Axis, Estimate};
use ontogeny_results::stages::StageName;

use super::input::CompareInput;
use crate::number::{MISSING, compact, figure};
use crate::verdict::label;

/// What a stage is called.
pub(super) fn stage_label(name: &str) -> String {
    match name.parse::<StageName>() {
        Ok(name) => label(name).into_owned(),
        Err(_) if name == "below_bag" => "induction*".to_owned(),
        Err(_) => name.replace('_', " "),
    }
}

/// What times are counted in, within a sentence.
pub(super) fn unit(input: &CompareInput) -> String {
    match input.comparison.axis {
        Axis::Step => "steps".to_owned(),
        Axis::Tokens => "tokens".to_owned(),
        Axis::Exposures => "repeated triggers seen".to_owned(),
        Axis::Loss => format!("{} (nats per token)", input.comparison.loss),
    }
}

/// A place on the axis, in four characters or so.
pub(super) fn place(axis: Axis, value: f64) -> String {
    match axis {
        Axis::Loss => format!("{value:.3}"),
        // To the step as long as these are digits that mean something.
        _ if value.abs() < 9_999.5 => format!("{value:.0}"),
        _ => compact(value),
    }
}

/// A median with its interval: `1.3k [1.1k, 1.4k]`, `> 4000` where it was not reached.
pub(super) fn median(input: &CompareInput, estimate: Estimate, last: f64) -> String {
    let shown = |v: f64| place(input.comparison.axis, v);
    let beyond = match input.comparison.axis {
        Axis::Loss => "< ",
        _ => "> ",
    };
    let end = || format!("{beyond}{}", shown(last));
    let (lo, hi) = (estimate.lo.map(shown), estimate.hi.map(shown));
    match (estimate.at, lo, hi) {
        (None, None, None) => end(),
        (at, lo, hi) => {
            // On the axis of loss, what was not reached is the lower end.
            let (lo, hi) = (lo.unwrap_or_else(end), hi.unwrap_or_else(end));
            let at = at.map_or_else(end, shown);
            format!("{at} [{lo}, {hi}]")
        }
    }
}

/// A figure with its interval; an end that is not bounded is an ellipsis.
pub(super) fn with_interval(estimate: Estimate) -> String {
    let shown = |v: Option<f64>, other: &str| v.map_or(other.to_owned(), figure);
    match estimate {
        Estimate {
            at: None,
            lo: None,
            hi: None,
        } => "–".to_owned(),
        Estimate {
            at: None,
            lo: None,
            hi: Some(hi),
        } => format!("< {}", figure(hi)),
        Estimate {
            at: None,
            lo: Some(lo),
            hi: None,
        } => format!("> {}", figure(lo)),
        Estimate { at, lo, hi } => format!(
            "{} [{}, {}]",
            shown(at, "–"),
            shown(lo, "…"),
            shown(hi, "…")
        ),
    }
}

/// A p-value: three decimals, or its size where these are all 0.
pub(super) fn p_value(p: f64) -> String {
    if !p.is_finite() {
        MISSING.to_owned()
    } else if p < 0.0005 {
        format!("{p:.0e}").replace('-', "−")
    } else {
        format!("{p:.3}")
    }
}

/// A level as a percentage.
pub(super) fn percent(level: f64) -> String {
    format!("{:.0} %", 100.0 * level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_say_what_was_not_reached() {
        let input = CompareInput::default();
        let of = |at, lo, hi| median(&input, Estimate { at, lo, hi }, 4000.0);
        assert_eq!(
            of(Some(900.4), Some(800.0), Some(1000.0)),
            "900 [800, 1000]"
        );
        assert_eq!(of(Some(900.0), Some(800.0), None), "900 [800, > 4000]");
        assert_eq!(of(None, Some(3000.0), None), "> 4000 [3000, > 4000]");
        assert_eq!(of(None, None, None), "> 4000");
        assert_eq!(place(Axis::Tokens, 1_536_000.0), "1.5M");
        let interval = |at, lo, hi| with_interval(Estimate { at, lo, hi });
        assert_eq!(interval(Some(0.5), None, Some(0.72)), "0.50 […, 0.72]");
        assert_eq!(interval(None, None, Some(0.72)), "< 0.72");
        assert_eq!(interval(None, Some(1.5), None), "> 1.50");
        assert_eq!(p_value(0.00016), "2e−4");
        assert_eq!(p_value(0.0312), "0.031");
    }

    #[test]
    fn stages_are_called_as_on_the_page_of_a_run() {
        for (name, expected) in [
            ("bigram", "bigram"),
            ("ngram", "n-gram"),
            ("previous_token", "previous-token"),
            ("below_bag", "induction*"),
            ("dmmse", "dMMSE"),
            ("rank2", "rank 2"),
            ("of_another_version", "of another version"),
        ] {
            assert_eq!(stage_label(name), expected);
        }
    }
}
