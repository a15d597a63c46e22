//! `--set key=value`.

use anyhow::Result;
use ontogeny_training::config::RunConfig;

use super::config::value;
use super::{Adapter, Verdict};
use crate::dice::Dice;

/// Overrides of a preset, one on each line of the input.
pub struct Overrides {
    /// Dotted keys that there are, with their defaults.
    keys: Vec<(String, String)>,
}

const WORDS: [&str; 12] = [
    "\n",
    "=",
    ".",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "arms",
    "model.d_model=",
    "data.kind=text",
    "training.lr",
];

impl Overrides {
    /// Takes the keys from a complete configuration.
    pub fn new() -> Result<Self> {
        let text = RunConfig::preset("induction", &[])?.resolved_toml;
        let mut keys = Vec::new();
        let mut section = String::new();
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                section = format!("{}.", header.trim_end_matches(']'));
            } else if let Some((key, value)) = line.split_once(" = ") {
                keys.push((format!("{section}{key}"), value.to_owned()));
            }
        }
        Ok(Self { keys })
    }
}

impl Adapter for Overrides {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let mut lines = Vec::new();
        for _ in 0..=dice.below(4) {
            let (key, default) = &self.keys[dice.below(self.keys.len())];
            let value = match dice.below(16) {
                0 => dice.below(10).to_string(),
                1 => dice.word().to_owned(),
                2 | 3 => value(dice),
                _ => default.clone(),
            };
            lines.push(format!("{key}={value}"));
        }
        lines.join("\n").into_bytes()
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let text = String::from_utf8_lossy(input);
        let overrides: Vec<String> = text.split('\n').map(str::to_owned).collect();
        Verdict::of(RunConfig::preset("induction", &overrides))
    }
}
