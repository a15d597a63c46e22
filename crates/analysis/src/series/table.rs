//! A file as a table: the names of its columns, and the cells of those that are asked for.

use std::path::Path;

use super::content::{self, Content};
use super::error::SeriesError;
use super::parquet::Rows;
use super::text::Sheet;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Nothing, not even an empty text.
    Absent,
    /// A number of the file's own.
    Number(f64),
    /// A whole number of the file's own.
    Whole(i128),
    /// Text, which a number may be written in.
    Text(String),
}

/// Cells of some columns, each row with the number that messages call it by.
pub(super) type Cells = Vec<(usize, Vec<Cell>)>;

/// A file whose columns are known and whose rows are not read yet.
pub(super) struct Table {
    /// Names of all columns, in their order.
    pub names: Vec<String>,
    /// What rows are counted in: `line` or `row`.
    pub unit: &'static str,
    /// What was noticed, for whoever called.
    pub notes: Vec<String>,
    kind: Kind,
}

enum Kind {
    Text(Sheet),
    Parquet(Rows),
}

impl Table {
    /// Opens the file at `path`, in which columns called `wanted` are looked for: of the ways to
    /// read its header, the one is taken that has them.
    ///
    /// # Errors
    /// [`SeriesError`] if it cannot be read or is no table.
    pub fn open(path: &Path, wanted: &[&str]) -> Result<Table, SeriesError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        let extension = extension.to_ascii_lowercase();
        let mut notes = Vec::new();
        let (names, unit, kind) = match content::of(path)? {
            Content::Parquet(file) => {
                if extension != "parquet" {
                    notes.push("the file is Parquet, whatever its name says".to_owned());
                }
                let rows = Rows::open(path, file)?;
                (rows.names(), "row", Kind::Parquet(rows))
            }
            Content::Text(text, note) => {
                notes.extend(note);
                if extension == "parquet" {
                    notes.push("the file is text and no Parquet file, as its name says".to_owned());
                }
                let tabs = ["tsv", "tab"].contains(&extension.as_str());
                let (sheet, noticed) = Sheet::open(path, text, tabs, wanted)?;
                notes.extend(noticed);
                (sheet.names.clone(), "line", Kind::Text(sheet))
            }
        };
        Ok(Table {
            names,
            unit,
            notes,
            kind,
        })
    }

    /// The cells of the columns with these numbers, by row.
    ///
    /// # Errors
    /// [`SeriesError`] with the place where the file is broken.
    pub fn cells(&self, path: &Path, columns: &[usize]) -> Result<Cells, SeriesError> {
        match &self.kind {
            Kind::Text(sheet) => sheet.cells(path, columns),
            Kind::Parquet(rows) => rows.cells(path, columns),
        }
    }

    /// Whether the column with this number holds what cells can be.
    pub fn holds_cells(&self, column: usize) -> bool {
        match &self.kind {
            Kind::Text(_) => true,
            Kind::Parquet(rows) => rows.holds_cells(column),
        }
    }
}
