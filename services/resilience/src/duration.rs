//! Durations as people write them in configuration: `"250ms"`, `"1s"`, `"1.5s"`, `"1m30s"`.
//!
//! Units are `ns`, `us`, `ms`, `s`, `m` and `h`. A number without a unit is refused: `timeout = 4` once meant four
//! nanoseconds to somebody. Use the module with serde's `with`:
//!
//! ```
//! use std::time::Duration;
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     #[serde(with = "resilience::duration")]
//!     timeout: Duration,
//!     #[serde(default, with = "resilience::duration::option")]
//!     pause: Option<Duration>,
//! }
//!
//! let settings: Settings = serde_json::from_str(r#"{ "timeout": "250ms" }"#)?;
//! assert_eq!(settings.timeout, Duration::from_millis(250));
//! assert_eq!(settings.pause, None);
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer};

/// Reads `"250ms"`, `"1.5s"` or `"1m30s"`.
///
/// # Errors
///
/// When the text is not a sequence of numbers with units, or does not fit a [`Duration`].
pub fn parse(text: &str) -> Result<Duration, ParseDurationError> {
    let refuse = || ParseDurationError { text: text.into() };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, after) = split_where(after, |c| !c.is_ascii_alphabetic());
        let nanos_per_unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(refuse()),
        };
        let part = scaled(number, nanos_per_unit).ok_or_else(refuse)?;
        total = total.checked_add(part).ok_or_else(refuse)?;
        rest = after;
    }
    Ok(total)
}

/// Writes a duration in the form that [`parse`] reads, with the largest unit that leaves no fraction.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (unit, name) = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ]
    .into_iter()
    .find(|(unit, _)| nanos != 0 && nanos.is_multiple_of(*unit))
    .unwrap_or((1, if nanos == 0 { "s" } else { "ns" }));
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write!(text, "{}{name}", nanos / unit);
    text
}

/// For serde's `with` on a [`Duration`].
///
/// # Errors
///
/// As the serializer says.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For serde's `with` on a [`Duration`].
///
/// # Errors
///
/// When the value is not a text that [`parse`] reads.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The same for `Option<Duration>`; give the field `#[serde(default)]` too, so that it may be absent.
pub mod option {
    use super::{Deserializer, Duration, Serializer};
    use serde::Deserialize as _;

    /// For serde's `with` on an `Option<Duration>`.
    ///
    /// # Errors
    ///
    /// As the serializer says.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// For serde's `with` on an `Option<Duration>`.
    ///
    /// # Errors
    ///
    /// When the value is neither null nor a text that [`parse`](super::parse) reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| super::parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a duration: write a number and a unit (ns, us, ms, s, m or h), such as \"250ms\", \"1.5s\" or \"1m30s\""
)]
pub struct ParseDurationError {
    text: String,
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// `number` times a unit, exactly: no floating point, so that "0.1s" is 100 ms and nothing else. Digits finer than a
/// nanosecond are cut off.
fn scaled(number: &str, nanos_per_unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut nanos = u128::from(whole) * u128::from(nanos_per_unit);
    let mut place = u128::from(nanos_per_unit);
    for digit in fraction.bytes() {
        place /= 10;
        nanos += u128::from(digit - b'0') * place;
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let subsecond = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, subsecond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_people_mean_them() {
        for (text, nanos) in [
            ("250ms", 250_000_000),
            ("1s", 1_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0.1s", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("2h", 7_200_000_000_000),
            ("15us", 15_000),
            ("7ns", 7),
            ("0s", 0),
            (" 3s ", 3_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_and_other_nonsense_is_refused_by_name() {
        for text in [
            "",
            "4",
            "s",
            "1.s",
            ".5s",
            "1.2.3s",
            "-1s",
            "1 s",
            "1d",
            "99999999999999999999h",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back_unchanged(nanos in proptest::prelude::any::<u64>()) {
            let duration = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
