//! Text made safe for the place in the document where it goes.

use std::borrow::Cow;

/// Text for element content and for attribute values in double quotes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

/// JSON for the content of a `script` element of type `application/json`.
///
/// A script element ends at the first `</script`, and `<!--` changes how it is read, whatever JSON
/// says about quotes. Outside of strings JSON uses none of these characters, so writing them as
/// escapes changes no value. U+2028 and U+2029 end a line in older JavaScript.
pub(crate) fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_quotes_become_text() {
        assert_eq!(
            escape(r#"</script><b a="x" c='y'>&"#),
            "&lt;/script&gt;&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;"
        );
        assert!(matches!(escape("λ̂ at step 10"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_value_and_loses_its_markup() {
        let value = "</script><!--\u{2028}&\u{2029}\"\\";
        let json = serde_json::to_string(value).expect("a string is JSON");
        let safe = escape_json(&json);
        assert!(!safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        let back: String = serde_json::from_str(&safe).expect("still JSON");
        assert_eq!(back, value);
    }
}
