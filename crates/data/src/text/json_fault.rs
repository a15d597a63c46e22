//! What is wrong with a line that is not JSON, in words that help.

use super::lines::shortened;

/// How far from where the parser stopped its cause may lie, in bytes.
const NEAR: usize = 16;

/// Where and why a line is not JSON.
pub(super) fn fault(line: &str, error: &serde_json::Error) -> String {
    // The parser counts bytes from 1, and may have gone one too far.
    let at = error.column().saturating_sub(1).min(line.len());
    format!(
        "not JSON at column {}: {}",
        error.column(),
        cause(line, at, error)
    )
}

fn cause(line: &str, at: usize, error: &serde_json::Error) -> String {
    if let Some((place, escape)) = lone_surrogate(line)
        && place.abs_diff(at) <= NEAR
    {
        return format!(
            "{escape} is a lone surrogate, half of a character; write the text again with its \
             encoder set to replace these, or put \\ufffd there"
        );
    }
    let word = word(line, at);
    match word {
        "NaN" | "-NaN" | "nan" | "Infinity" | "-Infinity" | "inf" | "-inf" | "Inf" => {
            return format!(
                "{word} is no JSON, though Python and others write it: write null, or a text"
            );
        }
        "None" | "True" | "False" | "undefined" => {
            return format!("{word} is no JSON: write null, true or false, as `json.dumps` does");
        }
        _ => {}
    }
    if error.is_eof() {
        return "the object goes on where the line ends: each line is one whole object (`jq -c . \
                FILE > NEW.jsonl` makes lines of objects over several lines)"
            .to_owned();
    }
    let text = error.to_string();
    if text.starts_with("trailing characters") {
        return match line.trim_end().contains('\r') {
            true => "another value follows: lines end in LF or CR LF, and this file has CR alone"
                .to_owned(),
            false => "another value follows: each line is one object".to_owned(),
        };
    }
    if text.starts_with("control character") {
        return "a control character stands within a text: write \\n for the end of a line, \\t \
                for a tab"
            .to_owned();
    }
    let rest = line.get(at..).unwrap_or_default();
    if rest.starts_with('\'') {
        return "texts and names stand in double quotes (\")".to_owned();
    }
    let (what, _) = text.split_once(" at line ").unwrap_or((&text, ""));
    match rest.trim_end() {
        "" => what.to_owned(),
        rest => format!("{what}, before `{}`", shortened(rest)),
    }
}

/// The word that a place lies in or just behind.
fn word(line: &str, at: usize) -> &str {
    let bytes = line.as_bytes();
    let part = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    let mut from = at;
    while from > 0 && bytes.get(from - 1).is_some_and(part) {
        from -= 1;
    }
    let mut to = at;
    while bytes.get(to).is_some_and(part) {
        to += 1;
    }
    line.get(from..to).unwrap_or_default()
}

/// The first escape of half a character, and where it stands.
fn lone_surrogate(line: &str) -> Option<(usize, &str)> {
    let unit = |at: usize| {
        let escape = line.get(at..at + 6)?;
        let digits = escape.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        at += match unit(at) {
            Some(0xd800..=0xdbff) => match unit(at + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return Some((at, &line[at..at + 6])),
            },
            Some(0xdc00..=0xdfff) => return Some((at, &line[at..at + 6])),
            _ => 2,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::lines::read;

    #[track_caller]
    fn says(line: &str, part: &str) {
        let message = read(line, "text").unwrap_err();
        assert!(message.contains("not JSON at column"), "{message}");
        assert!(message.contains(part), "{part:?} is not in: {message}");
        assert!(message.len() < 300 && !message.contains('\n'), "{message}");
    }

    #[test]
    fn numbers_that_json_does_not_have() {
        for word in ["NaN", "Infinity", "-Infinity", "-NaN", "nan", "inf"] {
            let part = format!("{word} is no JSON");
            says(&format!(r#"{{"text": "a", "score": {word}}}"#), &part);
            says(
                &format!(r#"{{"score": [1, {word}, 2], "text": "a"}}"#),
                &part,
            );
            says(&format!(r#"{{"text": {word}}}"#), &part);
        }
        says(r#"{"text": None}"#, "None is no JSON");
    }

    #[test]
    fn halves_of_characters() {
        for (line, escape) in [
            (r#"{"text": "so \ud83d it"}"#, r"\ud83d"),
            (r#"{"text": "so \ud83d\n"}"#, r"\ud83d"),
            (r#"{"text": "so \uDE00"}"#, r"\uDE00"),
            (r#"{"text": "\ud83d\ude00 \ud83d\ud83d"}"#, r"\ud83d"),
            (r#"{"text": "\ud83d"}"#, r"\ud83d"),
        ] {
            says(line, &format!("{escape} is a lone surrogate"));
        }
        assert!(read(r#"{"text": "\ud83d\ude00 \\ud83d"}"#, "text").is_ok());
    }

    #[test]
    fn other_faults() {
        says(r#"{"text": "a"} {"text": "b"}"#, "another value follows");
        says("{\"text\": \"a\"}\r{\"text\": \"b\"}\r", "CR alone");
        says("{", "goes on where the line ends");
        says(r#"{"text": "a"#, "goes on where the line ends");
        says("{\"text\": \"a\tb\"}", "control character");
        says("{'text': 'a'}", "double quotes");
        says(r#"{"text": "a",}"#, "trailing comma");
        says("plain text", "expected value, before `plain text`");
        says(&format!("{{\"text\" {}}}", "x".repeat(9000)), "…`");
    }
}
