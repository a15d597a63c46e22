//! Parquet files in every delta encoding: whole ones, and some whose counts were changed.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use ontogeny_store::{ParquetFile, parquet_message};
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::FileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;

const SCHEMA: &str = "
    message rows {
        required int64 step;
        optional int32 count;
        optional binary text (UTF8);
        required binary name (UTF8);
        optional fixed_len_byte_array(4) code;
    }";

/// Rows of a group.
const ROWS: usize = 200;

fn step(i: usize) -> i64 {
    (i * i) as i64 - 1000
}

fn text(i: usize) -> String {
    format!("a text of {} and {}", i / 7, "more ".repeat(i % 5))
}

fn code(i: usize) -> Vec<u8> {
    (i as u32 * 77).to_be_bytes().to_vec()
}

/// Whether row `i` has values in the optional columns: in the first pages never.
fn present(i: usize) -> bool {
    i >= 70 && !i.is_multiple_of(3)
}

/// A file of two groups in pages of 64 rows, without dictionaries.
fn write(path: &Path, properties: WriterPropertiesBuilder) {
    let packed = Encoding::DELTA_BINARY_PACKED;
    let properties = properties
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(64)
        .set_write_batch_size(32)
        .set_column_encoding("step".into(), packed)
        .set_column_encoding("count".into(), packed)
        .set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("name".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .set_column_encoding("code".into(), Encoding::DELTA_BYTE_ARRAY)
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let levels: Vec<i16> = (0..ROWS).map(|i| i16::from(present(i))).collect();
    let some = || (0..ROWS).filter(|&i| present(i));
    for _ in 0..2 {
        let mut group = writer.next_row_group().unwrap();
        for number in 0..5 {
            let mut column = group.next_column().unwrap().unwrap();
            let written = match number {
                0 => {
                    let values: Vec<i64> = (0..ROWS).map(step).collect();
                    let column = column.typed::<Int64Type>();
                    column.write_batch(&values, None, None)
                }
                1 => {
                    let values: Vec<i32> = some().map(|i| i as i32).collect();
                    let column = column.typed::<Int32Type>();
                    column.write_batch(&values, Some(&levels), None)
                }
                2 => {
                    let values: Vec<ByteArray> =
                        some().map(|i| text(i).into_bytes().into()).collect();
                    let column = column.typed::<ByteArrayType>();
                    column.write_batch(&values, Some(&levels), None)
                }
                3 => {
                    let values = (0..ROWS).map(|i| text(i).into_bytes().into());
                    let values: Vec<ByteArray> = values.collect();
                    let column = column.typed::<ByteArrayType>();
                    column.write_batch(&values, None, None)
                }
                _ => {
                    let values: Vec<FixedLenByteArray> = some().map(|i| code(i).into()).collect();
                    let column = column.typed::<FixedLenByteArrayType>();
                    column.write_batch(&values, Some(&levels), None)
                }
            };
            written.unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// All rows, or what is said instead.
fn read(path: &Path) -> Result<Vec<Vec<Field>>, String> {
    let said = |error| parquet_message(&error);
    let file = ParquetFile::open(File::open(path).unwrap()).map_err(said)?;
    let rows = file.get_row_iter(None).map_err(said)?;
    rows.map(|row| {
        let row = row.map_err(said)?;
        Ok(row
            .get_column_iter()
            .map(|(_, field)| field.clone())
            .collect())
    })
    .collect()
}

fn expected() -> Vec<Vec<Field>> {
    let row = |i| {
        let or_null = |field| if present(i) { field } else { Field::Null };
        vec![
            Field::Long(step(i)),
            or_null(Field::Int(i as i32)),
            or_null(Field::Str(text(i))),
            Field::Str(text(i)),
            or_null(Field::Bytes(code(i).into())),
        ]
    };
    (0..ROWS).chain(0..ROWS).map(row).collect()
}

#[test]
fn every_delta_encoding_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for codec in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::LZ4_RAW,
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            let properties = WriterProperties::builder();
            let properties = properties.set_compression(codec);
            write(&path, properties.set_writer_version(version));
            assert!(read(&path).unwrap() == expected(), "{codec:?}, {version:?}");
        }
    }
}

#[test]
fn a_changed_count_is_refused_with_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut refused = std::collections::BTreeMap::new();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        write(
            &path,
            WriterProperties::builder().set_writer_version(version),
        );
        let whole = fs::read(&path).unwrap();
        // Blocks of 128 or 256 numbers in four parts; then the count, that of a whole page or of
        // its values, in one byte.
        let headers = whole.windows(4).enumerate().filter_map(|(at, bytes)| {
            let header = bytes[0] == 0x80 && matches!(bytes[1], 1 | 2) && bytes[2] == 4;
            (header && (1..=64).contains(&bytes[3])).then_some(at)
        });
        for at in headers {
            let mut bytes = whole.clone();
            bytes[at + 3] = 127;
            fs::write(&path, bytes).unwrap();
            let said = read(&path).unwrap_err();
            let (column, what) = said
                .strip_prefix("a page of `")
                .and_then(|rest| rest.split_once("` says that it holds "))
                .unwrap_or_else(|| panic!("{said}"));
            let counts = "127 values, and its header says ";
            assert!(what.starts_with(counts), "{said}");
            assert!(what.ends_with(": the file is damaged"), "{said}");
            *refused.entry(column.to_owned()).or_insert(0) += 1;
        }
    }
    // Four pages in each of two groups of both files, one without values in optional columns.
    let pages = |streams: u32| 16 * streams;
    for (column, streams) in [
        ("step", 1),
        ("count", 1),
        ("text", 2),
        ("name", 1),
        ("code", 2),
    ] {
        let optional = matches!(column, "count" | "text" | "code");
        let expected = pages(streams) - if optional { 4 * streams } else { 0 };
        assert_eq!(
            refused.get(column),
            Some(&expected),
            "{column}: {refused:?}"
        );
    }
}
