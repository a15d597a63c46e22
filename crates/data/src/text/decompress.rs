//! Reading compressed files, up to a limit.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::kind::Packing;

/// Decompressed bytes that any file may have.
const LIMIT: u64 = 256 << 20;
/// How many times as long as its compressed form the text may be beyond [`LIMIT`]. Text is rarely
/// packed to less than a tenth; an archive made to exhaust memory grows a thousandfold and more.
const GROWTH: u64 = 64;
/// log₂ of the largest window, in bytes: what `zstd --long=31` asks for, the format's greatest.
const MAX_WINDOW_LOG: u32 = if usize::BITS > 32 { 31 } else { 30 };

/// Bytes that so many compressed ones may hold: 256 MiB, and 64 times as many.
pub(super) fn limit(compressed: u64) -> u64 {
    LIMIT.saturating_add(compressed.saturating_mul(GROWTH))
}

/// The bytes within a compressed file. More than [`limit`] allows for what was read of the file up
/// to there are an error: a file that grows too fast is given up before it has grown far.
pub(super) fn reader(
    raw: impl BufRead + 'static,
    packing: Packing,
) -> io::Result<Box<dyn BufRead>> {
    let consumed = Rc::new(Cell::new(0));
    let raw = Counted {
        inner: raw,
        consumed: Rc::clone(&consumed),
    };
    let unpacked: Box<dyn Read> = match packing {
        Packing::Plain => return Ok(Box::new(raw.inner)),
        Packing::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(BufReader::with_capacity(
        1 << 16,
        Limited {
            inner: unpacked,
            given: 0,
            consumed,
        },
    )))
}

/// A reader that counts the bytes that were taken from it.
struct Counted<R> {
    inner: R,
    consumed: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed.set(self.consumed.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed.set(self.consumed.get() + bytes as u64);
        self.inner.consume(bytes);
    }
}

/// A reader that fails where it has given more than [`limit`] allows.
struct Limited<R> {
    inner: R,
    given: u64,
    /// Compressed bytes that were read.
    consumed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.given += read as u64;
        let compressed = self.consumed.get();
        if self.given > limit(compressed) {
            return Err(io::Error::other(TooLong {
                compressed,
                given: self.given,
            }));
        }
        Ok(read)
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "its first {compressed} bytes already hold {} MiB, which is more than text does; if it is \
     right, decompress it first: plain files have no limit",
    given >> 20
)]
struct TooLong {
    compressed: u64,
    given: u64,
}

/// What went wrong in a compressed file, as a sentence.
pub(super) fn explain(error: &io::Error, packing: Packing) -> String {
    let text = error.to_string();
    let name = packing.name();
    if error
        .get_ref()
        .is_some_and(|inner| inner.downcast_ref::<TooLong>().is_some())
    {
        return text;
    }
    if text.contains("too much memory") {
        return format!(
            "its window is larger than 2^{MAX_WINDOW_LOG} bytes; compress it again with `zstd \
             --long={MAX_WINDOW_LOG}` or less"
        );
    }
    if text.contains("not enough memory") || error.kind() == ErrorKind::OutOfMemory {
        return "there is not enough memory for its window; compress it again without `--long`"
            .to_owned();
    }
    if text.to_ascii_lowercase().contains("dictionary") {
        return "it was compressed with a dictionary, which is not at hand; compress it again \
                without one"
            .to_owned();
    }
    if error.kind() == ErrorKind::UnexpectedEof {
        return format!("the file ends within its {name} data: it is cut off");
    }
    if text.contains("invalid gzip header") {
        return "other bytes follow what is gzip, or its header is damaged".to_owned();
    }
    format!("its {name} data is damaged ({text})")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: Vec<u8>, packing: Packing) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        reader(io::Cursor::new(bytes), packing)
            .and_then(|mut reader| reader.read_to_end(&mut all))
            .map_err(|error| explain(&error, packing))?;
        Ok(all)
    }

    #[test]
    fn several_frames_and_members_are_one_text() {
        let zst = [&b"one "[..], b"two"].map(|part| zstd::encode_all(part, 1).unwrap());
        let gz = [&b"one "[..], b"two"].map(gzip);
        assert_eq!(unpack(zst.concat(), Packing::Zstd).unwrap(), b"one two");
        assert_eq!(unpack(gz.concat(), Packing::Gzip).unwrap(), b"one two");
        let skipped = [&b"\x50\x2a\x4d\x18\x02\0\0\0hi"[..], &zst[0]].concat();
        assert_eq!(unpack(skipped, Packing::Zstd).unwrap(), b"one ");
    }

    #[test]
    fn no_more_than_the_limit_comes() {
        // Zeros: gzip and zstd pack them to a thousandth and less. What is read is not kept.
        let zeros = |mebibytes: u64| io::repeat(0).take(mebibytes << 20);
        let mut gz = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut zeros(320), &mut gz).unwrap();
        let zst = zstd::encode_all(zeros(320), 1).unwrap();
        for (bytes, packing) in [(zst, Packing::Zstd), (gz.finish().unwrap(), Packing::Gzip)] {
            let read = |bytes: Vec<u8>| {
                let mut reader = reader(io::Cursor::new(bytes), packing).unwrap();
                io::copy(&mut reader, &mut io::sink()).map_err(|error| explain(&error, packing))
            };
            let refused = read(bytes.clone()).unwrap_err();
            assert!(
                refused.contains("MiB, which is more than text"),
                "{refused}"
            );
            // Behind as many bytes of something else they are within the limit.
            let mut state = 1_u64;
            let first: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .take(1 << 18)
            .flatten()
            .collect();
            let first = match packing {
                Packing::Gzip => gzip(&first),
                _ => zstd::encode_all(&first[..], 1).unwrap(),
            };
            assert_eq!(read([first, bytes].concat()), Ok((320 << 20) + (2 << 20)));
        }
        assert_eq!(limit(0), 256 << 20);
        assert_eq!(limit(u64::MAX), u64::MAX);
    }

    #[test]
    fn windows_up_to_the_greatest_are_read() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(b"far apart").unwrap();
        let mut bytes = encoder.finish().unwrap();
        // Behind the magic number and a descriptor comes the window's logarithm, less 10, in the
        // upper five bits.
        bytes[5] = 21 << 3;
        let read = unpack(bytes.clone(), Packing::Zstd);
        assert_eq!(read.as_deref(), Ok(&b"far apart"[..]));
        let mut beyond = bytes;
        beyond[5] = 25 << 3;
        let refused = unpack(beyond, Packing::Zstd).unwrap_err();
        assert!(refused.contains("--long=31"), "{refused}");
    }

    #[test]
    fn damage_is_told() {
        let zst = zstd::encode_all(&b"some text that is long enough"[..], 1).unwrap();
        let gz = gzip(b"some text that is long enough");
        for (bytes, packing) in [(zst, Packing::Zstd), (gz, Packing::Gzip)] {
            let cut = unpack(bytes[..bytes.len() - 3].to_vec(), packing).unwrap_err();
            assert!(cut.contains("cut off"), "{cut}");
            let mut junk = bytes.clone();
            junk.extend(b"not compressed");
            assert!(unpack(junk, packing).is_err(), "{packing:?}");
        }
    }
}
