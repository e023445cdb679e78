//! The server's own word on retries: the trailer `grpc-retry-pushback-ms` (gRFC A6).

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// The name of the trailer.
pub const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushback {
    /// Nothing.
    Absent,
    /// Retry after exactly this time (P1).
    After(Duration),
    /// Do not retry: the value is negative, no number, empty, or not alone (P2).
    Stop,
}

// === impl Pushback ===

impl Pushback {
    /// Reads headers (of a Trailers-Only response) or trailers.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(&GRPC_RETRY_PUSHBACK_MS).iter();
        let (Some(value), rest) = (values.next(), values.next()) else {
            return Self::Absent;
        };
        let millis = value
            .to_str()
            .ok()
            .filter(|_| rest.is_none())
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<i32>().ok())
            .and_then(|millis| u64::try_from(millis).ok());
        millis.map_or(Self::Stop, |millis| {
            Self::After(Duration::from_millis(millis))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(values: &[&'static str]) -> Pushback {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(GRPC_RETRY_PUSHBACK_MS, HeaderValue::from_static(value));
        }
        Pushback::from_headers(&headers)
    }

    #[test]
    fn p1_a_number_of_milliseconds_is_a_time_to_wait() {
        assert_eq!(read(&[]), Pushback::Absent);
        for (text, millis) in [("0", 0), ("123", 123), ("2147483647", 2_147_483_647)] {
            assert_eq!(
                read(&[text]),
                Pushback::After(Duration::from_millis(millis))
            );
        }
    }

    #[test]
    fn p2_anything_else_means_stop() {
        for values in [
            &["-1"][..],
            &["xxx"],
            &[""],
            &["1000", "1000"],
            &["1,2"],
            &["+5"],
            &["2147483648"],
            &["1.5"],
        ] {
            assert_eq!(read(values), Pushback::Stop, "{values:?}");
        }
    }
}
