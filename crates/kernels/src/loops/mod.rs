//! The loops over memory, written once over [`Simd`](crate::simd::Simd) and compiled per
//! instruction set.
//!
//! Each file is one [`Kernel`](crate::simd::Kernel): a struct of slices whose extents `run` checks
//! once, and a body over pointers. Nothing here knows of tensors, and nothing starts a thread; a
//! row's result depends on that row alone (column sums: on the rows given), so a stack of replicas
//! gives each the bits it would have had alone.

mod add_rows;
mod attention;
mod column_sums;
mod cross_entropy;
mod layer_norm;
mod product;
mod transpose;
mod update;

pub(crate) use add_rows::AddRows;
pub(crate) use attention::{AttentionBackward, AttentionForward, Heads, Relative, Sizes};
pub(crate) use column_sums::ColumnSums;
pub(crate) use cross_entropy::{CrossEntropy, Destination};
pub(crate) use layer_norm::{InputGradient, LayerNormBackward, LayerNormForward};
pub(crate) use update::{AdamWNumbers, AdamWUpdate, LangevinUpdate, SumOfSquares, WeightedSum};
