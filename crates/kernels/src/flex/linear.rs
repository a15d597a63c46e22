//! Linear maps on Flex tensors, by the `gemm` crate, with the bias inside the product.

use super::buffer::{Unset, dense, dense_layout, dims, floats, tensor};
use crate::loops::{AddRows, ColumnSums};
use crate::simd::Level;
use burn::backend::flex::{FlexTensor, Layout};
use std::mem::MaybeUninit;

/// One replica's matrix inside a tensor, in any layout with positive strides.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    /// From the first element on.
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a> Matrix<'a> {
    /// Replica `replica` of a `[replica, rows, columns]` tensor made by [`strided`].
    fn of(tensor: &'a FlexTensor, replica: usize) -> Self {
        let [_, rows, columns] = dims(tensor);
        let stride = |i: usize| tensor.layout().strides()[i].unsigned_abs();
        let start = tensor.layout().start_offset() + replica * stride(0);
        let matrix = Matrix {
            data: &tensor.storage::<f32>()[start..],
            rows,
            columns,
            row: stride(1),
            column: stride(2),
        };
        let empty = rows == 0 || columns == 0;
        assert!(
            empty || (rows - 1) * matrix.row + (columns - 1) * matrix.column < matrix.data.len()
        );
        matrix
    }

    fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row: self.column,
            column: self.row,
            ..self
        }
    }
}

/// `target = a b`, or `target += a b`, for a target whose elements lie `row` and `column` apart.
fn product(
    a: Matrix<'_>,
    b: Matrix<'_>,
    target: &mut [MaybeUninit<f32>],
    [row, column]: [usize; 2],
    add: bool,
) {
    assert!(a.columns == b.rows && target.len() == a.rows * b.columns);
    if target.is_empty() {
        return;
    }
    assert!((a.rows - 1) * row + (b.columns - 1) * column < target.len());
    // SAFETY: the extents of a and b were checked when the views were made, those of the target
    // just now; the target is borrowed uniquely, so it overlaps neither. Where `add` is false it is
    // not read; where it is true, `forward` has set it. Strides are far below `isize::MAX`, being
    // within slices.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            target.as_mut_ptr().cast::<f32>(),
            column as isize,
            row as isize,
            add,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            // Replicas run on threads; a product of this size is not worth splitting.
            gemm::Parallelism::None,
        );
    }
}

/// `[replica, rows, out]` from `[replica, rows, in]`, `[replica, in, out]` and `[replica, 1, out]`,
/// onto a residual of the result's shape if there is one.
pub(crate) fn forward(
    residual: Option<FlexTensor>,
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
) -> FlexTensor {
    let [replicas, rows, _] = dims(&x);
    let [_, _, out] = dims(&weight);
    let (x, weight) = (strided(x), strided(weight));
    let [bias, residual] = [bias, residual].map(|tensor| tensor.map(dense));
    let mut y = Unset::new(replicas * rows * out);
    for replica in 0..replicas {
        let own = replica * rows * out..(replica + 1) * rows * out;
        let y = &mut y.slots()[own.clone()];
        let bias = bias
            .as_ref()
            .map(|b| &floats(b)[replica * out..(replica + 1) * out]);
        let residual = residual.as_ref().map(|r| &floats(r)[own]);
        let onto = bias.is_some() || residual.is_some();
        if onto && out > 0 {
            Level::current().run(AddRows {
                x: residual,
                rows: bias,
                columns: out,
                sums: y,
            });
        }
        let (x, weight) = (Matrix::of(&x, replica), Matrix::of(&weight, replica));
        product(x, weight, y, [out, 1], onto);
    }
    // SAFETY: the products have set every element of every replica.
    unsafe { y.into_tensor(dense_layout([replicas, rows, out])) }
}

/// `dx = dy weightᵀ`.
pub(crate) fn input_gradient(gradient: FlexTensor, weight: FlexTensor) -> FlexTensor {
    let [replicas, rows, _] = dims(&gradient);
    let [_, inner, _] = dims(&weight);
    let (gradient, weight) = (strided(gradient), strided(weight));
    let mut dx = Unset::new(replicas * rows * inner);
    for replica in 0..replicas {
        let dx = &mut dx.slots()[replica * rows * inner..(replica + 1) * rows * inner];
        let weight = Matrix::of(&weight, replica).transposed();
        product(
            Matrix::of(&gradient, replica),
            weight,
            dx,
            [inner, 1],
            false,
        );
    }
    // SAFETY: the products have set every element of every replica.
    unsafe { dx.into_tensor(dense_layout([replicas, rows, inner])) }
}

/// `dweight = xᵀ dy`. Where the weight is a transposed view, as in an unembedding tied to the
/// embedding, so is the gradient: turned back, it is dense as the parameter is.
pub(crate) fn weight_gradient(
    x: FlexTensor,
    weight: FlexTensor,
    gradient: FlexTensor,
) -> FlexTensor {
    let [replicas, inner, out] = dims(&weight);
    let strides = weight.layout().strides();
    let (layout, target): (Layout, _) = if strides[1] < strides[2] {
        let transposed = dense_layout([replicas, out, inner]);
        (transposed.transpose(1, 2), [1, inner])
    } else {
        (dense_layout([replicas, inner, out]), [out, 1])
    };
    let (x, gradient) = (strided(x), strided(gradient));
    let mut dw = Unset::new(replicas * inner * out);
    for replica in 0..replicas {
        let dw = &mut dw.slots()[replica * inner * out..(replica + 1) * inner * out];
        let x = Matrix::of(&x, replica).transposed();
        product(x, Matrix::of(&gradient, replica), dw, target, false);
    }
    // SAFETY: the products have set every element of every replica.
    unsafe { dw.into_tensor(layout) }
}

/// `dbias[j] = Σᵢ dy[i, j]`.
pub(crate) fn bias_gradient(gradient: FlexTensor) -> FlexTensor {
    let [replicas, rows, out] = dims(&gradient);
    let gradient = dense(gradient);
    let mut sums = vec![0.0; replicas * out];
    for replica in 0..replicas {
        Level::current().run(ColumnSums {
            matrix: &floats(&gradient)[replica * rows * out..(replica + 1) * rows * out],
            sums: &mut sums[replica * out..(replica + 1) * out],
        });
    }
    tensor(sums, [replicas, 1, out])
}

/// The same tensor without negative or broadcast strides.
fn strided(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().strides().iter().all(|&stride| stride > 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}
