//! Choices that a seed and an index decide.

use ontogeny_store::{Stream, StreamRng};
use rand::Rng;

/// The choices of one input.
pub struct Dice {
    rng: StreamRng,
}

/// Numbers that parsers stumble over.
const ODD_NUMBERS: [&str; 32] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "1e308",
    "1e309",
    "-1e309",
    "5e-324",
    "1e-400",
    "nan",
    "inf",
    "-inf",
    "0x7f",
    "1_000",
    "1,5",
    "1.000.000",
    "00012",
];

/// Words with letters that take more than a byte, that join, that run from right to left.
const WORDS: [&str; 16] = [
    "a",
    "the",
    "step",
    "loss",
    "é",
    "e\u{301}",
    "ß",
    "日本",
    "👩‍👩‍👧",
    "\u{202e}x",
    "\u{0}",
    "\u{feff}",
    "x y",
    "<unk>",
    "<|endoftext|>",
    "",
];

impl Dice {
    /// The choices of input `index` of a kind.
    pub fn new(seed: u64, kind: &str, index: u64) -> Self {
        Self {
            rng: Stream::new(seed, kind, &[]).at(index),
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// One of `0..n`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// One of 64 kB or fewer lengths, mostly short ones.
    pub fn length(&mut self) -> usize {
        let bits = self.below(17);
        self.below(1 << bits)
    }

    /// A word.
    pub fn word(&mut self) -> &'static str {
        self.pick(&WORDS)
    }

    /// Some words in a row.
    pub fn words(&mut self, most: usize) -> String {
        let n = self.below(most + 1);
        let words: Vec<&str> = (0..n).map(|_| self.word()).collect();
        words.join(" ")
    }

    /// A number as text: an odd one, a whole one, or one with a fraction.
    pub fn number(&mut self) -> String {
        match self.below(4) {
            0 => self.pick(&ODD_NUMBERS).to_owned(),
            1 => self.below(100).to_string(),
            2 => (self.bits() >> self.below(64)).to_string(),
            _ => format!("{:e}", f64::from_bits(self.bits())),
        }
    }

    /// Any bytes.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}
