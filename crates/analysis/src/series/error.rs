use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file gave no rows.
#[derive(Debug, Error)]
pub enum SeriesError {
    /// It could not be opened, read or decoded.
    #[error("{path}: cannot be read: {reason}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is not a table.
    #[error("{path}, line {line}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It has a header and nothing below.
    #[error("{path}: there are no rows below the header", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A column that was asked for is not there.
    #[error("{path}: there is no column `{column}`{meant}; {there}", path = path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        column: String,
        /// The nearest one, as a question in brackets, or nothing.
        meant: String,
        /// Those that there are, a few of them by name.
        there: String,
    },
    /// A column cannot be used for what was asked.
    #[error("{path}, column `{column}`: {reason}", path = path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Why not, and what would be right.
        reason: String,
    },
    /// A cell holds what its column must not.
    #[error("{path}, {unit} {line}, column `{column}`: found {found}, it must be {range}", path = path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// What is counted: `line` or `row`.
        unit: &'static str,
        /// Counted from 1.
        line: usize,
        /// The column.
        column: String,
        /// What is there.
        found: String,
        /// What would be right, in words.
        range: String,
    },
    /// A step stands in two rows of one replica.
    #[error("{path}, {unit}s {first} and {second}: both are step {step}, and each step may come once; {hint}", path = path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// What is counted: `line` or `row`.
        unit: &'static str,
        /// The earlier row.
        first: usize,
        /// The later one.
        second: usize,
        /// The step.
        step: u64,
        /// What may have happened, and what to do.
        hint: String,
    },
    /// The replica that was asked for is not there.
    #[error("{path}: there is no replica `{replica}`; {there}", path = path.display())]
    Replica {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        replica: String,
        /// What there is.
        there: String,
    },
}

impl SeriesError {
    /// The file, and the line or row and the column where something is wrong in it, as far as it is
    /// one.
    pub fn place(&self) -> (&Path, Option<usize>, Option<&str>) {
        match self {
            SeriesError::Read { path, .. }
            | SeriesError::Empty { path }
            | SeriesError::Replica { path, .. } => (path, None, None),
            SeriesError::Column { path, column, .. } | SeriesError::Unfit { path, column, .. } => {
                (path, None, Some(column))
            }
            SeriesError::Format { path, line, .. } => (path, Some(*line), None),
            SeriesError::Cell {
                path, line, column, ..
            } => (path, Some(*line), Some(column)),
            SeriesError::Twice { path, second, .. } => (path, Some(*second), None),
        }
    }
}
