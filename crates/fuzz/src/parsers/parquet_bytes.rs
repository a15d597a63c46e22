//! Parquet files of columns of every kind.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::dice::Dice;

/// Columns as a schema writes them, after `optional` or `repeated`.
const OTHERS: [&str; 20] = [
    "int32 a",
    "int64 a",
    "int96 a",
    "boolean a",
    "float a",
    "double a",
    "binary a",
    "binary a (UTF8)",
    "fixed_len_byte_array(5) a",
    "fixed_len_byte_array(16) a (UUID)",
    "fixed_len_byte_array(2) a (FLOAT16)",
    "int32 a (DATE)",
    "int64 a (TIMESTAMP(MICROS, true))",
    "int32 a (TIME(MILLIS, true))",
    "int32 a (INTEGER(8, false))",
    "int64 a (INTEGER(64, false))",
    "int32 a (DECIMAL(9, 2))",
    "fixed_len_byte_array(5) a (DECIMAL(10, 2))",
    "binary a (JSON)",
    "binary a (ENUM)",
];

/// Words of the format that stand in files as text.
pub const WORDS: [&str; 8] = [
    "PAR1",
    "PARE",
    "\u{15}\u{0}",
    "\u{19}\u{1c}",
    "text",
    "step",
    "schema",
    "\u{0}\u{0}\u{0}\u{0}",
];

/// The most memory that reading a file of this length may take: what a page may hold when it is
/// decompressed counts, 64 MiB and 64 times the file, and the values made of it.
pub fn allowance(length: usize) -> usize {
    (64 << 20) + 2 * length + 2 * ((64 << 20) + 64 * length)
}

/// A file with a text column `text`, a column of steps, a column of values, and others by chance.
pub fn file(dice: &mut Dice) -> Vec<u8> {
    write(dice).unwrap_or_default()
}

fn write(dice: &mut Dice) -> Result<Vec<u8>, ParquetError> {
    let mut columns = vec![
        "required int64 step;".to_owned(),
        "optional double loss;".to_owned(),
        "optional binary text (UTF8);".to_owned(),
    ];
    for at in 0..dice.below(3) {
        let column = dice.pick(&OTHERS).replacen(" a", &format!(" other{at}"), 1);
        let kind = dice.pick(&["optional", "optional", "repeated", "required"]);
        columns.push(format!("{kind} {column};"));
    }
    if dice.once_in(4) {
        let item = "repeated group list { optional binary element (UTF8); }";
        columns.push(format!("optional group tags (LIST) {{ {item} }}"));
    }
    let schema = parse_message_type(&format!("message schema {{ {} }}", columns.join(" ")))?;
    let compression = match dice.below(3) {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::SNAPPY,
        _ => Compression::ZSTD(ZstdLevel::try_new(1)?),
    };
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(dice.once_in(2))
        .set_data_page_row_count_limit(1 + dice.below(20))
        .set_write_batch_size(4);
    if dice.once_in(2) {
        properties = properties.set_writer_version(WriterVersion::PARQUET_2_0);
    }
    if dice.once_in(4) {
        properties = properties.set_column_encoding("step".into(), Encoding::DELTA_BINARY_PACKED);
        properties = properties.set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY);
        properties = properties.set_column_encoding("loss".into(), Encoding::BYTE_STREAM_SPLIT);
        properties = properties.set_dictionary_enabled(false);
    }
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))?;
    for _ in 0..=dice.below(2) {
        let rows = 2 + dice.below(12);
        let mut group = writer.next_row_group()?;
        while let Some(mut column) = group.next_column()? {
            fill(dice, column.untyped(), rows)?;
            column.close()?;
        }
        group.close()?;
    }
    writer.into_inner()
}

/// Writes `rows` values to a column, some of them absent where they may be.
fn fill(dice: &mut Dice, column: &mut ColumnWriter<'_>, rows: usize) -> Result<(), ParquetError> {
    macro_rules! write {
        ($writer:expr, $value:expr) => {{
            let (most, nested) = {
                let about = $writer.get_descriptor();
                (about.max_def_level(), about.max_rep_level() > 0)
            };
            let definitions: Vec<i16> = (0..rows)
                .map(|_| if most > 0 && dice.once_in(5) { 0 } else { most })
                .collect();
            let repetitions = vec![0; rows];
            let n = definitions.iter().filter(|&&level| level == most).count();
            let values: Vec<_> = (0..n).map($value).collect();
            $writer.write_batch(
                &values,
                (most > 0).then_some(&definitions[..]),
                nested.then_some(&repetitions[..]),
            )?;
        }};
    }
    match column {
        ColumnWriter::BoolColumnWriter(w) => write!(w, |i| i % 3 == 0),
        ColumnWriter::Int32ColumnWriter(w) => write!(w, |i| i as i32),
        ColumnWriter::Int64ColumnWriter(w) => {
            // Steps do not come twice in a file of one group.
            let first = dice.below(1000) as i64;
            write!(w, |i| first + 10 * i as i64);
        }
        ColumnWriter::Int96ColumnWriter(w) => {
            write!(w, |i| Int96::from(vec![i as u32, 0, 2_440_589]))
        }
        ColumnWriter::FloatColumnWriter(w) => write!(w, |i| i as f32 / 3.0),
        ColumnWriter::DoubleColumnWriter(w) => write!(w, |i| 5.0 - i as f64 / 3.0),
        ColumnWriter::ByteArrayColumnWriter(w) => {
            let more = dice.words(6);
            write!(w, |i| ByteArray::from(
                format!("so it is {i} {more}").into_bytes()
            ));
        }
        ColumnWriter::FixedLenByteArrayColumnWriter(w) => {
            let length = w.get_descriptor().type_length() as usize;
            write!(w, |i| FixedLenByteArray::from(vec![i as u8; length]));
        }
    }
    Ok(())
}
