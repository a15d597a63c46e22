//! The block function Threefry-4x32 with 20 rounds.
//!
//! Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section
//! 4.3: a bijection of four 32-bit words chosen by a key of four words, built of additions,
//! rotations and exclusive ors only, so that a host, a vector unit and a device agree on every bit.

/// Constant of the key schedule (Skein 1.3, truncated to 32 bits as in the paper).
const PARITY: u32 = 0x1BD1_1BDA;

/// Rotation amounts; rounds cycle through these eight pairs.
const ROTATIONS: [(u32, u32); 8] = [
    (10, 26),
    (11, 21),
    (13, 27),
    (23, 5),
    (6, 20),
    (17, 11),
    (25, 10),
    (18, 20),
];

/// The four random words that `key` assigns to `counter`.
#[inline(always)]
pub(super) fn threefry(key: [u32; 4], counter: [u32; 4]) -> [u32; 4] {
    let schedule = [
        key[0],
        key[1],
        key[2],
        key[3],
        PARITY ^ key[0] ^ key[1] ^ key[2] ^ key[3],
    ];
    let mut x = [
        counter[0].wrapping_add(key[0]),
        counter[1].wrapping_add(key[1]),
        counter[2].wrapping_add(key[2]),
        counter[3].wrapping_add(key[3]),
    ];
    // Five groups written out: with everything inlined a caller's loop over counters becomes
    // straight-line code, which is what the vectoriser needs.
    x = four_rounds(x, 0, &schedule, 1);
    x = four_rounds(x, 4, &schedule, 2);
    x = four_rounds(x, 0, &schedule, 3);
    x = four_rounds(x, 4, &schedule, 4);
    four_rounds(x, 0, &schedule, 5)
}

/// Four rounds, then the key schedule is added for the `injection`-th time.
#[inline(always)]
fn four_rounds(mut x: [u32; 4], first: usize, schedule: &[u32; 5], injection: usize) -> [u32; 4] {
    x = mix(x, ROTATIONS[first]);
    x = mix_crossed(x, ROTATIONS[first + 1]);
    x = mix(x, ROTATIONS[first + 2]);
    x = mix_crossed(x, ROTATIONS[first + 3]);
    for (i, word) in x.iter_mut().enumerate() {
        *word = word.wrapping_add(schedule[(injection + i) % 5]);
    }
    x[3] = x[3].wrapping_add(injection as u32);
    x
}

/// An even round: words 0 with 1, and 2 with 3.
#[inline(always)]
fn mix(mut x: [u32; 4], (a, b): (u32, u32)) -> [u32; 4] {
    x[0] = x[0].wrapping_add(x[1]);
    x[1] = x[1].rotate_left(a) ^ x[0];
    x[2] = x[2].wrapping_add(x[3]);
    x[3] = x[3].rotate_left(b) ^ x[2];
    x
}

/// An odd round: words 0 with 3, and 2 with 1.
#[inline(always)]
fn mix_crossed(mut x: [u32; 4], (a, b): (u32, u32)) -> [u32; 4] {
    x[0] = x[0].wrapping_add(x[3]);
    x[3] = x[3].rotate_left(a) ^ x[0];
    x[2] = x[2].wrapping_add(x[1]);
    x[1] = x[1].rotate_left(b) ^ x[2];
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors published with Random123 for `threefry4x32`, 20 rounds.
    #[test]
    fn known_answers() {
        let check = |key, counter, answer| assert_eq!(threefry(key, counter), answer);
        check(
            [0; 4],
            [0; 4],
            [0x9c6ca96a, 0xe17eae66, 0xfc10ecd4, 0x5256a7d8],
        );
        check(
            [u32::MAX; 4],
            [u32::MAX; 4],
            [0x2a881696, 0x57012287, 0xf6c7446e, 0xa16a6732],
        );
        // Digits of pi.
        check(
            [0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89],
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0x59cd1dbb, 0xb8879579, 0x86b5d00c, 0xac8b6d84],
        );
    }
}
