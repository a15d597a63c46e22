//! What networks read and what they should say, for a stack of replicas.
//!
//! `R` replicas, `N = B·T` rows: B examples of T positions each, one example after the other.

use burn::tensor::{Device, Int, Tensor};

/// What a network reads.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// Tokens `[R, N]`.
    Tokens(Tensor<2, Int>),
    /// Vectors `[R, N, d_in]`.
    Values(Tensor<3>),
}

/// What it should say at each row. The kind decides the loss: cross-entropy for tokens, squared
/// error for values.
#[derive(Debug, Clone)]
pub enum Targets {
    /// Tokens `[R, N]`.
    Tokens(Tensor<2, Int>),
    /// Vectors `[R, N, d_out]`.
    Values(Tensor<3>),
}

/// Inputs with their targets.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What is read.
    pub inputs: Inputs,
    /// What should be said.
    pub targets: Targets,
    /// T, positions of an example.
    pub positions: usize,
}

impl Inputs {
    /// R and N.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Tokens(tokens) => tokens.dims(),
            Self::Values(values) => {
                let [r, n, _] = values.dims();
                [r, n]
            }
        }
    }

    /// Where they live.
    pub fn device(&self) -> Device {
        match self {
            Self::Tokens(tokens) => tokens.device(),
            Self::Values(values) => values.device(),
        }
    }

    fn cut(self, replica: usize, (first, count): (usize, usize)) -> Self {
        match self {
            Self::Tokens(all) => Self::Tokens(all.narrow(0, replica, 1).narrow(1, first, count)),
            Self::Values(all) => Self::Values(all.narrow(0, replica, 1).narrow(1, first, count)),
        }
    }
}

impl Targets {
    fn cut(self, replica: usize, (first, count): (usize, usize)) -> Self {
        match self {
            Self::Tokens(all) => Self::Tokens(all.narrow(0, replica, 1).narrow(1, first, count)),
            Self::Values(all) => Self::Values(all.narrow(0, replica, 1).narrow(1, first, count)),
        }
    }
}

impl Batch {
    /// Tokens and the tokens that follow them, `[R, N]` each.
    pub fn of_tokens(inputs: Tensor<2, Int>, targets: Tensor<2, Int>, positions: usize) -> Self {
        Self {
            inputs: Inputs::Tokens(inputs),
            targets: Targets::Tokens(targets),
            positions,
        }
    }

    /// Vectors and the vectors that they should become, `[R, N, d_in]` and `[R, N, d_out]`.
    pub fn of_values(inputs: Tensor<3>, targets: Tensor<3>, positions: usize) -> Self {
        Self {
            inputs: Inputs::Values(inputs),
            targets: Targets::Values(targets),
            positions,
        }
    }

    /// R and N.
    pub fn dims(&self) -> [usize; 2] {
        self.inputs.dims()
    }

    /// Rows `first .. first + count` of one replica, as a batch of one replica.
    pub fn cut(&self, replica: usize, first: usize, count: usize) -> Self {
        Self {
            inputs: self.inputs.clone().cut(replica, (first, count)),
            targets: self.targets.clone().cut(replica, (first, count)),
            positions: self.positions,
        }
    }

    /// Batches of some replicas each as one of all, along the replica axis.
    ///
    /// # Panics
    /// If there is none, or they differ in kind or shape: a mistake of the caller, whose batches
    /// come from one source.
    pub fn stack(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        let positions = parts[0].positions;
        let (mut tokens, mut values) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for part in parts {
            match part.inputs {
                Inputs::Tokens(inputs) => tokens.0.push(inputs),
                Inputs::Values(inputs) => values.0.push(inputs),
            }
            match part.targets {
                Targets::Tokens(targets) => tokens.1.push(targets),
                Targets::Values(targets) => values.1.push(targets),
            }
        }
        Self {
            inputs: match values.0.is_empty() {
                true => Inputs::Tokens(Tensor::cat(tokens.0, 0)),
                false => Inputs::Values(Tensor::cat(values.0, 0)),
            },
            targets: match values.1.is_empty() {
                true => Targets::Tokens(Tensor::cat(tokens.1, 0)),
                false => Targets::Values(Tensor::cat(values.1, 0)),
            },
            positions,
        }
    }
}
