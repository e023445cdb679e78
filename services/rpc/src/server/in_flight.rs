//! Takes on no more calls than it was told to, and says when to come back.
//!
//! A call counts until the last byte of its answer, so a stream of answers counts as long as it lasts; with the short
//! calls, those who only watch would keep out those who come to do something, so each kind has a bound of its own. What is
//! over the limit is refused at once, before anything was done for it: RESOURCE_EXHAUSTED with `RetryInfo`. Nothing waits in a queue,
//! because a queue in front of a busy server only makes every answer late.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tower::{Layer, Service};

use super::standard::is_standard;
use crate::status::{Failure, reason};

/// The time after which a refused caller may come back: this long, give or take a half. The spread keeps those who
/// were refused together from returning together.
const COME_BACK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(super) struct InFlightLayer {
    domain: &'static str,
    /// As `package.Service/Method`.
    streams: Arc<BTreeSet<String>>,
    calls: Places,
    watchers: Places,
}

/// For one kind of calls.
#[derive(Debug, Clone)]
struct Places {
    /// What takes one, for the refusal.
    what: &'static str,
    limit: usize,
    free: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
pub(super) struct InFlight<S> {
    inner: S,
    layer: InFlightLayer,
}

impl InFlightLayer {
    /// `streams` are the methods that answer with a stream, as `package.Service/Method`.
    pub(super) fn new(
        domain: &'static str,
        max_calls: u32,
        max_watchers: u32,
        streams: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            domain,
            streams: Arc::new(streams.into_iter().collect()),
            calls: Places::new("calls", max_calls),
            watchers: Places::new("streams of answers", max_watchers),
        }
    }

    /// How many calls are in flight now, of both kinds.
    pub(super) fn count(&self) -> usize {
        self.calls.taken() + self.watchers.taken()
    }

    fn places(&self, path: &str) -> &Places {
        let method = path.strip_prefix('/').unwrap_or(path);
        if self.streams.contains(method) {
            &self.watchers
        } else {
            &self.calls
        }
    }

    fn refusal(&self, places: &Places) -> http::Response<Body> {
        let spread = fastrand::f64() + 0.5;
        Failure::ResourceExhausted {
            reason: reason::OVERLOADED,
            message: format!(
                "{} has {} {} in flight and takes on no more; try again later",
                self.domain, places.limit, places.what
            ),
            retry_after: Some(COME_BACK.mul_f64(spread)),
            violations: Vec::new(),
        }
        .into_status(self.domain)
        .into_http()
    }
}

impl Places {
    fn new(what: &'static str, limit: u32) -> Self {
        let limit = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            what,
            limit,
            free: Arc::new(Semaphore::new(limit)),
        }
    }

    fn taken(&self) -> usize {
        self.limit - self.free.available_permits()
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlight {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S> Service<http::Request<Body>> for InFlight<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // Who asks for health decides whether we are restarted; that must not depend on how busy we are.
        if is_standard(request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let places = self.layer.places(request.uri().path());
        let Ok(permit) = places.free.clone().try_acquire_owned() else {
            let refusal = self.layer.refusal(places);
            return Box::pin(async move { Ok(refusal) });
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(answer.map(|inner| {
                // A refusal without a body is over already; a body need not be made for it.
                if inner.is_end_stream() {
                    return inner;
                }
                Body::new(Counted {
                    inner,
                    _permit: permit,
                })
            }))
        })
    }
}

/// A body that counts as in flight until it is dropped.
struct Counted {
    inner: Body,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
