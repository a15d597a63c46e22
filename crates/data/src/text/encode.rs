//! From documents to tokens, with a count of what tokens do not say.
//!
//! The tokens are those of the `tokenizers` crate, whose bookkeeping takes some fifty times the
//! text. So documents are encoded in pieces, where that gives the same tokens
//! (`Splitting`), on all cores.

use std::collections::HashMap;
use std::thread;

use ontogeny_store::{contained, excerpt};
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::{Model, OffsetReferential, OffsetType, PreTokenizer};

use super::tally::Tally;
use super::tokenizer::{Splitting, Tokenizer};
use super::words::{as_byte_chars, from_byte_chars, pieces, words};
use crate::DataError;

/// Bytes of text that a thread encodes at once.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of text that all threads together encode between two reports of progress.
const BATCH_BYTES: usize = 8 << 20;
/// Words whose tokens are remembered, and the bytes that such a word has at most.
const REMEMBERED_WORDS: usize = 1 << 18;
const REMEMBERED_BYTES: usize = 256;
/// Characters of a word that a message shows.
const SHOWN: usize = 40;

/// A document, or a part of one.
#[derive(Clone, Copy)]
struct Piece<'a> {
    /// Number of the document in its corpus, from 1.
    document: u64,
    text: &'a str,
    ends_document: bool,
}

/// The tokens of a text that a person gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedText {
    /// The tokens, each below `d_vocab`.
    pub tokens: Vec<u32>,
    /// What the tokens do not say, each a sentence for a person.
    pub notices: Vec<String>,
}

impl Tokenizer {
    /// The tokens of a text. Characters without a token are refused.
    pub(crate) fn encode(&self, text: &str) -> Result<EncodedText, DataError> {
        let mut encoder = Encoder::new(self);
        encoder.tally.document = 1;
        let mut tokens = Vec::new();
        encoder
            .encode(text, &mut tokens)
            .map_err(|reason| self.refused(reason))?;
        let mut tally = encoder.tally;
        tally.see_text(self, 1, text);
        tally.see_length(tokens.len());
        match tally.vanished_sentence() {
            Some(vanished) => Err(self.refused(vanished)),
            None => Ok(EncodedText {
                notices: tally.notices_of_text(self),
                tokens,
            }),
        }
    }

    /// Shows each document's tokens to `see`, in order. Documents come with their numbers in the
    /// corpus that `named` names. `told` hears of the bytes that were encoded since the last time.
    pub(super) fn encode_each(
        &self,
        documents: &[(u64, &str)],
        named: &str,
        mut told: impl FnMut(u64) -> Result<(), DataError>,
        mut see: impl FnMut(&[u32]),
    ) -> Result<Tally, DataError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut encoders: Vec<_> = (0..threads).map(|_| Encoder::new(self)).collect();
        let mut tally = Tally::default();
        let mut all = documents
            .iter()
            .flat_map(|&(document, text)| self.pieces(document, text));
        let mut tokens: Vec<u32> = Vec::new();
        loop {
            let batch = batch(&mut all);
            if batch.is_empty() {
                break;
            }
            let bytes: usize = batch.iter().map(|piece| piece.text.len()).sum();
            let encoded = encode_batch(&mut encoders, &batch);
            for (piece, encoded) in batch.iter().zip(encoded) {
                let encoded = encoded.map_err(|reason| {
                    let number = piece.document;
                    self.refused(format!("document {number} of {named}: {reason}"))
                })?;
                tokens.extend(encoded);
                if piece.ends_document {
                    see(&tokens);
                    tally.see_length(tokens.len());
                    tokens.clear();
                }
            }
            told(bytes as u64)?;
        }
        for encoder in encoders {
            tally.add(encoder.tally);
        }
        for &(document, text) in documents {
            tally.see_text(self, document, text);
        }
        Ok(tally)
    }

    fn pieces<'a>(&self, document: u64, text: &'a str) -> impl Iterator<Item = Piece<'a>> {
        let bytes = match self.splitting {
            Splitting::ByteWords | Splitting::Spaces => PIECE_BYTES,
            Splitting::Whole => usize::MAX,
        };
        let mut pieces = pieces(text, bytes).peekable();
        let mut first = true;
        std::iter::from_fn(move || {
            // A document without text has a piece as well: it ends.
            let text = pieces.next().or_else(|| first.then_some(""))?;
            first = false;
            Some(Piece {
                document,
                text,
                ends_document: pieces.peek().is_none(),
            })
        })
    }

    /// Characters of a model's text as they stood in the document.
    fn readable(&self, text: &str) -> String {
        let bytes = if self.byte_level {
            from_byte_chars(text)
        } else {
            None
        };
        let whole = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        whole.unwrap_or_else(|| text.to_owned())
    }

    /// Why a text has no tokens.
    fn no_token(&self, text: &str, error: &tokenizers::Error) -> String {
        let word = shortened(&self.readable(text));
        let error = ontogeny_store::shortened(&error.to_string());
        let known = |c: char| self.inner.get_model().token_to_id(&c.to_string()).is_some();
        let character = text.chars().find(|&c| !known(c)).map(String::from);
        let character = character.map_or_else(|| word.clone(), |c| self.readable(&c));
        match self.inner.get_model() {
            ModelWrapper::WordLevel(model) => format!(
                "the word `{word}` has no token, and the vocabulary has no unknown token `{0}`: \
                 add `{0}` to `vocab`, or set `unk_token` of `model` to a token that it has",
                excerpt(&model.unk_token)
            ),
            ModelWrapper::WordPiece(model) => format!(
                "the word `{word}` has no tokens, and the vocabulary has no unknown token `{0}`: \
                 add `{0}` to `vocab`, or set `unk_token` of `model` to a token that it has",
                excerpt(&model.unk_token)
            ),
            ModelWrapper::Unigram(_) => format!(
                "the character `{character}` has no token, and there is no unknown token: set \
                 `unk_id` of `model` to the place of one in `vocab`"
            ),
            ModelWrapper::BPE(_) => format!(
                "the character `{character}` has no token, and the unknown token is not in the \
                 vocabulary ({error}): add it to `vocab`, or set `unk_token` of `model` to a \
                 token that it has"
            ),
        }
    }
}

/// Some characters of a text.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The next pieces that are encoded together.
fn batch<'a>(all: &mut impl Iterator<Item = Piece<'a>>) -> Vec<Piece<'a>> {
    let mut bytes = 0;
    let mut batch = Vec::new();
    while bytes < BATCH_BYTES {
        let Some(piece) = all.next() else { break };
        // Documents without text also take time.
        bytes += piece.text.len() + 1;
        batch.push(piece);
    }
    batch
}

/// The tokens of each piece, or why it has none. Which thread takes which piece changes nothing.
fn encode_batch(
    encoders: &mut [Encoder<'_>],
    batch: &[Piece<'_>],
) -> Vec<Result<Vec<u32>, String>> {
    let bytes: usize = batch.iter().map(|piece| piece.text.len() + 1).sum();
    if let [encoder] = encoders {
        return encoder.encode_all(batch);
    }
    if bytes < PIECE_BYTES {
        return encoders[0].encode_all(batch);
    }
    // Runs of neighbours of about the same size.
    let goal = bytes.div_ceil(encoders.len());
    let mut shares = Vec::new();
    let mut rest = batch;
    for _ in 1..encoders.len() {
        let mut taken = 0;
        let n = rest
            .iter()
            .take_while(|piece| {
                let fits = taken < goal;
                taken += piece.text.len() + 1;
                fits
            })
            .count();
        let (share, later) = rest.split_at(n);
        shares.push(share);
        rest = later;
    }
    shares.push(rest);
    thread::scope(|scope| {
        let running: Vec<_> = encoders
            .iter_mut()
            .zip(shares)
            .map(|(encoder, share)| scope.spawn(move || encoder.encode_all(share)))
            .collect();
        let ended = running.into_iter().map(|thread| thread.join());
        ended
            .flat_map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Encodes texts one after another and counts.
struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    tally: Tally,
    /// Words that were encoded before and gave nothing to count: where their tokens lie.
    known: HashMap<String, (usize, usize)>,
    known_tokens: Vec<u32>,
}

impl<'a> Encoder<'a> {
    fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            tally: Tally::default(),
            known: HashMap::new(),
            known_tokens: Vec::new(),
        }
    }

    /// The tokens of each piece.
    fn encode_all(&mut self, pieces: &[Piece<'_>]) -> Vec<Result<Vec<u32>, String>> {
        let one = |piece: &Piece<'_>| {
            let mut tokens = Vec::new();
            self.tally.document = piece.document;
            self.encode(piece.text, &mut tokens).map(|()| tokens)
        };
        pieces.iter().map(one).collect()
    }

    /// Appends the tokens of a text, or says why it has none.
    fn encode(&mut self, text: &str, tokens: &mut Vec<u32>) -> Result<(), String> {
        // The library panics on some texts with some normalizers.
        contained(|| self.encode_parts(text, tokens)).unwrap_or_else(|said| {
            Err(format!(
                "it cannot be encoded by this tokenizer: {}",
                excerpt(&said)
            ))
        })
    }

    fn encode_parts(&mut self, text: &str, tokens: &mut Vec<u32>) -> Result<(), String> {
        self.tally.characters += text.chars().count() as u64;
        match self.tokenizer.splitting {
            Splitting::ByteWords => words(text).try_for_each(|word| self.word(word, tokens)),
            Splitting::Spaces | Splitting::Whole => self.any(text, tokens),
        }
    }

    /// A word of a byte-level tokenizer.
    fn word(&mut self, word: &str, tokens: &mut Vec<u32>) -> Result<(), String> {
        if let Some(&(begin, end)) = self.known.get(word) {
            tokens.extend_from_slice(&self.known_tokens[begin..end]);
            return Ok(());
        }
        let (begin, counted) = (tokens.len(), self.tally.events());
        self.split(&as_byte_chars(word), tokens)?;
        let remember = word.len() <= REMEMBERED_BYTES
            && self.known.len() < REMEMBERED_WORDS
            && self.tally.events() == counted;
        if remember {
            let from = self.known_tokens.len();
            self.known_tokens.extend_from_slice(&tokens[begin..]);
            let place = (from, self.known_tokens.len());
            self.known.insert(word.to_owned(), place);
        }
        Ok(())
    }

    /// A text through all parts of the library's tokenizer.
    fn any(&mut self, text: &str, tokens: &mut Vec<u32>) -> Result<(), String> {
        let tokenizer = self.tokenizer;
        let inner = &tokenizer.inner;
        let mut cut = inner
            .get_added_vocabulary()
            .extract_and_normalize(inner.get_normalizer(), text);
        if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
            pre_tokenizer
                .pre_tokenize(&mut cut)
                .map_err(|error| ontogeny_store::shortened(&error.to_string()))?;
        }
        for (split, _, added) in cut.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            match added {
                // An added token that is text.
                Some(added) => {
                    for token in added {
                        self.see(token.id, split);
                        tokens.push(token.id);
                    }
                }
                None => self.split(split, tokens)?,
            }
        }
        Ok(())
    }

    /// Counts a token that a text gave.
    fn see(&mut self, token: u32, text: &str) {
        let tokenizer = self.tokenizer;
        if tokenizer.control.contains_key(&token) {
            self.tally.see_control(token);
        } else if tokenizer.unknown == Some(token) {
            let text = shortened(&tokenizer.readable(text));
            self.tally.see_unknown(text);
        }
    }

    /// What the model makes of a word.
    fn split(&mut self, text: &str, tokens: &mut Vec<u32>) -> Result<(), String> {
        let tokenizer = self.tokenizer;
        let found = tokenizer
            .inner
            .get_model()
            .tokenize(text)
            .map_err(|error| tokenizer.no_token(text, &error))?;
        // A model that has a control token as a word would put it where a text spells it.
        for token in &found {
            if let Some(control) = tokenizer.control.get(&token.id)
                && let Some(parts) = broken(text, control)
            {
                return parts
                    .into_iter()
                    .try_for_each(|part| self.split(part, tokens));
            }
        }
        for token in &found {
            let (from, to) = token.offsets;
            self.see(token.id, text.get(from..to).unwrap_or(text));
        }
        if let ModelWrapper::BPE(model) = tokenizer.inner.get_model() {
            let covered = found.last().map_or(0, |token| token.offsets.1);
            if covered < text.len() && !text.is_empty() {
                self.vanished(text, model);
            }
        }
        tokens.extend(found.iter().map(|token| token.id));
        Ok(())
    }

    /// Counts the characters of a word that the model has dropped.
    fn vanished(&mut self, text: &str, model: &BPE) {
        let symbols: Vec<char> = text.chars().collect();
        let known = |place: usize| {
            let prefix = model.continuing_subword_prefix.as_deref();
            let prefix = prefix.filter(|_| place > 0).unwrap_or_default();
            let suffix = model.end_of_word_suffix.as_deref();
            let suffix = suffix
                .filter(|_| place + 1 == symbols.len())
                .unwrap_or_default();
            let symbol = format!("{prefix}{}{suffix}", symbols[place]);
            let has = |token: &str| model.token_to_id(token).is_some();
            has(&symbol)
                || model.byte_fallback && symbol.bytes().all(|b| has(&format!("<{b:#04X}>")))
        };
        let readable = self.tokenizer.readable(text);
        let in_bytes = readable.len() == symbols.len() && readable != text;
        let mut place = 0;
        for c in readable.chars() {
            let width = if in_bytes { c.len_utf8() } else { 1 };
            if !(place..place + width).all(known) {
                self.tally.see_vanished(c);
            }
            place += width;
        }
    }
}

/// A text cut within each place where it has a control token, so that no part has it; `None` if it
/// has none of more than one character.
fn broken<'a>(text: &'a str, control: &str) -> Option<Vec<&'a str>> {
    let bytes = as_byte_chars(control);
    let control = [control, &bytes].into_iter().find(|c| text.contains(*c))?;
    let first = control.chars().next()?.len_utf8();
    if first == control.len() {
        return None;
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(control) {
        parts.push(&text[from..at + first]);
        from = at + first;
    }
    parts.push(&text[from..]);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;
    use serde_json::{Value, json};

    use super::*;
    use crate::TextSpec;
    use crate::draw::below;
    use crate::text::tokenizer::Splitting;

    const END: &str = "<end>";

    /// A byte-level BPE with some merges, under another normalizer and pre-tokenizer.
    fn tokenizer(normalizer: Value, pre_tokenizer: Value) -> Tokenizer {
        let texts = [
            "the then there other another été naïve 東京 12 123",
            "ab ab'll isn't",
        ];
        let spec = TextSpec {
            end_of_text: END.to_owned(),
            ..TextSpec::default()
        };
        let quiet = |_| std::ops::ControlFlow::Continue(());
        let trained = Tokenizer::train(&spec, &texts, &quiet).unwrap();
        let mut json: Value = serde_json::from_str(&trained.json().unwrap()).unwrap();
        json["normalizer"] = normalizer;
        json["pre_tokenizer"] = pre_tokenizer;
        json["model"]["unk_token"] = json!("?");
        let json = json.to_string();
        Tokenizer::load(&spec, json.as_bytes(), std::path::Path::new("t.json")).unwrap()
    }

    fn random_text(seed: u64, bytes: usize) -> String {
        let parts = [
            " ", " ", " ", "  ", "\n", "\t", "\u{a0}", "the", "then", "other", "'ll", "'s", "12",
            ".", "é", "e\u{301}", "東京", "😀", "ẞ", "İ", "ﬁ", "<end>", "x", "\u{301}", "-",
        ];
        let mut rng = Stream::new(seed, "pieces", &[]).at(0);
        let mut text = String::new();
        while text.len() < bytes {
            text.push_str(parts[below(&mut rng, parts.len() as u64) as usize]);
        }
        text
    }

    /// Long documents in pieces and on several threads have the tokens that the library gives to
    /// the whole.
    #[test]
    fn pieces_have_the_tokens_of_the_whole() {
        let byte_level = |prefix: bool| {
            json!({ "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true,
                    "use_regex": true })
        };
        let metaspace = |scheme: &str| {
            json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme,
                    "split": true })
        };
        let kind = |name: &str| json!({ "type": name });
        let bert = json!({ "type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": true, "strip_accents": null, "lowercase": true });
        let both = json!({ "type": "Sequence", "normalizers": [kind("NFKD"), kind("Lowercase")] });
        for (normalizer, pre_tokenizer, splitting) in [
            (Value::Null, byte_level(false), Splitting::ByteWords),
            (Value::Null, byte_level(true), Splitting::Spaces),
            (kind("NFC"), byte_level(false), Splitting::Spaces),
            (kind("NFKC"), kind("Whitespace"), Splitting::Spaces),
            (both, kind("WhitespaceSplit"), Splitting::Spaces),
            (bert, kind("BertPreTokenizer"), Splitting::Spaces),
            (kind("NFD"), metaspace("always"), Splitting::Spaces),
            (kind("StripAccents"), metaspace("first"), Splitting::Spaces),
            (kind("StripAccents"), byte_level(false), Splitting::Whole),
            (Value::Null, metaspace("never"), Splitting::Spaces),
            (kind("Strip"), kind("Whitespace"), Splitting::Whole),
            (Value::Null, kind("Punctuation"), Splitting::Whole),
        ] {
            let strip = normalizer == kind("Strip");
            let normalizer = match strip {
                true => json!({ "type": "Strip", "strip_left": true, "strip_right": true }),
                false => normalizer,
            };
            let pre_tokenizer = match pre_tokenizer == kind("Punctuation") {
                true => json!({ "type": "Punctuation", "behavior": "Isolated" }),
                false => pre_tokenizer,
            };
            let name = format!("{normalizer} {pre_tokenizer}");
            let tokenizer = tokenizer(normalizer, pre_tokenizer);
            assert_eq!(tokenizer.splitting, splitting, "{name}");
            let texts = [150_000, 0, 10, 70_000].map(|bytes| random_text(bytes as u64, bytes));
            let documents: Vec<(u64, &str)> = (1..).zip(texts.iter().map(String::as_str)).collect();
            let mut found = Vec::new();
            tokenizer
                .encode_each(
                    &documents,
                    "a",
                    |_| Ok(()),
                    |tokens| found.push(tokens.to_vec()),
                )
                .unwrap();
            for (text, found) in texts.iter().zip(&found) {
                let whole = tokenizer.inner.encode_fast(text.as_str(), false).unwrap();
                assert!(found == whole.get_ids(), "{name}");
            }
            assert_eq!(found.len(), texts.len());
        }
    }

    #[test]
    fn control_tokens_are_broken_wherever_they_stand() {
        assert_eq!(broken("a<e>b<e>", "<e>"), Some(vec!["a<", "e>b<", "e>"]));
        assert_eq!(broken("aaaa", "aa"), Some(vec!["a", "aa", "a"]));
        assert_eq!(broken("abc", "<e>"), None);
        assert_eq!(broken("abc", "b"), None);
        assert_eq!(broken("xĠyz", " y"), Some(vec!["xĠ", "yz"]));
    }
}
