//! Errors of the transport: what a channel returns when no response came at all.
//!
//! Two questions are answered from the chain of causes. *Did the server's application see the request?* ([`Reached`]; R6,
//! R10) decides whether even a call that must not run twice may be sent again. *Which status is it?* ([`to_status`])
//! decides what the caller gets: UNAVAILABLE with the causes in one sentence, rather than tonic's "transport error".

use std::error::Error;

use tonic::Code;

use super::WireStatus;

/// How far a request got before its attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reached {
    /// No connection could be made; nothing was sent.
    NotConnected,
    /// The connection closed while the request waited in this process's queue; nothing of it was sent.
    NotSent,
    /// The server refused the stream before processing it: REFUSED_STREAM (RFC 9113 §8.7).
    Refused,
    /// The server is closing the connection in good order and did not process it: GOAWAY with NO_ERROR, which h2 reports
    /// only for streams above the last one that the server will process (RFC 9113 §6.8).
    GoneAway,
    /// Nobody can tell: it may have been processed.
    Unknown,
}

// === impl Reached ===

impl Reached {
    /// Whether it is certain that the server's application never saw the request (R6).
    pub fn is_unprocessed(self) -> bool {
        self != Self::Unknown
    }

    /// Judges an error of a channel by its chain of causes.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        for cause in chain(error) {
            if cause.is::<tonic::ConnectError>() {
                return Self::NotConnected;
            }
            if let Some(h2) = cause.downcast_ref::<h2::Error>() {
                return match h2.reason() {
                    Some(h2::Reason::REFUSED_STREAM) if h2.is_remote() && h2.is_reset() => {
                        Self::Refused
                    }
                    Some(h2::Reason::NO_ERROR) if h2.is_remote() && h2.is_go_away() => {
                        Self::GoneAway
                    }
                    _ => Self::Unknown,
                };
            }
            if let Some(hyper) = cause.downcast_ref::<hyper::Error>()
                && hyper.is_canceled()
            {
                // hyper raises it only for what is still in its queue ("connection closed", "connection was not
                // ready").
                return Self::NotSent;
            }
        }
        Self::Unknown
    }
}

/// The status that an error of a channel stands for.
///
/// `called` is what the caller knows the call by, such as `order.v1.Order/Create`.
pub fn to_status(error: &(dyn Error + 'static), called: &str) -> WireStatus {
    // A layer below that already speaks in statuses is believed as it stands.
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        let mut wire = WireStatus::new(status.code(), status.message());
        *wire.details_mut() = super::Details::decode(status.details());
        return wire;
    }
    let causes = sentence(error);
    if is_shed(error) {
        return WireStatus::new(
            Code::ResourceExhausted,
            format!(
                "{called} was not sent: this client has as many calls under way as it is allowed"
            ),
        )
        .with_reason("OVERLOADED", [("call", called)]);
    }
    if chain(error).any(|cause| cause.is::<tonic::TimeoutExpired>()) {
        return WireStatus::new(
            Code::DeadlineExceeded,
            format!("{called} had no answer within the channel's timeout"),
        )
        .with_reason("DEADLINE_EXCEEDED", [("call", called)]);
    }
    let (message, reason) = match Reached::of(error) {
        Reached::NotConnected => (format!("{called} was not sent: {causes}"), "UNREACHABLE"),
        Reached::NotSent => (
            format!("the connection closed before {called} was sent: {causes}"),
            "CONNECTION_CLOSED",
        ),
        Reached::Refused | Reached::GoneAway => (
            format!("the server did not take {called}: {causes}"),
            "REFUSED",
        ),
        Reached::Unknown => (
            format!(
                "the connection failed during {called}, which may have been carried out: {causes}"
            ),
            "CONNECTION_LOST",
        ),
    };
    WireStatus::new(code(error), message).with_reason(reason, [("call", called)])
}

/// PROTOCOL-HTTP2, "Errors": a stream that the server reset has the code that the reason maps to. All other failures of
/// a connection are UNAVAILABLE.
fn code(error: &(dyn Error + 'static)) -> Code {
    let reset = chain(error)
        .find_map(|cause| cause.downcast_ref::<h2::Error>())
        .filter(|h2| h2.is_reset() && h2.is_remote())
        .and_then(h2::Error::reason);
    match reset {
        Some(
            h2::Reason::NO_ERROR
            | h2::Reason::PROTOCOL_ERROR
            | h2::Reason::INTERNAL_ERROR
            | h2::Reason::FLOW_CONTROL_ERROR
            | h2::Reason::SETTINGS_TIMEOUT
            | h2::Reason::FRAME_SIZE_ERROR
            | h2::Reason::COMPRESSION_ERROR
            | h2::Reason::CONNECT_ERROR,
        ) => Code::Internal,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        _ => Code::Unavailable,
    }
}

/// Whether a load shedder of this side refused.
pub(crate) fn is_shed(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| cause.is::<tower::load_shed::error::Overloaded>())
}

pub(crate) fn chain<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    // Bounded, so that a chain which bites its own tail ends.
    std::iter::successors(Some(error), |&error| error.source()).take(16)
}

/// The causes from outer to inner, each said once, without tonic's bare "transport error".
fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut said = String::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if cause.is::<tonic::transport::Error>() && text == "transport error"
            || text.is_empty()
            || said.contains(&text)
        {
            continue;
        }
        if !said.is_empty() {
            said.push_str(": ");
        }
        said.push_str(&text);
    }
    if said.is_empty() {
        said.push_str("the channel gave no reason");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer<E: Error + 'static> {
        text: &'static str,
        source: E,
    }

    #[test]
    fn a_refused_connection_is_unavailable_with_its_causes_and_unprocessed() {
        let cause = io::Error::new(io::ErrorKind::ConnectionRefused, "127.0.0.1:9 refused");
        let error = Outer {
            text: "service was not ready",
            source: tonic::ConnectError(Box::new(cause)),
        };
        assert_eq!(Reached::of(&error), Reached::NotConnected);
        let status = to_status(&error, "order.v1.Order/Create");
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(
            status.message(),
            "order.v1.Order/Create was not sent: service was not ready: 127.0.0.1:9 refused"
        );
    }

    #[test]
    fn an_io_error_under_way_may_have_been_processed() {
        let error = Outer {
            text: "h2",
            source: io::Error::new(io::ErrorKind::BrokenPipe, "broken pipe"),
        };
        assert!(!Reached::of(&error).is_unprocessed());
        assert_eq!(to_status(&error, "a/B").code(), Code::Unavailable);
    }

    #[test]
    fn a_local_h2_reset_is_not_taken_for_the_servers_word() {
        let error = h2::Error::from(h2::Reason::REFUSED_STREAM);
        assert_eq!(Reached::of(&error), Reached::Unknown);
    }

    #[test]
    fn a_status_from_a_layer_below_is_kept() {
        let error = tonic::Status::permission_denied("not you");
        let status = to_status(&error, "a/B");
        assert_eq!(
            (status.code(), status.message()),
            (Code::PermissionDenied, "not you")
        );
    }
}
