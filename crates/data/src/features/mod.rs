//! Sources of vectors: each example is a vector and the vector that it should become.

mod hierarchy;
mod superposition;

use ontogeny_store::{Key, Stream};

use crate::Split;

pub use hierarchy::{Hierarchy, HierarchySpec, Mode};
pub use superposition::{Polygon, Superposition, SuperpositionSpec};

/// A source of vectors, ready to be drawn from.
#[derive(Clone, Debug)]
pub enum Features {
    /// Sparse features, to be said again through fewer dimensions.
    Superposition(Superposition),
    /// Items with the properties that they have.
    Hierarchy(Hierarchy),
}

/// Vectors of a batch, row major.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// `[rows, positions, d_in]`.
    pub inputs: Vec<f32>,
    /// `[rows, positions, d_out]`; 0 at positions that do not count.
    pub targets: Vec<f32>,
    /// Number of examples.
    pub rows: usize,
    /// Vectors of an example: 1 where it is a single vector.
    pub positions: usize,
    /// How much each position counts in the loss, `[positions]` with mean 1; without it all count
    /// alike.
    pub weights: Option<Vec<f32>>,
}

impl Features {
    /// Names what the examples depend on.
    pub fn key(&self) -> Key {
        match self {
            Self::Superposition(source) => source.key(),
            Self::Hierarchy(source) => source.key(),
        }
    }

    /// Components of an input.
    pub fn d_in(&self) -> usize {
        match self {
            Self::Superposition(source) => source.features(),
            Self::Hierarchy(source) => source.items(),
        }
    }

    /// Components of an output.
    pub fn d_out(&self) -> usize {
        match self {
            Self::Superposition(source) => source.features(),
            Self::Hierarchy(source) => source.properties(),
        }
    }

    /// Variance σ² of the noise of a component, in whose terms the squared error ‖y − ŷ‖²/2σ² is
    /// minus a log-likelihood.
    pub fn variance(&self) -> f64 {
        match self {
            Self::Superposition(source) => source.variance(),
            Self::Hierarchy(source) => source.variance(),
        }
    }

    /// Batch `index` of a stream: `rows` examples. As [`crate::Source::examples`].
    pub(crate) fn values(&self, split: Split, stream: &Stream, index: u64, rows: usize) -> Values {
        match self {
            Self::Superposition(source) => source.values(split, stream, index, rows),
            Self::Hierarchy(source) => source.values(rows),
        }
    }
}
