//! The client's layer: the outermost of a stack.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::util::Oneshot;
use tower::{BoxError, Layer, Service};

use super::scope::{Record, current_scope};
use super::spent::{Hop, Spent};
use super::{Deadline, REASON, grpc_timeout};
use crate::body::{Observed, Observer};
use crate::per_method::PerMethod;
use crate::status::{self, Local, WireStatus, transport};
use crate::timer::poll_until;

/// Gives every call of a client a deadline, and a proper status when it passes.
///
/// The deadline is the earliest of: the client's own default for the method, the deadline around the code that calls
/// (D4), and the timeout that the call brings itself (`tonic::Request::set_timeout`). There is no call without one.
///
/// It is the outermost layer, and the last word: it never fails. An error of the transport that comes up to it becomes a
/// status as well, so generated clients see UNAVAILABLE with the cause rather than UNKNOWN "transport error".
#[derive(Debug, Clone)]
pub struct DeadlineLayer {
    defaults: Arc<PerMethod<Duration>>,
}

/// The service of [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub struct ClientDeadline<S> {
    inner: S,
    defaults: Arc<PerMethod<Duration>>,
}

pin_project! {
    /// The future of [`ClientDeadline`].
    pub struct ClientResponseFuture<S>
    where
        S: Service<Request<Body>>,
    {
        // Absent when the call was refused here, and once it has passed: dropping it stops the call.
        #[pin]
        inner: Option<Oneshot<S, Request<Body>>>,
        refused: Option<Response<Body>>,
        // Registered only once the call keeps us waiting.
        #[pin]
        sleep: Option<Sleep>,
        call: Option<Call>,
    }
}

/// What is known of a call under way.
#[derive(Debug)]
struct Call {
    method: Option<PathAndQuery>,
    started: Instant,
    timeout: Duration,
    deadline: Deadline,
    record: Option<Record>,
}

/// `order.v1.Order/Create` of a path.
pub(crate) fn method_of(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

// === impl DeadlineLayer ===

impl DeadlineLayer {
    /// The same default for every method.
    pub fn new(default: Duration) -> Self {
        Self::per_method(PerMethod::new(default))
    }

    /// A default per method.
    pub fn per_method(defaults: PerMethod<Duration>) -> Self {
        Self {
            defaults: Arc::new(defaults),
        }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = ClientDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientDeadline {
            inner,
            defaults: Arc::clone(&self.defaults),
        }
    }
}

// === impl ClientDeadline ===

impl<S> Service<Request<Body>> for ClientDeadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ClientResponseFuture<S>;

    /// Always ready: waiting for the inner service happens in the call, under its deadline (D6).
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let now = Instant::now();
        let path = request.uri().path();
        let explicit = match grpc_timeout::from_headers(request.headers()) {
            Ok(explicit) => explicit,
            Err(malformed) => {
                // D1: never taken as "no deadline".
                let status = WireStatus::new(
                    Code::Internal,
                    format!("{} was not sent: {malformed}", method_of(path)),
                )
                .with_reason("MALFORMED_TIMEOUT", [("call", method_of(path))]);
                return ClientResponseFuture::refused(status.into_response());
            }
        };
        let own = *self.defaults.get(path);
        let own = Deadline::after_instant(now, explicit.map_or(own, |explicit| own.min(explicit)));
        let scope = current_scope();
        let deadline = scope.as_ref().map_or(own, |scope| own.min(scope.deadline));
        // What is sent and what is waited for here is the same length (D2).
        let encoded = grpc_timeout::encode(deadline.remaining_at(now));
        let deadline = Deadline::after_instant(now, encoded.duration());
        let record = scope.map(|scope| scope.ledger.start(method_of(path), now));
        let mut call = Call {
            method: request.uri().path_and_query().cloned(),
            started: now,
            timeout: encoded.duration(),
            deadline,
            record,
        };
        if encoded.is_zero() {
            // D3: nothing is left, so nothing is sent.
            return ClientResponseFuture::refused(call.expired(now));
        }
        encoded.write(request.headers_mut());
        request.extensions_mut().insert(deadline);
        ClientResponseFuture {
            inner: Some(Oneshot::new(self.inner.clone(), request)),
            refused: None,
            sleep: None,
            call: Some(call),
        }
    }
}

// === impl ClientResponseFuture ===

impl<S: Service<Request<Body>>> ClientResponseFuture<S> {
    fn refused(response: Response<Body>) -> Self {
        Self {
            inner: None,
            refused: Some(response),
            sleep: None,
            call: None,
        }
    }
}

impl<S> Future for ClientResponseFuture<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(response) = this.refused.take() {
            return Poll::Ready(Ok(response));
        }
        let (Some(inner), Some(call)) = (this.inner.as_mut().as_pin_mut(), this.call.as_mut())
        else {
            // Polled after it was ready: a future may do anything then, and this one waits for ever.
            return Poll::Pending;
        };
        let response = match inner.poll(cx) {
            Poll::Ready(Ok(response)) => match this.call.take() {
                Some(call) => call.answered(response),
                None => response,
            },
            Poll::Ready(Err(error)) => call.failed(&*error.into()),
            Poll::Pending => {
                if !poll_until(this.sleep, call.deadline.instant(), cx) {
                    return Poll::Pending;
                }
                // D9: the stream is reset by dropping it.
                let response = call.expired(Instant::now());
                this.inner.set(None);
                response
            }
        };
        Poll::Ready(Ok(response))
    }
}

// === impl Call ===

impl Call {
    fn method(&self) -> &str {
        self.method
            .as_ref()
            .map_or("", |path| method_of(path.path()))
    }

    fn expired(&mut self, now: Instant) -> Response<Body> {
        self.expired_status(now)
            .into_local_response(Local::DeadlineExceeded)
    }

    fn expired_status(&mut self, now: Instant) -> WireStatus {
        let spent = Spent::new(vec![Hop {
            method: self.method().into(),
            time: now.saturating_duration_since(self.started),
            own: false,
            unfinished: true,
        }]);
        self.finish(now, spent.hops().to_vec());
        let message = if self.timeout.is_zero() {
            format!(
                "{} was not sent: the deadline had passed before",
                self.method()
            )
        } else {
            format!(
                "{} did not end within its deadline of {:.3} s",
                self.method(),
                self.timeout.as_secs_f64()
            )
        };
        WireStatus::new(Code::DeadlineExceeded, message).with_reason(REASON, spent.metadata())
    }

    fn failed(&mut self, error: &(dyn std::error::Error + 'static)) -> Response<Body> {
        let now = Instant::now();
        if self.deadline.remaining_at(now).is_zero() {
            return self.expired(now);
        }
        tracing::debug!(
            call = self.method(),
            error,
            "the transport failed and no layer below made a status of it"
        );
        self.finish(now, Vec::new());
        transport::to_status(error, self.method()).into_response()
    }

    fn answered(mut self, mut response: Response<Body>) -> Response<Body> {
        if response.extensions().get::<Local>() == Some(&Local::DeadlineExceeded) {
            // A layer below was the first to see it.
            return self.expired(Instant::now());
        }
        match status::code_from_headers(response.headers()) {
            // Trailers-Only: the call has ended.
            Some(_) => match self.settle(response.headers_mut()) {
                Some(status) => status.into_local_response(Local::DeadlineExceeded),
                None => response,
            },
            None if response.status() != StatusCode::OK => {
                self.finish(Instant::now(), Vec::new());
                // A proxy, or no gRPC server at all: said here, so that the reader of the status knows.
                match WireStatus::from_response_head(&response) {
                    Some(status) => status.into_response(),
                    None => response,
                }
            }
            None => {
                let until = self.deadline.instant();
                response.map(|body| Observed::wrap(body, self, Some(until)))
            }
        }
    }

    /// The final status has come. What must not be told as it stands is replaced by the status that is returned.
    fn settle(&mut self, headers: &mut HeaderMap) -> Option<WireStatus> {
        // First of all, and for OK too: tonic reads the details of that as well.
        status::sanitize(headers);
        let code = status::code_from_headers(headers).unwrap_or(Code::Unknown);
        if code == Code::Ok {
            if self.record.is_some() {
                self.finish(Instant::now(), Vec::new());
            }
            return None;
        }
        let now = Instant::now();
        if code == Code::Cancelled && self.deadline.remaining_at(now).is_zero() {
            // D9: PROTOCOL-HTTP2 has it so that what is cancelled by the deadline is told as DEADLINE_EXCEEDED.
            return Some(self.expired_status(now));
        }
        let hops = if code == Code::DeadlineExceeded {
            WireStatus::from_headers(headers)
                .and_then(|status| Spent::from_details(status.details()))
                .map(Spent::into_hops)
                .unwrap_or_default()
        } else {
            Vec::new()
        };
        self.finish(now, hops);
        None
    }

    fn finish(&mut self, now: Instant, hops: Vec<Hop>) {
        if let Some(record) = self.record.take() {
            record.finish(now, hops);
        }
    }
}

impl Observer for Call {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Status> {
        if let Some(status) = self.settle(trailers) {
            status.write(trailers);
        }
        Ok(())
    }

    fn on_error(&mut self, error: Status) -> Result<HeaderMap, Status> {
        let now = Instant::now();
        if self.deadline.remaining_at(now).is_zero() {
            return Ok(self.expired_status(now).to_headers());
        }
        if Local::of_error(&error).is_some() {
            let mut trailers = Local::unmark(&error);
            self.on_trailers(&mut trailers)?;
            return Ok(trailers);
        }
        self.finish(now, Vec::new());
        // The status that tonic made of a broken connection says "h2 protocol error" at best; its source says more.
        let status = match std::error::Error::source(&error) {
            Some(source) => transport::to_status(source, self.method()),
            None => transport::to_status(&error, self.method()),
        };
        Ok(status.to_headers())
    }

    fn on_end(&mut self) {
        self.finish(Instant::now(), Vec::new());
    }

    fn on_expiry(&mut self) -> Result<HeaderMap, Status> {
        Ok(self.expired_status(Instant::now()).to_headers())
    }
}
