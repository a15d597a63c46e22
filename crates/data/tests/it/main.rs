//! Sources as the other crates see them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; the lints know only functions marked as tests"
)]

mod corpora;
mod documents;
mod errors;
mod markov_chains;
mod mixtures;
mod properties;
mod regression;
mod sequences;
mod state_of_the_union;
mod tokens;

use std::path::Path;

use ontogeny_data::{DataError, Language, SourceSpec, Text, TextSpec};

/// About 24 000 bytes of invented text in `n` documents.
fn documents(n: usize) -> Vec<String> {
    let nouns = [
        "river", "Miller", "harvest", "lantern", "café", "winter", "letter",
    ];
    let verbs = ["follows", "remembers", "carries", "loses", "mends"];
    let sentence = |i: usize| {
        format!(
            "The {} {} the {}, and nobody {} it. ",
            nouns[i % 7],
            verbs[i * 3 % 5],
            nouns[(i * i + 2) % 7],
            verbs[(i / 7) % 5]
        )
    };
    let sentences = 480 / n;
    (0..n)
        .map(|d| {
            (0..sentences)
                .map(|s| sentence(d * sentences + s))
                .collect()
        })
        .collect()
}

/// Writes the documents as `0000.txt`, `0001.txt`, ….
fn write_texts(folder: &Path, documents: &[String]) {
    for (number, document) in documents.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}.txt")), document).unwrap();
    }
}

fn text_spec(corpus: &str) -> TextSpec {
    TextSpec {
        corpus: Some(corpus.to_owned()),
        d_vocab: Some(300),
        ..TextSpec::default()
    }
}

/// Builds a text source in a folder, with its cache beside it.
fn build(spec: &TextSpec, folder: &Path) -> Result<Language, DataError> {
    let spec = SourceSpec::Text(spec.clone());
    ontogeny_data::Source::build(&spec, 32, folder, &folder.join(".cache")).map(language)
}

/// The source of sequences that a source is.
fn language(source: ontogeny_data::Source) -> Language {
    source.into_language().unwrap()
}

fn text(source: &Language) -> &Text {
    match source {
        Language::Text(text) => text,
        Language::NgramInduction(_) | Language::MarkovChains(_) => panic!("not a text source"),
    }
}
