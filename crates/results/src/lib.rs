//! What an analysis finds, as plain data: each type is written down here once, and its fields are
//! its spelling on disk.
//!
//! - [`table::MeasureRow`] holds the measures of one checkpoint of one replica.
//! - [`stages::StageReport`] holds the stages that were found in one replica, and
//!   [`stages::ReplicaStages`] says in which.
//! - [`dynamics::Dynamics`] holds the paths of replicas through the space of outputs.
//! - [`compare::Comparison`] holds arms beside each other.
//!
//! `ontogeny-analysis` makes these values, `ontogeny-report` shows them, and the binary carries
//! them from one to the other. Nothing here reads a file, knows a network or estimates a figure.
//!
//! ```
//! use ontogeny_results::table::MeasureRow;
//!
//! let row = MeasureRow {
//!     step: 10,
//!     tokens: 640,
//!     replica: "base-s0".into(),
//!     values: [("loss".into(), 3.1)].into(),
//!     ..MeasureRow::default()
//! };
//! let line = serde_json::to_string(&row)?;
//! assert_eq!(serde_json::from_str::<MeasureRow>(&line)?, row);
//! # Ok::<(), serde_json::Error>(())
//! ```

pub mod compare;
pub mod dynamics;
pub mod stages;
pub mod table;
