//! The tables of a comparison as rows of text: one source for Markdown, the terminal and the page.

use ontogeny_results::compare::{Axis, DoseFit};

use super::input::CompareInput;
use super::words::{median, p_value, place, stage_label, unit, with_interval};
use crate::number::figure;

/// Losses of the table of equal loss, which has more.
const LEVELS: usize = 4;

/// A table of text.
pub(super) struct Table {
    /// What it shows, in a phrase.
    pub title: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// Columns that hold numbers, by place.
    pub numeric: Vec<bool>,
    /// One row of cells each.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: String, head: &[(&str, bool)]) -> Self {
        Self {
            title,
            head: head.iter().map(|(name, _)| (*name).to_owned()).collect(),
            numeric: head.iter().map(|(_, numeric)| *numeric).collect(),
            rows: Vec::new(),
        }
    }
}

/// Every table that has rows, in order.
pub(super) fn all(input: &CompareInput) -> Vec<Table> {
    let mut tables = main(input);
    tables.extend(equal_loss(input).filter(|t| !t.rows.is_empty()));
    tables
}

/// The tables that a terminal has room for.
pub(super) fn main(input: &CompareInput) -> Vec<Table> {
    let tables = [Some(stages(input)), Some(effects(input)), dose(input)];
    tables
        .into_iter()
        .flatten()
        .filter(|t| !t.rows.is_empty())
        .collect()
}

fn stages(input: &CompareInput) -> Table {
    let mut table = Table::new(
        format!("Stages by arm, in {}", unit(input)),
        &[
            ("stage", false),
            ("arm", false),
            ("seeds", true),
            ("share", true),
            ("onset", true),
            ("end", true),
        ],
    );
    for figures in &input.comparison.stages {
        for arm in &figures.arms {
            let last = input.comparison.arms.iter().find(|a| a.name == arm.arm);
            let last = last.map_or(f64::NAN, |a| a.last);
            let end = match figures.stage.as_str() {
                "below_bag" => "–".to_owned(),
                _ => median(input, arm.end, last),
            };
            table.rows.push(vec![
                stage_label(&figures.stage),
                arm.arm.clone(),
                format!("{} of {}", arm.found, arm.seeds),
                with_interval(arm.share),
                median(input, arm.onset, last),
                end,
            ]);
        }
    }
    table
}

fn effects(input: &CompareInput) -> Table {
    let contrast = match input.comparison.axis {
        Axis::Loss => "difference of medians",
        _ => "ratio of medians",
    };
    let mut table = Table::new(
        format!(
            "Arms compared by the {} of each stage",
            input.comparison.event.name()
        ),
        &[
            ("stage", false),
            ("arm", false),
            ("against", false),
            (contrast, true),
            ("P(earlier)", true),
            ("p", true),
            ("p (Holm)", true),
        ],
    );
    for e in &input.comparison.effects {
        table.rows.push(vec![
            stage_label(&e.stage),
            e.arm.clone(),
            e.against.clone(),
            with_interval(e.medians),
            with_interval(e.earlier),
            p_value(e.p),
            p_value(e.p_holm),
        ]);
    }
    table
}

fn dose(input: &CompareInput) -> Option<Table> {
    let dose = input.comparison.dose.as_ref()?;
    let slope = match (dose.log, input.comparison.axis) {
        (true, Axis::Loss) => "nats per ln dose",
        (false, Axis::Loss) => "nats per unit",
        (true, _) => "exponent",
        (false, _) => "rate per unit",
    };
    let mut table = Table::new(
        format!("The {} over {}", input.comparison.event.name(), dose.knob),
        &[
            ("stage", false),
            (slope, true),
            ("σ", true),
            ("seeds seen", true),
            ("τ", true),
            ("p (τ)", true),
        ],
    );
    for fit in &dose.fits {
        let seen = fit.seeds.iter().filter(|s| s.2).count();
        table.rows.push(vec![
            stage_label(&fit.stage),
            slope_text(fit),
            fit.sigma.map_or("–".to_owned(), figure),
            format!("{seen} of {}", fit.seeds.len()),
            fit.tau.map_or("–".to_owned(), figure),
            fit.tau_p.map_or("–".to_owned(), p_value),
        ]);
    }
    Some(table)
}

fn slope_text(fit: &DoseFit) -> String {
    match &fit.why {
        Some(why) => format!("none: {why}"),
        None => with_interval(fit.slope),
    }
}

fn equal_loss(input: &CompareInput) -> Option<Table> {
    let found = input.comparison.equal_loss.as_ref()?;
    let n = found.levels.len();
    // Levels spread over all of them, the last among them.
    let shown: Vec<usize> = (1..=LEVELS.min(n))
        .map(|i| i * (n - 1) / LEVELS.min(n))
        .collect();
    let mut table = Table::new(
        format!("Arms at equal {}", input.comparison.loss),
        &[("measure", false), ("arm", false), ("seeds", true)],
    );
    for &i in &shown {
        let level = place(Axis::Loss, found.levels[i]);
        table.head.push(format!("at {level}"));
        table.numeric.push(true);
    }
    for m in &found.measures {
        let mut row = vec![m.measure.clone(), m.arm.clone(), m.seeds.to_string()];
        row.extend(shown.iter().map(|&i| match m.y[i].lo {
            Some(_) => with_interval(m.y[i]),
            None => m.y[i].at.map_or("–".to_owned(), figure),
        }));
        table.rows.push(row);
    }
    Some(table)
}
