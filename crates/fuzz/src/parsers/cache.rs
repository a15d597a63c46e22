//! Files of cached tokens.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::corpus::{Reading, drawn};
use super::{Adapter, Verdict};
use crate::dice::Dice;
use crate::mutate::mutate_json;

/// The cached tokens of one corpus.
pub struct Cache {
    reading: Reading,
    /// The file that was written, and its name in the folder.
    whole: Vec<u8>,
    name: String,
}

const WORDS: [&str; 10] = [
    "ONTOTOK1",
    "\"tokens\":",
    "\"width\":4",
    "\"width\":3",
    "\"corpora\":[]",
    "\"hash\":",
    "{",
    "}",
    ",",
    "        ",
];

const CORPUS: &str =
    "{\"text\": \"so it was\"}\n{\"text\": \"and so it is\"}\n{\"text\": \"it is so\"}\n";

impl Cache {
    /// Has the tokens of a corpus cached.
    pub fn new() -> Result<Self> {
        let reading = Reading::new()?;
        reading.scratch().put("corpus.jsonl", CORPUS.as_bytes());
        reading.source("corpus.jsonl", "tokenizer.json")?;
        let folder = reading.scratch().path().join("cache");
        let file = fs::read_dir(&folder)?
            .next()
            .context("tokens are cached")??;
        let name = format!("cache/{}", file.file_name().to_string_lossy());
        Ok(Self {
            whole: fs::read(file.path())?,
            reading,
            name,
        })
    }

    /// The file with something else in its header, and its length set right.
    fn with_other_header(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let (length, rest) = self.whole.get(8..)?.split_first_chunk()?;
        let (header, tokens) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
        let mut header: Value = serde_json::from_slice(header).ok()?;
        match dice.below(3) {
            // Numbers that add up, once they are too large for 64 bits.
            0 => {
                let more = dice.bits() >> dice.below(64);
                let tokens = |part: &Value| part["tokens"].as_u64().unwrap_or(0);
                header["train"]["tokens"] = tokens(&header["train"]).wrapping_add(more).into();
                header["held_out"]["tokens"] =
                    tokens(&header["held_out"]).wrapping_sub(more).into();
            }
            _ => mutate_json(dice, &mut header),
        }
        let mut header = header.to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let length = (header.len() as u64).to_le_bytes();
        Some([&self.whole[..8], &length, &header, tokens].concat())
    }
}

impl Adapter for Cache {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(2) {
            0 => self.with_other_header(dice).unwrap_or_default(),
            _ => self.whole.clone(),
        }
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let path = self.reading.scratch().put(&self.name, input);
        let verdict = match self.reading.source("corpus.jsonl", "tokenizer.json") {
            Ok(source) => drawn(&source),
            Err(error) => Verdict::Refused(format!("{error:#}")),
        };
        // A file that is damaged is made again.
        match fs::read(&path) {
            Ok(now) if now == input || now == self.whole => verdict,
            Ok(_) => Verdict::Wrong("a damaged file was made again as another".to_owned()),
            Err(error) => Verdict::Wrong(format!("the file is gone: {error}")),
        }
    }
}
