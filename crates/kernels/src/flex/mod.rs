//! The operations on tensors of Flex, Burn's CPU backend: from tensors to slices, and back. Nothing
//! here knows of graphs.

pub(crate) mod attention;
mod buffer;
pub(crate) mod cross_entropy;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod positions;
pub(crate) mod update;
