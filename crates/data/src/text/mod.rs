//! The source of real text: corpus, tokenizer, cache and counted oracles.

mod bpe;
mod cache;
mod corpus;
mod corpus_file;
mod counts;
mod decompress;
mod encode;
mod encoding;
mod files;
mod json_fault;
mod kind;
mod left_out;
mod lines;
mod oracles;
mod prepare;
mod spec;
mod table;
mod tally;
mod token_cache;
mod tokenizer;
mod tokenizer_file;
mod words;

use std::path::Path;
use std::sync::OnceLock;

use ontogeny_store::{Key, KeyBuilder, Stream};
use rand::Rng;

use crate::describe::CorpusDescription;
use crate::draw::{below, weighted};
use crate::language::LEAST_LOG_PROB;
use crate::progress::BuildWatch;
use crate::training_set::TrainingSet;
use crate::{DataError, Oracle, Split};
use cache::TokenFile;
use corpus::Corpus;
use counts::Sample;
use oracles::Oracles;
use prepare::{TokenKeys, long_enough, tokenize};
use tokenizer::Tokenizer;

pub use cache::Part;
pub use encode::EncodedText;
pub(crate) use kind::KNOWN;
pub use oracles::BagFit;
pub use spec::{CorpusSpec, TextSpec};
pub use token_cache::{KeptSources, TokenCache};

/// Most tokens that a vocabulary may have: three fit into 64 bits.
pub(crate) const MAX_D_VOCAB: usize = 1 << 21;

/// Part of all keys: to be raised when tokens, sequences or predictions change.
const METHOD: &str = "text/1";

/// Text from files. See [`TextSpec`].
///
/// The documents of each part of a corpus form one stream of tokens, each document followed by the
/// token that ends a text; a sequence is a window of it that begins anywhere. Of several corpora
/// one is chosen for each sequence.
#[derive(Debug)]
pub struct Text {
    tokens: TokenFile,
    /// What is to be told a person, of the tokens and of how they were found.
    notices: Vec<String>,
    /// Names what the tokens were made from, and how.
    content: Key,
    /// For each corpus, its name and its share of the sequences.
    corpora: Vec<(String, f64)>,
    tokenizer: Tokenizer,
    training_set: Option<TrainingSet>,
    n_ctx: usize,
    key: Key,
    /// Made when an oracle is first asked for: training needs none.
    oracles: OnceLock<Box<Oracles>>,
}

impl Text {
    /// The oracles of this source.
    pub(crate) const ORACLES: [Oracle; 4] = [
        Oracle::Unigram,
        Oracle::Bigram,
        Oracle::Trigram,
        Oracle::BagOfContext,
    ];

    pub(crate) fn build(
        spec: &TextSpec,
        n_ctx: usize,
        base: &Path,
        cache: &TokenCache,
        watch: BuildWatch<'_>,
    ) -> Result<Self, DataError> {
        let material = Material::read(spec, base);
        if let Some(kept) = cache.kept(spec)
            && let Some(why) = why_not(&material, &kept)
            && let Some(tokens) = cache.open(&kept)
            && let Ok(tokenizer) = Tokenizer::of(&tokens, spec)
        {
            let notice = format!("{why}; the tokens that are kept with the run are used");
            return Self::new(spec, n_ctx, tokens, tokenizer, vec![notice]);
        }
        let Material {
            corpora,
            tokenizer,
            keys,
        } = material?;
        let (tokens, notice, tokenizer) =
            match (keys.find(cache, tokenizer.as_ref(), spec)?, tokenizer) {
                (Some((tokens, Some(stored))), _) => (tokens, None, stored),
                (Some((tokens, None)), Some(loaded)) => (tokens, None, loaded),
                (_, loaded) => tokenize(spec, n_ctx, &corpora, loaded, keys, cache, watch)?,
            };
        let of_places = corpora.iter().flat_map(|corpus| corpus.notices().to_vec());
        let notices = of_places.chain(notice).collect();
        Self::new(spec, n_ctx, tokens, tokenizer, notices)
    }

    /// The source over tokens that are there; `notices` are told before those of the tokens.
    fn new(
        spec: &TextSpec,
        n_ctx: usize,
        tokens: TokenFile,
        tokenizer: Tokenizer,
        mut notices: Vec<String>,
    ) -> Result<Self, DataError> {
        let content = tokens.header.key;
        long_enough(&tokens.header, spec, n_ctx)?;
        let mut key = KeyBuilder::new(METHOD)
            .key("content", &content)
            .number("n_ctx", n_ctx as u64);
        if let Some(size) = spec.training_set {
            key = key.number("training_set", size);
        }
        let corpora: Vec<(String, f64)> = spec
            .named()
            .iter()
            .map(|corpus| (corpus.path.to_owned(), corpus.share))
            .collect();
        if corpora.len() > 1 {
            for (_, share) in &corpora {
                key = key.number("share", share.to_bits());
            }
        }
        notices.extend(tokens.header.notices.iter().cloned());
        Ok(Self {
            tokens,
            notices,
            content,
            corpora,
            tokenizer,
            // A corpus has no seed: the windows of a set are always the same.
            training_set: spec.training_set.map(|size| TrainingSet::new(0, size)),
            n_ctx,
            key: key.finish(),
            oracles: OnceLock::new(),
        })
    }

    /// Each corpus, in the order of the configuration.
    pub fn corpora(&self) -> Vec<CorpusDescription> {
        let parts = self.tokens.header.corpora();
        let named = self.corpora.iter().zip(parts);
        named
            .map(|((path, share), [train, held_out])| CorpusDescription {
                path: path.clone(),
                share: *share,
                train,
                held_out,
            })
            .collect()
    }

    /// Sizes of a part, all corpora together.
    pub fn part(&self, split: Split) -> Part {
        match split {
            Split::Train => self.tokens.header.train,
            Split::HeldOut => self.tokens.header.held_out,
        }
    }

    /// The tokenizer, as the text of a `tokenizer.json`.
    pub fn tokenizer_json(&self) -> &str {
        &self.tokens.header.tokenizer
    }

    /// The token that ends each document.
    pub fn end_of_text(&self) -> u32 {
        self.tokenizer.end_of_text
    }

    /// How the bag-of-context oracle weighs what has occurred, as fitted.
    pub fn bag_fit(&self) -> BagFit {
        self.oracles().bag
    }

    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }

    pub(crate) fn content(&self) -> Key {
        self.content
    }

    pub(crate) fn tokens(&self) -> &TokenFile {
        &self.tokens
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn d_vocab(&self) -> usize {
        self.tokenizer.d_vocab
    }

    pub(crate) fn n_ctx(&self) -> usize {
        self.n_ctx
    }

    pub(crate) fn encode(&self, text: &str) -> Result<EncodedText, DataError> {
        self.tokenizer.encode(text)
    }

    pub(crate) fn decode(&self, tokens: &[u32]) -> Vec<String> {
        self.tokenizer.decode(tokens)
    }

    /// Appends a window of `n_ctx + 1` tokens.
    pub(crate) fn draw_into(&self, split: Split, rng: &mut impl Rng, tokens: &mut Vec<u32>) {
        let len = self.n_ctx + 1;
        let corpus = match &self.corpora[..] {
            [_] => 0,
            corpora => {
                let shares: Vec<f64> = corpora.iter().map(|(_, share)| *share).collect();
                weighted(rng, &shares)
            }
        };
        let start = below(rng, self.tokens.len(corpus, split) - len as u64 + 1);
        tokens.extend(self.tokens.tokens(corpus, split, start, len));
    }

    pub(crate) fn training_set(&self) -> Option<&TrainingSet> {
        self.training_set.as_ref()
    }

    pub(crate) fn token_frequencies(&self) -> Vec<f64> {
        let counts = &self.oracles().counts;
        let tokens = counts.tokens.iter();
        tokens.map(|&count| count / counts.total).collect()
    }

    pub(crate) fn is_trigger(&self, token: u32) -> bool {
        self.oracles().triggers[token as usize]
    }

    fn oracles(&self) -> &Oracles {
        self.oracles.get_or_init(|| {
            let stream = Stream::new(0, "text bag", &[]);
            let window = |index| {
                let mut window = Vec::with_capacity(self.n_ctx + 1);
                self.draw_into(Split::HeldOut, &mut stream.at(index), &mut window);
                window
            };
            Box::new(Oracles::new(
                &self.samples(),
                self.d_vocab(),
                self.n_ctx,
                window,
            ))
        })
    }

    /// The training part of each corpus. A token of it weighs as much as it would have to for the
    /// corpora to add up to their shares, all of them together as much as they have tokens.
    fn samples(&self) -> Vec<Sample> {
        let all = self.tokens.header.train.tokens as f64;
        let samples = (0..self.tokens.n_corpora()).zip(&self.corpora);
        samples
            .map(|(corpus, (_, share))| Sample {
                tokens: self.tokens.all(corpus, Split::Train).collect(),
                weight: share * (all / self.tokens.len(corpus, Split::Train) as f64),
            })
            .collect()
    }

    /// Log-probabilities, `[sequence.len() − 1, d_vocab]`; this source has no in-context oracle.
    pub(crate) fn predict(&self, oracle: Oracle, sequence: &[u32]) -> Vec<f32> {
        let rows = sequence.len().saturating_sub(1);
        let mut out = vec![0.0; rows * self.d_vocab()];
        self.oracles().predict_into(oracle, sequence, &mut out);
        for p in &mut out {
            *p = p.ln().max(LEAST_LOG_PROB);
        }
        out
    }
}

/// What tokens are made from.
struct Material {
    corpora: Vec<Corpus>,
    /// The tokenizer that the configuration names, if it does.
    tokenizer: Option<Tokenizer>,
    /// Name all this.
    keys: TokenKeys,
}

impl Material {
    fn read(spec: &TextSpec, base: &Path) -> Result<Self, DataError> {
        let loaded = spec
            .tokenizer
            .as_ref()
            .map(|path| read_tokenizer(spec, &base.join(path)))
            .transpose()?;
        let mut corpora = Corpus::open_all(spec, base)?;
        let mut content = KeyBuilder::new(METHOD);
        for corpus in &mut corpora {
            content = content.key("corpus", &corpus.key()?);
        }
        let content = content
            .number("held_out", spec.held_out.to_bits())
            .text("end_of_text", &spec.end_of_text);
        let content = match &loaded {
            Some((tokenizer, json)) => {
                let content = content.bytes("tokenizer", json);
                match tokenizer.was_random() {
                    true => content.text("dropout", "off"),
                    false => content,
                }
            }
            None => content.json("d_vocab", &spec.d_vocab),
        };
        Ok(Self {
            corpora,
            keys: TokenKeys::new(content.finish()),
            tokenizer: loaded.map(|(tokenizer, _)| tokenizer),
        })
    }
}

/// Why tokens of this content cannot be made from what was found; `None` if they can.
fn why_not(found: &Result<Material, DataError>, content: &Key) -> Option<String> {
    match found {
        Err(error) => Some(error.to_string()),
        Ok(material) if !material.keys.include(content) => {
            let places: Vec<_> = material.corpora.iter().map(Corpus::place).collect();
            let tokenizer = match material.tokenizer {
                Some(_) => " or of its tokenizer",
                None => "",
            };
            Some(format!(
                "the content of {}{tokenizer} has changed since the run was made",
                places.join(", ")
            ))
        }
        Ok(_) => None,
    }
}

fn read_tokenizer(spec: &TextSpec, path: &Path) -> Result<(Tokenizer, Vec<u8>), DataError> {
    let (path, json) = tokenizer_file::read(path)?;
    Ok((Tokenizer::load(spec, &json, &path)?, json))
}
