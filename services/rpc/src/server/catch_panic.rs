//! Whatever comes out of a handler is a status with details: a panic is that call's INTERNAL and nobody else's trouble,
//! and a bare refusal of tonic's own gets its reason. A stream of answers is its handler's for as long as it lasts, so a
//! panic in it ends it with the same status, in the trailers.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body as _, Frame, SizeHint};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status::{Failure, complete, into_trailers};

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
                    answer.map(|inner| {
                        // A refusal without a body has nothing left that could panic.
                        if inner.is_end_stream() {
                            return inner;
                        }
                        Body::new(Guarded {
                            inner: Some(inner),
                            domain,
                        })
                    })
                }),
                Err(panic) => Ok(failure(panic.as_ref()).into_status(domain).into_http()),
            }
        })
    }
}

/// A body whose panic is its last word. It is gone after that.
struct Guarded {
    inner: Option<Body>,
    domain: &'static str,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        // Unwind safety: as for the call.
        let polled = AssertUnwindSafe(|| Pin::new(inner).poll_frame(context));
        match std::panic::catch_unwind(polled) {
            Ok(frame) => frame,
            Err(panic) => {
                self.inner = None;
                let trailers = into_trailers(failure(panic.as_ref()), self.domain);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn failure(panic: &(dyn Any + Send)) -> Failure {
    Failure::internal(Panicked(text(panic)))
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
