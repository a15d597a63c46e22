//! Training of a byte-level BPE (Sennrich et al. 2016; on bytes: Radford et al. 2019).
//!
//! The merges and the vocabulary are those of the trainer of the `tokenizers` crate. That trainer
//! shifts the rest of a word at each merge, so that a text without spaces takes quadratic time.
//! Here the symbols of a word are linked, and the places of each pair are known.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use tokenizers::models::bpe::{BPE, Vocab};

use super::words::BYTE_CHARS;
use crate::DataError;
use crate::progress::{BuildPhase, BuildWatch, tell};

/// Merges between two reports of progress.
const MERGES_TOLD: usize = 64;
/// No symbol before or after; also the content of a place whose symbol was merged away.
const NONE: u32 = u32::MAX;

/// Two neighbouring tokens.
type Pair = (u32, u32);

/// What training found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Learned {
    /// The tokens by number, in characters that stand for bytes.
    pub(crate) tokens: Vec<String>,
    /// The pairs that are merged, first things first. A pair may stand there twice.
    pub(crate) merges: Vec<Pair>,
}

impl Learned {
    /// The model that merges so.
    pub(crate) fn model(self) -> Result<BPE, tokenizers::Error> {
        let name = |token: u32| self.tokens[token as usize].clone();
        let merges = self.merges.iter();
        let merges = merges.map(|&(a, b)| (name(a), name(b))).collect();
        let numbered: Vocab = self.tokens.iter().cloned().zip(0..).collect();
        BPE::builder().vocab_and_merges(numbered, merges).build()
    }
}

/// Learns tokens until there are `d_vocab`, or nothing is left to merge.
///
/// `words` are the words with how often each occurs. `special` becomes token 0, the 256 bytes
/// follow in the order of their characters.
///
/// # Errors
///
/// [`DataError::Stopped`] if `watch` asks for it, [`DataError::Tokenizer`] if the words together
/// have 4 GiB.
pub(crate) fn learn(
    words: &[(&str, u64)],
    special: &str,
    d_vocab: usize,
    watch: BuildWatch<'_>,
) -> Result<Learned, DataError> {
    let bytes: usize = words.iter().map(|(word, _)| word.len()).sum();
    if bytes >= NONE as usize {
        return Err(DataError::Tokenizer {
            path: None,
            message: format!(
                "cannot be trained: the different words of the corpus have {bytes} bytes, and at \
                 most {NONE} are possible; train on a part of the corpus and set `tokenizer`"
            ),
        });
    }
    let mut tokens = Tokens::default();
    tokens.number(special.to_owned());
    let mut alphabet = *BYTE_CHARS;
    alphabet.sort_unstable();
    for c in alphabet {
        tokens.number(c.to_string());
    }
    let of_byte = BYTE_CHARS.map(|c| tokens.number(c.to_string()));

    let mut symbols = Symbols::new(words, &of_byte);
    let mut queue = symbols.first_candidates();
    let mut created = queue.len();
    let mut merges = Vec::new();
    while tokens.names.len() < d_vocab {
        let Some(mut best) = queue.pop() else { break };
        let count = symbols.counts.get(&best.pair).copied().unwrap_or(0);
        if best.count != count {
            best.count = count;
            queue.push(best);
            continue;
        }
        if count < 1 {
            break;
        }
        let (first, second) = best.pair;
        let name = |token: u32| tokens.names[token as usize].as_str();
        let joined = [name(first), name(second)].concat();
        let merged = tokens.number(joined);
        merges.push(best.pair);
        for (pair, words) in symbols.merge(best.pair, merged, &best.words) {
            let count = symbols.counts[&pair];
            if count > 0 {
                queue.push(Candidate {
                    count,
                    pair,
                    created: Reverse(created),
                    words,
                });
                created += 1;
            }
        }
        if merges.len() % MERGES_TOLD == 0 {
            let (done, total) = (tokens.names.len() as u64, d_vocab as u64);
            tell(watch, BuildPhase::LearnTokens, done, total)?;
        }
    }
    Ok(Learned {
        tokens: tokens.names,
        merges,
    })
}

/// The vocabulary as it grows.
#[derive(Default)]
struct Tokens {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Tokens {
    /// The number of a token, a new one if it is new. Two ways of merging may come to the same.
    fn number(&mut self, name: String) -> u32 {
        let next = self.names.len() as u32;
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }
}

/// A pair that may be merged. The one with the largest count comes first, then the smallest pair.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CandidateOrder {
    count: i64,
    pair: Reverse<Pair>,
    created: Reverse<usize>,
}

struct Candidate {
    count: i64,
    pair: Pair,
    /// Number among all candidates, so that equal ones have an order.
    created: Reverse<usize>,
    /// The words that it is merged in, ascending. Where a token came about twice, a pair with it
    /// is a candidate twice, each for the words that it occurred in at the time.
    words: Vec<u32>,
}

impl Candidate {
    fn order(&self) -> CandidateOrder {
        CandidateOrder {
            count: self.count,
            pair: Reverse(self.pair),
            created: self.created,
        }
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// All words as one list of symbols, linked within each word.
struct Symbols {
    token: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    word: Vec<u32>,
    /// How often each word occurs.
    weights: Vec<i64>,
    /// How often each pair occurs. Merging a pair does not lower its own count.
    counts: HashMap<Pair, i64>,
    /// Where each pair begins, or began: places are checked when they are used.
    places: HashMap<Pair, Vec<u32>>,
    /// For each word the last merge that was about it.
    stamps: Vec<usize>,
    merges: usize,
}

impl Symbols {
    fn new(words: &[(&str, u64)], of_byte: &[u32; 256]) -> Self {
        let n = words.iter().map(|(word, _)| word.len()).sum();
        let mut symbols = Self {
            token: Vec::with_capacity(n),
            next: Vec::with_capacity(n),
            previous: Vec::with_capacity(n),
            word: Vec::with_capacity(n),
            weights: words.iter().map(|&(_, count)| count as i64).collect(),
            counts: HashMap::new(),
            places: HashMap::new(),
            stamps: vec![0; words.len()],
            merges: 0,
        };
        for (number, (word, _)) in words.iter().enumerate() {
            let begin = symbols.token.len();
            let end = begin + word.len();
            for (at, byte) in (begin..).zip(word.bytes()) {
                symbols.token.push(of_byte[usize::from(byte)]);
                symbols
                    .next
                    .push(if at + 1 < end { at as u32 + 1 } else { NONE });
                symbols
                    .previous
                    .push(if at > begin { at as u32 - 1 } else { NONE });
                symbols.word.push(number as u32);
            }
        }
        symbols
    }

    /// Counts all pairs.
    fn first_candidates(&mut self) -> BinaryHeap<Candidate> {
        let mut words: HashMap<Pair, Vec<u32>> = HashMap::new();
        for at in 0..self.token.len() {
            let next = self.next[at];
            if next != NONE {
                let pair = (self.token[at], self.token[next as usize]);
                self.add(pair, at as u32, &mut words);
            }
        }
        let candidates = words.into_iter().map(|(pair, words)| Candidate {
            count: self.counts[&pair],
            pair,
            created: Reverse(0),
            words,
        });
        candidates.collect()
    }

    /// A pair has come about at a place.
    fn add(&mut self, pair: Pair, at: u32, created: &mut HashMap<Pair, Vec<u32>>) {
        let word = self.word[at as usize];
        *self.counts.entry(pair).or_default() += self.weights[word as usize];
        self.places.entry(pair).or_default().push(at);
        let words = created.entry(pair).or_default();
        if words.last() != Some(&word) {
            words.push(word);
        }
    }

    /// An occurrence of a pair in a word is gone.
    fn remove(&mut self, pair: Pair, word: u32) {
        *self.counts.entry(pair).or_default() -= self.weights[word as usize];
    }

    /// Merges a pair in some words, from left to right, and returns the pairs that came about with
    /// their words, in a fixed order.
    fn merge(&mut self, pair: Pair, merged: u32, words: &[u32]) -> Vec<(Pair, Vec<u32>)> {
        self.merges += 1;
        for &word in words {
            self.stamps[word as usize] = self.merges;
        }
        let places = self.places.remove(&pair).unwrap_or_default();
        let here = |at: &u32| self.stamps[self.word[*at as usize] as usize] == self.merges;
        let (mut places, elsewhere): (Vec<u32>, Vec<u32>) = places.into_iter().partition(here);
        if !elsewhere.is_empty() {
            self.places.insert(pair, elsewhere);
        }
        places.sort_unstable();
        let mut created = HashMap::new();
        for at in places {
            self.merge_at(at, pair, merged, &mut created);
        }
        let mut created: Vec<_> = created.into_iter().collect();
        created.sort_unstable_by_key(|(pair, _)| *pair);
        created
    }

    fn merge_at(
        &mut self,
        at: u32,
        (first, second): Pair,
        merged: u32,
        created: &mut HashMap<Pair, Vec<u32>>,
    ) {
        let here = at as usize;
        let next = self.next[here];
        if self.token[here] != first || next == NONE || self.token[next as usize] != second {
            // Overlapped by an earlier merge, of this pair or of another.
            return;
        }
        let word = self.word[here];
        let previous = self.previous[here];
        if previous != NONE {
            let before = self.token[previous as usize];
            self.remove((before, first), word);
            self.add((before, merged), previous, created);
        }
        let after = self.next[next as usize];
        self.token[here] = merged;
        self.token[next as usize] = NONE;
        self.next[here] = after;
        if after != NONE {
            self.previous[after as usize] = at;
            let following = self.token[after as usize];
            self.remove((second, following), word);
            self.add((merged, following), at, created);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use ontogeny_store::Stream;
    use tokenizers::models::TrainerWrapper;
    use tokenizers::models::bpe::{BPE, BpeTrainer};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{AddedToken, Tokenizer};

    use super::*;
    use crate::draw::below;
    use crate::text::tokenizer::count_words;

    fn quiet(_: crate::BuildProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The model of the library's own trainer, as JSON: vocabulary and merges.
    fn library(texts: &[&str], special: &str, d_vocab: usize) -> serde_json::Value {
        let trainer = BpeTrainer::builder()
            .vocab_size(d_vocab)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![AddedToken::from(special, true)])
            .build();
        let mut tokenizer = Tokenizer::new(BPE::default());
        tokenizer
            .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
            .train(&mut TrainerWrapper::BpeTrainer(trainer), texts.iter())
            .unwrap();
        serde_json::to_value(tokenizer.get_model()).unwrap()
    }

    fn ours(texts: &[&str], special: &str, d_vocab: usize) -> serde_json::Value {
        let words = count_words(texts, &quiet).unwrap();
        let learned = learn(&words, special, d_vocab, &quiet).unwrap();
        serde_json::to_value(learned.model().unwrap()).unwrap()
    }

    #[track_caller]
    fn check(texts: &[&str], special: &str, d_vocab: usize) {
        let (ours, library) = (
            ours(texts, special, d_vocab),
            library(texts, special, d_vocab),
        );
        assert_eq!(ours["merges"], library["merges"], "{texts:.300?}");
        assert_eq!(ours, library);
    }

    #[test]
    fn merges_are_those_of_the_library() {
        check(&[], "<|endoftext|>", 300);
        check(&["a", "", "  "], "<|endoftext|>", 300);
        // Equal counts everywhere: the smaller pair comes first.
        check(&["ab cd ef gh ij kl", "kl ij"], "<|endoftext|>", 400);
        // An end that is a byte, or a word that is learned.
        check(&["the then other the"], "a", 300);
        check(&["the then other the"], "the", 300);
        check(&["été 東京 東京都 — été naïve"; 3], "<eos>", 320);
    }

    #[test]
    fn random_text_gives_the_merges_of_the_library() {
        let mut rng = Stream::new(3, "merges", &[]).at(0);
        for round in 0..300 {
            let letters = 2 + round % 9;
            let texts: Vec<String> = (0..1 + below(&mut rng, 4))
                .map(|_| {
                    let any = |_| match below(&mut rng, letters + 2) {
                        0 => ' ',
                        letter => char::from(b'a' + letter as u8),
                    };
                    (0..400).map(any).collect()
                })
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            check(&texts, "<|endoftext|>", 257 + (round as usize * 7) % 120);
        }
    }

    #[test]
    fn the_shipped_corpus_gives_the_merges_of_the_library() {
        let shipped =
            zstd::decode_all(&include_bytes!("../../corpora/state_of_the_union.jsonl.zst")[..])
                .unwrap();
        let texts: Vec<String> = String::from_utf8(shipped)
            .unwrap()
            .lines()
            .step_by(12)
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["text"].as_str().unwrap().to_owned()
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert!(texts.iter().map(|text| text.len()).sum::<usize>() > 500_000);
        check(&texts, "<|endoftext|>", 3000);
    }

    /// Two letters in one long word, so that many tokens come about in two ways.
    #[test]
    fn a_long_word_gives_the_merges_of_the_library() {
        let mut rng = Stream::new(4, "merges", &[]).at(0);
        let text: String = (0..6000)
            .map(|_| char::from(b'a' + below(&mut rng, 4) as u8))
            .collect();
        check(&[&text], "<|endoftext|>", 600);
    }

    #[test]
    fn training_can_be_stopped() {
        let mut rng = Stream::new(5, "merges", &[]).at(0);
        let text: String = (0..5000)
            .map(|_| char::from(b'a' + below(&mut rng, 16) as u8))
            .collect();
        let stop = |progress: crate::BuildProgress| match progress.phase {
            BuildPhase::LearnTokens => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let error = learn(&[(&text, 1)], "<|endoftext|>", 2000, &stop).expect_err("stopped");
        assert!(matches!(error, DataError::Stopped));
    }
}
