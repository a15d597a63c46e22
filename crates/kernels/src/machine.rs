//! What this machine's cores can do at most: the ruler that speed is measured with.

use std::time::{Duration, Instant};

/// Matrix products in GFLOP/s that `threads` threads reach together, each on matrices of its own.
///
/// The product is that of a linear map and its two gradients, `[rows, inner] × [inner, out]` and
/// both transposed forms, in single precision, repeated for about `time`; the best of several
/// rounds counts, so that a disturbance does not make the machine look slow, and a share of it
/// large.
pub fn product_rate([rows, inner, out]: [usize; 3], threads: usize, time: Duration) -> f64 {
    const ROUNDS: u32 = 8;
    let flop = 3.0 * 2.0 * (rows * inner * out) as f64;
    let round = || {
        let rates: Vec<f64> = std::thread::scope(|scope| {
            let work = || {
                let mut products = Products::new([rows, inner, out]);
                products.once();
                let (begin, mut count) = (Instant::now(), 0);
                while begin.elapsed() < time / ROUNDS {
                    products.once();
                    count += 1;
                }
                flop * f64::from(count) / begin.elapsed().as_secs_f64()
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().filter_map(|t| t.join().ok()).collect()
        });
        rates.iter().sum::<f64>()
    };
    (0..ROUNDS).map(|_| round()).fold(0.0, f64::max) / 1e9
}

/// Operands that stay where they are, so that only products are timed.
struct Products {
    shape: [usize; 3],
    x: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
}

impl Products {
    fn new([rows, inner, out]: [usize; 3]) -> Self {
        Self {
            shape: [rows, inner, out],
            x: vec![0.5; rows * inner],
            w: vec![0.25; inner * out],
            y: vec![0.125; rows * out],
        }
    }

    /// `y = x w`, then `x = y wᵀ`, then `w = xᵀ y`; what the numbers are does not matter.
    fn once(&mut self) {
        let [rows, inner, out] = self.shape;
        let (x, w, y) = (&mut self.x, &mut self.w, &mut self.y);
        product([rows, out, inner], x, [inner, 1], w, [out, 1], y);
        product([rows, inner, out], y, [out, 1], w, [1, out], x);
        product([inner, out, rows], x, [1, inner], y, [out, 1], w);
        // Numbers that grow without end would become infinite, and denormal ones slow.
        w.fill(0.25);
        x.fill(0.5);
    }
}

/// `to[m, n] = a[m, k] b[k, n]`, `to` dense, the others with distances of rows and columns.
fn product(
    [m, n, k]: [usize; 3],
    a: &[f32],
    [a_row, a_column]: [usize; 2],
    b: &[f32],
    [b_row, b_column]: [usize; 2],
    to: &mut [f32],
) {
    assert!(a.len() == m * k && b.len() == k * n && to.len() == m * n);
    // SAFETY: the lengths have been checked, and the strides are those of dense matrices or of
    // their transposes; `to` is borrowed uniquely, and is not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_column as isize,
            a_row as isize,
            b.as_ptr(),
            b_column as isize,
            b_row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
