//! Content keys: a name for "exactly these causes".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::excerpt::excerpt;

/// A 256-bit hash (BLAKE3) of labelled parts. Equal keys mean equal parts.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hex digits, for people and file names.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a key: a key is 64 hexadecimal digits", excerpt(text))]
pub struct ParseKeyError {
    text: String,
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| ParseKeyError {
                text: text.to_owned(),
            })
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Collects the parts of a [`Key`].
///
/// Labels, kinds and lengths are hashed with the values, so that no two different lists of parts
/// give the same input to the hash; the order of the parts counts.
///
/// ```
/// use ontogeny_store::KeyBuilder;
///
/// let key = KeyBuilder::new("llc/1").number("chains", 4).text("data", "train").finish();
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    hasher: blake3::Hasher,
}

impl KeyBuilder {
    /// Begins a key of the given domain: what the key is for and the version of the method.
    pub fn new(domain: &str) -> Self {
        let builder = Self {
            hasher: blake3::Hasher::new(),
        };
        builder.part(b'd', "domain", domain.as_bytes())
    }

    /// Adds raw bytes.
    pub fn bytes(self, label: &str, value: &[u8]) -> Self {
        self.part(b'b', label, value)
    }

    /// Adds a text.
    pub fn text(self, label: &str, value: &str) -> Self {
        self.part(b't', label, value.as_bytes())
    }

    /// Adds a whole number.
    pub fn number(self, label: &str, value: u64) -> Self {
        self.part(b'n', label, &value.to_le_bytes())
    }

    /// Adds another key.
    pub fn key(self, label: &str, value: &Key) -> Self {
        self.part(b'k', label, &value.0)
    }

    /// Adds numbers by their bits: 0.0 and −0.0 differ, and so do NaNs of different payload.
    pub fn f32s(mut self, label: &str, values: &[f32]) -> Self {
        self.head(b'f', label, 4 * values.len());
        // In pieces: a tensor is not copied whole only to be hashed.
        let mut piece = Vec::with_capacity(4 * 4096);
        for values in values.chunks(4096) {
            piece.clear();
            piece.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            self.hasher.update(&piece);
        }
        self
    }

    /// Adds any value by what it is in JSON; the order of an object's members does not count.
    ///
    /// JSON has no NaN and no infinities: they count as null. Use [`KeyBuilder::f32s`] where that
    /// matters.
    ///
    /// # Panics
    ///
    /// If the type has no JSON form (a map whose keys are not texts, say), which is a mistake in
    /// the program and independent of the value's content.
    pub fn json(self, label: &str, value: &impl Serialize) -> Self {
        let value = serde_json::to_value(value)
            .expect("types used in keys have a JSON form: objects with text keys");
        let mut encoded = Vec::new();
        encode(&value, &mut encoded);
        self.part(b'j', label, &encoded)
    }

    /// The key of all parts so far.
    pub fn finish(self) -> Key {
        Key(*self.hasher.finalize().as_bytes())
    }

    fn part(mut self, kind: u8, label: &str, value: &[u8]) -> Self {
        self.head(kind, label, value.len());
        self.hasher.update(value);
        self
    }

    fn head(&mut self, kind: u8, label: &str, length: usize) {
        self.hasher.update(&[kind]);
        self.hasher.update(&(label.len() as u64).to_le_bytes());
        self.hasher.update(label.as_bytes());
        self.hasher.update(&(length as u64).to_le_bytes());
    }
}

/// An injective encoding of a JSON value with the members of objects sorted. `serde_json`'s own
/// text would do, but for the order of members, which depends on its feature flags.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(value) => out.extend([b'b', u8::from(*value)]),
        Value::Number(number) => {
            if let Some(value) = number.as_u64() {
                out.push(b'u');
                out.extend(value.to_le_bytes());
            } else if let Some(value) = number.as_i64() {
                out.push(b'i');
                out.extend(value.to_le_bytes());
            } else {
                out.push(b'f');
                out.extend(number.as_f64().unwrap_or(f64::NAN).to_le_bytes());
            }
        }
        Value::String(text) => encode_text(text, out),
        Value::Array(values) => {
            out.push(b'a');
            out.extend((values.len() as u64).to_le_bytes());
            for value in values {
                encode(value, out);
            }
        }
        Value::Object(members) => {
            out.push(b'o');
            out.extend((members.len() as u64).to_le_bytes());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            for (name, value) in members {
                encode_text(name, out);
                encode(value, out);
            }
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.push(b's');
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    fn new() -> KeyBuilder {
        KeyBuilder::new("test/1")
    }

    #[test]
    fn different_parts_never_share_a_key() {
        let inner = new().finish();
        let builders = [
            new(),
            KeyBuilder::new("test/2"),
            new().bytes("a", b"bc"),
            new().bytes("ab", b"c"),
            new().bytes("a", b"b").bytes("c", b""),
            new().bytes("a", b"").bytes("bc", b""),
            new().text("a", "bc"),
            new().number("a", 1),
            new().bytes("a", &1u64.to_le_bytes()),
            new().number("a", 1).number("b", 2),
            new().number("b", 2).number("a", 1),
            new().key("a", &inner),
            new().bytes("a", inner.as_bytes()),
            new().f32s("a", &[]),
            new().f32s("a", &[0.0]),
            new().f32s("a", &[-0.0]),
            new().f32s("a", &[0.0, 0.0]),
            new().f32s("a", &[0.0; 5000]),
            new().f32s("a", &[0.0; 5001]),
            new().json("a", &json!(null)),
            new().json("a", &json!(1)),
            new().json("a", &json!(1.0)),
            new().json("a", &json!(-1)),
            new().json("a", &json!("1")),
            new().json("a", &json!(true)),
            new().json("a", &json!(false)),
            new().json("a", &json!([])),
            new().json("a", &json!({})),
            new().json("a", &json!([[], 1])),
            new().json("a", &json!([[1]])),
            new().json("a", &json!({ "x": 1, "y": 2 })),
            new().json("a", &json!({ "x": 2, "y": 1 })),
            new().json("a", &json!({ "xx": 1, "y": 2 })),
        ];
        let keys: HashSet<Key> = builders.iter().map(|b| b.clone().finish()).collect();
        assert_eq!(keys.len(), builders.len());
    }

    #[test]
    fn the_order_of_members_does_not_count() {
        let key = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            new().json("a", &value).finish()
        };
        assert_eq!(
            key(r#"{"x": {"u": 1, "v": 2}, "y": 0}"#),
            key(r#"{"y": 0, "x": {"v": 2, "u": 1}}"#)
        );
    }

    #[test]
    fn goes_through_text_and_json() {
        let key = new().finish();
        let text = key.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(key.short(), text[..12]);
        assert_eq!(text.parse(), Ok(key));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
    }

    #[test]
    fn refuses_what_is_no_key() {
        let check = |text: &str| {
            let message = text.parse::<Key>().unwrap_err().to_string();
            assert!(message.contains("64 hexadecimal digits"), "{message}");
            assert!(serde_json::from_value::<Key>(json!(text)).is_err());
        };
        check("");
        check("abc");
        check(&"0".repeat(63));
        check(&"0".repeat(65));
        check(&"g".repeat(64));
        check(&"é".repeat(32));
    }
}
