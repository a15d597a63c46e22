//! Sixteen floats in an array: for CPUs without AVX2, and the plainest statement of what the others
//! do.

use super::{LANES, Lanes, Simd};

/// What the compilation target has, vectorized by the compiler.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Sixteen floats as an array.
#[derive(Clone, Copy)]
pub(crate) struct Array([f32; LANES]);

impl Array {
    #[inline(always)]
    fn zip(mut self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        for (x, y) in self.0.iter_mut().zip(other.0) {
            *x = f(*x, y);
        }
        self
    }

    /// Folds the upper half onto the lower until one lane is left.
    #[inline(always)]
    fn fold(mut self, f: impl Fn(f32, f32) -> f32) -> f32 {
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                self.0[i] = f(self.0[i], self.0[i + half]);
            }
            half /= 2;
        }
        self.0[0]
    }
}

impl Simd for Portable {
    type Lanes = Array;
    const WIDE_TILES: bool = false;
    const LEAST_EXPONENT: f32 = -127.0;

    #[inline(always)]
    fn splat(self, x: f32) -> Array {
        Array([x; LANES])
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Array {
        // SAFETY: the caller vouches for sixteen floats at `from`; an array of them is read
        // unaligned.
        Array(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_head(self, from: *const f32, count: usize, fill: f32) -> Array {
        let mut lanes = [fill; LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: i < count, and the caller vouches for `count` floats at `from`.
            *lane = unsafe { *from.add(i) };
        }
        Array(lanes)
    }
}

impl Lanes for Array {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |x, y| x + y)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |x, y| x - y)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |x, y| x * y)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |x, y| x / y)
    }
    #[inline(always)]
    fn sqrt(mut self) -> Self {
        for x in &mut self.0 {
            *x = x.sqrt();
        }
        self
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        if cfg!(target_arch = "aarch64") {
            let mut lanes = term;
            for (sum, (x, y)) in lanes.0.iter_mut().zip(self.0.into_iter().zip(factor.0)) {
                *sum = x.mul_add(y, *sum);
            }
            lanes
        } else {
            // `f32::mul_add` is a slow library call where the target has no such instruction.
            self.mul(factor).add(term)
        }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |x, y| if x < y { x } else { y })
    }
    #[inline(always)]
    fn exp2_of_low_bits(mut self) -> Self {
        for x in &mut self.0 {
            *x = f32::from_bits(x.to_bits().wrapping_add(127) << 23);
        }
        self
    }
    #[inline(always)]
    fn round(mut self) -> Self {
        // Adding and taking away 1.5·2²³ leaves no room for a fraction.
        const ROUND_TO_INTEGER: f32 = 12_582_912.0;
        for x in &mut self.0 {
            *x = (*x + ROUND_TO_INTEGER) - ROUND_TO_INTEGER;
        }
        self
    }
    #[inline(always)]
    fn times_power_of_two(self, n: Self) -> Self {
        const ROUND_TO_INTEGER: f32 = 12_582_912.0;
        self.zip(n, |x, n| {
            // The integer lies in the low bits of the sum.
            let bits = (n + ROUND_TO_INTEGER).to_bits();
            x * f32::from_bits(bits.wrapping_add(127) << 23)
        })
    }
    #[inline(always)]
    fn head(mut self, count: usize, fill: f32) -> Self {
        for lane in self.0.iter_mut().skip(count) {
            *lane = fill;
        }
        self
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self.fold(|x, y| x + y)
    }
    #[inline(always)]
    fn maximum(self) -> f32 {
        self.fold(|x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for room for sixteen floats at `to`.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_head(self, to: *mut f32, count: usize) {
        for (i, lane) in self.0.iter().enumerate().take(count) {
            // SAFETY: i < count, and the caller vouches for room for `count` floats at `to`.
            unsafe { *to.add(i) = *lane }
        }
    }
}
