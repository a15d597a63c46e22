//! The word that was probably meant.

use std::cmp::Reverse;

/// Longer words, in bytes, are no slips of the finger, and comparing them takes long.
const LONGEST_SLIP: usize = 100;

/// The candidate nearest to `typed`, if it is near enough to be what was meant.
pub(super) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if typed.len() > LONGEST_SLIP {
        return None;
    }
    let typed = plain(typed);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let word = plain(candidate);
            let distance = edit_distance(&typed, &word);
            // `layers` for `n_layers` is further than a slip of the finger and still clear.
            let part = typed.len() >= 3 && (word.ends_with(&*typed) || word.starts_with(&*typed));
            let near = distance * 3 <= typed.len().max(word.len());
            let shared = typed.chars().zip(word.chars()).take_while(|(a, b)| a == b);
            // Of two that are as near, the one that begins alike.
            (near || part).then_some((distance, Reverse(shared.count()), candidate))
        })
        .min()
        .map(|(.., candidate)| candidate)
}

/// "`a`, `b` or `c`".
pub(super) fn any_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// Insertions, deletions, replacements and swaps of neighbours between two words
/// (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("lr", "lr", 0),
            ("n_layer", "n_layers", 1),
            ("steps", "setps", 1),
            ("kitten", "sitting", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn finds_what_was_meant_and_nothing_far_fetched() {
        let keys = [
            "d_head", "n_layers", "n_heads", "d_model", "lr", "lr_end", "steps",
        ];
        for (typed, meant) in [
            ("n_layer", Some("n_layers")),
            ("n_head", Some("n_heads")),
            ("layers", Some("n_layers")),
            ("d-model", Some("d_model")),
            ("D_Model", Some("d_model")),
            ("stpes", Some("steps")),
            ("zebra", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
    }
}
