//! Documents in a column of a .parquet file.

use std::fs::File;
use std::path::Path;

use ontogeny_store::{ParquetFile, contained, parquet_message};
use parquet::basic::Type as PhysicalType;
use parquet::basic::{ConvertedType, LogicalType};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::decompress::limit;
use super::lines::holding;
use crate::DataError;

/// Rows that are decoded at once.
const BATCH: usize = 256;

/// Shows the text of each row to `see`, in order; `None` for a row without a value.
pub(super) fn read_parquet(
    path: &Path,
    column: &str,
    see: &mut dyn FnMut(Option<String>),
) -> Result<(), DataError> {
    // The reader panics on some damaged files.
    contained(|| read(path, column, see)).unwrap_or_else(|said| {
        Err(DataError::Parquet {
            path: path.to_owned(),
            message: format!("not readable as Parquet: the file is damaged ({said})"),
        })
    })
}

fn read(path: &Path, column: &str, see: &mut dyn FnMut(Option<String>)) -> Result<(), DataError> {
    let wrong = |message: String| DataError::Parquet {
        path: path.to_owned(),
        message,
    };
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let size = file.metadata().map_err(DataError::io("open", path))?.len();
    let most = limit(size);
    let too_long = || {
        wrong(format!(
            "the column `{column}` holds more than {} MiB, which is more than text in a file of \
             its size does; if it is right, write it as .jsonl",
            most >> 20
        ))
    };
    let reader = ParquetFile::open(file).map_err(|error| {
        wrong(format!(
            "not readable as Parquet: {}; it may be cut off, damaged or of another format",
            parquet_message(&error)
        ))
    })?;
    let index = place(&reader, column).map_err(wrong)?;
    let descriptor = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .column(index);
    // 1 where the column may be without a value, 0 where it may not.
    let present = descriptor.max_def_level();
    let mut row = 0_u64;
    let mut bytes = 0_u64;
    for group in 0..reader.num_row_groups() {
        let within = |error: ParquetError| {
            wrong(format!(
                "row group {group} (from 0), column `{column}`: {}",
                parquet_message(&error)
            ))
        };
        let damaged = |message: String| within(ParquetError::General(message));
        let rows = reader.get_row_group(group).map_err(within)?;
        let chunk = rows.metadata().column(index);
        if u64::try_from(chunk.uncompressed_size()).is_ok_and(|size| size > most) {
            return Err(too_long());
        }
        let told = rows.metadata().num_rows();
        let ColumnReader::ByteArrayColumnReader(mut texts) =
            rows.get_column_reader(index).map_err(within)?
        else {
            return Err(wrong(format!("the column `{column}` holds no texts")));
        };
        let mut read = 0_i64;
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        loop {
            values.clear();
            levels.clear();
            let optional = (present > 0).then_some(&mut levels);
            let (records, n_values, _) = texts
                .read_records(BATCH, optional, None, &mut values)
                .map_err(within)?;
            if records == 0 {
                break;
            }
            if present == 0 {
                levels.resize(n_values, 0);
            }
            let mut texts = values.iter();
            for &level in &levels {
                if level < present {
                    see(None);
                } else {
                    let value = texts
                        .next()
                        .ok_or_else(|| damaged("has fewer values than rows".to_owned()))?;
                    bytes += value.len() as u64;
                    if bytes > most {
                        return Err(too_long());
                    }
                    let text = std::str::from_utf8(value.data()).map_err(|_| {
                        damaged(format!(
                            "row {row} (from 0) is not UTF-8: the file is damaged, or the column \
                             holds bytes and no text"
                        ))
                    })?;
                    see(Some(text.to_owned()));
                }
                row += 1;
            }
            read += records as i64;
        }
        if read != told {
            return Err(damaged(format!("holds {read} rows where {told} are told")));
        }
    }
    Ok(())
}

/// Which of the file's leaf columns is the one, or why it is none.
fn place(reader: &ParquetFile, column: &str) -> Result<usize, String> {
    let metadata = reader.metadata().file_metadata();
    let fields = metadata.schema().get_fields();
    let Some(field) = fields.iter().find(|field| field.name() == column) else {
        if let Some((outer, inner)) = column.split_once('.')
            && fields
                .iter()
                .any(|field| field.name() == outer && field.is_group())
        {
            return Err(format!(
                "no column `{column}`: nested fields such as `{inner}` in `{outer}` are not \
                 looked into and need flattening, so that the text is a column itself"
            ));
        }
        let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
        return Err(format!(
            "no column `{column}`{}: set `field`",
            holding(&names)
        ));
    };
    if let Some(what) = nested(field) {
        return Err(format!("the column `{column}` holds no texts but {what}"));
    }
    let leaves = metadata.schema_descr();
    let leaf = leaves.columns().iter().position(|leaf| {
        let parts = leaf.path().parts();
        parts.len() == 1 && parts[0] == column
    });
    let Some(index) = leaf else {
        return Err(format!("the column `{column}` holds no texts"));
    };
    match no_text(&leaves.column(index)) {
        Some(what) => Err(format!("the column `{column}` holds no texts but {what}")),
        None => Ok(index),
    }
}

/// What a column is that holds more than one value a row.
fn nested(field: &Type) -> Option<String> {
    let info = field.get_basic_info();
    let list = info.converted_type() == ConvertedType::LIST
        || matches!(info.logical_type_ref(), Some(LogicalType::List))
        || (info.has_repetition() && info.repetition() == parquet::basic::Repetition::REPEATED);
    if list {
        return Some(
            "lists: a document is one text; join each list, or write a row for each of its texts"
                .to_owned(),
        );
    }
    if field.is_primitive() {
        return None;
    }
    let names: Vec<_> = field
        .get_fields()
        .iter()
        .map(|field| field.name())
        .collect();
    Some(format!(
        "structures{}: nested fields are not looked into and need flattening, so that the text \
         is a column itself",
        holding(&names)
    ))
}

/// What the values of a column are, if no texts.
fn no_text(leaf: &ColumnDescriptor) -> Option<String> {
    let physical = leaf.physical_type();
    if physical != PhysicalType::BYTE_ARRAY {
        return Some(format!("values of the type {physical}"));
    }
    match leaf.converted_type() {
        ConvertedType::DECIMAL => Some("decimal numbers".to_owned()),
        ConvertedType::BSON => Some("BSON".to_owned()),
        _ => None,
    }
}
