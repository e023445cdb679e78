//! Ends the watchers of health when the service is asked to stop.
//!
//! `grpc.health.v1.Health/Watch` is a stream without an end, and a connection is not closed before its last stream is.
//! Without this every stop would take the whole grace. A watcher has been sent NOT_SERVING by then; it now gets
//! UNAVAILABLE, connects elsewhere, and asks there.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tower::{Layer, Service};

use super::Shutdown;
use super::standard::is_standard;
use crate::status::{Failure, Metadata, into_trailers, reason};

#[derive(Debug, Clone)]
pub(super) struct EndWatchesLayer {
    domain: &'static str,
    told: Shutdown,
}

#[derive(Debug, Clone)]
pub(super) struct EndWatches<S> {
    inner: S,
    layer: EndWatchesLayer,
}

impl EndWatchesLayer {
    /// `told` completes when the watchers have been sent NOT_SERVING.
    pub(super) fn new(domain: &'static str, told: Shutdown) -> Self {
        Self { domain, told }
    }
}

impl<S> Layer<S> for EndWatchesLayer {
    type Service = EndWatches<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EndWatches {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S> Service<http::Request<Body>> for EndWatches<S>
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
        let standard = is_standard(request.uri().path());
        let answer = self.inner.call(request);
        if !standard {
            return Box::pin(answer);
        }
        let EndWatchesLayer { domain, told } = self.layer.clone();
        Box::pin(async move {
            Ok(answer.await?.map(|inner| {
                Body::new(Ending {
                    inner,
                    domain,
                    told: Box::pin(async move { told.requested().await }),
                    ended: false,
                })
            }))
        })
    }
}

struct Ending {
    inner: Body,
    domain: &'static str,
    told: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // What is there to be sent goes out first, the last NOT_SERVING among it.
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if frame.is_ready() {
            return frame;
        }
        match self.told.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.ended = true;
                let failure = Failure::Unavailable {
                    reason: reason::SHUTTING_DOWN,
                    message: format!("{} is being shut down", self.domain),
                    retry_after: None,
                    metadata: Metadata::new(),
                };
                let trailers = into_trailers(failure, self.domain);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
