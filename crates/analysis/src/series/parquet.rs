//! Flat columns of a Parquet file.

use std::fs::File;
use std::path::Path;

use ontogeny_store::contained;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::error::SeriesError;
use super::{Cell, Table, is_absent};

/// The table of a file; columns of lists or of structures are passed over.
pub(super) fn table(path: &Path) -> Result<Table, SeriesError> {
    // The reader panics on some damaged files.
    contained(|| read(path)).unwrap_or_else(|said| {
        Err(SeriesError::Read {
            path: path.to_owned(),
            reason: format!("the file is damaged ({said})"),
        })
    })
}

fn read(path: &Path) -> Result<Table, SeriesError> {
    let wrong = |reason: String| SeriesError::Read {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(|e| wrong(e.to_string()))?;
    let reader = SerializedFileReader::new(file).map_err(|e| wrong(e.to_string()))?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let flat: Vec<bool> = schema
        .get_fields()
        .iter()
        .map(|f| f.is_primitive())
        .collect();
    let named = schema
        .get_fields()
        .iter()
        .zip(&flat)
        .filter(|(_, flat)| **flat);
    let columns = named.map(|(f, _)| f.name().to_owned()).collect();
    let mut rows = Vec::new();
    for (i, row) in reader
        .get_row_iter(None)
        .map_err(|e| wrong(e.to_string()))?
        .enumerate()
    {
        let row = row.map_err(|e| wrong(format!("row {}: {e}", i + 1)))?;
        let cells = row.get_column_iter().zip(&flat).filter(|(_, flat)| **flat);
        rows.push((i + 1, cells.map(|((_, field), _)| cell(field)).collect()));
    }
    Ok(Table {
        columns,
        rows,
        unit: "row",
    })
}

fn cell(field: &Field) -> Cell {
    match field {
        Field::Null => Cell::Absent,
        Field::Byte(v) => Cell::Number(f64::from(*v)),
        Field::Short(v) => Cell::Number(f64::from(*v)),
        Field::Int(v) => Cell::Number(f64::from(*v)),
        Field::Long(v) => Cell::Number(*v as f64),
        Field::UByte(v) => Cell::Number(f64::from(*v)),
        Field::UShort(v) => Cell::Number(f64::from(*v)),
        Field::UInt(v) => Cell::Number(f64::from(*v)),
        Field::ULong(v) => Cell::Number(*v as f64),
        Field::Float(v) => Cell::Number(f64::from(*v)),
        Field::Double(v) => Cell::Number(*v),
        Field::Str(text) if is_absent(text) => Cell::Absent,
        Field::Str(text) => Cell::Text(text.clone()),
        other => Cell::Text(other.to_string()),
    }
}
