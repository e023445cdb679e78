//! THE server stack: everything between a connection and a handler, on one screen ([`Server::serve`]).

mod call_log;
mod catch_panic;
mod end_watches;
mod in_flight;
mod services;
mod shutdown;
mod standard;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mtls::authorization::{AuthorizationLayer, Policy, PolicyError, Refusal};
use mtls::{HandshakeLimits, Incoming, ServerTls};
use resilience::deadline::ServerDeadlineLayer;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::ServiceBuilder;

use self::call_log::CallLogLayer;
use self::catch_panic::CatchPanicLayer;
use self::end_watches::EndWatchesLayer;
use self::in_flight::InFlightLayer;
use self::services::Worker;
use crate::config;
use crate::status::Failure;

pub use self::services::Services;
pub use self::shutdown::{Shutdown, Stop};

/// Everything that a server is made of, but for what it serves.
#[derive(Debug)]
#[non_exhaustive]
pub struct Server {
    name: &'static str,
    descriptors: &'static [u8],
    tls: ServerTls,
    policy: Arc<Policy>,
    deadlines: ServerDeadlineLayer,
    bounds: config::Server,
}

/// Why there is no server, or why it stopped otherwise than it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A rule of `[allow]` that could never match.
    #[error("[allow]: {0}")]
    Policy(#[from] PolicyError),
    /// Deadlines that contradict each other.
    #[error("[server.deadline]: {0}")]
    Deadline(String),
    /// The file descriptors are not what a compiler made of .proto files.
    #[error("reflection cannot be served: {0}")]
    Reflection(String),
    /// The transport gave up.
    #[error("the server stopped: {0}")]
    Transport(String),
}

impl Server {
    /// A server of that name: it is the domain of the statuses that the stack itself makes. `descriptors` is the encoded
    /// `FileDescriptorSet` for reflection, `allow` the rules of who may call what.
    ///
    /// # Errors
    /// When a rule could never match or the bounds contradict each other.
    pub fn new(
        name: &'static str,
        descriptors: &'static [u8],
        tls: ServerTls,
        allow: &BTreeMap<String, Vec<String>>,
        bounds: config::Server,
    ) -> Result<Self, ServeError> {
        let mut policy = Policy::try_from_rules(allow)?;
        // A probe, or a person with a tool, needs no line in a policy.
        for service in standard::SERVICES {
            policy = policy.with_every_peer(&format!("{service}/*"))?;
        }
        Ok(Self {
            name,
            descriptors,
            tls,
            policy: Arc::new(policy),
            deadlines: deadlines(&bounds, descriptors)?,
            bounds,
        })
    }

    /// Serves until `shutdown` is requested, then drains: health says NOT_SERVING, no connection is accepted any more,
    /// calls in flight may end within the grace, and what is left after it is cut when the runtime is dropped.
    ///
    /// # Errors
    /// When it cannot be served at all.
    pub async fn serve(
        self,
        listener: TcpListener,
        services: Services,
        shutdown: Shutdown,
    ) -> Result<(), ServeError> {
        let Services {
            routes,
            names,
            workers,
        } = services;
        let bounds = self.bounds;

        let (routes, health) = standard::add(routes, &names, self.descriptors).await?;
        let (tell, told) = Shutdown::channel();
        let in_flight = InFlightLayer::new(self.name, bounds.max_in_flight);

        // The order is the point; outermost first.
        let stack = ServiceBuilder::new()
            // Sees every call and how it really ended, also what the layers below refuse.
            .layer(CallLogLayer)
            // Before anything is spent on the call: who may not call costs no more than the refusal. Who calls was
            // settled by the handshake, once per connection, and came with it.
            .layer(AuthorizationLayer::new(self.policy, refuse))
            // Outside of the limit, so that a call without time left is refused before it takes a place, and a handler
            // whose time is up is dropped and gives its place back.
            .layer(self.deadlines)
            // Counts what really runs, until the last byte of the answer; more is refused at once.
            .layer(in_flight.clone())
            // Streams without an end must not hold up a shutdown.
            .layer(EndWatchesLayer::new(self.name, told))
            // Innermost: a panic becomes a status here and every status has its details, so that to all layers above it is
            // an answer like any other.
            .layer(CatchPanicLayer::new(self.name))
            .service(routes);

        // Handshakes have their own tasks, timeout and bound; only connections with an accepted certificate come out.
        let handshakes = HandshakeLimits {
            timeout: bounds.handshake_timeout,
            ..HandshakeLimits::default()
        };
        let incoming = Incoming::new(listener, self.tls, handshakes);

        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(bounds.max_streams_per_connection)
            .http2_keepalive_interval(Some(bounds.keepalive_interval))
            .http2_keepalive_timeout(Some(bounds.keepalive_timeout))
            // Without a grace of its own: with one, tonic 0.14 sends no GOAWAY at this age and cuts at age + grace.
            .max_connection_age(bounds.max_connection_age)
            .serve_with_incoming_shutdown(
                stack,
                incoming,
                drain(health, names, shutdown.clone(), tell),
            );
        let workers = async {
            run(workers).await;
            Ok(())
        };
        let everything = async { tokio::try_join!(server, workers) };
        tokio::select! {
            served = everything => match served {
                Ok(_) => Ok(()),
                Err(error) => Err(ServeError::Transport(crate::status::chain(&error))),
            },
            () = grace(bounds.drain, shutdown) => {
                let calls = in_flight.count();
                tracing::warn!(calls, grace = ?bounds.drain, "the grace is over; what is still in flight is cut");
                Ok(())
            }
        }
    }
}

/// The deadlines of the configuration, and for each stream of answers that it does not name, the time of a stream: a
/// watcher has nothing to finish in five seconds.
fn deadlines(
    bounds: &config::Server,
    descriptors: &[u8],
) -> Result<ServerDeadlineLayer, ServeError> {
    let mut config = bounds.deadline.clone();
    for set in standard::DESCRIPTORS.into_iter().chain([descriptors]) {
        for method in standard::streams(set)? {
            let service = method.split('/').next().unwrap_or_default();
            if !config.methods.contains_key(&format!("{service}/*")) {
                let lasting = config.methods.entry(method).or_default();
                lasting.max.get_or_insert(bounds.max_stream);
                lasting.default.get_or_insert(bounds.max_stream);
            }
        }
    }
    ServerDeadlineLayer::new(&config).map_err(|error| ServeError::Deadline(error.to_string()))
}

/// What a refused caller is told. Its domain is the first part of the package, which is the service's name.
fn refuse(refusal: &Refusal) -> http::Response<Body> {
    let domain = refusal.method.split(['.', '/']).next().unwrap_or_default();
    let failure = match &refusal.peer {
        Some(peer) => Failure::PermissionDenied {
            caller: Some(peer.to_string()),
            method: refusal.method.clone(),
        },
        None => Failure::Unauthenticated {
            message: format!(
                "a caller without a certificate may not call {}",
                refusal.method
            ),
        },
    };
    failure.into_status(domain).into_http()
}

/// Completes when the server is to stop accepting. Whoever watches health has been told by then, and only then is
/// `tell` used: a watcher is to read NOT_SERVING before its stream ends.
async fn drain(health: HealthReporter, names: Vec<&'static str>, shutdown: Shutdown, tell: Stop) {
    shutdown.requested().await;
    for name in names.into_iter().chain([""]) {
        health
            .set_service_status(name, ServingStatus::NotServing)
            .await;
    }
    tell.now();
}

async fn grace(length: Duration, shutdown: Shutdown) {
    shutdown.requested().await;
    tokio::time::sleep(length).await;
}

/// Runs the workers side by side until all have ended.
async fn run(workers: Vec<Worker>) {
    let watched = workers.into_iter().map(|worker| async move {
        if AssertUnwindSafe(worker.run).catch_unwind().await.is_err() {
            tracing::error!(
                worker = worker.name,
                "a worker panicked and is gone; restart the service"
            );
        }
    });
    futures_util::future::join_all(watched).await;
}
