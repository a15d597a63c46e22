//! Documents in a column of a .parquet file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ontogeny_store::contained;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use crate::DataError;

/// Shows the text of each row to `see`; rows without a value are passed over.
pub(super) fn read_parquet(
    path: &Path,
    column: &str,
    see: &mut dyn FnMut(String),
) -> Result<(), DataError> {
    // The reader panics on some damaged files.
    contained(|| read(path, column, see)).unwrap_or_else(|said| {
        Err(DataError::Parquet {
            path: path.to_owned(),
            message: format!("not readable as Parquet: the file is damaged ({said})"),
        })
    })
}

fn read(path: &Path, column: &str, see: &mut dyn FnMut(String)) -> Result<(), DataError> {
    let wrong = |message: String| DataError::Parquet {
        path: path.to_owned(),
        message,
    };
    let unreadable = |error: ParquetError| wrong(format!("not readable as Parquet: {error}"));
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let schema = reader.metadata().file_metadata().schema();
    let Some(field) = schema.get_fields().iter().find(|f| f.name() == column) else {
        let names: Vec<_> = schema
            .get_fields()
            .iter()
            .map(|field| format!("`{}`", field.name()))
            .collect();
        return Err(wrong(format!(
            "no column `{column}` (there are: {}): set `field`",
            names.join(", ")
        )));
    };
    if !field.is_primitive() || field.get_physical_type() != PhysicalType::BYTE_ARRAY {
        return Err(wrong(format!("the column `{column}` holds no texts")));
    }
    let only = Type::group_type_builder(schema.name())
        .with_fields(vec![Arc::clone(field)])
        .build()
        .map_err(unreadable)?;
    for (row, record) in reader
        .get_row_iter(Some(only))
        .map_err(unreadable)?
        .enumerate()
    {
        for (_, value) in record.map_err(unreadable)?.into_columns() {
            match value {
                Field::Str(text) => see(text),
                // A column written without the mark that its bytes are text.
                Field::Bytes(bytes) => {
                    let text = bytes.as_utf8().map_err(|_| {
                        wrong(format!("column `{column}`, row {row} (from 0): not UTF-8"))
                    })?;
                    see(text.to_owned());
                }
                Field::Null => {}
                _ => return Err(wrong(format!("the column `{column}` holds no texts"))),
            }
        }
    }
    Ok(())
}
