//! What networks read and what they should say, for a stack of replicas.
//!
//! `R` replicas, `N = B·T` rows: B examples of T positions each, one example after the other.

use burn::tensor::{Device, Int, Tensor, TensorData};

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
    /// How much each row of vectors counts, `[1, N, 1]`, 1 in the mean of an example; without them
    /// all count alike.
    pub weights: Option<Tensor<3>>,
    /// What is left out of the residual stream in this pass: for each of
    /// [`NetworkConfig::dropout_sites`](crate::NetworkConfig::dropout_sites) a factor for each
    /// number, `[R, N, d_model]`. Without any, nothing is.
    pub dropout: Vec<Tensor<3>>,
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

    fn cut(self, (replica, replicas): (usize, usize), (first, count): (usize, usize)) -> Self {
        match self {
            Self::Tokens(all) => {
                Self::Tokens(all.narrow(0, replica, replicas).narrow(1, first, count))
            }
            Self::Values(all) => {
                Self::Values(all.narrow(0, replica, replicas).narrow(1, first, count))
            }
        }
    }
}

impl Targets {
    fn cut(self, (replica, replicas): (usize, usize), (first, count): (usize, usize)) -> Self {
        match self {
            Self::Tokens(all) => {
                Self::Tokens(all.narrow(0, replica, replicas).narrow(1, first, count))
            }
            Self::Values(all) => {
                Self::Values(all.narrow(0, replica, replicas).narrow(1, first, count))
            }
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
            weights: None,
            dropout: Vec::new(),
        }
    }

    /// Sequences of one length, as many for each replica, replica by replica: each token is to be
    /// predicted from those before it.
    ///
    /// # Panics
    /// If there is none, or their lengths differ.
    pub fn of_sequences(rows: &[&[u32]], replicas: usize, device: &Device) -> Self {
        let t = rows[0].len() - 1;
        let take = |from: usize| {
            let mut out: Vec<i32> = Vec::with_capacity(rows.len() * t);
            for row in rows {
                assert_eq!(row.len(), t + 1, "sequences of one length");
                // A vocabulary is far below 2³¹.
                out.extend(row[from..from + t].iter().map(|&token| token as i32));
            }
            let shape = [replicas, rows.len() / replicas * t];
            Tensor::from_data(TensorData::new(out, shape), device)
        };
        Self::of_tokens(take(0), take(1), t)
    }

    /// Vectors `[R, N, d_in]` and the vectors `[R, N, d_out]` that they should become, row major,
    /// for N = `examples` · `positions`. `weights`, one for each position and 1 in the mean, say
    /// how much each counts.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn of_vectors(
        inputs: Vec<f32>,
        targets: Vec<f32>,
        [replicas, examples, positions]: [usize; 3],
        weights: Option<&[f32]>,
        device: &Device,
    ) -> Self {
        let rows = examples * positions;
        let tensor = |all: Vec<f32>| {
            let shape = [replicas, rows, all.len() / (replicas * rows).max(1)];
            Tensor::from_data(TensorData::new(all, shape), device)
        };
        let weights = weights.map(|weights| {
            assert_eq!(weights.len(), positions, "a weight for each position");
            let all = weights.repeat(examples);
            Tensor::from_data(TensorData::new(all, [1, rows, 1]), device)
        });
        Self {
            inputs: Inputs::Values(tensor(inputs)),
            targets: Targets::Values(tensor(targets)),
            positions,
            weights,
            dropout: Vec::new(),
        }
    }

    /// R and N.
    pub fn dims(&self) -> [usize; 2] {
        self.inputs.dims()
    }

    /// Some rows of some replicas, each as the first and how many.
    pub fn cut(&self, replicas: (usize, usize), (first, count): (usize, usize)) -> Self {
        let own = |mask: &Tensor<3>| {
            let of_replicas = mask.clone().narrow(0, replicas.0, replicas.1);
            of_replicas.narrow(1, first, count)
        };
        Self {
            dropout: self.dropout.iter().map(own).collect(),
            inputs: self.inputs.clone().cut(replicas, (first, count)),
            targets: self.targets.clone().cut(replicas, (first, count)),
            positions: self.positions,
            weights: self.weights.clone().map(|w| w.narrow(1, first, count)),
        }
    }

    /// Batches of some replicas each as one of all, along the replica axis, without dropout.
    ///
    /// # Panics
    /// If there is none, or they differ in kind or shape: a mistake of the caller, whose batches
    /// come from one source.
    pub fn stack(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        let (positions, weights) = (parts[0].positions, parts[0].weights.clone());
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
            weights,
            dropout: Vec::new(),
        }
    }
}
