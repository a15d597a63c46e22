//! A bag of named measures that refuses what is not finite.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named scalars and vectors. One that did not come out finite is absent, never NaN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Scalars by name.
    pub values: BTreeMap<String, f64>,
    /// Vectors by name.
    pub vectors: BTreeMap<String, Vec<f64>>,
    /// Words by name: verdicts and their reasons.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
}

impl Measures {
    /// Adds a scalar if it is finite.
    pub fn value(&mut self, name: impl Into<String>, value: f64) {
        if value.is_finite() {
            self.values.insert(name.into(), value);
        }
    }

    /// Adds a vector if all of it is finite.
    pub fn vector(&mut self, name: impl Into<String>, values: Vec<f64>) {
        if values.iter().all(|v| v.is_finite()) {
            self.vectors.insert(name.into(), values);
        }
    }

    /// Adds a word.
    pub fn word(&mut self, name: impl Into<String>, word: impl Into<String>) {
        self.words.insert(name.into(), word.into());
    }

    /// Adds everything that another bag holds.
    pub fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
        self.vectors.extend(other.vectors);
        self.words.extend(other.words);
    }
}
