//! A growing table as JSON lines.
//!
//! Lines are only ever appended. A process that is killed leaves at most a torn last line, which
//! readers overlook and a resumed run removes.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::StoreError;
use crate::files::{json_error, write_atomically};

/// A series that is being written.
#[derive(Debug)]
pub struct Series {
    path: PathBuf,
    file: BufWriter<File>,
}

/// A series that was opened to go on with it, and what was found there.
#[derive(Debug)]
pub struct Resumed {
    /// The series, to append to.
    pub series: Series,
    /// The lines that stayed, in order.
    pub kept: Vec<Value>,
    /// Numbers, from 1, of the damaged lines that were moved to another file.
    pub damaged: Vec<usize>,
    /// The file that damaged lines were moved to, if there were any.
    pub set_aside: PathBuf,
}

impl Series {
    /// Opens a series to go on with it, from an empty one if there is no file.
    ///
    /// Lines for which `keep` is true stay; all others go, and so does a torn end of the file. A
    /// run that resumes at step s keeps the lines up to s, since it will write the later ones
    /// again. A damaged line that may not be written again, because it is not between two that go,
    /// is moved to a file beside this one, and its number is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]. The file is as it was then.
    pub fn resume(path: &Path, keep: impl Fn(&Value) -> bool) -> Result<Resumed, StoreError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        let mut kept = Vec::with_capacity(bytes.len());
        let mut values = Vec::new();
        // Only what follows a damaged line tells whether it is written again: `undecided` are those
        // behind the last line that goes, if one was seen since the last that stays.
        let (mut damaged, mut undecided, mut going) = (Vec::new(), Vec::new(), false);
        for line in lines(path, &bytes) {
            match line.value {
                Ok(value) if keep(&value) => {
                    damaged.append(&mut undecided);
                    going = false;
                    kept.extend_from_slice(line.text);
                    kept.push(b'\n');
                    values.push(value);
                }
                // Between two lines that go: it is written again, as they are.
                Ok(_) if going => undecided.clear(),
                // Before the first that goes it may be of a step that stays.
                Ok(_) => {
                    damaged.append(&mut undecided);
                    going = true;
                }
                Err(_) if line.terminated => undecided.push((line.number, line.text)),
                // A kill tears what is being written.
                Err(_) => {}
            }
        }
        damaged.append(&mut undecided);
        let set_aside = path.with_added_extension("damaged");
        if !damaged.is_empty() {
            // Those of an earlier time stay.
            let mut text = match fs::read(&set_aside) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(StoreError::io("read", &set_aside)(error)),
            };
            for (_, line) in &damaged {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            write_atomically(&set_aside, &text)?;
        }
        if kept != bytes || bytes.is_empty() {
            write_atomically(path, &kept)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(StoreError::io("open", path))?;
        Ok(Resumed {
            series: Self {
                path: path.to_owned(),
                file: BufWriter::new(file),
            },
            kept: values,
            damaged: damaged.into_iter().map(|(number, _)| number).collect(),
            set_aside,
        })
    }

    /// Appends a value as one line. It may stay in memory until [`Series::flush`].
    ///
    /// JSON has no NaN and no infinities: they become null.
    ///
    /// # Errors
    ///
    /// [`StoreError::Encode`] if the value has no JSON form; [`StoreError::Io`].
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(value).map_err(|error| StoreError::Encode {
            path: self.path.clone(),
            problem: error.to_string(),
        })?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(StoreError::io("append to", &self.path))
    }

    /// Brings all lines to the disk; only then do they survive a loss of power.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data())
            .map_err(StoreError::io("write", &self.path))
    }
}

/// All lines of a series. A torn last line, left by a killed process or still being written by a
/// live one, is overlooked.
///
/// # Errors
///
/// [`StoreError::Json`] with the line's number if any other line is not JSON; [`StoreError::Io`].
pub fn read_series(path: &Path) -> Result<Vec<Value>, StoreError> {
    let bytes = fs::read(path).map_err(StoreError::io("read", path))?;
    lines(path, &bytes)
        .filter(|line| line.terminated || line.value.is_ok())
        .map(|line| line.value)
        .collect()
}

/// The lines of a series that are whole, and what is wrong with each that is not. A torn last line
/// is overlooked.
///
/// # Errors
///
/// [`StoreError::Io`].
pub fn read_whole_lines(path: &Path) -> Result<(Vec<Value>, Vec<StoreError>), StoreError> {
    let bytes = fs::read(path).map_err(StoreError::io("read", path))?;
    let (mut values, mut damaged) = (Vec::new(), Vec::new());
    for line in lines(path, &bytes) {
        match line.value {
            Ok(value) => values.push(value),
            Err(error) if line.terminated => damaged.push(error),
            Err(_) => {}
        }
    }
    Ok((values, damaged))
}

struct Line<'a> {
    /// From 1.
    number: usize,
    /// Without its end.
    text: &'a [u8],
    terminated: bool,
    value: Result<Value, StoreError>,
}

/// The lines of a file that are not blank, each parsed.
fn lines<'a>(path: &'a Path, bytes: &'a [u8]) -> impl Iterator<Item = Line<'a>> {
    bytes
        .split_inclusive(|&byte| byte == b'\n')
        .enumerate()
        .map(move |(index, piece)| {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let terminated = text.len() < piece.len();
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let value = serde_json::from_slice(text)
                .map_err(|error| json_error(path, index, &error))
                // Without its end a number may be a shorter one's beginning: `12` of `123`. An
                // object or a list that closes is all there.
                .and_then(|value: Value| match value {
                    Value::Object(_) | Value::Array(_) => Ok(value),
                    _ if terminated => Ok(value),
                    _ => Err(StoreError::Json {
                        path: path.to_owned(),
                        line: index + 1,
                        column: text.len().max(1),
                        problem: "the line is torn".to_owned(),
                    }),
                });
            Line {
                number: index + 1,
                text,
                terminated,
                value,
            }
        })
        .filter(|line| !line.text.trim_ascii().is_empty())
}
