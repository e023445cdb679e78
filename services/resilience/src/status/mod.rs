//! The gRPC status as it stands on the wire: `grpc-status`, `grpc-message` and `grpc-status-details-bin`
//! (PROTOCOL-HTTP2, "Responses"; the google.rpc error model, AIP-193).
//!
//! A layer works on HTTP, where a failed call can be three things: a response whose *headers* carry the status
//! (Trailers-Only), a response whose *trailers* carry it, or an error of the transport. This module reads and writes the
//! first two; [`transport`] judges the third.
//!
//! Whatever a peer sends, reading never panics and never loses the code (E2, E3). tonic 0.14's own reader does panic on
//! details that are not base64, so [`sanitize`] repairs headers before a generated client sees them.
//!
//! Deliberately not here: what the codes of a domain mean. A service translates its errors to statuses elsewhere; this
//! is only their form on the wire.

mod details;
mod local;
pub mod transport;

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tonic::Code;
use tonic::body::Body;
use tonic_types::pb::{ErrorInfo, RetryInfo};

pub use self::details::{Detail, Details, MAX_DETAILS};
pub use self::local::{Local, LocalError};

/// The domain of every `ErrorInfo` that this crate makes.
pub const DOMAIN: &str = "resilience";

/// `grpc-status`.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// `grpc-status-details-bin`.
pub const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The longest `grpc-message` that is written, in bytes as they stand on the wire; the rest is cut off (E4).
const MAX_MESSAGE: usize = 1024;

/// With padding and without is accepted, as gRPC asks; none is written. Bits left over at the end are as strictly
/// forbidden as by tonic, whose reader must not meet what this one let pass.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A code, a message and details, as read from or written to headers or trailers.
#[derive(Debug, Clone, PartialEq)]
pub struct WireStatus {
    code: Code,
    message: String,
    details: Details,
}

// === impl WireStatus ===

impl WireStatus {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Details::default(),
        }
    }

    /// Adds a detail.
    #[must_use]
    pub fn with<D: Detail>(mut self, detail: &D) -> Self {
        self.details.push(detail);
        self
    }

    /// Adds an `ErrorInfo` of this crate's [`DOMAIN`].
    #[must_use]
    pub fn with_reason<K: Into<String>, V: Into<String>>(
        self,
        reason: &str,
        metadata: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let metadata = metadata
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        self.with(&ErrorInfo {
            reason: reason.into(),
            domain: DOMAIN.into(),
            metadata: metadata.collect(),
        })
    }

    /// Adds a `RetryInfo`.
    #[must_use]
    pub fn with_retry_after(self, delay: Duration) -> Self {
        self.with(&RetryInfo {
            retry_delay: prost_types::Duration::try_from(delay).ok(),
        })
    }

    /// Reads the status from headers (of a Trailers-Only response) or trailers; `None` when there is no `grpc-status`.
    ///
    /// What is malformed costs only itself: a code that is not a number is UNKNOWN, a message that is not UTF-8 keeps
    /// what can be read, details that cannot be decoded, or were sent twice, are left out (E2, E3).
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let code = code_from_headers(headers)?;
        let message = headers
            .get(&GRPC_MESSAGE)
            .map(|value| percent_decode(value.as_bytes()).into_owned())
            .unwrap_or_default();
        let details = details_bytes(headers)
            .map(|bytes| Details::decode(&bytes))
            .unwrap_or_default();
        Some(Self {
            code,
            message,
            details,
        })
    }

    /// Reads the status of a response from its head, if it is there: from the headers when they carry a `grpc-status`,
    /// else from an HTTP status that is not 200, mapped as gRPC's "HTTP to gRPC Status Code Mapping" says (B13). `None`
    /// means that the status comes with the trailers.
    pub fn from_response_head<B>(response: &http::Response<B>) -> Option<Self> {
        if let Some(status) = Self::from_headers(response.headers()) {
            return Some(status);
        }
        let http = response.status();
        (http != StatusCode::OK).then(|| {
            Self::new(
                code_from_http(http),
                format!("the peer answered with HTTP status {http} and no grpc-status: is it, or a proxy before it, a gRPC server?"),
            )
        })
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// The details, to change.
    pub fn details_mut(&mut self) -> &mut Details {
        &mut self.details
    }

    /// The three headers, trimmed so that they arrive (E4).
    pub fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(3);
        self.write(&mut headers);
        headers
    }

    /// Writes the three headers over those that are there.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, HeaderValue::from(i32::from(self.code)));
        write_or_remove(headers, GRPC_MESSAGE, encode_message(&self.message));
        let details = self.details.encode(self.code, cut(&self.message));
        let details = (!details.is_empty()).then(|| BASE64.encode(details));
        write_or_remove(headers, GRPC_STATUS_DETAILS, details);
    }

    /// As tonic has it.
    pub fn to_status(&self) -> tonic::Status {
        let message = cut(&self.message);
        tonic::Status::with_details(self.code, message, self.details.encode(self.code, message))
    }

    /// A Trailers-Only response: HTTP 200, the status in the headers, no body. Every generated client turns it into the
    /// `Status` that it says.
    pub fn into_response(self) -> http::Response<Body> {
        let mut response = http::Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        self.write(headers);
        response
    }

    /// The same, marked as made here and not by the server (B20).
    pub fn into_local_response(self, local: Local) -> http::Response<Body> {
        let mut response = self.into_response();
        response.extensions_mut().insert(local);
        response
    }
}

/// The code alone, without decoding the rest: `None` when there is no `grpc-status`.
pub fn code_from_headers(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(&GRPC_STATUS)
        .map(|value| Code::from_bytes(value.as_bytes()))
}

/// Repairs what tonic's reader would panic on or lose the code over (E2, E3): details that are not base64 or were sent
/// twice are removed, a message that is not UTF-8 is rewritten with what can be read.
pub fn sanitize(headers: &mut HeaderMap) {
    if headers.contains_key(&GRPC_STATUS_DETAILS) && details_bytes(headers).is_none() {
        headers.remove(&GRPC_STATUS_DETAILS);
    }
    if let Some(value) = headers.get(&GRPC_MESSAGE)
        && let Cow::Owned(repaired) = percent_decode(value.as_bytes())
        && repaired.contains(char::REPLACEMENT_CHARACTER)
    {
        write_or_remove(headers, GRPC_MESSAGE, encode_message(&repaired));
    }
}

/// gRPC's "HTTP to gRPC Status Code Mapping", for a response that carries no `grpc-status`.
pub fn code_from_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The decoded bytes of the details; `None` when there are none, they are not base64, or there is more than one value:
/// either as two headers, or joined by a comma on the way.
fn details_bytes(headers: &HeaderMap) -> Option<Bytes> {
    let mut values = headers.get_all(&GRPC_STATUS_DETAILS).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    BASE64.decode(value.as_bytes()).ok().map(Bytes::from)
}

fn write_or_remove(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    match value.and_then(|text| HeaderValue::try_from(text).ok()) {
        Some(value) => headers.insert(name, value),
        None => headers.remove(name),
    };
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE)]
}

/// PROTOCOL-HTTP2, "Percent-Encoded": bytes outside 0x20–0x7E, and the percent sign, are written as `%XX`.
fn encode_message(message: &str) -> Option<String> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if message.is_empty() {
        return None;
    }
    let mut encoded = String::with_capacity(message.len().min(MAX_MESSAGE));
    for character in message.chars() {
        let whole = encoded.len();
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            if (0x20..=0x7e).contains(&byte) && byte != b'%' {
                encoded.push(char::from(byte));
            } else {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        if encoded.len() > MAX_MESSAGE {
            // Never half of a character.
            encoded.truncate(whole);
            break;
        }
    }
    Some(encoded)
}

/// Keeps what is not a valid escape as it is (E3: "When decoding invalid values, implementations MUST NOT error or throw
/// away the message"). Owned when something had to change.
fn percent_decode(bytes: &[u8]) -> Cow<'_, str> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut changed = false;
    while let Some((&first, after)) = rest.split_first() {
        let escape = (first == b'%')
            .then(|| Some((hex(*after.first()?)?, hex(*after.get(1)?)?)))
            .flatten();
        if let Some((high, low)) = escape {
            decoded.push(high << 4 | low);
            rest = &after[2..];
            changed = true;
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !changed => Cow::Borrowed(text),
        _ => Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()),
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as PADDED;
    use proptest::prelude::*;

    fn headers(list: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value).expect("a header value"),
            );
        }
        headers
    }

    #[test]
    fn what_is_written_is_read_back() {
        let status = WireStatus::new(Code::Unavailable, "100 % of Güter: späterßn\n")
            .with_reason("CIRCUIT_OPEN", [("state", "open")])
            .with_retry_after(Duration::from_millis(1500));
        assert_eq!(WireStatus::from_headers(&status.to_headers()), Some(status));
    }

    #[test]
    fn e4_the_three_headers_together_stay_below_8_kib() {
        for text in ["x", "ä", "𝄞", "%"] {
            let mut status = WireStatus::new(Code::Internal, text.repeat(5000));
            for index in 0..100 {
                status = status.with_reason("REASON", [(index.to_string(), text.repeat(200))]);
            }
            let headers = status.to_headers();
            let size: usize = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 32)
                .sum();
            assert!(size < 8192, "{size}");
            let read = WireStatus::from_headers(&headers).expect("a status");
            assert!(text.repeat(5000).starts_with(read.message()));
            assert!(read.details().get::<ErrorInfo>().is_some());
        }
    }

    #[test]
    fn tonic_reads_what_is_written() {
        let headers = WireStatus::new(Code::NotFound, "order ü7 % missing")
            .with_reason("X", [("a", "b")])
            .to_headers();
        let status = tonic::Status::from_header_map(&headers).expect("a status");
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), "order ü7 % missing");
        assert!(!status.details().is_empty());
    }

    #[test]
    fn e1_padded_and_unpadded_details_are_both_read() {
        let status = WireStatus::new(Code::Unavailable, "m").with_reason("R", [("k", "value")]);
        let raw = status.details().encode(status.code(), "m");
        for text in [BASE64.encode(&raw), PADDED.encode(&raw)] {
            let read = WireStatus::from_headers(&headers(&[
                ("grpc-status", b"14"),
                ("grpc-message", b"m"),
                ("grpc-status-details-bin", text.as_bytes()),
            ]));
            assert_eq!(read.as_ref(), Some(&status), "{text}");
        }
    }

    #[test]
    fn e2_malformed_or_repeated_details_cost_neither_code_nor_message() {
        for details in [
            &[b"!!!!".as_slice()][..],
            &[b"CA4,CA4".as_slice()],
            &[b"CA4".as_slice(), b"CA4"],
            &[b"/////w".as_slice()],
            &[b"/+".as_slice()],
        ] {
            let mut map = headers(&[("grpc-status", b"5"), ("grpc-message", b"gone")]);
            for value in details {
                map.append(
                    GRPC_STATUS_DETAILS,
                    HeaderValue::from_bytes(value).expect("a header value"),
                );
            }
            assert_eq!(
                WireStatus::from_headers(&map),
                Some(WireStatus::new(Code::NotFound, "gone"))
            );
            sanitize(&mut map);
            let read = tonic::Status::from_header_map(&map).expect("a status");
            assert_eq!((read.code(), read.message()), (Code::NotFound, "gone"));
        }
    }

    #[test]
    fn e3_a_badly_encoded_message_is_kept_with_its_code() {
        for (wire, text) in [
            ("a%zzb", "a%zzb"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%ff!", "\u{fffd}!"),
        ] {
            let mut map = headers(&[("grpc-status", b"5"), ("grpc-message", wire.as_bytes())]);
            let read = WireStatus::from_headers(&map).expect("a status");
            assert_eq!((read.code(), read.message()), (Code::NotFound, text));
            sanitize(&mut map);
            let read = tonic::Status::from_header_map(&map).expect("a status");
            assert_eq!((read.code(), read.message()), (Code::NotFound, text));
        }
    }

    #[test]
    fn an_http_error_without_a_grpc_status_is_mapped_by_the_table() {
        for (http, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (500, Code::Unknown),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
        ] {
            let response = http::Response::builder()
                .status(http)
                .body(())
                .expect("a response");
            let status = WireStatus::from_response_head(&response).expect("a status");
            assert_eq!(status.code(), code, "{http}");
        }
        assert_eq!(
            WireStatus::from_response_head(&http::Response::new(())),
            None
        );
    }

    proptest! {
        #[test]
        fn e2_no_bytes_make_reading_panic_or_lose_the_code(
            message in proptest::collection::vec(0x20u8..=0xff, 0..64),
            details in proptest::collection::vec(0x20u8..=0xff, 0..64),
            raw in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            for details in [details, BASE64.encode(&raw).into_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(&details) else { continue };
                let Ok(text) = HeaderValue::from_bytes(&message) else { continue };
                let mut map = headers(&[("grpc-status", b"7")]);
                map.insert(GRPC_MESSAGE, text);
                map.insert(GRPC_STATUS_DETAILS, value);
                let read = WireStatus::from_headers(&map).expect("a status");
                prop_assert_eq!(read.code(), Code::PermissionDenied);
                sanitize(&mut map);
                let read = tonic::Status::from_header_map(&map).expect("a status");
                prop_assert_eq!(read.code(), Code::PermissionDenied);
            }
        }

        #[test]
        fn any_message_survives(message in ".{0,80}") {
            let status = WireStatus::new(Code::Aborted, message.clone());
            let read = WireStatus::from_headers(&status.to_headers()).expect("a status");
            prop_assert_eq!(read.message(), message);
        }
    }
}
