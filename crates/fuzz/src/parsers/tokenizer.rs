//! tokenizer.json.

use anyhow::Result;
use serde_json::{Value, json};

use super::corpus::{Reading, drawn};
use super::{Adapter, Verdict};
use crate::dice::Dice;
use crate::mutate::mutate_json;

/// Tokenizers of every model, with parts of every kind.
pub struct TokenizerJson {
    reading: Reading,
    trained: Value,
}

const CORPUS: &str = "{\"text\": \"so it was, and so it is\"}\n{\"text\": \"it is so: 12 é 日本\"}\n{\"text\": \"so\"}\n";

const WORDS: [&str; 20] = [
    "\"type\":\"BPE\"",
    "\"type\":\"Unigram\"",
    "\"type\":\"WordPiece\"",
    "\"type\":\"WordLevel\"",
    "null",
    "\"vocab\":",
    "\"merges\":",
    "\"unk_token\":",
    "\"dropout\":0.5",
    "\"byte_fallback\":true",
    "\"added_tokens\":[",
    "\"id\":",
    "\"Regex\":\"(a+)+$\"",
    "\"ignore_merges\":true",
    "\"continuing_subword_prefix\":\"##\"",
    "Ġ",
    "\"Split\"",
    "\"fuse_unk\":true",
    "4294967295",
    "[]",
];

impl TokenizerJson {
    /// Prepares a corpus and a trained tokenizer.
    pub fn new() -> Result<Self> {
        let reading = Reading::trained()?;
        reading.scratch().put("corpus.jsonl", CORPUS.as_bytes());
        let trained = serde_json::from_str(reading.tokenizer())?;
        Ok(Self { reading, trained })
    }
}

/// A small vocabulary of the corpus's letters and some of its words.
fn vocabulary(dice: &mut Dice) -> Vec<String> {
    let mut words: Vec<String> = "<|endoftext|> <unk> a d i n o s t w h , : é 日 ▁ Ġ"
        .split(' ')
        .map(str::to_owned)
        .collect();
    words.extend(["so", "it", "is", "##s", "an", "and", "▁so", "12", "1", "2"].map(str::to_owned));
    for _ in 0..dice.below(4) {
        words.push(dice.word().to_owned());
    }
    words.dedup();
    words
}

fn model(dice: &mut Dice) -> Value {
    let words = vocabulary(dice);
    let ids: serde_json::Map<String, Value> = words
        .iter()
        .enumerate()
        .map(|(id, word)| (word.clone(), Value::from(id)))
        .collect();
    let unk = match dice.below(3) {
        0 => Value::Null,
        _ => Value::from("<unk>"),
    };
    match dice.below(4) {
        0 => json!({
            "type": "BPE", "vocab": ids, "merges": [["s", "o"], "i t", ["i", "s"], ["a", "n"], ["an", "d"]],
            "unk_token": unk, "dropout": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": dice.once_in(2), "byte_fallback": dice.once_in(2), "ignore_merges": dice.once_in(2),
        }),
        1 => json!({
            "type": "WordPiece", "vocab": ids, "unk_token": "<unk>", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": dice.below(100),
        }),
        2 => json!({ "type": "WordLevel", "vocab": ids, "unk_token": "<unk>" }),
        _ => {
            let scored: Vec<Value> = words
                .iter()
                .enumerate()
                .map(|(i, word)| json!([word, -(i as f64) / 3.0]))
                .collect();
            json!({ "type": "Unigram", "vocab": scored, "unk_id": 1, "byte_fallback": dice.once_in(2) })
        }
    }
}

fn normalizer(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => json!({ "type": "NFKC" }),
        1 => json!({ "type": "Lowercase" }),
        2 => json!({ "type": "Replace", "pattern": { "Regex": "\\s+" }, "content": "▁" }),
        3 => json!({ "type": "Prepend", "prepend": "▁" }),
        4 => json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                     "strip_accents": null, "lowercase": true }),
        5 => {
            json!({ "type": "Sequence", "normalizers": [{ "type": "NFD" }, { "type": "StripAccents" }] })
        }
        6 => json!({ "type": "Precompiled", "precompiled_charsmap": "AAQAAAAAAAAAAAAA" }),
        7 => json!({ "type": "Strip", "strip_left": true, "strip_right": true }),
        _ => Value::Null,
    }
}

fn pre_tokenizer(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => json!({ "type": "Whitespace" }),
        1 => {
            json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true })
        }
        2 => {
            json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true })
        }
        3 => {
            json!({ "type": "Split", "pattern": { "Regex": "\\d+|[a-z]" }, "behavior": "Isolated", "invert": false })
        }
        4 => json!({ "type": "Punctuation", "behavior": "MergedWithPrevious" }),
        5 => json!({ "type": "Digits", "individual_digits": true }),
        6 => json!({ "type": "BertPreTokenizer" }),
        7 => json!({ "type": "CharDelimiterSplit", "delimiter": " " }),
        8 => {
            json!({ "type": "Sequence", "pretokenizers": [{ "type": "WhitespaceSplit" }, { "type": "UnicodeScripts" }] })
        }
        _ => Value::Null,
    }
}

fn decoder(dice: &mut Dice) -> Value {
    match dice.below(8) {
        0 => {
            json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true })
        }
        1 => json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
        2 => json!({ "type": "BPEDecoder", "suffix": "</w>" }),
        3 => json!({ "type": "ByteFallback" }),
        4 => json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }),
        5 => {
            json!({ "type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true })
        }
        _ => Value::Null,
    }
}

impl Adapter for TokenizerJson {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let mut whole = match dice.below(3) {
            0 => self.trained.clone(),
            _ => {
                let added: Vec<Value> = ["<|endoftext|>", dice.word()]
                    .iter()
                    .enumerate()
                    .map(|(id, word)| {
                        json!({ "id": id * dice.below(40), "content": word, "single_word": dice.once_in(2),
                                "lstrip": dice.once_in(2), "rstrip": dice.once_in(2), "normalized": dice.once_in(2),
                                "special": id == 0 })
                    })
                    .collect();
                json!({
                    "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
                    "normalizer": normalizer(dice), "pre_tokenizer": pre_tokenizer(dice),
                    "post_processor": null, "decoder": decoder(dice), "model": model(dice),
                })
            }
        };
        if dice.once_in(2) {
            for _ in 0..=dice.below(4) {
                mutate_json(dice, &mut whole);
            }
        }
        whole.to_string().into_bytes()
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        self.reading.scratch().put("fuzz.json", input);
        let verdict = match self.reading.source("corpus.jsonl", "fuzz.json") {
            Ok(source) => drawn(&source),
            Err(error) => Verdict::Refused(format!("{error:#}")),
        };
        self.reading.scratch().clear("cache");
        verdict
    }
}
