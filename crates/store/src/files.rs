//! Writing a file so that it is there whole or not at all, and reading small ones.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::StoreError;
use crate::excerpt::excerpt;
use crate::step::Step;

/// How the names of files begin that are still being written.
pub(crate) const PARTIAL: &str = ".partial-";

/// Bytes of a parser's message that are told whole.
const LONGEST_PROBLEM: usize = 400;

/// Writes a file so that, whatever is killed or loses power at whatever moment, `path` holds
/// either what it held before or all of `bytes`.
///
/// The bytes go to a temporary file in the same folder, reach the disk, and only then take the
/// name. The folder must exist.
///
/// # Errors
///
/// [`StoreError::Io`] if the folder cannot be written to; nothing is left behind then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    try_write(path, bytes).map_err(StoreError::io("write", path))
}

fn try_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL);
    // Temporary files are private by default; results are for whom the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder)
}

/// Gives a file that reached the disk under another name of its folder the name `to`.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to)
        .and_then(|()| sync_folder(to.parent().unwrap_or(Path::new("."))))
        .map_err(StoreError::io("rename to", to))
}

/// Makes a new name in a folder survive a loss of power.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere folders cannot be opened as files; the system takes care of names itself.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a file name is one that [`write_atomically`] gives while it works.
pub(crate) fn is_partial(name: &str) -> bool {
    name.starts_with(PARTIAL)
}

/// Removes what killed processes left half written in a folder. Only for the folder's sole writer.
/// Leftovers that cannot be removed, or a folder that is not there, do no harm.
pub(crate) fn sweep_partial(folder: &Path) {
    sweep_older(folder, Duration::ZERO);
}

/// As [`sweep_partial`], but leaves what was written less than `age` ago: for a folder that others
/// may be writing to.
pub(crate) fn sweep_older(folder: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let old = |entry: &fs::DirEntry| {
        let written = entry.metadata().and_then(|about| about.modified());
        age.is_zero() || written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since >= age))
    };
    for entry in entries.flatten() {
        if is_partial(&entry.file_name().to_string_lossy()) && old(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Creates a folder and those above it where they are missing.
pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::io("create folder", path))
}

/// Reads a JSON file into a typed value.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(StoreError::io("read", path))?;
    parse_json(path, &bytes)
}

/// Parses what was read from a JSON file.
pub(crate) fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| json_error(path, 0, &error))
}

/// Writes a JSON value, indented, atomically.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), StoreError> {
    write_atomically(path, format!("{value:#}\n").as_bytes())
}

/// The parser's error as the store's; `lines_before` are those not given to the parser.
pub(crate) fn json_error(
    path: &Path,
    lines_before: usize,
    error: &serde_json::Error,
) -> StoreError {
    // The parser ends its message with a position of its own, which would be said twice.
    let text = error.to_string();
    let problem = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(what, _)| what);
    StoreError::Json {
        path: path.to_owned(),
        line: lines_before + error.line().max(1),
        column: error.column().max(1),
        problem: shortened(problem),
    }
}

/// What a parser says may quote the file at any length.
fn shortened(problem: &str) -> String {
    match problem.len() > LONGEST_PROBLEM || problem.contains('\n') {
        true => excerpt(problem),
        false => problem.to_owned(),
    }
}

/// The steps of which a folder has a file, ascending; none if the folder does not exist.
pub(crate) fn steps_in(folder: &Path) -> Result<Vec<Step>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", folder)(error)),
    };
    let mut steps = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        steps.extend(Step::from_file_name(&entry.file_name().to_string_lossy()));
    }
    steps.sort_unstable();
    Ok(steps)
}
