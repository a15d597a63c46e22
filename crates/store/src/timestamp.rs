//! Moments as text.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in UTC to the second, as RFC 3339 writes it: `2024-02-29T23:59:59Z`. Moments before
/// 1970 count as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days are counted from 1 March of year 0, so that a leap day ends its year; 400 years of the
    // Gregorian calendar are always 146 097 days.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March are 31, 30, 31, 30, 31 days, over and over: 153 days in five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Whether a text is a moment as [`rfc3339`] writes it; texts of that form sort by time. That the
/// day is one of the calendar is not checked.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:ddZ";
    text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_moments() {
        let check = |seconds, text: &str| {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_251_199, "2024-02-29T23:59:59Z");
        check(1_735_689_600, "2025-01-01T00:00:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
    }

    #[test]
    fn only_its_own_form_is_a_moment() {
        assert!(is_rfc3339(&rfc3339(SystemTime::now())));
        for wrong in [
            "",
            "not a time",
            "2024-02-29",
            "2024-02-29T23:59:59",
            "2024-02-29t23:59:59z",
        ] {
            assert!(!is_rfc3339(wrong), "{wrong}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let text = |day: u64| rfc3339(UNIX_EPOCH + Duration::from_secs(86_400 * day));
        // 400 years: a whole cycle of the calendar.
        for day in 1..146_098 {
            let (before, after) = (text(day - 1), text(day));
            assert!(before < after, "{before} {after}");
        }
        assert_eq!(text(146_097), "2370-01-01T00:00:00Z");
    }
}
