//! Writing a file so that it is there whole or not at all, and reading small ones.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::StoreError;
use crate::excerpt::shortened;
use crate::step::Step;

/// Bytes that the name of a file or folder may have on most file systems.
const LONGEST_NAME: usize = 255;
/// How the names of files begin that are still being written.
pub(crate) const PARTIAL: &str = ".partial-";

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
    match try_write(path, bytes) {
        // Another process that has just begun in the folder took the temporary file for a leftover.
        Err(error) if error.kind() == ErrorKind::NotFound => try_write(path, bytes),
        written => written,
    }
    .map_err(StoreError::io("write", path))
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

/// Makes a new name in a folder survive a loss of power, where the file system can do that.
///
/// The file itself has reached the disk by then and has its name. Network and FUSE file systems
/// often cannot sync a folder and say so in various ways; a failing disk says something else.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|opened| opened.sync_all()) {
        Err(error) if cannot_sync_folders(&error) => Ok(()),
        synced => synced,
    }
}

/// Whether an error says that folders cannot be synced here, rather than that a disk failed.
fn cannot_sync_folders(error: &io::Error) -> bool {
    /// `EBADF` on all systems: some file systems open folders for listing only.
    const BAD_DESCRIPTOR: i32 = 9;
    matches!(
        error.kind(),
        ErrorKind::InvalidInput
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
    ) || error.raw_os_error() == Some(BAD_DESCRIPTOR)
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

/// Creates a folder and those above it where they are missing. Links are followed.
///
/// # Errors
///
/// Those of [`check_folder`]; [`StoreError::Io`].
pub fn create_folder(path: &Path) -> Result<(), StoreError> {
    check_folder(path)?;
    fs::create_dir_all(path).map_err(StoreError::io("create folder", path))
}

/// Whether a folder is at `path` or could be made there; nothing is written. Links are followed.
///
/// # Errors
///
/// [`StoreError::NoFolder`], which says what is in the way: a file, a device, a link that leads
/// nowhere or to itself, a name that is too long, an empty path. [`StoreError::Io`].
pub fn check_folder(path: &Path) -> Result<(), StoreError> {
    let refuse = |reason: String| StoreError::NoFolder {
        path: path.to_owned(),
        reason,
    };
    if path.as_os_str().is_empty() {
        return Err(refuse("the path is empty; name a folder".to_owned()));
    }
    let called = |part: &Path| match part == path {
        true => "it".to_owned(),
        false => format!("`{}`", part.display()),
    };
    // From the whole path up to the first part that exists.
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        let error = match fs::metadata(part) {
            Ok(there) if there.is_dir() => return Ok(()),
            Ok(there) => {
                let what = if there.is_file() {
                    "a file"
                } else {
                    "a device, a pipe or a socket"
                };
                return Err(refuse(format!("{} is {what}", called(part))));
            }
            Err(error) => error,
        };
        let target: Option<PathBuf> = fs::read_link(part).ok();
        match (error.kind(), target) {
            (ErrorKind::NotFound, Some(target)) => {
                return Err(refuse(format!(
                    "{} is a link to `{}`, which does not exist; create that folder first",
                    called(part),
                    target.display()
                )));
            }
            (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => {}
            (ErrorKind::InvalidFilename, _) => {
                let longest = part.components().map(|c| c.as_os_str().len()).max();
                return Err(refuse(match longest {
                    Some(longest) if longest > LONGEST_NAME => {
                        format!("a name in it has {longest} bytes, more than the file system takes")
                    }
                    _ => format!(
                        "it has {} bytes, more than the system takes",
                        part.as_os_str().len()
                    ),
                }));
            }
            (_, Some(target)) if is_loop(&error) => {
                return Err(refuse(format!(
                    "{} is a link to `{}`, and these links lead back to themselves",
                    called(part),
                    target.display()
                )));
            }
            _ if is_loop(&error) => {
                return Err(refuse("links in it lead back to themselves".to_owned()));
            }
            _ => return Err(StoreError::io("look at", part)(error)),
        }
    }
    Ok(())
}

/// Whether an error is that of links which lead back to themselves; the standard library has no
/// stable name for it.
fn is_loop(error: &io::Error) -> bool {
    const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    cfg!(unix) && error.raw_os_error() == Some(TOO_MANY_LINKS)
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

/// The steps of which a folder has a file, ascending; none if the folder does not exist.
pub(crate) fn steps_in(folder: &Path) -> Result<Vec<Step>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_cannot_sync_folders_is_told_from_a_disk_that_fails() {
        let check = |code: i32, expected: bool| {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(cannot_sync_folders(&error), expected, "{error}");
        };
        // EINVAL, EBADF, EACCES, and on Linux ENOSYS and EOPNOTSUPP.
        for code in [22, 9, 13] {
            check(code, true);
        }
        #[cfg(target_os = "linux")]
        for code in [38, 95] {
            check(code, true);
        }
        // EIO, ENOSPC, EROFS.
        for code in [5, 28, 30] {
            check(code, false);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_stands_where_a_folder_should_be_is_named() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("other", at("one")).unwrap();
        symlink("one", at("other")).unwrap();
        for good in ["real", "link", "new", "new/below", "link/below"] {
            check_folder(&at(good)).unwrap();
        }
        let long = "a".repeat(300);
        for (bad, reason) in [
            ("file", "it is a file"),
            ("file/below", "file` is a file"),
            (
                "dangling",
                "it is a link to `nowhere`, which does not exist",
            ),
            ("dangling/below", "dangling` is a link to `nowhere`"),
            ("loop", "it is a link to `loop`, and these links lead back"),
            ("one", "it is a link to `other`, and these links lead back"),
            (&*long, "a name in it has 300 bytes"),
        ] {
            let told = check_folder(&at(bad)).unwrap_err().to_string();
            assert!(told.contains(reason), "{bad}: {told}");
        }
        let told = |path: &str| check_folder(Path::new(path)).unwrap_err().to_string();
        assert!(told("").contains("the path is empty"), "{}", told(""));
        assert!(
            told("/dev/null").contains("it is a device"),
            "{}",
            told("/dev/null")
        );
        assert!(!at("new").exists());
    }
}
