//! From a configuration to trained weights on disk.
//!
//! The cast: a [`config::RunConfig`] is what was typed; a [`Run`] is the same as objects that are
//! known to fit together; [`train`] is the one loop, over [`Stack`]s of replicas; an
//! [`observer::Observer`] watches it. What comes out lies in the run's folder: checkpoints on a
//! schedule, metrics as JSON lines, and states from which the same command goes on.
//!
//! Nothing here measures anything but the loss of the batches it trains on.

#![recursion_limit = "256"]

pub mod config;
mod course;
pub mod dashboard;
mod error;
mod fork;
mod lost_metrics;
pub mod observer;
pub mod optimizer;
mod replay;
mod run;
pub mod schedule;
mod stack;
mod train;

pub use burn_train::Interrupter;
pub use error::TrainingError;
pub use fork::fork_states;
pub use replay::{Densified, densify, missing, reached};
pub use run::{Group, Replica, Run};
pub use stack::{
    Dropout, Hyper, Outcome, ReplicaOutcome, Stack, batch_of, column, join, update_all,
};
pub use train::{ReplicaEnd, TrainingOutcome, batch, tokens_seen, train, training_stream};
