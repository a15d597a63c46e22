//! What the pages of a Parquet file say of their sizes.
//!
//! A page's header names the size of its values when they are decompressed, up to 2³¹ bytes, and
//! readers of the format set that much memory aside before they find out whether it is there. So
//! the headers are read first.

use std::io::{self, Read, Seek, SeekFrom};

/// Decompressed bytes that a page of any file may have.
const LIMIT: u64 = 64 << 20;
/// How many times as long as the file a page may be beyond [`LIMIT`].
const GROWTH: u64 = 64;
/// Bytes of a header that are looked at: it may hold the least and the greatest value.
const HEADER: usize = 1 << 16;
/// Structures within each other in a header; the format has three.
const DEEPEST: usize = 16;

/// The first page whose header says that its values take more than 64 MiB and 64 times the file,
/// among those in the `length` bytes from `start` on: the size that it tells. What is no header
/// ends the search, since no reader goes on there.
///
/// # Errors
/// A file that cannot be read.
pub fn oversized_page(
    mut file: impl Read + Seek,
    start: u64,
    length: u64,
) -> io::Result<Option<u64>> {
    let size = file.seek(SeekFrom::End(0))?;
    let most = LIMIT.saturating_add(size.saturating_mul(GROWTH));
    let end = start.saturating_add(length).min(size);
    let mut at = start;
    let mut bytes = Vec::new();
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        bytes.clear();
        file.by_ref().take(HEADER as u64).read_to_end(&mut bytes)?;
        let mut header = Header { rest: &bytes };
        let Some(sizes) = header.sizes() else {
            break;
        };
        // Readers take a size below zero for a very large one.
        let [decompressed, compressed] = sizes.map(|size| u64::from(size as u32));
        if decompressed > most {
            return Ok(Some(decompressed));
        }
        at += (bytes.len() - header.rest.len()) as u64 + compressed;
    }
    Ok(None)
}

/// A structure in Thrift's compact protocol.
struct Header<'a> {
    rest: &'a [u8],
}

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
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            field = match head >> 4 {
                0 => self.signed()?,
                delta => field.checked_add(i64::from(delta))?,
            };
            match head & 0x0f {
                // Small, middle and large integers.
                4..=6 => {
                    let value = self.signed()?;
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
            3 => self.take(1)?,
            4..=6 => {
                self.signed()?;
            }
            7 => self.take(8)?,
            8 => {
                let length = self.unsigned()?;
                self.take(usize::try_from(length).ok()?)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    count => u64::from(count),
                };
                for _ in 0..count {
                    match head & 0x0f {
                        // In a list a truth takes a byte.
                        1 | 2 => self.take(1)?,
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

    fn take(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Seven bits to a byte, the least first.
    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Zigzag: 0, −1, 1, −2, ….
    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A data page's header: kind, the two sizes, and a structure of numbers and bytes.
    fn header(decompressed: u64, compressed: u64) -> Vec<u8> {
        let varint = |mut value: u64| {
            let mut bytes = Vec::new();
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
            bytes
        };
        [
            &[0x15, 0][..],
            &[0x15],
            &varint(2 * decompressed),
            &[0x15],
            &varint(2 * compressed),
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
        let found = |length: usize| oversized_page(Cursor::new(&file), 4, length as u64).unwrap();
        assert_eq!(found(file.len()), Some(1 << 30));
        assert_eq!(found(page(9).len()), None);
        // −59, whose lower 32 bits are nearly 2³².
        let below = [&b"PAR1"[..], &[0x15, 4, 0x15, 0x75, 0x15, 8, 0]].concat();
        let found = oversized_page(Cursor::new(&below), 4, 99).unwrap();
        assert_eq!(found, Some(u64::from(u32::MAX) - 58));
        let fine = [b"PAR1".to_vec(), page(9), page(64 << 20)].concat();
        let all = fine.len() as u64;
        assert_eq!(oversized_page(Cursor::new(&fine), 4, all).unwrap(), None);
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
            let found = oversized_page(Cursor::new(bytes), 0, bytes.len() as u64);
            assert_eq!(found.unwrap(), None, "{bytes:?}");
        }
    }
}
