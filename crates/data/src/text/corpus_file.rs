//! One file of a corpus: opening, decompressing and decoding it, and finding its documents.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;

use super::decompress::{self, explain};
use super::encoding::{MARK, SAMPLE, guess, wide};
use super::kind::{Kind, Packing, foreign, packing};
use super::left_out::Tally;
use super::lines;
use super::table::read_parquet;
use crate::DataError;

/// A file with documents.
#[derive(Debug)]
pub(super) struct CorpusFile {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    /// How it is packed by its name.
    pub(super) packing: Packing,
    /// Its bytes, if it comes with this crate and does not lie on disk.
    pub(super) shipped: Option<&'static [u8]>,
}

/// The bytes of a file behind its byte order mark, decompressed.
struct Bytes {
    reader: Box<dyn BufRead>,
    packing: Packing,
    /// Bytes of the mark.
    skipped: u64,
    /// The size of the file itself.
    size: u64,
}

impl CorpusFile {
    /// The bytes of the file as they are.
    pub(super) fn open(&self) -> Result<Box<dyn BufRead>, DataError> {
        Ok(match self.shipped {
            Some(bytes) => Box::new(bytes),
            None => Box::new(BufReader::with_capacity(
                1 << 16,
                File::open(&self.path).map_err(DataError::io("open", &self.path))?,
            )),
        })
    }

    fn size(&self) -> u64 {
        match self.shipped {
            Some(bytes) => bytes.len() as u64,
            None => fs::metadata(&self.path).map_or(0, |metadata| metadata.len()),
        }
    }

    /// Whether there is a byte order mark to be stripped. A file that cannot be read has none: it
    /// is refused where it is read.
    pub(super) fn begins_with_mark(&self) -> bool {
        self.kind != Kind::Parquet && self.bytes().is_ok_and(|bytes| bytes.skipped > 0)
    }

    /// What a text or lines are read from.
    fn bytes(&self) -> Result<Bytes, DataError> {
        let mut raw = self.open()?;
        let mut start = Vec::new();
        raw.by_ref()
            .take(SAMPLE as u64)
            .read_to_end(&mut start)
            .map_err(DataError::io("read", &self.path))?;
        let packing = match packing(&start) {
            // The first bytes decide whatever the name says, but it may not promise what is not
            // there.
            Packing::Plain if self.packing != Packing::Plain && !start.is_empty() => {
                return Err(DataError::Compressed {
                    path: self.path.clone(),
                    message: format!(
                        "its name says {}, and its bytes do not; rename it, or make it again",
                        self.packing.name()
                    ),
                });
            }
            found => found,
        };
        let other = |(format, cure)| DataError::OtherFormat {
            path: self.path.clone(),
            format,
            cure,
        };
        if let Some(found) = foreign(&start) {
            return Err(other(found));
        }
        let size = self.size();
        let whole = BufReader::new(Cursor::new(start).chain(raw));
        let broken = |error: std::io::Error| DataError::Compressed {
            path: self.path.clone(),
            message: explain(&error, packing),
        };
        let mut reader = decompress::reader(whole, packing).map_err(broken)?;
        let mut start = Vec::new();
        reader
            .by_ref()
            .take(SAMPLE as u64)
            .read_to_end(&mut start)
            .map_err(|error| self.unreadable(error, packing))?;
        if packing != Packing::Plain
            && let Some(found) = foreign(&start)
        {
            return Err(other(found));
        }
        if let Some(wide) = wide(&start) {
            return Err(DataError::Wide {
                path: self.path.clone(),
                name: wide.name,
                iconv: wide.iconv,
            });
        }
        let skipped = if start.starts_with(MARK) {
            MARK.len()
        } else {
            0
        };
        let mut start = Cursor::new(start);
        start.set_position(skipped as u64);
        Ok(Bytes {
            reader: Box::new(BufReader::with_capacity(1 << 16, start.chain(reader))),
            packing,
            skipped: skipped as u64,
            size,
        })
    }

    /// The error of a reader that may decompress.
    fn unreadable(&self, error: std::io::Error, packing: Packing) -> DataError {
        match packing {
            Packing::Plain => DataError::io("read", &self.path)(error),
            Packing::Gzip | Packing::Zstd => DataError::Compressed {
                path: self.path.clone(),
                message: explain(&error, packing),
            },
        }
    }

    /// Adds the documents of the file, and counts them.
    pub(super) fn read(
        &self,
        field: &str,
        tally: &mut Tally,
        documents: &mut Vec<String>,
    ) -> Result<(), DataError> {
        match self.kind {
            Kind::Text => {
                let mut bytes = self.bytes()?;
                let mut text = Vec::new();
                if bytes.packing == Packing::Plain {
                    // In one piece, so that the buffer of a large file is not copied as it grows.
                    text.reserve_exact(usize::try_from(bytes.size).unwrap_or(0));
                }
                bytes
                    .reader
                    .read_to_end(&mut text)
                    .map_err(|error| self.unreadable(error, bytes.packing))?;
                let text = String::from_utf8(text).map_err(|error| {
                    let at = error.utf8_error().valid_up_to();
                    let line = 1 + error.as_bytes()[..at]
                        .iter()
                        .filter(|&&byte| byte == b'\n')
                        .count() as u64;
                    self.no_utf8(error.as_bytes(), at, line, bytes.skipped, bytes.packing)
                })?;
                documents.extend(tally.keep(self.kind, Some(text)));
                Ok(())
            }
            Kind::Lines => self.read_lines(field, tally, documents),
            Kind::Parquet => read_parquet(&self.path, field, &mut |text| {
                documents.extend(tally.keep(Kind::Parquet, text));
            }),
        }
    }

    fn read_lines(
        &self,
        field: &str,
        tally: &mut Tally,
        documents: &mut Vec<String>,
    ) -> Result<(), DataError> {
        let mut bytes = self.bytes()?;
        let mut offset = bytes.skipped;
        let mut line = Vec::new();
        // Blank lines at the end are no lines.
        let mut blank = 0;
        let mut first = true;
        for number in 1.. {
            line.clear();
            let read = bytes
                .reader
                .read_until(b'\n', &mut line)
                .map_err(|error| self.unreadable(error, bytes.packing))?;
            if read == 0 {
                break;
            }
            let text = std::str::from_utf8(&line).map_err(|error| {
                self.no_utf8(&line, error.valid_up_to(), number, offset, bytes.packing)
            })?;
            offset += read as u64;
            let text = text.strip_suffix('\n').unwrap_or(text);
            if text.trim().is_empty() {
                blank += 1;
                continue;
            }
            let found = match lines::read(text, field) {
                Ok(found) => found,
                Err(message) => {
                    let at_end = || bytes.reader.fill_buf().is_ok_and(<[u8]>::is_empty);
                    return Err(DataError::BadLine {
                        path: self.path.clone(),
                        line: number,
                        message: match first && lines::is_array_of_file(text, at_end) {
                            true => "the file is one JSON array, not lines: each line is one \
                                     object; `jq -c '.[]' FILE > NEW.jsonl` makes lines of it"
                                .to_owned(),
                            false => message,
                        },
                    });
                }
            };
            first = false;
            tally.blank_lines += std::mem::take(&mut blank);
            tally.repeated_members += u64::from(found.repeated);
            documents.extend(tally.keep(self.kind, found.text));
        }
        Ok(())
    }

    /// The error that `bytes`, which begin at `offset` of the text, are no UTF-8 from `at` on.
    fn no_utf8(
        &self,
        bytes: &[u8],
        at: usize,
        line: u64,
        offset: u64,
        packing: Packing,
    ) -> DataError {
        DataError::NotUtf8 {
            path: self.path.clone(),
            line,
            offset: offset + at as u64,
            decompressed: packing != Packing::Plain,
            guess: guess(bytes, at),
        }
    }
}
