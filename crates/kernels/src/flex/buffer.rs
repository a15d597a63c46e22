//! Memory of tensors: read as slices, and made without being cleared first.

use burn::backend::DType;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, Shape};
use std::mem::MaybeUninit;

/// Memory for `len` floats that a kernel is going to set. Clearing it first would cost as much as
/// some of the kernels.
pub(super) struct Unset {
    floats: Vec<f32>,
    len: usize,
}

impl Unset {
    pub(super) fn new(len: usize) -> Self {
        Self {
            floats: Vec::with_capacity(len),
            len,
        }
    }

    /// The places to set.
    pub(super) fn slots(&mut self) -> &mut [MaybeUninit<f32>] {
        &mut self.floats.spare_capacity_mut()[..self.len]
    }

    /// A dense tensor of these floats.
    ///
    /// # Safety
    /// Every slot must have been set.
    pub(super) unsafe fn into_tensor(mut self, layout: Layout) -> FlexTensor {
        assert!(layout.num_elements() == self.len);
        // SAFETY: `len` slots of the capacity have been set.
        unsafe { self.floats.set_len(self.len) }
        FlexTensor::new(Bytes::from_elems(self.floats), layout, DType::F32)
    }
}

/// A dense tensor.
pub(super) fn tensor<const D: usize>(floats: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(floats), dense_layout(shape), DType::F32)
}

/// Row-major without gaps.
pub(super) fn dense_layout<const D: usize>(shape: [usize; D]) -> Layout {
    Layout::contiguous(Shape::new(shape))
}

/// The sizes of a tensor whose number of dimensions is known.
pub(super) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

/// The same tensor, dense and alone in its memory; copied only if it is not already so.
pub(super) fn dense(tensor: FlexTensor) -> FlexTensor {
    let whole = tensor.layout().num_elements() * size_of::<f32>() == tensor.bytes().len();
    if whole && tensor.is_contiguous() && tensor.layout().start_offset() == 0 {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The floats of a [`dense`] tensor.
pub(super) fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.storage::<f32>()
}
