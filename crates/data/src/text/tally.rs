//! What tokens do not say of a text, counted, and the sentences about it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use ontogeny_store::excerpt;

use super::tokenizer::Tokenizer;

/// Share of characters without any token from which on a corpus is refused: what is left would be
/// another text.
const MOST_VANISHED: f64 = 0.01;
/// Share of unknown tokens from which on it is told.
const TOLD_UNKNOWN: f64 = 0.01;
/// Share of unknown tokens from which on little is left of the text.
const MOST_UNKNOWN: f64 = 0.5;
/// Different unknown words that are counted one by one.
const COUNTED_WORDS: usize = 10_000;
/// Words or characters that a sentence names.
const NAMED: usize = 5;

/// Counts over texts; adding up the counts of several texts is counting over all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Number in its corpus of the document that is read, from 1.
    pub(super) document: u64,
    /// Characters of text.
    pub(super) characters: u64,
    documents: u64,
    tokens: u64,
    /// Documents without any token.
    empty: u64,
    /// Documents that spell a control token, and the first of them.
    spelling: u64,
    first_spelling: Option<Place>,
    /// Control tokens that they spell, a few.
    spelled: BTreeSet<String>,
    unknown: u64,
    unknown_words: HashMap<String, u64>,
    /// Control tokens that a text has all the same.
    control: HashMap<u32, u64>,
    vanished: u64,
    vanished_characters: HashMap<char, u64>,
    first_vanished: Option<Place>,
}

/// Where a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Which of several corpora, from 1.
    corpus: Option<u64>,
    /// From 1.
    document: u64,
}

impl Place {
    fn of(document: u64) -> Self {
        Self {
            corpus: None,
            document,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "document {}", self.document)?;
        match self.corpus {
            Some(corpus) => write!(f, " of corpus {corpus}"),
            None => Ok(()),
        }
    }
}

impl Tally {
    /// Something that is to be told; words without are alike.
    pub(super) fn events(&self) -> u64 {
        self.unknown + self.vanished + self.control.values().sum::<u64>()
    }

    pub(super) fn see_unknown(&mut self, word: String) {
        self.unknown += 1;
        if let Some(count) = self.unknown_words.get_mut(&word) {
            *count += 1;
        } else if self.unknown_words.len() < COUNTED_WORDS {
            self.unknown_words.insert(word, 1);
        }
    }

    pub(super) fn see_control(&mut self, token: u32) {
        *self.control.entry(token).or_default() += 1;
    }

    pub(super) fn see_vanished(&mut self, c: char) {
        self.vanished += 1;
        *self.vanished_characters.entry(c).or_default() += 1;
        self.first_vanished = earlier(self.first_vanished, Some(Place::of(self.document)));
    }

    /// A whole document came to so many tokens.
    pub(super) fn see_length(&mut self, tokens: usize) {
        self.documents += 1;
        self.tokens += tokens as u64;
        self.empty += u64::from(tokens == 0);
    }

    /// Looks for control tokens that a document spells.
    pub(super) fn see_text(&mut self, tokenizer: &Tokenizer, document: u64, text: &str) {
        let Some(found) = tokenizer.spelled.as_ref().and_then(|s| s.find(text)) else {
            return;
        };
        self.spelling += 1;
        self.first_spelling = earlier(self.first_spelling, Some(Place::of(document)));
        if self.spelled.len() < NAMED {
            self.spelled.insert(excerpt(found.as_str()));
        }
    }

    /// Says which of several corpora the counts are of, from 1.
    pub(super) fn is_of_corpus(&mut self, number: u64) {
        let firsts = [&mut self.first_spelling, &mut self.first_vanished];
        for place in firsts.into_iter().flatten() {
            place.corpus = Some(number);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.characters += other.characters;
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.empty += other.empty;
        self.spelling += other.spelling;
        self.first_spelling = earlier(self.first_spelling, other.first_spelling);
        self.spelled.extend(other.spelled);
        self.unknown += other.unknown;
        for (word, count) in other.unknown_words {
            *self.unknown_words.entry(word).or_default() += count;
        }
        for (token, count) in other.control {
            *self.control.entry(token).or_default() += count;
        }
        self.vanished += other.vanished;
        for (c, count) in other.vanished_characters {
            *self.vanished_characters.entry(c).or_default() += count;
        }
        self.first_vanished = earlier(self.first_vanished, other.first_vanished);
    }

    /// Whether the tokens are others than those of a tokenizer that takes each control token that
    /// a text spells for the real one.
    pub(super) fn spells_control(&self, tokenizer: &Tokenizer) -> bool {
        self.spelling > 0
            || tokenizer
                .never_in_text()
                .any(|token| self.control.contains_key(&token))
    }

    /// Refuses a corpus of which too much would vanish.
    pub(super) fn refusal(&self) -> Option<String> {
        let too_much = self.vanished as f64 > MOST_VANISHED * self.characters as f64;
        if too_much {
            self.vanished_sentence()
        } else {
            None
        }
    }

    /// What was dropped, if anything was.
    pub(super) fn vanished_sentence(&self) -> Option<String> {
        let first = self.first_vanished?;
        let words = self.vanished_characters.iter();
        Some(format!(
            "{} of {} characters ({}) have no token and would vanish: {}, first in \
             {first}; set `unk_token` or `byte_fallback` of `model` in the tokenizer's file, or \
             take a byte-level tokenizer",
            self.vanished,
            self.characters,
            percent(self.vanished, self.characters),
            most(words.map(|(c, &count)| (c.to_string(), count)))
        ))
    }

    /// What is to be told of a corpus that is not refused.
    pub(super) fn notices(&self, tokenizer: &Tokenizer) -> Vec<String> {
        let mut notices = self.notices_of_text(tokenizer);
        if let Some(dropout) = tokenizer.dropout {
            notices.push(format!(
                "the tokenizer's dropout of {dropout} is switched off: a text always has the same \
                 tokens"
            ));
        }
        if let Some(vanished) = self.vanished_sentence() {
            notices.push(vanished);
        }
        if self.empty > 0 {
            notices.push(format!(
                "{} of {} documents have no token at all",
                self.empty, self.documents
            ));
        }
        notices
    }

    /// What is to be told of a text that a person gave.
    pub(super) fn notices_of_text(&self, tokenizer: &Tokenizer) -> Vec<String> {
        let mut notices = Vec::new();
        if let Some(first) = self.first_spelling {
            let spelled = self.spelled.iter().take(NAMED);
            let spelled: Vec<_> = spelled.map(|text| format!("`{text}`")).collect();
            let spelled = spelled.join(", ");
            let who = match self.documents {
                1 => format!("the text spells a control token ({spelled})"),
                n => format!(
                    "{} of {n} documents spell a control token ({spelled}), first {first}",
                    self.spelling
                ),
            };
            notices.push(format!("{who}: it is read as text there, not as the token"));
        }
        let mut control: Vec<_> = self.control.iter().collect();
        control.sort_unstable();
        for (token, count) in control {
            let text = tokenizer.control.get(token).map_or("", String::as_str);
            let text = excerpt(text);
            let meaning = match *token == tokenizer.end_of_text {
                true => {
                    "it reads as the end of a document there: set `end_of_text` to a token \
                         that no text has"
                }
                false => "it is a control token and cannot be read as text",
            };
            notices.push(format!(
                "the text itself has `{text}` {count} times; {meaning}"
            ));
        }
        notices.extend(self.unknown_sentence(tokenizer));
        notices
    }

    fn unknown_sentence(&self, tokenizer: &Tokenizer) -> Option<String> {
        let is_end = tokenizer.unknown == Some(tokenizer.end_of_text);
        let share = self.unknown as f64 / self.tokens.max(1) as f64;
        if self.unknown == 0 || share < TOLD_UNKNOWN && !is_end {
            return None;
        }
        let name = tokenizer.unknown_name();
        let count = format!(
            "{} of {} tokens ({})",
            self.unknown,
            self.tokens,
            percent(self.unknown, self.tokens)
        );
        let words = self.unknown_words.iter();
        let words = most(words.map(|(word, &count)| (word.clone(), count)));
        let mut sentence = if share >= MOST_UNKNOWN {
            format!(
                "warning: most tokens are the unknown token `{name}`: {count}, most often for \
                 {words}; little of the text is left to learn: take a tokenizer that was made \
                 for such text"
            )
        } else {
            format!("{count} are the unknown token `{name}`, most often for {words}")
        };
        if is_end {
            sentence.push_str(
                "; it is also `end_of_text`, so that each reads as the end of a document",
            );
        }
        Some(sentence)
    }
}

fn earlier(a: Option<Place>, b: Option<Place>) -> Option<Place> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    match share {
        0.1.. => format!("{share:.1} %"),
        _ => format!("{share:.1e} %"),
    }
}

/// The most frequent of some words with their counts.
fn most(words: impl Iterator<Item = (String, u64)>) -> String {
    let mut words: Vec<_> = words.collect();
    words.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    let more = if words.len() > NAMED { ", …" } else { "" };
    words.truncate(NAMED);
    let shown: Vec<_> = words
        .iter()
        .map(|(word, count)| match word.chars().next() {
            Some(c) if word.chars().all(char::is_control) => {
                format!("U+{:04X} ({count})", u32::from(c))
            }
            _ => format!("`{word}` ({count})"),
        })
        .collect();
    format!("{}{more}", shown.join(", "))
}
