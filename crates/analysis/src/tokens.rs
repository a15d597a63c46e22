//! What the draws say of single tokens, on disk.

use std::path::Path;

use ontogeny_model::{Inputs, Targets};
use ontogeny_store::Key;

use crate::columns::Column;
use crate::error::AnalysisError;
use crate::llc::{Observed, Probed};
use crate::traces;

/// Writes one file with a row for each token, and one with a row for each pair of units (tokens, or
/// sequences where `unit` is not 1), both with the key inside.
pub(crate) fn write(
    tokens: &Path,
    influence: &Path,
    key: &Key,
    probed: &Probed<'_>,
    observed: &Observed,
) -> Result<(), AnalysisError> {
    let read = |t: &burn::tensor::Tensor<2, burn::tensor::Int>| {
        t.clone()
            .try_into_vec_as::<i64>()
            .map_err(|e| AnalysisError::Device(e.to_string()))
    };
    let (Inputs::Tokens(inputs), Targets::Tokens(targets)) =
        (&probed.batch.inputs, &probed.batch.targets)
    else {
        return Err(AnalysisError::NoTokens);
    };
    let (inputs, targets) = (read(inputs)?, read(targets)?);
    let count = inputs.len();
    let place = |f: fn(usize, usize) -> usize| {
        Column::Int((0..count).map(|i| f(i, probed.positions) as i64).collect())
    };
    let double =
        |x: &[f64]| Column::Double(x.iter().map(|&x| x.is_finite().then_some(x)).collect());
    let columns = [
        ("sequence", place(|i, t| i / t)),
        ("position", place(|i, t| i % t)),
        ("token", Column::Int(inputs)),
        ("next", Column::Int(targets)),
        ("mean_loss", double(&observed.means)),
        ("variance", double(&observed.variances)),
        ("covariance_with_loss", double(&observed.with_loss)),
    ]
    .map(|(name, column)| (name.to_owned(), column));
    traces::keep(tokens, key, &columns)?;
    let units = observed.among.len().isqrt();
    if units == 0 {
        return Ok(());
    }
    let pair = |f: fn(usize, usize) -> usize| {
        Column::Int((0..units * units).map(|i| f(i, units) as i64).collect())
    };
    let what = if observed.unit == 1 {
        "token"
    } else {
        "sequence"
    };
    let columns = [
        (format!("{what}_a"), pair(|i, n| i / n)),
        (format!("{what}_b"), pair(|i, n| i % n)),
        ("covariance".to_owned(), double(&observed.among)),
    ];
    traces::keep(influence, key, &columns)
}

/// Covariance with the loss at each position, averaged over the sequences.
pub(crate) fn by_position(observed: &Observed, positions: usize) -> Vec<f64> {
    let sequences = (observed.with_loss.len() / positions).max(1) as f64;
    (0..positions)
        .map(|t| {
            let own = observed.with_loss.iter().skip(t).step_by(positions);
            own.sum::<f64>() / sequences
        })
        .collect()
}
