//! Which weights a chain may move.

use burn::tensor::{Bool, Tensor};

/// The share of one parameter that moves.
#[derive(Debug, Clone)]
pub enum Part {
    /// All of it.
    All,
    /// None of it.
    Nothing,
    /// Where true, `[R, rows, cols]`.
    Some(Box<Tensor<3, Bool>>),
}

/// What moves of every parameter. Drift and noise of the rest are left out, and it keeps its bits.
#[derive(Debug, Clone)]
pub struct Mask {
    /// In the order of the parameters; none at all where everything moves.
    parts: Vec<Part>,
}

impl Mask {
    /// Everything moves.
    pub fn all() -> Self {
        Self { parts: Vec::new() }
    }

    /// A part of each parameter, in their order.
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// Masks of chains that lie one after the other in a stack; every one is for a stack of one.
    pub fn stack(masks: &[&Self], parameters: &[Tensor<3>]) -> Self {
        if masks.iter().all(|m| m.parts.is_empty()) {
            return Self::all();
        }
        let part = |(i, like): (usize, &Tensor<3>)| {
            let parts: Vec<&Part> = masks.iter().map(|m| m.part(i)).collect();
            if parts.iter().all(|p| matches!(p, Part::All)) {
                return Part::All;
            }
            if parts.iter().all(|p| matches!(p, Part::Nothing)) {
                return Part::Nothing;
            }
            let [_, rows, columns] = like.dims();
            let device = like.device();
            let one = |p: &&Part| match p {
                Part::Some(moves) => (**moves).clone(),
                all => Tensor::<3>::zeros([1, rows, columns], &device)
                    .equal_elem(if matches!(all, Part::All) { 0.0 } else { 1.0 }),
            };
            Part::Some(Box::new(Tensor::cat(parts.iter().map(one).collect(), 0)))
        };
        Self::new(parameters.iter().enumerate().map(part).collect())
    }

    /// How many weights move, of a network whose parameters have these `[rows, cols]`.
    pub fn weights(&self, shapes: &[[usize; 2]]) -> u64 {
        let one = |(i, [rows, columns]): (usize, &[usize; 2])| match self.part(i) {
            Part::All => (rows * columns) as u64,
            Part::Nothing => 0,
            Part::Some(moves) => {
                let read = (**moves).clone().int().sum().try_into_vec_as::<i64>();
                read.map_or(0, |v| v[0].max(0) as u64)
            }
        };
        shapes.iter().enumerate().map(one).sum()
    }

    /// The share of parameter `i`.
    pub fn part(&self, i: usize) -> &Part {
        self.parts.get(i).unwrap_or(&Part::All)
    }
}

impl Part {
    /// `moved` where the part says so, and `kept` elsewhere. Only a true part needs `kept`.
    pub(super) fn choose(&self, moved: Tensor<3>, kept: Option<Tensor<3>>) -> Tensor<3> {
        match (self, kept) {
            (Self::Some(moves), Some(kept)) => kept.mask_where((**moves).clone(), moved),
            _ => moved,
        }
    }

    /// `x` with zeros where nothing moves.
    pub(crate) fn zeroed(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::All => x,
            Self::Nothing => x.zeros_like(),
            Self::Some(moves) => x.mask_fill((**moves).clone().bool_not(), 0.0),
        }
    }

    /// How many weights of each chain move, `[R, 1, 1]`.
    pub(super) fn size(&self, like: &Tensor<3>) -> Tensor<3> {
        let [chains, rows, columns] = like.dims();
        let ones = self.zeroed(like.ones_like());
        ones.reshape([chains, 1, rows * columns]).sum_dim(2)
    }
}
