//! One line of JSON: the document in it, or what is wrong with the line.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json_fault::fault;

/// Names of members that a message lists.
const NAMES: usize = 8;
/// Characters of a name or value that a message shows.
const SHOWN: usize = 40;

/// What a line holds in the member that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The text; `None` if the member is null.
    pub(super) text: Option<String>,
    /// Whether the member occurs more than once: the last one counts.
    pub(super) repeated: bool,
}

/// What the member holds.
enum Value {
    Text(String),
    Null,
    /// Something else, in words.
    Other(String),
}

/// Reads one line. Of an object only the member `field` is kept in memory.
pub(super) fn read(line: &str, field: &str) -> Result<Line, String> {
    match line.trim_start().as_bytes().first() {
        Some(b'{') => {}
        Some(b'[') => {
            return Err(format!(
                "not a JSON object but an array: each line is one object, with the document in \
                 the member `{field}`"
            ));
        }
        _ => {
            // Told apart so that a bare text is not blamed on its first letter.
            let json = serde_json::from_str::<IgnoredAny>(line);
            return Err(match json {
                Ok(_) => format!(
                    "not a JSON object but a single value: each line is one object, with the \
                     document in the member `{field}`"
                ),
                Err(error) => fault(line, &error),
            });
        }
    }
    let mut json = serde_json::Deserializer::from_str(line);
    let object = Object { field }
        .deserialize(&mut json)
        .and_then(|object| json.end().map(|()| object))
        .map_err(|error| fault(line, &error))?;
    match object.value {
        Some(Value::Text(text)) => Ok(Line {
            text: Some(text),
            repeated: object.repeated,
        }),
        Some(Value::Null) => Ok(Line {
            text: None,
            repeated: object.repeated,
        }),
        Some(Value::Other(what)) => Err(format!("the member `{field}` is not a text but {what}")),
        None => Err(missing(line, field)),
    }
}

/// Whether a file's first line begins an array that takes the whole file; `at_end` says whether
/// nothing follows.
pub(super) fn is_array_of_file(line: &str, at_end: impl FnOnce() -> bool) -> bool {
    line.trim_start().starts_with('[')
        && match serde_json::from_str::<IgnoredAny>(line) {
            Ok(_) => at_end(),
            Err(error) => error.is_eof(),
        }
}

/// An object of which one member is kept.
struct Object<'a> {
    field: &'a str,
}

struct Found {
    value: Option<Value>,
    repeated: bool,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found {
            value: None,
            repeated: false,
        };
        while let Some(wanted) = map.next_key_seed(IsName(self.field))? {
            if wanted {
                found.repeated |= found.value.is_some();
                // The earlier one is given back first: it may be large.
                found.value = None;
                found.value = Some(map.next_value_seed(Member)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a member's name is the one.
struct IsName<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// The value of the member.
struct Member;

impl<'de> DeserializeSeed<'de> for Member {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Other(format!("`{value}`")))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Other(format!("the number {value}")))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Other(format!("the number {value}")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Other(format!("the number {value}")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut n = 0;
        while items.next_element::<IgnoredAny>()?.is_some() {
            n += 1;
        }
        Ok(Value::Other(format!(
            "a list of {n}: a document is one text; join the list, or write a line for each of \
             its texts"
        )))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            names.push(name);
        }
        Ok(Value::Other(format!(
            "an object{}: nested fields are not looked into and need flattening, so that the \
             text is a member of the line itself",
            holding(&names)
        )))
    }
}

/// What to say where the member is not there.
fn missing(line: &str, field: &str) -> String {
    let names = Names.deserialize(&mut serde_json::Deserializer::from_str(line));
    let names = names.unwrap_or_default();
    if let Some((outer, inner)) = field.split_once('.')
        && names.iter().any(|name| name == outer)
    {
        return format!(
            "no member `{field}`: nested fields such as `{inner}` in `{outer}` are not looked \
             into and need flattening, with `jq -c '{{text: .{field}}}'` say"
        );
    }
    format!("no member `{field}`{}: set `field`", holding(&names))
}

/// The names of an object's members, in order.
struct Names;

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            names.push(name);
        }
        Ok(names)
    }
}

/// ` (there are: …)`, long lists and names cut.
pub(super) fn holding<S: AsRef<str>>(names: &[S]) -> String {
    if names.is_empty() {
        return " (there are none)".to_owned();
    }
    let shown: Vec<String> = names
        .iter()
        .take(NAMES)
        .map(|name| format!("`{}`", shortened(name.as_ref())))
        .collect();
    let more = match names.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(" (there are: {}{more})", shown.join(", "))
}

/// The beginning of a text that may be long, on one line.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Result<Option<String>, String> {
        read(line, "text").map(|line| line.text)
    }

    #[track_caller]
    fn says(line: &str, parts: &[&str]) {
        let message = text(line).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
        assert!(message.len() < 600, "{message}");
    }

    #[test]
    fn the_member_is_read_and_the_others_are_not() {
        assert_eq!(text(r#"{"text": "a"}"#), Ok(Some("a".to_owned())));
        assert_eq!(text(r#"{"text": null, "id": 3}"#), Ok(None));
        let beside = r#" {"n": 1e999, "deep": [[{"text": "no"}]], "text": "é😀\n"} "#;
        assert_eq!(text(beside), Ok(Some("é😀\n".to_owned())));
        let twice = read(r#"{"text": "a", "text": "b"}"#, "text").unwrap();
        assert_eq!((twice.text.as_deref(), twice.repeated), (Some("b"), true));
    }

    #[test]
    fn lines_say_what_is_wrong() {
        says("{", &["not JSON"]);
        says("[1]", &["not a JSON object but an array"]);
        says("\"a\"", &["not a JSON object but a single value"]);
        says(r#"{"text": 1}"#, &["`text` is not a text but the number 1"]);
        says(r#"{"text": false}"#, &["is not a text but `false`"]);
        says(r#"{"text": ["a", "b"]}"#, &["a list of 2", "join"]);
        let nested = r#"{"text": {"en": "a", "de": "b"}}"#;
        says(
            nested,
            &["an object (there are: `en`, `de`)", "need flattening"],
        );
        says(
            r#"{"body": "a", "id": 1}"#,
            &["`body`, `id`", "set `field`"],
        );
        says("{}", &["there are none"]);
        let nested = read(r#"{"a": {"b": "c"}}"#, "a.b").unwrap_err();
        assert!(nested.contains("need flattening"), "{nested}");
    }

    #[test]
    fn long_names_and_lists_are_cut() {
        let names: Vec<String> = (0..3000)
            .map(|i| format!("\"{}{i}\": 1", "n".repeat(90)))
            .collect();
        says(
            &format!("{{{}}}", names.join(",")),
            &["and 2992 more", "…`"],
        );
    }
}
