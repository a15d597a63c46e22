//! Finding a corpus and reading its documents.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use ontogeny_store::{Key, KeyBuilder};
use serde_json::Value;

use super::spec::{Named, duplicate};
use super::table::read_parquet;
use crate::{DataError, TextSpec};

/// `{"name", "text"}` a line; see `corpora/README.md`.
const STATE_OF_THE_UNION: &[u8] = include_bytes!("../../corpora/state_of_the_union.jsonl.zst");

/// Where the documents are.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// The key that named it, for messages.
    key: Cow<'static, str>,
    /// The folder or file that was named, for messages.
    root: PathBuf,
    files: Vec<CorpusFile>,
    field: String,
}

#[derive(Debug)]
struct CorpusFile {
    path: PathBuf,
    format: Format,
    content: Content,
}

#[derive(Debug)]
enum Content {
    OnDisk,
    Shipped(&'static [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Lines,
    CompressedLines,
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        [
            (".txt", Self::Text),
            (".jsonl", Self::Lines),
            (".jsonl.zst", Self::CompressedLines),
            (".parquet", Self::Parquet),
        ]
        .into_iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, format)| format)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Lines | Self::CompressedLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

impl Corpus {
    /// All corpora of a specification, in its order.
    pub(crate) fn open_all(spec: &TextSpec, base: &Path) -> Result<Vec<Self>, DataError> {
        let mut corpora: Vec<Self> = Vec::new();
        for named in spec.named() {
            let corpus = Self::open(&named, &spec.field, base)?;
            // Another spelling of a path is found here at the latest.
            if let Some(other) = corpora.iter().position(|c| c.is_at(&corpus)) {
                let message = duplicate(named.path, other);
                return Err(DataError::setting(named.key, message));
            }
            corpora.push(corpus);
        }
        Ok(corpora)
    }

    fn is_at(&self, other: &Self) -> bool {
        match (fs::canonicalize(&self.root), fs::canonicalize(&other.root)) {
            (Ok(here), Ok(there)) => here == there,
            _ => false,
        }
    }

    /// Lists the files of a corpus, in the order of their names.
    fn open(named: &Named<'_>, field: &str, base: &Path) -> Result<Self, DataError> {
        let key = named.key.clone();
        if named.path == TextSpec::STATE_OF_THE_UNION {
            return Ok(Self {
                key,
                root: PathBuf::from("state_of_the_union.jsonl.zst"),
                files: vec![CorpusFile {
                    path: PathBuf::from("state_of_the_union.jsonl.zst"),
                    format: Format::CompressedLines,
                    content: Content::Shipped(STATE_OF_THE_UNION),
                }],
                // The shipped file's own member, whatever the configuration reads elsewhere.
                field: "text".to_owned(),
            });
        }
        let root = base.join(named.path);
        if !root.exists() {
            return Err(DataError::Missing { key, path: root });
        }
        let mut paths = Vec::new();
        if root.is_dir() {
            list(&root, &mut paths)?;
        } else {
            paths.push(root.clone());
        }
        if paths.is_empty() {
            return Err(DataError::EmptyCorpus {
                key,
                path: root,
                message: "the folder holds no files".to_owned(),
            });
        }
        let files = paths
            .into_iter()
            .map(|path| match Format::of(&path) {
                Some(format) => Ok(CorpusFile {
                    path,
                    format,
                    content: Content::OnDisk,
                }),
                None => Err(DataError::UnknownExtension { path }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            key,
            root,
            files,
            field: field.to_owned(),
        })
    }

    /// Names what the files hold, in order; not what they are called.
    pub(crate) fn key(&self) -> Result<Key, DataError> {
        let mut key = KeyBuilder::new("corpus/1");
        for file in &self.files {
            key = key.text("format", file.format.name());
            if file.format != Format::Text {
                key = key.text("field", &self.field);
            }
            let mut hasher = blake3::Hasher::new();
            hasher
                .update_reader(file.open()?)
                .map_err(DataError::io("read", &file.path))?;
            key = key.bytes("content", hasher.finalize().as_bytes());
        }
        Ok(key.finish())
    }

    /// All documents, in order; those without a visible character are left out.
    pub(crate) fn documents(&self) -> Result<Vec<String>, DataError> {
        let mut documents = Vec::new();
        for file in &self.files {
            file.read(&self.field, &mut |text| {
                if !text.trim().is_empty() {
                    documents.push(text);
                }
            })?;
        }
        if documents.is_empty() {
            return Err(DataError::EmptyCorpus {
                key: self.key.clone(),
                path: self.root.clone(),
                message: match self.files.len() {
                    1 => "its file holds no text".to_owned(),
                    n => format!("its {n} files hold no text"),
                },
            });
        }
        Ok(documents)
    }
}

impl CorpusFile {
    fn open(&self) -> Result<Box<dyn Read>, DataError> {
        Ok(match self.content {
            Content::Shipped(bytes) => Box::new(bytes),
            Content::OnDisk => {
                Box::new(File::open(&self.path).map_err(DataError::io("open", &self.path))?)
            }
        })
    }

    fn read(&self, field: &str, see: &mut dyn FnMut(String)) -> Result<(), DataError> {
        match self.format {
            Format::Text => {
                let mut bytes = Vec::new();
                self.open()?
                    .read_to_end(&mut bytes)
                    .map_err(DataError::io("read", &self.path))?;
                see(utf8(bytes, &self.path, 0, false)?);
                Ok(())
            }
            Format::Lines => {
                let reader = BufReader::new(self.open()?);
                read_lines(reader, &self.path, false, field, see)
            }
            Format::CompressedLines => {
                let reader = zstd::stream::read::Decoder::new(self.open()?)
                    .map_err(DataError::io("decompress", &self.path))?;
                read_lines(BufReader::new(reader), &self.path, true, field, see)
            }
            Format::Parquet => read_parquet(&self.path, field, see),
        }
    }
}

/// All files under a folder, those of a folder in the order of their names; hidden ones are
/// passed over.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(DataError::io("list", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn utf8(bytes: Vec<u8>, path: &Path, offset: u64, decompressed: bool) -> Result<String, DataError> {
    String::from_utf8(bytes).map_err(|error| DataError::NotUtf8 {
        path: path.to_owned(),
        offset: offset + error.utf8_error().valid_up_to() as u64,
        decompressed,
    })
}

fn read_lines(
    mut reader: impl BufRead,
    path: &Path,
    decompressed: bool,
    field: &str,
    see: &mut dyn FnMut(String),
) -> Result<(), DataError> {
    let action = if decompressed { "decompress" } else { "read" };
    let mut offset = 0;
    for line in 1.. {
        let mut bytes = Vec::new();
        let read = reader
            .read_until(b'\n', &mut bytes)
            .map_err(DataError::io(action, path))?;
        if read == 0 {
            break;
        }
        let text = utf8(bytes, path, offset, decompressed)?;
        offset += read as u64;
        if text.trim().is_empty() {
            continue;
        }
        let document = document(&text, field).map_err(|message| DataError::BadLine {
            path: path.to_owned(),
            line,
            message,
        })?;
        see(document);
    }
    Ok(())
}

/// The text in one line of JSON, or what is wrong with the line.
fn document(line: &str, field: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| format!("not JSON at column {}", error.column()))?;
    let Value::Object(mut members) = value else {
        return Err(format!(
            "not a JSON object: each line is one, with the document in the member `{field}`"
        ));
    };
    match members.remove(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("the member `{field}` is not a text")),
        None => {
            let names: Vec<_> = members.keys().map(|name| format!("`{name}`")).collect();
            Err(format!(
                "no member `{field}` (there are: {}): set `field`",
                names.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_by_name() {
        assert_eq!(Format::of(Path::new("a/b.TXT")), Some(Format::Text));
        assert_eq!(
            Format::of(Path::new("b.jsonl.zst")),
            Some(Format::CompressedLines)
        );
        assert_eq!(Format::of(Path::new("b.json")), None);
        assert_eq!(Format::of(Path::new("txt")), None);
    }

    #[test]
    fn lines_say_what_is_wrong() {
        assert_eq!(document(r#"{"text": "a"}"#, "text"), Ok("a".to_owned()));
        assert!(document("{", "text").unwrap_err().contains("not JSON"));
        assert!(
            document("[1]", "text")
                .unwrap_err()
                .contains("not a JSON object")
        );
        assert!(
            document(r#"{"text": 1}"#, "text")
                .unwrap_err()
                .contains("not a text")
        );
        let missing = document(r#"{"body": "a", "id": 1}"#, "text").unwrap_err();
        assert!(missing.contains("`body`, `id`"), "{missing}");
    }
}
