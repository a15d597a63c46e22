//! Causal attention on Flex tensors.

use super::buffer::{Unset, dense, dense_layout, dims, floats, tensor};
use crate::loops::{AttentionBackward, AttentionForward, Heads, Relative, Sizes};
use crate::simd::Level;
use burn::backend::flex::{FlexTensor, Layout};

/// Output `[batch, head, position, d_head]` and statistics `[batch, head, position, 2]`;
/// `relative`,
/// `[replica, head, n]` with n ≥ position, is added to the scores by distance.
pub(crate) fn forward(
    [q, k, v]: [FlexTensor; 3],
    relative: Option<&FlexTensor>,
) -> (FlexTensor, FlexTensor) {
    let sizes = sizes(&q);
    let mut output = Unset::new(sizes.elements());
    let mut statistics = Unset::new(2 * sizes.rows());
    if sizes.elements() > 0 {
        let [q, k, v] = [q, k, v].map(dense_rows);
        let rows = relative.map_or_else(Vec::new, |relative| reversed(relative, sizes));
        Level::current().run(AttentionForward {
            sizes,
            q: heads(&q),
            k: heads(&k),
            v: heads(&v),
            relative: Relative { rows: &rows },
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
/// output; and the gradient in `relative`, if there is one.
pub(crate) fn backward(
    [q, k, v, output, statistics]: [FlexTensor; 5],
    relative: Option<&FlexTensor>,
    gradient: FlexTensor,
) -> ([FlexTensor; 3], Option<FlexTensor>) {
    let sizes = sizes(&q);
    let mut inputs = [(); 3].map(|()| Unset::new(sizes.elements()));
    let mut rows = Vec::new();
    let mut relative_gradient = Vec::new();
    if sizes.elements() > 0 {
        let [q, k, v, output, gradient] = [q, k, v, output, gradient].map(dense_rows);
        if let Some(relative) = relative {
            rows = reversed(relative, sizes);
            relative_gradient = vec![0.0; rows.len()];
        }
        Level::current().run(AttentionBackward {
            sizes,
            q: heads(&q),
            k: heads(&k),
            v: heads(&v),
            relative: Relative { rows: &rows },
            relative_gradient: &mut relative_gradient,
            output: heads(&output),
            statistics: floats(&statistics),
            gradient: heads(&gradient),
            inputs: inputs.each_mut().map(Unset::slots),
            scratch: &mut vec![0.0; sizes.backward_scratch()],
        });
    }
    let of_relative = relative.map(|relative| unreversed(&relative_gradient, relative, sizes));
    // SAFETY: the kernel has set every element, or there is none.
    let inputs = inputs.map(|input| unsafe { input.into_tensor(layout(sizes)) });
    (inputs, of_relative)
}

/// The first `positions` numbers of each replica and head, in reverse and times √d_head.
fn reversed(relative: &FlexTensor, sizes: Sizes) -> Vec<f32> {
    let [_, _, n] = dims(relative);
    let relative = dense(relative.clone());
    let factor = (sizes.d_head as f32).sqrt();
    let rows = floats(&relative).chunks_exact(n);
    rows.flat_map(|row| row[..sizes.positions].iter().rev().map(|x| x * factor))
        .collect()
}

/// The gradient in `relative` from that in what [`reversed`] made of it; numbers of distances that
/// do not occur have none.
fn unreversed(gradient: &[f32], relative: &FlexTensor, sizes: Sizes) -> FlexTensor {
    let shape = dims::<3>(relative);
    let [replicas, heads, n] = shape;
    let factor = (sizes.d_head as f32).sqrt();
    let mut out = vec![0.0; replicas * heads * n];
    let rows = out.chunks_exact_mut(n.max(1));
    for (to, from) in rows.zip(gradient.chunks_exact(sizes.positions.max(1))) {
        for (to, from) in to.iter_mut().zip(from.iter().rev()) {
            *to = from * factor;
        }
    }
    tensor(out, shape)
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
