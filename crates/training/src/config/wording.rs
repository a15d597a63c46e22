//! Serde's messages in the words of someone who writes a configuration.

use super::suggest::{any_of, nearest};

/// Says of `key` what serde says of a value.
pub(super) fn explain(key: &str, message: &str) -> String {
    let message = message.trim();
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let words = backticked(rest);
        if let Some((typed, choices)) = words.split_first() {
            return unknown_choice(key, typed, choices);
        }
    }
    let parts = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "));
    if let Some((found, expected)) = parts {
        return format!("`{key}` must be {}, found {}", wanted(expected), had(found));
    }
    if let Some((found, expected)) = message
        .strip_prefix("invalid length ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return format!("`{key}` must be {}, found {found}", wanted(expected));
    }
    format!("`{key}`: {message}")
}

/// The words that may stand where an unknown one was tried, read from serde's message.
pub(super) fn choices(message: &str) -> Vec<&str> {
    let words = backticked(message);
    words.get(1..).unwrap_or_default().to_vec()
}

fn unknown_choice(key: &str, typed: &str, choices: &[&str]) -> String {
    let hint = match nearest(typed, choices.iter().copied()) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    };
    format!("`{key}` must be {}, found `{typed}`{hint}", any_of(choices))
}

fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn wanted(expected: &str) -> String {
    let expected = expected.trim();
    let words = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" | "string or table" | "string only" => "a string",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if expected.contains("struct") || expected.contains("enum") => "a table",
        _ => match expected.strip_prefix("an array of length ") {
            Some(length) => return format!("a list of {length} values"),
            None => expected,
        },
    };
    words.to_owned()
}

fn had(found: &str) -> String {
    let found = found.trim();
    match found {
        "map" => return "a table".to_owned(),
        "sequence" => return "a list".to_owned(),
        "Option value" | "unit value" => return "nothing".to_owned(),
        _ => {}
    }
    for (prefix, words) in [
        ("integer ", "the whole number "),
        ("floating point ", "the number "),
        ("boolean ", ""),
        ("string ", "the string "),
    ] {
        if let Some(value) = found.strip_prefix(prefix) {
            return format!("{words}{}", value.trim_matches('`'));
        }
    }
    found.to_owned()
}
