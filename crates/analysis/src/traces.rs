//! Every draw of every chain, on disk under the key of its estimate.

use std::path::Path;

use ontogeny_store::{Key, write_atomically};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use crate::columns::{Column, to_parquet};
use crate::error::AnalysisError;
use crate::llc::Seen;

/// One draw of one chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Number of the chain.
    pub chain: i64,
    /// Number of the draw, from 0 at w* itself.
    pub draw: i64,
    /// The loss on the sampler's data, in nats.
    pub loss: Option<f64>,
    /// The loss on the data of the estimate, of a draw that counts.
    pub kept: Option<f64>,
    /// L(w*) on the same data, where it is paired.
    pub baseline: Option<f64>,
}

/// What the file holds its key under.
const KEY: &str = "ontogeny.key";

/// Writes the draws of these chains. Those of one that died are kept as well: `by_chain` in the
/// result says so.
pub(crate) fn write(path: &Path, key: &Key, seen: &[Seen]) -> Result<(), AnalysisError> {
    let finite = |x: f64| x.is_finite().then_some(x);
    let (mut chains, mut draws) = (Vec::new(), Vec::new());
    let [mut losses, mut kept, mut baselines] = [const { Vec::new() }; 3];
    for (chain, seen) in seen.iter().enumerate() {
        let first = seen.losses.len() - seen.kept.len();
        for (draw, &loss) in seen.losses.iter().enumerate() {
            chains.push(chain as i64);
            draws.push(draw as i64);
            losses.push(finite(loss));
            let counts = draw.checked_sub(first);
            kept.push(counts.and_then(|k| finite(seen.kept[k])));
            baselines.push(
                counts
                    .and_then(|k| seen.baselines.get(k).copied())
                    .and_then(finite),
            );
        }
    }
    let columns = [
        ("chain", Column::Int(chains)),
        ("draw", Column::Int(draws)),
        ("loss", Column::Double(losses)),
        ("kept", Column::Double(kept)),
        ("baseline", Column::Double(baselines)),
    ]
    .map(|(name, column)| (name.to_owned(), column));
    keep(path, key, &columns)
}

/// Writes columns with the key inside, whole or not at all.
pub(crate) fn keep(
    path: &Path,
    key: &Key,
    columns: &[(String, Column)],
) -> Result<(), AnalysisError> {
    let wrong = |reason: String| AnalysisError::Result {
        path: path.to_owned(),
        reason,
    };
    let bytes = to_parquet(columns, &[(KEY, key.to_string())]).map_err(|e| wrong(e.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| wrong(e.to_string()))?;
    }
    Ok(write_atomically(path, &bytes)?)
}

/// The draws under a key.
///
/// # Errors
/// If the file cannot be read, or was made under another key.
pub fn read(path: &Path, key: &Key) -> Result<Vec<Draw>, AnalysisError> {
    let wrong = |reason: String| AnalysisError::Result {
        path: path.to_owned(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(|e| wrong(e.to_string()))?;
    let reader = SerializedFileReader::new(file).map_err(|e| wrong(e.to_string()))?;
    let about = reader.metadata().file_metadata().key_value_metadata();
    let found = about
        .into_iter()
        .flatten()
        .find(|kv| kv.key == KEY)
        .and_then(|kv| kv.value.clone());
    if found.as_deref() != Some(key.to_string().as_str()) {
        return Err(wrong(format!(
            "it holds the draws of another key, {}",
            found.as_deref().unwrap_or("none")
        )));
    }
    let rows = reader
        .get_row_iter(None)
        .map_err(|e| wrong(e.to_string()))?;
    rows.map(|row| {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let whole = |i| row.get_long(i).map_err(|e| wrong(e.to_string()));
        Ok(Draw {
            chain: whole(0)?,
            draw: whole(1)?,
            // What is absent is no double.
            loss: row.get_double(2).ok(),
            kept: row.get_double(3).ok(),
            baseline: row.get_double(4).ok(),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_store::KeyBuilder;

    #[test]
    fn draws_come_back_under_their_own_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("draws.parquet");
        let key = KeyBuilder::new("test/1").number("n", 1).finish();
        let seen = Seen {
            losses: vec![1.0, f64::NAN, 3.0],
            kept: vec![f64::NAN, 3.0],
            baselines: vec![0.5, 0.25],
            ..Seen::default()
        };
        write(&path, &key, &[seen.clone(), seen]).unwrap();
        let draws = read(&path, &key).unwrap();
        assert_eq!(draws.len(), 6);
        let last = Draw {
            chain: 1,
            draw: 2,
            loss: Some(3.0),
            kept: Some(3.0),
            baseline: Some(0.25),
        };
        assert_eq!(draws[5], last);
        assert_eq!((draws[0].kept, draws[4].loss), (None, None));
        let other = KeyBuilder::new("test/1").number("n", 2).finish();
        let error = read(&path, &other).unwrap_err().to_string();
        assert!(error.contains("another key"), "{error}");
    }
}
