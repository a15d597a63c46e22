//! Causal attention on Flex tensors.

use super::buffer::{Unset, dense_layout, dims, floats};
use crate::loops::{AttentionBackward, AttentionForward, Heads, Sizes};
use crate::simd::Level;
use burn::backend::flex::{FlexTensor, Layout};

/// Output `[batch, head, position, d_head]` and statistics `[batch, head, position, 2]`.
pub(crate) fn forward(q: FlexTensor, k: FlexTensor, v: FlexTensor) -> (FlexTensor, FlexTensor) {
    let sizes = sizes(&q);
    let mut output = Unset::new(sizes.elements());
    let mut statistics = Unset::new(2 * sizes.rows());
    if sizes.elements() > 0 {
        let [q, k, v] = [q, k, v].map(dense_rows);
        Level::current().run(AttentionForward {
            sizes,
            q: heads(&q),
            k: heads(&k),
            v: heads(&v),
            output: output.slots(),
            statistics: statistics.slots(),
            scratch: &mut vec![0.0; sizes.forward_scratch()],
        });
    }
    let Sizes {
        batch,
        heads,
        positions,
        ..
    } = sizes;
    // SAFETY: the kernel has set every element, or there is none.
    unsafe {
        (
            output.into_tensor(layout(sizes)),
            statistics.into_tensor(dense_layout([batch, heads, positions, 2])),
        )
    }
}

/// Gradients in q, k and v from q, k, v, the output, the statistics, and the gradient in the
/// output.
pub(crate) fn backward(
    [q, k, v, output, statistics]: [FlexTensor; 5],
    gradient: FlexTensor,
) -> [FlexTensor; 3] {
    let sizes = sizes(&q);
    let mut inputs = [(); 3].map(|()| Unset::new(sizes.elements()));
    if sizes.elements() > 0 {
        let [q, k, v, output, gradient] = [q, k, v, output, gradient].map(dense_rows);
        Level::current().run(AttentionBackward {
            sizes,
            q: heads(&q),
            k: heads(&k),
            v: heads(&v),
            output: heads(&output),
            statistics: floats(&statistics),
            gradient: heads(&gradient),
            inputs: inputs.each_mut().map(Unset::slots),
            scratch: &mut vec![0.0; sizes.backward_scratch()],
        });
    }
    // SAFETY: the kernel has set every element, or there is none.
    inputs.map(|input| unsafe { input.into_tensor(layout(sizes)) })
}

fn sizes(q: &FlexTensor) -> Sizes {
    let [batch, heads, positions, d_head] = dims(q);
    Sizes {
        batch,
        heads,
        positions,
        d_head,
    }
}

/// `[batch, head, position, d_head]` over memory in the order `[batch, position, head, d_head]`, in
/// which a caller's swap and reshape back to `[batch, position, d_model]` cost nothing.
fn layout(sizes: Sizes) -> Layout {
    dense_layout([sizes.batch, sizes.positions, sizes.heads, sizes.d_head]).permute(&[0, 2, 1, 3])
}

/// The same tensor with a dense last dimension and no negative or broadcast strides.
fn dense_rows(tensor: FlexTensor) -> FlexTensor {
    let strides = tensor.layout().strides();
    if strides[3] == 1 && strides.iter().all(|&stride| stride > 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

fn heads(tensor: &FlexTensor) -> Heads<'_> {
    let layout = tensor.layout();
    let stride = |i: usize| layout.strides()[i].unsigned_abs();
    Heads {
        data: &tensor.storage::<f32>()[layout.start_offset()..],
        strides: [stride(0), stride(1), stride(2)],
    }
}
