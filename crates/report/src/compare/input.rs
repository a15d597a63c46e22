//! What a comparison's page is made of: the comparison itself, and what belongs to the page alone.

use ontogeny_results::compare::Comparison;
use ontogeny_results::dynamics::Dynamics;
use serde::Serialize;

/// Everything that one page of a comparison shows. As JSON, the fields of the comparison stand
/// beside those of the page.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompareInput {
    /// Heading of the page.
    pub title: String,
    /// The runs that arms were taken from.
    pub runs: Vec<RunEntry>,
    /// When the comparison was made (RFC 3339).
    pub created: String,
    /// Version of the program that made it.
    pub version: String,
    /// The command that made it.
    pub command: String,
    /// Keys of the configuration in which the arms differ.
    pub differing: Vec<String>,
    /// What was found; an absent figure lies beyond what was seen.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Paths through the space of outputs, of each run that has them.
    pub dynamics: Vec<Option<Dynamics>>,
    /// What the reader has to know, a sentence each.
    pub notes: Vec<String>,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunEntry {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Hash of what decided its weights.
    pub key: String,
}
