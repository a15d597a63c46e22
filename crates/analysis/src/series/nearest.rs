//! The column that was probably meant.

/// The candidate that takes the fewest insertions, deletions and replacements, if they are no more than a third of its
/// letters, or that begins or ends with what was typed.
pub(super) fn nearest<'a>(typed: &str, candidates: &'a [String]) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    let typed = plain(typed);
    let near = |candidate: &'a String| {
        let word = plain(candidate);
        let edits = edits(&typed, &word);
        let close = 3 * edits <= typed.chars().count().max(word.chars().count()).max(3);
        let part = word.starts_with(&typed) || word.ends_with(&typed);
        (close || part).then_some((edits, candidate.as_str()))
    };
    candidates
        .iter()
        .filter_map(near)
        .min()
        .map(|(_, name)| name)
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 1..=b.len() {
            let replaced = diagonal + usize::from(letter != b[j - 1]);
            diagonal = row[j];
            row[j] = replaced.min(row[j] + 1).min(row[j - 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_fetched() {
        let there: Vec<String> = ["step", "loss", "llc_mean", "llc_spread"]
            .map(String::from)
            .into();
        for (typed, meant) in [
            ("llc", Some("llc_mean")),
            ("Loss", Some("loss")),
            ("steps", Some("step")),
            ("llc-mean", Some("llc_mean")),
            ("accuracy", None),
        ] {
            assert_eq!(nearest(typed, &there), meant, "{typed}");
        }
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
