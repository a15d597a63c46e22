//! Whole slices of random numbers at the speed of the machine's vector unit.
//!
//! One generic body, [`fill`], works on chunks of 64 counters, a loop over independent lanes that
//! the compiler vectorises. It is compiled once for the target's baseline and, on x86-64, again
//! with wider instructions enabled; the copies give the same bits, since none of them may reorder
//! or fuse floating-point operations.

use super::normal::box_muller;
use super::threefry::threefry;

/// Counters in a chunk.
const LANES: usize = 64;
/// Words, and so numbers, in a chunk.
const CHUNK: usize = 4 * LANES;

/// What becomes of the four words of a counter.
trait Shape {
    fn shape(words: [u32; 4]) -> [f32; 4];
}

/// Uniform in [0, 1), multiples of 2⁻²⁴.
struct Uniform;
/// Standard normal.
struct Normal;

impl Shape for Uniform {
    #[inline(always)]
    fn shape(words: [u32; 4]) -> [f32; 4] {
        const SCALE: f32 = 1.0 / (1u32 << 24) as f32;
        // Signed, since vector units convert signed integers only.
        words.map(|word| (word >> 8) as i32 as f32 * SCALE)
    }
}

impl Shape for Normal {
    #[inline(always)]
    fn shape(words: [u32; 4]) -> [f32; 4] {
        let (a, b) = box_muller(words[0], words[1]);
        let (c, d) = box_muller(words[2], words[3]);
        [a, b, c, d]
    }
}

/// Element i is number i % 4 of block i / 4 of the sequence `index`.
pub(super) fn uniform(key: [u32; 4], index: u64, out: &mut [f32]) {
    dispatch::<Uniform>(key, index, out);
}

/// Element i is number i % 4 of block i / 4 of the sequence `index`.
pub(super) fn normal(key: [u32; 4], index: u64, out: &mut [f32]) {
    dispatch::<Normal>(key, index, out);
}

#[cfg(target_arch = "x86_64")]
fn dispatch<S: Shape>(key: [u32; 4], index: u64, out: &mut [f32]) {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor was just found to have the features that the copy enables.
        unsafe { fill_avx512::<S>(key, index, out) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        unsafe { fill_avx2::<S>(key, index, out) }
    } else {
        fill::<S>(key, index, out);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn dispatch<S: Shape>(key: [u32; 4], index: u64, out: &mut [f32]) {
    fill::<S>(key, index, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
fn fill_avx512<S: Shape>(key: [u32; 4], index: u64, out: &mut [f32]) {
    fill::<S>(key, index, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fill_avx2<S: Shape>(key: [u32; 4], index: u64, out: &mut [f32]) {
    fill::<S>(key, index, out);
}

#[inline(always)]
fn fill<S: Shape>(key: [u32; 4], index: u64, out: &mut [f32]) {
    let mut block = 0;
    let (chunks, rest) = out.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        fill_chunk::<S>(key, index, block, chunk);
        block += LANES as u64;
    }
    if !rest.is_empty() {
        let mut chunk = [0.0; CHUNK];
        fill_chunk::<S>(key, index, block, &mut chunk);
        rest.copy_from_slice(&chunk[..rest.len()]);
    }
}

#[inline(always)]
fn fill_chunk<S: Shape>(key: [u32; 4], index: u64, first_block: u64, out: &mut [f32; CHUNK]) {
    // Chunks begin at multiples of 64, so the low half of the counter never carries inside one.
    let (low, high) = (first_block as u32, (first_block >> 32) as u32);
    let (index_low, index_high) = (index as u32, (index >> 32) as u32);
    let (quads, _) = out.as_chunks_mut::<4>();
    for (lane, quad) in quads.iter_mut().enumerate() {
        let counter = [low + lane as u32, high, index_low, index_high];
        *quad = S::shape(threefry(key, counter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u32; 4] = [1, 2, 3, 4];

    /// Calls one compiled copy with the same arguments as the baseline and compares bits.
    fn check_copy<S: Shape>(name: &str, copy: impl Fn([u32; 4], u64, &mut [f32])) {
        for length in [1, 255, 256, 1000] {
            let (mut expected, mut found) = (vec![0.0; length], vec![1.0; length]);
            fill::<S>(KEY, 77, &mut expected);
            copy(KEY, 77, &mut found);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&expected), "{name}, {length} numbers");
        }
    }

    #[test]
    fn every_copy_this_processor_can_run_gives_the_same_bits() {
        check_copy::<Normal>("dispatched", normal);
        check_copy::<Uniform>("dispatched", uniform);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was just found to have the feature.
            check_copy::<Normal>("avx2", |k, i, out| unsafe {
                fill_avx2::<Normal>(k, i, out)
            });
            // SAFETY: as above.
            check_copy::<Uniform>("avx2", |k, i, out| unsafe {
                fill_avx2::<Uniform>(k, i, out)
            });
        }
    }

    #[test]
    fn vector_and_scalar_code_agree_beyond_the_low_half_of_the_counter() {
        let first_block = (7 << 32) - LANES as u64;
        for first_block in [first_block, first_block + LANES as u64] {
            let mut chunk = [0.0; CHUNK];
            fill_chunk::<Uniform>(KEY, 5 << 32 | 6, first_block, &mut chunk);
            for lane in [0, 1, 63] {
                let block = first_block + lane as u64;
                let counter = [block as u32, (block >> 32) as u32, 6, 5];
                let expected = Uniform::shape(threefry(KEY, counter));
                assert_eq!(chunk[4 * lane..][..4], expected);
            }
        }
    }
}
