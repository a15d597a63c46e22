//! Reading a page back.

use serde_json::Value;

/// Leaves a page in the target folder, to be looked at in a browser.
pub(crate) fn keep(name: &str, page: &str) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(path, page).expect("the target folder can be written");
}

/// The embedded data, found as a browser finds it: up to the first end of a script element.
pub(crate) fn data(page: &str) -> Value {
    let opening = "<script type=\"application/json\" id=\"ontogeny-data\">";
    let start = page.find(opening).expect("the page holds its data") + opening.len();
    let end = start + page[start..].find("</script").expect("the data end");
    serde_json::from_str(&page[start..end]).expect("the data are JSON")
}

/// The page between two of its landmarks; empty if one of them is not there.
pub(crate) fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let start = page.find(from).unwrap_or(page.len());
    let length = page[start..].find(to).unwrap_or(0);
    &page[start..start + length]
}

/// The text of some HTML, tags turned into single spaces.
pub(crate) fn text(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => (inside, text) = (true, text + " "),
            '>' => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
