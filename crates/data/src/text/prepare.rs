//! From documents to the token cache: splitting, training the tokenizer, tokenizing.

use ontogeny_store::{Key, KeyBuilder};

use super::cache::{Header, Part, TokenFile};
use super::corpus::{Corpus, Documents};
use super::tally::Tally;
use super::token_cache::TokenCache;
use super::tokenizer::Tokenizer;
use crate::progress::{BuildPhase, BuildWatch, tell};
use crate::{DataError, Split, TextSpec};

/// The keys under which the tokens of a corpus may lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenKeys {
    /// If no document spells a control token.
    pub(super) plain: Key,
    /// If one does: it was taken for the token itself once, so that tokens of the plain key are
    /// others.
    pub(super) spelled: Key,
}

impl TokenKeys {
    pub(super) fn new(plain: Key) -> Self {
        let spelled = KeyBuilder::new("text/control tokens as text");
        Self {
            plain,
            spelled: spelled.key("content", &plain).finish(),
        }
    }

    /// Whether tokens of this key are made of the same.
    pub(super) fn include(&self, key: &Key) -> bool {
        [self.plain, self.spelled].contains(key)
    }

    /// Tokens that lie in the cache already, with their tokenizer if none was loaded. Those of the
    /// plain key count if no control token is in them but the ends of documents.
    pub(super) fn find(
        &self,
        cache: &TokenCache,
        loaded: Option<&Tokenizer>,
        spec: &TextSpec,
    ) -> Result<Option<(TokenFile, Option<Tokenizer>)>, DataError> {
        for key in [self.plain, self.spelled] {
            let Some(tokens) = cache.open(&key) else {
                continue;
            };
            let stored = match loaded {
                Some(_) => None,
                // The tokens are then made again, with it.
                None => match Tokenizer::of(&tokens, spec) {
                    Ok(stored) => Some(stored),
                    Err(_) => continue,
                },
            };
            let tokenizer = loaded.or(stored.as_ref());
            if key == self.spelled || tokenizer.is_some_and(|t| only_ends(&tokens, t)) {
                return Ok(Some((tokens, stored)));
            }
        }
        Ok(None)
    }
}

/// Whether control tokens of several characters are only where documents end.
fn only_ends(tokens: &TokenFile, tokenizer: &Tokenizer) -> bool {
    let mut control = vec![false; tokenizer.d_vocab];
    for token in tokenizer.never_in_text() {
        control[token as usize] = true;
    }
    let ends = match control.get(tokenizer.end_of_text as usize) {
        Some(true) => tokens.header.train.documents + tokens.header.held_out.documents,
        _ => 0,
    };
    let count = |corpus, split| {
        let tokens = tokens.all(corpus, split);
        let found = tokens.filter(|&t| control.get(t as usize) == Some(&true));
        found.count() as u64
    };
    let found: u64 = (0..tokens.n_corpora())
        .map(|corpus| count(corpus, Split::Train) + count(corpus, Split::HeldOut))
        .sum();
    found == ends
}

/// Splits, trains if there is no tokenizer yet, tokenizes, and writes the cache. With the tokens
/// comes a notice if they could not be written.
pub(super) fn tokenize(
    spec: &TextSpec,
    n_ctx: usize,
    corpora: &[Corpus],
    loaded: Option<Tokenizer>,
    keys: TokenKeys,
    cache: &TokenCache,
    watch: BuildWatch<'_>,
) -> Result<(TokenFile, Option<String>, Tokenizer), DataError> {
    tell(watch, BuildPhase::ReadCorpus, 0, 0)?;
    let mut documents = Vec::new();
    let mut notices = Vec::new();
    for corpus in corpora {
        let mut read = corpus.documents()?;
        notices.append(&mut read.notices);
        documents.push(read);
    }
    let texts: Vec<[Vec<(u64, &str)>; 2]> = documents
        .iter()
        .map(|documents| split(documents, spec.held_out))
        .collect();
    let tokenizer = match loaded {
        Some(tokenizer) => tokenizer,
        // Whatever the weights, so that mixtures of the same corpora have the same tokens.
        None => {
            let train = texts.iter().flat_map(|[train, _]| train);
            let train: Vec<&str> = train.map(|&(_, text)| text).collect();
            Tokenizer::train(spec, &train, watch)?
        }
    };
    let mut corpora = Vec::new();
    let mut tokens = Vec::new();
    let mut tally = Tally::default();
    let bytes = texts.iter().flatten().flatten();
    let bytes = bytes.map(|(_, text)| text.len() as u64).sum();
    let mut encoded = 0;
    let mut told = |more: u64| {
        encoded += more;
        tell(watch, BuildPhase::Tokenize, encoded, bytes)
    };
    for (number, (parts, named)) in (1..).zip(texts.iter().zip(spec.named())) {
        let mut encoded = encode(&tokenizer, parts, named.path, spec.held_out, &mut told)?;
        corpora.push(encoded.sizes);
        tokens.push(encoded.tokens);
        if texts.len() > 1 {
            encoded.tally.is_of_corpus(number);
        }
        tally.add(encoded.tally);
    }
    if let Some(refusal) = tally.refusal() {
        return Err(tokenizer.refused(refusal));
    }
    let key = match tally.spells_control(&tokenizer) {
        true => keys.spelled,
        false => keys.plain,
    };
    notices.extend(tally.notices(&tokenizer));
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
        seal: None,
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

/// The documents of a corpus to train on, and those held out, with their numbers in it.
fn split(documents: &Documents, share: f64) -> [Vec<(u64, &str)>; 2] {
    let mut parts = [Vec::new(), Vec::new()];
    let held_out = held_out(&documents.texts, share);
    let numbered = documents.numbers.iter().zip(&documents.texts);
    for ((number, document), held_out) in numbered.zip(held_out) {
        parts[usize::from(held_out)].push((*number, document.as_str()));
    }
    parts
}

/// A corpus as tokens, its training part first.
struct Encoded {
    sizes: [Part; 2],
    tokens: [Vec<u32>; 2],
    tally: Tally,
}

/// The tokens of the parts of the corpus at `path`, with their sizes and what was counted.
fn encode(
    tokenizer: &Tokenizer,
    texts: &[Vec<(u64, &str)>; 2],
    path: &str,
    share: f64,
    told: &mut impl FnMut(u64) -> Result<(), DataError>,
) -> Result<Encoded, DataError> {
    let mut tokens = [Vec::new(), Vec::new()];
    let mut tally = Tally::default();
    for (texts, tokens) in texts.iter().zip(&mut tokens) {
        let counted = tokenizer.encode_each(texts, path, &mut *told, |document| {
            tokens.extend_from_slice(document);
            tokens.push(tokenizer.end_of_text);
        })?;
        tally.add(counted);
    }
    let mut parts = [0, 1].map(|part| Part {
        documents: texts[part].len() as u64,
        bytes: texts[part].iter().map(|(_, text)| text.len() as u64).sum(),
        tokens: tokens[part].len() as u64,
    });
    if parts[0].documents + parts[1].documents == 1 {
        let [train, rest] = &mut parts;
        split_within(share, train, rest);
        tokens[1] = tokens[0].split_off(train.tokens as usize);
    }
    Ok(Encoded {
        sizes: parts,
        tokens,
        tally,
    })
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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    /// Tokens in which the end stands within a document come from a time when a document could
    /// spell it: they are not used, and stay where they are.
    #[test]
    fn tokens_with_ends_within_documents_are_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let text = "a few words, and a few words more. ".repeat(40);
        for name in ["a.txt", "b.txt", "c.txt"] {
            std::fs::create_dir_all(at("texts")).unwrap();
            std::fs::write(at("texts").join(name), format!("{name}: {text}")).unwrap();
        }
        let spec = TextSpec {
            corpus: Some("texts".to_owned()),
            d_vocab: Some(270),
            ..TextSpec::default()
        };
        let build = || {
            let watch = |_| ControlFlow::Continue(());
            crate::Text::build(
                &spec,
                8,
                folder.path(),
                &TokenCache::new(at("cache")),
                &watch,
            )
            .unwrap()
        };
        let first = build();
        let path = crate::text::cache::path(&at("cache"), &first.tokens.header.key);
        let header = first.tokens.header.clone();
        let mut tokens: Vec<u32> = [Split::Train, Split::HeldOut]
            .into_iter()
            .flat_map(|split| first.tokens.all(0, split).collect::<Vec<_>>())
            .collect();
        tokens[3] = first.end_of_text();
        drop(first);
        TokenFile::write(&path, header, tokens.into_iter()).unwrap();
        let old = std::fs::read(&path).unwrap();
        let again = build();
        assert_eq!(again.tokens.header.key, build().tokens.header.key);
        let ends = again.tokens.all(0, Split::Train);
        let ends = ends.filter(|&t| t == again.end_of_text()).count() as u64;
        assert_eq!(ends, again.tokens.header.train.documents);
        // No document spells it, so that the key is the same and the file is replaced.
        assert_ne!(std::fs::read(&path).unwrap(), old);
    }
}
