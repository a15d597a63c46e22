//! Numbers as the page writes them.

/// Stands where a figure is missing.
pub(crate) const MISSING: &str = "–";

/// A count in at most four characters or so: `12`, `800`, `1.3k`, `65.5M`.
pub(crate) fn compact(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let size = value.abs();
    // The bounds are where rounding would reach the next unit.
    let (scaled, unit) = if size < 999.5 {
        return format!("{value:.0}");
    } else if size < 999_500.0 {
        (value / 1e3, "k")
    } else if size < 999_500_000.0 {
        (value / 1e6, "M")
    } else {
        (value / 1e9, "G")
    };
    let digits = usize::from(scaled.abs() < 99.95);
    let text = format!("{scaled:.digits$}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A figure with three significant digits, without a leading sign for positive ones.
pub(crate) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let size = value.abs();
    let digits = match size {
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.0995 || size == 0.0 => 2,
        _ => 3,
    };
    with_minus(&format!("{value:.digits$}"))
}

/// A change: as [`figure`], always with its sign.
pub(crate) fn change(value: f64) -> String {
    let text = figure(value);
    if value > 0.0 && value.is_finite() {
        format!("+{text}")
    } else {
        text
    }
}

/// A share such as an attention score: two decimals, which is about what it is known to.
pub(crate) fn share(value: f64) -> String {
    if value.is_finite() {
        with_minus(&format!("{value:.2}"))
    } else {
        MISSING.to_owned()
    }
}

/// A small setting such as a step size: `0.0003` as `3e-4`, larger ones plainly.
pub(crate) fn setting(value: f64) -> String {
    if !value.is_finite() {
        MISSING.to_owned()
    } else if value != 0.0 && value.abs() < 0.01 {
        with_minus(&format!("{value:e}"))
    } else {
        with_minus(&format!("{value}"))
    }
}

/// A figure that may be far below one: as [`figure`], and `0.00032` as `3.2e−4`.
pub(crate) fn small(value: f64) -> String {
    if value.is_finite() && value != 0.0 && value.abs() < 0.01 {
        with_minus(&format!("{value:.1e}"))
    } else {
        figure(value)
    }
}

/// A duration: `8.4 s`, `3 min 7 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return MISSING.to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    if whole < 60.0 {
        format!("{whole:.0} s")
    } else if whole < 3600.0 {
        format!("{:.0} min {:.0} s", (whole / 60.0).floor(), whole % 60.0)
    } else {
        let minutes = (whole / 60.0).round();
        format!(
            "{:.0} h {:.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    }
}

/// A moment in UTC to the minute; text that is not RFC 3339 in UTC is kept as it is.
pub(crate) fn moment(created: &str) -> String {
    let parts = created
        .split_once('T')
        .and_then(|(day, time)| Some((day, time.strip_suffix('Z')?)));
    match parts {
        Some((day, time)) if time.len() >= 5 && time.is_char_boundary(5) => {
            format!("{day} {} UTC", &time[..5])
        }
        _ => created.to_owned(),
    }
}

/// A count with its thousands apart: `65 536`, the spaces narrow and unbreakable.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A real minus sign instead of the hyphen, and no negative zero.
fn with_minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{}", rest.replace('-', "−")),
        None => text.replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_and_never_round_into_the_wrong_unit() {
        for (value, text) in [
            (0.0, "0"),
            (12.4, "12"),
            (999.4, "999"),
            (999.6, "1k"),
            (1_340.0, "1.3k"),
            (99_940.0, "99.9k"),
            (143_000.0, "143k"),
            (999_499.0, "999k"),
            (999_501.0, "1M"),
            (65_536_000.0, "65.5M"),
            (f64::NAN, MISSING),
        ] {
            assert_eq!(compact(value), text, "{value}");
        }
    }

    #[test]
    fn figures_have_three_digits_and_a_real_minus() {
        for (value, text) in [
            (0.0, "0.00"),
            (-2.333, "−2.33"),
            (0.0123, "0.012"),
            (26.44, "26.4"),
            (149.2, "149"),
            (-0.0001, "0.000"),
            (f64::INFINITY, MISSING),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
        assert_eq!(share(0.0831), "0.08");
        assert_eq!(share(f64::NAN), MISSING);
        assert_eq!(change(22.5), "+22.5");
        assert_eq!(change(-0.183), "−0.18");
        assert_eq!(change(f64::INFINITY), MISSING);
    }

    #[test]
    fn settings_durations_and_groups() {
        assert_eq!(setting(3e-4), "3e−4");
        assert_eq!(setting(100.0), "100");
        assert_eq!(small(0.000_321), "3.2e−4");
        assert_eq!(small(0.106), "0.11");
        assert_eq!(small(0.0), "0.00");
        assert_eq!(duration(8.44), "8.4 s");
        assert_eq!(duration(59.7), "1 min 0 s");
        assert_eq!(duration(187.0), "3 min 7 s");
        assert_eq!(duration(7_199.9), "2 h 0 min");
        assert_eq!(grouped(8_192_000), "8\u{202f}192\u{202f}000");
        assert_eq!(grouped(640), "640");
        assert_eq!(moment("2025-11-22T17:30:05.2Z"), "2025-11-22 17:30 UTC");
        assert_eq!(moment("a Tuesday"), "a Tuesday");
    }
}
