//! Addition of positions on Flex tensors.

use super::buffer::{Unset, dense, dense_layout, dims, floats, tensor};
use crate::loops::{AddRows, ColumnSums};
use crate::simd::Level;
use burn::backend::flex::FlexTensor;

/// Positions of `[replica, positions, d]`.
pub(crate) fn count(positions: &FlexTensor) -> usize {
    let [_, count, _] = dims(positions);
    count
}

/// `[replica, rows, d]` from the same and `[replica, positions, d]`: position i goes to every row
/// that leaves i when divided by their number.
pub(crate) fn forward(x: FlexTensor, positions: FlexTensor) -> FlexTensor {
    let [replicas, rows, d] = dims(&x);
    let period = count(&positions) * d;
    let (x, positions) = (dense(x), dense(positions));
    let mut y = Unset::new(replicas * rows * d);
    if rows * d > 0 {
        for replica in 0..replicas {
            let own = replica * rows * d..(replica + 1) * rows * d;
            Level::current().run(AddRows {
                x: Some(&floats(&x)[own.clone()]),
                rows: Some(&floats(&positions)[replica * period..(replica + 1) * period]),
                columns: period,
                sums: &mut y.slots()[own],
            });
        }
    }
    // SAFETY: the kernel has set every element of every replica, or there is none.
    unsafe { y.into_tensor(dense_layout([replicas, rows, d])) }
}

/// The gradient in the positions: sums over the sequences.
pub(crate) fn gradient(dy: FlexTensor, positions: usize) -> FlexTensor {
    let [replicas, rows, d] = dims(&dy);
    let period = positions * d;
    let dy = dense(dy);
    let mut sums = vec![0.0; replicas * period];
    for replica in 0..replicas {
        Level::current().run(ColumnSums {
            matrix: &floats(&dy)[replica * rows * d..(replica + 1) * rows * d],
            sums: &mut sums[replica * period..(replica + 1) * period],
        });
    }
    tensor(sums, [replicas, positions, d])
}
