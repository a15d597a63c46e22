//! Compressed corpora, and a few that unpack to far more than anyone has written.

use std::io::Write;

use anyhow::Result;

use super::corpus::{Reading, lines};
use super::{Adapter, Verdict};
use crate::dice::Dice;

/// Corpora as .jsonl.zst, .jsonl.gz, .txt.zst and .txt.gz.
pub struct Compressed {
    reading: Reading,
    /// Gzip of many equal bytes.
    gzip_bomb: Vec<u8>,
}

const WORDS: [&str; 6] = [
    "(\u{b5}/\u{fd}",
    "\u{1f}\u{8b}",
    "\n",
    "\"}",
    "\0\0\0\0",
    "P*M\u{18}",
];

/// What a frame of zstd may hold in one block.
const BLOCK: usize = 128 << 10;

impl Compressed {
    /// Prepares the folder.
    pub fn new() -> Result<Self> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(b"{\"text\": \"")?;
        for _ in 0..256 {
            gzip.write_all(&[b'a'; 1 << 18])?;
        }
        gzip.write_all(b"\"}\n")?;
        Ok(Self {
            // Its documents may be long, and only those of a byte-level tokenizer are cut up.
            reading: Reading::trained()?,
            gzip_bomb: gzip.finish()?,
        })
    }
}

/// A frame of zstd that says `first`, then `byte` some 128 kB times for each block.
fn zstd_bomb(first: &[u8], byte: u8, blocks: usize, last: &[u8]) -> Vec<u8> {
    // No checksum, no size, a window of 8 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3];
    let header = |last: bool, kind: u32, size: usize| {
        let header = u32::from(last) | kind << 1 | (size as u32) << 3;
        header.to_le_bytes()[..3].to_vec()
    };
    frame.extend(header(false, 0, first.len()));
    frame.extend(first);
    for _ in 0..blocks {
        frame.extend(header(false, 1, BLOCK));
        frame.push(byte);
    }
    frame.extend(header(true, 0, last.len()));
    frame.extend(last);
    frame
}

fn zstd(dice: &mut Dice, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let level = [1, 3, 9][dice.below(3)];
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), level)?;
    encoder.include_checksum(dice.once_in(2))?;
    if dice.once_in(4) {
        encoder.window_log([10, 20, 27][dice.below(3)])?;
    }
    encoder.write_all(text)?;
    encoder.finish()
}

fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

impl Adapter for Compressed {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let text = lines(dice);
        let packed = match dice.below(64) {
            0 if dice.once_in(64) => {
                let byte = [b'a', b' ', b'\n', 0, 0xff][dice.below(5)];
                return zstd_bomb(b"{\"text\": \"", byte, dice.below(4 << 10), b"\"}\n");
            }
            1 if dice.once_in(128) => return self.gzip_bomb.clone(),
            2..20 => gzip(&text),
            20..24 => {
                // Two frames, with one between them that is to be skipped.
                let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
                zstd(dice, &text).and_then(|one| Ok([one, skipped, zstd(dice, &text)?].concat()))
            }
            _ => zstd(dice, &text),
        };
        packed.unwrap_or_default()
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    /// What the file may hold when it is unpacked counts: 256 MiB, and 64 times its size.
    fn allowance(&self, length: usize) -> usize {
        (64 << 20) + 2 * ((256 << 20) + 64 * length)
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let packed = if input.starts_with(&[0x1f, 0x8b]) {
            "gz"
        } else {
            "zst"
        };
        let kind = if input.len().is_multiple_of(5) {
            "txt"
        } else {
            "jsonl"
        };
        self.reading.read(&format!("fuzz.{kind}.{packed}"), input)
    }
}
