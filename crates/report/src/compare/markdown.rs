//! The comparison as Markdown, which a terminal shows as well.

use std::fmt::Write as _;

use super::input::CompareInput;
use super::table::{Table, all, main};
use super::words::percent;
use crate::number::moment;

/// The main tables alone, columns aligned.
#[must_use]
pub fn tables(input: &CompareInput) -> String {
    let mut text = String::new();
    for table in main(input) {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{}\n", table.title);
        text.push_str(&one(&table));
    }
    for note in &input.notes {
        let _ = writeln!(text, "\nnote: {note}");
    }
    text
}

/// The whole comparison as a document.
#[must_use]
pub fn document(input: &CompareInput) -> String {
    let mut text = format!("# {}\n", input.title);
    let folders: Vec<_> = input
        .runs
        .iter()
        .map(|r| format!("`{}`", r.folder))
        .collect();
    let _ = writeln!(
        text,
        "\n{} arms of {}; made {} by `{}`.",
        input.comparison.arms.len(),
        folders.join(", "),
        moment(&input.created),
        input.command
    );
    for table in all(input) {
        let _ = writeln!(text, "\n## {}\n", table.title);
        text.push_str(&one(&table));
    }
    let _ = writeln!(
        text,
        "\nIntervals at {}: medians are Kaplan–Meier's, with the seeds that had not come to the event by the end of their run \
         censored there, and percentiles over {} resamples of seeds; shares have Wilson's interval. P(earlier) is the \
         probability that a seed of the arm is earlier than one of the arm it is held against, undecided pairs counting \
         half. p is the log-rank test's by permutation of seeds, adjusted over all rows of its table by Holm's method. \
         induction* is the first checkpoint from which on the loss after repeated triggers stays more than 2 % below the bag-of-context \
         oracle's, which uses no detector.",
        percent(input.comparison.level),
        input.comparison.resamples
    );
    for note in &input.notes {
        let _ = writeln!(text, "\n{note}");
    }
    text
}

fn one(table: &Table) -> String {
    let width = |cells: &mut dyn Iterator<Item = &String>| {
        cells.map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.head.len())
        .map(|i| {
            let mut cells = std::iter::once(&table.head[i]).chain(table.rows.iter().map(|r| &r[i]));
            width(&mut cells).max(3)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).zip(&table.numeric);
        let padded = padded.map(|((cell, width), numeric)| {
            let space = " ".repeat(width - cell.chars().count());
            match numeric {
                true => format!("{space}{cell}"),
                false => format!("{cell}{space}"),
            }
        });
        // A bar in a name would end its cell.
        let cells: Vec<String> = padded.map(|c| c.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&table.head);
    let rules: Vec<String> = widths
        .iter()
        .zip(&table.numeric)
        .map(|(width, numeric)| match numeric {
            true => format!("{}:", "-".repeat(width - 1)),
            false => "-".repeat(*width),
        })
        .collect();
    let _ = writeln!(text, "| {} |", rules.join(" | "));
    for row in &table.rows {
        text.push_str(&line(row));
    }
    text
}
