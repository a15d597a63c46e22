//! Every file that cannot be used says which it is and what would be right.

use std::fs;
use std::path::Path;

use ontogeny_data::{DataError, Source, SourceSpec, TextSpec};

use crate::corpora::write_parquet;
use crate::{build, documents, text_spec, write_texts};

/// Writes one file, builds a source of the folder, and checks the error's parts. Nothing is left
/// in the cache.
#[track_caller]
fn refused(name: &str, content: &[u8], parts: &[&str]) -> DataError {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("texts")).unwrap();
    fs::write(folder.path().join("texts").join(name), content).unwrap();
    let error = build(&text_spec("texts"), folder.path()).expect_err("refused");
    says(&error, parts);
    assert!(!folder.path().join(".cache").exists());
    error
}

#[track_caller]
fn says(error: &DataError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    let error = refused("a.txt", b"four\xff more", &["a.txt", "offset 4 begins"]);
    assert!(error.file().unwrap().ends_with("texts/a.txt"));
    let lines = b"{\"text\": \"a\"}\n{\"text\": \"\xc3(\"}\n";
    refused("a.jsonl", lines, &["a.jsonl", "offset 24 begins"]);
    let packed = zstd::encode_all(&lines[..], 1).unwrap();
    refused(
        "a.jsonl.zst",
        &packed,
        &["offset 24 of the decompressed text"],
    );
}

#[test]
fn encodings_other_than_utf8_are_named() {
    let error = refused("a.txt", b"one\ntwo caf\xe9s", &["a.txt, line 2", "Latin-1"]);
    assert_eq!(error.line(), Some(2));
    refused("a.txt", b"\x93quoted\x94", &["line 1", "Windows-1252"]);
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let line = "{\"text\": \"The river follows the miller.\"}\n";
    let marked = format!("\u{feff}{line}");
    for text in [line, &marked] {
        let bytes = utf16(text);
        refused("a.txt", &bytes, &["a.txt looks like UTF-16 LE", "iconv"]);
        refused(
            "a.jsonl",
            &bytes,
            &["a.jsonl looks like UTF-16 LE", "iconv"],
        );
        let packed = zstd::encode_all(&bytes[..], 1).unwrap();
        refused("a.jsonl.zst", &packed, &["looks like UTF-16 LE", "iconv"]);
    }
    let surrogate = b"{\"text\": \"\xed\xa0\xbd\"}";
    refused("a.jsonl", surrogate, &["line 1", "lone surrogate"]);
}

#[test]
fn json_that_is_no_lines() {
    let array = "[\n{\"text\": \"a\"},\n{\"text\": \"b\"}\n]\n";
    let one_line = array.replace('\n', "");
    for text in [array, &one_line] {
        let error = refused(
            "a.jsonl",
            text.as_bytes(),
            &["line 1", "one JSON array, not lines", "jq -c '.[]'"],
        );
        assert_eq!(error.line(), Some(1));
    }
    let pretty = b"{\n  \"text\": \"a\"\n}\n";
    refused(
        "a.jsonl",
        pretty,
        &["line 1", "goes on where the line ends"],
    );
    refused(
        "a.json",
        pretty,
        &["a.json", "unknown kind", "rename it to .jsonl"],
    );
    let nan = "{\"text\": \"a\"}\n{\"text\": \"b\", \"x\": NaN}\n".as_bytes();
    refused("a.jsonl", nan, &["line 2", "NaN is no JSON"]);
}

#[test]
fn files_of_other_formats_are_named() {
    for (name, content, parts) in [
        (
            "a.jsonl",
            &b"BZh91AY&SY and so on"[..],
            &["bzip2", "bzip2 -d"][..],
        ),
        ("a.txt", b"PK\x03\x04 and so on", &["zip archive", ".docx"]),
        (
            "a.jsonl",
            b"PAR1\x15\x04\xff\xff\xff",
            &["Parquet", "rename it"],
        ),
        (
            "a.jsonl.bz2",
            b"BZh91AY&SY and so on",
            &["unknown kind", "bzip2 -dk"],
        ),
        (
            "a.jsonl.gz",
            b"{\"text\": \"a\"}",
            &["decompress", "its name says gzip"],
        ),
    ] {
        refused(name, content, &[&["a."][..], parts].concat());
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "b.md", "c.pdf"] {
        fs::write(folder.path().join(name), "text").unwrap();
    }
    let error = build(&text_spec("."), folder.path()).expect_err("refused");
    says(
        &error,
        &["b.md", "and 1 more of its files", "rename it to .txt"],
    );
}

#[test]
fn lines_that_hold_no_document() {
    let good = "{\"text\": \"a\"}\n";
    let error = refused(
        "a.jsonl",
        format!("{good}\n{{\"text\" \"a\"}}\n").as_bytes(),
        &["a.jsonl, line 3", "not JSON"],
    );
    assert_eq!(error.line(), Some(3));
    refused(
        "a.jsonl",
        format!("{good}{{\"body\": \"a\"}}").as_bytes(),
        &["line 2", "no member `text`", "`body`", "set `field`"],
    );
}

#[test]
fn files_of_unknown_or_broken_kinds() {
    refused("a.csv", b"a,b", &["a.csv", "unknown kind", ".parquet"]);
    refused(
        "a.parquet",
        b"no such thing",
        &["a.parquet", "not readable as Parquet"],
    );
    refused(
        "a.jsonl.zst",
        b"no such thing",
        &["a.jsonl.zst", "decompress"],
    );
}

#[test]
fn a_parquet_file_without_the_column() {
    let folder = tempfile::tempdir().unwrap();
    write_parquet(&folder.path().join("a.parquet"), &documents(4));
    let spec = TextSpec {
        field: "content".to_owned(),
        ..text_spec("a.parquet")
    };
    let error = build(&spec, folder.path()).expect_err("refused");
    says(
        &error,
        &[
            "a.parquet",
            "no column `content`",
            "`id`, `text`",
            "set `field`",
        ],
    );
}

#[test]
fn corpora_without_text() {
    refused("a.txt", b" \n\n", &["texts", "is empty", "no text"]);
    refused("a.jsonl", b"", &["is empty"]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("texts")).unwrap();
    let error = build(&text_spec("texts"), folder.path()).expect_err("refused");
    says(&error, &["texts", "holds no files"]);
    let error = build(&text_spec("nowhere"), folder.path()).expect_err("refused");
    says(&error, &["`corpus`", "nowhere", "does not exist"]);
    assert_eq!(error.key(), Some("corpus"));
}

#[test]
fn a_context_longer_than_the_text() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), &documents(4));
    let spec = SourceSpec::Text(text_spec("."));
    let cache = folder.path().join(".cache");
    let error = Source::build(&spec, 100_000, folder.path(), &cache).expect_err("refused");
    says(&error, &["100001", "n_ctx", "tokens"]);
    assert_eq!(error.key(), Some("n_ctx"));
    assert!(!cache.exists());
}

#[test]
fn tokenizers_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("texts")).unwrap();
    write_texts(&at("texts"), &documents(8));
    let spec = TextSpec {
        tokenizer: Some("tokenizer.json".to_owned()),
        ..text_spec("texts")
    };
    let error = build(&spec, folder.path()).expect_err("missing");
    says(&error, &["`tokenizer`", "tokenizer.json", "does not exist"]);
    fs::write(at("tokenizer.json"), "{}").unwrap();
    let error = build(&spec, folder.path()).expect_err("not a tokenizer");
    says(&error, &["tokenizer.json", "not a tokenizer.json"]);

    write_tokenizer(&at("tokenizer.json"));
    let error = build(&spec, folder.path()).expect_err("no end of text");
    says(&error, &["`<|endoftext|>`", "set `end_of_text`"]);
    let spec = TextSpec {
        end_of_text: "[UNK]".to_owned(),
        ..spec
    };
    let error = build(&spec, folder.path()).expect_err("another size");
    says(
        &error,
        &["`d_vocab` is 300", "2 tokens", "set `d_vocab` to 2"],
    );
    assert_eq!(error.key(), Some("d_vocab"));

    // Eight short documents hold far fewer than 5000 repeated pairs.
    let spec = TextSpec {
        d_vocab: Some(5000),
        ..text_spec("texts")
    };
    let error = build(&spec, folder.path()).expect_err("too many");
    says(&error, &["`d_vocab` is 5000", "too small"]);
}

fn write_tokenizer(path: &Path) {
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "the": 0, "[UNK]": 1 }, "unk_token": "[UNK]" }
    });
    fs::write(path, json.to_string()).unwrap();
}

#[test]
fn words_for_a_source_of_numbers() {
    let here = Path::new(".");
    let source = Source::build(&SourceSpec::default(), 8, here, here).unwrap();
    let source = crate::language(source);
    let error = source.encode("the").expect_err("refused");
    says(&error, &["0 to 63"]);
    assert_eq!(source.decode(&[3, 17]), ["3", "17"]);
}
