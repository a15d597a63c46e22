//! What a file is by its first bytes, and its text whatever the encoding.
//!
//! Names deceive: exports are compressed, saved by a spreadsheet, or called `.csv` by habit. So the
//! content decides. What is a table is read, and everything else is refused by name.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::error::SeriesError;

/// A file's content.
pub(super) enum Content {
    /// Rows of text, and what was noticed about their encoding.
    Text(String, Option<String>),
    /// A Parquet file, at its beginning.
    Parquet(File),
}

/// Bytes by which files that are no tables are told.
const BEGINNING: u64 = 1 << 20;
/// First bytes of files that are no tables, what they are, and what to do.
const OTHERS: [(&[u8], &str, &str); 15] = [
    (
        b"\x1f\x8b",
        "compressed (gzip)",
        "unpack it first: gunzip -k",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed (zstd)",
        "unpack it first: zstd -d",
    ),
    (b"\xfd7zXZ\0", "compressed (xz)", "unpack it first: unxz -k"),
    (b"BZh", "compressed (bzip2)", "unpack it first: bunzip2 -k"),
    (
        b"\x04\x22\x4d\x18",
        "compressed (lz4)",
        "unpack it first: lz4 -d",
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (
        b"\xd0\xcf\x11\xe0",
        "a spreadsheet of the old Excel format",
        "save it as CSV",
    ),
    (
        b"ARROW1",
        "an Arrow (Feather) file",
        "write it as Parquet or CSV",
    ),
    (
        b"\x89HDF",
        "an HDF5 file",
        "write the table as Parquet or CSV",
    ),
    (
        b"\x93NUMPY",
        "a NumPy array",
        "write it as CSV with a header",
    ),
    (
        b"SQLite format 3",
        "an SQLite database",
        "export the table as CSV",
    ),
    (b"Obj\x01", "an Avro file", "write it as Parquet or CSV"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (
        b"\x80\x04\x95",
        "a Python pickle",
        "write the table as Parquet or CSV",
    ),
    (
        b"\x80\x05\x95",
        "a Python pickle",
        "write the table as Parquet or CSV",
    ),
];

/// The content of the file at `path`.
///
/// # Errors
/// [`SeriesError::Read`] if it cannot be read or is of another kind, [`SeriesError::Format`] with
/// the line where its encoding is not what it seems.
pub(super) fn of(path: &Path) -> Result<Content, SeriesError> {
    let refuse = |reason: String| SeriesError::Read {
        path: path.to_owned(),
        reason,
    };
    let failed = |e: std::io::Error| refuse(e.to_string());
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file)
        .take(4)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes == b"PAR1" {
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        return Ok(Content::Parquet(file));
    }
    // What is no table shows at its beginning, and may be too large to be read for nothing.
    Read::by_ref(&mut file)
        .take(BEGINNING)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if let Some((what, cure)) = other(&bytes) {
        return Err(refuse(format!("it is {what}; {cure}")));
    }
    file.read_to_end(&mut bytes).map_err(failed)?;
    match text(bytes) {
        Ok((text, note)) => Ok(Content::Text(text, note)),
        Err((line, reason)) => Err(SeriesError::Format {
            path: path.to_owned(),
            line,
            reason,
        }),
    }
}

/// What else the file is, and what to do.
fn other(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    if bytes.is_empty() {
        return Some(("empty", "there is no header with the names of the columns"));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        let holds = |name: &[u8]| bytes.windows(name.len()).any(|w| w == name);
        return Some(if holds(b"xl/") {
            ("an Excel workbook", "save the sheet as CSV")
        } else if holds(b"opendocument.spreadsheet") {
            ("an OpenDocument spreadsheet", "save the sheet as CSV")
        } else {
            ("compressed (zip)", "unpack it first: unzip")
        });
    }
    let of = |(magic, what, cure): &(&[u8], &'static str, &'static str)| {
        bytes.starts_with(magic).then_some((*what, *cure))
    };
    if let Some(found) = OTHERS.iter().find_map(of) {
        return Some(found);
    }
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Some(("JSON", "write it as CSV with a header, or as Parquet")),
        _ => None,
    }
}

/// The text of `bytes`, and a note if it is not UTF-8; else the line and the reason.
fn text(bytes: Vec<u8>) -> Result<(String, Option<String>), (usize, String)> {
    let units = |pair: fn([u8; 2]) -> u16| {
        let pairs = bytes[2..].chunks_exact(2);
        let rest = pairs.remainder().len();
        let units: Vec<u16> = pairs.map(|p| pair([p[0], p[1]])).collect();
        (units, rest)
    };
    let (units, name) = match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Ok((utf8(rest.to_vec(), bytes.len())?, None)),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err((1, "the text is UTF-32; write it as UTF-8".to_owned()));
        }
        [0xff, 0xfe, ..] => (units(u16::from_le_bytes), "UTF-16 (little-endian)"),
        [0xfe, 0xff, ..] => (units(u16::from_be_bytes), "UTF-16 (big-endian)"),
        _ => {
            let whole = bytes.len();
            return Ok((utf8(bytes, whole)?, None));
        }
    };
    let (units, rest) = units;
    let mut text = String::with_capacity(units.len());
    for letter in char::decode_utf16(units) {
        match letter {
            Ok(letter) => text.push(letter),
            Err(_) => {
                let reason = format!("this is not {name}: a surrogate stands alone");
                return Err((line_at(text.as_bytes()), reason));
            }
        }
    }
    if rest > 0 {
        let reason = format!("{name} ends within a character; the file may be cut off");
        return Err((line_at(text.as_bytes()), reason));
    }
    Ok((text, Some(format!("the text is {name}"))))
}

fn utf8(bytes: Vec<u8>, whole: usize) -> Result<String, (usize, String)> {
    if let Some(place) = bytes.iter().position(|b| *b == 0) {
        // Every other byte of UTF-16 is zero where the text is ASCII.
        let begin = &bytes[..bytes.len().min(64)];
        let zeros = begin.iter().filter(|b| **b == 0).count();
        let reason = match zeros * 3 > begin.len() {
            true => "the text looks like UTF-16 without a byte order mark; write it as UTF-8",
            false => "there is a zero byte; the file is damaged, or no text",
        };
        return Err((line_at(&bytes[..place]), reason.to_owned()));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let bytes = e.as_bytes();
        let reason = match e.utf8_error().error_len() {
            None => format!("the file ends within a character, after {whole} bytes: it is cut off"),
            Some(_) => format!(
                "byte {:#04x} is not UTF-8; if the text is Latin-1 or Windows-1252, write it as \
                 UTF-8 first: iconv -f WINDOWS-1252 -t UTF-8",
                bytes[valid]
            ),
        };
        (line_at(&bytes[..valid]), reason)
    })
}

/// The line on which `before` ends, counted from 1. Lines may end in LF, CR LF or CR.
fn line_at(before: &[u8]) -> usize {
    let ends = before.iter().zip(before.iter().skip(1).chain(&[0]));
    1 + ends
        .filter(|(byte, next)| **byte == b'\n' || (**byte == b'\r' && **next != b'\n'))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Content, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, bytes).unwrap();
        of(&path).map_err(|e| e.to_string())
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).err().unwrap()
    }

    #[test]
    fn encodings_are_read_or_refused_with_their_line() {
        let plain = "step,é\n1,2\n";
        let little: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(plain.encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let big: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain(plain.encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        let marked = ["\u{feff}", plain].concat().into_bytes();
        for bytes in [plain.as_bytes(), &little, &big, &marked] {
            match read(bytes) {
                Ok(Content::Text(text, _)) => assert_eq!(text, plain),
                _ => panic!("{bytes:?}"),
            }
        }
        let cut = &little[..little.len() - 1];
        assert!(refusal(cut).contains("UTF-16"), "{}", refusal(cut));
        assert!(refusal(&little[2..]).contains("without a byte order mark"));
        let latin = b"step,y\n0,1\n1,Gr\xf6\xdfe\n";
        let told = refusal(latin);
        assert!(told.contains("line 3") && told.contains("0xf6"), "{told}");
        let ended_by_cr = b"step,y\r0,1\r1,Gr\xf6\xdfe\r";
        assert!(refusal(ended_by_cr).contains("line 3"));
        assert!(refusal(b"step,y\n0,\xc3").contains("cut off"));
        assert!(refusal(b"step,y\n0,1\n0,\0\0\n").contains("line 3"));
        assert!(refusal(b"\xff\xfe\0\0s\0\0\0").contains("UTF-32"));
    }

    #[test]
    fn other_kinds_are_refused_by_name() {
        for (bytes, name) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip"),
            (b"\x28\xb5\x2f\xfd\0", "zstd"),
            (b"\xfd7zXZ\0\0", "xz"),
            (b"BZh91AY", "bzip2"),
            (b"PK\x03\x04....xl/workbook.xml", "Excel"),
            (b"PK\x03\x04....a.csv", "zip"),
            (b"ARROW1\0\0", "Arrow"),
            (b"\x89HDF\r\n", "HDF5"),
            (b"{\"step\": 1}\n", "JSON"),
            (b"", "empty"),
        ] {
            let told = refusal(bytes);
            assert!(told.contains(name) && told.contains("a.csv"), "{told}");
        }
        assert!(matches!(read(b"PAR1...."), Ok(Content::Parquet(_))));
    }
}
