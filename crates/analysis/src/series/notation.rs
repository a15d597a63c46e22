//! How numbers are written in a file: with which decimal mark, and with which marks between
//! thousands.
//!
//! `1.000` is one in one country and a thousand in the next. A single cell cannot tell, but a file
//! usually can: `0,0199` has a decimal comma, `1,234.5` a decimal point. What the whole file leaves
//! open is refused rather than guessed, except a decimal point in values, which is how programs
//! write numbers.

/// The mark before the decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Point,
    Comma,
}

/// What one text says of the notation of its file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Digits only, perhaps with an exponent, or with blanks, `_` or `'` between thousands: a
    /// number in any notation.
    Plain(f64),
    /// A number in this notation alone.
    Only(Mark, f64),
    /// `1.000` or `1,000`: one mark before three digits. With `mark` as decimal mark it is the
    /// first number, else the second.
    Either(Mark, f64, f64),
    /// No number.
    None,
}

/// The form of a trimmed, not empty text.
pub(super) fn form(text: &str) -> Form {
    let text = text.replace('\u{2212}', "-");
    if let (true, Ok(number)) = (!text.contains(['.', ',']), text.parse::<f64>()) {
        return Form::Plain(number);
    }
    let (sign, body) = match text.strip_prefix(['-', '+']) {
        Some(body) => (text.starts_with('-'), body),
        None => (false, text.as_str()),
    };
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',') {
        return Form::None;
    }
    let (digits, exponent) = match body.find(['e', 'E']) {
        Some(at) => body.split_at(at),
        None => (body, ""),
    };
    let value = |digits: &str| {
        let number = format!("{digits}{exponent}").parse::<f64>().ok()?;
        Some(if sign { -number } else { number })
    };
    let blank = |c: char| {
        matches!(
            c,
            ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '_' | '\'' | '’'
        )
    };
    let (whole, blanks) = match digits.find(blank) {
        Some(_) => match ungrouped(digits, blank) {
            Some(whole) => (whole, true),
            None => return Form::None,
        },
        None => (digits.to_owned(), false),
    };
    let count = |mark: char| whole.matches(mark).count();
    let of = |number: Option<f64>, mark: Mark| number.map_or(Form::None, |n| Form::Only(mark, n));
    match (count('.'), count(',')) {
        (0, 0) => value(&whole).map_or(Form::None, Form::Plain),
        (1, 0) | (0, 1) => {
            let (mark, sign) = if count('.') == 1 {
                (Mark::Point, '.')
            } else {
                (Mark::Comma, ',')
            };
            let decimal = value(&whole.replace(sign, "."));
            let group = ungrouped(&whole, |c| c == sign).filter(|_| !blanks && exponent.is_empty());
            match (decimal, group.and_then(|g| value(&g))) {
                (Some(decimal), Some(thousands)) => Form::Either(mark, decimal, thousands),
                (decimal, _) => of(decimal, mark),
            }
        }
        (_, 0) => of(
            ungrouped(&whole, |c| c == '.').and_then(|g| value(&g)),
            Mark::Comma,
        ),
        (0, _) => of(
            ungrouped(&whole, |c| c == ',').and_then(|g| value(&g)),
            Mark::Point,
        ),
        _ => {
            let (mark, own, other) = match whole.rfind('.') > whole.rfind(',') {
                true => (Mark::Point, '.', ','),
                false => (Mark::Comma, ',', '.'),
            };
            let Some((groups, decimals)) = whole.split_once(own) else {
                return Form::None;
            };
            let groups = ungrouped(groups, |c| c == other);
            let number = groups.and_then(|groups| value(&format!("{groups}.{decimals}")));
            of(number, mark)
        }
    }
}

/// Digits with the marks between thousands taken out, if that is where they stand: up to three
/// digits that do not begin with 0, then three after each mark. Decimals may follow the last group.
fn ungrouped(text: &str, is_mark: impl Fn(char) -> bool) -> Option<String> {
    let (groups, decimals) = match text.find(['.', ',']) {
        Some(at) if !is_mark(text[at..].chars().next()?) => text.split_at(at),
        _ => (text, ""),
    };
    let groups: Vec<&str> = groups.split(&is_mark).collect();
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let (first, rest) = groups.split_first()?;
    let fine = digits(first)
        && first.len() <= 3
        && !first.starts_with('0')
        && rest.iter().all(|group| digits(group) && group.len() == 3);
    fine.then(|| groups.concat() + decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        use Mark::{Comma, Point};
        for (text, expected) in [
            ("12", Form::Plain(12.0)),
            ("1e3", Form::Plain(1000.0)),
            ("-7", Form::Plain(-7.0)),
            ("\u{2212}7", Form::Plain(-7.0)),
            ("0.5", Form::Only(Point, 0.5)),
            (".5", Form::Only(Point, 0.5)),
            ("0.500", Form::Only(Point, 0.5)),
            ("0,0199", Form::Only(Comma, 0.0199)),
            ("1.000", Form::Either(Point, 1.0, 1000.0)),
            ("-1,250", Form::Either(Comma, -1.25, -1250.0)),
            ("1.0", Form::Only(Point, 1.0)),
            ("1000.000", Form::Only(Point, 1000.0)),
            ("1.000e3", Form::Only(Point, 1000.0)),
            ("1.000.000", Form::Only(Comma, 1e6)),
            ("1,000,000", Form::Only(Point, 1e6)),
            ("1,234.5", Form::Only(Point, 1234.5)),
            ("1.234,5", Form::Only(Comma, 1234.5)),
            ("1 000", Form::Plain(1000.0)),
            ("1\u{202f}000\u{202f}000", Form::Plain(1e6)),
            ("12_000", Form::Plain(12000.0)),
            ("1'000.5", Form::Only(Point, 1000.5)),
            ("1 000,5", Form::Only(Comma, 1000.5)),
        ] {
            assert_eq!(form(text), expected, "{text}");
        }
        for text in [
            "high",
            "1k",
            "1.2.3",
            "1,00,00",
            "1,2,3.4",
            "12 34",
            "0.000.001",
            "1_0",
            ".",
            "-",
            "e5",
            "1,2.3,4",
            "2024-01-01",
            "1.000,000,5",
            "5%",
        ] {
            assert_eq!(form(text), Form::None, "{text}");
        }
    }
}
