//! The generator as a kernel: one unit of work for each block of four words.
//!
//! Written as the host's generator is, word for word; a device may contract a product and a sum
//! into one rounding, so integers agree exactly and normals to a few units in the last place.

#![expect(clippy::manual_rotate, reason = "a kernel has shifts, and no rotation")]

use std::f32::consts::LN_2;

use cubecl::prelude::*;

/// The four words of the generator's state.
#[derive(CubeType, Clone, Copy)]
struct Words {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
}

/// The key schedule: the key and its parity word.
#[derive(CubeType, Clone, Copy)]
struct Schedule {
    k0: u32,
    k1: u32,
    k2: u32,
    k3: u32,
    k4: u32,
}

#[cube]
fn rotate_left(x: u32, by: u32) -> u32 {
    (x << by) | (x >> (32u32 - by))
}

/// An even round: words 0 with 1, and 2 with 3.
#[cube]
fn mix(x: Words, p: u32, q: u32) -> Words {
    let a = x.a + x.b;
    let c = x.c + x.d;
    Words {
        a,
        b: rotate_left(x.b, p) ^ a,
        c,
        d: rotate_left(x.d, q) ^ c,
    }
}

/// An odd round: words 0 with 3, and 2 with 1.
#[cube]
fn mix_crossed(x: Words, p: u32, q: u32) -> Words {
    let a = x.a + x.d;
    let c = x.c + x.b;
    Words {
        a,
        b: rotate_left(x.b, q) ^ c,
        c,
        d: rotate_left(x.d, p) ^ a,
    }
}

#[cube]
fn first_four(x: Words) -> Words {
    let x = mix_crossed(mix(x, 10u32, 26u32), 11u32, 21u32);
    mix_crossed(mix(x, 13u32, 27u32), 23u32, 5u32)
}

#[cube]
fn second_four(x: Words) -> Words {
    let x = mix_crossed(mix(x, 6u32, 20u32), 17u32, 11u32);
    mix_crossed(mix(x, 25u32, 10u32), 18u32, 20u32)
}

#[cube]
fn inject(x: Words, a: u32, b: u32, c: u32, d: u32) -> Words {
    Words {
        a: x.a + a,
        b: x.b + b,
        c: x.c + c,
        d: x.d + d,
    }
}

#[cube]
fn threefry(counter: Words, k: Schedule) -> Words {
    let x = inject(counter, k.k0, k.k1, k.k2, k.k3);
    let x = inject(first_four(x), k.k1, k.k2, k.k3, k.k4 + 1u32);
    let x = inject(second_four(x), k.k2, k.k3, k.k4, k.k0 + 2u32);
    let x = inject(first_four(x), k.k3, k.k4, k.k0, k.k1 + 3u32);
    let x = inject(second_four(x), k.k4, k.k0, k.k1, k.k2 + 4u32);
    inject(first_four(x), k.k0, k.k1, k.k2, k.k3 + 5u32)
}

/// Uniform in [0, 1), a multiple of 2⁻²⁴.
#[cube]
fn uniform(word: u32) -> f32 {
    f32::cast_from(word >> 8u32) * 5.960_464_5e-8f32
}

/// Natural logarithm, as the host computes it: `2ᵉ·m` with `m` in [√½, √2), and the series of
/// 2·artanh.
#[cube]
fn logarithm(x: f32) -> f32 {
    let bits = i32::reinterpret(x);
    let exponent = (bits - 0x3f35_04f3i32) >> 23i32;
    let mantissa = f32::reinterpret(bits - (exponent << 23i32));
    let s = (mantissa - 1.0f32) / (mantissa + 1.0f32);
    let s2 = s * s;
    let series = 1.0f32 + s2 * (0.333_333_34f32 + s2 * (0.2f32 + s2 * 0.142_857_15f32));
    f32::cast_from(exponent) * LN_2 + 2.0f32 * s * series
}

/// Radius of a pair of normals, from a uniform in (0, 1].
#[cube]
fn radius(word: u32) -> f32 {
    let unit = f32::cast_from(i32::cast_from((word >> 1u32) | 1u32)) * 4.656_613e-10f32;
    (-2.0f32 * logarithm(unit)).sqrt()
}

/// Sine and cosine of `word`/2³² of a full turn, as the host computes them.
#[cube]
fn sine_cosine(word: u32) -> (f32, f32) {
    let quarter = (word + 0x2000_0000u32) >> 30u32;
    let angle = f32::cast_from(i32::reinterpret((word << 2u32) | 2u32)) * 3.657_291_8e-10f32;
    let a2 = angle * angle;
    let sine = angle
        + angle
            * a2
            * (-0.166_666_67f32
                + a2 * (0.008_333_334f32 + a2 * (-1.984_127e-4f32 + a2 * 2.755_731_9e-6f32)));
    let cosine = 1.0f32
        + a2 * (-0.5f32
            + a2 * (0.041_666_668f32 + a2 * (-0.001_388_888_9f32 + a2 * 2.480_158_8e-5f32)));
    let odd = (quarter & 1u32) == 1u32;
    let swapped_sine = select(odd, cosine, sine);
    let swapped_cosine = select(odd, sine, cosine);
    let down = (quarter >> 1u32) == 1u32;
    let left = ((quarter + 1u32) >> 1u32) & 1u32;
    let sine = select(down, -swapped_sine, swapped_sine);
    let cosine = select(left == 1u32, -swapped_cosine, swapped_cosine);
    (sine, cosine)
}

/// Numbers of every replica; `each` of them to a replica.
#[cube(launch)]
pub(super) fn threefry_noise(
    keys: &Tensor<u32>,
    out: &mut Tensor<f32>,
    index_low: u32,
    index_high: u32,
    each: u32,
    #[comptime] normal: bool,
) {
    let each = each as usize;
    let blocks = each.div_ceil(4);
    let replica = ABSOLUTE_POS / blocks;
    let block = ABSOLUTE_POS % blocks;
    if replica * each < out.len() {
        let k0 = keys[replica * 4];
        let k1 = keys[replica * 4 + 1];
        let k2 = keys[replica * 4 + 2];
        let k3 = keys[replica * 4 + 3];
        let schedule = Schedule {
            k0,
            k1,
            k2,
            k3,
            k4: 0x1BD1_1BDAu32 ^ k0 ^ k1 ^ k2 ^ k3,
        };
        // A replica has fewer than 2³⁴ parameters, so the high half of the block number is 0.
        let counter = Words {
            a: block as u32,
            b: 0u32,
            c: index_low,
            d: index_high,
        };
        let words = threefry(counter, schedule);
        let mut w = uniform(words.a);
        let mut x = uniform(words.b);
        let mut y = uniform(words.c);
        let mut z = uniform(words.d);
        if comptime!(normal) {
            let first = radius(words.a);
            let (sine, cosine) = sine_cosine(words.b);
            w = first * cosine;
            x = first * sine;
            let second = radius(words.c);
            let (sine, cosine) = sine_cosine(words.d);
            y = second * cosine;
            z = second * sine;
        }
        let at = block * 4;
        let start = replica * each + at;
        out[start] = w;
        if at + 1 < each {
            out[start + 1] = x;
        }
        if at + 2 < each {
            out[start + 2] = y;
        }
        if at + 3 < each {
            out[start + 3] = z;
        }
    }
}
