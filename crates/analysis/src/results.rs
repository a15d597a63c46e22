//! Measures on disk, each under the key of everything that caused it.
//!
//! A file is named by its key and holds the key and the causes; a different cause is a different
//! file, so a stale result cannot be found. A file that does not hold its own key is refused.

use std::path::{Path, PathBuf};

use ontogeny_store::{Key, write_atomically};
use serde::{Deserialize, Serialize};

use crate::error::AnalysisError;
use crate::measures::Measures;

/// The folder of one kind of measure.
#[derive(Debug)]
pub(crate) struct Results {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    key: Key,
    causes: serde_json::Value,
    measures: Measures,
}

impl Results {
    pub(crate) fn new(analysis: &Path, kind: &str) -> Self {
        Self {
            folder: analysis.join(kind),
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// Another file of a key's, of this kind.
    pub(crate) fn beside(&self, key: &Key, kind: &str) -> PathBuf {
        self.folder.join(format!("{key}.{kind}"))
    }

    /// Whether there are measures under a key.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.path(key).exists()
    }

    /// The measures under a key, if they were taken before.
    pub(crate) fn get(&self, key: &Key) -> Result<Option<Measures>, AnalysisError> {
        let path = self.path(key);
        let wrong = |reason: String| AnalysisError::Result {
            path: path.clone(),
            reason,
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrong(e.to_string())),
        };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if stored.key != *key {
            return Err(wrong(format!(
                "it holds the result of another key, {}",
                stored.key
            )));
        }
        Ok(Some(stored.measures))
    }

    /// Keeps measures under their key, whole or not at all.
    pub(crate) fn put(
        &self,
        key: Key,
        causes: serde_json::Value,
        measures: Measures,
    ) -> Result<Measures, AnalysisError> {
        let path = self.path(&key);
        let stored = Stored {
            key,
            causes,
            measures,
        };
        let bytes = serde_json::to_vec(&stored).map_err(|e| AnalysisError::Result {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        std::fs::create_dir_all(&self.folder).map_err(|e| AnalysisError::Result {
            path: self.folder.clone(),
            reason: e.to_string(),
        })?;
        write_atomically(&path, &bytes)?;
        tracing::debug!(path = %path.display(), "measured");
        Ok(stored.measures)
    }
}
