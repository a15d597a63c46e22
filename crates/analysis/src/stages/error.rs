use thiserror::Error;

/// Why no stages could be sought in a table.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StageError {
    /// A curve has to be smoothed before its speed can be read, and that takes points.
    #[error(
        "stages cannot be sought in {have} checkpoint(s): at least {need} are needed; analyse more checkpoints of the run"
    )]
    TooFewCheckpoints {
        /// Rows that were given.
        have: usize,
        /// The least number of rows.
        need: usize,
    },
    /// None of the curves that may show a boundary has enough points.
    #[error(
        "none of the curves named in the views ({wanted}) was measured at {need} or more checkpoints, so there is no curve to find stages in"
    )]
    NoCurve {
        /// The patterns of the views, joined by commas.
        wanted: String,
        /// The least number of points of a curve.
        need: usize,
    },
    /// Two rows stand in the wrong order, or describe the same step.
    #[error(
        "the rows must be sorted by step, each step once: step {next} comes after step {previous}"
    )]
    Unsorted {
        /// The earlier row's step.
        previous: u64,
        /// The step of the row behind it.
        next: u64,
    },
    /// The rows belong to more than one replica.
    #[error(
        "stages are sought in one replica at a time, and the rows belong to `{first}` and to `{other}`"
    )]
    SeveralReplicas {
        /// Replica of the first row.
        first: String,
        /// The first other name met.
        other: String,
    },
    /// A value is NaN or infinite, where a missing value must be absent.
    #[error(
        "`{name}` at step {step} is {value}: a value that is missing must be absent, not NaN or infinite"
    )]
    NotFinite {
        /// The measure.
        name: String,
        /// Where it stands.
        step: u64,
        /// What it is.
        value: f64,
    },
    /// A setting is outside its range.
    #[error("stage setting `{key}` is {value}: it must be {range}")]
    Setting {
        /// The setting's key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What would be right, in words.
        range: &'static str,
    },
    /// The covariance of a smoothed curve could not be factored, even with the largest jitter.
    #[error("the curve `{name}` could not be smoothed: its covariance matrix is singular")]
    Singular {
        /// The curve.
        name: String,
    },
}
