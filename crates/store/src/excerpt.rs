//! Text from a file or a command line, as a message quotes it.

/// Characters that are shown of the beginning, where not all are.
const BEGINNING: usize = 60;
/// And of the end.
const END: usize = 20;

/// The text on one line and never long: its middle is left out, and what would break the line or
/// cannot be seen is written as an escape.
///
/// ```
/// use ontogeny_store::excerpt;
///
/// assert_eq!(excerpt("n_layer"), "n_layer");
/// assert_eq!(excerpt("a\nb"), "a\\nb");
/// assert_eq!(excerpt(&"é".repeat(100)), format!("{}…{}", "é".repeat(60), "é".repeat(20)));
/// ```
pub fn excerpt(text: &str) -> String {
    let plain = |text: &str| {
        let letters = text.chars().map(|letter| match letter.is_control() {
            true => letter.escape_default().to_string(),
            false => letter.to_string(),
        });
        letters.collect::<String>()
    };
    let after = |n: usize| text.char_indices().nth(n).map(|(at, _)| at);
    let end = text.char_indices().rev().nth(END - 1).map(|(at, _)| at);
    match (after(BEGINNING), after(BEGINNING + END), end) {
        (Some(beginning), Some(_), Some(end)) => {
            format!("{}…{}", plain(&text[..beginning]), plain(&text[end..]))
        }
        _ => plain(text),
    }
}

/// Bytes of a parser's message that are told whole.
const LONGEST_PROBLEM: usize = 400;

/// What a parser says, which may quote its input at any length.
pub fn shortened(problem: &str) -> String {
    match problem.len() > LONGEST_PROBLEM || problem.contains('\n') {
        true => excerpt(problem),
        false => problem.to_owned(),
    }
}
