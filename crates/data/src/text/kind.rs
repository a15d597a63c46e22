//! What a file is: by its name how it is cut into documents, by its first bytes how it is packed.

use std::path::Path;

/// How a file is cut into documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One document.
    Text,
    /// One document a line, in JSON.
    Lines,
    /// One document a row.
    Parquet,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Kind and packing by the ends of names.
const NAMES: [(&str, Kind, Packing); 10] = [
    (".txt", Kind::Text, Packing::Plain),
    (".txt.gz", Kind::Text, Packing::Gzip),
    (".txt.zst", Kind::Text, Packing::Zstd),
    (".jsonl", Kind::Lines, Packing::Plain),
    (".jsonl.gz", Kind::Lines, Packing::Gzip),
    (".jsonl.zst", Kind::Lines, Packing::Zstd),
    (".ndjson", Kind::Lines, Packing::Plain),
    (".ndjson.gz", Kind::Lines, Packing::Gzip),
    (".ndjson.zst", Kind::Lines, Packing::Zstd),
    (".parquet", Kind::Parquet, Packing::Plain),
];

/// What a corpus is made of, for messages.
pub(crate) const KNOWN: &str =
    ".txt and .jsonl files (each also with .gz or .zst behind) and .parquet files";

impl Kind {
    /// The name in keys and messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Lines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// What documents are in such a file.
    pub(super) fn units(self) -> &'static str {
        match self {
            Self::Text => "files",
            Self::Lines => "lines",
            Self::Parquet => "rows",
        }
    }
}

impl Packing {
    /// The name of the format.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What a file's name says of it, if it ends in anything known.
pub(super) fn by_name(path: &Path) -> Option<(Kind, Packing)> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    NAMES
        .into_iter()
        .find(|(ending, _, _)| name.ends_with(ending))
        .map(|(_, kind, packing)| (kind, packing))
}

/// What to do with a file of unknown kind, as the end of a message, where its name tells.
pub(super) fn advice(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    Some(match () {
        () if ends(&[".json", ".json.gz", ".json.zst"]) => {
            "if each line is a JSON object, rename it to .jsonl; if it is one JSON array, `jq -c \
             '.[]' FILE > NEW.jsonl` makes lines of it"
        }
        () if ends(&[
            ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".zip", ".7z",
        ]) =>
        {
            "it is an archive: unpack it into a folder"
        }
        () if ends(&[".gz", ".zst"]) => "rename it so that what is inside shows: .txt.gz, say",
        () if ends(&[".bz2"]) => "decompress it first, with `bzip2 -dk`",
        () if ends(&[".xz", ".lzma"]) => "decompress it first, with `xz -dk`",
        () if ends(&[".lz4"]) => "decompress it first, with `lz4 -d`",
        () if ends(&[".br"]) => "decompress it first, with `brotli -d`",
        () if ends(&[
            ".csv", ".tsv", ".xlsx", ".xls", ".arrow", ".feather", ".orc",
        ]) =>
        {
            "tables are read from .parquet files"
        }
        () if ends(&[".md", ".rst", ".tex", ".html", ".log", ".text"]) => {
            "if it is a document, rename it to .txt; if not, move it out of the folder"
        }
        () => return None,
    })
}

/// How a file is compressed, by its first bytes.
pub(super) fn packing(start: &[u8]) -> Packing {
    match start {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        // A frame, or one to be skipped before it.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
        _ => Packing::Plain,
    }
}

/// The name of a format whose files begin like this and that no corpus is made of, with what to
/// do. Bytes that a text may begin with as well are not enough.
pub(super) fn foreign(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let begins = |magic: &[u8]| start.starts_with(magic);
    Some(match () {
        () if begins(b"PAR1") && start.len() > 8 && std::str::from_utf8(start).is_err() => {
            ("Parquet", "rename it to .parquet")
        }
        () if begins(b"BZh") && start.get(4..10) == Some(b"1AY&SY") => {
            ("bzip2", "decompress it with `bzip2 -d`")
        }
        () if begins(b"\xfd7zXZ\0") => ("xz", "decompress it with `xz -d`"),
        () if begins(b"\x04\x22\x4d\x18") => ("LZ4", "decompress it with `lz4 -d`"),
        () if begins(b"\x1f\x9d") => ("compress (.Z)", "decompress it with `uncompress`"),
        () if begins(b"PK\x03\x04") => (
            "a zip archive, as .zip, .docx and .xlsx files are",
            "unpack it, or save its text as .txt",
        ),
        () if begins(b"7z\xbc\xaf\x27\x1c") => ("a 7z archive", "unpack it into a folder"),
        () if begins(b"%PDF-") => ("PDF", "save its text as .txt, with `pdftotext` say"),
        () if begins(b"ARROW1\0\0") => ("Arrow", "save the table as .parquet"),
        () if begins(b"SQLite format 3\0") => ("SQLite", "save its texts as .jsonl"),
        () if begins(b"\x89HDF\r\n") => ("HDF5", "save its texts as .jsonl"),
        () if begins(b"\x89PNG\r\n") => ("PNG", "a corpus is made of text"),
        () if begins(b"\x93NUMPY") => ("NumPy", "save its texts as .jsonl"),
        // Its header has zeros before the mark; a text may spell it there.
        () if start.get(257..262) == Some(b"ustar") && start[..257].contains(&0) => {
            ("a tar archive", "unpack it into a folder")
        }
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_name() {
        let of = |name: &str| by_name(Path::new(name));
        assert_eq!(of("a/b.TXT"), Some((Kind::Text, Packing::Plain)));
        assert_eq!(of("b.jsonl.zst"), Some((Kind::Lines, Packing::Zstd)));
        assert_eq!(of("b.txt.gz"), Some((Kind::Text, Packing::Gzip)));
        assert_eq!(of("b.parquet"), Some((Kind::Parquet, Packing::Plain)));
        for unknown in ["b.json", "txt", "b.parquet.gz", "b.gz", ".."] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        assert!(advice(Path::new("a.json")).is_some_and(|cure| cure.contains(".jsonl")));
        assert_eq!(advice(Path::new("a.pdf")), None);
    }

    #[test]
    fn formats_by_their_first_bytes() {
        assert_eq!(packing(b"\x1f\x8b\x08"), Packing::Gzip);
        assert_eq!(packing(b"\x28\xb5\x2f\xfd"), Packing::Zstd);
        assert_eq!(packing(b"{\"text\""), Packing::Plain);
        let name = |start: &[u8]| foreign(start).map(|(name, _)| name);
        assert_eq!(name(b"BZh91AY&SY\x01"), Some("bzip2"));
        assert_eq!(name(b"PAR1\x15\x04\x15\xff\xee"), Some("Parquet"));
        let mut tar = [b"corpus/a.txt", &[0; 245][..], b"ustar\0"].concat();
        assert_eq!(name(&tar), Some("a tar archive"));
        tar[12..257].fill(b'g');
        assert_eq!(name(&tar), None);
        for text in ["BZh is a name", "PAR1 is a name", "PK", "", "plain"] {
            assert_eq!(name(text.as_bytes()), None, "{text}");
        }
    }
}
