//! The table and the stages on disk, with hashes that tell whether they are still what was written.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use ontogeny_analysis::table::{self, MeasureRow};
use ontogeny_results::stages::ReplicaStages;
use ontogeny_store::{Key, RunFolder, create_folder, hash_of_bytes, write_atomically};

use super::{STAGES, TABLE};
use crate::failure::InFile;
use crate::place;

/// The same as Parquet.
const TABLE_PARQUET: &str = "table.parquet";
/// Hashes of these files, by name: whether they are still what the analysis wrote.
const HASHES: &str = "hashes.json";

/// Writes the table and the stages, and last their hashes.
pub(super) fn write(analysis: &Path, rows: &[MeasureRow], stages: &[ReplicaStages]) -> Result<()> {
    create_folder(analysis)?;
    let hashes = analysis.join(HASHES);
    // Without hashes nothing is checked: whatever a kill leaves is not taken for damaged.
    match std::fs::remove_file(&hashes) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(InFile::error(
                &hashes,
                format!("cannot be removed: {error}"),
            ));
        }
        _ => {}
    }
    write_table(&analysis.join(TABLE), rows)?;
    table::write_parquet(&analysis.join(TABLE_PARQUET), rows)?;
    place::write_json(&analysis.join(STAGES), &stages)?;
    let mut written: BTreeMap<&str, Key> = BTreeMap::new();
    for name in [TABLE, TABLE_PARQUET, STAGES] {
        written.insert(name, hash_of_bytes(&std::fs::read(analysis.join(name))?));
    }
    place::write_json(&hashes, &written)
}

/// What is wrong with a file in the analysis folder that was changed or damaged after the analysis
/// wrote it, as an error that says what to do. What the first version wrote has no hash to check.
pub fn check_written(folder: &RunFolder, name: &str) -> Result<()> {
    let path = folder.analysis().join(name);
    let hashes = std::fs::read(folder.analysis().join(HASHES)).ok();
    let hashes: Option<BTreeMap<String, Key>> =
        hashes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(expected) = hashes.and_then(|hashes| hashes.get(name).copied()) else {
        return Ok(());
    };
    match std::fs::read(&path) {
        Ok(bytes) if hash_of_bytes(&bytes) != expected => Err(InFile::error(
            &path,
            format!(
                "was changed or damaged after the analysis wrote it; `ontogeny analyze {}` writes \
                 it anew",
                folder.root().display()
            ),
        )),
        // That it is missing or cannot be read is told by whoever reads it.
        _ => Ok(()),
    }
}

/// One JSON object on each line, a row each.
fn write_table(path: &Path, rows: &[MeasureRow]) -> Result<()> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(write_atomically(path, text.as_bytes())?)
}
