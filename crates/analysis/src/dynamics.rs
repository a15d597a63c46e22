//! Essential dynamics: the paths of many replicas through the space of their outputs.

/// Joint principal components of the outputs of many checkpoints.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dynamics {
    /// Share of the variance of each component.
    pub explained: Vec<f64>,
    /// One path for each replica.
    pub paths: Vec<Path>,
    /// Oracle predictors, projected afterwards.
    pub oracles: Vec<Landmark>,
}

/// The way of one replica through the components.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Path {
    /// The replica.
    pub replica: String,
    /// Its arm.
    pub arm: String,
    /// Steps of its checkpoints.
    pub steps: Vec<u64>,
    /// `[checkpoint][component]`.
    pub places: Vec<Vec<f64>>,
}

/// A predictor that stands still.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Landmark {
    /// Its name.
    pub name: String,
    /// One coordinate for each component.
    pub place: Vec<f64>,
}
