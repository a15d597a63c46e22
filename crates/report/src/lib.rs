//! One HTML page that shows how a run developed.
//!
//! [`ReportInput`] holds what the page is made of: what was run ([`Provenance`]), how λ̂ was
//! estimated ([`Estimator`]), and for each replica its table of measures ([`Row`]) and the stages
//! found in it ([`Stages`]). [`render`] turns it into one document that opens offline: the verdict,
//! the tables of stages and estimates and the provenance are plain HTML that reads without scripts,
//! and the charts are drawn by the scripts beside this crate's sources from the numbers embedded in
//! the page.
//!
//! Nothing here reads or writes files, knows a network or computes a statistic: the numbers come in
//! as they are to be shown. The page asks no other machine for anything, and its content policy
//! forbids it to.
//!
//! ```
//! use ontogeny_report::{ReplicaReport, ReportInput, Row, render};
//!
//! let input = ReportInput {
//!     title: "Stages of a small transformer".into(),
//!     run: "demo".into(),
//!     replicas: vec![ReplicaReport {
//!         name: "base-s0".into(),
//!         rows: vec![
//!             Row { values: [("loss".into(), 4.2)].into(), ..Row::default() },
//!             Row { step: 10, tokens: 640, values: [("loss".into(), 3.1)].into(), ..Row::default() },
//!         ],
//!         ..ReplicaReport::default()
//!     }],
//!     ..ReportInput::default()
//! };
//! let page = render(&input);
//! assert!(page.starts_with("<!doctype html>"));
//! ```
//!
//! A browser that has drawn the charts sets `data-ready="true"` on the document's root element, and
//! a failed script sets `data-error` with the message: that is what an automatic check waits for.

mod charts;
pub mod compare;
mod embed;
mod estimate;
mod estimate_table;
mod html;
mod input;
mod number;
mod page;
mod parts;
mod provenance;
mod selection_table;
mod series;
mod stage_table;
mod trajectory;
mod verdict;

pub use input::{
    Boundary, Dynamics, Estimator, HeadRise, Landmark, OutputPath, Provenance, ReplicaReport,
    ReportInput, Row, Selection, SmoothCurve, Stage, StageName, Stages, TrainingPoint,
};
pub use page::render;
