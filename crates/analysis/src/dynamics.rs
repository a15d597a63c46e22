//! Joint principal components of outputs: how networks move through the space of predictors while
//! they are trained (essential dynamics; as joint trajectory PCA in Carroll et al. 2025, arXiv
//! 2501.17745).
//!
//! A row is one checkpoint of one replica: its probabilities of the next token at fixed places of
//! fixed held-out sequences, or the vectors that it writes for fixed examples. Rows of all replicas
//! are centred together and decomposed; predictors that need no training are projected afterwards,
//! with the same centre, and so have no part in choosing the axes.
//!
//! Probabilities and not their logarithms: a mixture of two predictors then lies on the line
//! between them, and a token that never occurs at a place weighs next to nothing, whereas its
//! logarithm tends to −∞ during training and would be most of the variance.

mod outputs;
mod principal;
mod values;

pub use ontogeny_results::dynamics::{Dynamics, Landmark, Path};
pub use outputs::{DynamicsPlan, Member, Outputs, Places, key, places, trajectories};
pub use values::FixedValues;
