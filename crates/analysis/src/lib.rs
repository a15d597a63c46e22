//! From checkpoints on disk to what they tell of development.
//!
//! The cast: a [`Plan`] says which checkpoints to measure and how; [`analyze`] gives one
//! [`table::MeasureRow`] for each checkpoint and replica, every figure kept on disk under the key
//! of its causes; [`stages::detect`] reads a replica's rows and tells its stages.
//!
//! Nothing here trains, and nothing here knows how the checkpoints came to be.

#![recursion_limit = "256"]

mod analyze;
mod behaviour;
pub mod calibrate;
mod columns;
pub mod compare;
pub mod component;
pub mod curvature;
pub mod dynamics;
mod error;
mod features;
mod heads;
pub mod known;
pub mod llc;
mod measures;
pub mod paired;
mod probe;
mod regression;
mod results;
pub mod sampler;
pub mod select;
pub mod series;
pub mod stages;
pub mod statistics;
mod structure;
pub mod table;
mod tokens;
pub mod traces;

pub use analyze::{
    Follower, GroupPlan, LlcData, LlcPlan, METHOD, Plan, ReplicaPlan, Settings, Streams, analyze,
    llc_at,
};
pub use behaviour::sequence_losses;
pub use error::AnalysisError;
pub use features::loss_of;
pub use measures::Measures;
