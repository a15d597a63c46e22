//! Byte-level BPE: trained on documents, or loaded.

use std::fmt;
use std::path::Path;

use ontogeny_store::contained;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

use super::MAX_D_VOCAB;
use crate::{DataError, TextSpec};

/// Text that is tokenized at once: its tokens' bookkeeping takes some fifty times as much memory.
const BATCH_BYTES: usize = 4 << 20;

pub(crate) struct Tokenizer {
    // Boxed: it is large, and a source of numbers has none.
    inner: Box<Inner>,
    pub(crate) d_vocab: usize,
    pub(crate) end_of_text: u32,
    /// Each token in a readable form.
    texts: Vec<String>,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("d_vocab", &self.d_vocab)
            .field("end_of_text", &self.end_of_text)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Trains a byte-level BPE (Sennrich et al. 2016; on bytes: Radford et al. 2019). The same
    /// documents give the same tokens.
    pub(crate) fn train<'a>(
        spec: &TextSpec,
        documents: impl Iterator<Item = &'a str> + Send,
    ) -> Result<Self, DataError> {
        let wrong = |error: tokenizers::Error| DataError::Tokenizer {
            path: None,
            message: format!("cannot be trained: {error}"),
        };
        let wanted = spec.d_vocab.unwrap_or(TextSpec::DEFAULT_D_VOCAB);
        let trainer = BpeTrainer::builder()
            .vocab_size(wanted)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![AddedToken::from(&*spec.end_of_text, true)])
            .build();
        let bytes = ByteLevel::new(false, true, true);
        let mut inner = Inner::new(BPE::default());
        inner
            .with_pre_tokenizer(Some(bytes))
            .with_decoder(Some(bytes))
            .train(&mut TrainerWrapper::BpeTrainer(trainer), documents)
            .map_err(wrong)?;
        let tokenizer = Self::new(inner, &spec.end_of_text, None)?;
        match spec.d_vocab {
            Some(wanted) if wanted != tokenizer.d_vocab => Err(DataError::Vocabulary {
                wanted,
                found: tokenizer.d_vocab,
                hint: "the text is too small for more; ask for fewer or leave `d_vocab` out"
                    .to_owned(),
            }),
            _ => Ok(tokenizer),
        }
    }

    /// Reads the content of a `tokenizer.json`; `path` is for messages.
    pub(crate) fn load(spec: &TextSpec, json: &[u8], path: &Path) -> Result<Self, DataError> {
        let wrong = |message: String| DataError::Tokenizer {
            path: Some(path.to_owned()),
            message,
        };
        // The reader panics on some damaged files.
        let mut inner = contained(|| Inner::from_bytes(json))
            .unwrap_or_else(|said| Err(said.into()))
            .map_err(|error| wrong(format!("not a tokenizer.json: {error}")))?;
        // A file may ask for its inputs to be cut or filled up: documents are neither.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| wrong(error.to_string()))?;
        let tokenizer = Self::new(inner, &spec.end_of_text, Some(path))?;
        match spec.d_vocab {
            Some(wanted) if wanted != tokenizer.d_vocab => Err(DataError::Vocabulary {
                wanted,
                found: tokenizer.d_vocab,
                hint: format!("set `d_vocab` to {} or leave it out", tokenizer.d_vocab),
            }),
            _ => Ok(tokenizer),
        }
    }

    fn new(inner: Inner, end_of_text: &str, path: Option<&Path>) -> Result<Self, DataError> {
        let wrong = |message: String| DataError::Tokenizer {
            path: path.map(Path::to_owned),
            message,
        };
        let largest = inner.get_vocab(true).into_values().max();
        let d_vocab = largest.map_or(0, |largest| largest as usize + 1);
        if d_vocab > MAX_D_VOCAB {
            return Err(wrong(format!(
                "has tokens up to {d_vocab}; at most {MAX_D_VOCAB} are possible"
            )));
        }
        let end = inner.token_to_id(end_of_text).ok_or_else(|| {
            wrong(format!(
                "has no token `{end_of_text}` to end a document: set `end_of_text` to one that it has"
            ))
        })?;
        let texts = (0..d_vocab as u32)
            .map(|token| inner.decode(&[token], false))
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            inner: Box::new(inner),
            d_vocab,
            end_of_text: end,
            texts,
        })
    }

    /// The content of a `tokenizer.json`.
    pub(crate) fn json(&self) -> Result<String, DataError> {
        self.inner
            .to_string(false)
            .map_err(|error| self.refused(&error))
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| self.refused(&error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Shows each document's tokens to `see`, in order.
    pub(crate) fn encode_each(
        &self,
        documents: &[&str],
        mut see: impl FnMut(&[u32]),
    ) -> Result<(), DataError> {
        let mut rest = documents;
        while !rest.is_empty() {
            let mut bytes = 0;
            let n = rest
                .iter()
                .take_while(|document| {
                    let fits = bytes < BATCH_BYTES;
                    bytes += document.len();
                    fits
                })
                .count();
            let (batch, later) = rest.split_at(n);
            let encodings = self
                .inner
                .encode_batch_fast(batch.to_vec(), false)
                .map_err(|error| self.refused(&error))?;
            for encoding in encodings {
                see(encoding.get_ids());
            }
            rest = later;
        }
        Ok(())
    }

    /// Each token in a readable form; `d_vocab` bounds the tokens.
    pub(crate) fn decode(&self, tokens: &[u32]) -> Vec<String> {
        tokens
            .iter()
            .map(|&token| self.texts[token as usize].clone())
            .collect()
    }

    fn refused(&self, error: &tokenizers::Error) -> DataError {
        DataError::Tokenizer {
            path: None,
            message: error.to_string(),
        }
    }
}
