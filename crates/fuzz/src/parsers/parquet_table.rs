//! Parquet as a table of `stages`.

use anyhow::Result;

use super::table::read_table;
use super::{Adapter, Scratch, Verdict, parquet_bytes};
use crate::dice::Dice;

/// The columns `step` and `loss`.
pub struct ParquetTable {
    scratch: Scratch,
}

impl ParquetTable {
    /// Prepares the folder.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        Ok(Self { scratch })
    }
}

impl Adapter for ParquetTable {
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
        let path = self.scratch.put("fuzz.parquet", input);
        read_table(&path, "step", "loss", None)
    }
}
