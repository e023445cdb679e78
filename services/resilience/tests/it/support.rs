//! A peer that follows a script, and gRPC servers in memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use resilience::status::WireStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint, Server};
use tonic_prost::ProstCodec;
use tower::{BoxError, Service};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn status(code: Code) -> WireStatus {
    WireStatus::new(code, format!("{code:?}"))
}

// === a peer that follows a script ===

/// What the peer does with one request.
pub(crate) enum Step {
    /// One message, then OK in the trailers.
    Ok,
    /// Trailers-Only.
    Status(WireStatus),
    /// Trailers-Only, with another header.
    StatusWith(WireStatus, &'static str, &'static str),
    /// A head, no message, then the status in trailers (R15).
    Trailers(WireStatus),
    /// One message, then the status in trailers.
    MessageThen(WireStatus),
    /// A bare HTTP status.
    Http(u16),
    /// No response.
    Fail(BoxError),
    /// No response, ever.
    Hang,
    /// A head, then nothing.
    HangAfterHead,
    /// The step after a pause.
    After(Duration, Box<Self>),
}

/// What the peer saw of one request.
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Peer {
    start: Instant,
    script: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
}

impl Peer {
    pub(crate) fn new(script: impl IntoIterator<Item = Step>) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            script: Mutex::new(script.into_iter().collect()),
            seen: Mutex::default(),
        })
    }

    pub(crate) fn service(
        self: &Arc<Self>,
    ) -> impl Service<
        Request<Body>,
        Response = Response<Body>,
        Error = BoxError,
        Future: Future<Output = Result<Response<Body>, BoxError>> + Send,
    >
    + Clone
    + Send
    + 'static
    + use<> {
        let peer = Arc::clone(self);
        tower::service_fn(move |request| Arc::clone(&peer).answer(request))
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (parts, body) = request.into_parts();
        let at = self.start.elapsed();
        let body = body.collect().await?.to_bytes();
        let headers = parts.headers;
        self.seen
            .lock()
            .expect("no panic before")
            .push(Seen { at, headers, body });
        let step = self.script.lock().expect("no panic before").pop_front();
        let mut step = step.ok_or("the script has ended")?;
        loop {
            step = match step {
                Step::After(pause, next) => {
                    tokio::time::sleep(pause).await;
                    *next
                }
                Step::Ok => return Ok(streamed(vec![message(), trailers(&status(Code::Ok))])),
                Step::Status(status) => return Ok(status.into_response()),
                Step::StatusWith(status, name, value) => {
                    let mut response = status.into_response();
                    response.headers_mut().append(name, value.parse()?);
                    return Ok(response);
                }
                Step::Trailers(status) => return Ok(streamed(vec![trailers(&status)])),
                Step::MessageThen(status) => {
                    return Ok(streamed(vec![message(), trailers(&status)]));
                }
                Step::Http(code) => {
                    return Ok(Response::builder().status(code).body(Body::empty())?);
                }
                Step::Fail(error) => return Err(error),
                Step::Hang => std::future::pending().await,
                Step::HangAfterHead => {
                    let never = tokio_stream::pending::<Result<Frame<Bytes>, tonic::Status>>();
                    return Ok(Response::new(Body::new(StreamBody::new(never))));
                }
            };
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().expect("no panic before").len()
    }

    /// One thing of each request that was seen.
    pub(crate) fn each<R>(&self, what: impl Fn(&Seen) -> R) -> Vec<R> {
        let seen = self.seen.lock().expect("no panic before");
        seen.iter().map(what).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Vec<Option<String>> {
        self.each(|seen| {
            let value = seen.headers.get(name)?;
            Some(value.to_str().expect("text").to_owned())
        })
    }

    pub(crate) fn times(&self) -> Vec<Duration> {
        self.each(|seen| seen.at)
    }
}

fn message() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"\0\0\0\0\0"))
}

fn trailers(status: &WireStatus) -> Frame<Bytes> {
    Frame::trailers(status.to_headers())
}

fn streamed(frames: Vec<Frame<Bytes>>) -> Response<Body> {
    let frames = frames.into_iter().map(Ok::<_, tonic::Status>);
    Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))))
}

/// A unary request to `order.v1.Order/Create`, whose body is there at once.
pub(crate) fn request(text: &'static str) -> Request<Body> {
    let body = http_body_util::Full::new(Bytes::from_static(text.as_bytes()));
    let mut request = Request::new(Body::new(body));
    *request.uri_mut() = "/order.v1.Order/Create".parse().expect("a path");
    request
}

/// What a generated client would be told, read from the head or the trailers.
pub(crate) async fn told(response: Response<Body>) -> WireStatus {
    if let Some(status) = WireStatus::from_response_head(&response) {
        return status;
    }
    let body = response.into_body().collect().await.expect("a whole body");
    body.trailers()
        .and_then(WireStatus::from_headers)
        .expect("a status in the trailers")
}

// === gRPC servers in memory ===

pub(crate) type Codec = ProstCodec<String, String>;

/// A unary method whatever its path.
pub(crate) fn unary<F, R>(
    handler: F,
) -> impl Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future: Future<Output = Result<Response<Body>, Infallible>> + Send,
> + Clone
+ Send
+ 'static
where
    F: Fn(tonic::Request<String>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<String, tonic::Status>> + Send + 'static,
{
    tower::service_fn(move |request| {
        let handler = handler.clone();
        async move {
            let method = tower::service_fn(move |request| {
                let handled = handler(request);
                async move { handled.await.map(tonic::Response::new) }
            });
            let mut grpc = tonic::server::Grpc::new(Codec::default());
            Ok(grpc.unary(method, request).await)
        }
    })
}

/// Serves in memory and returns a channel to it that connects when first used.
pub(crate) fn serve<S>(service: S) -> Channel
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send + 'static,
{
    let (accept, incoming) = tokio::sync::mpsc::channel::<Result<DuplexStream, Infallible>>(8);
    tokio::spawn(Server::builder().serve_with_incoming(service, ReceiverStream::new(incoming)));
    channel(move || {
        let accept = accept.clone();
        async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            accept.send(Ok(far)).await.map_err(|_| closed())?;
            Ok(near)
        }
    })
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "nobody listens")
}

/// A channel whose connections come from a function.
pub(crate) fn channel<F, R>(connect: F) -> Channel
where
    F: Fn() -> R + Send + 'static,
    R: Future<Output = std::io::Result<DuplexStream>> + Send + 'static,
{
    Endpoint::from_static("http://in.memory").connect_with_connector_lazy(tower::service_fn(
        move |_: http::Uri| {
            let connecting = connect();
            async move { connecting.await.map(TokioIo::new) }
        },
    ))
}

/// An HTTP/2 server that answers every request with GOAWAY, NO_ERROR, below the number of its stream. h2's server would name the stream that it has accepted, so the frames are written by hand (RFC 9113 §4.1, §6.8).
pub(crate) async fn go_away(mut io: DuplexStream) -> std::io::Result<()> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY_STREAM_0_NO_ERROR: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut preface = [0; 24];
    io.read_exact(&mut preface).await?;
    io.write_all(&SETTINGS).await?;
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let [a, b, c, kind, ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).expect("small")];
        io.read_exact(&mut payload).await?;
        const HEADERS: u8 = 1;
        if kind == HEADERS {
            io.write_all(&GOAWAY_STREAM_0_NO_ERROR).await?;
        }
    }
}

/// Calls a unary method through a stack.
pub(crate) async fn call<S>(stack: S, path: &'static str) -> Result<String, tonic::Status>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    let mut client = tonic::client::Grpc::new(stack);
    client
        .ready()
        .await
        .map_err(|error| tonic::Status::from_error(error.into()))?;
    let request = tonic::Request::new("a message".to_owned());
    client
        .unary(request, PathAndQuery::from_static(path), Codec::default())
        .await
        .map(tonic::Response::into_inner)
}
