//! How an attempt ended: its status, wherever that stands, without holding back what is for the caller.

use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use tonic::Code;
use tonic::body::Body;
use tonic_types::pb::{BadRequest, PreconditionFailure, QuotaFailure};
use tower::BoxError;

use super::pushback::Pushback;
use super::replay::Prefixed;
use super::session::{Failure, Origin};
use crate::status::transport::{self, Reached};
use crate::status::{self, Local, WireStatus};

/// How an attempt ended.
pub(super) enum Ended {
    /// It is for the caller: a success, or an answer that has begun.
    Committed(Response<Body>),
    /// It failed, and what is to be told if it stays so.
    Failed(Failure, Result<Response<Body>, BoxError>),
}

// === impl Ended ===

impl Ended {
    /// Finds the status of an attempt, in the head of its response or, when there are no messages, behind it (R15).
    pub(super) async fn of(result: Result<Response<Body>, BoxError>, peek: bool) -> Self {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let failure = failure_of_transport(&*error);
                return Self::Failed(failure, Err(error));
            }
        };
        if let Some(code) = status::code_from_headers(response.headers()) {
            if code == Code::Ok {
                return Self::Committed(response);
            }
            let local = response.extensions().get::<Local>().copied();
            let failure = failure_of_status(response.headers(), local);
            return Self::Failed(failure, Ok(response));
        }
        if response.status() != StatusCode::OK {
            let failure = Failure::of_code(status::code_from_http(response.status()));
            return Self::Failed(failure, Ok(response));
        }
        if !peek {
            return Self::Committed(response);
        }
        let (parts, mut body) = response.into_parts();
        match body.frame().await {
            // R8: the answer has begun.
            Some(Ok(frame)) if frame.is_trailers() => {
                let trailers = frame.into_trailers().unwrap_or_default();
                match status::code_from_headers(&trailers) {
                    Some(Code::Ok) | None => {
                        let frame = Ok(http_body::Frame::trailers(trailers));
                        let body = Prefixed::peeked(frame, body);
                        Self::Committed(Response::from_parts(parts, body))
                    }
                    Some(_) => Self::without_messages(parts, trailers, None),
                }
            }
            Some(Err(error)) if let Some(local) = Local::of_error(&error) => {
                // The attempt ran out of its time before the answer had begun (D15).
                Self::without_messages(parts, Local::unmark(&error), Some(local))
            }
            Some(frame) => {
                let body = Prefixed::peeked(frame, body);
                Self::Committed(Response::from_parts(parts, body))
            }
            None => Self::Committed(Response::from_parts(parts, Body::empty())),
        }
    }

    /// Whether nothing was sent, because a layer on this side refused.
    pub(super) fn is_rejection(&self) -> bool {
        matches!(self, Self::Failed(failure, _) if failure.origin == Origin::Rejection)
    }

    /// The same as Trailers-Only from here on; a generated client reads it the same.
    fn without_messages(mut head: Parts, trailers: HeaderMap, local: Option<Local>) -> Self {
        let failure = failure_of_status(&trailers, local);
        head.headers.extend(trailers);
        if let Some(local) = local {
            head.extensions.insert(local);
        }
        Self::Failed(failure, Ok(Response::from_parts(head, Body::empty())))
    }
}

fn failure_of_status(headers: &HeaderMap, local: Option<Local>) -> Failure {
    let status = WireStatus::from_headers(headers);
    let code = status.as_ref().map_or(Code::Unknown, WireStatus::code);
    let details = status.as_ref().map(WireStatus::details);
    let origin = match local {
        None => Origin::Server,
        Some(Local::CircuitOpen { .. }) => Origin::Rejection,
        Some(Local::AttemptTimeout) => Origin::AttemptTimeout,
        Some(Local::DeadlineExceeded) => Origin::Deadline,
    };
    Failure {
        pushback: Pushback::from_headers(headers),
        retry_info: details.and_then(status::Details::retry_delay),
        forbidden: details.is_some_and(|details| {
            details.get::<QuotaFailure>().is_some()
                || details.get::<PreconditionFailure>().is_some()
                || details.get::<BadRequest>().is_some()
        }),
        origin,
        ..Failure::of_code(code)
    }
}

fn failure_of_transport(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure {
        reached: Reached::of(error),
        ..Failure::of_code(transport::to_status(error, "").code())
    }
}
