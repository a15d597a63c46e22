//! Lists of names as messages show them.

use ontogeny_store::excerpt;

/// Names that are listed at most.
const NAMES: usize = 10;

/// Names after each other, the first few of many.
pub fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES).map(|n| excerpt(n)).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_many_is_counted() {
        let names: Vec<String> = (0..12).map(|i| format!("c{i}")).collect();
        assert_eq!(list(&names[..2]), "c0, c1");
        assert!(list(&names).ends_with("c9 and 2 more"), "{}", list(&names));
    }
}
