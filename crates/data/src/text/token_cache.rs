//! Where tokenized corpora are kept: folders shared by runs, and the folder of a run itself.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ontogeny_store::{Key, write_atomically};
use serde::{Deserialize, Serialize};

use super::cache::{Header, TokenFile, path};
use crate::{CorpusSpec, DataError, Language, Source, SourceSpec, TextSpec};

/// The list of a run's sources beside their tokens.
const LIST: &str = "sources.json";
/// The version of the list that is written and read.
const SCHEMA: u32 = 1;

/// Folders with tokenized corpora.
#[derive(Clone, Debug)]
pub struct TokenCache {
    /// Where new tokens are written, and looked for first.
    own: PathBuf,
    /// Where they are looked for as well.
    others: Vec<PathBuf>,
    /// What the sources of an earlier run were made of.
    kept: Option<KeptSources>,
    /// Files that were made through this value or a clone of it.
    made: Arc<Mutex<Vec<PathBuf>>>,
}

impl TokenCache {
    /// The cache that is one folder, made if it is needed and missing.
    ///
    /// If nothing can be written there, tokens are kept in memory and a notice of the source says
    /// so.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            own: folder.into(),
            others: Vec::new(),
            kept: None,
            made: Arc::default(),
        }
    }

    /// Files that were made through this value and its clones: not those that were there, and not
    /// those of other processes.
    pub fn made(&self) -> Vec<PathBuf> {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks in another folder as well, without writing there.
    #[must_use]
    pub fn also(mut self, folder: impl Into<PathBuf>) -> Self {
        self.others.push(folder.into());
        self
    }

    /// Lets the tokens that a run kept stand for corpora that are gone or have changed since; a
    /// notice of the source says so.
    #[must_use]
    pub fn with_kept(mut self, kept: Option<KeptSources>) -> Self {
        self.kept = kept;
        self
    }

    /// The content of a source when the run was made, if its tokens are kept.
    pub(crate) fn kept(&self, spec: &TextSpec) -> Option<Key> {
        self.kept.as_ref()?.content(spec)
    }

    /// The tokens of a content, if they are in one of the folders.
    pub(crate) fn open(&self, content: &Key) -> Option<TokenFile> {
        std::iter::once(&self.own)
            .chain(&self.others)
            // What cannot be read can be made again.
            .find_map(|folder| {
                TokenFile::open(&path(folder, content), content)
                    .ok()
                    .flatten()
            })
    }

    /// Writes tokens, training first, and opens them; with a notice if they could only be kept in
    /// memory.
    pub(crate) fn write(
        &self,
        header: Header,
        tokens: impl Iterator<Item = u32> + Clone,
    ) -> Result<(TokenFile, Option<String>), DataError> {
        let path = path(&self.own, &header.key);
        let was_there = path.exists();
        match TokenFile::write(&path, header.clone(), tokens.clone()) {
            Ok(()) if was_there => {}
            Ok(()) => self
                .made
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(path.clone()),
            Err(DataError::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::NotADirectory
                        | ErrorKind::AlreadyExists
                ) =>
            {
                let notice = format!(
                    "the tokens of the corpus are kept in memory alone, since {} cannot be \
                     written ({source}); the next command makes them again",
                    self.own.display()
                );
                return Ok((TokenFile::in_memory(header, tokens)?, Some(notice)));
            }
            Err(error) => return Err(error),
        }
        match TokenFile::open(&path, &header.key)? {
            Some(file) => Ok((file, None)),
            None => Err(DataError::io("read back", &path)(std::io::Error::other(
                "the file is not what was written: is the disk damaged or full?",
            ))),
        }
    }
}

impl From<&TokenCache> for TokenCache {
    fn from(cache: &TokenCache) -> Self {
        cache.clone()
    }
}

impl From<&Path> for TokenCache {
    fn from(folder: &Path) -> Self {
        Self::new(folder)
    }
}

impl From<&PathBuf> for TokenCache {
    fn from(folder: &PathBuf) -> Self {
        Self::new(folder)
    }
}

/// What the sources of a run were made of: by this its tokens are found when its corpora are gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptSources {
    schema: u32,
    sources: Vec<KeptSource>,
}

/// One source as its run's configuration has it, and the key of its corpora and tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSource {
    source: TextSpec,
    content: Key,
}

impl KeptSources {
    /// Keeps the tokens of a run's sources in a folder of its own, with a list of them, so that
    /// the run can be measured when its corpora have moved. Tokens that lie elsewhere are linked,
    /// or copied where that is not possible. Without a source of text nothing is written.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn keep<'a>(
        folder: &Path,
        sources: impl IntoIterator<Item = (&'a SourceSpec, &'a Source)>,
    ) -> Result<(), DataError> {
        let mut list = Self {
            schema: SCHEMA,
            sources: Vec::new(),
        };
        for (spec, source) in sources {
            let (SourceSpec::Text(spec), Some(Language::Text(source))) = (spec, source.language())
            else {
                continue;
            };
            let entry = KeptSource {
                source: same_tokens(spec),
                content: source.content(),
            };
            if list.sources.contains(&entry) {
                continue;
            }
            fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
            source.tokens().place_at(&path(folder, &entry.content))?;
            list.sources.push(entry);
        }
        if list.sources.is_empty() || Self::read(folder).is_some_and(|there| there == list) {
            return Ok(());
        }
        let file = folder.join(LIST);
        let json = serde_json::to_vec_pretty(&list)
            .map_err(|error| DataError::io("write", &file)(error.into()))?;
        write_atomically(&file, &json)
            .map_err(|error| DataError::io("write", &file)(std::io::Error::other(error)))
    }

    /// The list in a folder; `None` if there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let json = fs::read(folder.join(LIST)).ok()?;
        let list: Self = serde_json::from_slice(&json).ok()?;
        (list.schema == SCHEMA).then_some(list)
    }

    /// The content that a source was made of, if it is in the list.
    fn content(&self, spec: &TextSpec) -> Option<Key> {
        let spec = same_tokens(spec);
        let found = self.sources.iter().find(|entry| entry.source == spec)?;
        Some(found.content)
    }

    /// Whether a source, described as in the list, is made of something else than then; `None`
    /// if the list does not have it.
    pub fn differs(&self, spec: &SourceSpec, source: &Source) -> Option<bool> {
        match (spec, source.language()) {
            (SourceSpec::Text(spec), Some(Language::Text(source))) => {
                Some(self.content(spec)? != source.content())
            }
            _ => None,
        }
    }
}

/// The specification without what its tokens do not depend on.
fn same_tokens(spec: &TextSpec) -> TextSpec {
    let corpora = spec.corpora.as_ref().map(|corpora| {
        let alike = |corpus: &CorpusSpec| CorpusSpec {
            path: corpus.path.clone(),
            weight: 1.0,
        };
        corpora.iter().map(alike).collect()
    });
    TextSpec {
        corpora,
        training_set: None,
        ..spec.clone()
    }
}
