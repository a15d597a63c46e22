//! Columns of numbers: the notation of a file is decided from all of them, then each cell is read
//! by it.

use super::error::SeriesError;
use super::notation::{Form, Mark, form};
use super::table::Cell;
use ontogeny_store::excerpt;

/// Up to here every whole number is a double of its own, so that no two steps become one.
const LARGEST_STEP: i128 = 1 << 53;

/// What a value must be.
const VALUE: &str = "a number, or empty where nothing was measured";

/// One column: its name and its cells, each with the number of its line or row.
pub(super) struct Column<'a> {
    pub name: &'a str,
    pub cells: Vec<(usize, &'a Cell)>,
}

/// The notation of a file, and the words for what is wrong in it.
pub(super) struct Numbers {
    mark: Option<Mark>,
    place: Place,
}

/// What messages call a file and its rows.
#[derive(Clone)]
pub(super) struct Place {
    pub path: std::path::PathBuf,
    pub unit: &'static str,
}

impl Place {
    /// The error that a cell is not what it must be.
    pub fn cell(&self, line: usize, column: &str, found: &str, range: String) -> SeriesError {
        SeriesError::Cell {
            path: self.path.clone(),
            unit: self.unit,
            line,
            column: excerpt(column),
            found: match found {
                "" => "nothing".to_owned(),
                found => format!("`{}`", excerpt(found)),
            },
            range,
        }
    }

    /// The error that a column cannot be used.
    pub fn unfit(&self, column: &str, reason: String) -> SeriesError {
        SeriesError::Unfit {
            path: self.path.clone(),
            column: excerpt(column),
            reason,
        }
    }
}

impl Numbers {
    /// The notation that all of `columns` have, and a note where it is not the usual one.
    ///
    /// # Errors
    /// [`SeriesError::Unfit`] if some numbers have a decimal point and some a decimal comma.
    pub fn of(
        place: Place,
        columns: &[Column<'_>],
    ) -> Result<(Numbers, Option<String>), SeriesError> {
        // For either mark, the first cell that has it for certain.
        let mut first: [Option<(usize, &str, &str, f64)>; 2] = [None, None];
        for column in columns {
            for (line, cell) in &column.cells {
                if let Cell::Text(text) = cell
                    && let Form::Only(mark, number) = form(text)
                {
                    let own = &mut first[usize::from(mark == Mark::Comma)];
                    own.get_or_insert((*line, column.name, text, number));
                }
            }
        }
        let unit = place.unit;
        let (mark, note) = match first {
            [Some(point), Some(comma)] => {
                let reason = format!(
                    "`{}` in {unit} {} has a decimal comma (or points between thousands), while \
                     `{}` in {unit} {} of `{}` has a decimal point; write all numbers one way",
                    excerpt(comma.2),
                    comma.0,
                    excerpt(point.2),
                    point.0,
                    excerpt(point.1),
                );
                return Err(place.unfit(comma.1, reason));
            }
            [Some(_), None] => (Some(Mark::Point), None),
            [None, Some((line, _, text, number))] => {
                let note = format!(
                    "numbers have a decimal comma: `{}` in {unit} {line} is read as {number}",
                    excerpt(text)
                );
                (Some(Mark::Comma), Some(note))
            }
            [None, None] => (None, None),
        };
        Ok((Numbers { mark, place }, note))
    }

    /// A value, or nothing where none was measured.
    ///
    /// # Errors
    /// [`SeriesError::Cell`] if the cell is neither, or not finite.
    pub fn value(
        &self,
        line: usize,
        column: &str,
        cell: &Cell,
    ) -> Result<Option<f64>, SeriesError> {
        let refuse = |found: &str, range: String| self.place.cell(line, column, found, range);
        let number = match cell {
            Cell::Absent => return Ok(None),
            Cell::Number(number) => *number,
            Cell::Whole(number) => *number as f64,
            Cell::Text(text) if is_absent(text) => return Ok(None),
            Cell::Text(text) => match form(text) {
                Form::Plain(number) => number,
                Form::Only(_, number) => number,
                Form::Either(mark, decimal, thousands) => match (self.mark, mark) {
                    (Some(own), mark) if own == mark => decimal,
                    (Some(_), _) => thousands,
                    // As programs write it; a comma before three digits is more often between
                    // thousands.
                    (None, Mark::Point) => decimal,
                    (None, Mark::Comma) => {
                        let range =
                            format!("written as {decimal} or as {thousands}: it may mean both");
                        return Err(refuse(text, range));
                    }
                },
                Form::None => return Err(refuse(text, not_a_number(text).unwrap_or(VALUE.into()))),
            },
        };
        if number.is_infinite() {
            let range = "finite, or empty where nothing was measured".to_owned();
            return Err(refuse(&number.to_string(), range));
        }
        Ok((!number.is_nan()).then_some(number))
    }

    /// The steps of a column, and a note where marks between thousands were taken out.
    ///
    /// # Errors
    /// [`SeriesError::Cell`] for the first that is not a whole number from 0 to 2⁵³, or that may
    /// mean two.
    pub fn steps(&self, column: &Column<'_>) -> Result<(Vec<u64>, Option<String>), SeriesError> {
        // A whole number has no decimals. If a column shows some all the same, such as `1.0`, they
        // are decimals everywhere in it.
        let own = column.cells.iter().find_map(|(_, cell)| match cell {
            Cell::Text(text) => match form(text) {
                Form::Only(mark, number) if decimals(text, mark) => Some((mark, number)),
                _ => None,
            },
            _ => None,
        });
        let mut note = None;
        let mut steps = Vec::with_capacity(column.cells.len());
        for &(line, cell) in &column.cells {
            let refuse =
                |found: &str, range: String| self.place.cell(line, column.name, found, range);
            let range = || "a whole number of at least 0".to_owned();
            let number = match cell {
                Cell::Whole(number) => {
                    steps.push(whole(*number).map_err(|why| refuse(&number.to_string(), why))?);
                    continue;
                }
                Cell::Absent => return Err(refuse("", range())),
                Cell::Number(number) => *number,
                Cell::Text(text) if is_absent(text) => return Err(refuse(text, range())),
                Cell::Text(text) => {
                    // Without the way over a double, which rounds.
                    if let Ok(number) = text.parse::<i128>() {
                        steps.push(whole(number).map_err(|why| refuse(text, why))?);
                        continue;
                    }
                    match form(text) {
                        Form::Plain(number) | Form::Only(_, number) => number,
                        Form::Either(mark, decimal, thousands) => match (own, self.mark) {
                            (Some((own, _)), _) if own == mark => decimal,
                            (Some(_), _) => thousands,
                            (None, Some(other)) if other != mark => {
                                note.get_or_insert_with(|| {
                                    let unit = self.place.unit;
                                    format!("`{text}` in {unit} {line} is read as step {thousands}")
                                });
                                thousands
                            }
                            _ => {
                                let range = format!(
                                    "clear whether that is step {decimal} or step {thousands}; \
                                     write {thousands} without a mark if the mark stands between \
                                     thousands, and {decimal} without decimals otherwise"
                                );
                                return Err(refuse(text, range));
                            }
                        },
                        Form::None => {
                            let why = not_a_number(text).unwrap_or_else(range);
                            return Err(refuse(text, why));
                        }
                    }
                }
            };
            steps.push(of_double(number).map_err(|why| refuse(&shown(cell, number), why))?);
        }
        Ok((steps, note))
    }
}

/// Whether the number has decimals by its `mark`, not marks between thousands.
fn decimals(text: &str, mark: Mark) -> bool {
    let sign = if mark == Mark::Point { '.' } else { ',' };
    text.matches(sign).count() == 1
}

fn shown(cell: &Cell, number: f64) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        _ => number.to_string(),
    }
}

/// A step, or what it should be.
fn whole(number: i128) -> Result<u64, String> {
    match number {
        0..=LARGEST_STEP => Ok(number as u64),
        ..0 => Err("a whole number of at least 0".to_owned()),
        _ => Err(format!(
            "at most {LARGEST_STEP} (2^53), from where on neighbouring steps are one number; a \
             time stamp is no step: count updates, or seconds since the start"
        )),
    }
}

/// The same of a double.
fn of_double(number: f64) -> Result<u64, String> {
    if number.is_finite() && number.fract() != 0.0 && number > 0.0 {
        let cure = match number {
            1e8.. => "count updates rather than time",
            _ => "multiply epochs by the steps in one",
        };
        return Err(format!("a whole number of at least 0; {cure}"));
    }
    if !number.is_finite() || number.fract() != 0.0 {
        return Err("a whole number of at least 0".to_owned());
    }
    // From 2⁵³ on a double may have been rounded to another step.
    whole(number as i128)
}

/// What a number should be, where it is known what was written instead.
fn not_a_number(text: &str) -> Option<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let begins = |c: char| text.starts_with(|d: char| d.is_ascii_digit()) && text.contains(c);
    if digits >= 6 && (begins('-') || begins(':') || begins('/')) {
        return Some("a number; a date or a time is none".to_owned());
    }
    if text.starts_with(|d: char| d.is_ascii_digit() || d == '-') {
        return Some("a plain number, without units or signs".to_owned());
    }
    None
}

/// What stands in a column of numbers for a value that was not measured.
fn is_absent(text: &str) -> bool {
    let plain = text.trim().to_ascii_lowercase();
    ["", "nan", "na", "n/a", "<na>", "null", "none", "-", "#n/a"].contains(&plain.as_str())
}
