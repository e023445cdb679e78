//! Points in time in certificates and CRLs (RFC 5280 section 4.1.2.5).

use ::time::{Date, Month, OffsetDateTime, Time};

use super::der::{DerError, Reader, Result, Value, tag};

/// A time, and whether it is written in the form that RFC 5280 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    pub(crate) at: OffsetDateTime,
    /// UTCTime through 2049 and GeneralizedTime from 2050 on; whoever issues certificates and CRLs is bound to it, and
    /// whoever reads them must understand both (RFC 5280 section 4.1.2.5).
    pub(crate) form_is_right: bool,
    /// RFC 5280 section 4.1.2.5.1: the seconds are always written.
    pub(crate) has_seconds: bool,
}

/// The next value, which must be a UTCTime or a GeneralizedTime.
pub(crate) fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Timestamp> {
    from_value(reader.any(what)?, what)
}

pub(crate) fn from_value(value: Value<'_>, what: &'static str) -> Result<Timestamp> {
    let broken = DerError::new(what, "is not a time in UTC without fractions of a second");
    let digits = value.content.strip_suffix(b"Z").ok_or(broken)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(broken);
    }
    let number = |from: usize, to: usize| {
        digits[from..to]
            .iter()
            .fold(0u16, |n, d| n * 10 + u16::from(d - b'0'))
    };
    let (year, rest) = match (value.tag, digits.len()) {
        // RFC 5280 section 4.1.2.5.1: 50 and above is 19YY.
        (tag::UTC_TIME, 10 | 12) => (
            if number(0, 2) >= 50 {
                1900 + number(0, 2)
            } else {
                2000 + number(0, 2)
            },
            2,
        ),
        (tag::GENERALIZED_TIME, 14) => (number(0, 4), 4),
        (tag::UTC_TIME | tag::GENERALIZED_TIME, _) => return Err(broken),
        _ => {
            return Err(DerError::new(
                what,
                "is neither a UTCTime nor a GeneralizedTime",
            ));
        }
    };
    let two = |n: usize| u8::try_from(number(rest + 2 * n, rest + 2 * n + 2)).unwrap_or(u8::MAX);
    let impossible = |_| DerError::new(what, "is not a date that exists");
    let date = Date::from_calendar_date(
        i32::from(year),
        Month::try_from(two(0)).map_err(impossible)?,
        two(1),
    )
    .map_err(impossible)?;
    // Old certificates leave the seconds out, which X.690 section 11.8.2 forbids.
    let has_seconds = digits.len() > 10;
    let seconds = if has_seconds { two(4) } else { 0 };
    let time = Time::from_hms(two(2), two(3), seconds).map_err(impossible)?;
    Ok(Timestamp {
        at: OffsetDateTime::new_utc(date, time),
        form_is_right: (value.tag == tag::GENERALIZED_TIME) == (year >= 2050),
        has_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(tag: u8, content: &str) -> Result<Timestamp> {
        from_value(
            Value {
                tag,
                content: content.as_bytes(),
                raw: &[],
            },
            "it",
        )
    }

    #[test]
    fn the_century_of_a_utc_time_turns_at_fifty() {
        for (content, year) in [
            ("491231235959Z", 2049),
            ("500101000000Z", 1950),
            ("000229000000Z", 2000),
        ] {
            assert_eq!(parse(tag::UTC_TIME, content).map(|t| t.at.year()), Ok(year));
        }
    }

    #[test]
    fn the_form_is_right_when_it_changes_at_2050() {
        for (tag, content, right) in [
            (tag::UTC_TIME, "491231235959Z", true),
            (tag::GENERALIZED_TIME, "20491231235959Z", false),
            (tag::GENERALIZED_TIME, "20500101000000Z", true),
            (tag::UTC_TIME, "500101000000Z", true),
        ] {
            assert_eq!(
                parse(tag, content).map(|t| (t.form_is_right, t.has_seconds)),
                Ok((right, true)),
                "{content}"
            );
        }
        assert_eq!(
            parse(tag::UTC_TIME, "4912312359Z").map(|t| t.has_seconds),
            Ok(false)
        );
    }

    #[test]
    fn times_with_fractions_offsets_and_impossible_dates_are_refused() {
        for (tag, content) in [
            (tag::UTC_TIME, "49123123595Z"),
            (tag::UTC_TIME, "491231235959+0000"),
            (tag::UTC_TIME, "491231235959"),
            (tag::GENERALIZED_TIME, "20500101000000.5Z"),
            (tag::GENERALIZED_TIME, "20500230000000Z"),
            (tag::GENERALIZED_TIME, "20501301000000Z"),
            (tag::UTC_TIME, "490101240000Z"),
            (tag::UTC_TIME, "49-101000000Z"),
            (tag::UTC_TIME, ""),
            (tag::INTEGER, "491231235959Z"),
        ] {
            assert!(parse(tag, content).is_err(), "{content}");
        }
    }
}
