//! The comparison of arms: the same stage in runs that differ in one thing.
//!
//! A stage that has not come by the end of a run has not been seen to be absent: its onset is later
//! than the last step. So times are compared as survival times with right-censoring, not by means
//! over the seeds that happened to get there. Pure statistics: nothing here knows of files,
//! networks or tensors.
//!
//! # The cast
//! - An [`Observation`] is when an event happened in a seed, or how long it was waited for.
//!   [`moment`] reads it from the stages of a replica; [`below_bag`] reads one from the table
//!   alone, so that what the detector says can be held against something that knows nothing of it.
//! - A [`Clock`] turns steps into tokens, repeated triggers seen, or the loss reached: an [`Axis`].
//! - [`Survival`] is the Kaplan–Meier curve ([`kaplan_meier`]); medians are read from it, and their
//!   intervals are percentiles over resampled seeds.
//! - Two arms differ by the ratio of their medians, by the probability that a seed of one is
//!   earlier than one of the other, and by a log-rank test whose p-value comes from exchanging
//!   seeds ([`log_rank_p`]); the p-values of all pairs and stages are adjusted together ([`holm`]).
//! - Over a numeric knob, a log-normal model of accelerated failure times is fitted by maximum
//!   likelihood ([`aft::fit`]) with a bootstrap over the seeds within each value, and beside it
//!   stands Kendall's τ, which asks only whether times go one way.
//!
//! All randomness is a function of a fixed seed: the same tables give the same figures.

pub mod aft;
mod arm;
mod axis;
mod bootstrap;
mod curves;
mod dose;
mod effect;
mod error;
mod events;
mod figures;
mod level;
mod marks;
mod response;
mod survival;
mod table;
#[cfg(test)]
mod tests;

pub use arm::{ArmInput, ReplicaInput};
pub use axis::Clock;
pub use dose::{DoseLine, Group, dose_line, trend};
pub use effect::{holm, log_rank_p, probability_earlier};
pub use error::CompareError;
pub use events::{BELOW_BAG, below_bag, moment, own_measure};
pub use figures::{CompareSettings, Pairs, compare};
pub use ontogeny_results::compare::{
    Arm, ArmStage, Axis, Comparison, Curve, Dose, DoseFit, Effect, EqualLoss, Estimate, Event,
    EventRow, LevelFigures, MeasureCurves, SeedLine, StageFigures, Survival, Timeline,
};
pub use survival::{Observation, kaplan_meier, wilson};
pub use table::events_parquet;
