//! What a configuration says about a corpus.

use serde::{Deserialize, Serialize};

use super::MAX_D_VOCAB;
use crate::DataError;
use crate::spec::training_set;

/// Text from files, cut into documents, documents into tokens.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct TextSpec {
    /// `sotu` for the State of the Union addresses that come with this crate (a folder of that
    /// name is `./sotu`), or the path of a folder or file: `.txt` (one document each), `.jsonl`, `.jsonl.zst` (one document a line)
    /// or `.parquet` (one document a row). A folder is read with the folders in it, in the order
    /// of the names.
    pub corpus: String,
    /// The member of a line of `.jsonl`, or column of a `.parquet` file, that holds the text.
    pub field: String,
    /// A `tokenizer.json` to load. Absent: a byte-level BPE is trained on the training documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Number of tokens. Absent: 1000 for a trained tokenizer (or as many as the text yields),
    /// the tokenizer's own number for a loaded one. If given it must be met exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_vocab: Option<usize>,
    /// The token that ends each document. A trained tokenizer gets it; a loaded one must have it.
    pub end_of_text: String,
    /// Share of the documents that is held out, above 0 and below 1.
    pub held_out: f64,
    /// Number of windows that training draws from, uniformly: absent means that any window of the
    /// training documents can come. A larger set contains the smaller ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_set: Option<u64>,
}

impl Default for TextSpec {
    fn default() -> Self {
        Self {
            corpus: Self::STATE_OF_THE_UNION.to_owned(),
            field: "text".to_owned(),
            tokenizer: None,
            d_vocab: None,
            end_of_text: "<|endoftext|>".to_owned(),
            held_out: 0.1,
            training_set: None,
        }
    }
}

impl TextSpec {
    /// The name of the corpus that comes with this crate.
    pub const STATE_OF_THE_UNION: &str = "sotu";
    /// Number of tokens of a tokenizer that is trained without a wish.
    pub const DEFAULT_D_VOCAB: usize = 1000;
    /// The smallest byte-level tokenizer: 256 bytes and the end of a document.
    pub const MIN_D_VOCAB: usize = 257;

    /// Refuses values that make no sense, without touching a file.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] with the key at fault.
    pub fn check(&self) -> Result<(), DataError> {
        for (key, value) in [
            ("corpus", &self.corpus),
            ("field", &self.field),
            ("end_of_text", &self.end_of_text),
        ] {
            if value.is_empty() {
                return Err(DataError::setting(key, "is empty"));
            }
        }
        if !(self.held_out > 0.0 && self.held_out < 1.0) {
            return Err(DataError::setting(
                "held_out",
                format!("is {}; it is a share above 0 and below 1", self.held_out),
            ));
        }
        training_set(self.training_set)?;
        match self.d_vocab {
            Some(d_vocab) if self.tokenizer.is_none() && d_vocab < Self::MIN_D_VOCAB => {
                Err(DataError::setting(
                    "d_vocab",
                    format!(
                        "is {d_vocab}; a byte-level tokenizer has at least {}: 256 bytes and the end of a document",
                        Self::MIN_D_VOCAB
                    ),
                ))
            }
            Some(d_vocab) if d_vocab > MAX_D_VOCAB => Err(DataError::setting(
                "d_vocab",
                format!("is {d_vocab}; at most {} are possible", MAX_D_VOCAB),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_values_are_refused_with_their_key() {
        let check = |spec: TextSpec| spec.check().expect_err("refused").key();
        let spec = TextSpec::default();
        assert_eq!(
            check(TextSpec {
                held_out: 0.0,
                ..spec.clone()
            }),
            Some("held_out")
        );
        assert_eq!(
            check(TextSpec {
                d_vocab: Some(256),
                ..spec.clone()
            }),
            Some("d_vocab")
        );
        assert_eq!(
            check(TextSpec {
                corpus: String::new(),
                ..spec
            }),
            Some("corpus")
        );
    }
}
