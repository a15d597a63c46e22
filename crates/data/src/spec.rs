//! What a configuration says about a source, with a default for everything.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::features::{HierarchySpec, SuperpositionSpec};
use crate::markov_chains::MarkovChainsSpec;
use crate::ngram_induction::NgramInductionSpec;
use crate::regression::InContextRegressionSpec;
use crate::text::TextSpec;

/// Which source, and how it is set.
///
/// In a configuration the key `kind` chooses: `ngram_induction`, `text`, `markov_chains`,
/// `superposition`, `hierarchy` or `in_context_regression`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceSpec {
    /// A synthetic language of bigrams, skip-trigrams and triggers.
    NgramInduction(NgramInductionSpec),
    /// Text from files.
    Text(TextSpec),
    /// Sequences, each from a Markov chain of its own.
    MarkovChains(MarkovChainsSpec),
    /// Sparse features, to be said again through fewer dimensions.
    Superposition(SuperpositionSpec),
    /// Items with the properties that they have.
    Hierarchy(HierarchySpec),
    /// Sequences of pairs x, y of a linear task each.
    InContextRegression(InContextRegressionSpec),
}

impl Default for SourceSpec {
    fn default() -> Self {
        Self::NgramInduction(NgramInductionSpec::default())
    }
}

impl SourceSpec {
    /// Refuses values that make no sense, without touching a file.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] with the key at fault.
    pub fn check(&self) -> Result<(), DataError> {
        match self {
            Self::NgramInduction(spec) => spec.check(),
            Self::Text(spec) => spec.check(),
            Self::MarkovChains(spec) => spec.check(),
            Self::Superposition(spec) => spec.check(),
            Self::Hierarchy(spec) => spec.check(),
            Self::InContextRegression(spec) => spec.check(),
        }
    }
}

impl SourceSpec {
    /// Files and folders that it names.
    pub fn paths(&self) -> Vec<&Path> {
        let Self::Text(text) = self else {
            return Vec::new();
        };
        let several = text.corpora.iter().flatten().map(|corpus| &corpus.path);
        let all = text.corpus.iter().chain(&text.tokenizer).chain(several);
        let shipped = |path: &&String| path.as_str() == TextSpec::STATE_OF_THE_UNION;
        all.filter(|path| !shipped(path)).map(Path::new).collect()
    }
}

/// Refuses a training set without a sequence.
pub(crate) fn training_set(size: Option<u64>) -> Result<(), DataError> {
    if size == Some(0) {
        return Err(DataError::setting(
            "training_set",
            "is 0; a set has at least one sequence (leave it out for new ones without end)",
        ));
    }
    Ok(())
}

/// For fields that are written only where they say something, so that the keys of configurations
/// without them stay what they are.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
pub(crate) fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Refuses a number that is not positive.
pub(crate) fn positive(key: &'static str, value: f64) -> Result<(), DataError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(DataError::setting(
            key,
            format!("is {value}; it is a positive number"),
        )),
    }
}

/// Refuses a number of things that is not from `least` to `most`.
pub(crate) fn count_in_range(
    key: &'static str,
    count: u64,
    least: u64,
    most: u64,
) -> Result<(), DataError> {
    if (least..=most).contains(&count) {
        Ok(())
    } else {
        Err(DataError::setting(
            key,
            format!("is {count}; it goes from {least} to {most}"),
        ))
    }
}

/// Refuses a number that is not from `least` to `most`.
pub(crate) fn in_range(
    key: &'static str,
    value: f64,
    least: f64,
    most: f64,
) -> Result<(), DataError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(DataError::setting(
            key,
            format!("is {value}; it goes from {least} to {most}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass() {
        assert!(SourceSpec::default().check().is_ok());
        assert!(SourceSpec::Text(TextSpec::default()).check().is_ok());
    }

    #[test]
    fn kind_chooses_and_unknown_keys_are_errors() {
        let spec: SourceSpec = serde_json::from_str(r#"{"kind": "text", "d_vocab": 500}"#).unwrap();
        assert!(matches!(spec, SourceSpec::Text(ref text) if text.d_vocab == Some(500)));
        let back: SourceSpec =
            serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
        let error =
            serde_json::from_str::<SourceSpec>(r#"{"kind": "ngram_induction", "zipff": 1}"#)
                .expect_err("unknown key");
        assert!(error.to_string().contains("zipff"), "{error}");
    }
}
