//! A server with a small service of its own, and peers that call it through the client stack.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, mem};

use futures_util::future::BoxFuture;
use mtls::{ClientTls, Material, ServerTls};
use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions,
    ServiceDescriptorProto,
};
use rpc::client::{self, Client};
use rpc::config;
use rpc::server::{Server, Services, Shutdown, Stop};
use rpc::status::{Failure, FieldViolation, Metadata, Upstream, reason};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::certificates::Certificates;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// A running server.
pub(crate) struct House {
    certificates: Certificates,
    _folder: TempDir,
    address: SocketAddr,
    events: Arc<Events>,
    stop: Stop,
    served: JoinHandle<Result<(), rpc::server::ServeError>>,
}

/// What happens in the handlers, and what they wait for.
#[derive(Default)]
struct Events {
    entered: Notify,
    dropped: Notify,
    go: Notify,
    trip: Notify,
    worker_ended: AtomicBool,
    flaky: AtomicU32,
}

impl House {
    /// Opens it with bounds that a test may change.
    pub(crate) async fn open(
        change: impl FnOnce(&mut config::Server),
    ) -> Result<Self, Box<dyn Error>> {
        Self::open_allowing(&[], change).await
    }

    /// The same, with rules of who may call what besides those for its own methods.
    pub(crate) async fn open_allowing(
        rules: &[(&str, &[&str])],
        change: impl FnOnce(&mut config::Server),
    ) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let certificates = Certificates::new(folder.path())?;
        let tls = ServerTls::new(&Material::load(&certificates.issue("test")?)?)?;
        let mut bounds = config::Server::default();
        change(&mut bounds);
        let caller = vec!["spiffe://microservices.dev/order".to_owned()];
        let own = METHODS.map(|method| (format!("test.v1.Test/{method}"), caller.clone()));
        let rules = rules.iter().map(|(rule, callers)| {
            let callers = callers.iter().map(|caller| (*caller).to_owned());
            ((*rule).to_owned(), callers.collect())
        });
        let server = Server::new(
            "test",
            // A real service's are a constant of its binary.
            Box::leak(descriptors().into_boxed_slice()),
            tls,
            &own.into_iter().chain(rules).collect(),
            bounds,
        )?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let events = Arc::new(Events::default());
        let (stop, shutdown) = Shutdown::channel();
        let worker = {
            let (events, shutdown) = (events.clone(), shutdown.clone());
            async move {
                tokio::select! {
                    () = shutdown.requested() => {}
                    () = events.trip.notified() => trip(),
                }
                // A step more, to be sure that it is awaited and not only told.
                tokio::task::yield_now().await;
                events.worker_ended.store(true, Ordering::SeqCst);
            }
        };
        let services = Services::new()
            .add(Test(events.clone()))
            .worker("a worker", worker);
        let served = tokio::spawn(server.serve(listener, services, shutdown));
        Ok(Self {
            certificates,
            _folder: folder,
            address,
            events,
            stop,
            served,
        })
    }

    /// A peer with a certificate of that name.
    pub(crate) fn peer(&self, name: &str) -> Result<Peer, Box<dyn Error>> {
        self.connect(name, &config::Peer::at(format!("https://{}", self.address)))
    }

    /// The same, trying everything once.
    pub(crate) fn impatient_peer(&self, name: &str) -> Result<Peer, Box<dyn Error>> {
        self.impatient_peer_at(name, self.address)
    }

    pub(crate) fn impatient_peer_at(
        &self,
        name: &str,
        address: SocketAddr,
    ) -> Result<Peer, Box<dyn Error>> {
        let mut peer = config::Peer::at(format!("https://{address}"));
        peer.policy.retry.max_attempts = 1;
        self.connect(name, &peer)
    }

    fn connect(&self, name: &str, peer: &config::Peer) -> Result<Peer, Box<dyn Error>> {
        let tls = ClientTls::new(&Material::load(&self.certificates.issue(name)?)?)?;
        let client = client::connect(peer, &tls, &descriptors())?;
        Ok(Peer(client))
    }

    /// Waits until a handler of `Wait` runs.
    pub(crate) async fn entered(&self) {
        within_patience("a handler was entered", self.events.entered.notified()).await;
    }

    /// Waits until a handler of `Wait` is gone.
    pub(crate) async fn dropped(&self) {
        within_patience("a handler was dropped", self.events.dropped.notified()).await;
    }

    /// Lets a handler of `Wait` answer.
    pub(crate) fn let_go(&self) {
        self.events.go.notify_one();
    }

    /// Lets the worker panic.
    pub(crate) fn trip_the_worker(&self) {
        self.events.trip.notify_one();
    }

    /// How often a flaky method was called.
    pub(crate) fn attempts(&self) -> u32 {
        self.events.flaky.load(Ordering::SeqCst)
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.now();
    }

    pub(crate) fn worker_ended(&self) -> bool {
        self.events.worker_ended.load(Ordering::SeqCst)
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(self) -> Outcome {
        self.stopped_keeping(|_| {}).await
    }

    /// The same, and looks at what is left.
    pub(crate) async fn stopped_keeping(mut self, look: impl FnOnce(&Self)) -> Outcome {
        let served = mem::replace(&mut self.served, tokio::spawn(async { Ok(()) }));
        within_patience("the server stopped", served).await??;
        look(&self);
        Ok(())
    }
}

/// Waits for what must happen, and fails with its name when it does not: long enough for a machine that is busy.
#[expect(clippy::panic, reason = "a test fails by it")]
async fn within_patience<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(30);
    match tokio::time::timeout(patience, happens).await {
        Ok(happened) => happened,
        Err(_) => panic!("it never happened that {what}"),
    }
}

#[expect(clippy::panic, reason = "it is what is tested")]
fn trip() {
    panic!("the worker spilt the tea");
}

/// The methods of `test.v1.Test`. `Missing` is in its file, and no handler answers it.
const METHODS: [&str; 9] = [
    "Say",
    "Follow",
    "FollowAndPanic",
    "Panic",
    "Wait",
    "Flaky",
    "FlakyOnce",
    "Wrong",
    "Missing",
];

/// What a .proto file would say of `test.v1.Test`: `Flaky` may run twice, of the others it says nothing.
fn descriptors() -> Vec<u8> {
    let method = METHODS.map(|name| {
        let idempotent = MethodOptions {
            idempotency_level: Some(IdempotencyLevel::Idempotent.into()),
            ..MethodOptions::default()
        };
        MethodDescriptorProto {
            name: Some(name.to_owned()),
            options: (name == "Flaky").then_some(idempotent),
            server_streaming: Some(name.starts_with("Follow")),
            ..MethodDescriptorProto::default()
        }
    });
    let service = ServiceDescriptorProto {
        name: Some("Test".to_owned()),
        method: method.to_vec(),
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("test/v1/test.proto".to_owned()),
        package: Some("test.v1".to_owned()),
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

/// A client stack with a certificate.
#[derive(Clone)]
pub(crate) struct Peer(Client);

impl Peer {
    pub(crate) async fn call(&self, path: &'static str) -> Result<(), Status> {
        self.send(path, Request::new(())).await
    }

    pub(crate) async fn send(
        &self,
        path: &'static str,
        request: Request<()>,
    ) -> Result<(), Status> {
        let mut grpc = Grpc::new(self.0.clone());
        let uri = http::uri::PathAndQuery::from_static(path);
        let answer = async {
            grpc.ready().await.map_err(Status::from_error)?;
            let _: Response<()> = grpc.unary(request, uri, ProstCodec::default()).await?;
            Ok(())
        };
        within_patience(&format!("{path} was answered"), answer).await
    }

    /// A call as a task of its own.
    pub(crate) fn start(&self, path: &'static str) -> JoinHandle<Result<(), Status>> {
        let peer = self.clone();
        tokio::spawn(async move { peer.call(path).await })
    }

    /// A call that is answered with a stream.
    pub(crate) async fn follow(&self, path: &'static str) -> Result<Watch<()>, Status> {
        let mut grpc = Grpc::new(self.0.clone());
        let uri = http::uri::PathAndQuery::from_static(path);
        let answer = async {
            grpc.ready().await.map_err(Status::from_error)?;
            let request = Request::new(());
            grpc.server_streaming(request, uri, ProstCodec::<(), ()>::default())
                .await
        };
        let answer = within_patience(&format!("{path} was answered"), answer).await?;
        Ok(Watch(answer.into_inner()))
    }

    pub(crate) async fn health(&self, service: &str) -> Result<ServingStatus, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut client = HealthClient::new(self.0.clone());
        let answer = within_patience("health was answered", client.check(request)).await?;
        Ok(answer.into_inner().status())
    }

    pub(crate) async fn watch(&self, service: &str) -> Result<Watch<HealthCheckResponse>, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut client = HealthClient::new(self.0.clone());
        let answer = within_patience("a watch began", client.watch(request)).await?;
        Ok(Watch(answer.into_inner()))
    }

    /// The services that reflection lists.
    pub(crate) async fn reflected(&self) -> Result<Vec<String>, Box<dyn Error>> {
        within_patience("reflection was answered", self.reflect()).await
    }

    async fn reflect(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(self.0.clone());
        let mut answers = client
            .server_reflection_info(futures_util::stream::iter([request]))
            .await?
            .into_inner();
        match answers
            .message()
            .await?
            .and_then(|answer| answer.message_response)
        {
            Some(MessageResponse::ListServicesResponse(list)) => Ok(list
                .service
                .into_iter()
                .map(|service| service.name)
                .collect()),
            other => Err(format!("no list but {other:?}").into()),
        }
    }
}

/// A stream of answers.
#[derive(Debug)]
pub(crate) struct Watch<T>(Streaming<T>);

impl<T> Watch<T> {
    pub(crate) async fn message(&mut self) -> Result<Option<T>, Status> {
        within_patience("a stream went on or ended", self.0.message()).await
    }
}

/// What a refused call was told.
pub(crate) fn refused<T: fmt::Debug>(answer: Result<T, Status>) -> Upstream {
    Upstream::read(&answer.expect_err("a refusal"))
}

/// `test.v1.Test`, written by hand: `Say` answers, `Panic` panics, `Wait` waits, `Follow` is
/// a stream.
#[derive(Clone)]
struct Test(Arc<Events>);

impl NamedService for Test {
    const NAME: &'static str = "test.v1.Test";
}

impl tower::Service<http::Request<Body>> for Test {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let events = self.0.clone();
        let method = request.uri().path().to_owned();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
            if method.starts_with("/test.v1.Test/Follow") {
                let handler = tower::service_fn(move |_: Request<()>| {
                    let panics = method.ends_with("Panic");
                    std::future::ready(Ok::<_, Status>(Response::new(Following {
                        polled: 0,
                        panics,
                    })))
                });
                return Ok(grpc.server_streaming(handler, request).await);
            }
            let handler =
                tower::service_fn(move |_: Request<()>| handle(method.clone(), events.clone()));
            Ok(grpc.unary(handler, request).await)
        })
    }
}

#[expect(clippy::panic, reason = "it is what is tested")]
async fn handle(method: String, events: Arc<Events>) -> Result<Response<()>, Status> {
    match method.as_str() {
        "/test.v1.Test/Panic" => panic!("the tea is cold"),
        "/test.v1.Test/Flaky" | "/test.v1.Test/FlakyOnce" => {
            let before = events.flaky.fetch_add(1, Ordering::SeqCst);
            if before == 0 {
                return Err(Failure::Unavailable {
                    reason: reason::DATABASE_UNAVAILABLE,
                    message: "the first time it never works".to_owned(),
                    retry_after: None,
                    metadata: Metadata::new(),
                }
                .into_status("test"));
            }
        }
        "/test.v1.Test/Wrong" => {
            let violations = (0..1_000).map(|n| {
                FieldViolation::new(format!("items[{n}]"), reason::MALFORMED, "é".repeat(1_000))
            });
            return Err(Failure::InvalidArgument {
                violations: violations.collect(),
            }
            .into_status("test"));
        }
        "/test.v1.Test/Missing" => {
            return Err(Status::unimplemented("as tonic says it, without details"));
        }
        "/test.v1.Test/Wait" => {
            let _gone = Gone(&events);
            events.entered.notify_one();
            events.go.notified().await;
        }
        _ => {}
    }
    Ok(Response::new(()))
}

/// One message, and then silence or a panic.
struct Following {
    polled: u32,
    panics: bool,
}

impl futures_util::Stream for Following {
    type Item = Result<(), Status>;

    #[expect(clippy::panic, reason = "it is what is tested")]
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.polled += 1;
        match (self.polled, self.panics) {
            (1, _) => return Poll::Ready(Some(Ok(()))),
            // What is ready together is sent together, so the message goes out before the panic only with a pause.
            (2, true) => context.waker().wake_by_ref(),
            (_, true) => panic!("the tea is cold in the middle of a stream"),
            (_, false) => {}
        }
        Poll::Pending
    }
}

struct Gone<'a>(&'a Events);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}
