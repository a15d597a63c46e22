//! A row of the table of measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was measured at one checkpoint of one replica.
///
/// A measure that does not apply, or that did not come out finite, is absent; a row never holds
/// NaN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MeasureRow {
    /// Optimizer updates done when the checkpoint was written.
    pub step: u64,
    /// Tokens the replica had been trained on by then.
    pub tokens: u64,
    /// Name of the replica.
    pub replica: String,
    /// Scalar measures by name, in nats where they are losses or divergences: `loss`, `llc`,
    /// `divergence.bigram`, `induction.1.3` and so on.
    pub values: BTreeMap<String, f64>,
    /// Measures with one value for each position, by name: `loss_by_position`.
    pub vectors: BTreeMap<String, Vec<f64>>,
    /// Verdicts and their reasons, by name: `llc_verdict`, `llc_reason`, `llc_verdict.head:0.1`.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
}
