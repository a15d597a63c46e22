//! One HTML page that shows how a run developed.
//!
//! [`ReportInput`] holds what the page is made of: what was run ([`Provenance`]), how λ̂ was
//! estimated ([`Estimator`]), and for each replica its table of measures, the stages found in it
//! and the dynamics of its outputs, which have the types of `ontogeny_results`. [`render`] turns it
//! into one document that opens offline: the verdict, the tables of stages and estimates and the
//! provenance are plain HTML that reads without scripts, and the charts are drawn by the scripts
//! beside this crate's sources from the numbers embedded in the page.
//!
//! Nothing here reads or writes files, knows a network or computes a statistic: the numbers come in
//! as they are to be shown. The page asks no other machine for anything, and its content policy
//! forbids it to.
//!
//! ```
//! use ontogeny_report::{ReplicaReport, ReportInput, render};
//! use ontogeny_results::table::MeasureRow;
//!
//! let row = |step: u64, loss: f64| MeasureRow {
//!     step,
//!     tokens: 64 * step,
//!     values: [("loss".into(), loss)].into(),
//!     ..MeasureRow::default()
//! };
//! let input = ReportInput {
//!     title: "Stages of a small transformer".into(),
//!     run: "demo".into(),
//!     replicas: vec![ReplicaReport {
//!         name: "base-s0".into(),
//!         rows: vec![row(0, 4.2), row(10, 3.1)],
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
    Estimator, GroupSize, Provenance, ReplicaReport, ReportInput, Selection, TrainingPoint,
};
pub use page::render;
