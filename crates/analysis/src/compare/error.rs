use thiserror::Error;

/// Why arms cannot be compared.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CompareError {
    /// There is nothing to put beside each other.
    #[error("there is no arm with an analysed replica")]
    NoArm,
    /// The axis needs repeated triggers, and the source has none.
    #[error(
        "the arm `{arm}` cannot be shown by exposures: its source has no repeated triggers; choose --at step or --at tokens"
    )]
    NoExposures {
        /// The arm.
        arm: String,
    },
    /// The axis needs a loss that was not measured.
    #[error(
        "`{measure}` was not measured in the replica `{replica}`, so it cannot be the axis; it has {there}"
    )]
    NoLoss {
        /// The measure.
        measure: String,
        /// The replica.
        replica: String,
        /// Losses that were measured.
        there: String,
    },
    /// The table could not be written.
    #[error("the table of events could not be written: {0}")]
    Table(String),
}
