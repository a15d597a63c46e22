//! Anyone's numbers as rows for the detector: a text or Parquet file with a column of steps and
//! columns of values.
//!
//! A `Table` knows the names of a file's columns and reads those that are asked
//! for; [`read`] makes rows of them. What decides is the content, never the name: encoding and kind
//! (`content`), separators and header (`text`), the notation of numbers (`notation`, `numbers`).
//! Whatever is recognised but unusual is told in [`Series::notes`], and what may mean two things is
//! refused.

mod columns;
mod content;
mod error;
mod lookalike;
mod notation;
mod numbers;
mod parquet;
mod records;
mod repeats;
mod shown;
mod table;
mod text;

#[cfg(test)]
mod tests;

pub use error::SeriesError;
pub use shown::list;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::table::MeasureRow;
use numbers::{Column, Numbers, Place};
use repeats::Repeat;
use table::{Cell, Table};

/// The column that tells replicas apart, where a file has one.
const REPLICA: &str = "replica";

/// Which columns to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The column of steps: whole numbers of at least 0.
    pub step: String,
    /// Columns of values, at least one; each becomes a measure of the same name.
    pub values: Vec<String>,
    /// A column with standard errors of the first of them; it becomes a measure of the same name.
    pub error: Option<String>,
    /// The column that names replicas; without it one called `replica`, in capitals or not, if
    /// there is one.
    pub replica_column: Option<String>,
    /// Which replica; all without it.
    pub replica: Option<String>,
}

/// A file's rows.
#[derive(Debug)]
pub struct Series {
    /// Its replicas by name, one without a name if the file has no column of them.
    pub replicas: Vec<Replica>,
    /// What was noticed: one sentence each.
    pub notes: Vec<String>,
}

/// One replica of a file.
#[derive(Debug)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// Its rows by step, or what is wrong in them: others of the file may be fine.
    pub rows: Result<Vec<MeasureRow>, SeriesError>,
}

/// Reads a file by replica. Cells that are empty, null or not a number (`NaN`, `NA`) are values
/// that were not measured.
///
/// # Errors
/// [`SeriesError`] with file, line and column: if the file cannot be read, a column is missing, a
/// step is not a whole number from 0 to 2⁵³, or the replica is not there. What is wrong within a
/// replica, a value that is no number or a step that comes twice, is in its [`Replica::rows`].
pub fn read(path: &Path, wanted: &Wanted) -> Result<Series, SeriesError> {
    let mut names: Vec<&str> = vec![&wanted.step];
    names.extend(wanted.values.iter().map(String::as_str));
    names.extend(wanted.error.as_deref());
    let table = Table::open(path, &names)?;
    let mut reader = Reader {
        path,
        place: Place {
            path: path.to_owned(),
            unit: table.unit,
        },
        notes: table.notes.clone(),
        table,
        wanted,
        others: OnceCell::new(),
    };
    let replicas = reader.replicas()?;
    Ok(Series {
        replicas,
        notes: reader.notes,
    })
}

struct Reader<'a> {
    path: &'a Path,
    place: Place,
    notes: Vec<String>,
    table: Table,
    wanted: &'a Wanted,
    /// What [`Reader::telling`] looks at, of all replicas, once it was needed.
    others: OnceCell<Others>,
}

/// The columns that were not asked for, of those that may tell rows apart.
struct Others {
    columns: Vec<usize>,
    rows: BTreeMap<usize, Vec<Cell>>,
}

/// One row whose values are not read yet.
struct Found<'a> {
    line: usize,
    step: u64,
    cells: &'a [Cell],
}

impl Reader<'_> {
    fn replicas(&mut self) -> Result<Vec<Replica>, SeriesError> {
        let wanted = self.wanted;
        let mut columns = vec![self.column(&wanted.step)?];
        for name in &wanted.values {
            columns.push(self.column(name)?);
        }
        let measures = match &wanted.error {
            Some(name) => {
                columns.push(self.column(name)?);
                columns.len()
            }
            None => columns.len(),
        };
        let replica = self.replica_column()?;
        columns.extend(replica);
        let rows = self.table.cells(self.path, &columns)?;
        if rows.is_empty() {
            return Err(SeriesError::Empty {
                path: self.path.to_owned(),
            });
        }
        let cells_of = |place: usize, name| Column {
            name,
            cells: rows.iter().map(|(line, c)| (*line, &c[place])).collect(),
        };
        let all: Vec<Column<'_>> = std::iter::once(&wanted.step)
            .chain(&wanted.values)
            .chain(&wanted.error)
            .enumerate()
            .map(|(place, name)| cells_of(place, name.as_str()))
            .collect();
        let (numbers, note) = Numbers::of(self.place.clone(), &all)?;
        let (steps, more) = numbers.steps(&all[0])?;
        self.notes.extend(note.into_iter().chain(more));

        let mut found: BTreeMap<String, Vec<Found<'_>>> = BTreeMap::new();
        for ((line, cells), &step) in rows.iter().zip(&steps) {
            let name = replica.map_or(String::new(), |_| name_of(&cells[measures]));
            let cells = &cells[1..measures];
            let line = *line;
            found
                .entry(name)
                .or_default()
                .push(Found { line, step, cells });
        }
        self.check_replica(&found, replica.is_some())?;
        if let Some(name) = &wanted.replica {
            found.retain(|n, _| n == name);
        }
        self.check_errors(&found, &numbers)?;
        let replicas = found.into_iter().map(|(name, rows)| Replica {
            rows: self.rows(&name, rows, &numbers),
            name,
        });
        Ok(replicas.collect())
    }

    /// The rows of one replica, by step.
    fn rows(
        &self,
        name: &str,
        found: Vec<Found<'_>>,
        numbers: &Numbers,
    ) -> Result<Vec<MeasureRow>, SeriesError> {
        let order: Vec<(usize, u64)> = found.iter().map(|f| (f.line, f.step)).collect();
        let mut sorted = found;
        sorted.sort_by_key(|f| f.step);
        let twice: Vec<&[Found<'_>]> = sorted
            .windows(2)
            .filter(|w| w[0].step == w[1].step)
            .collect();
        // The one that comes first in the file.
        if let Some(pair) = twice.iter().min_by_key(|w| w[1].line) {
            let telling = self.telling(&order);
            let steps: BTreeSet<u64> = twice.iter().map(|w| w[0].step).collect();
            let repeat = Repeat {
                same: pair[0].cells == pair[1].cells,
                more: steps.len() - 1,
                telling: telling.as_deref(),
                back: repeats::back(&order),
                unit: self.place.unit,
            };
            return Err(SeriesError::Twice {
                path: self.path.to_owned(),
                unit: self.place.unit,
                first: pair[0].line,
                second: pair[1].line,
                step: pair[0].step,
                hint: repeat.hint(),
            });
        }
        let names = || self.wanted.values.iter().chain(&self.wanted.error);
        let row = |f: &Found<'_>| {
            let mut values = BTreeMap::new();
            for (name, cell) in names().zip(f.cells) {
                if let Some(value) = numbers.value(f.line, name, cell)? {
                    if value < 0.0 && self.wanted.error.as_ref() == Some(name) {
                        let range = "a standard error, which is at least 0".to_owned();
                        return Err(self.place.cell(f.line, name, &value.to_string(), range));
                    }
                    values.insert(name.clone(), value);
                }
            }
            Ok(MeasureRow {
                step: f.step,
                tokens: 0,
                replica: name.to_owned(),
                values,
                vectors: BTreeMap::new(),
                words: BTreeMap::new(),
            })
        };
        sorted.iter().map(row).collect()
    }

    /// The column by which each of these rows, by line and step, has a step of its own within its
    /// replica.
    fn telling(&self, rows: &[(usize, u64)]) -> Option<String> {
        let others = self.others.get_or_init(|| self.others());
        let steps: Vec<u64> = rows.iter().map(|(_, step)| *step).collect();
        let own: Vec<&Vec<Cell>> = rows
            .iter()
            .filter_map(|(line, _)| others.rows.get(line))
            .collect();
        let columns = others.columns.iter().enumerate().map(|(place, &column)| {
            let cells = own.iter().map(|cells| &cells[place]).collect();
            (self.table.names[column].as_str(), cells)
        });
        let columns: Vec<_> = columns.collect();
        repeats::telling(&steps, &columns).map(str::to_owned)
    }

    fn others(&self) -> Others {
        let names = &self.table.names;
        let taken: Vec<usize> = (0..names.len())
            .filter(|&c| {
                let own = std::iter::once(&self.wanted.step)
                    .chain(&self.wanted.values)
                    .chain(&self.wanted.error);
                own.into_iter().any(|w| lookalike::same(w, &names[c])) || names[c].is_empty()
            })
            .collect();
        let mut columns = repeats::candidates(names, &taken);
        columns.retain(|&column| self.table.holds_cells(column));
        // A hint that cannot be had is no reason to fail otherwise.
        let rows = self.table.cells(self.path, &columns).unwrap_or_default();
        Others {
            columns,
            rows: rows.into_iter().collect(),
        }
    }
}

/// The name of a replica: text is text, whatever it says.
fn name_of(cell: &Cell) -> String {
    match cell {
        Cell::Absent => String::new(),
        Cell::Text(name) => name.clone(),
        Cell::Whole(number) => number.to_string(),
        Cell::Number(number) => number.to_string(),
    }
}
