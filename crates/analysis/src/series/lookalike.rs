//! Names that are the same to a reader: whether a column is the one that was asked for, which one
//! was probably meant, and in what two names differ that look alike.

use unicode_normalization_alignments::UnicodeNormalization;

use ontogeny_store::excerpt;

/// Whether two names are spelled alike. An é may be one character or two (NFC and NFD): files of
/// one system have it this way, keyboards of another that way, and no reader sees which.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || (!(a.is_ascii() && b.is_ascii()) && composed(a) == composed(b))
}

fn composed(name: &str) -> String {
    name.nfc().map(|(letter, _)| letter).collect()
}

/// `(did you mean …?)` with the column that was probably meant and in what it differs, where that
/// is hard to see; else nothing.
pub(super) fn meant(typed: &str, columns: &[String]) -> String {
    let alike = columns
        .iter()
        .find_map(|c| Some((c, difference(typed, c)?)));
    if let Some((column, difference)) = alike {
        return format!(" (did you mean `{}`? {difference})", excerpt(column));
    }
    match nearest(typed, columns) {
        Some(column) => format!(" (did you mean `{}`?)", excerpt(column)),
        None => String::new(),
    }
}

/// In what two names differ that look alike; `None` if anybody sees it, or if they do not differ.
fn difference(typed: &str, column: &str) -> Option<String> {
    if typed == column {
        return None;
    }
    let spaces = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
    let seen = |name: &str| {
        name.chars()
            .filter(|c| !is_invisible(*c))
            .collect::<String>()
    };
    let unquoted = |name: &str| seen(name).replace(['"', '\'', '`', '“', '”', '‘', '’'], "");
    let compatible = |name: &str| name.nfkc().map(|(letter, _)| letter).collect::<String>();
    let code = |letter: char| format!("U+{:04X}", u32::from(letter));
    if typed.trim() == column.trim() {
        return Some("it has spaces at its ends".to_owned());
    }
    if spaces(typed) == spaces(column) {
        let odd = |name: &str| name.chars().find(|c| c.is_whitespace() && *c != ' ');
        return Some(match odd(column).or_else(|| odd(typed)) {
            Some(space) => format!("they differ in the kind of space: {}", code(space)),
            None => "they differ in the number of spaces".to_owned(),
        });
    }
    if spaces(&seen(typed)) == spaces(&seen(column)) {
        let hidden = [column, typed]
            .iter()
            .find_map(|n| n.chars().find(|c| is_invisible(*c)));
        let hidden = hidden.map_or(String::new(), |c| format!(" {}", code(c)));
        return Some(format!("they differ in an invisible character{hidden}"));
    }
    if spaces(&unquoted(typed)) == spaces(&unquoted(column)) {
        return Some("they differ in quotes".to_owned());
    }
    if compatible(typed) == compatible(column) {
        return Some("they differ in the form of their letters (Unicode NFKC)".to_owned());
    }
    if typed.to_lowercase() == column.to_lowercase() {
        return Some("they differ in capitals".to_owned());
    }
    if skeleton(typed) == skeleton(column) {
        let pairs = typed.chars().zip(column.chars());
        let differing = pairs.into_iter().find(|(a, b)| a != b);
        return Some(match differing {
            Some((a, b)) => format!("its `{b}` is {}, yours is {}", code(b), code(a)),
            None => "some letters are of another alphabet".to_owned(),
        });
    }
    None
}

/// Characters that take no place: joiners, marks of direction, soft hyphens, byte order marks.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A name with Cyrillic and Greek letters replaced by the Latin ones that look the same.
fn skeleton(name: &str) -> String {
    let latin = |letter: char| match letter {
        'а' | 'α' => 'a',
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'с' | 'ϲ' => 'c',
        'С' => 'C',
        'е' => 'e',
        'Е' | 'Ε' => 'E',
        'Н' | 'Η' => 'H',
        'і' | 'ι' => 'i',
        'І' | 'Ι' => 'I',
        'ј' => 'j',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'Ν' => 'N',
        'о' | 'ο' => 'o',
        'О' | 'Ο' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' => 'P',
        'ѕ' => 's',
        'Т' | 'Τ' => 'T',
        'ν' => 'v',
        'х' | 'χ' => 'x',
        'Х' | 'Χ' => 'X',
        'у' | 'γ' => 'y',
        '‐' | '‑' | '–' | '—' | '−' => '-',
        other => other,
    };
    name.chars().map(latin).collect()
}

/// The candidate that takes the fewest insertions, deletions and replacements, if they are no more
/// than a third of its letters, or that begins or ends with what was typed.
fn nearest<'a>(typed: &str, candidates: &'a [String]) -> Option<&'a str> {
    let plain = |word: &str| composed(word).to_lowercase().replace('-', "_");
    let typed = plain(typed);
    let near = |candidate: &'a String| {
        // A name of thousands of letters is nobody's slip, and costs their square.
        if candidate.len() > 400 || typed.len() > 400 {
            return None;
        }
        let word = plain(candidate);
        let edits = edits(&typed, &word);
        let close = 3 * edits <= typed.chars().count().max(word.chars().count()).max(3);
        let part = !typed.is_empty() && (word.starts_with(&typed) || word.ends_with(&typed));
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

    #[test]
    fn letters_of_one_character_or_two_are_the_same() {
        assert!(same("perte validée", "perte valide\u{301}e"));
        assert!(same("loss", "loss"));
        assert!(!same("loss", "Loss"));
        assert!(!same("é", "e"));
    }

    #[test]
    fn what_looks_alike_is_told_apart() {
        for (typed, column, word) in [
            ("loss", "loss ", "spaces at its ends"),
            ("val loss", "val\u{a0}loss", "U+00A0"),
            ("val loss", "val  loss", "number of spaces"),
            ("loss", "lo\u{200b}ss", "U+200B"),
            ("loss", "'loss'", "quotes"),
            ("loss", "Loss", "capitals"),
            ("loss", "ｌoss", "NFKC"),
            ("loss", "lоss", "U+043E"),
            ("val-loss", "val–loss", "U+2013"),
        ] {
            let told = meant(typed, &["step".to_owned(), column.to_owned()]);
            assert!(
                told.contains("did you mean") && told.contains(word),
                "{column}: {told}"
            );
        }
        assert_eq!(
            meant("lss", &["loss".to_owned()]),
            " (did you mean `loss`?)"
        );
        assert_eq!(meant("accuracy", &["loss".to_owned()]), "");
    }
}
