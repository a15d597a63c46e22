//! Measures on disk, each under the key of everything that caused it.
//!
//! A file is named by its key and holds the key and the causes; a different cause is a different
//! file, so a stale result cannot be found. The file is sealed with a hash, and holds the hashes of
//! the files beside it; what was damaged or changed since counts as never measured, with a warning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ontogeny_store::{Key, Seal, check_seal, hash_of_bytes, seal, write_atomically};
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
    /// Hashes of the files beside this one, by kind. Results of Ontogeny 0.1.0 have none, and no
    /// seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, Key>>,
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

    /// Whether there are measures under a key that [`Results::get`] will return.
    pub(crate) fn has(&self, key: &Key) -> Result<bool, AnalysisError> {
        Ok(self.get(key)?.is_some())
    }

    /// The measures under a key, if they were taken before. A file that was damaged or changed
    /// since, or with another one beside it that was, is removed with a warning: what it held is
    /// measured again.
    pub(crate) fn get(&self, key: &Key) -> Result<Option<Measures>, AnalysisError> {
        let path = self.path(key);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                return Err(AnalysisError::Result {
                    path,
                    reason: e.to_string(),
                });
            }
        };
        match self.whole(key, &bytes)? {
            Ok(measures) => Ok(Some(measures)),
            Err(damage) => {
                tracing::warn!("{damage}; it is measured again");
                // Where it cannot be removed it is written over.
                let _ = std::fs::remove_file(&path);
                Ok(None)
            }
        }
    }

    /// The measures in a file, or what is wrong with it.
    ///
    /// # Errors
    /// A file beside it that is there and cannot be read now: it may be whole.
    fn whole(&self, key: &Key, bytes: &[u8]) -> Result<Result<Measures, String>, AnalysisError> {
        const CHANGED: &str = "was changed or damaged after it was written";
        let named = |path: &Path, problem: &str| format!("`{}` {problem}", path.display());
        let path = self.path(key);
        if check_seal(bytes) == Seal::Broken {
            return Ok(Err(named(&path, CHANGED)));
        }
        let stored: Stored = match serde_json::from_slice(bytes) {
            Ok(stored) => stored,
            Err(e) => return Ok(Err(named(&path, &format!("holds no result: {e}")))),
        };
        if stored.key != *key {
            let problem = format!("holds the result of another key, {}", stored.key);
            return Ok(Err(named(&path, &problem)));
        }
        for (kind, hash) in stored.files.iter().flatten() {
            let beside = self.beside(key, kind);
            match std::fs::read(&beside) {
                Ok(bytes) if hash_of_bytes(&bytes) == *hash => {}
                Ok(_) => return Ok(Err(named(&beside, CHANGED))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Err(named(&beside, "is gone")));
                }
                Err(e) => {
                    return Err(AnalysisError::Result {
                        path: beside,
                        reason: e.to_string(),
                    });
                }
            }
        }
        Ok(Ok(stored.measures))
    }

    /// Keeps measures under their key, whole or not at all. `kinds` are those of the files beside
    /// it, which have been written.
    pub(crate) fn put(
        &self,
        key: Key,
        causes: serde_json::Value,
        measures: Measures,
        kinds: &[&str],
    ) -> Result<Measures, AnalysisError> {
        let path = self.path(&key);
        let failed = |path: &Path, reason: String| AnalysisError::Result {
            path: path.to_owned(),
            reason,
        };
        let mut files = BTreeMap::new();
        for kind in kinds {
            let beside = self.beside(&key, kind);
            let bytes = std::fs::read(&beside).map_err(|e| failed(&beside, e.to_string()))?;
            files.insert((*kind).to_owned(), hash_of_bytes(&bytes));
        }
        let stored = Stored {
            key,
            causes,
            measures,
            files: Some(files),
        };
        let bytes = seal(&stored).map_err(|e| failed(&path, e.to_string()))?;
        std::fs::create_dir_all(&self.folder).map_err(|e| AnalysisError::Result {
            path: self.folder.clone(),
            reason: e.to_string(),
        })?;
        write_atomically(&path, &bytes)?;
        tracing::debug!(path = %path.display(), "measured");
        Ok(stored.measures)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ontogeny_store::KeyBuilder;
    use serde_json::json;

    use super::*;

    fn measures() -> Measures {
        let mut measures = Measures::default();
        measures.value("loss", 1.25);
        measures
    }

    #[test]
    fn a_result_that_was_changed_is_one_that_was_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::new(folder.path(), "llc");
        let key = KeyBuilder::new("test").finish();
        fs::create_dir(folder.path().join("llc")).unwrap();
        let put = || {
            fs::write(results.beside(&key, "parquet"), "draws").unwrap();
            let put = results.put(key, json!({}), measures(), &["parquet"]);
            put.unwrap();
        };
        let path = results.path(&key);
        put();
        assert_eq!(results.get(&key).unwrap(), Some(measures()));
        let text = fs::read_to_string(&path).unwrap();

        let damages: [&dyn Fn(); 5] = [
            &|| fs::write(&path, text.replace("1.25", "1.26")).unwrap(),
            &|| fs::write(&path, &text[..text.len() / 2]).unwrap(),
            &|| fs::write(&path, "").unwrap(),
            &|| fs::write(results.beside(&key, "parquet"), "drams").unwrap(),
            &|| fs::remove_file(results.beside(&key, "parquet")).unwrap(),
        ];
        for (i, damage) in damages.iter().enumerate() {
            damage();
            assert!(!results.has(&key).unwrap(), "damage {i}");
            put();
            assert_eq!(results.get(&key).unwrap(), Some(measures()), "damage {i}");
        }
    }

    #[test]
    fn a_result_of_the_first_version_has_no_hash_and_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::new(folder.path(), "behaviour");
        let key = KeyBuilder::new("test").finish();
        fs::create_dir(folder.path().join("behaviour")).unwrap();
        let old = json!({ "key": key, "causes": {}, "measures": measures() });
        fs::write(results.path(&key), old.to_string()).unwrap();
        assert_eq!(results.get(&key).unwrap(), Some(measures()));
        // Under another key's name it is not.
        let other = KeyBuilder::new("other").finish();
        fs::copy(results.path(&key), results.path(&other)).unwrap();
        assert_eq!(results.get(&other).unwrap(), None);
    }
}
