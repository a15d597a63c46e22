//! What the pages of a Parquet file say of the number of their values.
//!
//! Delta encodings name a count of their own behind the page's compression, and a page of a
//! dictionary names one in its header. The library sets memory aside for that many values before
//! it reads the first, so both are compared with the bytes that are there.

use parquet::basic::{Encoding, Type};
use parquet::column::page::Page;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::schema::types::ColumnDescriptor;

use super::byte_reader::ByteReader;
use super::far_more;
use super::packed::Packed;

/// What a page says that it holds, if it cannot: "5 values, …". Pages that are damaged in other
/// ways are left to the library, which refuses them without setting memory aside.
pub(super) fn miscounted(page: &Page, column: &ColumnDescriptor, most: u64) -> Option<String> {
    let told = u64::from(page.num_values());
    match page {
        Page::DictionaryPage { buf, .. } => dictionary(told, buf.len() as u64, column, most),
        Page::DataPage { .. } | Page::DataPageV2 { .. } => {
            let encoding = page.encoding();
            match encoding {
                Encoding::DELTA_BINARY_PACKED
                | Encoding::DELTA_LENGTH_BYTE_ARRAY
                | Encoding::DELTA_BYTE_ARRAY => delta(encoding, values(page, column)?, told, most),
                _ => None,
            }
        }
    }
}

/// Of `count` values in the `length` bytes of a dictionary's page.
fn dictionary(count: u64, length: u64, column: &ColumnDescriptor, most: u64) -> Option<String> {
    // The fewest bits of a value in the page, and its bytes in memory.
    let (bits, decoded) = match column.physical_type() {
        Type::BOOLEAN => (1, size_of::<bool>()),
        Type::INT32 => (32, size_of::<i32>()),
        Type::INT64 => (64, size_of::<i64>()),
        Type::INT96 => (96, size_of::<Int96>()),
        Type::FLOAT => (32, size_of::<f32>()),
        Type::DOUBLE => (64, size_of::<f64>()),
        // The length of each.
        Type::BYTE_ARRAY => (32, size_of::<ByteArray>()),
        Type::FIXED_LEN_BYTE_ARRAY => (
            8 * u64::try_from(column.type_length()).unwrap_or(0),
            size_of::<FixedLenByteArray>(),
        ),
    };
    if count.saturating_mul(bits) > length.saturating_mul(8) {
        return Some(format!(
            "{count} values of a dictionary, and its {length} bytes are too few for them"
        ));
    }
    let memory = length.saturating_add(count.saturating_mul(decoded as u64));
    (memory > most).then(|| far_more(memory))
}

/// Of delta-encoded `values` in a page whose header tells a number of values, absent ones counted.
fn delta(encoding: Encoding, values: &[u8], told: u64, most: u64) -> Option<String> {
    let first = Packed::walk(values)?;
    if let Some(what) = first.too_many(told) {
        return Some(what);
    }
    let mut lengths = first.count;
    if encoding == Encoding::DELTA_BYTE_ARRAY
        && let Some(second) = Packed::walk(first.rest)
    {
        if let Some(what) = second.too_many(told) {
            return Some(what);
        }
        if first.count != second.count {
            return Some(format!(
                "the beginnings of {} values and the ends of {}",
                first.count, second.count
            ));
        }
        lengths += second.count;
    }
    if encoding == Encoding::DELTA_BINARY_PACKED {
        // Such values are decoded as they are asked for.
        return None;
    }
    let memory = (values.len() as u64).saturating_add(4 * lengths);
    (memory > most).then(|| far_more(memory))
}

/// The values of a page of data, without the levels before them. `None` where the levels do not
/// end in the page, or it is of another kind.
fn values<'a>(page: &'a Page, column: &ColumnDescriptor) -> Option<&'a [u8]> {
    match page {
        Page::DataPage {
            buf,
            num_values,
            def_level_encoding,
            rep_level_encoding,
            ..
        } => {
            let mut reader = ByteReader { rest: buf };
            for (deepest, encoding) in [
                (column.max_rep_level(), *rep_level_encoding),
                (column.max_def_level(), *def_level_encoding),
            ] {
                if deepest > 0 {
                    skip_levels(&mut reader, deepest, encoding, *num_values)?;
                }
            }
            Some(reader.rest)
        }
        Page::DataPageV2 {
            buf,
            rep_levels_byte_len,
            def_levels_byte_len,
            ..
        } => {
            let levels = rep_levels_byte_len.checked_add(*def_levels_byte_len)?;
            buf.get(usize::try_from(levels).ok()?..)
        }
        Page::DictionaryPage { .. } => None,
    }
}

/// Skips the levels of one kind in the first version of pages.
#[expect(deprecated, reason = "old files have levels in the old encoding")]
fn skip_levels(
    reader: &mut ByteReader<'_>,
    deepest: i16,
    encoding: Encoding,
    count: u32,
) -> Option<()> {
    let length = match encoding {
        Encoding::RLE => {
            let length = reader.take(4)?.try_into().ok()?;
            u64::from(u32::from_le_bytes(length))
        }
        Encoding::BIT_PACKED => {
            let width = i16::BITS - deepest.leading_zeros();
            (u64::from(count) * u64::from(width)).div_ceil(8)
        }
        _ => return None,
    };
    reader.take(usize::try_from(length).ok()?)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::super::packed::tests::{equal, header};
    use super::super::page_sizes::most_bytes;
    use super::*;

    const MOST: u64 = 64 << 20;

    fn column(field: &str) -> SchemaDescriptor {
        let schema = parse_message_type(&format!("message rows {{ {field}; }}")).unwrap();
        SchemaDescriptor::new(Arc::new(schema))
    }

    fn first_version(values: &[u8], told: u32, encoding: Encoding) -> Page {
        Page::DataPage {
            buf: values.to_vec().into(),
            num_values: told,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        }
    }

    fn texts(values: &[u8], told: u32, encoding: Encoding) -> Option<String> {
        let page = first_version(values, told, encoding);
        miscounted(&page, &column("required binary a").column(0), MOST)
    }

    #[test]
    fn pages_hold_the_values_that_they_name() {
        let length = Encoding::DELTA_LENGTH_BYTE_ARRAY;
        let both = Encoding::DELTA_BYTE_ARRAY;
        assert_eq!(texts(&equal(200), 200, length), None);
        assert_eq!(texts(&equal(200), 250, length), None);
        assert_eq!(texts(&[equal(200), equal(200)].concat(), 200, both), None);
        // No header: the library's to refuse.
        assert_eq!(texts(&[0x80], 200, length), None);
        assert_eq!(texts(&equal(200), 200, both), None);
        let cut = |count| [header(128, 4, count), vec![0; 10]].concat();
        for (page, encoding, told, expected) in [
            (
                equal(201),
                length,
                200,
                "201 values, and its header says 200",
            ),
            (
                cut(1 << 28),
                length,
                1 << 30,
                "268435456 values, and its bytes hold 257",
            ),
            (
                [equal(9), cut(1 << 28)].concat(),
                both,
                1 << 30,
                "268435456 values, and its bytes hold 257",
            ),
            (
                [equal(9), equal(8)].concat(),
                both,
                9,
                "the beginnings of 9 values and the ends of 8",
            ),
            (
                cut(1 << 28),
                Encoding::DELTA_BINARY_PACKED,
                1 << 30,
                "268435456 values, and its bytes hold 257",
            ),
            // One part of 2⁴⁰ equal lengths: all are there.
            (
                [header(1 << 40, 1, 1 << 30), vec![0; 2]].concat(),
                length,
                1 << 30,
                "4096 MiB, far more than the file can",
            ),
        ] {
            assert_eq!(texts(&page, told, encoding).as_deref(), Some(expected));
        }
    }

    #[test]
    fn levels_before_the_values_are_skipped() {
        let encoding = Encoding::DELTA_BINARY_PACKED;
        let nested = column("repeated int64 a");
        // Repetitions, then definitions.
        let levels = [&[2, 0, 0, 0, 9, 9][..], &[1, 0, 0, 0, 9]].concat();
        let page = first_version(&[levels, equal(7)].concat(), 6, encoding);
        let told = Some("7 values, and its header says 6".to_owned());
        assert_eq!(miscounted(&page, &nested.column(0), MOST), told);
        let optional = column("optional int64 a");
        let mut page = first_version(&[vec![9], equal(7)].concat(), 6, encoding);
        if let Page::DataPage {
            def_level_encoding, ..
        } = &mut page
        {
            #[expect(deprecated, reason = "old files have them")]
            let old = Encoding::BIT_PACKED;
            *def_level_encoding = old;
        }
        assert_eq!(miscounted(&page, &optional.column(0), MOST), told);
        let second = |def_levels_byte_len| Page::DataPageV2 {
            buf: [vec![9; 3], equal(7)].concat().into(),
            num_values: 6,
            encoding,
            num_nulls: 0,
            num_rows: 6,
            def_levels_byte_len,
            rep_levels_byte_len: 1,
            is_compressed: false,
            statistics: None,
        };
        assert_eq!(miscounted(&second(2), &nested.column(0), MOST), told);
        // Levels that go on behind the page are the library's to refuse.
        assert_eq!(miscounted(&second(90), &nested.column(0), MOST), None);
        let long = first_version(&[255; 90], 6, encoding);
        assert_eq!(miscounted(&long, &optional.column(0), MOST), None);
    }

    #[test]
    fn dictionaries_hold_the_values_that_they_name() {
        let told = |field: &str, count: u32, length: usize| {
            let page = Page::DictionaryPage {
                buf: vec![0; length].into(),
                num_values: count,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            miscounted(&page, &column(field).column(0), most_bytes(length as u64))
        };
        for (field, count, length) in [
            ("required boolean a", 9, 1),
            ("required int32 a", 2, 7),
            ("required int64 a", 2, 15),
            ("required int96 a", 2, 23),
            ("required float a", 2, 7),
            ("required double a", 2, 15),
            ("required binary a", 2, 7),
            ("required fixed_len_byte_array(3) a", 2, 5),
        ] {
            let what = told(field, count, length).unwrap();
            assert!(what.starts_with(&format!("{count} values of a dictionary")));
            assert_eq!(told(field, count - 1, length), None, "{field}");
        }
        let nothing = told("required fixed_len_byte_array(0) a", 1 << 30, 7);
        assert_eq!(
            nothing.as_deref(),
            Some("32768 MiB, far more than the file can")
        );
    }
}
