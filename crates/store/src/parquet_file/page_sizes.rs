//! What the pages of a Parquet file say of their sizes.
//!
//! A page's header names the size of its values when they are decompressed, up to 2³¹ bytes, and
//! readers of the format set that much memory aside before they find out whether it is there. So
//! the headers are read first.

use std::io::{self, Read, Seek, SeekFrom};

use super::byte_reader::ByteReader;

/// Decompressed bytes that a page of any file may have.
const LIMIT: u64 = 64 << 20;
/// How many times as long as the file a page may be beyond [`LIMIT`].
const GROWTH: u64 = 64;
/// Bytes of a header that are looked at: it may hold the least and the greatest value.
const HEADER: usize = 1 << 16;
/// Structures within each other in a header; the format has three.
const DEEPEST: usize = 16;

/// The most bytes that a page of a file of this size may hold: 64 MiB and 64 times the file.
pub(super) fn most_bytes(file_size: u64) -> u64 {
    LIMIT.saturating_add(file_size.saturating_mul(GROWTH))
}

/// The first page whose header says that its values take more than `most` bytes, compressed or
/// decompressed, among those in the `length` bytes from `start` on: the size that it tells. What
/// is no header ends the search, since no reader goes on there.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn oversized_page(
    mut file: impl Read + Seek,
    start: u64,
    length: u64,
    most: u64,
) -> io::Result<Option<u64>> {
    let size = file.seek(SeekFrom::End(0))?;
    let end = start.saturating_add(length).min(size);
    let mut at = start;
    let mut bytes = Vec::new();
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        bytes.clear();
        file.by_ref().take(HEADER as u64).read_to_end(&mut bytes)?;
        let mut header = Header(ByteReader { rest: &bytes });
        let Some(sizes) = header.sizes() else {
            break;
        };
        // Readers take a size below zero for a very large one.
        let [decompressed, compressed] = sizes.map(|size| u64::from(size as u32));
        let larger = decompressed.max(compressed);
        if larger > most {
            return Ok(Some(larger));
        }
        at += (bytes.len() - header.0.rest.len()) as u64 + compressed;
    }
    Ok(None)
}

/// A structure in Thrift's compact protocol.
struct Header<'a>(ByteReader<'a>);

impl Header<'_> {
    /// The second and third fields of the outermost structure: sizes of the page in bytes,
    /// decompressed and compressed. `None` if this is no header.
    fn sizes(&mut self) -> Option<[i64; 2]> {
        let (mut decompressed, mut compressed) = (None, None);
        self.fields(0, &mut |field, value| match field {
            2 => decompressed = Some(value),
            3 => compressed = Some(value),
            _ => {}
        })?;
        Some([decompressed?, compressed?])
    }

    /// Walks through a structure and shows its whole numbers, by the fields' numbers.
    fn fields(&mut self, depth: usize, see: &mut dyn FnMut(i64, i64)) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let head = self.0.byte()?;
            if head == 0 {
                return Some(());
            }
            field = match head >> 4 {
                0 => self.0.signed()?,
                delta => field.checked_add(i64::from(delta))?,
            };
            match head & 0x0f {
                // Small, middle and large integers.
                4..=6 => {
                    let value = self.0.signed()?;
                    see(field, value);
                }
                kind => self.skip(kind, depth)?,
            }
        }
    }

    /// Walks over a value of another kind.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            // The truth of a field is in its kind.
            1 | 2 => {}
            3 => {
                self.0.take(1)?;
            }
            4..=6 => {
                self.0.signed()?;
            }
            7 => {
                self.0.take(8)?;
            }
            8 => {
                let length = self.0.unsigned()?;
                self.0.take(usize::try_from(length).ok()?)?;
            }
            9 | 10 => {
                let head = self.0.byte()?;
                let count = match head >> 4 {
                    15 => self.0.unsigned()?,
                    count => u64::from(count),
                };
                for _ in 0..count {
                    match head & 0x0f {
                        // In a list a truth takes a byte.
                        1 | 2 => {
                            self.0.take(1)?;
                        }
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            12 => self.fields(depth + 1, &mut |_, _| {})?,
            // Headers have no maps.
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::byte_reader::unsigned;
    use super::*;

    fn found(file: &[u8], start: u64, length: usize) -> Option<u64> {
        let most = most_bytes(file.len() as u64);
        oversized_page(Cursor::new(file), start, length as u64, most).unwrap()
    }

    /// A data page's header: kind, the two sizes, and a structure of numbers and bytes.
    fn header(decompressed: u64, compressed: u64) -> Vec<u8> {
        [
            &[0x15, 0][..],
            &[0x15],
            &unsigned(2 * decompressed),
            &[0x15],
            &unsigned(2 * compressed),
            // Field 5, a structure: a number, a truth, three bytes, a list of two numbers.
            &[
                0x2c, 0x15, 8, 0x11, 0x18, 3, b'm', b'i', b'n', 0x19, 0x25, 2, 4, 0,
            ],
            &[0],
        ]
        .concat()
    }

    #[test]
    fn the_page_that_says_too_much_is_found() {
        let page = |decompressed: u64| [header(decompressed, 5), b"12345".to_vec()].concat();
        let file = [b"PAR1".to_vec(), page(9), page(1 << 30), page(3)].concat();
        assert_eq!(found(&file, 4, file.len()), Some(1 << 30));
        assert_eq!(found(&file, 4, page(9).len()), None);
        let long = [b"PAR1".to_vec(), header(9, 1 << 30)].concat();
        assert_eq!(found(&long, 4, long.len()), Some(1 << 30));
        // −59, whose lower 32 bits are nearly 2³².
        let below = [&b"PAR1"[..], &[0x15, 4, 0x15, 0x75, 0x15, 8, 0]].concat();
        assert_eq!(found(&below, 4, 99), Some(u64::from(u32::MAX) - 58));
        let fine = [b"PAR1".to_vec(), page(9), page(64 << 20)].concat();
        assert_eq!(found(&fine, 4, fine.len()), None);
    }

    #[test]
    fn what_is_no_header_ends_the_search() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\x15",
            &[0xff; 64],
            // A list of four thousand million, structures without end.
            &[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0x1c; 200],
        ] {
            assert_eq!(found(bytes, 0, bytes.len()), None, "{bytes:?}");
        }
    }
}
