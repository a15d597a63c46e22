//! The token cache: a tokenized corpus in one file, written once, memory-mapped.
//!
//! Layout: 8 bytes `ONTOTOK1`; the header's length as a little-endian u64; the header in JSON,
//! filled up with spaces to a multiple of 8; the tokens as little-endian u16 or u32, those of the
//! training documents first, each of the two parts corpus by corpus.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use ontogeny_store::Key;
use serde::{Deserialize, Serialize};

use crate::{DataError, Split};

const MAGIC: &[u8; 8] = b"ONTOTOK1";

/// What the file says of its tokens.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the tokens were made from, and how.
    pub(crate) key: Key,
    /// BLAKE3 of the tokens' bytes.
    pub(crate) hash: String,
    /// Bytes of a token: 2 or 4.
    pub(crate) width: usize,
    pub(crate) train: Part,
    pub(crate) held_out: Part,
    /// The parts of each corpus, training first, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) corpora: Vec<[Part; 2]>,
    /// What was noticed while the tokens were made, as sentences for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notices: Vec<String>,
    /// The tokenizer, as the text of a `tokenizer.json`.
    pub(crate) tokenizer: String,
}

/// Sizes of a part of a corpus.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Number of documents.
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Number of tokens, with one for the end of each document.
    pub tokens: u64,
}

impl Part {
    /// The sizes of two parts together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            documents: self.documents + other.documents,
            bytes: self.bytes + other.bytes,
            tokens: self.tokens + other.tokens,
        }
    }
}

impl Header {
    /// The parts of each corpus, training first; one corpus at least.
    pub(crate) fn corpora(&self) -> Vec<[Part; 2]> {
        match &self.corpora[..] {
            [] => vec![[self.train, self.held_out]],
            several => several.to_vec(),
        }
    }

    /// Whether the corpora add up to the parts.
    fn adds_up(&self) -> bool {
        let corpora = self.corpora();
        let sum = |part: usize| corpora.iter().map(|parts| parts[part].tokens).sum::<u64>();
        sum(0) == self.train.tokens && sum(1) == self.held_out.tokens
    }
}

/// A tokenized corpus, or several.
#[derive(Debug)]
pub(crate) struct TokenFile {
    pub(crate) header: Header,
    map: Mmap,
    /// Offset of the first token, in bytes.
    body: usize,
    /// For each corpus, where its parts begin and how many tokens they have, training first.
    places: Vec<[(u64, u64); 2]>,
}

/// The file in the cache folder for the given key.
pub(crate) fn path(cache: &Path, key: &Key) -> PathBuf {
    cache.join(format!("text-{}.tokens", key.short()))
}

impl TokenFile {
    /// Opens a file that was written for this key; `None` if there is none, or if it is damaged,
    /// so that it is made again.
    pub(crate) fn open(path: &Path, key: &Key) -> Result<Option<Self>, DataError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DataError::io("open", path)(error)),
        };
        // SAFETY: files of the cache are written under another name, renamed once and never
        // changed; nobody else has business there.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io("map", path))?;
        Ok(Self::parse(map, key))
    }

    fn parse(map: Mmap, key: &Key) -> Option<Self> {
        let rest = map.strip_prefix(MAGIC)?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (header, tokens) = rest.split_at_checked(len)?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let whole = header.key == *key
            && matches!(header.width, 2 | 4)
            && (header.train.tokens + header.held_out.tokens).checked_mul(header.width as u64)
                == Some(tokens.len() as u64)
            && header.adds_up()
            && header.hash == hash(tokens);
        if !whole {
            return None;
        }
        let body = map.len() - tokens.len();
        let mut starts = [0, header.train.tokens];
        let mut places = Vec::new();
        for parts in header.corpora() {
            places.push([0, 1].map(|part| {
                let start = starts[part];
                starts[part] += parts[part].tokens;
                (start, parts[part].tokens)
            }));
        }
        Some(Self {
            header,
            map,
            body,
            places,
        })
    }

    /// Writes the tokens (training first) beside the place, then renames them into it.
    pub(crate) fn write(
        path: &Path,
        mut header: Header,
        tokens: impl Iterator<Item = u32>,
    ) -> Result<(), DataError> {
        let mut body = Vec::new();
        for token in tokens {
            body.extend_from_slice(&token.to_le_bytes()[..header.width]);
        }
        header.hash = hash(&body);
        let wrong = |error: serde_json::Error| DataError::io("write", path)(error.into());
        let mut json = serde_json::to_vec(&header).map_err(wrong)?;
        json.resize(json.len().next_multiple_of(8), b' ');
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
        let io = |error| DataError::io("write", path)(error);
        let mut file = temporary(folder).map_err(io)?;
        file.write_all(MAGIC).map_err(io)?;
        file.write_all(&(json.len() as u64).to_le_bytes())
            .map_err(io)?;
        file.write_all(&json).map_err(io)?;
        file.write_all(&body).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        Ok(())
    }

    /// Where a part of a corpus begins, and how many tokens it has.
    fn place(&self, corpus: usize, split: Split) -> (u64, u64) {
        let [train, held_out] = self.places[corpus];
        match split {
            Split::Train => train,
            Split::HeldOut => held_out,
        }
    }

    /// Number of corpora.
    pub(crate) fn n_corpora(&self) -> usize {
        self.places.len()
    }

    /// Number of tokens in a part of a corpus.
    pub(crate) fn len(&self, corpus: usize, split: Split) -> u64 {
        self.place(corpus, split).1
    }

    /// `len` tokens of a part of a corpus from `start` on; they must exist.
    pub(crate) fn tokens(
        &self,
        corpus: usize,
        split: Split,
        start: u64,
        len: usize,
    ) -> impl Iterator<Item = u32> + '_ {
        let start = self.place(corpus, split).0 + start;
        let width = self.header.width;
        let from = self.body + start as usize * width;
        self.map[from..from + len * width]
            .chunks_exact(width)
            .map(|bytes| {
                let mut token = [0; 4];
                token[..bytes.len()].copy_from_slice(bytes);
                u32::from_le_bytes(token)
            })
    }

    /// All tokens of a part of a corpus.
    pub(crate) fn all(&self, corpus: usize, split: Split) -> impl Iterator<Item = u32> + '_ {
        self.tokens(corpus, split, 0, self.len(corpus, split) as usize)
    }
}

/// A file to be renamed, readable by all whom the folder's owner lets read: the cache of a group's
/// shared disk serves the group.
fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(folder)
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use ontogeny_store::KeyBuilder;

    use super::*;

    fn header(width: usize) -> Header {
        Header {
            key: KeyBuilder::new("test").finish(),
            hash: String::new(),
            width,
            train: Part {
                documents: 1,
                bytes: 9,
                tokens: 3,
            },
            held_out: Part {
                documents: 1,
                bytes: 9,
                tokens: 2,
            },
            corpora: Vec::new(),
            notices: Vec::new(),
            tokenizer: "{}".to_owned(),
        }
    }

    #[test]
    fn each_corpus_has_its_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tokens");
        let part = |tokens| Part {
            tokens,
            ..Part::default()
        };
        let several = |train: [u64; 2]| Header {
            corpora: vec![[part(train[0]), part(2)], [part(train[1]), part(0)]],
            ..header(2)
        };
        let tokens = [1, 2, 3, 4, 5];
        TokenFile::write(&path, several([1, 2]), tokens.into_iter()).unwrap();
        let file = TokenFile::open(&path, &header(2).key)
            .unwrap()
            .expect("whole");
        let all = |corpus, split| file.all(corpus, split).collect::<Vec<_>>();
        assert_eq!(file.n_corpora(), 2);
        assert_eq!(all(0, Split::Train), [1]);
        assert_eq!(all(1, Split::Train), [2, 3]);
        assert_eq!(all(0, Split::HeldOut), [4, 5]);
        assert_eq!(all(1, Split::HeldOut), [0u32; 0]);
        TokenFile::write(&path, several([1, 1]), tokens.into_iter()).unwrap();
        assert!(TokenFile::open(&path, &header(2).key).unwrap().is_none());
    }

    #[test]
    fn tokens_come_back_from_each_part() {
        for (width, large) in [(2, 65_535), (4, 70_000)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new").join("a.tokens");
            TokenFile::write(&path, header(width), [1, 2, large, 4, 5].into_iter()).unwrap();
            let file = TokenFile::open(&path, &header(width).key)
                .unwrap()
                .expect("whole");
            assert_eq!(file.all(0, Split::Train).collect::<Vec<_>>(), [1, 2, large]);
            assert_eq!(file.all(0, Split::HeldOut).collect::<Vec<_>>(), [4, 5]);
            assert_eq!(
                file.tokens(0, Split::HeldOut, 1, 1).collect::<Vec<_>>(),
                [5]
            );
        }
    }

    #[test]
    fn a_damaged_or_foreign_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tokens");
        let key = header(2).key;
        TokenFile::write(&path, header(2), [1, 2, 3, 4, 5].into_iter()).unwrap();
        let whole = fs::read(&path).unwrap();
        let other = KeyBuilder::new("other").finish();
        assert!(TokenFile::open(&path, &other).unwrap().is_none());
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..12], &flipped, &[]] {
            fs::write(&path, damaged).unwrap();
            assert!(TokenFile::open(&path, &key).unwrap().is_none());
        }
        fs::write(&path, &whole).unwrap();
        assert!(TokenFile::open(&path, &key).unwrap().is_some());
    }
}
