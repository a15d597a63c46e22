//! The tidy table of events as Parquet.

use ontogeny_results::compare::EventRow;

use super::error::CompareError;
use crate::columns::{Column, to_parquet};

/// One row for each arm, stage, seed and event:
/// `arm, stage, seed, event, step, tokens, exposures, loss, observed`, the last 1 where the event
/// happened and 0 where the run ended first.
///
/// # Errors
/// If the bytes cannot be made.
pub fn events_parquet(rows: &[EventRow]) -> Result<Vec<u8>, CompareError> {
    let text = |f: fn(&EventRow) -> &str| {
        Column::Text(rows.iter().map(|r| Some(f(r).to_owned())).collect())
    };
    let number = |f: fn(&EventRow) -> Option<f64>| Column::Double(rows.iter().map(f).collect());
    let whole = |f: fn(&EventRow) -> i64| Column::Int(rows.iter().map(f).collect());
    let columns = [
        ("arm", text(|r| &r.arm)),
        ("stage", text(|r| &r.stage)),
        ("seed", whole(|r| r.seed as i64)),
        ("event", text(|r| r.event.name())),
        ("step", number(|r| Some(r.step))),
        ("tokens", number(|r| r.tokens)),
        ("exposures", number(|r| r.exposures)),
        ("loss", number(|r| r.loss)),
        ("observed", whole(|r| i64::from(r.observed))),
    ];
    to_parquet(
        &columns.map(|(name, column)| (name.to_owned(), column)),
        &[],
    )
    .map_err(|e| CompareError::Table(e.to_string()))
}
