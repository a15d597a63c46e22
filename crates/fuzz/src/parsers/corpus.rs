//! Corpora of JSON lines and of plain text.

use std::thread;

use anyhow::{Context, Result};
use ontogeny_data::{Language, Source, SourceSpec, Split};
use ontogeny_store::Stream;
use serde_json::{Value, json};

use super::{Adapter, Scratch, Verdict};
use crate::dice::Dice;

/// Positions of a sequence; few, so that short texts will do.
const N_CTX: usize = 2;

/// A folder with a tokenizer in which corpora are read as a run reads them.
pub struct Reading {
    scratch: Scratch,
    tokenizer: String,
}

impl Reading {
    /// With three tokens, one of them for all unknown words: a file of a few hundred bytes, since it
    /// is read again with every input.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
            "added_tokens": [{
                "id": 0, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true,
            }],
            "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
            "model": {
                "type": "WordLevel", "unk_token": "<unk>",
                "vocab": { "<|endoftext|>": 0, "<unk>": 1, "so": 2 },
            },
        });
        let tokenizer = tokenizer.to_string();
        scratch.put("tokenizer.json", tokenizer.as_bytes());
        Ok(Self { scratch, tokenizer })
    }

    /// With the smallest tokenizer that is trained.
    pub fn trained() -> Result<Self> {
        let scratch = Scratch::new()?;
        scratch.put(
            "first.txt",
            "so it was, and so it is\n".repeat(20).as_bytes(),
        );
        let spec = json!({ "kind": "text", "corpus": "first.txt", "d_vocab": 257 });
        let spec: SourceSpec = serde_json::from_value(spec)?;
        let cache = scratch.path().join("cache");
        let source = Source::build(&spec, N_CTX, scratch.path(), &cache)?;
        let tokenizer = match source.language() {
            Some(Language::Text(text)) => text.tokenizer_json().to_owned(),
            _ => anyhow::bail!("a text is no text"),
        };
        scratch.put("tokenizer.json", tokenizer.as_bytes());
        scratch.clear("cache");
        Ok(Self { scratch, tokenizer })
    }

    /// The folder.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The tokenizer, as the text of a tokenizer.json.
    pub fn tokenizer(&self) -> &str {
        &self.tokenizer
    }

    /// Reads the corpus `name` of the folder with the tokenizer `tokenizer` of it.
    pub fn source(&self, name: &str, tokenizer: &str) -> Result<Source> {
        let spec = json!({
            "kind": "text", "corpus": name, "tokenizer": tokenizer, "held_out": 0.5,
        });
        let spec: SourceSpec = serde_json::from_value(spec).context("a specification")?;
        let folder = self.scratch.path();
        let build = || Source::build(&spec, N_CTX, folder, &folder.join("cache"));
        // The library of tokenizers keeps something for each tokenizer as long as its thread lives.
        let built = thread::scope(|scope| scope.spawn(build).join());
        Ok(built.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
    }

    /// Has an input read as the corpus `name`.
    pub fn read(&self, name: &str, input: &[u8]) -> Verdict {
        let path = self.scratch.put(name, input);
        let verdict = match self.source(name, "tokenizer.json") {
            Ok(source) => drawn(&source),
            Err(error) => Verdict::Refused(format!("{error:#}")),
        };
        self.scratch.clear("cache");
        let _ = std::fs::remove_file(path);
        verdict
    }
}

/// Draws from a source that was read: its tokens have to be its tokenizer's.
pub fn drawn(source: &Source) -> Verdict {
    let Some(source) = source.language() else {
        return Verdict::Wrong("a corpus without sequences".to_owned());
    };
    for split in [Split::Train, Split::HeldOut] {
        let batch = source.sequences(split, &Stream::new(0, "fuzz", &[]), 0, 4);
        let vocabulary = source.d_vocab();
        if let Some(token) = batch.tokens.iter().find(|&&t| t as usize >= vocabulary) {
            return Verdict::Wrong(format!("token {token} of {vocabulary}"));
        }
    }
    Verdict::Accepted
}

/// A few documents as JSON lines.
pub fn lines(dice: &mut Dice) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..dice.below(6) + 2 {
        let document = dice.words(12);
        let mut line = json!({ "text": format!("so it is {document}") });
        match dice.below(8) {
            0 => line["meta"] = json!({ "n": dice.below(100), "tags": [dice.word(), null] }),
            1 => line["text"] = Value::from(document),
            2 if dice.once_in(8) => line["text"] = Value::Null,
            3 => text.push('\n'),
            _ => {}
        }
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text.into_bytes()
}

/// JSON lines, and plain text where the length says so.
pub struct Lines {
    reading: Reading,
}

impl Lines {
    /// Prepares the folder.
    pub fn new() -> Result<Self> {
        let reading = Reading::new()?;
        Ok(Self { reading })
    }
}

const WORDS: [&str; 18] = [
    "{\"text\": \"",
    "\"}",
    "\n",
    "\r",
    "null",
    "NaN",
    "Infinity",
    "\\ud800",
    "\\ud83d\\ude00",
    "\\u0000",
    "<|endoftext|>",
    "\u{feff}",
    "[",
    "{}",
    "\"text\":",
    "1e999",
    "\u{2028}",
    "\\",
];

impl Adapter for Lines {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let lines = lines(dice);
        match dice.below(16) {
            // Another encoding.
            0 => String::from_utf8_lossy(&lines)
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            1 => [b"\xef\xbb\xbf", &lines[..]].concat(),
            _ => lines,
        }
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let name = if input.len().is_multiple_of(5) {
            "fuzz.txt"
        } else {
            "fuzz.jsonl"
        };
        self.reading.read(name, input)
    }
}
