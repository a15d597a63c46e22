//! JSON objects on disk that tell whether they are still what was written.
//!
//! A sealed object ends in an entry `hash`, the [`Key`] over all bytes before it. Readers that know
//! nothing of seals see one more entry.

use serde::Serialize;
use serde_json::Value;

use crate::key::{Key, KeyBuilder};

/// What stands before the hash, and after it.
const BEFORE: &[u8] = b",\"hash\":\"";
const AFTER: &[u8] = b"\"}";
/// Hexadecimal digits of a key.
const DIGITS: usize = 64;

/// Whether a text is what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It is.
    Whole,
    /// It was changed or damaged since.
    Broken,
    /// That cannot be told: the text was written without a seal.
    Absent,
}

/// The key of a file's bytes.
pub fn hash_of_bytes(bytes: &[u8]) -> Key {
    KeyBuilder::new("bytes/1").bytes("bytes", bytes).finish()
}

/// The text of an object that has entries, sealed. The object has no entry `hash` of its own.
///
/// # Errors
///
/// A value that has no JSON form.
pub fn seal(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(value)?;
    if bytes.pop_if(|last| *last == b'}').is_none() {
        return Err(serde::ser::Error::custom("only an object can be sealed"));
    }
    let hash = hash_of_bytes(&bytes);
    bytes.extend_from_slice(BEFORE);
    bytes.extend_from_slice(hash.to_string().as_bytes());
    bytes.extend_from_slice(AFTER);
    Ok(bytes)
}

/// Whether the text of an object is what [`seal`] made.
pub fn check_seal(bytes: &[u8]) -> Seal {
    let parts = || {
        let (rest, hash) = bytes.strip_suffix(AFTER)?.split_last_chunk::<DIGITS>()?;
        hash.iter()
            .all(u8::is_ascii_hexdigit)
            .then_some((rest, hash))
    };
    let whole = |rest: &[u8], hash: &[u8]| {
        let content = rest.strip_suffix(BEFORE);
        content.is_some_and(|content| hash_of_bytes(content).to_string().as_bytes() == hash)
    };
    match parts() {
        Some((rest, hash)) if whole(rest, hash) => Seal::Whole,
        Some(_) => Seal::Broken,
        None => match serde_json::from_slice::<Value>(bytes) {
            Ok(value) if value.get("hash").is_none() => Seal::Absent,
            _ => Seal::Broken,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_seal_holds_until_any_byte_changes() {
        let value = json!({ "loss": 1.25, "words": { "verdict": "ok" } });
        let sealed = seal(&value).unwrap();
        assert_eq!(check_seal(&sealed), Seal::Whole);
        let read: Value = serde_json::from_slice(&sealed).unwrap();
        assert_eq!(read["loss"], 1.25);
        assert_eq!(read["hash"].as_str().map(str::len), Some(DIGITS));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(check_seal(&changed), Seal::Broken, "byte {place}");
            assert_eq!(check_seal(&sealed[..place]), Seal::Broken, "cut at {place}");
        }
        // The same object, written by another program.
        let indented = serde_json::to_vec_pretty(&read).unwrap();
        assert_eq!(check_seal(&indented), Seal::Broken);
    }

    #[test]
    fn what_was_never_sealed_is_not_taken_for_damaged() {
        assert_eq!(check_seal(br#"{"loss":1.25}"#), Seal::Absent);
        assert!(seal(&[1, 2]).is_err());
    }
}
