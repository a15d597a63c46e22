//! Tables of `stages`: CSV, TSV and their neighbours.

use std::path::Path;

use anyhow::Result;
use ontogeny_analysis::series::{self, Wanted};

use super::{Adapter, Scratch, Verdict};
use crate::dice::Dice;

/// Tables as files.
pub struct Table {
    scratch: Scratch,
}

const WORDS: [&str; 22] = [
    "step", "loss", "loss_se", "replica", "none", ",", ";", "\t", "|", "\"", "\"\"", "\n", "\r\n",
    "\r", "#", "NaN", "-inf", "1.000", "1,5", " ", "\u{feff}", "sep=;\n",
];

impl Table {
    /// Prepares the folder.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        Ok(Self { scratch })
    }
}

/// Reads two columns of a file, with a column of errors if one is named.
pub fn read_table(path: &Path, step: &str, value: &str, error: Option<String>) -> Verdict {
    let wanted = Wanted {
        step: step.to_owned(),
        values: vec![value.to_owned()],
        error,
        replica_column: None,
        replica: None,
    };
    let read = series::read(path, &wanted).and_then(|series| {
        let replicas = series.replicas.into_iter();
        replicas
            .map(|replica| replica.rows)
            .collect::<Result<Vec<_>, _>>()
    });
    Verdict::of(read)
}

impl Adapter for Table {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let separator = dice.pick(&[",", ",", ",", ";", "\t"]);
        let end = dice.pick(&["\n", "\n", "\r\n", "\r"]);
        let mut columns = vec!["step", "loss"];
        let more = ["loss_se", "replica", "llc", "a, \"b\"", "é", "日本"];
        columns.extend(more.iter().filter(|_| dice.once_in(3)));
        let quoted = |text: &str| match text.contains([',', '"', ';', '\n']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let header: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let mut lines = vec![header.join(separator)];
        let odd = 1 << (2 + dice.below(8));
        for row in 0..dice.below(30) + 1 {
            let cells: Vec<String> = columns
                .iter()
                .map(|&column| match column {
                    _ if dice.once_in(odd) => quoted(dice.word()),
                    "step" => (10 * row).to_string(),
                    "replica" => "seed0".to_owned(),
                    _ if dice.once_in(16) => String::new(),
                    _ if dice.once_in(odd) => dice.number(),
                    _ => format!("{:.3}", 5.0 / (1.0 + row as f64)),
                })
                .collect();
            lines.push(cells.join(separator));
        }
        let text = lines.join(end) + end;
        match dice.below(24) {
            0 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            1 => format!("\u{feff}{text}").into_bytes(),
            2 => format!("# made by hand{end}{text}").into_bytes(),
            _ => text.into_bytes(),
        }
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let ending = ["csv", "csv", "csv", "tsv", "txt", "csv.gz"][input.len() % 6];
        let path = self.scratch.put(&format!("fuzz.{ending}"), input);
        // The columns that are meant, or the first two there are.
        let text = String::from_utf8_lossy(input);
        let first = text.lines().next().unwrap_or_default();
        let mut names = first
            .split([',', ';', '\t'])
            .map(|name| name.trim().trim_matches('"'));
        let (step, value) = match input.len() % 4 {
            0 => (names.next().unwrap_or(""), names.next().unwrap_or("")),
            _ => ("step", "loss"),
        };
        let error = text.contains("loss_se").then(|| "loss_se".to_owned());
        let verdict = read_table(&path, step, value, error);
        let _ = std::fs::remove_file(path);
        verdict
    }
}
