//! The token cache: a tokenized corpus in one file, written once, memory-mapped.
//!
//! Layout: 8 bytes `ONTOTOK1`; the header's length as a little-endian u64; the header in JSON,
//! filled up with spaces to a multiple of 8; the tokens as little-endian u16 or u32, those of the
//! training documents first, each of the two parts corpus by corpus.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapMut};
use ontogeny_store::Key;
use serde::{Deserialize, Serialize};

use crate::{DataError, Split};

const MAGIC: &[u8; 8] = b"ONTOTOK1";
/// Bytes of tokens that are written at once.
const CHUNK: usize = 1 << 16;

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
    /// BLAKE3 of this header without this entry; files of 0.1.0 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seal: Option<String>,
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

    /// The hash of the header without its seal.
    fn hash_of_rest(&self) -> serde_json::Result<String> {
        let rest = Self {
            seal: None,
            ..self.clone()
        };
        Ok(hash(&serde_json::to_vec(&rest)?))
    }

    /// Whether it is as it was written, as far as it says.
    fn is_whole(&self) -> bool {
        let own = || self.hash_of_rest().ok();
        self.seal.is_none() || self.seal == own()
    }

    /// Whether the corpora add up to the parts.
    fn adds_up(&self) -> bool {
        let corpora = self.corpora();
        let sum = |part: usize| {
            let mut tokens = corpora.iter().map(|parts| parts[part].tokens);
            tokens.try_fold(0_u64, u64::checked_add)
        };
        sum(0) == Some(self.train.tokens) && sum(1) == Some(self.held_out.tokens)
    }

    /// Bytes of all tokens.
    fn bytes(&self) -> Option<u64> {
        let tokens = self.train.tokens.checked_add(self.held_out.tokens)?;
        tokens.checked_mul(self.width as u64)
    }
}

/// A tokenized corpus, or several.
#[derive(Debug)]
pub(crate) struct TokenFile {
    pub(crate) header: Header,
    /// Where it lies; `None` in memory alone.
    file: Option<PathBuf>,
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
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DataError::io("open", path)(error)),
        };
        // SAFETY: files of the cache are written under another name, renamed once and never
        // changed; nobody else has business there.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io("map", path))?;
        Ok(Self::parse(map, key, Some(path)))
    }

    fn parse(map: Mmap, key: &Key, file: Option<&Path>) -> Option<Self> {
        let rest = map.strip_prefix(MAGIC)?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (header, tokens) = rest.split_at_checked(len)?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let whole = header.key == *key
            && matches!(header.width, 2 | 4)
            && header.bytes() == Some(tokens.len() as u64)
            && header.adds_up()
            && header.is_whole()
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
            file: file.map(Path::to_owned),
            map,
            body,
            places,
        })
    }

    /// Writes the tokens (training first) beside the place, then renames them into it.
    pub(crate) fn write(
        path: &Path,
        header: Header,
        tokens: impl Iterator<Item = u32> + Clone,
    ) -> Result<(), DataError> {
        let io = |error| DataError::io("write", path)(error);
        let start = start(header, tokens.clone()).map_err(io)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
        persist(path, folder, |file| {
            file.write_all(&start.bytes)?;
            each_chunk(start.width, tokens, |chunk| file.write_all(chunk))
        })
        .map_err(io)
    }

    /// The same without a file.
    pub(crate) fn in_memory(
        header: Header,
        tokens: impl Iterator<Item = u32> + Clone,
    ) -> Result<Self, DataError> {
        let here = Path::new("memory");
        let io = |error| DataError::io("keep tokens in", here)(error);
        let key = header.key;
        let n = (header.train.tokens + header.held_out.tokens) as usize;
        let start = start(header, tokens.clone()).map_err(io)?;
        let mut map = MmapMut::map_anon(start.bytes.len() + n * start.width).map_err(io)?;
        let mut rest = &mut map[..];
        rest.write_all(&start.bytes).map_err(io)?;
        each_chunk(start.width, tokens, |chunk| rest.write_all(chunk)).map_err(io)?;
        let map = map.make_read_only().map_err(io)?;
        Self::parse(map, &key, None)
            .ok_or_else(|| io(std::io::Error::other("they are not what was written")))
    }

    /// Sees to it that the same tokens lie at another place, as a link if possible.
    pub(crate) fn place_at(&self, path: &Path) -> Result<(), DataError> {
        if self.file.as_deref() == Some(path) || Self::open(path, &self.header.key)?.is_some() {
            return Ok(());
        }
        // A damaged one is replaced.
        let linked = self
            .file
            .as_ref()
            .is_some_and(|file| fs::hard_link(file, path).is_ok());
        if linked {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        persist(path, folder, |file| file.write_all(&self.map))
            .map_err(DataError::io("write", path))
    }

    /// Where it lies, for messages.
    pub(crate) fn location(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new("in memory"))
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

/// What comes before the tokens in a file, and the bytes of each.
struct Start {
    bytes: Vec<u8>,
    width: usize,
}

fn start(mut header: Header, tokens: impl Iterator<Item = u32>) -> std::io::Result<Start> {
    let mut hasher = blake3::Hasher::new();
    each_chunk(header.width, tokens, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    header.hash = hasher.finalize().to_hex().to_string();
    header.seal = Some(header.hash_of_rest()?);
    let mut json = serde_json::to_vec(&header)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let len = (json.len() as u64).to_le_bytes();
    Ok(Start {
        bytes: [&MAGIC[..], &len, &json].concat(),
        width: header.width,
    })
}

/// Shows the bytes of tokens to `see`, some thousand tokens at once.
fn each_chunk(
    width: usize,
    tokens: impl Iterator<Item = u32>,
    mut see: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK);
    for token in tokens {
        chunk.extend_from_slice(&token.to_le_bytes()[..width]);
        if chunk.len() >= CHUNK {
            see(&chunk)?;
            chunk.clear();
        }
    }
    see(&chunk)
}

/// Writes a file beside its place and renames it into it. It is readable by all whom the folder's
/// owner lets read: the cache of a group's shared disk serves the group.
fn persist(
    path: &Path,
    folder: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    let mut file = builder.tempfile_in(folder)?;
    write(file.as_file_mut())?;
    match file.as_file().sync_all() {
        // Some file systems do not offer it. The tokens are hashed: what is lost is made again.
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::InvalidInput
            ) =>
        {
            return Err(error);
        }
        _ => {}
    }
    file.persist(path)?;
    Ok(())
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
            seal: None,
        }
    }

    #[test]
    fn a_header_that_was_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tokens");
        TokenFile::write(&path, header(2), 1..=5).unwrap();
        let whole = fs::read(&path).unwrap();
        let at = whole.windows(4).position(|w| w == b"\"{}\"").unwrap();
        let mut changed = whole.clone();
        changed[at + 1] = b'[';
        fs::write(&path, changed).unwrap();
        assert!(TokenFile::open(&path, &header(2).key).unwrap().is_none());
        // One without a seal, as 0.1.0 wrote it.
        let text = String::from_utf8_lossy(&whole[16..]).into_owned();
        let seal = text.find(",\"seal\"").unwrap();
        let end = seal + text[seal..].find('}').unwrap();
        let mut unsealed = whole.clone();
        unsealed[16 + seal] = b'}';
        unsealed[16 + seal + 1..=16 + end].fill(b' ');
        fs::write(&path, unsealed).unwrap();
        assert!(TokenFile::open(&path, &header(2).key).unwrap().is_some());
    }

    #[test]
    fn a_damaged_file_is_replaced_by_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let [shared, own] = ["a.tokens", "b.tokens"].map(|name| folder.path().join(name));
        TokenFile::write(&shared, header(2), 1..=5).unwrap();
        let key = header(2).key;
        let file = TokenFile::open(&shared, &key).unwrap().expect("whole");
        fs::write(&own, b"damaged").unwrap();
        file.place_at(&own).unwrap();
        assert_eq!(fs::read(&own).unwrap(), fs::read(&shared).unwrap());
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
    fn tokens_in_memory_are_those_of_a_file() {
        let tokens = [1, 2, 3, 70_000, 5];
        let file = TokenFile::in_memory(header(4), tokens.into_iter()).unwrap();
        assert_eq!(file.all(0, Split::Train).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(file.all(0, Split::HeldOut).collect::<Vec<_>>(), [70_000, 5]);
        // Placed as a copy, and from there as a link, it is the same.
        let folder = tempfile::tempdir().unwrap();
        let [copy, link] = ["copy", "link"].map(|name| folder.path().join(name));
        file.place_at(&copy).unwrap();
        let copied = TokenFile::open(&copy, &header(4).key)
            .unwrap()
            .expect("whole");
        copied.place_at(&link).unwrap();
        fs::remove_file(&copy).unwrap();
        let linked = TokenFile::open(&link, &header(4).key)
            .unwrap()
            .expect("whole");
        assert_eq!(linked.header, file.header);
        assert_eq!(linked.all(0, Split::Train).collect::<Vec<_>>(), [1, 2, 3]);
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
