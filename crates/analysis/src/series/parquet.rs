//! Columns of a Parquet file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::error::SeriesError;
use super::table::{Cell, Cells};

/// A Parquet file whose columns are known.
pub(super) struct Rows {
    reader: SerializedFileReader<File>,
}

impl Rows {
    /// Of an open `file`.
    ///
    /// # Errors
    /// [`SeriesError::Read`] if it is damaged.
    pub fn open(path: &Path, file: File) -> Result<Rows, SeriesError> {
        let reader = SerializedFileReader::new(file).map_err(|e| SeriesError::Read {
            path: path.to_owned(),
            reason: format!("it begins like Parquet, but: {e}; the file may be cut off"),
        })?;
        Ok(Rows { reader })
    }

    fn fields(&self) -> &[Arc<Type>] {
        let schema = self.reader.metadata().file_metadata().schema();
        schema.get_fields()
    }

    /// Names of all columns, those that hold lists or structures as well.
    pub fn names(&self) -> Vec<String> {
        let names = self.fields().iter().map(|f| f.name().to_owned());
        names.collect()
    }

    /// Whether the column with this number holds numbers or text.
    pub fn holds_cells(&self, column: usize) -> bool {
        self.fields()
            .get(column)
            .is_some_and(|f| unread(f).is_none())
    }

    /// The cells of the columns with these numbers.
    ///
    /// # Errors
    /// [`SeriesError::Unfit`] if one of them holds neither numbers nor text, [`SeriesError::Read`] with the row where the
    /// file is damaged.
    pub fn cells(&self, path: &Path, columns: &[usize]) -> Result<Cells, SeriesError> {
        let wrong = |reason: String| SeriesError::Read {
            path: path.to_owned(),
            reason,
        };
        let fields = self.fields();
        // The file's order is that of the projection; a column may be asked for twice.
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        for &column in &sorted {
            if let Some((what, cure)) = unread(&fields[column]) {
                return Err(SeriesError::Unfit {
                    path: path.to_owned(),
                    column: fields[column].name().to_owned(),
                    reason: format!("it holds {what}; {cure}"),
                });
            }
        }
        let kept = sorted.iter().map(|&c| fields[c].clone()).collect();
        let root = self.reader.metadata().file_metadata().schema().name();
        let projection = Type::group_type_builder(root).with_fields(kept).build();
        let projection = projection.map_err(|e| wrong(explained(&e.to_string())))?;
        let rows = self.reader.get_row_iter(Some(projection));
        let rows = rows.map_err(|e| wrong(explained(&e.to_string())))?;
        let place = |column: &usize| sorted.partition_point(|s| s < column);
        let places: Vec<usize> = columns.iter().map(place).collect();
        let mut found = Vec::new();
        for (i, row) in rows.enumerate() {
            let row =
                row.map_err(|e| wrong(format!("row {}: {}", i + 1, explained(&e.to_string()))))?;
            let cells: Vec<Cell> = row.get_column_iter().map(|(_, f)| cell(f)).collect();
            let cell = |&place: &usize| cells.get(place).cloned().unwrap_or(Cell::Absent);
            found.push((i + 1, places.iter().map(cell).collect()));
        }
        Ok(found)
    }
}

/// What the reader says, with the cure where it is known.
fn explained(reason: &str) -> String {
    if reason.contains("feature at compile time") {
        return format!(
            "{reason}: its columns are compressed in a way that is not read here; write it with \
             zstd or snappy"
        );
    }
    reason.to_owned()
}

/// What a column holds that is neither a number nor text, and what to do; `None` if it can be read.
fn unread(field: &Type) -> Option<(&'static str, &'static str)> {
    const ONE: &str = "one number for each row is needed";
    const COUNT: &str = "steps and values are plain numbers";
    if !field.is_primitive() {
        return Some(("lists or structures", ONE));
    }
    let info = field.get_basic_info();
    if info.has_repetition() && info.repetition() == Repetition::REPEATED {
        return Some(("lists", ONE));
    }
    match info.logical_type_ref() {
        Some(LogicalType::Timestamp { .. }) => return Some(("time stamps", COUNT)),
        Some(LogicalType::Time { .. }) => return Some(("times of day", COUNT)),
        Some(LogicalType::Date) => return Some(("dates", COUNT)),
        _ => {}
    }
    let whole = |kind: ConvertedType| {
        matches!(
            kind,
            ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
                | ConvertedType::DECIMAL
                | ConvertedType::NONE
        )
    };
    let text = |kind: ConvertedType| {
        matches!(
            kind,
            ConvertedType::UTF8
                | ConvertedType::ENUM
                | ConvertedType::JSON
                | ConvertedType::DECIMAL
                | ConvertedType::NONE
        )
    };
    let kind = info.converted_type();
    match (field.get_physical_type(), kind) {
        (Physical::INT96, _) => Some(("time stamps", COUNT)),
        (_, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS) => {
            Some(("time stamps", COUNT))
        }
        (_, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => {
            Some(("times of day", COUNT))
        }
        (_, ConvertedType::DATE) => Some(("dates", COUNT)),
        (_, ConvertedType::INTERVAL) => Some(("intervals of time", COUNT)),
        (Physical::INT32, kind) if whole(kind) => None,
        (Physical::INT64, kind) if whole(kind) => None,
        (Physical::FLOAT | Physical::DOUBLE | Physical::BOOLEAN, _) => None,
        (Physical::BYTE_ARRAY, kind) if text(kind) => None,
        (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::NONE | ConvertedType::DECIMAL) => None,
        _ => Some(("values of a kind that is not read here", COUNT)),
    }
}

fn cell(field: &Field) -> Cell {
    match field {
        Field::Null => Cell::Absent,
        Field::Byte(v) => Cell::Whole((*v).into()),
        Field::Short(v) => Cell::Whole((*v).into()),
        Field::Int(v) => Cell::Whole((*v).into()),
        Field::Long(v) => Cell::Whole((*v).into()),
        Field::UByte(v) => Cell::Whole((*v).into()),
        Field::UShort(v) => Cell::Whole((*v).into()),
        Field::UInt(v) => Cell::Whole((*v).into()),
        Field::ULong(v) => Cell::Whole((*v).into()),
        Field::Float16(v) => Cell::Number(v.to_f64()),
        Field::Float(v) => Cell::Number(f64::from(*v)),
        Field::Double(v) => Cell::Number(*v),
        Field::Decimal(value) => decimal(value.data(), value.scale()),
        Field::Str(text) => Cell::Text(text.trim().to_owned()),
        Field::Bytes(bytes) => Cell::Text(String::from_utf8_lossy(bytes.data()).trim().to_owned()),
        other => Cell::Text(other.to_string()),
    }
}

/// The number whose digits are the big-endian integer `bytes`, the last `scale` of them decimals.
fn decimal(bytes: &[u8], scale: i32) -> Cell {
    let fill = match bytes.first() {
        Some(byte) if byte & 0x80 != 0 => 0xff,
        _ => 0,
    };
    let mut whole = [fill; 16];
    let Some(start) = whole.len().checked_sub(bytes.len()) else {
        return Cell::Text(format!("a decimal number of {} bytes", bytes.len()));
    };
    whole[start..].copy_from_slice(bytes);
    let digits = i128::from_be_bytes(whole);
    match scale {
        0 => Cell::Whole(digits),
        _ => format!("{digits}e{}", -i64::from(scale))
            .parse()
            .map_or(Cell::Absent, Cell::Number),
    }
}
