//! From documents to the token cache: splitting, training the tokenizer, tokenizing.

use std::path::Path;

use ontogeny_store::Key;

use super::cache::{Header, Part, TokenFile};
use super::corpus::Corpus;
use super::tokenizer::Tokenizer;
use crate::{DataError, TextSpec};

/// Splits, trains if there is no tokenizer yet, tokenizes, and writes the cache.
pub(super) fn tokenize(
    spec: &TextSpec,
    n_ctx: usize,
    corpus: &Corpus,
    loaded: Option<Tokenizer>,
    key: Key,
    path: &Path,
) -> Result<(TokenFile, Tokenizer), DataError> {
    let documents = corpus.documents()?;
    let held_out = held_out(&documents, spec.held_out);
    let part = |of: bool| {
        let documents = documents.iter().zip(&held_out);
        documents
            .filter(move |&(_, &held_out)| held_out == of)
            .map(|(document, _)| document.as_str())
    };
    let tokenizer = match loaded {
        Some(tokenizer) => tokenizer,
        None => Tokenizer::train(spec, part(false))?,
    };
    let mut tokens = Vec::new();
    let mut parts = [false, true].map(|of| Part {
        documents: part(of).count() as u64,
        bytes: part(of).map(|document| document.len() as u64).sum(),
        tokens: 0,
    });
    for (of, sizes) in [false, true].into_iter().zip(&mut parts) {
        let start = tokens.len();
        tokenizer.encode_each(&part(of).collect::<Vec<_>>(), |document| {
            tokens.extend_from_slice(document);
            tokens.push(tokenizer.end_of_text);
        })?;
        sizes.tokens = (tokens.len() - start) as u64;
    }
    let [mut train, mut rest] = parts;
    if documents.len() == 1 {
        split_within(spec.held_out, &mut train, &mut rest);
    }
    let header = Header {
        key,
        hash: String::new(),
        width: if tokenizer.d_vocab <= 1 << 16 { 2 } else { 4 },
        train,
        held_out: rest,
        tokenizer: tokenizer.json()?,
    };
    // Before anything is written: the same text with a smaller context may come later or never.
    long_enough(&header, n_ctx)?;
    TokenFile::write(path, header, tokens.into_iter())?;
    match TokenFile::open(path, &key)? {
        Some(file) => Ok((file, tokenizer)),
        None => Err(DataError::io("read back", path)(std::io::Error::other(
            "the file is not what was written: is the disk damaged or full?",
        ))),
    }
}

/// Refuses a context that no sequence of a part can fill.
pub(super) fn long_enough(header: &Header, n_ctx: usize) -> Result<(), DataError> {
    let needed = n_ctx as u64 + 1;
    for (part, split) in [(header.train, "training"), (header.held_out, "held-out")] {
        if part.tokens < needed {
            return Err(DataError::TooShort {
                split,
                available: part.tokens,
                needed,
            });
        }
    }
    Ok(())
}

/// Which documents are held out: those whose content's hash falls below the share, so that a
/// document's part does not depend on the others, and equal documents are in one part.
///
/// If that leaves a part empty, the document of smallest hash is held out, or that of the largest
/// trained on.
fn held_out(documents: &[String], share: f64) -> Vec<bool> {
    let hashes: Vec<f64> = documents
        .iter()
        .map(|document| {
            let hash = blake3::hash(document.as_bytes());
            let (first, _) = hash.as_bytes().split_at(8);
            first
                .iter()
                .fold(0.0, |sum, &byte| (sum * 256.0) + f64::from(byte))
                / 2f64.powi(64)
        })
        .collect();
    let mut held_out: Vec<bool> = hashes.iter().map(|&hash| hash < share).collect();
    if documents.len() < 2 {
        return vec![false; documents.len()];
    }
    let at = |best: Option<usize>| best.unwrap_or(0);
    let by_hash = |x: &usize, y: &usize| hashes[*x].total_cmp(&hashes[*y]);
    if !held_out.contains(&true) {
        held_out[at((0..hashes.len()).min_by(by_hash))] = true;
    } else if !held_out.contains(&false) {
        held_out[at((0..hashes.len()).max_by(by_hash))] = false;
    }
    held_out
}

/// A corpus of one document cannot be split by document: its last tokens are held out.
fn split_within(share: f64, train: &mut Part, rest: &mut Part) {
    let tokens = train.tokens;
    rest.tokens = (tokens as f64 * share).round() as u64;
    train.tokens = tokens - rest.tokens;
    rest.bytes = (train.bytes as f64 * share).round() as u64;
    train.bytes -= rest.bytes;
}
