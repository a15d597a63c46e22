//! Layer normalization on Flex tensors.

use super::buffer::{Unset, dense, dense_layout, dims, floats, tensor};
use crate::loops::{InputGradient, LayerNormBackward, LayerNormForward};
use crate::simd::Level;
use burn::backend::flex::FlexTensor;

/// Output `[replica, rows, d]` and statistics `[replica, rows, 2]`.
pub(crate) fn forward(
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    eps: f32,
) -> (FlexTensor, FlexTensor) {
    let [replicas, rows, d] = dims(&x);
    let [x, weight, bias] = [x, weight, bias].map(dense);
    let mut y = Unset::new(replicas * rows * d);
    let mut statistics = Unset::new(replicas * rows * 2);
    for replica in 0..replicas {
        let own = |per_replica: usize| replica * per_replica..(replica + 1) * per_replica;
        Level::current().run(LayerNormForward {
            x: &floats(&x)[own(rows * d)],
            weight: &floats(&weight)[own(d)],
            bias: &floats(&bias)[own(d)],
            eps,
            y: &mut y.slots()[own(rows * d)],
            statistics: &mut statistics.slots()[own(rows * 2)],
        });
    }
    // SAFETY: the kernel has set every element of every replica.
    unsafe {
        (
            y.into_tensor(dense_layout([replicas, rows, d])),
            statistics.into_tensor(dense_layout([replicas, rows, 2])),
        )
    }
}

/// Gradients in x, weight and bias from x, weight and the statistics, and the gradient in the
/// output, whose memory is used again where nothing else holds it.
pub(crate) fn backward(
    [x, weight, statistics]: [FlexTensor; 3],
    gradient: FlexTensor,
) -> [FlexTensor; 3] {
    let [replicas, rows, d] = dims(&x);
    let [x, weight, mut gradient] = [x, weight, gradient].map(dense);
    let mut weight_gradient = vec![0.0; replicas * d];
    let mut bias_gradient = vec![0.0; replicas * d];
    let mut beside = (!gradient.is_unique()).then(|| Unset::new(replicas * rows * d));
    for replica in 0..replicas {
        let own = |per_replica: usize| replica * per_replica..(replica + 1) * per_replica;
        let output = match &mut beside {
            None => InputGradient::Overwrite(&mut gradient.storage_mut()[own(rows * d)]),
            Some(dx) => InputGradient::Beside(
                &floats(&gradient)[own(rows * d)],
                &mut dx.slots()[own(rows * d)],
            ),
        };
        Level::current().run(LayerNormBackward {
            x: &floats(&x)[own(rows * d)],
            weight: &floats(&weight)[own(d)],
            statistics: &floats(&statistics)[own(rows * 2)],
            output,
            weight_gradient: &mut weight_gradient[own(d)],
            bias_gradient: &mut bias_gradient[own(d)],
        });
    }
    let input_gradient = match beside {
        None => gradient,
        // SAFETY: the kernel has set every element of every replica.
        Some(dx) => unsafe { dx.into_tensor(dense_layout([replicas, rows, d])) },
    };
    [
        input_gradient,
        tensor(weight_gradient, [replicas, 1, d]),
        tensor(bias_gradient, [replicas, 1, d]),
    ]
}
