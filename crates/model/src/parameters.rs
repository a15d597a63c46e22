//! The parameters of a stack of networks, whatever the networks are.

use burn::tensor::{Device, Tensor};

/// Every parameter of a stack of networks of one shape, in the order in which the configuration
/// lists them, `[R, rows, cols]` each with R replicas.
///
/// Tensors are handles: a clone shares the values.
#[derive(Debug, Clone)]
pub struct Parameters(Vec<Tensor<3>>);

impl Parameters {
    /// From tensors `[R, rows, cols]` with one R.
    ///
    /// # Panics
    /// If there is none: a network without parameters is a mistake of the caller.
    pub fn new(tensors: Vec<Tensor<3>>) -> Self {
        assert!(!tensors.is_empty(), "a network has parameters");
        Self(tensors)
    }

    /// The tensors, in order.
    pub fn tensors(&self) -> &[Tensor<3>] {
        &self.0
    }

    /// The tensors, in order.
    pub fn into_tensors(self) -> Vec<Tensor<3>> {
        self.0
    }

    /// Number of replicas.
    pub fn replicas(&self) -> usize {
        self.0[0].dims()[0]
    }

    /// Where they live.
    pub fn device(&self) -> Device {
        self.0[0].device()
    }

    /// Every tensor passed through `f`.
    pub fn map(self, f: impl FnMut(Tensor<3>) -> Tensor<3>) -> Self {
        Self(self.0.into_iter().map(f).collect())
    }

    /// Leaves of a fresh graph with the same values; gradients are asked of those that are wanted,
    /// by their number.
    pub fn tracked(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let mut number = 0..;
        self.clone()
            .map(|p| match number.next().is_some_and(&wanted) {
                true => p.autodiff().require_grad(),
                false => p.autodiff(),
            })
    }

    /// Stacks of one shape as one, along the replica axis.
    ///
    /// # Panics
    /// If there is none, or their shapes differ.
    pub fn stack(parts: Vec<Self>) -> Self {
        let mut columns: Vec<Vec<Tensor<3>>> = Vec::new();
        for part in parts {
            columns.resize_with(part.0.len(), Vec::new);
            for (column, tensor) in columns.iter_mut().zip(part.0) {
                column.push(tensor);
            }
        }
        let cat = |column| Tensor::cat(column, 0);
        Self::new(columns.into_iter().map(cat).collect())
    }

    /// The replicas `first .. first + count`.
    pub fn narrow(&self, first: usize, count: usize) -> Self {
        match (first, count) == (0, self.replicas()) {
            true => self.clone(),
            false => self.clone().map(|p| p.narrow(0, first, count)),
        }
    }

    /// Every replica `times` times over, neighbours together: `a a a b b b`.
    pub fn repeat(&self, times: usize) -> Self {
        self.clone().map(|p| {
            let [r, rows, cols] = p.dims();
            p.reshape([r, 1, rows * cols])
                .repeat_dim(1, times)
                .reshape([r * times, rows, cols])
        })
    }
}
