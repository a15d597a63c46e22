//! The same documents from every kind of file, and the cache.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ontogeny_data::{Split, TextSpec};
use ontogeny_store::Stream;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::{build, documents, text, text_spec, write_texts};

pub(crate) fn lines(documents: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let line = serde_json::json!({ "id": number, "text": document });
        writeln!(bytes, "{line}").unwrap();
    }
    bytes
}

/// A file with columns `id` and `text`; every fourth row has no text.
pub(crate) fn write_parquet(path: &Path, documents: &[String]) {
    let schema = "message rows { required binary id (UTF8); optional binary text (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut levels = Vec::new();
    for document in 0..documents.len() {
        levels.push(1);
        if document % 3 == 2 {
            levels.push(0);
        }
    }
    let ids: Vec<ByteArray> = (0..levels.len())
        .map(|row| ByteArray::from(row.to_string().as_str()))
        .collect();
    let texts: Vec<ByteArray> = documents.iter().map(|d| d.as_str().into()).collect();
    for (values, levels) in [(&ids, None), (&texts, Some(&levels[..]))] {
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(values, levels, None)
            .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn every_kind_of_file_gives_the_same_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let documents = documents(40);
    fs::create_dir_all(at("texts/inner")).unwrap();
    write_texts(&at("texts"), &documents[..20]);
    // Folders are read in the order of the names: "inner" comes after the numbers.
    write_texts(&at("texts/inner"), &documents[20..]);
    fs::write(at("texts/.hidden"), [0xff]).unwrap();
    fs::write(at("rows.jsonl"), lines(&documents)).unwrap();
    let compressed = zstd::encode_all(&lines(&documents)[..], 3).unwrap();
    fs::write(at("packed.jsonl.zst"), compressed).unwrap();
    write_parquet(&at("rows.parquet"), &documents);

    let stream = Stream::new(1, "test", &[]);
    let sources = ["texts", "rows.jsonl", "packed.jsonl.zst", "rows.parquet"]
        .map(|corpus| build(&text_spec(corpus), folder.path()).unwrap());
    let expected = sources[0].sequences(Split::HeldOut, &stream, 0, 8);
    for source in &sources {
        assert_eq!(source.sequences(Split::HeldOut, &stream, 0, 8), expected);
        assert_eq!(
            text(source).tokenizer_json(),
            text(&sources[0]).tokenizer_json()
        );
        let (train, held_out) = (
            text(source).part(Split::Train),
            text(source).part(Split::HeldOut),
        );
        assert_eq!(train.documents + held_out.documents, 40);
        let bytes: usize = documents.iter().map(String::len).sum();
        assert_eq!(train.bytes + held_out.bytes, bytes as u64);
    }
    // Compressed or not, the lines are different bytes, so a different key; a copy is not.
    fs::copy(at("rows.jsonl"), at("copy.jsonl")).unwrap();
    let copy = build(&text_spec("copy.jsonl"), folder.path()).unwrap();
    assert_eq!(copy.key(), sources[1].key());
    assert_ne!(copy.key(), sources[0].key());
}

#[test]
fn tokens_decode_to_the_documents_and_come_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(12);
    fs::create_dir(folder.path().join("texts")).unwrap();
    write_texts(&folder.path().join("texts"), &documents);
    let spec = text_spec("texts");
    let fresh = build(&spec, folder.path()).unwrap();
    let files = || {
        fs::read_dir(folder.path().join(".cache"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let [cached] = &files()[..] else {
        panic!("one file in the cache: {:?}", files())
    };
    let written = fs::metadata(cached).unwrap().modified().unwrap();
    let again = build(&spec, folder.path()).unwrap();
    assert_eq!(fs::metadata(cached).unwrap().modified().unwrap(), written);
    assert_eq!(again.key(), fresh.key());
    let stream = Stream::new(3, "test", &[]);
    assert_eq!(
        again.sequences(Split::Train, &stream, 5, 4),
        fresh.sequences(Split::Train, &stream, 5, 4)
    );

    // A window is a piece of the documents with their ends marked.
    let end = again.decode(&[text(&again).end_of_text()])[0].clone();
    let joined: String = documents.iter().map(|d| format!("{d}{end}")).collect();
    let batch = again.sequences(Split::Train, &stream, 0, 50);
    let mut found = 0;
    for row in batch.iter() {
        let piece = again.decode(row).concat();
        // A window may begin or end within "é", and may cross the place of a held-out document.
        if !piece.contains('\u{fffd}') && !piece.contains(&end) {
            assert!(joined.contains(&piece), "{piece}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");

    // A damaged cache is made again.
    let whole = fs::read(cached).unwrap();
    fs::write(cached, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(build(&spec, folder.path()).unwrap().key(), fresh.key());
    assert_eq!(fs::read(cached).unwrap(), whole);
}

#[test]
fn a_loaded_tokenizer_gives_the_tokens_of_the_trained_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.jsonl"), lines(&documents(30))).unwrap();
    let trained = build(&text_spec("a.jsonl"), folder.path()).unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(path, text(&trained).tokenizer_json()).unwrap();
    let spec = TextSpec {
        tokenizer: Some("tokenizer.json".to_owned()),
        d_vocab: None,
        ..text_spec("a.jsonl")
    };
    let loaded = build(&spec, folder.path()).unwrap();
    assert_eq!(loaded.d_vocab(), 300);
    let stream = Stream::new(3, "test", &[]);
    assert_eq!(
        loaded.sequences(Split::Train, &stream, 0, 4),
        trained.sequences(Split::Train, &stream, 0, 4)
    );
    let sentence = "The café carries the lantern — 東京.";
    let tokens = loaded.encode(sentence).unwrap();
    assert!(tokens.len() < sentence.len());
    assert_eq!(
        loaded.encode(sentence).unwrap(),
        trained.encode(sentence).unwrap()
    );
}

#[test]
fn one_document_is_split_within() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), &documents(1));
    let source = build(&text_spec("0000.txt"), folder.path()).unwrap();
    let train = text(&source).part(Split::Train);
    let held_out = text(&source).part(Split::HeldOut);
    assert_eq!((train.documents, held_out.documents), (1, 0));
    let share = held_out.tokens as f64 / (train.tokens + held_out.tokens) as f64;
    assert!((share - 0.1).abs() < 0.001, "{share}");
}

#[test]
fn documents_keep_their_part_when_others_come() {
    let folder = tempfile::tempdir().unwrap();
    let all = documents(40);
    fs::write(folder.path().join("all.jsonl"), lines(&all)).unwrap();
    fs::write(folder.path().join("some.jsonl"), lines(&all[..30])).unwrap();
    let spec = |corpus| TextSpec {
        held_out: 0.4,
        ..text_spec(corpus)
    };
    let parts = ["all.jsonl", "some.jsonl"].map(|corpus| {
        let source = build(&spec(corpus), folder.path()).unwrap();
        text(&source).part(Split::HeldOut).documents
    });
    // 40 documents at .4: between 6 and 26 with a chance of all but 10⁻⁴.
    assert!((6..=26).contains(&parts[0]), "{parts:?}");
    assert!(
        parts[1] <= parts[0] && parts[0] - parts[1] <= 10,
        "{parts:?}"
    );
}
