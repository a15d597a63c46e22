//! Every parser with its adapter: how valid input is made, and how the parser is called.
//!
//! An adapter calls what the binary calls, through public functions alone. What changes when a
//! signature changes is one small file.

mod cache;
mod component;
mod compressed;
mod config;
mod corpus;
mod overrides;
mod parquet_bytes;
mod parquet_corpus;
mod parquet_table;
mod run_files;
mod schedule;
mod table;
mod tensors;
mod tokenizer;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::dice::Dice;
use crate::mutate::mutate;

/// A parser under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parser {
    /// Configurations: TOML.
    Config,
    /// `--set` overrides, one on each line.
    Overrides,
    /// Tables of `stages`: CSV, TSV.
    Csv,
    /// Corpora of JSON lines and of plain text.
    Jsonl,
    /// tokenizer.json.
    Tokenizer,
    /// Tensor files and checkpoints.
    Safetensors,
    /// Schedules of checkpoints and states.
    Schedule,
    /// Names of components.
    Component,
    /// Parquet as a corpus.
    ParquetCorpus,
    /// Parquet as a table of `stages`.
    ParquetTable,
    /// Compressed corpora.
    Compressed,
    /// Files of cached tokens.
    Cache,
    /// run.json, metrics.jsonl and table.jsonl.
    RunFiles,
}

/// What became of one input.
pub enum Verdict {
    /// It was read.
    Accepted,
    /// It was refused with this message.
    Refused(String),
    /// It was read, but what came out is not what went in.
    Wrong(String),
}

impl Verdict {
    /// The verdict of a result whose value is of no interest.
    pub fn of<T, E: std::fmt::Display>(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// How a parser is tried.
pub trait Adapter {
    /// A valid input, or one that is nearly valid.
    fn generate(&self, dice: &mut Dice) -> Vec<u8>;

    /// Words that the parser knows, to be put anywhere.
    fn words(&self) -> &[&'static str];

    /// Has the library read an input.
    fn read(&mut self, input: &[u8]) -> Verdict;

    /// The most memory that reading an input of this length may take, in bytes.
    fn allowance(&self, length: usize) -> usize {
        (64 << 20) + 2 * length
    }
}

impl Parser {
    /// All parsers.
    pub const ALL: [Self; 13] = [
        Self::Config,
        Self::Overrides,
        Self::Csv,
        Self::Jsonl,
        Self::Tokenizer,
        Self::Safetensors,
        Self::Schedule,
        Self::Component,
        Self::ParquetCorpus,
        Self::ParquetTable,
        Self::Compressed,
        Self::Cache,
        Self::RunFiles,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Overrides => "overrides",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Tokenizer => "tokenizer",
            Self::Safetensors => "safetensors",
            Self::Schedule => "schedule",
            Self::Component => "component",
            Self::ParquetCorpus => "parquet-corpus",
            Self::ParquetTable => "parquet-table",
            Self::Compressed => "compressed",
            Self::Cache => "cache",
            Self::RunFiles => "run-files",
        }
    }

    /// Its adapter, with what it needs on disk.
    pub fn adapter(self) -> Result<Box<dyn Adapter>> {
        Ok(match self {
            Self::Config => Box::new(config::Config::new()?),
            Self::Overrides => Box::new(overrides::Overrides::new()?),
            Self::Csv => Box::new(table::Table::new()?),
            Self::Jsonl => Box::new(corpus::Lines::new()?),
            Self::Tokenizer => Box::new(tokenizer::TokenizerJson::new()?),
            Self::Safetensors => Box::new(tensors::Tensors::new()?),
            Self::Schedule => Box::new(schedule::Schedules),
            Self::Component => Box::new(component::Components::new()),
            Self::ParquetCorpus => Box::new(parquet_corpus::ParquetCorpus::new()?),
            Self::ParquetTable => Box::new(parquet_table::ParquetTable::new()?),
            Self::Compressed => Box::new(compressed::Compressed::new()?),
            Self::Cache => Box::new(cache::Cache::new()?),
            Self::RunFiles => Box::new(run_files::RunFiles::new()?),
        })
    }
}

/// Input `index` of a seed: a valid one in eight times, any bytes now and then, else a damaged one.
pub fn input(parser: Parser, adapter: &dyn Adapter, seed: u64, index: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed, parser.name(), index);
    if dice.once_in(64) {
        let n = dice.length();
        return dice.bytes(n);
    }
    let mut input = adapter.generate(&mut dice);
    if !dice.once_in(8) {
        let other = adapter.generate(&mut dice);
        mutate(&mut dice, &mut input, &other, adapter.words());
    }
    input
}

/// A folder in memory where the system has one, removed with its owner.
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// A new one.
    pub fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("ontogeny-fuzz-");
        let folder = match memory.is_dir() {
            true => builder.tempdir_in(memory).or_else(|_| builder.tempdir()),
            false => builder.tempdir(),
        };
        Ok(Self {
            folder: folder.context("no temporary folder can be made")?,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts an input there.
    ///
    /// # Panics
    /// If the disk does not take it.
    pub fn put(&self, name: &str, input: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, input).expect("the temporary folder takes an input");
        path
    }

    /// Removes all files of a folder in it.
    pub fn clear(&self, folder: &str) {
        let entries = fs::read_dir(self.folder.path().join(folder));
        for entry in entries.into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every driver works, and most of what it calls valid is read.
    #[test]
    fn undamaged_inputs_are_mostly_read() {
        for parser in Parser::ALL {
            let mut adapter = parser.adapter().unwrap();
            let mut read = 0;
            for index in 0..40 {
                let input = adapter.generate(&mut Dice::new(3, "valid", index));
                match adapter.read(&input) {
                    Verdict::Accepted => read += 1,
                    Verdict::Refused(message) => assert!(!message.is_empty(), "{parser:?}"),
                    Verdict::Wrong(what) => panic!("{parser:?} {index}: {what}"),
                }
            }
            assert!(read >= 8, "{parser:?}: {read} of 40");
        }
    }
}
