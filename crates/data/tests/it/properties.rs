//! What holds for every corpus, tokenizer and cache, whatever is in the file.

use std::path::Path;

use ontogeny_data::{DataError, Language, Source, SourceSpec, Split};
use ontogeny_store::Stream;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// A tokenizer of bytes: every text has tokens, and they are its bytes.
fn bytes_tokenizer() -> String {
    let alphabet = (0..=255_u8).map(|byte| match byte {
        33..=126 | 161..=172 | 174..=255 => char::from(byte).to_string(),
        // The letters that byte-level tokenizers write for the others.
        0..=32 => char::from_u32(256 + u32::from(byte)).unwrap().to_string(),
        127..=160 => char::from_u32(256 + 33 + u32::from(byte) - 127)
            .unwrap()
            .to_string(),
        173 => char::from_u32(256 + 67).unwrap().to_string(),
    });
    let mut vocab: serde_json::Map<String, serde_json::Value> = alphabet
        .enumerate()
        .map(|(id, letter)| (letter, json!(id)))
        .collect();
    vocab.insert("<|endoftext|>".to_owned(), json!(256));
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let end = json!({
        "id": 256, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [end],
        "normalizer": null, "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": vocab, "merges": [],
        },
    })
    .to_string()
}

fn build(folder: &Path, corpus: &str) -> Result<Language, DataError> {
    let spec = json!({
        "kind": "text", "corpus": corpus, "tokenizer": "tokenizer.json", "held_out": 0.5,
    });
    let spec: SourceSpec = serde_json::from_value(spec).unwrap();
    Source::build(&spec, 1, folder, &folder.join("cache")).map(crate::language)
}

/// A folder with a tokenizer and a corpus.
fn folder(corpus: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), bytes_tokenizer()).unwrap();
    std::fs::write(folder.path().join(corpus), bytes).unwrap();
    folder
}

/// The source's tokens are its tokenizer's.
fn sound(source: &Language) -> Result<(), TestCaseError> {
    for split in [Split::Train, Split::HeldOut] {
        let batch = source.sequences(split, &Stream::new(0, "fuzz", &[]), 0, 3);
        prop_assert!(
            batch
                .tokens
                .iter()
                .all(|&token| (token as usize) < source.d_vocab())
        );
    }
    Ok(())
}

/// Whether the error names the file and is short.
fn named(error: &DataError, file: &str) -> Result<(), TestCaseError> {
    let said = error.to_string();
    // Of a text that is too short the context is at fault as well.
    prop_assert!(
        said.contains(file) || error.key() == Some("n_ctx"),
        "{}",
        said
    );
    prop_assert!(said.lines().count() <= 10, "{}", said);
    Ok(())
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_text_is_tokenized_whole(documents in vec("[a-zé日 \\n\"\\\\👩‍]{1,20}x", 2..6)) {
        let lines: Vec<String> =
            documents.iter().map(|text| json!({ "text": text }).to_string()).collect();
        let folder = folder("fuzz.jsonl", (lines.join("\n") + "\n").as_bytes());
        let source = build(folder.path(), "fuzz.jsonl").unwrap();
        sound(&source)?;
        let Language::Text(text) = &source else {
            return Err(TestCaseError::fail("no text"));
        };
        // A token for each byte, and one for the end of each document.
        let parts = [Split::Train, Split::HeldOut].map(|split| text.part(split));
        let total: u64 = documents.iter().map(|text| text.len() as u64).sum();
        prop_assert_eq!(parts[0].bytes + parts[1].bytes, total);
        prop_assert_eq!(parts[0].tokens + parts[1].tokens, total + documents.len() as u64);
    }

    #[test]
    fn no_bytes_make_a_reader_of_corpora_panic(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..150),
            "[{}\\[\\]:,\"text\\\\ud80\n\r NaN0-9\u{feff}-]{0,150}".prop_map(String::into_bytes),
        ],
    ) {
        for name in ["fuzz.txt", "fuzz.jsonl", "fuzz.jsonl.zst", "fuzz.parquet"] {
            let folder = folder(name, &bytes);
            match build(folder.path(), name) {
                Ok(source) => sound(&source)?,
                Err(error) => named(&error, name)?,
            }
        }
    }

    #[test]
    fn a_line_that_is_no_document_is_told_with_its_number(
        before in 0_usize..20,
        line in prop_oneof!["[a-z]{1,9}", "\\[[0-9]{1,3}\\]", "\\{\"text\": [0-9]{1,3}\\}"],
    ) {
        let bare = ["true", "false", "null"];
        prop_assume!(!bare.contains(&line.as_str()));
        let good = "{\"text\": \"so it was\"}\n";
        let folder = folder("fuzz.jsonl", format!("{}{line}\n", good.repeat(before)).as_bytes());
        let error = build(folder.path(), "fuzz.jsonl").expect_err("no document");
        named(&error, "fuzz.jsonl")?;
        prop_assert_eq!(error.line(), Some(before as u64 + 1));
    }

    #[test]
    fn a_damaged_cache_is_made_again(at in any::<prop::sample::Index>(), byte in 1..=255_u8, cut in any::<bool>()) {
        let text = "{\"text\": \"so it was\"}\n{\"text\": \"and so it is\"}\n{\"text\": \"it is so\"}\n";
        let folder = folder("fuzz.jsonl", text.as_bytes());
        let key = build(folder.path(), "fuzz.jsonl").unwrap().key();
        let file = std::fs::read_dir(folder.path().join("cache")).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        let at = at.index(whole.len());
        match cut {
            true => damaged.truncate(at),
            false => damaged[at] ^= byte,
        }
        std::fs::write(&file, &damaged).unwrap();
        let source = build(folder.path(), "fuzz.jsonl").unwrap();
        sound(&source)?;
        prop_assert_eq!(source.key(), key);
    }

    #[test]
    fn a_damaged_tokenizer_is_refused_by_name_or_used(
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let folder = folder("fuzz.jsonl", "{\"text\": \"so it was\"}\n{\"text\": \"and so it is\"}\n".as_bytes());
        let mut json = bytes_tokenizer().into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(json.len());
            match kind {
                0 => json[at] = byte,
                1 => drop(json.remove(at)),
                _ => json[at] ^= 1 << (byte % 8),
            }
        }
        std::fs::write(folder.path().join("tokenizer.json"), &json).unwrap();
        match build(folder.path(), "fuzz.jsonl") {
            Ok(source) => sound(&source)?,
            Err(error) => named(&error, "tokenizer.json")?,
        }
    }
}
