//! What is left of a validity (RFC 5280 §4.1.2.5): one number, whoever tells it.

use time::OffsetDateTime;

/// Whole days until `end`, downwards: with an hour left there are 0, an hour after the end -1.
pub fn days_left(end: OffsetDateTime, now: OffsetDateTime) -> i64 {
    const DAY: i128 = 24 * 60 * 60 * 1_000_000_000;
    let days = (end - now).whole_nanoseconds().div_euclid(DAY);
    // The calendar ends before the numbers do.
    i64::try_from(days).unwrap_or_default()
}

/// The same for a sentence: `in 3 days`, or the hours of the last one.
pub(crate) fn in_days(end: OffsetDateTime, now: OffsetDateTime) -> String {
    match days_left(end, now) {
        ..=0 => match (end - now).whole_hours() {
            1 => "in 1 hour".to_owned(),
            hours => format!("in {hours} hours"),
        },
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const END: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    #[test]
    fn days_are_counted_downwards_on_both_sides_of_the_end() {
        let day = Duration::DAY;
        for (left, expected) in [
            (2 * day, 2),
            (2 * day - Duration::NANOSECOND, 1),
            (day, 1),
            (day - Duration::MILLISECOND, 0),
            (Duration::ZERO, 0),
            (-Duration::NANOSECOND, -1),
            (-day, -1),
            (-day - Duration::NANOSECOND, -2),
        ] {
            assert_eq!(days_left(END, END - left), expected, "{left}");
        }
    }

    #[test]
    fn the_last_day_is_told_in_hours() {
        for (left, expected) in [
            (Duration::days(2), "in 2 days"),
            (Duration::hours(47), "in 1 day"),
            (Duration::hours(23), "in 23 hours"),
            (Duration::minutes(90), "in 1 hour"),
            (Duration::ZERO, "in 0 hours"),
        ] {
            assert_eq!(in_days(END, END - left), expected);
        }
    }
}
