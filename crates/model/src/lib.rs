//! Small networks as plain structs.
//!
//! A [`Network`] is a **stack**: several replicas of one architecture, every parameter with a
//! leading replica axis, moved by one pass. One replica is the ordinary case. A stack gives each
//! replica the numbers it would have had alone.
//!
//! The cast: a [`NetworkConfig`] says what the network is and lists its parameters; [`init`] draws
//! them; a [`Network`] makes outputs of [`Inputs`], and with [`Network::trace`] a transformer's
//! attention patterns and residual streams by value; a [`Batch`] has targets beside the inputs, and
//! with it [`Network::loss_and_gradients`] spreads the work over the cores; a [`Loss`] says what
//! that loss is as a likelihood; [`weights`] carries a network to and from disk; [`device`] says
//! where it runs.
//!
//! Nothing here knows of data, of optimizers, or of runs.

#![recursion_limit = "256"]

mod batch;
mod config;
pub mod device;
mod error;
pub mod gradient;
pub mod init;
mod loss;
mod mlp;
mod network;
mod parameters;
mod rotary;
mod transformer;
pub mod weights;

pub use batch::{Batch, Inputs, Targets};
pub use config::{
    Activation, Block, HeadAxis, Init, InitKind, Layout, Norm, ParameterSpec, Part, Positions,
    Role, TransformerConfig, VectorEnds,
};
pub use error::ModelError;
pub use loss::Loss;
pub use mlp::{Biases, MlpConfig};
pub use network::{Network, NetworkConfig};
pub use parameters::Parameters;
pub use transformer::{LAYER_NORM_EPSILON, Trace};
