use super::*;

/// Applies [`exp`] to a slice.
struct Exp<'a>(&'a mut [f32]);
impl Kernel for Exp<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let p = self.0.as_mut_ptr();
        blocks!(j, count in self.0.len() => {
            // SAFETY: `blocks` keeps j + count within the slice.
            unsafe { exp(simd, simd.load_head(p.add(j), count, 0.0)).store_head(p.add(j), count) }
        });
    }
}

#[test]
fn exp_is_within_two_units_in_the_last_place() {
    with_level(|level| {
        let x: Vec<f32> = (0..20_001)
            .map(|i| -87.3 + 175.3 * i as f32 / 20_000.0)
            .collect();
        let mut y = x.clone();
        level.run(Exp(&mut y));
        for (&x, &y) in x.iter().zip(&y) {
            let exact = f64::from(x.min(88.0)).exp();
            let error = (f64::from(y) / exact - 1.0).abs() / f64::from(f32::EPSILON);
            assert!(
                error < 2.0,
                "{level:?}: exp({x}) = {y}, off by {error} units"
            );
        }
    });
}

#[test]
fn exp_of_the_far_left_is_zero_and_of_nan_is_nan() {
    with_level(|level| {
        let mut y = [f32::NEG_INFINITY, -1e30, -88.0, f32::NAN, 0.0, -0.0];
        level.run(Exp(&mut y));
        assert_eq!(y[..3], [0.0; 3], "{level:?}");
        assert!(y[3].is_nan(), "{level:?}");
        assert_eq!(y[4..], [1.0; 2], "{level:?}");
    });
}

/// Applies [`exp2`] to a slice.
struct Exp2<'a>(&'a mut [f32]);
impl Kernel for Exp2<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let p = self.0.as_mut_ptr();
        blocks!(j, count in self.0.len() => {
            // SAFETY: `blocks` keeps j + count within the slice.
            unsafe { exp2(simd, simd.load_head(p.add(j), count, 0.0)).store_head(p.add(j), count) }
        });
    }
}

#[test]
fn exp2_is_within_three_units_in_the_last_place() {
    with_level(|level| {
        let x: Vec<f32> = (0..20_001)
            .map(|i| -125.9 + 252.8 * i as f32 / 20_000.0)
            .collect();
        let mut y = x.clone();
        level.run(Exp2(&mut y));
        for (&x, &y) in x.iter().zip(&y) {
            let exact = f64::from(x).exp2();
            let error = (f64::from(y) / exact - 1.0).abs() / f64::from(f32::EPSILON);
            assert!(error < 3.0, "{level:?}: 2^{x} = {y}, off by {error} units");
        }
    });
}

#[test]
fn exp2_of_the_far_left_is_zero_and_of_nan_is_nan() {
    with_level(|level| {
        let mut y = [f32::NEG_INFINITY, -1e30, -151.0, f32::NAN];
        level.run(Exp2(&mut y));
        assert_eq!(y[..3], [0.0; 3], "{level:?}");
        assert!(y[3].is_nan(), "{level:?}");
    });
}

/// Reads the first `count` floats, and returns what every horizontal operation makes of them.
struct Heads<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}
impl Kernel for Heads<'_> {
    type Output = (f32, f32, f32);
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (f32, f32, f32) {
        let count = self.from.len();
        assert!(count <= LANES && self.to.len() == count);
        // SAFETY: both slices hold `count` floats.
        unsafe {
            let lanes = simd.load_head(self.from.as_ptr(), count, -7.0);
            lanes.store_head(self.to.as_mut_ptr(), count);
            let zeroed = lanes.head(count, 0.0);
            (lanes.maximum(), zeroed.sum(), lanes.head(0, 2.0).sum())
        }
    }
}

#[test]
fn heads_touch_only_their_lanes() {
    with_level(|level| {
        for count in 0..=LANES {
            // Both buffers end exactly where the readable and writable part does.
            let from: Vec<f32> = (0..count).map(|i| i as f32 * 0.5 - 3.0).collect();
            let mut to = vec![99.0; count + 1];
            let (maximum, sum, filled) = level.run(Heads {
                from: &from,
                to: &mut to[..count],
            });
            assert_eq!(to[..count], from, "{level:?} {count}");
            assert_eq!(to[count], 99.0, "{level:?} {count}");
            assert_eq!(sum, from.iter().sum::<f32>(), "{level:?} {count}");
            let padded = if count < LANES {
                -7.0
            } else {
                f32::NEG_INFINITY
            };
            let expected = from.iter().copied().fold(padded, f32::max);
            assert_eq!(maximum, expected, "{level:?} {count}");
            assert_eq!(filled, 32.0, "{level:?} {count}");
        }
    });
}
