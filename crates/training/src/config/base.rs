//! The folder that relative paths start from, as it is written into `config.toml`.

use std::path::{Path, PathBuf};

use ontogeny_data::SourceSpec;

use super::validate::Problem;
use super::{ArmConfig, RunConfig};

/// The folder that relative paths start from, as a configuration can hold it: TOML is text. A
/// folder whose name is none is left out where nothing starts from it, and refused otherwise.
pub(super) fn writable_base(
    config: &RunConfig,
    arms: &[ArmConfig],
    base: &Path,
) -> Result<Option<PathBuf>, Problem> {
    if base.to_str().is_some() {
        return Ok(Some(base.to_owned()));
    }
    let mut all = std::iter::once(config).chain(arms.iter().map(|arm| &arm.config));
    if !all.any(names_relative_path) {
        return Ok(None);
    }
    let message = format!(
        "relative paths start from {}, whose name is not UTF-8 and cannot be written into the \
         run's config.toml; write absolute paths, set `base` to another folder, or rename this one",
        base.display()
    );
    Err(Problem::new("base", message))
}

/// Whether something that a configuration names is looked for from its base.
fn names_relative_path(config: &RunConfig) -> bool {
    let of_source = |source: &SourceSpec| source.paths().into_iter().any(|p| p.is_relative());
    let start = config.training.start_from.as_deref();
    let evals = config.evals.iter().map(|eval| &eval.data);
    let mut sources = config.sources().into_iter().map(|(_, s)| s).chain(evals);
    start.is_some_and(Path::is_relative) || sources.any(of_source)
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use crate::config::{ConfigError, LoadedConfig, RunConfig};

    /// Reads a configuration in a folder whose name is no text.
    fn read(text: &str) -> Result<LoadedConfig, ConfigError> {
        let folder = Path::new(OsStr::from_bytes(b"/runs/d\xff"));
        RunConfig::parse(text, "t.toml", "t", folder, &[])
    }

    #[test]
    fn a_folder_that_is_no_text_is_left_out_where_nothing_starts_from_it() {
        for text in [
            "",
            "data = { kind = \"text\" }",
            "data = { kind = \"text\", corpus = \"/corpora/a.txt\" }",
        ] {
            let loaded = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(loaded.config.base, None, "{text}");
            assert!(!loaded.resolved_toml.contains("base ="), "{text}");
            assert!(loaded.arms.iter().all(|arm| arm.config.base.is_none()));
        }
    }

    #[test]
    fn it_is_refused_where_something_does() {
        for text in [
            "data = { kind = \"text\", corpus = \"a.txt\" }",
            "data = { kind = \"text\", tokenizer = \"t.json\" }",
            "data = { kind = \"text\", corpora = [{ path = \"a\" }, { path = \"/b\" }] }",
            "training = { start_from = \"a.safetensors\" }",
            "evals = [{ name = \"e\", data = { kind = \"text\", corpus = \"a.txt\" } }]",
            "arms = [{ name = \"a\", set = { \"training.start_from\" = \"a.safetensors\" } }]",
        ] {
            let error = read(text).expect_err(text);
            assert!(error.message.contains("not UTF-8"), "{text}: {error}");
            assert_eq!(error.key.as_deref(), Some("base"), "{text}");
        }
    }
}
