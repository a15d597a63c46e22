//! Values separated by commas or tabs, with a header (RFC 4180).

use std::path::Path;

use super::error::SeriesError;
use super::{Cell, Table, is_absent};

/// The table of a file whose cells `separator` stands between.
pub(super) fn table(path: &Path, separator: char) -> Result<Table, SeriesError> {
    let text = std::fs::read_to_string(path).map_err(|e| SeriesError::Read {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    let wrong = |line: usize, reason: String| SeriesError::Format {
        path: path.to_owned(),
        line,
        reason,
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = records(text, separator)
        .map_err(|line| wrong(line, "a quote is opened here and never closed".to_owned()))?
        .into_iter();
    let Some((_, columns)) = lines.next() else {
        return Err(wrong(
            1,
            "there is no header with the names of the columns".to_owned(),
        ));
    };
    for (i, name) in columns.iter().enumerate() {
        if columns[..i].contains(name) {
            return Err(wrong(1, format!("two columns are called `{name}`")));
        }
    }
    let mut rows = Vec::new();
    for (line, cells) in lines {
        if cells.len() != columns.len() {
            let reason = format!(
                "{} cells, where the header names {} columns",
                cells.len(),
                columns.len()
            );
            return Err(wrong(line, reason));
        }
        let cell = |text: String| match is_absent(&text) {
            true => Cell::Absent,
            false => Cell::Text(text),
        };
        rows.push((line, cells.into_iter().map(cell).collect()));
    }
    Ok(Table {
        columns,
        rows,
        unit: "line",
    })
}

/// Records with the line on which each begins; the line of a quote that is never closed otherwise.
/// Empty lines are passed over.
fn records(text: &str, separator: char) -> Result<Vec<(usize, Vec<String>)>, usize> {
    let mut records = Vec::new();
    let (mut line, mut begun) = (1, 1);
    let mut cells: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut quoted_since = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quoted_since) {
            ('"', Some(_)) if letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            ('"', Some(_)) => quoted_since = None,
            ('"', None) if cell.trim().is_empty() => {
                cell.clear();
                quoted_since = Some(line);
            }
            ('\n', None) => {
                end_record(&mut records, begun, &mut cells, &mut cell);
                begun = line + 1;
            }
            (letter, None) if letter == separator => cells.push(trimmed(&mut cell)),
            (letter, _) => cell.push(letter),
        }
        line += usize::from(letter == '\n');
    }
    end_record(&mut records, begun, &mut cells, &mut cell);
    match quoted_since {
        Some(line) => Err(line),
        None => Ok(records),
    }
}

fn end_record(
    records: &mut Vec<(usize, Vec<String>)>,
    line: usize,
    cells: &mut Vec<String>,
    cell: &mut String,
) {
    let last = trimmed(cell);
    if !cells.is_empty() || !last.is_empty() {
        cells.push(last);
        records.push((line, std::mem::take(cells)));
    }
}

fn trimmed(cell: &mut String) -> String {
    std::mem::take(cell).trim().to_owned()
}
