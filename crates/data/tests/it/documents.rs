//! What of a file is a document, whatever the file is, and what a person is told of the rest.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use ontogeny_data::{
    DataError, KeptSources, Language, Source, SourceSpec, Split, TextSpec, TokenCache,
};
use ontogeny_store::Stream;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::corpora::lines;
use crate::{build, text, text_spec, write_texts};

/// Documents of which no two are alike.
fn letters(n: usize) -> Vec<String> {
    let texts = crate::documents(n).into_iter().enumerate();
    texts
        .map(|(i, text)| format!("Letter {i}. {text}"))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A few batches of both parts: equal for equal tokens.
fn drawn(source: &Language) -> [Vec<u32>; 2] {
    let stream = Stream::new(1, "test", &[]);
    [Split::Train, Split::HeldOut].map(|split| source.sequences(split, &stream, 0, 16).tokens)
}

fn counted(source: &Language) -> u64 {
    [Split::Train, Split::HeldOut]
        .map(|split| text(source).part(split).documents)
        .iter()
        .sum()
}

/// Texts in an encoding and no dictionary.
fn encoded(properties: WriterPropertiesBuilder, encoding: Encoding) -> WriterPropertiesBuilder {
    properties
        .set_dictionary_enabled(false)
        .set_encoding(encoding)
}

/// A file with the column `text`; `None` is a row without a value.
fn parquet(path: &Path, rows: &[Option<&str>], properties: WriterProperties) {
    let schema = parse_message_type("message rows { optional binary text (UTF8); }").unwrap();
    let file = File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    // Two groups of rows, so that the second is read too.
    for rows in rows.chunks(rows.len().div_ceil(2)) {
        let mut group = writer.next_row_group().unwrap();
        let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.is_some())).collect();
        let values: Vec<ByteArray> = rows.iter().flatten().map(|&row| row.into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, Some(&levels), None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Keys of before are kept: the tokens of corpora that nothing changed for are found again.
#[test]
fn the_keys_of_plain_corpora_stay() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        ("river", "follows", "miller", "mends"),
        ("harvest", "loses", "lantern", "carries"),
        ("winter", "mends", "letter", "follows"),
        ("miller", "carries", "river", "loses"),
    ];
    fs::create_dir(folder.path().join("golden")).unwrap();
    let mut rows = String::new();
    for (i, (a, v, b, w)) in words.into_iter().enumerate() {
        let document = format!("The {a} {v} the {b}, and nobody {w} it. ").repeat(6);
        rows += &format!("{{\"id\": {i}, \"text\": \"{document}\"}}\n");
        fs::write(folder.path().join(format!("golden/{i}.txt")), document).unwrap();
    }
    fs::write(folder.path().join("golden.jsonl"), rows).unwrap();
    for corpus in ["golden.jsonl", "golden"] {
        let spec = TextSpec {
            d_vocab: Some(270),
            ..text_spec(corpus)
        };
        let source = build(&spec, folder.path()).unwrap();
        assert!(source.notices().is_empty(), "{:?}", source.notices());
    }
    let mut names: Vec<_> = fs::read_dir(folder.path().join(".cache"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    // As version 0.1.0 calls them.
    assert_eq!(
        names,
        ["text-2e574b7580fd.tokens", "text-a95ad188a2da.tokens"]
    );
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let documents = letters(12);
    let plain = lines(&documents);
    let marked = [b"\xef\xbb\xbf", &plain[..]].concat();
    fs::write(at("plain.jsonl"), &plain).unwrap();
    fs::write(at("marked.jsonl"), &marked).unwrap();
    fs::write(
        at("marked.jsonl.zst"),
        zstd::encode_all(&marked[..], 1).unwrap(),
    )
    .unwrap();
    fs::write(at("marked.jsonl.gz"), gzip(&marked)).unwrap();
    for folder in ["plain", "marked"] {
        fs::create_dir(at(folder)).unwrap();
    }
    write_texts(&at("plain"), &documents);
    let with_marks: Vec<String> = documents.iter().map(|d| format!("\u{feff}{d}")).collect();
    write_texts(&at("marked"), &with_marks);
    let source = |corpus: &str| build(&text_spec(corpus), folder.path()).unwrap();
    let expected = source("plain.jsonl");
    for corpus in [
        "marked.jsonl",
        "marked.jsonl.zst",
        "marked.jsonl.gz",
        "plain",
        "marked",
    ] {
        let source = source(corpus);
        assert_eq!(drawn(&source), drawn(&expected), "{corpus}");
        assert!(source.notices().is_empty(), "{:?}", source.notices());
        let json = text(&source).tokenizer_json();
        assert!(
            !json.contains('\u{feff}') && !json.contains("ï»¿"),
            "{corpus}"
        );
    }
    assert_ne!(source("marked").key(), source("plain").key());
    // A second one is a character, and told.
    fs::write(at("twice.txt"), format!("\u{feff}\u{feff}{}", documents[0])).unwrap();
    let notices = source("twice.txt").notices().to_vec();
    assert!(
        notices[0].contains("1 document holds a byte order mark"),
        "{notices:?}"
    );
}

#[test]
fn every_packing_gives_the_same_documents() {
    let folder = tempfile::tempdir().unwrap();
    let documents = letters(12);
    let rows = lines(&documents);
    let (first, second) = rows.split_at(rows.len() / 3);
    let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let expected = {
        fs::write(folder.path().join("a.jsonl"), &rows).unwrap();
        build(&text_spec("a.jsonl"), folder.path()).unwrap()
    };
    for (name, bytes) in [
        ("b.ndjson", rows.clone()),
        ("c.jsonl.gz", gzip(&rows)),
        ("d.jsonl.gz", [gzip(first), gzip(second)].concat()),
        ("e.jsonl.zst", [zst(first), zst(second)].concat()),
        // What is inside counts, not what the name says.
        ("f.jsonl", gzip(&rows)),
        ("g.jsonl.gz", zst(&rows)),
        ("h.JSONL.ZST", zst(&rows)),
    ] {
        // In a folder of its own: the same bytes are in the cache otherwise, and not read.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let source = build(&text_spec(name), folder.path()).unwrap();
        assert_eq!(drawn(&source), drawn(&expected), "{name}");
    }
    fs::create_dir(folder.path().join("texts")).unwrap();
    for (i, document) in documents.iter().enumerate() {
        let bytes = match i % 2 {
            0 => zst(document.as_bytes()),
            _ => gzip(document.as_bytes()),
        };
        let ending = ["zst", "gz"][i % 2];
        fs::write(
            folder.path().join(format!("texts/{i:02}.txt.{ending}")),
            bytes,
        )
        .unwrap();
    }
    let source = build(&text_spec("texts"), folder.path()).unwrap();
    assert_eq!(drawn(&source), drawn(&expected));
}

#[test]
fn what_is_null_or_blank_is_left_out_alike_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let documents = letters(12);
    let mut rows: Vec<Option<&str>> = documents.iter().map(|d| Some(&**d)).collect();
    for (place, row) in [
        (0, None),
        (3, Some("")),
        (5, None),
        (7, Some(" \n\u{3000}")),
    ] {
        rows.insert(place, row);
    }
    let as_lines: Vec<String> = rows
        .iter()
        .map(|row| serde_json::json!({ "text": row }).to_string())
        .collect();
    fs::write(at("a.jsonl"), as_lines.join("\n")).unwrap();
    let properties = WriterProperties::builder().build();
    parquet(&at("a.parquet"), &rows, properties);
    fs::create_dir(at("texts")).unwrap();
    let texts: Vec<String> = rows.iter().flatten().map(|&row| row.to_owned()).collect();
    write_texts(&at("texts"), &texts);
    for (corpus, told) in [
        (
            "a.jsonl",
            "4 of 16 documents left out: .jsonl lines: 2 whose `text` is null, 2 without a \
             visible character",
        ),
        (
            "a.parquet",
            "4 of 16 documents left out: .parquet rows: 2 whose `text` is null, 2 without a \
             visible character",
        ),
        (
            "texts",
            "2 of 14 documents left out: .txt files: 2 without a visible character",
        ),
    ] {
        let source = build(&text_spec(corpus), folder.path()).unwrap();
        assert_eq!(source.notices(), [format!("`corpus`: {told}")]);
        assert_eq!(counted(&source), 12, "{corpus}");
        // The same from the cache.
        let again = build(&text_spec(corpus), folder.path()).unwrap();
        assert_eq!(again.notices(), source.notices());
    }
}

#[test]
fn what_is_there_twice_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("texts/more")).unwrap();
    write_texts(&at("texts"), &letters(12));
    fs::copy(at("texts/0003.txt"), at("texts/more/copy.txt")).unwrap();
    fs::write(at("texts/.0001.txt"), "hidden").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", at("texts/more/up")).unwrap();
    let source = build(&text_spec("texts"), folder.path()).unwrap();
    let notices = source.notices().join("\n");
    for part in [
        "`corpus`: 1 of 13 files have the bytes of an earlier one",
        "copy.txt those of",
        "`corpus`: hidden files passed over: 1",
        "`corpus`: 1 document is the copy of an earlier one",
        #[cfg(unix)]
        "`corpus`: 1 link leads to what is there already",
    ] {
        assert!(notices.contains(part), "{part:?} is not in: {notices}");
    }
    assert_eq!(counted(&source), 13);
    let twice = "{\"text\": \"no\", \"text\": \"a b c d e f g h i j k l m n o\"}\n\n";
    fs::write(
        at("a.jsonl"),
        [twice.as_bytes(), &lines(&letters(12))].concat(),
    )
    .unwrap();
    let source = build(&text_spec("a.jsonl"), folder.path()).unwrap();
    assert_eq!(
        source.notices(),
        [
            "`corpus`: 1 line is blank",
            "`corpus`: 1 line holds its member more than once; the last counts",
        ]
    );
}

#[test]
fn every_codec_of_parquet_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let documents = letters(12);
    let rows: Vec<Option<&str>> = documents.iter().map(|d| Some(&**d)).collect();
    let mut expected = None;
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for encoding in [
                None,
                Some(Encoding::PLAIN),
                Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
                Some(Encoding::DELTA_BYTE_ARRAY),
            ] {
                let properties = WriterProperties::builder()
                    .set_compression(codec)
                    .set_writer_version(version);
                let properties = match encoding {
                    None => properties,
                    Some(encoding) => encoded(properties, encoding),
                };
                parquet(&folder.path().join("a.parquet"), &rows, properties.build());
                let source = build(&text_spec("a.parquet"), folder.path()).unwrap();
                let what = format!("{codec:?}, {version:?}, {encoding:?}");
                assert_eq!(counted(&source), 12, "{what}");
                let expected = expected.get_or_insert_with(|| drawn(&source));
                assert_eq!(drawn(&source), *expected, "{what}");
            }
        }
    }
}

#[test]
fn damaged_parquet_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let refused = || {
        let error = build(&text_spec("a.parquet"), folder.path()).expect_err("refused");
        assert_eq!(error.file(), Some(&*path));
        error.to_string()
    };
    // Written with checksums, and a byte changed since.
    fs::write(&path, include_bytes!("../data/checksum_flipped.parquet")).unwrap();
    let message = refused();
    assert!(
        message.contains("row group 0 (from 0), column `text`") && message.contains("CRC"),
        "{message}"
    );
    let documents = letters(12);
    let rows: Vec<Option<&str>> = documents.iter().map(|d| Some(&**d)).collect();
    let codec = Compression::ZSTD(ZstdLevel::default());
    let packed = WriterProperties::builder().set_compression(codec).build();
    parquet(&path, &rows, packed);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    let frame = whole
        .windows(4)
        .position(|bytes| bytes == b"\x28\xb5\x2f\xfd")
        .unwrap();
    flipped[frame] ^= 1;
    fs::write(&path, flipped).unwrap();
    let message = refused();
    assert!(
        message.contains("row group 0 (from 0), column `text`"),
        "{message}"
    );
    fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let message = refused();
    assert!(message.contains("not readable as Parquet"), "{message}");
    // Blocks of 128 lengths in four parts, of six texts; and then of 127.
    let properties = encoded(WriterProperties::builder(), Encoding::DELTA_BYTE_ARRAY);
    parquet(&path, &rows, properties.build());
    let mut changed = fs::read(&path).unwrap();
    let counts = changed
        .windows(4)
        .position(|bytes| bytes == b"\x80\x01\x04\x06");
    changed[counts.unwrap() + 3] = 127;
    fs::write(&path, changed).unwrap();
    let message = refused();
    let told = "row group 0 (from 0), column `text`: a page of `text` says that it holds 127 \
                values, and its header says 6: the file is damaged";
    assert!(message.contains(told), "{message}");
}

#[test]
fn columns_that_hold_no_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let refused = |schema: &str, field: &str| {
        let schema = parse_message_type(schema).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let file = File::create(&path).unwrap();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), properties).unwrap();
        writer.close().unwrap();
        let spec = TextSpec {
            field: field.to_owned(),
            ..text_spec("a.parquet")
        };
        build(&spec, folder.path())
            .expect_err("refused")
            .to_string()
    };
    for (schema, field, part) in [
        (
            "message m { optional int64 text; }",
            "text",
            "values of the type INT64",
        ),
        (
            "message m { optional group text { optional binary en (UTF8); } }",
            "text",
            "structures (there are: `en`): nested fields",
        ),
        (
            "message m { optional group text { optional binary en (UTF8); } }",
            "text.en",
            "need flattening",
        ),
        (
            "message m { optional group text (LIST) { repeated group list { optional binary \
             element (UTF8); } } }",
            "text",
            "holds no texts but lists",
        ),
        (
            "message m { repeated binary text (UTF8); }",
            "text",
            "holds no texts but lists",
        ),
    ] {
        let message = refused(schema, field);
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn tokens_that_were_kept_stand_for_corpora_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.jsonl"), lines(&letters(12))).unwrap();
    let spec = SourceSpec::Text(text_spec("a.jsonl"));
    let build =
        |spec: &SourceSpec, cache: &TokenCache| Source::build(spec, 32, folder.path(), cache);
    let before = build(&spec, &TokenCache::new(at("shared"))).unwrap();
    KeptSources::keep(&at("run"), [(&spec, &before)]).unwrap();
    let kept = KeptSources::read(&at("run"));
    assert_eq!(kept.as_ref().unwrap().differs(&spec, &before), Some(false));
    let cache = TokenCache::new(at("run")).with_kept(kept.clone());

    fs::write(at("a.jsonl"), lines(&letters(20))).unwrap();
    let changed = build(&spec, &TokenCache::new(at("shared"))).unwrap();
    assert_eq!(kept.as_ref().unwrap().differs(&spec, &changed), Some(true));
    let told = |part: &str| {
        let source = build(&spec, &cache).unwrap();
        assert_eq!(source.key(), before.key());
        assert_eq!(
            drawn(source.language().unwrap()),
            drawn(before.language().unwrap())
        );
        let notices = source.notices();
        assert!(notices[0].contains(part), "{notices:?}");
    };
    told("a.jsonl has changed since the run was made; the tokens that are kept");
    fs::remove_file(at("a.jsonl")).unwrap();
    told("a.jsonl, which does not exist; the tokens that are kept");

    // A set of windows changes no token; another size of the vocabulary does.
    let of = |set, d_vocab| {
        SourceSpec::Text(TextSpec {
            training_set: set,
            d_vocab,
            ..text_spec("a.jsonl")
        })
    };
    assert!(build(&of(Some(7), Some(300)), &cache).is_ok());
    let error = build(&of(None, Some(290)), &cache).expect_err("other tokens");
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
    // Without the tokens the list is of no use.
    fs::remove_dir_all(at("shared")).unwrap();
    for entry in fs::read_dir(at("run")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "tokens") {
            // The old file is still mapped.
            fs::remove_file(&path).unwrap();
            fs::write(&path, b"damaged").unwrap();
        }
    }
    let error = build(&spec, &cache).expect_err("nothing is left");
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
}

#[test]
fn tokens_that_cannot_be_written_are_kept_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.jsonl"), lines(&letters(12))).unwrap();
    fs::write(at("file"), "in the way").unwrap();
    let spec = SourceSpec::Text(text_spec("a.jsonl"));
    let build = |cache: &TokenCache| Source::build(&spec, 32, folder.path(), cache).unwrap();
    let written = build(&TokenCache::new(at("cache")));
    let unwritten = build(&TokenCache::new(at("file/cache")));
    assert_eq!(
        drawn(unwritten.language().unwrap()),
        drawn(written.language().unwrap())
    );
    let notices = unwritten.notices();
    assert!(notices[0].contains("kept in memory alone"), "{notices:?}");
    // A folder that is only read is as good, where it has them.
    let found = build(&TokenCache::new(at("file/cache")).also(at("cache")));
    assert!(found.notices().is_empty());
    // Kept from memory, they are a file.
    KeptSources::keep(&at("run"), [(&spec, &unwritten)]).unwrap();
    let kept = build(&TokenCache::new(at("run")));
    assert_eq!(
        drawn(kept.language().unwrap()),
        drawn(written.language().unwrap())
    );
    assert!(kept.notices().is_empty());
}
