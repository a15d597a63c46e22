//! Small networks as plain structs.
//!
//! A [`Transformer`] is a **stack**: several replicas of one architecture, every parameter with a
//! leading replica axis, moved by one pass. One replica is the ordinary case. A stack gives each
//! replica the numbers it would have had alone.
//!
//! The cast: a [`TransformerConfig`] says what the network is and lists its parameters; [`init`]
//! draws them; [`Transformer`] computes logits, and with [`Transformer::forward_traced`] the
//! attention patterns and residual streams by value; [`weights`] carries it to and from disk;
//! [`device`] says where it runs.
//!
//! Nothing here knows of data, of optimizers, or of runs.

#![recursion_limit = "256"]

mod config;
pub mod device;
mod error;
pub mod gradient;
pub mod init;
mod rotary;
mod transformer;
pub mod weights;

pub use config::{
    Activation, Init, InitKind, Layout, Norm, ParameterSpec, Positions, Role, TransformerConfig,
};
pub use error::ModelError;
pub use transformer::{LAYER_NORM_EPSILON, Trace, Transformer};
