//! The server's layer: the budget that a request brings becomes the deadline around its handler.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::pb::ErrorInfo;
use tower::{BoxError, Layer, Service};

use super::scope::{Scope, Scoped};
use super::spent::Spent;
use super::{Deadline, REASON, grpc_timeout, method_of};
use crate::body::{Observed, Observer};
use crate::per_method::{MethodNameError, PerMethod, place};
use crate::status::{self, DOMAIN, WireStatus};
use crate::timer::poll_until;

/// What a server lets its callers ask for (D12), as configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ServerDeadlineConfig {
    /// The timeout of a request that brings none.
    #[serde(with = "crate::duration")]
    pub default: Duration,
    /// The longest timeout; a longer one is taken as this.
    #[serde(with = "crate::duration")]
    pub max: Duration,
    /// A request with less than this is refused before the handler (D11).
    #[serde(with = "crate::duration")]
    pub min: Duration,
    /// The most that is kept back of a request's timeout, see [`reserve`]. Make it the time that an answer takes to the
    /// farthest caller. With `0s` nothing is kept back: then the caller gives up at the same moment as the server, and
    /// seldom learns where the time went.
    #[serde(with = "crate::duration")]
    pub reserve: Duration,
    /// Other limits for a method (`package.Service/Method`) or a service (`package.Service/*`). A stream that is meant to
    /// last needs its own `max`.
    pub methods: BTreeMap<String, ServerMethodConfig>,
}

/// The limits of one method; what is absent is as for the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ServerMethodConfig {
    /// See [`ServerDeadlineConfig::default`](struct@ServerDeadlineConfig).
    #[serde(
        with = "crate::duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub default: Option<Duration>,
    /// See [`ServerDeadlineConfig::max`].
    #[serde(
        with = "crate::duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub max: Option<Duration>,
    /// See [`ServerDeadlineConfig::min`].
    #[serde(
        with = "crate::duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub min: Option<Duration>,
}

/// Why a [`ServerDeadlineConfig`] is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerDeadlineError {
    /// The limits contradict each other.
    #[error(
        "the server's deadlines{place} contradict each other: min ({min:?}) <= default ({default:?}) <= max ({max:?}) must hold, and default be more than zero"
    )]
    Order {
        /// The method, as ` for package.Service/Method`; empty for all.
        place: String,
        /// The least.
        min: Duration,
        /// The default.
        default: Duration,
        /// The most.
        max: Duration,
    },
    /// A key of `methods` names no method.
    #[error(transparent)]
    MethodName(#[from] MethodNameError),
}

/// Enforces the deadline of each request.
///
/// It reads `grpc-timeout` strictly (D1), clamps it (D12), refuses what has too little left (D11), and runs the handler
/// in the [`scope`](super::scope()) of the deadline less the [`reserve`]. When it passes, the handler is dropped, and its
/// calls with it (D10); the answer is DEADLINE_EXCEEDED with the hops. A DEADLINE_EXCEEDED that the handler answers
/// itself, because a call of its own ran out, gets the hops too.
///
/// tonic's server has a timer of its own for the same header, outside of every layer: it takes a malformed header for
/// none, and answers CANCELLED. The reserve makes it come second.
#[derive(Debug, Clone)]
pub struct ServerDeadlineLayer {
    limits: Arc<PerMethod<Limits>>,
    reserve: Duration,
}

/// The service of [`ServerDeadlineLayer`].
#[derive(Debug, Clone)]
pub struct ServerDeadline<S> {
    inner: S,
    limits: Arc<PerMethod<Limits>>,
    reserve: Duration,
}

pin_project! {
    /// The future of [`ServerDeadline`].
    pub struct ServerResponseFuture<F> {
        // Absent when the request was refused, and once its deadline has passed: dropping it stops the handler.
        #[pin]
        inner: Option<Scoped<F>>,
        refused: Option<Response<Body>>,
        #[pin]
        sleep: Option<Sleep>,
        request: Option<Handled>,
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    default: Duration,
    max: Duration,
    min: Duration,
}

/// A request under way.
#[derive(Debug)]
struct Handled {
    method: Option<PathAndQuery>,
    started: Instant,
    scope: Scope,
}

/// What is kept back at most, unless configured otherwise.
pub const RESERVE: Duration = Duration::from_millis(20);

/// What a hop keeps back of the time that it was given: a twentieth, and not more than `at_most`. By so much earlier it
/// gives up, so that its report arrives while its caller still waits. A chain of n hops thus works for its budget less
/// n × `at_most`.
///
/// The twentieth is for those in a hurry: whatever is configured, they lose no more of their time than that, and a chain
/// as long as a report can tell ([`MAX_HOPS`](super::MAX_HOPS)) still has more than half of it.
pub fn reserve(timeout: Duration, at_most: Duration) -> Duration {
    (timeout / 20).min(at_most)
}

// === impl ServerDeadlineConfig ===

impl Default for ServerDeadlineConfig {
    /// 5 s without a client's word, at most 30 s, of which [`RESERVE`] is kept back.
    fn default() -> Self {
        Self {
            default: Duration::from_secs(5),
            max: Duration::from_secs(30),
            min: Duration::ZERO,
            reserve: RESERVE,
            methods: BTreeMap::new(),
        }
    }
}

// === impl ServerDeadlineLayer ===

impl ServerDeadlineLayer {
    /// A layer with these limits.
    ///
    /// # Errors
    ///
    /// When they contradict each other, or name something that is no method.
    pub fn new(config: &ServerDeadlineConfig) -> Result<Self, ServerDeadlineError> {
        let default = Limits::new("", config.default, config.max, config.min)?;
        let limits = PerMethod::build(default, &config.methods, |name, method| {
            // A method that only lowers the maximum lowers the default with it.
            let max = method.max.unwrap_or(config.max);
            Limits::new(
                name,
                method.default.unwrap_or_else(|| config.default.min(max)),
                max,
                method.min.unwrap_or(config.min),
            )
        })?;
        Ok(Self {
            limits: Arc::new(limits),
            reserve: config.reserve,
        })
    }
}

impl<S> Layer<S> for ServerDeadlineLayer {
    type Service = ServerDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerDeadline {
            inner,
            limits: Arc::clone(&self.limits),
            reserve: self.reserve,
        }
    }
}

// === impl Limits ===

impl Limits {
    fn new(
        name: &str,
        default: Duration,
        max: Duration,
        min: Duration,
    ) -> Result<Self, ServerDeadlineError> {
        if default.is_zero() || min > default || default > max {
            return Err(ServerDeadlineError::Order {
                place: place(name),
                min,
                default,
                max,
            });
        }
        Ok(Self { default, max, min })
    }
}

// === impl ServerDeadline ===

impl<S> Service<Request<Body>> for ServerDeadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = ServerResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let now = Instant::now();
        let path = request.uri().path();
        let limits = *self.limits.get(path);
        let timeout = match grpc_timeout::from_headers(request.headers()) {
            Err(malformed) => {
                let status = WireStatus::new(Code::Internal, malformed.to_string())
                    .with_reason("MALFORMED_TIMEOUT", [("call", method_of(path))]);
                return ServerResponseFuture::refused(status.into_response());
            }
            // Nobody waits for the report of a request without a timeout, so nothing is kept back.
            Ok(None) => limits.default,
            Ok(Some(asked)) if asked.is_zero() || asked < limits.min => {
                let method = method_of(path);
                let status = WireStatus::new(
                    Code::DeadlineExceeded,
                    format!(
                        "{method} was not started: it came with {:.3} s left, and takes at least {:.3} s",
                        asked.as_secs_f64(),
                        limits.min.as_secs_f64()
                    ),
                )
                .with_reason(REASON, [("hop.1", format!("{method} own 0.000 s (unfinished)"))]);
                return ServerResponseFuture::refused(status.into_response());
            }
            Ok(Some(asked)) => {
                let granted = asked.min(limits.max);
                granted - reserve(granted, self.reserve)
            }
        };
        let scope = Scope::new(Deadline::after_instant(now, timeout));
        let handled = Handled {
            method: request.uri().path_and_query().cloned(),
            started: now,
            scope: scope.clone(),
        };
        // What the handler does before its first await runs in the scope too.
        let future = scope.enter(|| self.inner.call(request));
        ServerResponseFuture {
            inner: Some(scope.around(future)),
            refused: None,
            sleep: None,
            request: Some(handled),
        }
    }
}

// === impl ServerResponseFuture ===

impl<F> ServerResponseFuture<F> {
    fn refused(response: Response<Body>) -> Self {
        Self {
            inner: None,
            refused: Some(response),
            sleep: None,
            request: None,
        }
    }
}

impl<F, E> Future for ServerResponseFuture<F>
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
        let (Some(inner), Some(request)) = (this.inner.as_mut().as_pin_mut(), &*this.request)
        else {
            return Poll::Pending;
        };
        match inner.poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(match this.request.take() {
                Some(request) => request.answered(response),
                None => response,
            })),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => {
                if !poll_until(this.sleep, request.scope.deadline.instant(), cx) {
                    return Poll::Pending;
                }
                // The report first: dropping the handler ends its calls, and they are to be told as unfinished.
                let response = request.expired_status().into_response();
                this.inner.set(None);
                Poll::Ready(Ok(response))
            }
        }
    }
}

// === impl Handled ===

impl Handled {
    fn method(&self) -> &str {
        self.method
            .as_ref()
            .map_or("", |path| method_of(path.path()))
    }

    fn spent(&self, finished: bool) -> Spent {
        Spent::new(
            self.scope
                .ledger
                .report(self.method(), self.started, Instant::now(), finished),
        )
    }

    fn expired_status(&self) -> WireStatus {
        WireStatus::new(
            Code::DeadlineExceeded,
            format!(
                "{} did not end within the {:.3} s that it had",
                self.method(),
                self.scope.deadline.remaining_at(self.started).as_secs_f64()
            ),
        )
        .with_reason(REASON, self.spent(false).metadata())
    }

    fn answered(self, mut response: Response<Body>) -> Response<Body> {
        if status::code_from_headers(response.headers()).is_some() {
            self.add_hops(response.headers_mut());
            return response;
        }
        let until = self.scope.deadline.instant();
        response.map(|body| Observed::wrap(body, self, Some(until)))
    }

    /// A handler's own DEADLINE_EXCEEDED gets this hop's report in place of any that it passed on from below.
    fn add_hops(&self, headers: &mut HeaderMap) {
        if status::code_from_headers(headers) != Some(Code::DeadlineExceeded) {
            return;
        }
        let Some(mut status) = WireStatus::from_headers(headers) else {
            return;
        };
        status
            .details_mut()
            .retain::<ErrorInfo>(|info| info.reason != REASON || info.domain != DOMAIN);
        status
            .with_reason(REASON, self.spent(true).metadata())
            .write(headers);
    }
}

impl Observer for Handled {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Status> {
        self.add_hops(trailers);
        Ok(())
    }

    fn on_expiry(&mut self) -> Result<HeaderMap, Status> {
        Ok(self.expired_status().to_headers())
    }

    /// A stream's items are made while its body is polled: the calls for them are under the same deadline.
    fn enter<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        self.scope.enter(poll)
    }
}
