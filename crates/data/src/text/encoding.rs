//! Telling what the bytes of a file are, where they are not UTF-8.

/// The UTF-8 byte order mark. It is no text.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes from the start of a file that are looked at.
pub(super) const SAMPLE: usize = 4096;

/// An encoding of two or four bytes a character, under the names of people and of `iconv`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wide {
    /// `UTF-16 LE`, say.
    pub(super) name: &'static str,
    /// `UTF-16LE`, say; `UTF-16` where a byte order mark tells the rest.
    pub(super) iconv: &'static str,
}

/// The encoding of a text that begins with these bytes, if it has more than one byte for every
/// character: told by the byte order mark, or by every second byte being the same few.
///
/// Plain letters in UTF-16 are valid UTF-8 with a zero after each, so this has to be asked before
/// the text is taken for UTF-8.
pub(super) fn wide(start: &[u8]) -> Option<Wide> {
    let found = |name, iconv| Some(Wide { name, iconv });
    match start {
        [0xff, 0xfe, 0, 0, ..] => return found("UTF-32 LE", "UTF-32"),
        [0, 0, 0xfe, 0xff, ..] => return found("UTF-32 BE", "UTF-32"),
        [0xff, 0xfe, ..] => return found("UTF-16 LE", "UTF-16"),
        [0xfe, 0xff, ..] => return found("UTF-16 BE", "UTF-16"),
        _ => {}
    }
    let sample = &start[..start.len().min(SAMPLE)];
    // Shares of the bytes at each place of four that no text in UTF-8 has many of.
    let odd = |place: usize| {
        let bytes = sample.iter().skip(place).step_by(4);
        let n = bytes.clone().count();
        let control = bytes.filter(|&&byte| is_control(byte)).count();
        if n == 0 {
            0.0
        } else {
            control as f64 / n as f64
        }
    };
    if sample.len() < 8 {
        return None;
    }
    let shares = [0, 1, 2, 3].map(odd);
    let many = |place: usize| shares[place] > 0.9;
    let few = |place: usize| shares[place] < 0.2;
    match () {
        () if few(0) && many(2) && many(3) => found("UTF-32 LE", "UTF-32LE"),
        () if few(3) && many(0) && many(1) => found("UTF-32 BE", "UTF-32BE"),
        () if few(0) && few(2) && many(1) && many(3) => found("UTF-16 LE", "UTF-16LE"),
        () if few(1) && few(3) && many(0) && many(2) => found("UTF-16 BE", "UTF-16BE"),
        () => None,
    }
}

/// A character that no text holds; the high byte of letters in UTF-16 up to the Arabic ones.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | 0x1b)
}

/// What the bytes may be that are not UTF-8 from `at` on, and what to do, as the end of a sentence.
pub(super) fn guess(bytes: &[u8], at: usize) -> String {
    let rest = &bytes[at.min(bytes.len())..];
    let around = &bytes[at.saturating_sub(SAMPLE / 2)..bytes.len().min(at + SAMPLE / 2)];
    let cut_off = std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
    match rest {
        [0xed, 0xa0..=0xbf, ..] => {
            "it is a lone surrogate, half of a character of UTF-16, written as bytes; write the \
             text again with its encoder set to replace these"
                .to_owned()
        }
        [0xc0, 0x80, ..] => {
            "it is the zero of Java's modified UTF-8; convert the file to UTF-8".to_owned()
        }
        _ if cut_off && rest.len() < 4 => {
            "the text ends within a character: is the file cut off, or not UTF-8?".to_owned()
        }
        _ if around.contains(&0) => {
            "the file holds zero bytes as well: it is UTF-16 or no text; convert it to UTF-8 with \
             `iconv`"
                .to_owned()
        }
        [byte, ..] => of_one_byte(*byte, around),
        [] => "convert the file to UTF-8".to_owned(),
    }
}

fn of_one_byte(byte: u8, around: &[u8]) -> String {
    let high = |byte: &u8| *byte >= 0x80;
    let all = around.iter().filter(|byte| high(byte)).count();
    // In Western text letters beyond ASCII stand alone; in an encoding of two bytes they do not.
    let alone = (0..around.len())
        .filter(|&i| {
            let beside =
                |place: Option<usize>| place.and_then(|place| around.get(place)).is_some_and(high);
            high(&around[i]) && !beside(i.checked_sub(1)) && !beside(i.checked_add(1))
        })
        .count();
    if alone * 2 < all {
        return "it may be an encoding of several bytes a character, such as GB 18030, Shift-JIS \
                or Big5; convert the file with `iconv -f ENCODING -t UTF-8`"
            .to_owned();
    }
    let windows = around.iter().any(|byte| matches!(byte, 0x80..=0x9f));
    let name = match windows {
        true => "Windows-1252",
        false => "Latin-1 or Windows-1252",
    };
    let shown = match byte {
        0xa0..=0xff => format!(", where it is {:?}", char::from(byte)),
        _ => String::new(),
    };
    format!(
        "it looks like {name}{shown}; convert the file to UTF-8, with `iconv -f WINDOWS-1252 -t \
         UTF-8` say"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| match big {
                true => unit.to_be_bytes(),
                false => unit.to_le_bytes(),
            })
            .collect()
    }

    #[test]
    fn wide_encodings_are_told_with_and_without_a_mark() {
        let name = |bytes: &[u8]| wide(bytes).map(|wide| wide.name);
        for text in [
            "Plain letters.\nAnd a line.",
            "Тихо течёт река.\nИ ещё раз.",
        ] {
            for (big, expected) in [(false, "UTF-16 LE"), (true, "UTF-16 BE")] {
                assert_eq!(name(&utf16(text, big)), Some(expected), "{text}");
                let marked = utf16(&format!("\u{feff}{text}"), big);
                assert_eq!(name(&marked), Some(expected), "{text}");
            }
            let four = |bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
                text.chars().flat_map(|c| bytes(u32::from(c))).collect()
            };
            assert_eq!(name(&four(u32::to_le_bytes)), Some("UTF-32 LE"));
            assert_eq!(name(&four(u32::to_be_bytes)), Some("UTF-32 BE"));
        }
        for text in [
            "Plain letters.",
            "",
            "a\tb\r\nc\td\r\n",
            "Тихо течёт",
            "\u{feff}x",
        ] {
            assert_eq!(name(text.as_bytes()), None, "{text}");
        }
        // Some zeros are no encoding.
        assert_eq!(name(b"one\0two\0three\0four\0five\0six"), None);
    }

    #[test]
    fn other_bytes_are_guessed() {
        for (bytes, at, part) in [
            (
                &b"na\xefve caf\xe9"[..],
                2,
                "Latin-1 or Windows-1252, where it is 'ï'",
            ),
            (b"\x93quoted\x94", 0, "Windows-1252;"),
            (b"a\xed\xa0\x80", 1, "lone surrogate"),
            (b"end \xe6\x9d", 4, "ends within a character"),
            (b"\x00\xff\x00\x01", 1, "zero bytes"),
            (b"\xc0\x80", 0, "modified UTF-8"),
            (b"\x93\xfa\x96\x7b\x8c\xea\x82\xcc\x95\xb6", 0, "Shift-JIS"),
        ] {
            let guess = guess(bytes, at);
            assert!(guess.contains(part), "{guess}");
        }
    }
}
