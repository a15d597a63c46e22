//! Finding and recognising a `tokenizer.json`: what else people have, and what they need then.

use std::fs;
use std::path::{Path, PathBuf};

use ontogeny_store::excerpt;
use serde_json::Value;

use crate::DataError;

/// The file that is read in a folder.
const NAME: &str = "tokenizer.json";
/// What writes the file from the other files of a tokenizer.
const CURE: &str = "`AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` of the Python \
                    package transformers writes a tokenizer.json";

/// Reads the `tokenizer.json` at a path, or in the folder there, without its byte order mark.
///
/// # Errors
///
/// [`DataError::Missing`] if nothing is there, [`DataError::Tokenizer`] if it is something else.
pub(crate) fn read(path: &Path) -> Result<(PathBuf, Vec<u8>), DataError> {
    if !path.exists() {
        return Err(DataError::Missing {
            key: "tokenizer".into(),
            path: path.to_owned(),
        });
    }
    let path = if path.is_dir() {
        in_folder(path)?
    } else {
        path.to_owned()
    };
    let mut bytes = fs::read(&path).map_err(|error| DataError::Tokenizer {
        path: Some(path.clone()),
        message: format!("cannot be read: {error}"),
    })?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match other_than_json(&path, &bytes) {
        None => Ok((path, bytes)),
        Some(found) => Err(DataError::Tokenizer {
            message: format!("not a tokenizer.json: {found}"),
            path: Some(path),
        }),
    }
}

fn in_folder(folder: &Path) -> Result<PathBuf, DataError> {
    let path = folder.join(NAME);
    if path.exists() {
        return Ok(path);
    }
    let other = [
        "tokenizer.model",
        "spiece.model",
        "sentencepiece.bpe.model",
        "vocab.json",
        "merges.txt",
        "vocab.txt",
        "tokenizer_config.json",
    ]
    .into_iter()
    .filter(|name| folder.join(name).exists())
    .collect::<Vec<_>>();
    let message = if other.is_empty() {
        format!("is a folder without a {NAME}: name the file, or the folder that it lies in")
    } else {
        let other = other.join(", ");
        format!("is a folder with {other}, but without the {NAME} that is needed: {CURE}")
    };
    Err(DataError::Tokenizer {
        path: Some(folder.to_owned()),
        message,
    })
}

/// What a file is that cannot be JSON; `None` if it may be.
fn other_than_json(path: &Path, bytes: &[u8]) -> Option<String> {
    let utf16 = bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
        || bytes.starts_with(b"{\0")
        || bytes.starts_with(b"\0{");
    let compressed = [
        (&b"\x1f\x8b"[..], "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
        (b"PK\x03\x04", "zip"),
    ]
    .into_iter()
    .find(|(magic, _)| bytes.starts_with(magic));
    let model = path.extension().is_some_and(|e| e == "model");
    if utf16 {
        Some("it is UTF-16; save it as UTF-8".to_owned())
    } else if let Some((_, kind)) = compressed {
        Some(format!("it is compressed ({kind}); decompress it"))
    } else if model || bytes.starts_with(b"\x0a") && std::str::from_utf8(bytes).is_err() {
        Some(format!("it is a SentencePiece model; {CURE}"))
    } else if bytes.starts_with(b"\x80") {
        Some(format!("it is a Python pickle; {CURE}"))
    } else if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        Some(format!(
            "it is not UTF-8: the byte at offset {at} begins no valid character"
        ))
    } else {
        other_text(bytes)
    }
}

/// What text is that is no JSON; `None` if it may be.
fn other_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_start();
    if text.is_empty() {
        Some("it is empty".to_owned())
    } else if text.starts_with("#version") {
        Some(format!("it is the merges.txt of a BPE; {CURE}"))
    } else if text.starts_with("version https://git-lfs") {
        Some("it is a pointer of Git LFS; `git lfs pull` fetches the file itself".to_owned())
    } else if text.starts_with('<') {
        Some("it is a web page (HTML); download the file itself".to_owned())
    } else if is_list_of_words(text) {
        Some(format!(
            "it is a list of words, such as a vocab.txt; {CURE}"
        ))
    } else {
        None
    }
}

/// Lines that are words: the first one is no JSON.
fn is_list_of_words(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default().trim_end();
    let marked = first
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let marked =
        marked.is_some_and(|name| name.chars().any(char::is_uppercase) && !name.contains('"'));
    (marked || !first.starts_with(['{', '[', '"'])) && text.lines().nth(1).is_some()
}

/// What JSON is that is no tokenizer.
pub(crate) fn other_json(json: &Value) -> Option<String> {
    let Value::Object(members) = json else {
        return Some("it holds no JSON object".to_owned());
    };
    let has = |name: &str| members.contains_key(name);
    let what = if has("model") {
        return None;
    } else if members.is_empty() {
        "it is an empty object".to_owned()
    } else if members.values().all(Value::is_u64) {
        format!("it is a vocabulary, such as a vocab.json; {CURE}")
    } else if has("tokenizer_class") || has("added_tokens_decoder") || has("model_max_length") {
        format!("it is a tokenizer_config.json; {CURE}")
    } else if has("model_type") || has("architectures") {
        "it is the config.json of a model; name the tokenizer.json beside it".to_owned()
    } else if has("eos_token") || has("unk_token") || has("bos_token") {
        format!("it is a special_tokens_map.json; {CURE}")
    } else {
        let names: Vec<_> = members
            .keys()
            .take(5)
            .map(|name| format!("`{}`", excerpt(name)))
            .collect();
        format!("it has no member `model` (there are: {})", names.join(", "))
    };
    Some(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, bytes: &[u8], parts: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let message = match read(&path) {
            Err(error) => error.to_string(),
            Ok((_, bytes)) => match serde_json::from_slice(&bytes) {
                Ok(json) => other_json(&json).expect("recognised"),
                Err(error) => error.to_string(),
            },
        };
        for part in parts {
            assert!(message.contains(part), "{name}: {message}");
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        refused("t.json", b"", &["empty"]);
        refused("t.json", b"\xff\xfe{\0}\0", &["UTF-16", "UTF-8"]);
        refused("t.json", b"{\0}\0", &["UTF-16"]);
        refused("t.json", b"\x1f\x8b\x08", &["gzip"]);
        refused("t.model", b"\x0a\x0c", &["SentencePiece", "AutoTokenizer"]);
        refused("t.json", b"\x0a\xff\x01", &["SentencePiece"]);
        refused("t.json", b"{\"a\": \"caf\xe9\"}", &["offset 10"]);
        refused("merges.txt", b"#version: 0.2\na b\n", &["merges.txt"]);
        refused("vocab.txt", b"[PAD]\n[UNK]\n", &["vocab.txt"]);
        refused("vocab.txt", b"the\nof\n", &["vocab.txt"]);
        refused("t.json", b"<!DOCTYPE html>", &["HTML"]);
        refused(
            "t.json",
            b"version https://git-lfs.github.com/spec/v1\n",
            &["LFS"],
        );
        refused("vocab.json", b"{\"a\": 0, \"b\": 1}", &["vocab.json"]);
        refused(
            "t.json",
            b"{\"tokenizer_class\": \"X\"}",
            &["tokenizer_config.json"],
        );
        refused(
            "t.json",
            b"{\"model_type\": \"X\"}",
            &["config.json of a model"],
        );
        refused(
            "t.json",
            b"{\"unk_token\": \"X\"}",
            &["special_tokens_map.json"],
        );
        refused("t.json", b"{\"x\": {}}", &["no member `model`", "`x`"]);
        refused("t.json", b"[1]", &["no JSON object"]);
    }

    #[test]
    fn a_folder_stands_for_the_file_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let error = read(folder.path()).expect_err("empty").to_string();
        assert!(error.contains("without a tokenizer.json"), "{error}");
        fs::write(at("merges.txt"), "").unwrap();
        fs::write(at("vocab.json"), "{}").unwrap();
        let error = read(folder.path()).expect_err("slow").to_string();
        assert!(error.contains("vocab.json, merges.txt"), "{error}");
        fs::write(at(NAME), "\u{feff}{}").unwrap();
        let (path, bytes) = read(folder.path()).unwrap();
        assert_eq!((path, &bytes[..]), (at(NAME), &b"{}"[..]));
        assert_eq!(read(&at(NAME)).unwrap().1, b"{}");
    }
}
