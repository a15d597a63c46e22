//! Stages of development: episodes of change, and the boundaries between them.
//!
//! A stage is one episode of change; a boundary is the middle of the stretch between two episodes
//! where the speed of change is all but least (see the `valley` module). A plateau of λ̂, from
//! which Hoogland et al. (arXiv 2402.02364) read their stages, is the case of speed zero.
//! Everything happens on x = ln(step + 1), where step 0 has a place and the stages of a run are of
//! similar length. Pure statistics: nothing here knows of networks, tensors or files.
//!
//! # The cast
//! - A [`Curve`] is one measure of the table. It is smoothed by a Gaussian process with a Matérn
//!   covariance on an axis whose warp, length scale, signal and noise are fitted, so that the slope
//!   has a posterior. The axis is stretched where the curve is fast (the `bend` module), and the
//!   errors may be shared along the curve (the `likelihood` module).
//! - A [`View`] is a set of curves that move together. Three are looked at by default: `complexity`
//!   (λ̂), `behaviour` (the approach to the bigram and to the trigram oracle, and the loss after
//!   repeated triggers) and `loss`. They stay apart because they show different things: λ̂ may turn
//!   while behaviour goes on, and on a logarithmic axis it may merely steepen where a model leaves
//!   the bigram statistics behind, without a slow place. A boundary that several views show counts
//!   once, and stands where the first of them puts it that does so sharply; [`Boundary::places`]
//!   has the place of each.
//! - A candidate is a local minimum of the mean speed of a view. Draws of the joint posterior of
//!   all slopes weed the candidates (see the `view` module for the criteria); evidence is the share
//!   of those that show the boundary. Its interval comes from them, from fits to simulated
//!   measurements and from the gaps between checkpoints (see the `place` module).
//! - A [`Stage`] reaches from one boundary to the next. The last one has no end: only a later
//!   episode shows that an earlier one is over, and a run may always have been stopped too soon.
//!   Names are earned by criteria with figures, each by one stage at most (see the `naming`
//!   module), and [`Stage::why`] states the figures.
//! - An [`Announcer`] does all this while a run goes on, and [`replay`] as if one did.
//! - The [`calibration`] module has curves whose answer is known, and the score on them;
//!   `ontogeny validate --detector` prints it, and `docs/stages.md` has the figures.
//!
//! The hyper-parameters are taken at their most probable values (the `hyper` module has their
//! priors). Errors that last as long as a stage cannot be told from change: intervals say how sure
//! the place is, given the measured curve.
//!
//! # Example
//! ```
//! use ontogeny_analysis::stages::{StageSettings, detect};
//! use ontogeny_analysis::table::MeasureRow;
//!
//! // Two episodes, about steps 20 and 1000.
//! let sigmoid = |x: f64, centre: f64| 1.0 / (1.0 + (-(x - centre) / 0.3).exp());
//! let rows: Vec<MeasureRow> = (0..40)
//!     .map(|i| {
//!         let x = 0.22 * f64::from(i);
//!         let step = x.exp_m1() as u64 + i as u64;
//!         let x = (step as f64).ln_1p();
//!         let loss = 4.0 - sigmoid(x, 3.0) - sigmoid(x, 7.0);
//!         MeasureRow {
//!             step,
//!             tokens: 2048 * step,
//!             replica: "a".into(),
//!             values: [("loss".into(), loss)].into(),
//!             vectors: Default::default(),
//!             words: Default::default(),
//!         }
//!     })
//!     .collect();
//! let report = detect(&rows, &StageSettings::default())?;
//! assert_eq!(report.stages.len(), 2);
//! assert!((100.0..220.0).contains(&report.boundaries[0].at));
//! # Ok::<(), ontogeny_analysis::stages::StageError>(())
//! ```

mod bend;
mod boundaries;
pub mod calibration;
mod course;
mod coverage;
mod curve;
mod draws;
mod error;
mod facts;
mod gp;
mod hyper;
mod kernel;
mod likelihood;
mod looks;
mod naming;
mod online;
mod optimize;
mod place;
mod settings;
mod smooth;
mod valley;
mod view;

#[cfg(test)]
mod tests;

pub use coverage::{Coverage, Hole, LEAST_EXTENT, Outlier, coverage, extent, in_hole};
pub use curve::{Curve, LEAST_POINTS};
pub use error::StageError;
pub use looks::{MOST_LOOKS, looks};
pub use online::{Announcement, AnnouncementKind, Announcer, Followed, Replay, Withdrawn, replay};
pub use ontogeny_results::stages::{
    Boundary, Direction, HeadRise, Shift, SmoothCurve, Stage, StageName, StageReport, ViewPlace,
};
pub use settings::{ErrorMeasures, StageSettings, View};

use crate::table::MeasureRow;
use facts::Facts;
// What the modules here find is made of the types of the results.
use ontogeny_results::stages as outcome;
use smooth::Smooths;
pub(crate) use valley::Valley;

/// The boundaries of [`detect`] alone, at a part of its cost: nothing is smoothed that only names
/// are given by.
///
/// # Errors
/// As [`detect`].
pub fn find(rows: &[MeasureRow], settings: &StageSettings) -> Result<Vec<Boundary>, StageError> {
    check(rows, settings)?;
    boundaries::boundaries(&Smooths::with(rows, settings, false)?, settings)
}

fn check(rows: &[MeasureRow], settings: &StageSettings) -> Result<(), StageError> {
    settings.check()?;
    curve::check_rows(rows)
}

/// Finds the stages of one replica.
///
/// `rows` are the replica's, sorted by step.
///
/// # Errors
/// [`StageError`] if a setting is out of range, if the rows are too few, out of order, of several
/// replicas or hold a value that is not finite, and if no curve of any view has enough points.
pub fn detect(rows: &[MeasureRow], settings: &StageSettings) -> Result<StageReport, StageError> {
    check(rows, settings)?;
    let smooths = Smooths::new(rows, settings)?;
    let boundaries = boundaries::boundaries(&smooths, settings)?;
    let facts = Facts::new(rows, &smooths, &boundaries, settings);
    let names = naming::names(&facts);
    let first = rows.first().map_or(0.0, |r| r.step as f64);
    let stages = names.into_iter().enumerate().map(|(k, (name, why))| {
        let before = k.checked_sub(1).map(|b| &boundaries[b]);
        let after = boundaries.get(k);
        let paired = facts.paired_error(k);
        Stage {
            name,
            start: before.map_or(first, |b| b.at),
            start_lo: before.map_or(first, |b| b.lo),
            start_hi: before.map_or(first, |b| b.hi),
            end: after.map(|b| b.at),
            end_lo: after.map(|b| b.lo),
            end_hi: after.map(|b| b.hi),
            delta_loss: facts.change("loss", k).unwrap_or(0.0),
            delta_llc: facts.change("llc", k),
            delta_llc_se: paired,
            direction: facts.direction("llc", k, paired),
            loss_direction: facts.direction("loss", k, None),
            signature: facts.signature(k),
            delta: facts.changes(k),
            nearest_oracle: facts.nearest_oracle(facts.spans[k].1),
            heads_rising: facts.rises(k, settings.head_rise),
            why,
        }
    });
    let stages = stages.collect();
    Ok(StageReport {
        stages,
        boundaries,
        smooth: smooths.curves(settings),
    })
}
