//! Sixteen floats in one 512-bit register.

use super::{LANES, Lanes, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Sixteen floats in one register; made from an [`Avx512`] alone, so the CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Zmm(__m512);

impl Avx512 {
    /// Safe to call only where these instructions are enabled, which the compiler checks.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// Bits 0 .. `count` set; all sixteen for more.
#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    ((1_u32 << count.min(LANES)) - 1) as __mmask16
}

impl Simd for Avx512 {
    type Lanes = Zmm;
    const WIDE_TILES: bool = true;
    const LEAST_EXPONENT: f32 = -160.0;

    #[inline(always)]
    fn splat(self, x: f32) -> Zmm {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Zmm {
        // SAFETY: `self` proves AVX-512, the caller vouches for sixteen floats; no alignment is
        // needed.
        Zmm(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn load_head(self, from: *const f32, count: usize, fill: f32) -> Zmm {
        // SAFETY: `self` proves AVX-512; lanes outside the mask are not read.
        Zmm(unsafe { _mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask(count), from) })
    }
}

impl Lanes for Zmm {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn exp2_of_low_bits(self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe {
            let exponent = _mm512_add_epi32(_mm512_castps_si512(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        })
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_roundscale_ps::<_MM_FROUND_NO_EXC>(self.0) })
    }
    #[inline(always)]
    fn times_power_of_two(self, n: Self) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }
    #[inline(always)]
    fn head(self, count: usize, fill: f32) -> Self {
        // SAFETY: `self` proves AVX-512.
        Zmm(unsafe { _mm512_mask_mov_ps(_mm512_set1_ps(fill), mask(count), self.0) })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    fn maximum(self) -> f32 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_reduce_max_ps(self.0) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `self` proves AVX-512, the caller vouches for room; no alignment is needed.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_head(self, to: *mut f32, count: usize) {
        // SAFETY: `self` proves AVX-512; lanes outside the mask are not written.
        unsafe { _mm512_mask_storeu_ps(to, mask(count), self.0) }
    }
}
