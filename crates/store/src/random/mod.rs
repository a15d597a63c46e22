//! Randomness as a function of (seed, purpose, coordinates, index).
//!
//! A [`Stream`] is a key of the counter-based generator Threefry-4x32-20; an index chooses one of
//! its 2⁶⁴ independent sequences. Nothing is advanced or shared: batch 17 of replica 3 is the same
//! numbers whether the run was resumed, sharded, stacked or reordered. Golden vectors pin all of
//! it, since any change would change every result.
//!
//! ```
//! use ontogeny_store::Stream;
//! use rand::RngExt;
//!
//! let noise = Stream::new(7, "chain noise", &[2]);
//! let mut at_draw_40 = [0.0; 100];
//! noise.fill_normal(40, &mut at_draw_40);
//!
//! let die: u32 = noise.child("die", &[]).at(0).random_range(1..=6);
//! assert!((1..=6).contains(&die));
//! ```

mod fill;
mod normal;
mod threefry;

use std::convert::Infallible;

use rand::TryRng;

use crate::key::{Key, KeyBuilder};
use threefry::threefry;

/// A family of 2⁶⁴ independent random sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 4],
}

impl Stream {
    /// The stream for a purpose under a seed; the coordinates tell apart streams of one purpose
    /// (a replica, a chain). Streams that differ in any of the three are independent.
    pub fn new(seed: u64, purpose: &str, coordinates: &[u64]) -> Self {
        let root = KeyBuilder::new("stream/1").number("seed", seed);
        Self::from_parts(root, purpose, coordinates)
    }

    /// A stream of its own for a purpose within this one.
    pub fn child(&self, purpose: &str, coordinates: &[u64]) -> Self {
        let parent: Vec<u8> = self
            .key
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let root = KeyBuilder::new("stream-child/1").bytes("parent", &parent);
        Self::from_parts(root, purpose, coordinates)
    }

    fn from_parts(root: KeyBuilder, purpose: &str, coordinates: &[u64]) -> Self {
        let coordinates: Vec<u8> = coordinates.iter().flat_map(|c| c.to_le_bytes()).collect();
        let hash: Key = root
            .text("purpose", purpose)
            .bytes("coordinates", &coordinates)
            .finish();
        let (words, _) = hash.as_bytes().as_chunks::<4>();
        Self {
            key: [0, 1, 2, 3].map(|i| u32::from_le_bytes(words[i])),
        }
    }

    /// The generator's key, for a device that computes the same numbers where it needs them.
    pub fn key(&self) -> [u32; 4] {
        self.key
    }

    /// The sequence number `index`, from its beginning, as a generator for `rand`.
    pub fn at(&self, index: u64) -> StreamRng {
        StreamRng {
            key: self.key,
            index,
            next_block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    /// Fills with uniforms in [0, 1), multiples of 2⁻²⁴. Element i depends on the stream, the
    /// index and i only, not on the length: it is the i-th word of [`Stream::at`], scaled.
    pub fn fill_uniform(&self, index: u64, out: &mut [f32]) {
        fill::uniform(self.key, index, out);
    }

    /// Fills with standard normals. Element i depends on the stream, the index and i only, not on
    /// the length, and has the same bits on every machine.
    ///
    /// Uses the same words as [`Stream::fill_uniform`] and [`Stream::at`], so take different
    /// indices or streams where independence is needed.
    pub fn fill_normal(&self, index: u64, out: &mut [f32]) {
        fill::normal(self.key, index, out);
    }
}

/// One sequence of a [`Stream`], read from its beginning; implements the traits of `rand`.
///
/// The counter of block b is (b low, b high, index low, index high); a block is four words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRng {
    key: [u32; 4],
    index: u64,
    next_block: u64,
    words: [u32; 4],
    used: usize,
}

impl StreamRng {
    #[inline]
    fn next_word(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [
                self.next_block as u32,
                (self.next_block >> 32) as u32,
                self.index as u32,
                (self.index >> 32) as u32,
            ];
            self.words = threefry(self.key, counter);
            self.next_block = self.next_block.wrapping_add(1);
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }
}

impl TryRng for StreamRng {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_word())
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.next_word());
        let high = u64::from(self.next_word());
        Ok(high << 32 | low)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for piece in out.chunks_mut(4) {
            piece.copy_from_slice(&self.next_word().to_le_bytes()[..piece.len()]);
        }
        Ok(())
    }
}
