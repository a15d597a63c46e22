//! From the bytes of a configuration file to its text.

use super::ConfigError;

/// The mark that some editors put in front of UTF-8; it is no part of the text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text of a file in UTF-8, without a byte order mark.
///
/// # Errors
/// Another encoding, by name where it can be told; a NUL byte.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, ConfigError> {
    if let Some(encoding) = wide_encoding(&bytes) {
        return Err(ConfigError::new(format!(
            "is {encoding} text; TOML is UTF-8: save it in that encoding"
        )));
    }
    let bytes = match bytes.strip_prefix(MARK) {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let message = format!(
            "is not UTF-8 text (byte {byte:#04x} here; Latin-1 or Windows-1252, perhaps); a \
             configuration is a TOML file in UTF-8"
        );
        ConfigError::new(message).at(&text, &(at..at + '\u{fffd}'.len_utf8()))
    })?;
    match text.find('\0') {
        Some(at) => Err(ConfigError::new(
            "not valid TOML: a NUL byte stands here; a configuration is plain text",
        )
        .at(&text, &(at..at + 1))),
        None => Ok(text),
    }
}

/// An encoding of two or four bytes to a character, by its byte order mark or by where its zeros
/// are: the characters of TOML's own syntax have one byte that is not zero.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    for (mark, encoding) in [
        (&b"\xFF\xFE\0\0"[..], "UTF-32 (little endian)"),
        (b"\0\0\xFE\xFF", "UTF-32 (big endian)"),
        (b"\xFF\xFE", "UTF-16 (little endian)"),
        (b"\xFE\xFF", "UTF-16 (big endian)"),
    ] {
        if bytes.starts_with(mark) {
            return Some(encoding);
        }
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    // Per cent of zeros at even and at odd places. A few characters may be beyond the first 256.
    let zeros = |place: usize| {
        let all = bytes.iter().skip(place).step_by(2);
        let (zeros, count) = (all.clone().filter(|b| **b == 0).count(), all.len());
        if count < 4 { 0 } else { 100 * zeros / count }
    };
    match (zeros(0), zeros(1)) {
        (75.., 40..) => Some("UTF-32 (big endian)"),
        (40.., 75..) => Some("UTF-32 (little endian)"),
        (75.., _) => Some("UTF-16 (big endian)"),
        (_, 75..) => Some("UTF-16 (little endian)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"größe\"\n[training]\nsteps = 60\n";

    fn refusal(bytes: Vec<u8>) -> ConfigError {
        decode(bytes).unwrap_err()
    }

    #[test]
    fn utf8_is_read_with_and_without_a_mark() {
        assert_eq!(decode(TEXT.into()).unwrap(), TEXT);
        assert_eq!(decode([MARK, TEXT.as_bytes()].concat()).unwrap(), TEXT);
        assert_eq!(decode(Vec::new()).unwrap(), "");
    }

    #[test]
    fn wide_encodings_are_named() {
        let units: Vec<u16> = TEXT.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|u| u.to_be_bytes()).collect();
        let wide: Vec<u8> = TEXT
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        for (mark, bytes, name) in [
            (&b"\xFF\xFE"[..], &little, "UTF-16 (little endian)"),
            (b"\xFE\xFF", &big, "UTF-16 (big endian)"),
            (b"\xFF\xFE\0\0", &wide, "UTF-32 (little endian)"),
            (b"", &little, "UTF-16 (little endian)"),
            (b"", &big, "UTF-16 (big endian)"),
            (b"", &wide, "UTF-32 (little endian)"),
        ] {
            let told = refusal([mark, bytes].concat()).message;
            assert!(told.contains(name) && told.contains("UTF-8"), "{told}");
        }
    }

    #[test]
    fn other_bytes_are_shown_where_they_are() {
        let latin: Vec<u8> = TEXT.chars().map(|c| u32::from(c) as u8).collect();
        let error = refusal(latin);
        assert_eq!((error.line, error.column), (Some(1), Some(11)));
        assert!(error.message.contains("0xf6"), "{}", error.message);
        let error = refusal(b"name = \"a\"\nseeds = [1]\0\n".to_vec());
        assert_eq!((error.line, error.column), (Some(2), Some(12)));
        assert!(error.message.contains("NUL"), "{}", error.message);
        // What a crash leaves of a file on some file systems.
        let error = refusal(vec![0; 64]);
        assert!(error.message.contains("NUL"), "{}", error.message);
    }
}
