//! Sixteen floats in two 256-bit registers.

use super::{LANES, Lanes, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// Sixteen floats in two registers; made from an [`Avx2`] alone, so the CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Ymms(__m256, __m256);

impl Avx2 {
    /// Safe to call only where these instructions are enabled, which the compiler checks.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// Sixteen set lanes, then sixteen clear ones: a window into it is the mask of the first lanes.
static MASKS: [i32; 2 * LANES] = {
    let mut masks = [0; 2 * LANES];
    let mut i = 0;
    while i < LANES {
        masks[i] = -1;
        i += 1;
    }
    masks
};

/// Masks of the two registers with the first `count` of sixteen lanes set.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn mask(count: usize) -> (__m256i, __m256i) {
    let window = MASKS[LANES - count.min(LANES)..].as_ptr();
    // SAFETY: the window starts at most sixteen before the end, so two registers fit in it.
    unsafe {
        (
            _mm256_loadu_si256(window.cast()),
            _mm256_loadu_si256(window.add(LANES / 2).cast()),
        )
    }
}

impl Simd for Avx2 {
    type Lanes = Ymms;
    const WIDE_TILES: bool = false;
    const LEAST_EXPONENT: f32 = -127.0;

    #[inline(always)]
    fn splat(self, x: f32) -> Ymms {
        // SAFETY: `self` proves AVX2.
        let x = unsafe { _mm256_set1_ps(x) };
        Ymms(x, x)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Ymms {
        // SAFETY: `self` proves AVX2, the caller vouches for sixteen floats; no alignment is
        // needed.
        unsafe { Ymms(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }
    #[inline(always)]
    unsafe fn load_head(self, from: *const f32, count: usize, fill: f32) -> Ymms {
        if count >= LANES {
            // SAFETY: sixteen floats may be read.
            return unsafe { self.load(from) };
        }
        // SAFETY: `self` proves AVX2; masked lanes are not read. The second pointer may point past
        // the readable floats, so it is formed by wrapping arithmetic.
        let lanes = unsafe {
            let (low, high) = mask(count);
            Ymms(
                _mm256_maskload_ps(from, low),
                _mm256_maskload_ps(from.wrapping_add(8), high),
            )
        };
        lanes.head(count, fill)
    }
}

impl Lanes for Ymms {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_add_ps(self.0, other.0),
                _mm256_add_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_sub_ps(self.0, other.0),
                _mm256_sub_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_mul_ps(self.0, other.0),
                _mm256_mul_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_div_ps(self.0, other.0),
                _mm256_div_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe { Ymms(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe {
            Ymms(
                _mm256_fmadd_ps(self.0, factor.0, term.0),
                _mm256_fmadd_ps(self.1, factor.1, term.1),
            )
        }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_max_ps(self.0, other.0),
                _mm256_max_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_min_ps(self.0, other.0),
                _mm256_min_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn exp2_of_low_bits(self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let bias = _mm256_set1_epi32(127);
            let low = _mm256_add_epi32(_mm256_castps_si256(self.0), bias);
            let high = _mm256_add_epi32(_mm256_castps_si256(self.1), bias);
            Ymms(
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(high)),
            )
        }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            Ymms(
                _mm256_round_ps::<_MM_FROUND_NO_EXC>(self.0),
                _mm256_round_ps::<_MM_FROUND_NO_EXC>(self.1),
            )
        }
    }
    #[inline(always)]
    fn times_power_of_two(self, n: Self) -> Self {
        // SAFETY: `self` proves AVX2.
        let power = |n: __m256| unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        };
        self.mul(Ymms(power(n.0), power(n.1)))
    }
    #[inline(always)]
    fn head(self, count: usize, fill: f32) -> Self {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let (low, high) = mask(count);
            let fill = _mm256_set1_ps(fill);
            Ymms(
                _mm256_blendv_ps(fill, self.0, _mm256_castsi256_ps(low)),
                _mm256_blendv_ps(fill, self.1, _mm256_castsi256_ps(high)),
            )
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let x = _mm256_add_ps(self.0, self.1);
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }
    #[inline(always)]
    fn maximum(self) -> f32 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let x = _mm256_max_ps(self.0, self.1);
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `self` proves AVX2, the caller vouches for room; no alignment is needed.
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn store_head(self, to: *mut f32, count: usize) {
        if count >= LANES {
            // SAFETY: sixteen floats may be written.
            return unsafe { self.store(to) };
        }
        // SAFETY: `self` proves AVX2; masked lanes are not written. The second pointer may point
        // past the writable floats, so it is formed by wrapping arithmetic.
        unsafe {
            let (low, high) = mask(count);
            _mm256_maskstore_ps(to, low, self.0);
            _mm256_maskstore_ps(to.wrapping_add(8), high, self.1);
        }
    }
}
