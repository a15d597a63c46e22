//! The table that everything after measurement reads: one row for each checkpoint and replica.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was measured at one checkpoint of one replica.
///
/// A measure that does not apply, or that did not come out finite, is absent; a row never holds NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasureRow {
    /// Optimizer updates done when the checkpoint was written.
    pub step: u64,
    /// Tokens the replica had been trained on by then.
    pub tokens: u64,
    /// Name of the replica.
    pub replica: String,
    /// Scalar measures by name, in nats where they are losses or divergences.
    pub values: BTreeMap<String, f64>,
    /// Measures with one value for each position, by name.
    pub vectors: BTreeMap<String, Vec<f64>>,
    /// Verdicts and their reasons, by name.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
}
