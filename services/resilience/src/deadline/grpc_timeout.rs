//! The `grpc-timeout` header: one to eight ASCII digits and a unit (PROTOCOL-HTTP2, "Timeout").
//!
//! Reading is strict (D1): a header that is not exactly that is an error, never "no deadline". Writing rounds down (D2):
//! the encoded value is never more than what is left, so that no chain of calls can gain time.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The name of the header.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The longest timeout that [`decode`] returns, about 292 years: what fits 63 bits of nanoseconds. Longer ones are
/// clamped to it.
pub const MAX: Duration = Duration::from_nanos(i64::MAX as u64);

/// The largest number that eight digits can hold.
const MAX_DIGITS: u128 = 99_999_999;

/// Each unit's nanoseconds and letter, finest first.
const UNITS: [(u64, u8); 6] = [
    (1, b'n'),
    (1_000, b'u'),
    (1_000_000, b'm'),
    (1_000_000_000, b'S'),
    (60_000_000_000, b'M'),
    (3_600_000_000_000, b'H'),
];

/// A timeout as it stands on the wire: its text, and the length that the text says, which can be a little less than what
/// was asked for. Use [`Encoded::duration`] for the local timer, so that both ends count the same time (D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    text: [u8; 9],
    length: u8,
    duration: Duration,
}

/// Encodes in the finest unit that fits eight digits, rounded down (D2). What is longer than 99,999,999 hours is encoded
/// as that.
pub fn encode(timeout: Duration) -> Encoded {
    let nanos = timeout.as_nanos();
    let (unit, letter) = UNITS
        .into_iter()
        .find(|(unit, _)| nanos / u128::from(*unit) <= MAX_DIGITS)
        .unwrap_or((3_600_000_000_000, b'H'));
    let number = (nanos / u128::from(unit)).min(MAX_DIGITS);
    let rounded = number * u128::from(unit);

    let mut text = [0; 9];
    let mut length: u8 = 0;
    let mut place = 10_000_000;
    while place > 0 {
        let digit = number / place % 10;
        if digit != 0 || length > 0 || place == 1 {
            text[usize::from(length)] = b'0' + u8::try_from(digit).unwrap_or(0);
            length += 1;
        }
        place /= 10;
    }
    text[usize::from(length)] = letter;
    Encoded {
        text,
        length: length + 1,
        duration: Duration::new(
            u64::try_from(rounded / 1_000_000_000).unwrap_or(u64::MAX),
            u32::try_from(rounded % 1_000_000_000).unwrap_or(0),
        ),
    }
}

/// Decodes one value. Zero is a valid timeout: it has passed.
///
/// # Errors
///
/// When the value is not one to eight digits and a unit.
pub fn decode(value: &[u8]) -> Result<Duration, MalformedTimeout> {
    let malformed = || MalformedTimeout {
        value: String::from_utf8_lossy(value).chars().take(32).collect(),
    };
    let (letter, digits) = value.split_last().ok_or_else(malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let (unit, _) = UNITS
        .into_iter()
        .find(|(_, name)| name == letter)
        .ok_or_else(malformed)?;
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    // At most 99,999,999 hours: that overflows 64 bits of nanoseconds, hence the saturation to MAX.
    Ok(Duration::from_nanos(number.saturating_mul(unit)).min(MAX))
}

/// Reads the header of a request: `None` when there is none.
///
/// # Errors
///
/// When it is malformed, or there is more than one: which of two to believe is not for us to guess.
pub fn from_headers(headers: &HeaderMap) -> Result<Option<Duration>, MalformedTimeout> {
    let mut values = headers.get_all(&GRPC_TIMEOUT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => decode(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(MalformedTimeout {
            value: "more than one value".into(),
        }),
    }
}

/// A `grpc-timeout` that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "malformed grpc-timeout {value:?}: it is one to eight digits and one of H, M, S, m, u, n, such as \"1500m\""
)]
pub struct MalformedTimeout {
    value: String,
}

// === impl Encoded ===

impl Encoded {
    /// The text, such as `123456u`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    /// The length that the text says.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether nothing is left: such a call is answered here and not sent (D3).
    pub fn is_zero(&self) -> bool {
        self.duration.is_zero()
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        // Digits and a letter are always a valid header value.
        if let Ok(value) = HeaderValue::from_bytes(self.as_bytes()) {
            headers.insert(GRPC_TIMEOUT, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: u64 = 1_000;
    const MILLI: u64 = 1_000_000;
    const SECOND: u64 = 1_000_000_000;
    const MINUTE: u64 = 60 * SECOND;

    /// grpc-go's encoding vectors, rounded down instead of up.
    #[test]
    fn d2_the_finest_unit_that_fits_eight_digits_rounded_down() {
        for (nanos, text) in [
            (0, "0n"),
            (1, "1n"),
            (12_345_678, "12345678n"),
            (123_456_789, "123456u"),
            (123_456_789 * MICRO, "123456m"),
            (123_456_789 * MILLI, "123456S"),
            (123_456_789 * SECOND, "2057613M"),
            (100_000_999, "100000u"),
            (500 * MILLI, "500000u"),
            (30 * SECOND, "30000000u"),
            (60 * MINUTE, "3600000m"),
        ] {
            let encoded = encode(Duration::from_nanos(nanos));
            assert_eq!(
                String::from_utf8_lossy(encoded.as_bytes()),
                text,
                "{nanos} ns"
            );
        }
        let minutes = Duration::from_secs(123_456_789 * 60);
        assert_eq!(encode(minutes).as_bytes(), b"2057613H");
        assert_eq!(encode(Duration::MAX).as_bytes(), b"99999999H");
    }

    #[test]
    fn d1_well_formed_values_are_read() {
        for (text, duration) in [
            ("00000001n", Duration::from_nanos(1)),
            ("10u", Duration::from_micros(10)),
            ("00000010m", Duration::from_millis(10)),
            ("1234S", Duration::from_secs(1234)),
            ("00000001M", Duration::from_secs(60)),
            ("09999999S", Duration::from_secs(9_999_999)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("99999999M", Duration::from_secs(99_999_999 * 60)),
            ("2562047H", Duration::from_secs(2_562_047 * 3600)),
            ("0S", Duration::ZERO),
            ("00000000S", Duration::ZERO),
            ("2562048H", MAX),
            ("99999999H", MAX),
        ] {
            assert_eq!(decode(text.as_bytes()), Ok(duration), "{text}");
        }
    }

    #[test]
    fn d1_malformed_values_are_errors_and_never_mean_infinite() {
        for text in [
            "",
            "1",
            "1234",
            "-1S",
            "1234x",
            "1234s",
            "9a1S",
            "000000000S",
            "123456789S",
            "18f6n",
            "S",
            " 1S",
            "1S ",
            "+1S",
            "1 S",
        ] {
            assert!(decode(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn d1_two_headers_are_malformed_as_well() {
        let mut headers = HeaderMap::new();
        assert_eq!(from_headers(&headers), Ok(None));
        headers.append(GRPC_TIMEOUT, HeaderValue::from_static("1S"));
        assert_eq!(from_headers(&headers), Ok(Some(Duration::from_secs(1))));
        headers.append(GRPC_TIMEOUT, HeaderValue::from_static("2S"));
        assert!(from_headers(&headers).is_err());
    }

    proptest::proptest! {
        #[test]
        fn d2_a_round_trip_never_gains_time_and_loses_little(nanos in 0..i64::MAX as u64) {
            let asked = Duration::from_nanos(nanos);
            let encoded = encode(asked);
            let read = decode(encoded.as_bytes()).expect("what is encoded is well formed");
            proptest::prop_assert_eq!(read, encoded.duration());
            proptest::prop_assert!(read <= asked);
            // Of eight digits at least six are significant before a coarser unit is taken (minutes to hours: 1/60).
            proptest::prop_assert!(asked - read <= asked / 100_000);
        }

        #[test]
        fn d1_no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..16)) {
            let _ = decode(&bytes);
        }
    }
}
