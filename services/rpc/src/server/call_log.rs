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

use crate::status::cut;

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
            // As the caller wrote it; a path may be as long as headers may be.
            method: cut(request.uri().path().trim_start_matches('/')).to_owned(),
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::sync::Mutex;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::status::Failure;

    /// What was written to the log.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Ok(mut all) = self.0.lock() {
                all.extend_from_slice(bytes);
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> Vec<String> {
            let all = self.0.lock().map(|all| all.clone()).unwrap_or_default();
            String::from_utf8_lossy(&all)
                .lines()
                .map(str::to_owned)
                .collect()
        }
    }

    /// The lines that are written while a request with a budget of 2 s is answered with `answer`, whose body is read to
    /// its end or dropped.
    fn logged(answer: http::Response<Body>, read: bool) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            futures_util::FutureExt::now_or_never(async {
                let mut answer = Some(answer);
                let handler = tower::service_fn(|_: http::Request<Body>| {
                    std::future::ready(Ok::<_, Infallible>(answer.take().unwrap_or_default()))
                });
                let mut service = CallLogLayer.layer(handler);
                let request = http::Request::builder()
                    .uri("https://localhost/test.v1.Test/Say")
                    .header("grpc-timeout", "2S");
                let request = request.body(Body::empty()).unwrap_or_default();
                let answer = service.call(request).await.unwrap_or_default();
                if read {
                    let _ = answer.into_body().collect().await;
                }
            })
        });
        written.lines()
    }

    fn trailers(code: Code) -> http::Response<Body> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", i32::from(code).into());
        let body = http_body_util::Full::new(Bytes::from_static(b"an answer"));
        let body = body.with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
        http::Response::new(Body::new(body.map_err(|never| match never {})))
    }

    #[test]
    fn a_call_is_one_line_with_method_peer_code_and_time_left() {
        let lines = logged(trailers(Code::Ok), true);
        let [line] = lines.as_slice() else {
            unreachable!("{lines:?}")
        };
        for part in [
            "INFO",
            "test.v1.Test/Say",
            "peer=\"nobody\"",
            "code=Ok",
            "elapsed_ms=",
            "left_ms=",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn the_code_of_the_trailers_counts_and_ours_to_look_into_is_a_warning() {
        let lines = logged(trailers(Code::Internal), true);
        assert!(
            lines[0].contains("WARN") && lines[0].contains("code=Internal"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_refusal_without_a_body_is_logged_with_its_code() {
        let refusal = Failure::not_found("payment", 7)
            .into_status("test")
            .into_http();
        let lines = logged(refusal, true);
        assert!(lines[0].contains("code=NotFound"), "{lines:?}");
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn a_caller_that_goes_away_is_logged_as_cancelled() {
        let lines = logged(trailers(Code::Ok), false);
        assert!(lines[0].contains("code=Cancelled"), "{lines:?}");
        assert_eq!(lines.len(), 1);
    }
}
