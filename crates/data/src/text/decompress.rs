//! Reading compressed files, up to a limit.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use super::kind::Packing;

/// Decompressed bytes that any file may have.
const LIMIT: u64 = 256 << 20;
/// How many times as long as the file the text may be beyond [`LIMIT`]. Text is rarely packed to
/// less than a tenth; an archive made to exhaust memory grows a thousandfold and more.
const GROWTH: u64 = 64;
/// log₂ of the largest window, in bytes: what `zstd --long=31` asks for, the format's greatest.
const MAX_WINDOW_LOG: u32 = if usize::BITS > 32 { 31 } else { 30 };

/// Bytes that a compressed file of this size may hold: 256 MiB, and 64 times its size.
pub(super) fn limit(compressed: u64) -> u64 {
    LIMIT.saturating_add(compressed.saturating_mul(GROWTH))
}

/// The bytes within a compressed file; more than `limit` of them are an error.
pub(super) fn reader(
    raw: impl BufRead + 'static,
    packing: Packing,
    limit: u64,
) -> io::Result<Box<dyn BufRead>> {
    let unpacked: Box<dyn Read> = match packing {
        Packing::Plain => return Ok(Box::new(raw)),
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
            left: limit,
            limit,
        },
    )))
}

/// A reader that fails where there is more than it may give.
struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(TooLong(self.limit)))?;
        Ok(read)
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "it holds more than {mib} MiB, which is more than text of its size does; if it is right, \
     decompress it first: plain files have no limit",
    mib = .0 >> 20
)]
struct TooLong(u64);

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

    fn unpack(bytes: Vec<u8>, packing: Packing, limit: u64) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        reader(io::Cursor::new(bytes), packing, limit)
            .and_then(|mut reader| reader.read_to_end(&mut all))
            .map_err(|error| explain(&error, packing))?;
        Ok(all)
    }

    #[test]
    fn several_frames_and_members_are_one_text() {
        let zst = [&b"one "[..], b"two"].map(|part| zstd::encode_all(part, 1).unwrap());
        let gz = [&b"one "[..], b"two"].map(gzip);
        assert_eq!(unpack(zst.concat(), Packing::Zstd, 7).unwrap(), b"one two");
        assert_eq!(unpack(gz.concat(), Packing::Gzip, 7).unwrap(), b"one two");
        let skipped = [&b"\x50\x2a\x4d\x18\x02\0\0\0hi"[..], &zst[0]].concat();
        assert_eq!(unpack(skipped, Packing::Zstd, 7).unwrap(), b"one ");
    }

    #[test]
    fn no_more_than_the_limit_comes() {
        let zeros = vec![0; 1 << 20];
        for (bytes, packing) in [
            (zstd::encode_all(&zeros[..], 1).unwrap(), Packing::Zstd),
            (gzip(&zeros), Packing::Gzip),
        ] {
            let whole = unpack(bytes.clone(), packing, 1 << 20);
            assert_eq!(whole.map(|all| all.len()), Ok(1 << 20));
            let refused = unpack(bytes, packing, (1 << 20) - 1).unwrap_err();
            assert!(refused.contains("more than 0 MiB"), "{refused}");
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
        let read = unpack(bytes.clone(), Packing::Zstd, 9);
        assert_eq!(read.as_deref(), Ok(&b"far apart"[..]));
        let mut beyond = bytes;
        beyond[5] = 25 << 3;
        let refused = unpack(beyond, Packing::Zstd, 9).unwrap_err();
        assert!(refused.contains("--long=31"), "{refused}");
    }

    #[test]
    fn damage_is_told() {
        let zst = zstd::encode_all(&b"some text that is long enough"[..], 1).unwrap();
        let gz = gzip(b"some text that is long enough");
        for (bytes, packing) in [(zst, Packing::Zstd), (gz, Packing::Gzip)] {
            let cut = unpack(bytes[..bytes.len() - 3].to_vec(), packing, 99).unwrap_err();
            assert!(cut.contains("cut off"), "{cut}");
            let mut junk = bytes.clone();
            junk.extend(b"not compressed");
            assert!(unpack(junk, packing, 99).is_err(), "{packing:?}");
        }
    }
}
