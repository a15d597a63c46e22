//! Columns of a Parquet file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ontogeny_store::{ParquetFile, contained, parquet_message};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::record::Field;
use parquet::schema::types::Type;

use super::error::SeriesError;
use super::table::{Cell, Cells};

/// A Parquet file whose columns are known.
pub(super) struct Rows {
    reader: ParquetFile,
}

impl Rows {
    /// Of an open `file`.
    ///
    /// # Errors
    /// [`SeriesError::Read`] if it is damaged.
    pub fn open(path: &Path, file: File) -> Result<Rows, SeriesError> {
        let wrong = |reason: String| SeriesError::Read {
            path: path.to_owned(),
            reason,
        };
        let reader = whole(path, || {
            ParquetFile::open(file).map_err(|e| {
                wrong(format!(
                    "it begins like Parquet, but: {}; the file may be cut off",
                    parquet_message(&e)
                ))
            })
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
    /// [`SeriesError::Unfit`] if one of them holds neither numbers nor text, [`SeriesError::Read`]
    /// with the row where the file is damaged.
    pub fn cells(&self, path: &Path, columns: &[usize]) -> Result<Cells, SeriesError> {
        whole(path, || self.decode(path, columns))
    }

    fn decode(&self, path: &Path, columns: &[usize]) -> Result<Cells, SeriesError> {
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
        let projection = projection.map_err(|e| wrong(explained(&e)))?;
        let rows = self.reader.get_row_iter(Some(projection));
        let rows = rows.map_err(|e| wrong(explained(&e)))?;
        let place = |column: &usize| sorted.partition_point(|s| s < column);
        let places: Vec<usize> = columns.iter().map(place).collect();
        let mut found = Vec::new();
        for (i, row) in rows.enumerate() {
            let row = row.map_err(|e| wrong(format!("row {}: {}", i + 1, explained(&e))))?;
            let cells: Vec<Cell> = row.get_column_iter().map(|(_, f)| cell(f)).collect();
            let cell = |&place: &usize| cells.get(place).cloned().unwrap_or(Cell::Absent);
            found.push((i + 1, places.iter().map(cell).collect()));
        }
        Ok(found)
    }
}

/// What `read` reads of a file. The reader of the format panics on some damaged files.
fn whole<T>(path: &Path, read: impl FnOnce() -> Result<T, SeriesError>) -> Result<T, SeriesError> {
    contained(read).unwrap_or_else(|said| {
        Err(SeriesError::Read {
            path: path.to_owned(),
            reason: format!("the file is damaged ({said})"),
        })
    })
}

/// What the reader says, with the cure where it is known.
fn explained(error: &ParquetError) -> String {
    let reason = parquet_message(error);
    if reason.contains("feature at compile time") {
        return format!(
            "{reason}: its columns are compressed in a way that is not read here; write it with \
             zstd or snappy"
        );
    }
    reason
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

#[cfg(test)]
mod tests {
    use parquet::basic::{Compression, Encoding};
    use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArrayType, Int32Type};
    use parquet::data_type::{Int64Type, Int96, Int96Type};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::{Wanted, read};
    use super::*;

    const SCHEMA: &str = "
        message table {
            required int64 step;
            optional int32 cents (DECIMAL(9, 2));
            required fixed_len_byte_array(3) share (DECIMAL(4, 4));
            required int64 micros (TIMESTAMP(MICROS, true));
            required int64 nanos (TIMESTAMP(NANOS, true));
            required int96 old;
            required int32 day (DATE);
            required binary name (UTF8);
            required binary bytes;
            required group heads (LIST) { repeated group list { required int64 element; } }
        }";

    /// Two rows of every kind, the second of `cents` absent, names repeated so that they are a
    /// dictionary.
    fn file(path: &Path) {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut number = 0;
        while let Some(mut column) = group.next_column().unwrap() {
            let texts = |text: &str| vec![ByteArray::from(text), ByteArray::from(text)];
            match number {
                0 | 3 | 4 => {
                    let typed = column.typed::<Int64Type>();
                    typed.write_batch(&[1, 2], None, None).unwrap();
                }
                1 => {
                    let typed = column.typed::<Int32Type>();
                    typed.write_batch(&[-1234], Some(&[1, 0]), None).unwrap();
                }
                2 => {
                    let bytes = [vec![0xff, 0xff, 0xff], vec![0, 0x0f, 0xa0]];
                    let bytes = bytes.map(|b| ByteArray::from(b).into());
                    let typed = column.typed::<FixedLenByteArrayType>();
                    typed.write_batch(&bytes, None, None).unwrap();
                }
                5 => {
                    let typed = column.typed::<Int96Type>();
                    typed
                        .write_batch(&[Int96::new(), Int96::new()], None, None)
                        .unwrap();
                }
                6 => {
                    let typed = column.typed::<Int32Type>();
                    typed.write_batch(&[1, 2], None, None).unwrap();
                }
                7 | 8 => {
                    let typed = column.typed::<ByteArrayType>();
                    typed.write_batch(&texts("nan"), None, None).unwrap();
                }
                _ => {
                    let typed = column.typed::<Int64Type>();
                    let levels = Some(&[1_i16, 1][..]);
                    typed.write_batch(&[1, 2], levels, Some(&[0, 0])).unwrap();
                }
            }
            column.close().unwrap();
            number += 1;
        }
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn numbers_and_text_are_read_and_other_kinds_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        file(&path);
        let wanted = |value: &str, replica: Option<&str>| Wanted {
            step: "step".into(),
            values: vec![value.into()],
            error: None,
            replica_column: replica.map(str::to_owned),
            replica: None,
        };
        let values = |value: &str| {
            let mut read = read(&path, &wanted(value, Some("name"))).unwrap().replicas;
            assert_eq!((read.len(), read[0].name.as_str()), (1, "nan"));
            let rows = read.remove(0).rows.unwrap();
            let value = |r: &crate::table::MeasureRow| r.values.get(value).copied();
            rows.iter().map(value).collect::<Vec<_>>()
        };
        assert_eq!(values("cents"), [Some(-12.34), None]);
        assert_eq!(values("share"), [Some(-0.0001), Some(0.4)]);
        for (column, kind) in [
            ("micros", "time stamps"),
            ("nanos", "time stamps"),
            ("old", "time stamps"),
            ("day", "dates"),
            ("heads", "lists or structures"),
        ] {
            let told = read(&path, &wanted(column, None)).unwrap_err().to_string();
            assert!(told.contains(kind) && told.contains(column), "{told}");
        }
        let bytes = read(&path, &wanted("step", Some("bytes"))).unwrap();
        assert_eq!(bytes.replicas[0].name, "nan");
    }

    /// 40 steps of a curve, every third without a value, in delta encodings.
    fn curve(path: &Path, codec: Compression, version: WriterVersion) {
        let schema = "
            message table {
                required int64 step;
                optional int32 loss;
                required binary name (UTF8);
            }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_BINARY_PACKED)
            .set_column_encoding("name".into(), Encoding::DELTA_BYTE_ARRAY);
        let file = File::create(path).unwrap();
        let mut writer =
            SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let steps: Vec<i64> = (0..40).map(|i| 10 * i).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<Int64Type>();
        typed.write_batch(&steps, None, None).unwrap();
        column.close().unwrap();
        let losses: Vec<i32> = (0..40).filter(|i| i % 3 > 0).collect();
        let levels: Vec<i16> = (0..40).map(|i| i16::from(i % 3 > 0)).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<Int32Type>();
        typed.write_batch(&losses, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<ByteArrayType>();
        let names = vec![ByteArray::from("seed0"); 40];
        typed.write_batch(&names, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn delta_encodings_are_read_and_changed_counts_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let wanted = Wanted {
            step: "step".into(),
            values: vec!["loss".into()],
            error: None,
            replica_column: Some("name".into()),
            replica: None,
        };
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for codec in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
                curve(&path, codec, version);
                let mut read = read(&path, &wanted).unwrap().replicas;
                assert_eq!((read.len(), read[0].name.as_str()), (1, "seed0"));
                let rows = read.remove(0).rows.unwrap();
                assert_eq!(rows.len(), 40);
                for (i, row) in (0_u32..).zip(&rows) {
                    let expected = (i % 3 > 0).then_some(f64::from(i));
                    assert_eq!(row.step, 10 * u64::from(i));
                    assert_eq!(row.values.get("loss").copied(), expected, "{codec:?}");
                }
            }
            curve(&path, Compression::UNCOMPRESSED, version);
            let mut bytes = std::fs::read(&path).unwrap();
            // The counts of 26 losses and of 40 names, in blocks of 128 numbers in four parts.
            for (count, column) in [(26, "loss"), (40, "name")] {
                let header = [0x80, 1, 4, count];
                let at = bytes.windows(4).position(|bytes| bytes == header).unwrap();
                bytes[at + 3] = 127;
                std::fs::write(&path, &bytes).unwrap();
                bytes[at + 3] = count;
                let told = read(&path, &wanted).unwrap_err().to_string();
                let expected = format!(
                    "a page of `{column}` says that it holds 127 values, and its header says 40: \
                     the file is damaged"
                );
                assert!(told.contains("a.parquet"), "{told}");
                assert!(told.contains(&expected), "{told}");
            }
        }
    }

    #[test]
    fn decimals_have_their_mark_where_the_scale_says() {
        assert_eq!(decimal(&[0x04, 0xd2], 2), Cell::Number(12.34));
        assert_eq!(decimal(&[0xfb, 0x2e], 3), Cell::Number(-1.234));
        assert_eq!(decimal(&[0x2a], 0), Cell::Whole(42));
        assert_eq!(decimal(&[0x2a], -2), Cell::Number(4200.0));
        assert!(matches!(decimal(&[1; 20], 2), Cell::Text(_)));
    }
}
