//! Several corpora in one source.

use std::fs;
use std::path::Path;

use ontogeny_data::{CorpusSpec, Language, Oracle, Split, TextSpec};
use ontogeny_store::Stream;

use crate::{build, documents, text, text_spec, write_texts};

fn mixture(corpora: &[(&str, f64)]) -> TextSpec {
    let corpora = corpora.iter().map(|&(path, weight)| CorpusSpec {
        path: path.to_owned(),
        weight,
    });
    TextSpec {
        corpus: None,
        corpora: Some(corpora.collect()),
        ..text_spec("")
    }
}

/// Two corpora of different sizes without a letter in common.
fn write_corpora(folder: &Path) {
    let low = documents(24);
    let high: Vec<String> = documents(12).iter().map(|d| d.to_uppercase()).collect();
    for (name, documents) in [("low", &low[..]), ("high", &high[..4])] {
        fs::create_dir(folder.join(name)).unwrap();
        write_texts(&folder.join(name), documents);
    }
}

/// Whether a window is from the corpus of capitals; it must be from one of the two.
fn is_high(source: &Language, window: &[u32]) -> bool {
    let end = source.decode(&[text(source).end_of_text()])[0].clone();
    let piece = source.decode(window).concat().replace(&end, "");
    let [lower, upper] = [char::is_lowercase, char::is_uppercase]
        .map(|of: fn(char) -> bool| piece.chars().filter(|&c| of(c)).count());
    // In the corpus that is not of capitals they begin sentences and a name.
    assert!(upper < lower / 4 || lower == 0, "{piece}");
    lower == 0
}

#[test]
fn sequences_come_from_each_corpus_by_weight() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    let source = build(&mixture(&[("low", 1.0), ("high", 3.0)]), folder.path()).unwrap();
    let n = 2000;
    for split in [Split::Train, Split::HeldOut] {
        let batch = source.sequences(split, &Stream::new(1, "test", &[]), 0, n);
        let high = batch.iter().filter(|row| is_high(&source, row)).count();
        // Five standard deviations of a share of ¾ in 2000.
        assert!((high as f64 / n as f64 - 0.75).abs() < 0.049, "{high}");
    }
    let corpora = text(&source).corpora();
    let shown: Vec<_> = corpora.iter().map(|c| (&*c.path, c.share)).collect();
    assert_eq!(shown, [("low", 0.25), ("high", 0.75)]);
    assert!(corpora[0].train.bytes > 2 * corpora[1].train.bytes);
    let tokens = corpora.iter().fold([0, 0], |[train, held_out], corpus| {
        [
            train + corpus.train.tokens,
            held_out + corpus.held_out.tokens,
        ]
    });
    let parts = [Split::Train, Split::HeldOut].map(|split| text(&source).part(split).tokens);
    assert_eq!(tokens, parts);
    assert_eq!(
        corpora
            .iter()
            .map(|c| c.train.documents + c.held_out.documents)
            .collect::<Vec<_>>(),
        [24, 4]
    );
}

#[test]
fn the_oracles_are_those_of_the_mixture() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    let source = build(&mixture(&[("low", 1.0), ("high", 3.0)]), folder.path()).unwrap();
    let frequencies = source.token_frequencies();
    assert!((frequencies.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let (n, len) = (4000, 33);
    let batch = source.sequences(Split::Train, &Stream::new(2, "test", &[]), 0, n);
    let d = source.d_vocab();
    let (mut means, mut squares) = (vec![0.0; d], vec![0.0; d]);
    for row in batch.iter() {
        let mut share = vec![0.0; d];
        for &token in row {
            share[token as usize] += 1.0 / len as f64;
        }
        for (token, share) in share.into_iter().enumerate() {
            means[token] += share / n as f64;
            squares[token] += share * share / n as f64;
        }
    }
    let unigram = source.predict(Oracle::Unigram, batch.row(0));
    for token in 0..d {
        let variance = squares[token] - means[token] * means[token];
        let error = (variance / n as f64).sqrt();
        // Five standard errors, and the ends of documents, whose windows are fewer: one part in a
        // corpus of 600 tokens may lack a twentieth.
        let tolerance = 5.0 * error + 0.05 * frequencies[token] + 1e-4;
        assert!(
            (means[token] - frequencies[token]).abs() < tolerance,
            "{token}: {} {} ± {tolerance}",
            means[token],
            frequencies[token]
        );
        // The unigram oracle is that, smoothed by one occurrence of each kind.
        let p = f64::from(unigram[token].exp());
        assert!((p - frequencies[token]).abs() < 0.02, "{token}: {p}");
    }
    // Of a mixture that has more of one corpus, that corpus's tokens are likelier.
    let other = build(&mixture(&[("low", 9.0), ("high", 1.0)]), folder.path()).unwrap();
    let share_high = |source: &Language| -> f64 {
        let frequencies = source.token_frequencies();
        let tokens = (0..d as u32).map(|t| source.decode(&[t]).concat());
        let capitals = tokens.map(|t| t.chars().filter(|c| c.is_uppercase()).count() > 1);
        let both = capitals.zip(frequencies);
        both.filter(|(capital, _)| *capital).map(|(_, f)| f).sum()
    };
    assert!(share_high(&source) > 3.0 * share_high(&other));
}

#[test]
fn a_list_of_one_is_that_corpus() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    let alone = build(&text_spec("low"), folder.path()).unwrap();
    let listed = build(&mixture(&[("low", 7.0)]), folder.path()).unwrap();
    let stream = Stream::new(1, "test", &[]);
    for split in [Split::Train, Split::HeldOut] {
        assert_eq!(
            alone.sequences(split, &stream, 0, 20),
            listed.sequences(split, &stream, 0, 20)
        );
    }
    assert_eq!(alone.key(), listed.key());
    let row = alone.sequences(Split::HeldOut, &stream, 0, 1);
    assert_eq!(
        alone.predict(Oracle::BagOfContext, row.row(0)),
        listed.predict(Oracle::BagOfContext, row.row(0))
    );
}

#[test]
fn weights_change_the_key_and_not_the_tokens() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    let sources = [(1.0, 1.0), (2.0, 2.0), (1.0, 3.0)].map(|(low, high)| {
        build(&mixture(&[("low", low), ("high", high)]), folder.path()).unwrap()
    });
    assert_eq!(sources[0].key(), sources[1].key());
    assert_ne!(sources[0].key(), sources[2].key());
    assert_eq!(
        fs::read_dir(folder.path().join(".cache")).unwrap().count(),
        1
    );
}

#[test]
fn a_corpus_of_one_document_gives_its_end_to_the_held_out_part() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    let one = documents(1)[0].to_uppercase();
    fs::write(folder.path().join("one.txt"), one).unwrap();
    let source = build(&mixture(&[("one.txt", 1.0), ("low", 1.0)]), folder.path()).unwrap();
    let corpora = text(&source).corpora();
    let (train, held_out) = (corpora[0].train, corpora[0].held_out);
    let share = held_out.tokens as f64 / (train.tokens + held_out.tokens) as f64;
    assert!((share - 0.1).abs() < 0.001, "{share}");
    // What lies behind it in the file is another corpus's, and no window crosses over.
    for split in [Split::Train, Split::HeldOut] {
        let batch = source.sequences(split, &Stream::new(1, "test", &[]), 0, 200);
        let high = batch.iter().filter(|row| is_high(&source, row)).count();
        assert!((50..150).contains(&high), "{high}");
    }
}

#[test]
fn a_finite_training_set_of_windows() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    let stream = Stream::new(1, "test", &[]);
    let kinds = |spec: TextSpec, size| {
        let spec = TextSpec {
            training_set: Some(size),
            ..spec
        };
        let source = build(&spec, folder.path()).unwrap();
        let batch = source.sequences(Split::Train, &stream, 0, 400);
        batch
            .iter()
            .map(<[u32]>::to_vec)
            .collect::<std::collections::BTreeSet<_>>()
    };
    for spec in [text_spec("low"), mixture(&[("low", 1.0), ("high", 1.0)])] {
        let (few, more) = (kinds(spec.clone(), 6), kinds(spec.clone(), 20));
        assert_eq!((few.len(), more.len()), (6, 20));
        assert!(few.is_subset(&more));
        // The invented text repeats itself, so that windows at different places may be equal.
        assert!(kinds(spec, 1_000_000).len() > 100);
    }
}

#[test]
fn what_is_wrong_with_one_of_them_is_said_of_that_one() {
    let folder = tempfile::tempdir().unwrap();
    write_corpora(folder.path());
    fs::write(folder.path().join("short.txt"), "Too short.").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (corpora, key, part) in [
        (["low", "gone"], "corpora[1].path", "does not exist"),
        (["empty", "low"], "corpora[0].path", "holds no files"),
        (["low", "./low"], "corpora[1].path", "`corpora[0]` already"),
        (["low", "short.txt"], "n_ctx", "of the corpus short.txt has"),
    ] {
        let spec = mixture(&corpora.map(|path| (path, 1.0)));
        let error = build(&spec, folder.path()).expect_err("refused");
        assert_eq!(error.key(), Some(key), "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(!folder.path().join(".cache").exists(), "{error}");
    }
}
