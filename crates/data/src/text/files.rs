//! Which files a corpus is made of: each once, whatever links lead to it.

use std::collections::HashSet;
use std::fs::{self, FileType, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::kind::by_name;
use crate::DataError;

/// The files of a corpus in order, and what was passed over.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) paths: Vec<PathBuf>,
    /// Links to files and folders that are there already.
    pub(super) links: u64,
    /// Hidden files whose names are those of corpora.
    pub(super) hidden: Vec<PathBuf>,
    /// Places, with links resolved, of the files and folders that are there.
    seen: HashSet<PathBuf>,
}

impl Files {
    /// The file at a path, or all files in a folder and those in it, in the order of their names.
    ///
    /// Hidden ones are passed over, and so is what was there before by another name, so that
    /// links cannot go round.
    pub(super) fn at(root: &Path) -> Result<Self, DataError> {
        let mut files = Self::default();
        let metadata = fs::metadata(root).map_err(DataError::io("open", root))?;
        files.add(root.to_owned(), &metadata)?;
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) -> Result<(), DataError> {
        let what = metadata.file_type();
        if !what.is_dir() && !what.is_file() {
            return Err(DataError::SpecialFile {
                path,
                what: special(what),
            });
        }
        let place = fs::canonicalize(&path).map_err(DataError::io("open", &path))?;
        if !self.seen.insert(place) {
            self.links += 1;
            return Ok(());
        }
        if what.is_file() {
            self.paths.push(path);
            return Ok(());
        }
        let mut entries = fs::read_dir(&path)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(DataError::io("list", &path))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                if by_name(&path).is_some() {
                    self.hidden.push(path);
                }
                continue;
            }
            let metadata = fs::metadata(&path).map_err(|error| unreachable(&path, error))?;
            self.add(path, &metadata)?;
        }
        Ok(())
    }
}

/// Why an entry of a folder leads nowhere.
fn unreachable(path: &Path, error: io::Error) -> DataError {
    match fs::read_link(path) {
        Ok(target) if error.kind() == ErrorKind::NotFound => DataError::Link {
            path: path.to_owned(),
            message: format!(
                "is a link to {}, which does not exist; remove it, or bring that back",
                target.display()
            ),
        },
        Ok(target) => DataError::Link {
            path: path.to_owned(),
            message: format!(
                "is a link to {}, which leads nowhere: {error}",
                target.display()
            ),
        },
        Err(_) => DataError::io("open", path)(error),
    }
}

#[cfg(unix)]
fn special(what: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if what.is_fifo() => "a pipe",
        () if what.is_socket() => "a socket",
        () if what.is_char_device() => "a device or terminal",
        () if what.is_block_device() => "a device",
        () => "neither a file nor a folder",
    }
}

#[cfg(not(unix))]
fn special(_what: FileType) -> &'static str {
    "neither a file nor a folder"
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Names of the files found, relative to the folder.
    fn names(root: &Path) -> Result<(Vec<String>, Files), DataError> {
        let files = Files::at(root)?;
        let name = |path: &PathBuf| {
            path.strip_prefix(root)
                .expect("below")
                .display()
                .to_string()
        };
        Ok((files.paths.iter().map(name).collect(), files))
    }

    #[test]
    fn each_file_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        for name in ["a.txt", "b/a.txt", "b/c/z.txt", ".hid.txt", ".git"] {
            fs::write(at(name), name).unwrap();
        }
        symlink("..", at("b/up")).unwrap();
        symlink(".", at("here")).unwrap();
        symlink("a.txt", at("same.txt")).unwrap();
        symlink("b/c", at("shortcut")).unwrap();
        fs::hard_link(at("a.txt"), at("hard.txt")).unwrap();
        let (found, files) = names(folder.path()).unwrap();
        assert_eq!(found, ["a.txt", "b/a.txt", "b/c/z.txt", "hard.txt"]);
        assert_eq!(files.links, 4);
        assert_eq!(files.hidden, [at(".hid.txt")]);
    }

    #[test]
    fn what_is_no_file_is_refused_and_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let refused = || names(folder.path()).expect_err("refused").to_string();
        symlink("gone", at("a.txt")).unwrap();
        let message = refused();
        assert!(
            message.contains("a link to gone, which does not exist"),
            "{message}"
        );
        fs::remove_file(at("a.txt")).unwrap();
        symlink("b.txt", at("a.txt")).unwrap();
        symlink("a.txt", at("b.txt")).unwrap();
        let message = refused();
        assert!(message.contains("which leads nowhere"), "{message}");
        for name in ["a.txt", "b.txt"] {
            fs::remove_file(at(name)).unwrap();
        }
        let _socket = UnixListener::bind(at("s.txt")).unwrap();
        let message = refused();
        assert!(message.contains("s.txt is a socket"), "{message}");
        fs::remove_file(at("s.txt")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("p.txt"))
            .status();
        assert!(made.unwrap().success());
        let message = refused();
        assert!(message.contains("p.txt is a pipe"), "{message}");
        let message = names(Path::new("/dev/null"))
            .expect_err("refused")
            .to_string();
        assert!(message.contains("/dev/null is a device"), "{message}");
    }
}
