//! Finding a corpus and reading its documents.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ontogeny_store::{Key, KeyBuilder};

use super::corpus_file::CorpusFile;
use super::files::Files;
use super::kind::{Kind, Packing, advice, by_name};
use super::left_out::Tally;
use super::spec::{Named, duplicate};
use crate::{DataError, TextSpec};

/// `{"name", "text"}` a line; see `corpora/README.md`.
const STATE_OF_THE_UNION: &[u8] = include_bytes!("../../corpora/state_of_the_union.jsonl.zst");

/// Hidden files that a notice names.
const NAMES: usize = 3;

/// Where the documents are.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// The key that named it, for messages.
    key: Cow<'static, str>,
    /// The folder or file that was named, for messages.
    root: PathBuf,
    files: Vec<CorpusFile>,
    field: String,
    /// What was noticed while its files were listed and named: of this place, whatever has the
    /// same content elsewhere.
    notices: Vec<String>,
    /// Size and time of each file as its content was named.
    stamps: Vec<Option<Stamp>>,
}

/// By which a file is seen to change.
type Stamp = (u64, SystemTime);

/// The documents of a corpus.
pub(crate) struct Documents {
    pub(crate) texts: Vec<String>,
    /// The number of each among all that the files hold, from 1.
    pub(crate) numbers: Vec<u64>,
    /// What was noticed of them.
    pub(crate) notices: Vec<String>,
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
            let path = PathBuf::from("state_of_the_union.jsonl.zst");
            return Ok(Self {
                key,
                root: path.clone(),
                files: vec![CorpusFile {
                    path,
                    kind: Kind::Lines,
                    packing: Packing::Zstd,
                    shipped: Some(STATE_OF_THE_UNION),
                }],
                // The shipped file's own member, whatever the configuration reads elsewhere.
                field: "text".to_owned(),
                notices: Vec::new(),
                stamps: Vec::new(),
            });
        }
        let root = base.join(named.path);
        if !root.exists() {
            return Err(DataError::Missing { key, path: root });
        }
        let found = Files::at(&root)?;
        let notices = passed_over(&key, &found);
        if found.paths.is_empty() {
            let hidden = match found.hidden.is_empty() {
                true => "",
                false => " that are not hidden",
            };
            return Err(DataError::EmptyCorpus {
                key,
                path: root,
                message: format!("the folder holds no files{hidden}"),
            });
        }
        let unknown = |path: &PathBuf| by_name(path).is_none();
        if let Some(path) = found.paths.iter().find(|path| unknown(path)) {
            return Err(DataError::UnknownExtension {
                path: path.clone(),
                more: found.paths.iter().filter(|path| unknown(path)).count() - 1,
                advice: advice(path),
            });
        }
        let files = found.paths.into_iter().filter_map(|path| {
            let (kind, packing) = by_name(&path)?;
            Some(CorpusFile {
                path,
                kind,
                packing,
                shipped: None,
            })
        });
        Ok(Self {
            key,
            root,
            files: files.collect(),
            field: field.to_owned(),
            notices,
            stamps: Vec::new(),
        })
    }

    /// The folder or file.
    pub(crate) fn place(&self) -> String {
        self.root.display().to_string()
    }

    /// Names what the files hold, in order; not what they are called.
    pub(crate) fn key(&mut self) -> Result<Key, DataError> {
        let mut key = KeyBuilder::new("corpus/1");
        let mut first_of: HashMap<blake3::Hash, usize> = HashMap::new();
        let mut copies = Vec::new();
        self.stamps = self.files.iter().map(stamp).collect();
        for (number, file) in self.files.iter().enumerate() {
            key = key.text("format", file.kind.name());
            if file.kind != Kind::Text {
                key = key.text("field", &self.field);
            }
            let mut hasher = blake3::Hasher::new();
            hasher
                .update_reader(file.open()?)
                .map_err(DataError::io("read", &file.path))?;
            let hash = hasher.finalize();
            key = key.bytes("content", hash.as_bytes());
            // Only here, so that all other texts keep the keys they had when it was not stripped.
            if file.begins_with_mark() {
                key = key.text("byte_order_mark", "stripped");
            }
            match first_of.get(&hash) {
                _ if hasher.count() == 0 => {}
                Some(&first) => copies.push((number, first)),
                None => {
                    first_of.insert(hash, number);
                }
            }
        }
        if let Some(&(copy, first)) = copies.first() {
            self.notices.push(format!(
                "`{}`: {} of {} files have the bytes of an earlier one ({} those of {}): their \
                 documents are there more than once",
                self.key,
                copies.len(),
                self.files.len(),
                self.files[copy].path.display(),
                self.files[first].path.display()
            ));
        }
        Ok(key.finish())
    }

    /// What was noticed while its files were listed and named.
    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }

    /// All documents, in order; those that are null or without a visible character are left out.
    pub(crate) fn documents(&self) -> Result<Documents, DataError> {
        let mut documents = Vec::new();
        let mut tally = Tally::default();
        for file in &self.files {
            file.read(&self.field, &mut tally, &mut documents)?;
        }
        // Other documents under the key of what was there before would stay in the cache for good.
        for (file, before) in self.files.iter().zip(&self.stamps) {
            if stamp(file) != *before {
                return Err(DataError::Changed {
                    path: file.path.clone(),
                });
            }
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
        Ok(Documents {
            texts: documents,
            notices: tally.notices(&self.key, &self.field),
            numbers: tally.numbers,
        })
    }
}

/// Size and time of a file, where it lies on disk and its file system knows them.
fn stamp(file: &CorpusFile) -> Option<Stamp> {
    match file.shipped {
        Some(_) => None,
        None => {
            let about = fs::metadata(&file.path).ok()?;
            Some((about.len(), about.modified().ok()?))
        }
    }
}

/// What was found in a folder and is not read.
fn passed_over(key: &str, found: &Files) -> Vec<String> {
    let mut notices = Vec::new();
    if found.links > 0 {
        let [what, are] = match found.links {
            1 => ["link leads to what", "is"],
            _ => ["links lead to what", "are"],
        };
        notices.push(format!(
            "`{key}`: {} {what} is there already and {are} passed over",
            found.links
        ));
    }
    if !found.hidden.is_empty() {
        let names: Vec<_> = found
            .hidden
            .iter()
            .take(NAMES)
            .map(|path| path.display().to_string())
            .collect();
        let more = match found.hidden.len().saturating_sub(NAMES) {
            0 => "",
            _ => ", …",
        };
        notices.push(format!(
            "`{key}`: hidden files passed over: {} ({}{more})",
            found.hidden.len(),
            names.join(", ")
        ));
    }
    notices
}
