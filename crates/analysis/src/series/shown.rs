//! Names and cells as messages show them: never long, never many.

/// Characters of a name or a cell that are shown at most.
const LETTERS: usize = 40;
/// Names that are listed at most.
const NAMES: usize = 10;

/// A name or a cell on one line, cut where it is long.
pub fn short(text: &str) -> String {
    let plain = |letter: char| match letter {
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let mut short: String = text.chars().take(LETTERS).map(plain).collect();
    if text.chars().nth(LETTERS).is_some() {
        short.push('…');
    }
    short
}

/// Names after each other, the first few of many.
pub fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES).map(|n| short(n)).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_many_is_counted() {
        assert_eq!(short("loss"), "loss");
        assert_eq!(short("a\nb"), "a b");
        assert_eq!(short(&"é".repeat(41)), "é".repeat(40) + "…");
        let names: Vec<String> = (0..12).map(|i| format!("c{i}")).collect();
        assert_eq!(list(&names[..2]), "c0, c1");
        assert!(list(&names).ends_with("c9 and 2 more"), "{}", list(&names));
    }
}
