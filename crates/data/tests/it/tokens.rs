//! What tokenizers do with text that they were not made for.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use ontogeny_data::{
    BuildPhase, BuildProgress, DataError, Language, Source, SourceSpec, Split, TextSpec,
};
use ontogeny_store::Stream;
use serde_json::{Value, json};

use crate::{build, documents, text, text_spec};

/// A tokenizer.json with the special tokens `<eos>` and, if it is in the vocabulary, `<unk>`.
fn tokenizer(model: Value, pre_tokenizer: &str) -> Value {
    let vocabulary = model["vocab"].as_object();
    let number = |token: &str| {
        vocabulary
            .and_then(|v| v.get(token))
            .and_then(Value::as_u64)
    };
    let added: Vec<Value> = ["<eos>", "<unk>"]
        .into_iter()
        .filter_map(|token| Some((number(token)?, token)))
        .map(|(id, content)| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true })
        })
        .collect();
    json!({ "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": null, "pre_tokenizer": { "type": pre_tokenizer },
            "post_processor": null, "decoder": null, "model": model })
}

fn vocabulary(tokens: &[&str]) -> Value {
    tokens
        .iter()
        .zip(0..)
        .map(|(&token, id)| (token.to_owned(), json!(id)))
        .collect()
}

/// Words of a small language, numbered from 0 after `<eos>`.
fn word_level(tokens: &[&str]) -> Value {
    let tokens = [&["<eos>"], tokens].concat();
    json!({ "type": "WordLevel", "vocab": vocabulary(&tokens), "unk_token": "<unk>" })
}

/// A BPE of letters without merges.
fn letters(tokens: &str, unknown: Option<&str>) -> Value {
    let letters: Vec<String> = tokens.chars().map(String::from).collect();
    let mut tokens = vec!["<eos>"];
    tokens.extend(unknown);
    tokens.extend(letters.iter().map(String::as_str));
    json!({ "type": "BPE", "vocab": vocabulary(&tokens), "merges": [], "unk_token": unknown,
            "dropout": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false })
}

fn spec() -> TextSpec {
    TextSpec {
        tokenizer: Some("tokenizer.json".to_owned()),
        d_vocab: None,
        end_of_text: "<eos>".to_owned(),
        ..text_spec("corpus.jsonl")
    }
}

/// A folder with a corpus and a tokenizer.
fn folder(texts: &[String], tokenizer: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(folder.path(), texts);
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn write_corpus(folder: &Path, texts: &[String]) {
    let lines: Vec<String> = texts
        .iter()
        .map(|t| json!({ "text": t }).to_string())
        .collect();
    fs::write(folder.join("corpus.jsonl"), lines.join("\n")).unwrap();
}

fn built(texts: &[String], tokenizer: &Value) -> Result<Language, DataError> {
    build(&spec(), folder(texts, tokenizer).path())
}

/// The words `a b c d` over and over, in twelve documents; the third has something else as well.
fn plain(third: &str) -> Vec<String> {
    let texts = (0..12).map(|i| "a b c d ".repeat(20 + i));
    let add = |(i, text)| {
        if i == 2 {
            format!("{text}{third}")
        } else {
            text
        }
    };
    texts.enumerate().map(add).collect()
}

#[track_caller]
fn refused(texts: &[String], tokenizer: &Value, parts: &[&str]) {
    let error = built(texts, tokenizer).expect_err("refused").to_string();
    for part in parts {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[track_caller]
fn noticed(source: &Language, parts: &[&str]) {
    let notices = source.notices().join("\n");
    for part in parts {
        assert!(notices.contains(part), "{part}: {notices}");
    }
}

/// How often a token occurs in all parts.
fn occurrences(source: &Language, token: u32) -> f64 {
    let train = text(source).part(Split::Train).tokens as f64;
    source.token_frequencies()[token as usize] * train
}

/// Documents of which none is a copy, which would be noticed.
fn distinct(n: usize) -> Vec<String> {
    let numbered = documents(n).into_iter().enumerate();
    numbered.map(|(i, text)| format!("{text}{i}. ")).collect()
}

#[test]
fn dropout_is_switched_off() {
    let texts = distinct(12);
    let trained = {
        let folder = tempfile::tempdir().unwrap();
        write_corpus(folder.path(), &texts);
        build(&text_spec("corpus.jsonl"), folder.path()).unwrap()
    };
    let mut json: Value = serde_json::from_str(text(&trained).tokenizer_json()).unwrap();
    let with = |dropout: Value, json: &mut Value| {
        json["model"]["dropout"] = dropout;
        let spec = TextSpec {
            end_of_text: "<|endoftext|>".to_owned(),
            ..spec()
        };
        build(&spec, folder(&texts, json).path()).unwrap()
    };
    let (without, zero) = (with(Value::Null, &mut json), with(json!(0.0), &mut json));
    let (dropped, again) = (with(json!(0.4), &mut json), with(json!(0.4), &mut json));
    let draw = |source: &Language| source.sequences(Split::Train, &Stream::new(1, "t", &[]), 0, 8);
    assert_eq!(draw(&without), draw(&trained));
    assert_eq!(draw(&dropped), draw(&without));
    assert_eq!(draw(&again), draw(&without));
    assert_eq!(dropped.key(), again.key());
    // What such a file made before was something else.
    let same_file = with(Value::Null, &mut json);
    assert_eq!(same_file.key(), without.key());
    assert_ne!(dropped.key(), without.key());
    noticed(&dropped, &["dropout of 0.4", "switched off"]);
    assert!(without.notices().is_empty(), "{:?}", without.notices());
    assert!(zero.notices().is_empty(), "{:?}", zero.notices());
    let stored: Value = serde_json::from_str(text(&dropped).tokenizer_json()).unwrap();
    assert_eq!(stored["model"]["dropout"], Value::Null);
}

#[test]
fn characters_that_would_vanish_are_counted_or_refused() {
    let model = tokenizer(letters("abcd", None), "Whitespace");
    let few = built(&plain("é你你"), &model).unwrap();
    noticed(
        &few,
        &[
            "3 of ",
            "would vanish",
            "`你` (2), `é` (1)",
            "first in document 3",
            "unk_token",
        ],
    );
    refused(
        &plain(&"你好".repeat(40)),
        &model,
        &[
            "tokenizer.json",
            "80 of ",
            "`你` (40), `好` (40)",
            "byte_fallback",
        ],
    );
    assert_eq!(
        built(&plain(""), &model).unwrap().notices(),
        [] as [String; 0]
    );
    // The same characters as one word give a sentence that names them, in a prompt too.
    let error = few.encode("ab é").expect_err("vanishes").to_string();
    assert!(error.contains("`é`"), "{error}");
}

#[test]
fn a_byte_level_model_without_some_bytes_is_told_in_characters() {
    let mut bytes = letters("abcdĠÃ", None);
    bytes["vocab"]["©"] = json!(20);
    let mut model = tokenizer(bytes, "ByteLevel");
    model["pre_tokenizer"] =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true });
    let source = built(&plain("é你"), &model).unwrap();
    noticed(&source, &["1 of ", "`你` (1)"]);
}

#[test]
fn words_without_a_token_are_named_with_what_to_set() {
    let texts = plain("zebra");
    refused(
        &texts,
        &tokenizer(word_level(&["a", "b", "c", "d"]), "Whitespace"),
        &[
            "tokenizer.json",
            "document 3 of corpus.jsonl",
            "`zebra`",
            "`<unk>`",
            "unk_token",
        ],
    );
    let pieces = json!({ "type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 100,
        "continuing_subword_prefix": "##", "vocab": vocabulary(&["<eos>", "a", "b", "c", "d"]) });
    refused(
        &texts,
        &tokenizer(pieces, "Whitespace"),
        &["document 3", "`zebra`", "`[UNK]`"],
    );
    let unigram = json!({ "type": "Unigram", "unk_id": null, "byte_fallback": false, "vocab":
        [["<eos>", 0.0], ["a", -1.0], ["b", -1.0], ["c", -1.0], ["d", -1.0], [" ", -1.0]] });
    let mut unigram = tokenizer(unigram, "Whitespace");
    unigram["pre_tokenizer"] = Value::Null;
    refused(&texts, &unigram, &["document 3", "`z`", "unk_id"]);
    let mut bpe = letters("abcd", None);
    bpe["unk_token"] = json!("<unk>");
    refused(
        &texts,
        &tokenizer(bpe, "Whitespace"),
        &["document 3", "`z`", "<unk>", "unk_token"],
    );
}

#[test]
fn a_share_of_unknown_tokens_is_told() {
    let model = tokenizer(word_level(&["<unk>", "a", "b", "c", "d"]), "Whitespace");
    // One in some 1200: nobody wants to hear of it.
    assert_eq!(
        built(&plain("x"), &model).unwrap().notices(),
        [] as [String; 0]
    );
    let some = built(&plain(&"x y x ".repeat(20)), &model).unwrap();
    noticed(
        &some,
        &[
            "60 of ",
            "are the unknown token `<unk>`",
            "`x` (40), `y` (20)",
        ],
    );
    let upper: Vec<String> = plain("").iter().map(|text| text.to_uppercase()).collect();
    let most = built(&upper, &model).unwrap();
    noticed(
        &most,
        &[
            "warning: most tokens are the unknown token `<unk>`",
            "100.0 %",
        ],
    );
}

#[test]
fn a_control_token_in_a_document_is_text() {
    let model = tokenizer(letters("abcd<eos>", None), "Whitespace");
    let source = built(&plain("a <eos> b <eos>"), &model).unwrap();
    noticed(
        &source,
        &[
            "1 of 12 documents spell a control token (`<eos>`)",
            "first document 3",
        ],
    );
    let end = text(&source).end_of_text();
    let train = text(&source).part(Split::Train).documents;
    assert!((occurrences(&source, end) - train as f64).abs() < 1e-6);
    // `<eos>` in five letters, in a prompt too.
    let encoded = source.encode_noting("a<eos>b").unwrap();
    assert_eq!(
        (encoded.tokens.len(), encoded.tokens.contains(&end)),
        (7, false)
    );
    assert!(
        encoded.notices[0].contains("the text spells"),
        "{encoded:?}"
    );
    // Such a corpus had other tokens once. Others keep their key, whatever else is told of them.
    let folder = folder(&plain("a <eos> b <eos>"), &model);
    let first = build(&spec(), folder.path()).unwrap();
    let again = build(&spec(), folder.path()).unwrap();
    assert_eq!(
        (first.key(), first.notices()),
        (again.key(), again.notices())
    );
    assert_eq!(first.key(), source.key());
}

#[test]
fn a_control_token_that_is_a_word_is_broken() {
    let tokens = ["<unk>", "a", "b", "c", "d"];
    let model = tokenizer(word_level(&tokens), "WhitespaceSplit");
    let source = built(&plain("<eos>"), &model).unwrap();
    let end = text(&source).end_of_text();
    assert_eq!(source.encode("a <eos> b").unwrap(), [2, 1, 1, 3]);
    let train = text(&source).part(Split::Train).documents;
    assert!((occurrences(&source, end) - train as f64).abs() < 1e-6);
    // The unknown token is read as ever: corpora have it in place of words that were taken out.
    assert_eq!(source.encode("a <unk> b").unwrap(), [2, 1, 3]);
    assert_eq!(source.encode("a<unk>b").unwrap(), [2, 1, 3]);
    // A sentencepiece-like model that likes the whole token best.
    let unigram = json!({ "type": "Unigram", "unk_id": 1, "byte_fallback": false, "vocab":
        [["<eos>", 0.0], ["<unk>", -9.0], ["a", -1.0], ["b", -1.0], [" ", -1.0], ["<", -5.0],
         ["eos>", -5.0]] });
    let mut model = tokenizer(unigram, "Whitespace");
    model["pre_tokenizer"] = Value::Null;
    let texts: Vec<String> = (0..9).map(|i| "a b ".repeat(30 + i)).collect();
    let source = built(&texts, &model).unwrap();
    assert_eq!(source.encode("a<eos>b").unwrap(), [2, 5, 6, 3]);
}

#[test]
fn a_trained_tokenizer_reads_its_own_end_as_text() {
    let texts = |third: &str| {
        let mut texts = distinct(12);
        texts[2].push_str(third);
        texts
    };
    let source = |third: &str, end: &str| {
        let folder = tempfile::tempdir().unwrap();
        write_corpus(folder.path(), &texts(third));
        let spec = TextSpec {
            end_of_text: end.to_owned(),
            ..text_spec("corpus.jsonl")
        };
        build(&spec, folder.path()).unwrap()
    };
    let spelled = source("<|endoftext|>", "<|endoftext|>");
    noticed(&spelled, &["1 of 12 documents spell", "`<|endoftext|>`"]);
    let train = |source: &Language| text(source).part(Split::Train).documents as f64;
    assert!((occurrences(&spelled, 0) - train(&spelled)).abs() < 1e-6);
    let plain = source("", "<|endoftext|>");
    assert!(plain.notices().is_empty(), "{:?}", plain.notices());
    // A word of the text as the end: the word itself is read in parts.
    let word = source("", "the");
    assert!((occurrences(&word, 0) - train(&word)).abs() < 1e-6);
    noticed(&word, &["12 of 12 documents spell", "`the`"]);
    let tokens = word.encode("the other").unwrap();
    assert!(!tokens.contains(&0), "{tokens:?}");
    assert_eq!(word.decode(&tokens).concat(), "the other");
}

#[test]
fn an_end_of_one_character_is_told() {
    let mut json = tokenizer(letters("abcd", None), "Whitespace");
    json["added_tokens"][0]["content"] = json!("d");
    let spec = TextSpec {
        end_of_text: "d".to_owned(),
        ..spec()
    };
    let folder = folder(&plain(""), &json);
    let source = build(&spec, folder.path()).unwrap();
    noticed(
        &source,
        &["the text itself has `d`", "reads as the end of a document"],
    );
    let cached = || fs::read_dir(folder.path().join(".cache")).unwrap().count();
    assert_eq!(cached(), 1);
    assert_eq!(build(&spec, folder.path()).unwrap().key(), source.key());
    assert_eq!(cached(), 1);
}

#[test]
fn a_mark_or_a_folder_changes_nothing() {
    let model = tokenizer(word_level(&["<unk>", "a", "b", "c", "d"]), "Whitespace");
    let folder = folder(&plain(""), &model);
    let plain = build(&spec(), folder.path()).unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("marked.json"), format!("\u{feff}{model}")).unwrap();
    fs::create_dir(at("parts")).unwrap();
    fs::write(at("parts/tokenizer.json"), model.to_string()).unwrap();
    for name in ["marked.json", "parts"] {
        let spec = TextSpec {
            tokenizer: Some(name.to_owned()),
            ..spec()
        };
        assert_eq!(
            build(&spec, folder.path()).unwrap().key(),
            plain.key(),
            "{name}"
        );
    }
    fs::write(at("merges.txt"), "#version: 0.2\na b\n").unwrap();
    let spec = TextSpec {
        tokenizer: Some("merges.txt".to_owned()),
        ..spec()
    };
    let error = build(&spec, folder.path()).expect_err("refused");
    assert_eq!(error.key(), Some("tokenizer"));
    assert!(error.to_string().contains("merges.txt of a BPE"), "{error}");
}

#[test]
fn whoever_waits_is_told_and_may_stop() {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(folder.path(), &documents(12));
    let spec = SourceSpec::Text(TextSpec {
        d_vocab: Some(330),
        ..text_spec("corpus.jsonl")
    });
    let cache = folder.path().join(".cache");
    let told = Mutex::new(Vec::new());
    let build = |stop: Option<BuildPhase>| {
        Source::build_watched(&spec, 16, folder.path(), &cache, &|now: BuildProgress| {
            told.lock().unwrap().push(now);
            match stop == Some(now.phase) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    };
    for phase in [
        BuildPhase::ReadCorpus,
        BuildPhase::LearnTokens,
        BuildPhase::Tokenize,
    ] {
        let error = build(Some(phase)).expect_err("stopped");
        assert!(matches!(error, DataError::Stopped), "{error}");
        assert!(!cache.exists());
        let last = told.lock().unwrap().pop().unwrap();
        assert_eq!(last.phase, phase);
    }
    told.lock().unwrap().clear();
    build(None).unwrap();
    let last = *told.lock().unwrap().last().unwrap();
    let bytes: usize = documents(12).iter().map(String::len).sum();
    let all = BuildProgress {
        phase: BuildPhase::Tokenize,
        done: bytes as u64,
        total: bytes as u64,
    };
    assert_eq!(last, all);
}
