//! From random words to standard normals by the Box–Muller transform (Box and Muller, 1958), in
//! single precision and with the logarithm, sine and cosine written out here.
//!
//! Every operation is an integer one or an addition, multiplication, division or square root that
//! IEEE 754 rounds correctly, in an order that is fixed by the source: the bits are the same on
//! every processor and at every vector width. A fused multiply-add, or the system's own `ln` and
//! `sin`, would break that.

use std::f32::consts::{FRAC_PI_2, LN_2};

/// Two independent standard normals from two random words.
#[inline(always)]
pub(super) fn box_muller(radius_word: u32, angle_word: u32) -> (f32, f32) {
    let radius = (-2.0 * ln(unit_interval_without_zero(radius_word))).sqrt();
    let (sine, cosine) = sin_cos_of_turn(angle_word);
    (radius * cosine, radius * sine)
}

/// A uniform in (0, 1] with at least 2⁻³¹ and finer spacing near zero, so that the normals reach
/// beyond six standard deviations.
#[inline(always)]
fn unit_interval_without_zero(word: u32) -> f32 {
    // Signed, since vector units convert signed integers only.
    const SCALE: f32 = 1.0 / (1u32 << 31) as f32;
    ((word >> 1) | 1) as i32 as f32 * SCALE
}

/// Natural logarithm of a normal positive number.
///
/// x = 2ᵉ·m with m in [√½, √2); with s = (m−1)/(m+1), ln m = 2·artanh s, whose power series is cut
/// after s⁷: |s| ≤ 0.172 leaves a relative error below 2·10⁻⁸.
#[inline(always)]
fn ln(x: f32) -> f32 {
    // Bits of √½, the lower end of the mantissa's interval.
    const LOWER: u32 = 0x3f35_04f3;
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(LOWER) as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0)));
    exponent as f32 * LN_2 + 2.0 * s * series
}

/// Sine and cosine of the angle that is `word`/2³² of a full turn.
///
/// The two highest bits of `word`, rounded, are the nearest quarter turn; what is left is at most
/// π/4 either way, where the Taylor polynomials of degree 9 and 8 are exact to single precision.
#[inline(always)]
fn sin_cos_of_turn(word: u32) -> (f32, f32) {
    const QUARTER_TURN_PER_UNIT: f32 = FRAC_PI_2 / (1u64 << 32) as f32;
    let quarter = word.wrapping_add(1 << 29) >> 30;
    // The lowest bit is set to make the remainders symmetric about zero.
    let angle = ((word << 2) | 2) as i32 as f32 * QUARTER_TURN_PER_UNIT;
    let a2 = angle * angle;
    let sine = angle
        + angle
            * a2
            * (-1.0 / 6.0 + a2 * (1.0 / 120.0 + a2 * (-1.0 / 5040.0 + a2 * (1.0 / 362_880.0))));
    let cosine =
        1.0 + a2 * (-0.5 + a2 * (1.0 / 24.0 + a2 * (-1.0 / 720.0 + a2 * (1.0 / 40_320.0))));
    // An odd number of quarter turns swaps the two; signs follow from the quadrant.
    let (sine, cosine) = (sine.to_bits(), cosine.to_bits());
    let swap = 0u32.wrapping_sub(quarter & 1);
    let difference = (sine ^ cosine) & swap;
    let sine_sign = (quarter >> 1) << 31;
    let cosine_sign = ((quarter.wrapping_add(1)) >> 1) << 31;
    (
        f32::from_bits(sine ^ difference ^ sine_sign),
        f32::from_bits(cosine ^ difference ^ cosine_sign),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Words spread over the whole range, with its ends and the borders of the quadrants.
    fn words() -> impl Iterator<Item = u32> {
        let spread = (0..300_000u32).map(|i| i.wrapping_mul(2_654_435_761));
        let borders =
            (0..32).flat_map(|b| [-2i32, -1, 0, 1, 2].map(|d| (1u32 << b).wrapping_add_signed(d)));
        let quadrants =
            (0..8u32).flat_map(|q| [-2i32, -1, 0, 1, 2].map(|d| (q << 29).wrapping_add_signed(d)));
        spread.chain(borders).chain(quadrants)
    }

    #[test]
    fn logarithm_is_exact_to_single_precision() {
        for word in words() {
            let u = unit_interval_without_zero(word);
            assert!(u > 0.0 && u <= 1.0);
            let exact = f64::from(u).ln();
            let error = (f64::from(ln(u)) - exact).abs();
            assert!(error <= 3e-7 * exact.abs(), "ln {u}: {error}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn sine_and_cosine_are_exact_to_single_precision() {
        for word in words() {
            let (sine, cosine) = sin_cos_of_turn(word);
            let angle = f64::from(word) / 4_294_967_296.0 * TAU;
            let error = (f64::from(sine) - angle.sin()).abs();
            assert!(error < 2e-7, "sin of {word}: {error}");
            let error = (f64::from(cosine) - angle.cos()).abs();
            assert!(error < 2e-7, "cos of {word}: {error}");
        }
    }

    #[test]
    fn normals_agree_with_the_transform_in_double_precision() {
        let mut others = words();
        for word in words() {
            let other = others.next().unwrap_or(0).rotate_left(7);
            let (a, b) = box_muller(word, other);
            let radius = (-2.0 * f64::from(unit_interval_without_zero(word)).ln()).sqrt();
            let angle = f64::from(other) / 4_294_967_296.0 * TAU;
            assert!((f64::from(a) - radius * angle.cos()).abs() < 2e-6);
            assert!((f64::from(b) - radius * angle.sin()).abs() < 2e-6);
        }
    }
}
