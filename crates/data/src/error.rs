//! What can be wrong with a source.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::text::KNOWN;

/// Why a source could not be built or a text not be encoded.
///
/// [`DataError::key`] and [`DataError::file`] give the setting and the file to point at.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A setting has a value that makes no sense, alone or beside another one.
    #[error("`{key}` {message}")]
    Setting {
        /// The key of the source's section of the configuration, `corpora[1].weight` say.
        key: Cow<'static, str>,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The corpus, or a tokenizer, is not where the configuration says.
    #[error("`{key}` names {path}, which does not exist", path = path.display())]
    Missing {
        /// The key that named it.
        key: Cow<'static, str>,
        /// The path looked for.
        path: PathBuf,
    },
    /// The operating system refused to read or write.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted: "read", "write", ….
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file whose name ends in nothing that is known.
    #[error(
        "{path} is of an unknown kind{others}: a corpus is made of {known} (hidden files are passed over){advice}",
        path = path.display(),
        known = KNOWN,
        others = match .more { 0 => String::new(), n => format!(", and {n} more of its files") },
        advice = .advice.map_or(String::new(), |advice| format!("; {advice}"))
    )]
    UnknownExtension {
        /// The file.
        path: PathBuf,
        /// Further files of the corpus of which this is true.
        more: usize,
        /// What to do with a file of that name, if it is known.
        advice: Option<&'static str>,
    },
    /// A file whose bytes are those of another format than its name says.
    #[error(
        "{path} holds {format}, whatever its name says: {cure}; a corpus is made of {known}",
        path = path.display(),
        known = KNOWN
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// A pipe, socket or device, which is never opened: reading one may wait for ever.
    #[error(
        "{path} is {what} and not a file: a corpus is read more than once; write it to a file, or move this out of the folder",
        path = path.display()
    )]
    SpecialFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A link in a folder of a corpus that leads nowhere.
    #[error("{path} {message}", path = path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads, and what to do.
        message: String,
    },
    /// A compressed file that cannot be decompressed.
    #[error("{path} cannot be decompressed: {message}", path = path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A file that was written to while it was read.
    #[error("{path} changed while it was read: run it again once it is complete", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A text in UTF-16 or UTF-32.
    #[error(
        "{path} looks like {name}, and a corpus is UTF-8: convert it with `iconv -f {iconv} -t UTF-8 FILE > NEW`",
        path = path.display()
    )]
    Wide {
        /// The file.
        path: PathBuf,
        /// The encoding.
        name: &'static str,
        /// Its name for `iconv`.
        iconv: &'static str,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{path}, line {line}: not UTF-8: the byte at offset {offset}{within} begins no valid character; {guess}",
        path = path.display(),
        within = if *.decompressed { " of the decompressed text" } else { "" }
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Offset of the first byte that is not part of a valid character, from 0.
        offset: u64,
        /// Whether the offset counts bytes after decompression.
        decompressed: bool,
        /// What the bytes may be, and what to do.
        guess: String,
    },
    /// A line of a .jsonl file that holds no document.
    #[error("{path}, line {line}: {message}", path = path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A .parquet file that cannot be read as documents.
    #[error("{path}: {message}", path = path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        message: String,
    },
    /// No text at all.
    #[error("{path} is empty: {message}", path = path.display())]
    EmptyCorpus {
        /// The key that named it.
        key: Cow<'static, str>,
        /// The folder or file.
        path: PathBuf,
        /// What was found instead of text.
        message: String,
    },
    /// Sequences longer than the text they are to be cut from.
    #[error(
        "the {split} part of {corpus} has {available} tokens, fewer than the {needed} of one sequence (n_ctx + 1): use a smaller `n_ctx` or more text"
    )]
    TooShort {
        /// `the corpus`, with its path where there are several.
        corpus: String,
        /// `training` or `held-out`.
        split: &'static str,
        /// Tokens in that part.
        available: u64,
        /// Tokens in one sequence.
        needed: u64,
    },
    /// A tokenizer that cannot be read, trained or used.
    #[error("the tokenizer{from}: {message}", from = match .path { Some(path) => format!(" {}", path.display()), None => String::new() })]
    Tokenizer {
        /// Its file, if it was loaded from one.
        path: Option<PathBuf>,
        /// What is wrong and what would be right.
        message: String,
    },
    /// Tokens and a tokenizer that do not fit.
    #[error("`d_vocab` is {wanted}, but the tokenizer has {found} tokens: {hint}")]
    Vocabulary {
        /// `d_vocab` of the configuration.
        wanted: usize,
        /// The tokenizer's number of tokens.
        found: usize,
        /// What would be right.
        hint: String,
    },
    /// Whoever watched asked to stop.
    #[error("stopped before the corpus was tokenized; nothing was written")]
    Stopped,
    /// A source of numbers was asked for words.
    #[error(
        "this source has no words: its tokens are the numbers 0 to {last}; give token numbers instead of text"
    )]
    NoText {
        /// The largest token.
        last: usize,
    },
}

impl DataError {
    /// The key of the source's section that is to be changed, if one is.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Setting { key, .. }
            | Self::Missing { key, .. }
            | Self::EmptyCorpus { key, .. } => Some(key),
            Self::Vocabulary { .. } => Some("d_vocab"),
            Self::TooShort { .. } => Some("n_ctx"),
            Self::Tokenizer { path: Some(_), .. } => Some("tokenizer"),
            _ => None,
        }
    }

    /// The file of the corpus or tokenizer that is at fault, if one is.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Missing { path, .. }
            | Self::Io { path, .. }
            | Self::UnknownExtension { path, .. }
            | Self::OtherFormat { path, .. }
            | Self::SpecialFile { path, .. }
            | Self::Link { path, .. }
            | Self::Compressed { path, .. }
            | Self::Changed { path }
            | Self::Wide { path, .. }
            | Self::NotUtf8 { path, .. }
            | Self::BadLine { path, .. }
            | Self::Parquet { path, .. }
            | Self::EmptyCorpus { path, .. } => Some(path),
            Self::Tokenizer { path, .. } => path.as_deref(),
            _ => None,
        }
    }

    /// The line of [`DataError::file`] that is at fault, from 1, if it is known.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::BadLine { line, .. } | Self::NotUtf8 { line, .. } => Some(*line),
            _ => None,
        }
    }

    pub(crate) fn setting(key: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::Setting {
            key: key.into(),
            message: message.into(),
        }
    }

    /// For `map_err` on a file operation.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
