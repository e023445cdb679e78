//! Two ways to the same routes: through the guard, or past it for what everyone with a valid certificate may ask.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tonic::body::Body;
use tower::{Layer, Service};

use super::open;

/// Puts the layer `guard` in front of everything but the standard services that are open.
#[derive(Debug, Clone)]
pub(super) struct GuardedLayer<L> {
    guard: L,
}

#[derive(Debug, Clone)]
pub(super) struct Guarded<G, S> {
    guarded: G,
    open: S,
}

impl<L> GuardedLayer<L> {
    pub(super) fn new(guard: L) -> Self {
        Self { guard }
    }
}

impl<L, S> Layer<S> for GuardedLayer<L>
where
    L: Layer<S>,
    S: Clone,
{
    type Service = Guarded<L::Service, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded {
            guarded: self.guard.layer(inner.clone()),
            open: inner,
        }
    }
}

impl<G, S> Service<http::Request<Body>> for Guarded<G, S>
where
    G: Service<http::Request<Body>, Response = http::Response<Body>, Error = S::Error>,
    G::Future: Send + 'static,
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.open.poll_ready(context))?;
        self.guarded.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if open(request.uri().path()) {
            Box::pin(self.open.call(request))
        } else {
            Box::pin(self.guarded.call(request))
        }
    }
}
