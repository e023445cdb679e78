//! THE client stack: everything between a generated client and a connection, on one screen ([`connect`]).

use std::fmt;
use std::task::{Context, Poll};

use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _};

/// A way to call one peer, for a generated client: `PaymentClient::new(client)`. Clones share one connection, one
/// retry budget and one set of circuit breakers.
#[derive(Clone)]
pub struct Client {
    stack: BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>,
}

impl Client {
    /// A client over any service that speaks gRPC: the stack of [`connect`], or in a test, a handler in the same
    /// process.
    pub fn over<S>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self {
            stack: BoxCloneSyncService::new(service.map_err(Into::into)),
        }
    }
}

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future =
        <BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError> as Service<
            http::Request<Body>,
        >>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.stack.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.stack.call(request)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
