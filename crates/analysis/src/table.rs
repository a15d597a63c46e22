//! The table that everything after measurement reads: one row for each checkpoint and replica.

use std::collections::BTreeSet;
use std::path::Path;

use ontogeny_store::{shortened, write_atomically};

use crate::columns::{Column, to_parquet};
use crate::error::AnalysisError;

pub use ontogeny_results::table::MeasureRow;

/// Reads a row from its line of JSON.
///
/// # Errors
/// What is wrong with the line, in a few words however long it is.
pub fn parse_row(line: &str) -> Result<MeasureRow, String> {
    serde_json::from_str(line).map_err(|error| shortened(&error.to_string()))
}

/// Writes scalars and words of the rows as one Parquet file, a column each; what a row lacks is
/// null there. Vectors are in the JSON lines alone.
///
/// # Errors
/// If the file cannot be written.
pub fn write_parquet(path: &Path, rows: &[MeasureRow]) -> Result<(), AnalysisError> {
    let names: BTreeSet<&String> = rows.iter().flat_map(|r| r.values.keys()).collect();
    let words: BTreeSet<&String> = rows.iter().flat_map(|r| r.words.keys()).collect();
    let whole = |f: fn(&MeasureRow) -> u64| Column::Int(rows.iter().map(|r| f(r) as i64).collect());
    let replicas = rows.iter().map(|r| Some(r.replica.clone())).collect();
    let mut columns = vec![
        ("replica".to_owned(), Column::Text(replicas)),
        ("step".to_owned(), whole(|r| r.step)),
        ("tokens".to_owned(), whole(|r| r.tokens)),
    ];
    for name in names {
        let values = rows.iter().map(|r| r.values.get(name).copied()).collect();
        columns.push((name.clone(), Column::Double(values)));
    }
    for name in words {
        let values = rows.iter().map(|r| r.words.get(name).cloned()).collect();
        columns.push((name.clone(), Column::Text(values)));
    }
    let bytes = to_parquet(&columns, &[]).map_err(|e| AnalysisError::Result {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    Ok(write_atomically(path, &bytes)?)
}
