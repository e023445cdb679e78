//! The layer that does what the decision says.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tower::{BoxError, Layer, Service, ServiceExt as _};

use super::budget::Limits;
use super::ended::Ended;
use super::policy::RetryPolicy;
use super::replay::Replay;
use super::session::{Decision, Session, Stop};
use crate::deadline::{self, grpc_timeout, method_of};
use crate::idempotency::Methods;
use crate::per_method::PerMethod;
use crate::status::{self, transport};

/// Tells a server how many attempts came before this one; absent on the first (R11).
pub const GRPC_PREVIOUS_RPC_ATTEMPTS: HeaderName =
    HeaderName::from_static("grpc-previous-rpc-attempts");

/// How many attempts a failed call had, as metadata of its status. There only when there was more than one (R14).
///
/// ```
/// fn attempts(status: &tonic::Status) -> u32 {
///     let told = status.metadata().get(resilience::retry::ATTEMPTS);
///     told.and_then(|count| count.to_str().ok()?.parse().ok()).unwrap_or(1)
/// }
///
/// let mut status = tonic::Status::unavailable("shipping is not up");
/// assert_eq!(attempts(&status), 1);
/// status.metadata_mut().insert(resilience::retry::ATTEMPTS, 3.into());
/// assert_eq!(attempts(&status), 3);
/// ```
pub const ATTEMPTS: &str = "resilience-attempts";

/// How many attempts a call had, in the extensions of its response; there only when there was more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts(pub u32);

/// Why a failed call was not tried again, in the extensions of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped(pub Stop);

/// Retries the calls of a client to one target.
///
/// Clones, and all services made from one layer, share throttle and budget (T5): make one layer per target.
#[derive(Debug, Clone)]
pub struct RetryLayer {
    shared: Arc<Shared>,
}

/// The service of [`RetryLayer`].
#[derive(Debug, Clone)]
pub struct Retry<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    policies: PerMethod<Arc<RetryPolicy>>,
    methods: Arc<Methods>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    random: fastrand::Rng,
}

// === impl RetryLayer ===

impl RetryLayer {
    /// The same policy for every method; `methods` tells which of them may run twice.
    pub fn new(policy: RetryPolicy, methods: Arc<Methods>) -> Self {
        Self::per_method(PerMethod::new(Arc::new(policy)), methods)
    }

    /// A policy per method. Throttle and budget are those of the default: they are shared by all methods.
    pub fn per_method(policies: PerMethod<Arc<RetryPolicy>>, methods: Arc<Methods>) -> Self {
        let limits = policies
            .default_value()
            .limits(Instant::now().into_std())
            .unwrap_or_else(|_| Limits::none());
        Self {
            shared: Arc::new(Shared {
                policies,
                methods,
                state: Mutex::new(State {
                    limits,
                    random: fastrand::Rng::new(),
                }),
            }),
        }
    }

    /// Makes the jitter repeatable.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.shared.lock().random.seed(seed);
        self
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Retry ===

impl<S> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    /// Always ready: each attempt waits for readiness itself (L1), and could not use a slot that is held here.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let policy = Arc::clone(self.shared.policies.get(request.uri().path()));
        let call = Call {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            policy,
        };
        Box::pin(call.run(request))
    }
}

struct Call<S> {
    inner: S,
    shared: Arc<Shared>,
    policy: Arc<RetryPolicy>,
}

// === impl Call ===

impl<S> Call<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: Into<BoxError>,
{
    async fn run(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let idempotent = self.shared.methods.level_of(&request).is_idempotent();
        let streaming = self
            .shared
            .methods
            .get(request.uri().path())
            .is_some_and(|method| method.server_streaming);
        let deadline = deadline::of_request(&request);
        let (mut parts, body) = request.into_parts();
        let mut body = Some(body);
        let mut replay = std::future::poll_fn(|cx| {
            let body = body.take().unwrap_or_default();
            Poll::Ready(Replay::read(body, self.policy.max_replay(), cx))
        })
        .await;
        let mut counted = false;
        let mut session = self.policy.session(idempotent);
        // The last word of the server, for when a later attempt does not get to it.
        let mut last = None;
        loop {
            let Some(body) = replay.next() else {
                // Not reached: a body that is not kept ends the loop below.
                return Ok(self.stopped(&session, Stop::Exhausted, last.unwrap_or_default()));
            };
            let mut request = Request::from_parts(parts.clone(), body);
            if session.attempts() > 1 {
                let before = HeaderValue::from(session.attempts() - 1);
                request
                    .headers_mut()
                    .insert(GRPC_PREVIOUS_RPC_ATTEMPTS, before);
            }
            // Only a request that is kept whole was not waited for, so only its answer may be looked into: the answer
            // to a stream may wait for messages that the caller sends once it has the head.
            let peek = replay.is_kept() && !streaming;
            let mut inner = self.inner.clone();
            let attempt = async move {
                let ready = inner.ready().await.map_err(Into::into)?;
                ready.call(request).await.map_err(Into::into)
            };
            let ended = Ended::of(attempt.await, peek).await;
            if !counted && !ended.is_rejection() {
                // T7: a call of which nothing was sent gives the budget nothing.
                counted = true;
                self.shared.lock().limits.call(Instant::now().into_std());
            }
            let (failure, result) = match ended {
                Ended::Committed(mut response) => {
                    self.shared.lock().limits.success();
                    if session.attempts() > 1 {
                        let attempts = Attempts(session.attempts());
                        response.extensions_mut().insert(attempts);
                    }
                    return Ok(response);
                }
                Ended::Failed(failure, result) => (failure, result),
            };
            let now = Instant::now();
            // D8: what is left is looked at again for each attempt.
            let remaining = deadline.map(|deadline| deadline.remaining_at(now));
            let decision = if replay.is_kept() {
                let mut state = self.shared.lock();
                let State { limits, random } = &mut *state;
                session.decide(
                    &self.policy,
                    &failure,
                    now.into_std(),
                    remaining,
                    limits,
                    random,
                )
            } else {
                Decision::Stop(Stop::Exhausted)
            };
            match decision {
                Decision::Stop(stop) => {
                    // R14, B20: a refusal on this side does not hide what the server said before.
                    let told = match (stop, last, result) {
                        (Stop::Rejected, Some(last), _) => last,
                        (_, _, Ok(response)) => response,
                        (_, _, Err(error)) => {
                            transport::to_status(&*error, method_of(parts.uri.path()))
                                .into_response()
                        }
                    };
                    return Ok(self.stopped(&session, stop, told));
                }
                Decision::Retry { after } => {
                    tracing::debug!(
                        path = parts.uri.path(),
                        code = ?failure.code,
                        attempts = session.attempts(),
                        ?after,
                        "trying again"
                    );
                    last = result.ok().or(last);
                    if !after.is_zero() {
                        tokio::time::sleep(after).await;
                    }
                }
                Decision::Transparent => last = result.ok().or(last),
            }
            if let Some(deadline) = deadline {
                // D8: for stacks in which no layer below writes it.
                grpc_timeout::encode(deadline.remaining()).write(&mut parts.headers);
            }
        }
    }

    fn stopped(
        &self,
        session: &Session,
        stop: Stop,
        mut response: Response<Body>,
    ) -> Response<Body> {
        response.extensions_mut().insert(Stopped(stop));
        let attempts = session.attempts();
        if attempts > 1 {
            response.extensions_mut().insert(Attempts(attempts));
            if status::code_from_headers(response.headers()).is_some() {
                let count = HeaderValue::from(attempts);
                response.headers_mut().insert(ATTEMPTS, count);
            }
        }
        response
    }
}
