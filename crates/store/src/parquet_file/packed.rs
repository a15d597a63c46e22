//! Counting the numbers of Parquet's delta encodings without decoding them.

use super::byte_reader::ByteReader;

/// Whole numbers in the encoding DELTA_BINARY_PACKED, undecoded.
///
/// Its header is the size of a block, the parts of a block, the count of all numbers, and the
/// first number. A block is the least difference in it, the width in bits of each part, and the
/// parts. Nothing stands for the parts behind the last number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packed<'a> {
    /// How many numbers the header names.
    pub count: u64,
    /// How many of them there are, at most `count`.
    pub held: u64,
    /// What stands behind them, where all are there.
    pub rest: &'a [u8],
}

impl<'a> Packed<'a> {
    /// `None` without a whole header.
    pub fn walk(bytes: &'a [u8]) -> Option<Packed<'a>> {
        let mut reader = ByteReader { rest: bytes };
        let block = reader.unsigned()?;
        let parts = reader.unsigned()?;
        let count = reader.unsigned()?;
        reader.unsigned()?;
        let part = block.checked_div(parts)?;
        let parts = usize::try_from(parts).ok()?;
        let mut held = count.min(1);
        while held < count {
            let Some(widths) = reader.unsigned().and_then(|_| reader.take(parts)) else {
                break;
            };
            for width in widths.iter().map(|&width| u64::from(width)) {
                let wanted = part.min(count - held);
                if wanted == 0 {
                    break;
                }
                let there = 8 * reader.rest.len() as u64;
                if wanted.saturating_mul(width) > there {
                    held += there / width;
                    let rest = &[];
                    return Some(Packed { count, held, rest });
                }
                held += wanted;
                // A part has all its bytes, the last of them too; some writers cut that one off.
                let whole = usize::try_from(part.saturating_mul(width) / 8);
                let behind = whole.ok().and_then(|whole| reader.rest.get(whole..));
                reader.rest = behind.unwrap_or_default();
            }
        }
        let rest = reader.rest;
        Some(Packed { count, held, rest })
    }

    /// What is wrong with the count where the page's header tells `told` values.
    pub fn too_many(&self, told: u64) -> Option<String> {
        let Packed { count, held, .. } = *self;
        if count > told {
            return Some(format!("{count} values, and its header says {told}"));
        }
        (held < count).then(|| format!("{count} values, and its bytes hold {held}"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::byte_reader::unsigned;
    use super::*;

    /// A header: blocks of `block` numbers in `parts` parts.
    pub fn header(block: u64, parts: u64, count: u64) -> Vec<u8> {
        [block, parts, count, 0].map(unsigned).concat()
    }

    /// `count` equal numbers as writers pack them, five bytes for each 128.
    pub fn equal(count: u64) -> Vec<u8> {
        let blocks = count.saturating_sub(1).div_ceil(128);
        let blocks = vec![0; 5 * usize::try_from(blocks).unwrap()];
        [header(128, 4, count), blocks].concat()
    }

    #[test]
    fn numbers_are_counted_without_being_decoded() {
        let counted = |bytes: &[u8]| {
            let packed = Packed::walk(bytes)?;
            Some((packed.count, packed.held, packed.rest.to_vec()))
        };
        for count in [0, 1, 2, 128, 129, 130, 1000] {
            let bytes = [equal(count), b"rest".to_vec()].concat();
            assert_eq!(counted(&bytes), Some((count, count, b"rest".to_vec())));
        }
        // Forty numbers behind the first: parts of 3 and 5 bits, 32 numbers in each.
        let widths = [0, 3, 5, 0, 0];
        let whole = [header(128, 4, 41), widths.to_vec(), vec![7; 12 + 20 + 1]].concat();
        assert_eq!(counted(&whole), Some((41, 41, vec![7])));
        // The last eight take five bytes, the padding behind them is of no use.
        let end = whole.len() - 1;
        assert_eq!(counted(&whole[..end - 15]), Some((41, 41, vec![])));
        assert_eq!(counted(&whole[..end - 16]), Some((41, 39, vec![])));
        assert_eq!(counted(&whole[..end - 21]), Some((41, 30, vec![])));
        assert_eq!(counted(&header(128, 4, 41)), Some((41, 1, vec![])));
        // Headers that end too early, and blocks without parts or without numbers.
        assert_eq!(counted(&whole[..4]), None);
        assert_eq!(counted(&[0xff; 11]), None);
        assert_eq!(counted(&header(128, 0, 41)), None);
        assert_eq!(
            counted(&[header(0, 1, 41), vec![0; 9]].concat()),
            Some((41, 1, vec![]))
        );
        // Parts without end.
        let vast = [header(1 << 63, 2, 1 << 60), vec![0, 255, 255, 9]].concat();
        assert_eq!(counted(&vast), Some((1 << 60, 1, vec![])));
        assert_eq!(counted(&header(1 << 40, 1 << 63, 2)), Some((2, 1, vec![])));
    }
}
