//! What was noticed while documents were read, as sentences for a person.

use std::collections::{BTreeMap, HashSet};

use super::kind::Kind;

/// Documents that were kept, left out or odd, counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By kind of file: documents without a value, and those without a visible character.
    left_out: BTreeMap<Kind, [u64; 2]>,
    /// Lines without anything that others follow.
    pub(super) blank_lines: u64,
    /// Lines that hold the member more than once.
    pub(super) repeated_members: u64,
    /// Documents with a byte order mark in their text.
    marks: u64,
    /// Documents that were there before.
    copies: u64,
    all: u64,
    /// The numbers of those that were kept, from 1.
    pub(super) numbers: Vec<u64>,
    /// Beginnings of the documents' hashes.
    seen: HashSet<u128>,
}

impl Tally {
    /// Counts a document, and gives it back if it is to be kept.
    pub(super) fn keep(&mut self, kind: Kind, text: Option<String>) -> Option<String> {
        self.all += 1;
        let Some(text) = text else {
            self.left_out.entry(kind).or_default()[0] += 1;
            return None;
        };
        if text.trim().is_empty() {
            self.left_out.entry(kind).or_default()[1] += 1;
            return None;
        }
        self.numbers.push(self.all);
        self.marks += u64::from(text.contains('\u{feff}'));
        let hash = blake3::hash(text.as_bytes());
        let start = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        self.copies += u64::from(!self.seen.insert(u128::from_le_bytes(start)));
        Some(text)
    }

    /// The sentences about the corpus that the key `key` names, whose texts are in `field`.
    pub(super) fn notices(&self, key: &str, field: &str) -> Vec<String> {
        let mut notices = Vec::new();
        for (kind, [null, blank]) in &self.left_out {
            let mut parts = Vec::new();
            if *null > 0 {
                parts.push(format!("{null} whose `{field}` is null"));
            }
            if *blank > 0 {
                parts.push(format!("{blank} without a visible character"));
            }
            notices.push(format!(
                "`{key}`: {} of {} documents left out: .{} {}: {}",
                null + blank,
                self.all,
                kind.name(),
                kind.units(),
                parts.join(", ")
            ));
        }
        for (count, one, several) in [
            (self.blank_lines, "line is blank", "lines are blank"),
            (
                self.repeated_members,
                "line holds its member more than once; the last counts",
                "lines hold their member more than once; the last counts",
            ),
            (
                self.marks,
                "document holds a byte order mark (U+FEFF) within its text, where it is a character",
                "documents hold a byte order mark (U+FEFF) within their text, where it is a character",
            ),
            (
                self.copies,
                "document is the copy of an earlier one",
                "documents are copies of earlier ones",
            ),
        ] {
            if count > 0 {
                let what = if count == 1 { one } else { several };
                notices.push(format!("`{key}`: {count} {what}"));
            }
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_by_kind() {
        let mut tally = Tally::default();
        for (kind, text, kept) in [
            (Kind::Lines, Some("a"), true),
            (Kind::Lines, None, false),
            (Kind::Lines, Some(" \n"), false),
            (Kind::Lines, Some(""), false),
            (Kind::Text, Some("a"), true),
            (Kind::Text, Some("\u{feff}b"), true),
            (Kind::Text, Some("\u{3000}\t"), false),
        ] {
            let found = tally.keep(kind, text.map(str::to_owned));
            assert_eq!(found.is_some(), kept, "{text:?}");
        }
        assert_eq!(tally.numbers, [1, 5, 6]);
        tally.blank_lines = 1;
        assert_eq!(
            tally.notices("corpus", "text"),
            [
                "`corpus`: 1 of 7 documents left out: .txt files: 1 without a visible character",
                "`corpus`: 3 of 7 documents left out: .jsonl lines: 1 whose `text` is null, 2 \
                 without a visible character",
                "`corpus`: 1 line is blank",
                "`corpus`: 1 document holds a byte order mark (U+FEFF) within its text, where it \
                 is a character",
                "`corpus`: 1 document is the copy of an earlier one",
            ]
        );
    }
}
