//! What a configuration says about a corpus.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MAX_D_VOCAB;
use crate::DataError;
use crate::spec::training_set;

/// Text from files, cut into documents, documents into tokens.
///
/// One corpus or a mixture of several: `corpus` or `corpora`, and `corpus = "sotu"` where a
/// configuration writes neither.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default, remote = "Self")]
pub struct TextSpec {
    /// `sotu` for the State of the Union addresses that come with this crate (a folder of that
    /// name is `./sotu`), or the path of a folder or file: `.txt` (one document each), `.jsonl`
    /// or `.ndjson` (one document a line), each also with `.gz` or `.zst` behind, or `.parquet`
    /// (one document a row). A folder is read with the folders in it, in the order of the names,
    /// each file once; hidden files are passed over.
    ///
    /// Texts are UTF-8; a byte order mark at the start of a file is not read. Documents that are
    /// null or without a visible character are left out, and counted in a notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<String>,
    /// Several corpora in place of one. Each sequence comes from one of them, chosen by weight;
    /// the tokenizer is trained on the training documents of all, whatever their weights, and the
    /// oracles are those of the mixture. A list of one is that corpus alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corpora: Option<Vec<CorpusSpec>>,
    /// The member of a line of `.jsonl`, or column of a `.parquet` file, that holds the text
    /// itself: nested ones are not looked into.
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

/// One corpus of a mixture.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusSpec {
    /// As [`TextSpec::corpus`].
    pub path: String,
    /// Its share of the sequences, relative to the other weights; above 0.
    pub weight: f64,
}

impl Default for CorpusSpec {
    fn default() -> Self {
        Self {
            path: String::new(),
            weight: 1.0,
        }
    }
}

/// A corpus as a specification names it, alone or in a mixture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named<'a> {
    /// The key that holds the path.
    pub(crate) key: Cow<'static, str>,
    pub(crate) path: &'a str,
    /// Its share of the sequences; the shares add up to 1.
    pub(crate) share: f64,
}

impl Serialize for TextSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The derived function of `remote`.
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for TextSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut spec = Self::deserialize(deserializer)?;
        // What `corpus` is if it is not written depends on `corpora`, which no default of a
        // single field could tell.
        if spec.corpora.is_none() {
            spec.corpus
                .get_or_insert_with(|| Self::STATE_OF_THE_UNION.to_owned());
        }
        Ok(spec)
    }
}

impl Default for TextSpec {
    fn default() -> Self {
        Self {
            corpus: Some(Self::STATE_OF_THE_UNION.to_owned()),
            corpora: None,
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
            ("corpus", self.corpus.as_deref()),
            ("field", Some(&*self.field)),
            ("end_of_text", Some(&*self.end_of_text)),
        ] {
            if value == Some("") {
                return Err(DataError::setting(key, "is empty"));
            }
        }
        self.check_corpora()?;
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

impl TextSpec {
    /// The corpora, one at least if [`TextSpec::check`] passes.
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        let Some(corpora) = &self.corpora else {
            let corpus = self.corpus.as_deref().map(|path| Named {
                key: "corpus".into(),
                path,
                share: 1.0,
            });
            return corpus.into_iter().collect();
        };
        let total: f64 = corpora.iter().map(|corpus| corpus.weight).sum();
        let named = corpora.iter().enumerate().map(|(place, corpus)| Named {
            key: format!("corpora[{place}].path").into(),
            path: &corpus.path,
            share: corpus.weight / total,
        });
        named.collect()
    }

    fn check_corpora(&self) -> Result<(), DataError> {
        let corpora = match (&self.corpus, &self.corpora) {
            (Some(_), None) => return Ok(()),
            (None, Some(corpora)) if !corpora.is_empty() => corpora,
            (Some(_), Some(_)) => {
                return Err(DataError::setting(
                    "corpora",
                    "stands beside `corpus`: name one corpus there or several here, not both",
                ));
            }
            (None, _) => {
                return Err(DataError::setting(
                    "corpora",
                    "is empty: list a corpus, or leave it out and name one in `corpus`",
                ));
            }
        };
        for (place, corpus) in corpora.iter().enumerate() {
            let wrong = |member: &str, message: String| {
                let key = format!("corpora[{place}].{member}");
                Err(DataError::setting(key, message))
            };
            if corpus.path.is_empty() {
                return wrong("path", "names no folder or file".to_owned());
            }
            if !(corpus.weight > 0.0 && corpus.weight < MAX_WEIGHT) {
                let weight = corpus.weight;
                return wrong(
                    "weight",
                    format!(
                        "is {weight}; a corpus has a weight above 0 and below {MAX_WEIGHT:e}, or \
                         is left out"
                    ),
                );
            }
            if let Some(other) = corpora[..place].iter().position(|c| c.path == corpus.path) {
                return wrong("path", duplicate(&corpus.path, other));
            }
        }
        Ok(())
    }
}

/// Weights below this have a finite sum.
const MAX_WEIGHT: f64 = 1e9;

/// What is wrong with a corpus that an earlier one is as well.
pub(crate) fn duplicate(path: &str, other: usize) -> String {
    format!("is {path}, which is `corpora[{other}]` already: give that one both weights together")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_values_are_refused_with_their_key() {
        let check = |spec: TextSpec| {
            let error = spec.check().expect_err("refused");
            error.key().map(str::to_owned)
        };
        let named = |key: &str| Some(key.to_owned());
        let spec = TextSpec::default();
        assert_eq!(
            check(TextSpec {
                held_out: 0.0,
                ..spec.clone()
            }),
            named("held_out")
        );
        assert_eq!(
            check(TextSpec {
                d_vocab: Some(256),
                ..spec.clone()
            }),
            named("d_vocab")
        );
        assert_eq!(
            check(TextSpec {
                corpus: Some(String::new()),
                ..spec.clone()
            }),
            named("corpus")
        );
        let mixture = |paths: &[(&str, f64)]| TextSpec {
            corpus: None,
            corpora: Some(
                paths
                    .iter()
                    .map(|&(path, weight)| CorpusSpec {
                        path: path.to_owned(),
                        weight,
                    })
                    .collect(),
            ),
            ..TextSpec::default()
        };
        assert!(mixture(&[("a", 1.0), ("b", 0.5)]).check().is_ok());
        for (corpora, key) in [
            (&[][..], "corpora"),
            (&[("a", 1.0), ("", 1.0)], "corpora[1].path"),
            (&[("a", 1.0), ("b", 1.0), ("a", 2.0)], "corpora[2].path"),
            (&[("a", 0.0)], "corpora[0].weight"),
            (&[("a", 1.0), ("b", -1.0)], "corpora[1].weight"),
            (&[("a", f64::NAN)], "corpora[0].weight"),
            (&[("a", f64::INFINITY)], "corpora[0].weight"),
        ] {
            assert_eq!(check(mixture(corpora)), named(key), "{corpora:?}");
        }
        assert_eq!(
            check(TextSpec {
                corpus: Some("a".to_owned()),
                ..mixture(&[("b", 1.0)])
            }),
            named("corpora")
        );
    }

    #[test]
    fn what_is_not_written_depends_on_the_form() {
        let read = |text: &str| serde_json::from_str::<TextSpec>(text).unwrap();
        assert_eq!(read("{}"), TextSpec::default());
        let written = serde_json::json!({
            "corpus": "sotu", "field": "text", "end_of_text": "<|endoftext|>", "held_out": 0.1,
        });
        assert_eq!(serde_json::to_value(TextSpec::default()).unwrap(), written);
        let mixture = read(r#"{"corpora": [{"path": "a"}, {"path": "b", "weight": 3.0}]}"#);
        assert_eq!(mixture.corpus, None);
        let shares: Vec<f64> = mixture.named().iter().map(|c| c.share).collect();
        assert_eq!(shares, [0.25, 0.75]);
        let text = serde_json::to_string(&mixture).unwrap();
        assert_eq!(read(&text), mixture);
        let both = read(r#"{"corpus": "a", "corpora": [{"path": "b"}]}"#);
        assert!(both.check().is_err());
    }
}
