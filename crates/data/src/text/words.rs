//! Text as words of bytes: the pre-tokenizer of byte-level tokenizers, on slices of the text.
//!
//! The same words as those of the `ByteLevel` pre-tokenizer of the `tokenizers` crate, which keeps
//! some fifty bytes of bookkeeping for each byte of text. Nothing is copied here.

use std::sync::LazyLock;

use regex::Regex;

/// What a word is (Radford et al. 2019), without the alternative that looks ahead: `\s+(?!\S)`
/// comes before `\s+` there. [`words`] makes up for it.
const PATTERN: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";

#[expect(
    clippy::expect_used,
    reason = "a constant, compiled by the first test that has words"
)]
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERN).expect("a valid pattern"));

/// The words of a text, in order. Together they are the text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        // Every character is in some word, so that a word begins where the last one ended.
        let end = WORD.find(rest)?.end();
        let (word, after) = rest.split_at(end);
        // White space leaves its last character to what comes after it, if anything does.
        let last = word.char_indices().next_back();
        let end = match last {
            Some((at, last)) if last.is_whitespace() && at > 0 && !after.is_empty() => at,
            _ => end,
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// The character that stands for each byte: itself if it can be seen, else one from U+0100 on.
pub(crate) static BYTE_CHARS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 256;
    std::array::from_fn(|byte| {
        let seen = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if seen {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
});

/// The text that a byte-level model sees: a character for each byte.
pub(crate) fn as_byte_chars(text: &str) -> String {
    text.bytes()
        .map(|byte| BYTE_CHARS[usize::from(byte)])
        .collect()
}

/// The bytes that such characters stand for; `None` if one stands for none.
pub(crate) fn from_byte_chars(text: &str) -> Option<Vec<u8>> {
    let byte = |c| BYTE_CHARS.iter().position(|&b| b == c).map(|b| b as u8);
    text.chars().map(byte).collect()
}

/// Pieces of some `bytes` of a text, each of which begins with a space after something that is no
/// white space, or at the beginning. No word of a pre-tokenizer that splits there lies in two.
pub(crate) fn pieces(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let ascii = rest.as_bytes();
        let cut = (bytes.max(1)..ascii.len()).find(|&at| {
            ascii[at] == b' '
                && rest[..at]
                    .chars()
                    .next_back()
                    .is_some_and(|c| !c.is_whitespace())
        });
        let (piece, after) = rest.split_at(cut.unwrap_or(rest.len()));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;
    use rand::Rng;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;
    use crate::draw::below;

    /// `n` characters of an alphabet.
    fn random_text(rng: &mut impl Rng, alphabet: &[char], n: u64) -> String {
        let any = |_| alphabet[below(rng, alphabet.len() as u64) as usize];
        (0..n).map(any).collect()
    }

    /// The words as the library cuts them, a character for each byte.
    fn library(text: &str) -> Vec<String> {
        let mut cut = PreTokenizedString::from(text);
        ByteLevel::new(false, true, true)
            .pre_tokenize(&mut cut)
            .unwrap();
        let splits = cut.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        splits.iter().map(|(s, ..)| (*s).to_owned()).collect()
    }

    #[track_caller]
    fn check(text: &str) {
        let ours: Vec<String> = words(text).map(as_byte_chars).collect();
        assert_eq!(ours, library(text), "{text:?}");
        let back: Vec<u8> = ours
            .iter()
            .flat_map(|w| from_byte_chars(w).unwrap())
            .collect();
        assert_eq!(back, text.as_bytes());
    }

    #[test]
    fn words_are_those_of_the_library() {
        for text in [
            "",
            " ",
            "  ",
            " \n a",
            "a  b",
            "they'll've 'S 're'd don't's",
            "3.14 x² ½ Ⅷ ٣ 一二三 三",
            "été\u{301} नमस्ते — “quoted”\u{a0}\u{2003}x\u{3000}\u{85}y\u{200b}z",
            "\r\n\r\n\tif x:\n        return ''\n",
            "😀😀 a😀b _a_1_",
        ] {
            check(text);
        }
        let alphabet: Vec<char> = "  \n\t\u{a0}''sltdrevm.aZé\u{301}1²中😀-_\u{200b}\u{2028}"
            .chars()
            .collect();
        let mut rng = Stream::new(1, "words", &[]).at(0);
        for _ in 0..3000 {
            let n = 1 + below(&mut rng, 30);
            check(&random_text(&mut rng, &alphabet, n));
        }
        // Characters of all kinds, assigned or not.
        for _ in 0..200 {
            let text: String = (0..100)
                .filter_map(|_| char::from_u32(below(&mut rng, 0x32000) as u32))
                .collect();
            check(&text);
        }
    }

    #[test]
    fn pieces_cut_no_word() {
        let mut rng = Stream::new(2, "words", &[]).at(0);
        let alphabet: Vec<char> = "   \n\t'sab1.é中\u{3000}".chars().collect();
        for _ in 0..1000 {
            let n = below(&mut rng, 60);
            let text = random_text(&mut rng, &alphabet, n);
            let whole: Vec<&str> = words(&text).collect();
            let cut: Vec<&str> = pieces(&text, 7).flat_map(words).collect();
            assert_eq!(cut, whole, "{text:?}");
        }
    }
}
