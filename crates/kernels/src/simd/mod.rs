//! Sixteen floats at a time, on whatever vector registers the running CPU has.
//!
//! [`Simd`] is a set of instructions; [`Avx512`](avx512::Avx512), [`Avx2`](avx2::Avx2) and
//! [`Portable`](portable::Portable) are the three there are. A value of such a type is the proof
//! that the CPU has them: [`Level::run`] alone makes one, after asking the CPU. [`Lanes`] are
//! sixteen floats in the registers of one set, and exist only where their set does, so arithmetic
//! on them is safe. A loop over memory is a [`Kernel`], written once and compiled once per set.
//!
//! The compiler's own vectorizer was not good enough here: under wide target features it vectorized
//! arrays of sixteen along the wrong axis. Hence types of real registers, and `#[inline(always)]`
//! all the way up to the function that enables the instructions: anything not inlined into it is
//! compiled without them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod portable;

#[cfg(test)]
pub(crate) use level::with_level;
pub(crate) use level::{Kernel, Level};

/// Floats in one [`Lanes`].
pub(crate) const LANES: usize = 16;

/// A set of vector instructions which the running CPU is known to have.
pub(crate) trait Simd: Copy {
    /// Sixteen floats in this set's registers.
    type Lanes: Lanes;

    /// Whether the set has registers for a product tile of eight rows by two [`Lanes`]
    /// (sixteen accumulators beside the operands), or only for six by one.
    const WIDE_TILES: bool;

    /// The least exponent `n` for which [`Lanes::times_power_of_two`] gives `x·2ⁿ` or 0.
    const LEAST_EXPONENT: f32;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::Lanes;

    /// Reads sixteen floats.
    ///
    /// # Safety
    /// `from` must be valid for reading sixteen floats.
    unsafe fn load(self, from: *const f32) -> Self::Lanes;

    /// Reads the first `count` floats and puts `fill` into the other lanes.
    ///
    /// # Safety
    /// `from` must be valid for reading `count` floats (sixteen where `count` is more).
    unsafe fn load_head(self, from: *const f32, count: usize, fill: f32) -> Self::Lanes;
}

/// Sixteen floats, and arithmetic lane by lane.
pub(crate) trait Lanes: Copy {
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn sub(self, other: Self) -> Self;
    /// `self · other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`.
    fn div(self, other: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// `self · factor + term`, rounded once where the CPU can.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The larger; `other` where either is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    /// The power of two whose exponent is the integer in the low bits of each lane:
    /// `2^(bits mod 2⁹)` for `bits` in −127 ..= 127, with 0 for −127.
    fn exp2_of_low_bits(self) -> Self;
    /// The nearest integer, as a float; what a tie becomes is left open. For lanes within ±2²².
    fn round(self) -> Self;
    /// `self·2ⁿ` for integers `n` from [`Simd::LEAST_EXPONENT`] to 127; 0 where that is below the
    /// least normal number, or close to it.
    fn times_power_of_two(self, n: Self) -> Self;
    /// The first `count` lanes, with `fill` in the others.
    fn head(self, count: usize, fill: f32) -> Self;
    /// Sum over lanes, by halves.
    fn sum(self) -> f32;
    /// Largest lane; unspecified if any is NaN.
    fn maximum(self) -> f32;

    /// Writes sixteen floats.
    ///
    /// # Safety
    /// `to` must be valid for writing sixteen floats.
    unsafe fn store(self, to: *mut f32);

    /// Writes the first `count` lanes.
    ///
    /// # Safety
    /// `to` must be valid for writing `count` floats (sixteen where `count` is more).
    unsafe fn store_head(self, to: *mut f32, count: usize);
}

/// `eˣ` lane by lane for `x ≤ 88`, within 2 units in the last place; 0 below −88, NaN for NaN.
///
/// Cephes' single-precision `expf`: `x = n·ln 2 + r` with `|r| ≤ ½ ln 2` and `ln 2` in two parts,
/// then a polynomial of degree 6 in `r`. The integer `n` is had by adding 1.5·2²³, which leaves it
/// in the low bits.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::Lanes) -> S::Lanes {
    const ROUND_TO_INTEGER: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let c = |value: f32| simd.splat(value);

    // Below −88 the exponent is −127, whose power is zero: no slow subnormals follow. NaN comes
    // second, so it passes both bounds.
    let x = c(88.0).min(c(-88.0).max(x));
    let shifted = x.mul_add(c(std::f32::consts::LOG2_E), c(ROUND_TO_INTEGER));
    let n = shifted.sub(c(ROUND_TO_INTEGER));
    let r = n.mul_add(c(-LN_2_HIGH), x);
    let r = n.mul_add(c(-LN_2_LOW), r);
    let p = c(1.987_569_1e-4)
        .mul_add(r, c(1.398_199_9e-3))
        .mul_add(r, c(8.333_452e-3))
        .mul_add(r, c(4.166_579_6e-2))
        .mul_add(r, c(1.666_666_5e-1))
        .mul_add(r, c(0.5));
    let e_r = p.mul_add(r.mul(r), r).add(c(1.0));
    e_r.mul(shifted.exp2_of_low_bits())
}

/// `2ˣ` lane by lane for `x ≤ 127`, within 3 units in the last place; 0 far below −126, NaN for
/// NaN.
///
/// With `n` the nearest integer, `2ˣ = 2ⁿ·2^(x−n)`, the second factor by the polynomial of degree 5
/// with the least relative error on ±½, 7.5e-8 before rounding. Attention spends a third of its
/// time here.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::Lanes) -> S::Lanes {
    let c = |value: f32| simd.splat(value);
    // A NaN comes second, so it passes the bound.
    let x = c(S::LEAST_EXPONENT).max(x);
    let n = x.round();
    let f = x.sub(n);
    c(1.327_647_3e-3)
        .mul_add(f, c(9.675_541e-3))
        .mul_add(f, c(5.550_713e-2))
        .mul_add(f, c(2.402_212e-1))
        .mul_add(f, c(6.931_469_4e-1))
        .mul_add(f, c(1.000_000_1))
        .times_power_of_two(n)
}

/// `blocks!(j, count in n => body)` runs `body` with `j` = 0, 16, 32 … below `n` and `count` = 16,
/// and once more for a shorter rest. A macro, because a closure might not be inlined; the body is
/// expanded twice, so that in the long loop `count` is a constant and partial loads become whole
/// ones.
macro_rules! blocks {
    ($j:ident, $count:ident in $n:expr => $body:block) => {{
        let n: usize = $n;
        let mut $j = 0;
        while $j + $crate::simd::LANES <= n {
            let $count = $crate::simd::LANES;
            $body
            $j += $crate::simd::LANES;
        }
        if $j < n {
            let $count = n - $j;
            $body
        }
    }};
}
pub(crate) use blocks;

#[cfg(test)]
mod tests;
