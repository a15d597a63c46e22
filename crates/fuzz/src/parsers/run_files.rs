//! run.json, metrics.jsonl and table.jsonl.

use anyhow::Result;
use ontogeny_analysis::table::{MeasureRow, parse_row};
use ontogeny_store::{RunFolder, Series, read_series};
use serde_json::{Value, json};

use super::{Adapter, Scratch, Verdict};
use crate::dice::Dice;
use crate::mutate::mutate_json;

/// The first byte of an input says which file it is.
pub struct RunFiles {
    scratch: Scratch,
}

const WORDS: [&str; 12] = [
    "\"schema\":",
    "\"step\":",
    "\"replica\":",
    "\"values\":{",
    "null",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "\"replicas\":[",
    "1e999",
];

impl RunFiles {
    /// Prepares a folder.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        Ok(Self { scratch })
    }
}

fn manifest(dice: &mut Dice) -> Value {
    json!({
        "schema": 1, "name": dice.words(2), "config_key": "0f".repeat(32), "device_kind": "cpu",
        "version": "0.1.0", "created": "2024-02-29T23:59:59Z",
        "replicas": [{ "name": "seed0", "arm": "base", "seed": dice.below(9) }],
    })
}

fn line(dice: &mut Dice, kind: usize, step: usize) -> Value {
    let number = (dice.bits() >> 11) as f64 / 1e12;
    match kind {
        1 => {
            json!({ "step": step, "replica": "seed0", "loss": number, "grad_norm": 0.1, "lr": 1e-3 })
        }
        _ => json!({
            "step": step, "tokens": 32 * step, "replica": dice.pick(&["seed0", "é"]),
            "values": { "llc": number, "loss": 1.5 }, "vectors": { "icl": [0.5, -1.0] },
            "words": { "verdict": dice.word() },
        }),
    }
}

impl Adapter for RunFiles {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let kind = dice.below(3);
        let mut text = format!("{kind}");
        if kind == 0 {
            let mut manifest = manifest(dice);
            if dice.once_in(2) {
                mutate_json(dice, &mut manifest);
            }
            text.push_str(&manifest.to_string());
        } else {
            for step in 0..dice.below(6) {
                let mut line = line(dice, kind, step);
                if dice.once_in(8) {
                    mutate_json(dice, &mut line);
                }
                text.push_str(&line.to_string());
                text.push('\n');
            }
        }
        text.into_bytes()
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let (kind, content) = input.split_first().unwrap_or((&b'0', &[]));
        match kind % 3 {
            0 => {
                self.scratch.put("run.json", content);
                Verdict::of(RunFolder::open(self.scratch.path()))
            }
            1 => self.metrics(content),
            _ => {
                // As `stages` reads a run's table.
                let text = String::from_utf8_lossy(content);
                let rows: Result<Vec<MeasureRow>, _> = text.lines().map(parse_row).collect();
                Verdict::of(rows)
            }
        }
    }
}

impl RunFiles {
    fn metrics(&self, content: &[u8]) -> Verdict {
        let path = self.scratch.put("metrics.jsonl", content);
        let all = match read_series(&path) {
            Ok(all) => all,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        // A run that goes on keeps the lines before its step, whole.
        let early = |line: &Value| line["step"].as_u64().is_some_and(|step| step < 3);
        if let Err(error) = Series::resume(&path, early) {
            return Verdict::Wrong(format!("it is read, but not gone on with: {error}"));
        }
        let kept: Vec<Value> = all.into_iter().filter(early).collect();
        match read_series(&path) {
            Ok(now) if now == kept => Verdict::Accepted,
            now => Verdict::Wrong(format!("{} lines are kept, {now:?} is there", kept.len())),
        }
    }
}
