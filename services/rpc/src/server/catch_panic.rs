//! Whatever comes out of a handler is a status with details: a panic is that call's INTERNAL and nobody else's trouble,
//! and a bare refusal of tonic's own gets its reason.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status::{Failure, complete};

#[derive(Debug, Clone)]
pub(super) struct CatchPanicLayer {
    domain: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct CatchPanic<S> {
    inner: S,
    domain: &'static str,
}

/// For the log.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

impl CatchPanicLayer {
    pub(super) fn new(domain: &'static str) -> Self {
        Self { domain }
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic {
            inner,
            domain: self.domain,
        }
    }
}

impl<S> Service<http::Request<Body>> for CatchPanic<S>
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
        let domain = self.domain;
        // Unwind safety: the future is dropped right after a panic, and what handlers share is databases and channels,
        // which stay whole when one of their users goes away.
        let call = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            match call.await {
                Ok(answer) => answer.map(|mut answer| {
                    complete(answer.headers_mut(), domain);
                    answer
                }),
                Err(panic) => Ok(Failure::internal(Panicked(text(panic.as_ref())))
                    .into_status(domain)
                    .into_http()),
            }
        })
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "it did not say why".to_owned()
    }
}
