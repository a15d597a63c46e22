//! A tokenizer: trained on documents, or loaded.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ontogeny_store::contained;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

use super::MAX_D_VOCAB;
use super::bpe::learn;
use super::cache::TokenFile;
use super::tokenizer_file::other_json;
use super::words::{pieces, words};
use crate::progress::{BuildPhase, BuildWatch, tell};
use crate::{DataError, TextSpec};

/// Bytes that a piece of a unigram model may have: the library keeps them in a tree as deep as they
/// are long.
const LONGEST_PIECE: usize = 1024;

/// Bytes of text between two reports of progress.
const BYTES_TOLD: usize = 4 << 20;
/// Most memory that the pattern of all control tokens may take.
const PATTERN_BYTES: usize = 64 << 20;

pub(crate) struct Tokenizer {
    // Boxed: it is large, and a source of numbers has none.
    pub(super) inner: Box<Inner>,
    pub(crate) d_vocab: usize,
    pub(crate) end_of_text: u32,
    /// The file that it was loaded from, for messages.
    pub(super) path: Option<PathBuf>,
    /// The share of merges that the file wanted to be dropped at random.
    pub(super) dropout: Option<f64>,
    /// The token of what has no token.
    pub(super) unknown: Option<u32>,
    /// Tokens that no text stands for, and what they look like: the end, special tokens. Not the
    /// unknown token.
    pub(super) control: HashMap<u32, String>,
    /// Finds control tokens that a text spells.
    pub(super) spelled: Option<Regex>,
    pub(super) splitting: Splitting,
    /// Whether its models see a character for each byte of text.
    pub(super) byte_level: bool,
    /// Each token in a readable form.
    texts: Vec<String>,
}

/// How much of a text has to be seen at once to know its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splitting {
    /// A word, as byte-level tokenizers have them.
    ByteWords,
    /// What lies between a space that follows a visible character and the next such space.
    Spaces,
    /// A document.
    Whole,
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
    /// Trains a byte-level BPE. The same documents give the same tokens.
    pub(crate) fn train(
        spec: &TextSpec,
        documents: &[&str],
        watch: BuildWatch<'_>,
    ) -> Result<Self, DataError> {
        let wrong = |error: tokenizers::Error| DataError::Tokenizer {
            path: None,
            message: format!("cannot be trained: {error}"),
        };
        let wanted = spec.d_vocab.unwrap_or(TextSpec::DEFAULT_D_VOCAB);
        let words = count_words(documents, watch)?;
        let model = learn(&words, &spec.end_of_text, wanted, watch)?
            .model()
            .map_err(wrong)?;
        let bytes = ByteLevel::new(false, true, true);
        let mut inner = Inner::new(model);
        inner
            .with_pre_tokenizer(Some(bytes))
            .with_decoder(Some(bytes))
            .add_special_tokens([AddedToken::from(&*spec.end_of_text, true)])
            .map_err(wrong)?;
        let json = inner.to_string(false).map_err(wrong)?;
        let tokenizer = Self::from_json(&spec.end_of_text, json.as_bytes(), None)?;
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
        let tokenizer = Self::from_json(&spec.end_of_text, json, Some(path))?;
        match spec.d_vocab {
            Some(wanted) if wanted != tokenizer.d_vocab => Err(DataError::Vocabulary {
                wanted,
                found: tokenizer.d_vocab,
                hint: format!("set `d_vocab` to {} or leave it out", tokenizer.d_vocab),
            }),
            _ => Ok(tokenizer),
        }
    }

    /// The tokenizer that tokens of the cache were made with.
    pub(crate) fn of(tokens: &TokenFile, spec: &TextSpec) -> Result<Self, DataError> {
        // Without the wish for a size: it was met when the tokens were made.
        let spec = TextSpec {
            d_vocab: None,
            ..spec.clone()
        };
        let json = tokens.header.tokenizer.as_bytes();
        Self::load(&spec, json, tokens.location())
    }

    fn from_json(end_of_text: &str, json: &[u8], path: Option<&Path>) -> Result<Self, DataError> {
        let wrong = |message: String| DataError::Tokenizer {
            path: path.map(Path::to_owned),
            message,
        };
        let mut json: Value = serde_json::from_slice(json)
            .map_err(|error| wrong(format!("not a tokenizer.json: it is not JSON: {error}")))?;
        if let Some(found) = other_json(&json) {
            return Err(wrong(format!("not a tokenizer.json: {found}")));
        }
        let dropout = switch_off_dropout(&mut json);
        let unknown = unknown_token(&json);
        let byte_level = ["pre_tokenizer", "normalizer"]
            .iter()
            .any(|part| json[*part].to_string().contains(r#""ByteLevel""#));
        mark_control_tokens(&mut json, end_of_text, unknown.as_deref());
        if promises_too_much(&json) {
            return Err(wrong(
                "not a tokenizer.json: the table of its `Precompiled` normalizer is cut off".into(),
            ));
        }
        if let Some(token) = longest_piece(&json["model"]["vocab"])
            && token.len() > LONGEST_PIECE
        {
            return Err(wrong(format!(
                "has a token of {} bytes (`{}`); at most {LONGEST_PIECE} are possible",
                token.len(),
                ontogeny_store::excerpt(token)
            )));
        }
        // The reader panics on some damaged files.
        let mut inner = contained(|| Inner::from_bytes(json.to_string()))
            .unwrap_or_else(|said| Err(said.into()))
            .map_err(|error| {
                let error = ontogeny_store::shortened(&error.to_string());
                wrong(format!("not a tokenizer.json: {error}"))
            })?;
        // A file may ask for its inputs to be cut or filled up: documents are neither.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| wrong(error.to_string()))?;
        // A control token that a text spells is text.
        inner.set_encode_special_tokens(true);

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
        let decoded = contained(|| {
            let each = (0..d_vocab as u32).map(|token| inner.decode(&[token], false));
            each.collect::<Result<Vec<_>, _>>()
        });
        let undecodable = |said: String| wrong(format!("its tokens cannot be decoded: {said}"));
        let texts = decoded
            .map_err(undecodable)?
            .map_err(|error| undecodable(ontogeny_store::shortened(&error.to_string())))?;

        let unknown = unknown.and_then(|name| inner.token_to_id(&name));
        let mut control: HashMap<u32, String> = inner
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special)
            .map(|(id, token)| (id, token.content))
            .collect();
        control.insert(end, end_of_text.to_owned());
        if let Some(unknown) = unknown {
            control.remove(&unknown);
        }
        let spelled = pattern(&control).map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            splitting: Splitting::of(&inner),
            byte_level,
            inner: Box::new(inner),
            d_vocab,
            end_of_text: end,
            path: path.map(Path::to_owned),
            dropout,
            unknown,
            control,
            spelled,
            texts,
        })
    }

    /// The content of a `tokenizer.json`.
    pub(crate) fn json(&self) -> Result<String, DataError> {
        self.inner
            .to_string(false)
            .map_err(|error| self.refused(error.to_string()))
    }

    /// Whether the file asked for something that is not done as it says, so that tokens made by
    /// it are others than those that it made before this was known.
    pub(crate) fn was_random(&self) -> bool {
        self.dropout.is_some()
    }

    /// Control tokens of more than one character: no token of a text is one of these.
    pub(super) fn never_in_text(&self) -> impl Iterator<Item = u32> + '_ {
        let several = |text: &String| text.chars().nth(1).is_some();
        let control = self.control.iter();
        control
            .filter(move |(_, text)| several(text))
            .map(|(&id, _)| id)
    }

    /// Each token in a readable form; `d_vocab` bounds the tokens.
    pub(crate) fn decode(&self, tokens: &[u32]) -> Vec<String> {
        tokens
            .iter()
            .map(|&token| self.texts[token as usize].clone())
            .collect()
    }

    /// How the unknown token looks.
    pub(super) fn unknown_name(&self) -> String {
        let name = self.unknown.and_then(|id| self.inner.id_to_token(id));
        ontogeny_store::excerpt(&name.unwrap_or_default())
    }

    pub(super) fn refused(&self, message: String) -> DataError {
        DataError::Tokenizer {
            path: self.path.clone(),
            message,
        }
    }
}

impl Splitting {
    fn of(inner: &Inner) -> Self {
        let added = inner.get_added_tokens_decoder();
        // Special tokens are not looked for. No other one may lie across a space, or take one.
        let special = added.values().all(|token| token.special);
        let within = |token: &AddedToken| {
            !(token.lstrip || token.rstrip || token.content.contains(char::is_whitespace))
        };
        if !special && !added.values().all(within) {
            return Self::Whole;
        }
        let normalizer = inner.get_normalizer();
        match inner.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::ByteLevel(bytes))
                if bytes.use_regex
                    && !bytes.add_prefix_space
                    && special
                    && normalizer.is_none() =>
            {
                Self::ByteWords
            }
            Some(PreTokenizerWrapper::ByteLevel(bytes))
                if bytes.use_regex && normalizer.is_none_or(keeps_characters) =>
            {
                Self::Spaces
            }
            Some(pre_tokenizer)
                if splits_at_spaces(pre_tokenizer) && normalizer.is_none_or(works_locally) =>
            {
                Self::Spaces
            }
            _ => Self::Whole,
        }
    }
}

/// The longest piece of a unigram model's vocabulary, a list of lists that begin with one.
fn longest_piece(vocabulary: &Value) -> Option<&str> {
    let pieces = vocabulary.as_array()?.iter();
    let pieces = pieces.filter_map(|piece| piece.get(0)?.as_str());
    pieces.max_by_key(|piece| piece.len())
}

/// Whether a `Precompiled` normalizer's table is longer by what it says than by what is there: the
/// library would set that much memory aside, up to 4 GiB.
fn promises_too_much(json: &Value) -> bool {
    match json {
        Value::Object(members) => {
            let table = members.get("precompiled_charsmap").and_then(Value::as_str);
            table.is_some_and(|table| table_size(table) > table.len() as u64)
                || members.values().any(promises_too_much)
        }
        Value::Array(items) => items.iter().any(promises_too_much),
        _ => false,
    }
}

/// What the first four bytes of a table in base 64 say of its size.
fn table_size(table: &str) -> u64 {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    // Six digits are 36 bits, four bytes and a half.
    let digits: Option<Vec<u8>> = table.bytes().take(6).map(digit).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 6) else {
        return 0;
    };
    let bits = digits.iter().fold(0_u64, |sum, &d| sum << 6 | u64::from(d));
    u64::from(((bits >> 4) as u32).swap_bytes())
}

/// Whether what comes before a space that follows a visible character, and what comes from it on,
/// are normalized alike together and apart, and no visible character before it vanishes.
fn keeps_characters(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::NFC(_)
        | NormalizerWrapper::NFD(_)
        | NormalizerWrapper::NFKC(_)
        | NormalizerWrapper::NFKD(_)
        | NormalizerWrapper::Lowercase(_) => true,
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().all(keeps_characters),
        _ => false,
    }
}

/// As [`keeps_characters`], but characters may vanish: that matters where white space in a row is
/// a word.
fn works_locally(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::StripAccents(_) | NormalizerWrapper::BertNormalizer(_) => true,
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().all(works_locally),
        other => keeps_characters(other),
    }
}

/// Whether a new word begins at each space that follows a visible character, and the words before
/// and after do not depend on each other.
fn splits_at_spaces(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::Metaspace(metaspace) => metaspace.split,
        PreTokenizerWrapper::Whitespace(_)
        | PreTokenizerWrapper::WhitespaceSplit(_)
        | PreTokenizerWrapper::BertPreTokenizer(_) => true,
        _ => false,
    }
}

/// Sets the chance of dropping a merge to nothing, and returns what it was.
fn switch_off_dropout(json: &mut Value) -> Option<f64> {
    let dropout = json.pointer_mut("/model/dropout")?;
    let was = dropout.as_f64().filter(|&was| was > 0.0)?;
    *dropout = Value::Null;
    Some(was)
}

/// What stands for the unknown, if anything does.
fn unknown_token(json: &Value) -> Option<String> {
    let model = json.get("model")?;
    let named = model.get("unk_token").and_then(Value::as_str);
    let numbered = || {
        let id = usize::try_from(model.get("unk_id")?.as_u64()?).ok()?;
        model.get("vocab")?.get(id)?.get(0)?.as_str()
    };
    let by_default = || match model.get("type")?.as_str()? {
        "WordPiece" => Some("[UNK]"),
        _ => None,
    };
    named
        .or_else(numbered)
        .or_else(by_default)
        .map(str::to_owned)
}

/// Says of the added tokens which are control tokens, so that a text that spells one is read as
/// text: those that are special already, and the end. Two kinds are recognised in a text as ever:
/// the unknown token, which corpora use for words that were taken out, and a single character,
/// which can be written in no other way.
fn mark_control_tokens(json: &mut Value, end_of_text: &str, unknown: Option<&str>) {
    let added = json.get_mut("added_tokens").and_then(Value::as_array_mut);
    for token in added.into_iter().flatten() {
        let Some(content) = token.get("content").and_then(Value::as_str) else {
            continue;
        };
        let readable = Some(content) == unknown || content.chars().nth(1).is_none();
        let special = if readable {
            false
        } else if content == end_of_text {
            true
        } else {
            continue;
        };
        token["special"] = Value::Bool(special);
    }
}

/// Finds any of the control tokens, but those of one character.
fn pattern(control: &HashMap<u32, String>) -> Result<Option<Regex>, regex::Error> {
    let mut texts: Vec<String> = control
        .values()
        .filter(|text| text.chars().nth(1).is_some())
        .map(|text| regex::escape(text))
        .collect();
    texts.sort_unstable();
    if texts.is_empty() {
        return Ok(None);
    }
    let pattern = texts.join("|");
    let built = RegexBuilder::new(&pattern)
        .size_limit(PATTERN_BYTES)
        .build();
    built.map(Some)
}

/// The words of all documents with how often each occurs, in the order of their first occurrence.
pub(crate) fn count_words<'a>(
    documents: &[&'a str],
    watch: BuildWatch<'_>,
) -> Result<Vec<(&'a str, u64)>, DataError> {
    let total = documents.iter().map(|text| text.len() as u64).sum();
    let (mut done, mut told) = (0, 0);
    let mut counted: Vec<(&str, u64)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for document in documents {
        for piece in pieces(document, BYTES_TOLD) {
            for word in words(piece) {
                let place = *places.entry(word).or_insert_with(|| {
                    counted.push((word, 0));
                    counted.len() - 1
                });
                counted[place].1 += 1;
            }
            done += piece.len() as u64;
            if done - told >= BYTES_TOLD as u64 {
                told = done;
                tell(watch, BuildPhase::CountWords, done, total)?;
            }
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_cut_off_is_noticed() {
        // 4, little endian, and four bytes more.
        assert_eq!(table_size("BAAAAAECAwQ="), 4);
        assert_eq!(table_size("AAAA0"), 0);
        // 0xd0000000 bytes, of which there are two.
        let normalizer = |table: &str| {
            let own = serde_json::json!({ "type": "Precompiled", "precompiled_charsmap": table });
            serde_json::json!({ "normalizer": { "normalizers": [own] } })
        };
        assert!(promises_too_much(&normalizer("AAAA0AAA")));
        assert!(!promises_too_much(&normalizer("BAAAAAECAwQ=")));
    }

    #[test]
    fn a_piece_may_not_be_of_any_length() {
        let long = ">".repeat(LONGEST_PIECE + 1);
        let pieces = serde_json::json!([["a", -1.0], [long, -2.0], 3, []]);
        assert_eq!(longest_piece(&pieces), Some(long.as_str()));
        // The merges of a BPE may be of any length.
        assert_eq!(longest_piece(&serde_json::json!({ long: 1 })), None);
    }
}
