//! One log line per call: which method, who called, how it ended, how long it took, how much time was left.
//!
//! The line is written when the last frame of the answer has been taken, or when the caller went away before. It holds
//! no content of a call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use mtls::{PeerIdentity, PeerInfo};
use resilience::deadline::grpc_timeout;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};

#[derive(Debug, Clone, Copy)]
pub(super) struct CallLogLayer;

#[derive(Debug, Clone)]
pub(super) struct CallLog<S> {
    inner: S,
}

impl<S> Layer<S> for CallLogLayer {
    type Service = CallLog<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallLog { inner }
    }
}

impl<S> Service<http::Request<Body>> for CallLog<S>
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
        let mut line = Line::open(&request);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            // In the headers when there is nothing but a status, in the trailers otherwise.
            if let Some(code) = code(answer.headers()) {
                line.ended(code);
                return Ok(answer);
            }
            Ok(answer.map(|inner| Body::new(Logged { inner, line })))
        })
    }
}

/// What the line will say. It is written when this is dropped, so a call that is given up is logged as well.
struct Line {
    method: String,
    peer: Option<Arc<PeerIdentity>>,
    arrived: Instant,
    given: Option<Duration>,
    code: Option<Code>,
}

impl Line {
    fn open(request: &http::Request<Body>) -> Self {
        let peer = request.extensions().get::<PeerInfo>();
        let given = request.headers().get("grpc-timeout");
        Self {
            method: request.uri().path().trim_start_matches('/').to_owned(),
            peer: peer.and_then(|peer| peer.identity.clone()),
            arrived: Instant::now(),
            given: given.and_then(|value| grpc_timeout::decode(value.as_bytes()).ok()),
            code: None,
        }
    }

    fn ended(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let elapsed = self.arrived.elapsed();
        let peer = match &self.peer {
            Some(identity) => identity.to_string(),
            None => "nobody".to_owned(),
        };
        // A caller that went away before the end got no code; gRPC calls that CANCELLED.
        let code = self.code.unwrap_or(Code::Cancelled);
        let elapsed_ms = elapsed.as_secs_f64() * 1e3;
        let left_ms = self
            .given
            .map(|given| (given.as_secs_f64() - elapsed.as_secs_f64()) * 1e3);
        let (method, elapsed_ms) = (self.method.as_str(), rounded(elapsed_ms));
        let left_ms = left_ms.map(rounded);
        match code {
            // Ours to look into.
            Code::Internal | Code::Unknown | Code::DataLoss => {
                tracing::warn!(method, peer, ?code, elapsed_ms, left_ms, "call");
            }
            _ => tracing::info!(method, peer, ?code, elapsed_ms, left_ms, "call"),
        }
    }
}

/// To a hundredth: a log line is no benchmark.
fn rounded(milliseconds: f64) -> f64 {
    (milliseconds * 100.0).round() / 100.0
}

fn code(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get("grpc-status")?;
    Some(Code::from_bytes(value.as_bytes()))
}

struct Logged {
    inner: Body,
    line: Line,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(result)) = &frame {
            match result {
                Ok(frame) => {
                    if let Some(code) = frame.trailers_ref().and_then(code) {
                        self.line.ended(code);
                    }
                }
                Err(status) => self.line.ended(status.code()),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
