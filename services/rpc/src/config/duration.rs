//! Lengths of time as people write them: `"1s"`, `"250ms"`, `"5m"`, `"1h"`. For `#[serde(with = "…")]`.
//!
//! A number without a unit is refused, because half of its readers take it for seconds and half for milliseconds.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, de};

/// Reads one.
///
/// # Errors
/// When it is no whole number followed by `ms`, `s`, `m` or `h`, or longer than a century.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError {
        text: text.to_owned(),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(error()),
    };
    number
        .checked_mul(milliseconds)
        .filter(|length| *length <= CENTURY)
        .map(Duration::from_millis)
        .ok_or_else(error)
}

/// In milliseconds. Beyond it, instants overflow on some systems.
const CENTURY: u64 = 100 * 366 * 24 * 3_600_000;

/// Not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a length of time; write a whole number and a unit, such as 250ms, 1s, 5m or 1h"
)]
pub struct DurationError {
    text: String,
}

/// For `#[serde(with = "…")]`.
///
/// # Errors
/// Those of [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_needs_a_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        for bad in [
            "",
            "1",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1S",
            "1d",
            "999999999h",
            "99999999999999999999s",
        ] {
            assert!(parse(bad).is_err(), "{bad:?} was read");
        }
    }
}
