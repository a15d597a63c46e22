//! Joint principal components of the outputs of many checkpoints.

use serde::{Deserialize, Serialize};

/// Joint principal components of the outputs of many checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dynamics {
    /// Share of the variance of each component.
    pub explained: Vec<f64>,
    /// One path for each replica.
    pub paths: Vec<Path>,
    /// Oracle predictors, projected afterwards.
    pub oracles: Vec<Landmark>,
}

/// The way of one replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Its name.
    pub replica: String,
    /// The arm it belongs to.
    pub arm: String,
    /// Steps of its checkpoints.
    pub steps: Vec<u64>,
    /// `[checkpoint][component]`.
    pub places: Vec<Vec<f64>>,
}

/// A predictor that needs no training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Landmark {
    /// Its name.
    pub name: String,
    /// Its coordinate on each component.
    pub place: Vec<f64>,
}
