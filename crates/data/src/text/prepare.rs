//! From documents to the token cache: splitting, training the tokenizer, tokenizing.

use ontogeny_store::Key;

use super::cache::{Header, Part, TokenFile};
use super::corpus::Corpus;
use super::token_cache::TokenCache;
use super::tokenizer::Tokenizer;
use crate::{DataError, TextSpec};

/// Splits, trains if there is no tokenizer yet, tokenizes, and writes the cache. With the tokens
/// comes a notice if they could not be written.
pub(super) fn tokenize(
    spec: &TextSpec,
    n_ctx: usize,
    corpora: &[Corpus],
    loaded: Option<Tokenizer>,
    key: Key,
    cache: &TokenCache,
) -> Result<(TokenFile, Option<String>, Tokenizer), DataError> {
    let mut documents = Vec::new();
    let mut notices = Vec::new();
    for corpus in corpora {
        let (texts, noticed) = corpus.documents()?;
        documents.push(texts);
        notices.extend(noticed);
    }
    let texts: Vec<[Vec<&str>; 2]> = documents
        .iter()
        .map(|documents| split(documents, spec.held_out))
        .collect();
    let tokenizer = match loaded {
        Some(tokenizer) => tokenizer,
        // Whatever the weights, so that mixtures of the same corpora have the same tokens.
        None => Tokenizer::train(spec, texts.iter().flat_map(|[train, _]| train).copied())?,
    };
    let mut corpora = Vec::new();
    let mut tokens = Vec::new();
    for parts in &texts {
        let (sizes, of_corpus) = encode(&tokenizer, parts, spec.held_out)?;
        corpora.push(sizes);
        tokens.push(of_corpus);
    }
    let total = |part: usize| {
        let add = |sum: Part, sizes: &[Part; 2]| sum.and(sizes[part]);
        corpora.iter().fold(Part::default(), add)
    };
    let header = Header {
        key,
        hash: String::new(),
        width: if tokenizer.d_vocab <= 1 << 16 { 2 } else { 4 },
        train: total(0),
        held_out: total(1),
        corpora: match &corpora[..] {
            [_] => Vec::new(),
            _ => corpora,
        },
        notices,
        tokenizer: tokenizer.json()?,
    };
    // Before anything is written: the same text with a smaller context may come later or never.
    long_enough(&header, spec, n_ctx)?;
    let in_order = [0, 1].into_iter().flat_map(|part| {
        let corpora = tokens.iter();
        corpora.flat_map(move |parts| parts[part].iter().copied())
    });
    let (file, notice) = cache.write(header, in_order)?;
    Ok((file, notice, tokenizer))
}

/// The documents of a corpus to train on, and those held out.
fn split(documents: &[String], share: f64) -> [Vec<&str>; 2] {
    let mut parts = [Vec::new(), Vec::new()];
    for (document, held_out) in documents.iter().zip(held_out(documents, share)) {
        parts[usize::from(held_out)].push(document.as_str());
    }
    parts
}

/// The tokens of a corpus's parts, with their sizes.
fn encode(
    tokenizer: &Tokenizer,
    texts: &[Vec<&str>; 2],
    share: f64,
) -> Result<([Part; 2], [Vec<u32>; 2]), DataError> {
    let mut tokens = [Vec::new(), Vec::new()];
    for (texts, tokens) in texts.iter().zip(&mut tokens) {
        tokenizer.encode_each(texts, |document| {
            tokens.extend_from_slice(document);
            tokens.push(tokenizer.end_of_text);
        })?;
    }
    let mut parts = [0, 1].map(|part| Part {
        documents: texts[part].len() as u64,
        bytes: texts[part].iter().map(|text| text.len() as u64).sum(),
        tokens: tokens[part].len() as u64,
    });
    if parts[0].documents + parts[1].documents == 1 {
        let [train, rest] = &mut parts;
        split_within(share, train, rest);
        tokens[1] = tokens[0].split_off(train.tokens as usize);
    }
    Ok((parts, tokens))
}

/// Refuses a context that no sequence of a part can fill.
pub(super) fn long_enough(header: &Header, spec: &TextSpec, n_ctx: usize) -> Result<(), DataError> {
    let needed = n_ctx as u64 + 1;
    for (parts, named) in header.corpora().iter().zip(spec.named()) {
        for (part, split) in parts.iter().zip(["training", "held-out"]) {
            if part.tokens < needed {
                return Err(DataError::TooShort {
                    corpus: match spec.corpora {
                        Some(_) => format!("the corpus {}", named.path),
                        None => "the corpus".to_owned(),
                    },
                    split,
                    available: part.tokens,
                    needed,
                });
            }
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
