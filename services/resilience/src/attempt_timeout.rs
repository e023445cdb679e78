//! The time limit of one attempt: the innermost layer, which also tells the server how much time it has.
//!
//! A *call* is all tries, an *attempt* is one. The limit of an attempt is the smaller of the attempt timeout and what is
//! left of the call's deadline at that moment, immediately before it is sent (D8, D15): a value that was computed before
//! a pause would let the last attempt run past the deadline. The same length goes into `grpc-timeout` and onto the local
//! timer (D2).
//!
//! An attempt that runs out while the call's deadline is still ahead is marked [`Local::AttemptTimeout`]: the breaker
//! counts a failure and the retry layer may try again. The caller sees its DEADLINE_EXCEEDED only when no attempt is
//! left.
//!
//! A server that knows the attempt's limit, from the `grpc-timeout` above, gives up a little before the timer here does,
//! and its DEADLINE_EXCEEDED means the same and gets the same mark: it was told the attempt's time, not the call's. Its
//! words stay as they are, for they say where the time went. What a server says in the first half of the limit is not
//! that. No reserve along a chain of calls explains it, so it ran out of a time of its own, and says so for itself
//! (AIP-194: DEADLINE_EXCEEDED is not tried again).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Layer, Service};

use crate::body::{Observed, Observer};
use crate::deadline::{self, Deadline, grpc_timeout, method_of};
use crate::per_method::PerMethod;
use crate::status::{self, Local, WireStatus, transport};
use crate::timer::poll_until;

/// The `reason` of the `ErrorInfo` when an attempt ran out of its own time.
pub const REASON: &str = "ATTEMPT_TIMEOUT";

/// Limits each attempt and writes its `grpc-timeout`.
///
/// There is no limit of its own by default: cutting a slow but healthy call into attempts that are each too short only
/// multiplies its load. Without one the layer still writes what is left of the deadline.
#[derive(Debug, Clone)]
pub struct AttemptTimeoutLayer {
    limits: Arc<PerMethod<Option<Duration>>>,
}

/// The service of [`AttemptTimeoutLayer`].
#[derive(Debug, Clone)]
pub struct AttemptTimeout<S> {
    inner: S,
    limits: Arc<PerMethod<Option<Duration>>>,
}

pin_project! {
    /// The future of [`AttemptTimeout`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        refused: Option<Response<Body>>,
        #[pin]
        sleep: Option<Sleep>,
        limit: Limit,
    }
}

/// When the attempt must have ended, and what it means if it has not.
#[derive(Debug, Clone, Copy)]
struct Limit {
    // Absent when a layer above holds the timer of the same moment.
    until: Option<Instant>,
    length: Duration,
    meaning: Local,
}

// === impl AttemptTimeoutLayer ===

impl AttemptTimeoutLayer {
    /// The same limit for every method.
    pub fn new(limit: Option<Duration>) -> Self {
        Self::per_method(PerMethod::new(limit))
    }

    /// A limit per method.
    pub fn per_method(limits: PerMethod<Option<Duration>>) -> Self {
        Self {
            limits: Arc::new(limits),
        }
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttemptTimeout {
            inner,
            limits: Arc::clone(&self.limits),
        }
    }
}

// === impl AttemptTimeout ===

impl<S> Service<Request<Body>> for AttemptTimeout<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let limit = *self.limits.get(request.uri().path());
        // A layer above with the call's deadline holds its timer; a deadline that is only around the task has none.
        let armed_above = request.extensions().get::<Deadline>().is_some();
        let deadline = deadline::of_request(&request);
        if limit.is_none() && deadline.is_none() {
            return ResponseFuture {
                inner: Some(self.inner.call(request)),
                refused: None,
                sleep: None,
                limit: Limit::NONE,
            };
        }
        let now = Instant::now();
        let remaining = deadline.map(|deadline| deadline.remaining_at(now));
        let (length, meaning) = match (limit, remaining) {
            (Some(limit), Some(remaining)) if limit < remaining => (limit, Local::AttemptTimeout),
            (Some(limit), None) => (limit, Local::AttemptTimeout),
            (_, remaining) => (remaining.unwrap_or_default(), Local::DeadlineExceeded),
        };
        let encoded = grpc_timeout::encode(length);
        let mut limit = Limit {
            until: None,
            length: encoded.duration(),
            meaning,
        };
        if encoded.is_zero() {
            // D3: send nothing.
            let refused = limit.status(request.uri().path());
            return ResponseFuture {
                inner: None,
                refused: Some(refused.into_local_response(meaning)),
                sleep: None,
                limit,
            };
        }
        if meaning == Local::AttemptTimeout || !armed_above {
            limit.until = Some(Deadline::after_instant(now, encoded.duration()).instant());
        }
        encoded.write(request.headers_mut());
        ResponseFuture {
            inner: Some(self.inner.call(request)),
            refused: None,
            sleep: None,
            limit,
        }
    }
}

// === impl ResponseFuture ===

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(response) = this.refused.take() {
            return Poll::Ready(Ok(response));
        }
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let limit = *this.limit;
        match inner.poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(limit.answered(response))),
            Poll::Ready(Err(error)) => {
                let error = error.into();
                // tonic's channel has a timer of its own for the header that was written above, outside of the
                // connection. Which of the two goes off first is chance; they mean the same. So does a stream that the
                // server has reset by then (D9).
                if limit.length > Duration::ZERO && is_timeout(&*error) || limit.has_passed() {
                    return Poll::Ready(Ok(limit.expired()));
                }
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let Some(until) = limit.until else {
                    return Poll::Pending;
                };
                if !poll_until(this.sleep, until, cx) {
                    return Poll::Pending;
                }
                this.inner.set(None);
                Poll::Ready(Ok(limit.expired()))
            }
        }
    }
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    transport::chain(error).any(|cause| cause.is::<tonic::TimeoutExpired>())
}

// === impl Limit ===

impl Limit {
    const NONE: Self = Self {
        until: None,
        length: Duration::ZERO,
        meaning: Local::DeadlineExceeded,
    };

    fn status(&self, path: &str) -> WireStatus {
        let reason = match self.meaning {
            Local::AttemptTimeout => REASON,
            _ => deadline::REASON,
        };
        let message = if self.length.is_zero() {
            format!(
                "{} was not sent: the deadline had passed before",
                method_of(path)
            )
        } else {
            format!(
                "the attempt had no answer within its {:.3} s",
                self.length.as_secs_f64()
            )
        };
        WireStatus::new(Code::DeadlineExceeded, message)
            .with_reason(reason, std::iter::empty::<(String, String)>())
    }

    fn expired(&self) -> Response<Body> {
        self.status("").into_local_response(self.meaning)
    }

    fn has_passed(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Whether the status of a server says no more than that the limit has passed.
    fn is_meant_by(&self, code: Code) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        match code {
            // D9: what its timer makes of the same moment, if it is a server of tonic.
            Code::Cancelled => self.has_passed(),
            Code::DeadlineExceeded if self.meaning == Local::AttemptTimeout => {
                // Each hop keeps back a twentieth at most, and a report has no room for ten hops.
                until.saturating_duration_since(Instant::now()) <= self.length / 2
            }
            _ => false,
        }
    }

    /// The limit holds for the body too, unless a layer above holds it.
    fn answered(self, mut response: Response<Body>) -> Response<Body> {
        match status::code_from_headers(response.headers()) {
            None if self.until.is_some() => {
                response.map(|body| Observed::wrap(body, self, self.until))
            }
            Some(Code::Cancelled) if self.is_meant_by(Code::Cancelled) => self.expired(),
            Some(code) if self.is_meant_by(code) => {
                response.extensions_mut().insert(self.meaning);
                response
            }
            _ => response,
        }
    }
}

/// Errors rather than trailers: those have no room for the mark.
impl Observer for Limit {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Status> {
        match status::code_from_headers(trailers) {
            Some(Code::Cancelled) if self.is_meant_by(Code::Cancelled) => {
                self.on_expiry().map(drop)
            }
            Some(code) if self.is_meant_by(code) => {
                Err(self.meaning.mark(std::mem::take(trailers)))
            }
            _ => Ok(()),
        }
    }

    fn on_expiry(&mut self) -> Result<HeaderMap, Status> {
        Err(self.meaning.mark(self.status("").to_headers()))
    }
}
