//! Tables as Parquet: flat columns, each value there or absent.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Column {
    /// Whole numbers.
    Int(Vec<i64>),
    /// Numbers, or nothing.
    Double(Vec<Option<f64>>),
    /// Texts, or nothing.
    Text(Vec<Option<String>>),
}

impl Column {
    fn field(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical, repetition) = match self {
            Self::Int(_) => (Physical::INT64, None, Repetition::REQUIRED),
            Self::Double(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
            Self::Text(_) => (
                Physical::BYTE_ARRAY,
                Some(LogicalType::String),
                Repetition::OPTIONAL,
            ),
        };
        Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()
    }
}

/// A Parquet file of columns of one length, with texts about the whole of it.
pub(crate) fn to_parquet(
    columns: &[(String, Column)],
    about: &[(&str, String)],
) -> Result<Vec<u8>, ParquetError> {
    let fields = columns
        .iter()
        .map(|(name, column)| Ok(Arc::new(column.field(name)?)))
        .collect::<Result<Vec<_>, ParquetError>>()?;
    let schema = Type::group_type_builder("table")
        .with_fields(fields)
        .build()?;
    let about = about
        .iter()
        .map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()))
        .collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(about))
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties))?;
    let mut rows = writer.next_row_group()?;
    for (_, column) in columns {
        let Some(mut to) = rows.next_column()? else {
            break;
        };
        match column {
            Column::Int(values) => {
                to.typed::<Int64Type>().write_batch(values, None, None)?;
            }
            Column::Double(values) => {
                let there: Vec<f64> = values.iter().copied().flatten().collect();
                to.typed::<DoubleType>()
                    .write_batch(&there, Some(&levels(values)), None)?;
            }
            Column::Text(values) => {
                let there: Vec<ByteArray> = values
                    .iter()
                    .flatten()
                    .map(|t| ByteArray::from(t.as_str()))
                    .collect();
                to.typed::<ByteArrayType>()
                    .write_batch(&there, Some(&levels(values)), None)?;
            }
        }
        to.close()?;
    }
    rows.close()?;
    writer.close()?;
    Ok(bytes)
}

fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|v| i16::from(v.is_some())).collect()
}
