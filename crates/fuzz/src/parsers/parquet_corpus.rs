//! Parquet as a corpus.

use anyhow::Result;

use super::corpus::Reading;
use super::{Adapter, Verdict, parquet_bytes};
use crate::dice::Dice;

/// Documents in the column `text`.
pub struct ParquetCorpus {
    reading: Reading,
}

impl ParquetCorpus {
    /// Prepares the folder.
    pub fn new() -> Result<Self> {
        let reading = Reading::new()?;
        Ok(Self { reading })
    }
}

impl Adapter for ParquetCorpus {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        parquet_bytes::file(dice)
    }

    fn words(&self) -> &[&'static str] {
        &parquet_bytes::WORDS
    }

    fn allowance(&self, length: usize) -> usize {
        parquet_bytes::allowance(length)
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        self.reading.read("fuzz.parquet", input)
    }
}
