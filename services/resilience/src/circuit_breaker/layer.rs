//! The layer: one breaker per endpoint and method.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Layer, Service};

use super::breaker::{CircuitBreaker, Permit, Rejected, StateChange};
use super::classify::{classify, classify_error};
use super::config::{Config, ConfigError};
use super::keyed::{Breakers, Setting};
use super::state::{Outcome, State};
use crate::body::{Observed, Observer};
use crate::deadline::{self, Deadline, method_of};
use crate::per_method::PerMethod;
use crate::status::{self, Local, WireStatus};

/// Guards the calls of a client to one endpoint.
///
/// It judges the final status of each attempt, wherever it stands: in the headers, in the trailers, or as an error of
/// the transport. An attempt of a stream is under way until the stream's trailers have come or nobody reads it any more.
///
/// A refused call is answered with UNAVAILABLE, an `ErrorInfo` with the reason `CIRCUIT_OPEN` (or `CIRCUIT_HALF_OPEN`)
/// and a `RetryInfo` with the time that is left (B19), and marked [`Local::CircuitOpen`] (B20).
///
/// Clones, and all services made from one layer, share the breakers.
#[derive(Clone)]
pub struct CircuitBreakerLayer {
    breakers: Arc<Breakers>,
}

/// The service of [`CircuitBreakerLayer`].
#[derive(Clone)]
pub struct CircuitBreakerService<S> {
    inner: S,
    breakers: Arc<Breakers>,
}

pin_project! {
    /// The future of [`CircuitBreakerService`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        refused: Option<Response<Body>>,
        attempt: Option<Attempt>,
    }
}

/// An admitted attempt; dropping it returns the permit.
struct Attempt {
    permit: Option<Permit>,
    started: Instant,
    fair_time: Duration,
    deadline: Option<Deadline>,
}

// === impl CircuitBreakerLayer ===

impl CircuitBreakerLayer {
    /// Breakers for one endpoint, with the same rules for every method. The name of the endpoint stands in refusals.
    ///
    /// # Errors
    ///
    /// When the rules contradict themselves.
    pub fn new(endpoint: impl Into<Arc<str>>, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self::with_settings(
            endpoint.into(),
            PerMethod::new(Setting::new(config)?),
        ))
    }

    /// The same with rules per method.
    ///
    /// # Errors
    ///
    /// When the rules contradict themselves.
    pub fn per_method(
        endpoint: impl Into<Arc<str>>,
        default: &Config,
        methods: impl IntoIterator<Item = (String, Config)>,
    ) -> Result<Self, crate::policy::PolicyError> {
        let mut settings = PerMethod::new(Setting::new(default)?);
        for (name, config) in methods {
            settings.set(&name, Setting::new(&config)?)?;
        }
        Ok(Self::with_settings(endpoint.into(), settings))
    }

    fn with_settings(endpoint: Arc<str>, settings: PerMethod<Setting>) -> Self {
        Self {
            breakers: Arc::new(Breakers::new(endpoint, settings)),
        }
    }

    /// The same rules for another endpoint, with breakers of its own.
    #[must_use]
    pub fn for_endpoint(&self, endpoint: impl Into<Arc<str>>) -> Self {
        self.change(|breakers| breakers.endpoint = endpoint.into())
    }

    /// Calls this once per change of state of any breaker; its name is the endpoint and the method.
    #[must_use]
    pub fn on_state_change(&self, callback: impl Fn(&StateChange) + Send + Sync + 'static) -> Self {
        self.change(|breakers| breakers.callback = Some(Arc::new(callback)))
    }

    /// Makes the jitter of the open times repeatable.
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        self.change(|breakers| breakers.seed = Some(seed))
    }

    /// The breaker of a path, such as `/order.v1.Order/Create`; `None` when the method has none, or was not called yet.
    pub fn breaker(&self, path: &str) -> Option<CircuitBreaker> {
        self.breakers.known(path)
    }

    /// Settings come before the layer is used; breakers that exist already are forgotten.
    fn change(&self, change: impl FnOnce(&mut Breakers)) -> Self {
        let mut breakers = self.breakers.anew();
        change(&mut breakers);
        Self {
            breakers: Arc::new(breakers),
        }
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreakerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreakerService {
            inner,
            breakers: Arc::clone(&self.breakers),
        }
    }
}

impl std::fmt::Debug for CircuitBreakerLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircuitBreakerLayer")
            .field("endpoint", &self.breakers.endpoint)
            .finish_non_exhaustive()
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for CircuitBreakerService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircuitBreakerService")
            .field("inner", &self.inner)
            .field("endpoint", &self.breakers.endpoint)
            .finish_non_exhaustive()
    }
}

// === impl CircuitBreakerService ===

impl<S> Service<Request<Body>> for CircuitBreakerService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    /// The inner service's word alone (B25): admission is in `call`, so that an open circuit is never mistaken for a
    /// broken service.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let setting = self.breakers.settings.get(path);
        let mut attempt = None;
        if setting.enabled {
            match self.breakers.get(path, setting).acquire() {
                Ok(permit) => {
                    attempt = Some(Attempt {
                        permit: Some(permit),
                        started: Instant::now(),
                        fair_time: setting.fair_time,
                        deadline: deadline::of_request(&request),
                    });
                }
                Err(rejected) => {
                    return ResponseFuture {
                        inner: None,
                        refused: Some(refusal(&self.breakers.endpoint, path, &rejected)),
                        attempt: None,
                    };
                }
            }
        }
        ResponseFuture {
            inner: Some(self.inner.call(request)),
            refused: None,
            attempt,
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
        let Poll::Ready(result) = inner.poll(cx) else {
            return Poll::Pending;
        };
        let attempt = this.attempt.take();
        this.inner.set(None);
        Poll::Ready(match result {
            Ok(response) => Ok(match attempt {
                Some(attempt) => attempt.answered(response),
                None => response,
            }),
            Err(error) => {
                let error = error.into();
                if let Some(mut attempt) = attempt {
                    attempt.end(attempt.judge_error(&*error));
                }
                Err(error)
            }
        })
    }
}

// === impl Attempt ===

impl Attempt {
    fn answered(mut self, response: Response<Body>) -> Response<Body> {
        let local = response.extensions().get::<Local>().copied();
        if let Some(code) = status::code_from_headers(response.headers()) {
            self.end(self.judge(code, local));
            return response;
        }
        if response.status() != StatusCode::OK {
            // B13: no gRPC server answered, whatever it is that did.
            self.end(Outcome::Failure);
            return response;
        }
        response.map(|body| Observed::wrap(body, self, None))
    }

    fn judge(&self, code: Code, local: Option<Local>) -> Outcome {
        classify(code, local, self.started.elapsed(), self.fair_time)
    }

    fn judge_error(&self, error: &(dyn Error + 'static)) -> Outcome {
        classify_error(error, self.started.elapsed(), self.fair_time)
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            permit.done(outcome);
        }
    }
}

impl Observer for Attempt {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Status> {
        let code = status::code_from_headers(trailers).unwrap_or(Code::Unknown);
        self.end(self.judge(code, None));
        Ok(())
    }

    fn on_error(&mut self, error: Status) -> Result<HeaderMap, Status> {
        self.end(self.judge_error(&error));
        Err(error)
    }

    fn on_end(&mut self) {
        // A response without a status is a broken one.
        self.end(Outcome::Failure);
    }
}

impl Drop for Attempt {
    /// Nobody waits any more (L4). If that is because the deadline of the call has passed, and the peer had a fair time
    /// until then, it hangs: that is its trouble and not the caller's.
    fn drop(&mut self) {
        if self.permit.is_none() {
            return;
        }
        let expired = self.deadline.is_some_and(Deadline::is_expired);
        self.end(if expired && self.started.elapsed() >= self.fair_time {
            Outcome::Failure
        } else {
            Outcome::Dropped
        });
    }
}

/// B19.
fn refusal(endpoint: &str, path: &str, rejected: &Rejected) -> Response<Body> {
    let reason = match rejected.state {
        State::HalfOpen => "CIRCUIT_HALF_OPEN",
        State::Open | State::Closed => "CIRCUIT_OPEN",
    };
    WireStatus::new(Code::Unavailable, rejected.to_string())
        .with_reason(
            reason,
            [
                ("target", endpoint.to_owned()),
                ("method", method_of(path).to_owned()),
                ("state", rejected.state.to_string()),
            ],
        )
        .with_retry_after(rejected.retry_after)
        .into_local_response(Local::CircuitOpen {
            retry_after: rejected.retry_after,
        })
}
