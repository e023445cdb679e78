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
use crate::config::{self, duration};
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
    /// A rule for a method that this server does not have.
    #[error("[allow]: there is no method {rule:?} here; {advice}")]
    UnknownMethod {
        /// As it stands in the configuration.
        rule: String,
        /// What was probably meant, or what there is.
        advice: String,
    },
    /// A bound with which nobody would be served.
    #[error(
        "[server]: {field} is zero, and nobody would be served; leave it out, or give it a value"
    )]
    ZeroBound {
        /// The field.
        field: &'static str,
    },
    /// Deadlines that contradict each other.
    #[error("[server.deadline]: {0}")]
    Deadline(String),
    /// The file descriptors are not what a compiler made of .proto files.
    #[error("reflection cannot be served: {0}")]
    Reflection(String),
    /// Calls were in flight for longer than the grace.
    #[error(
        "calls that did not end within the grace of {} after the signal are cut: {calls}; `drain` in the table [server] \
         makes it longer",
        duration::format(*grace)
    )]
    GraceOver {
        /// How many.
        calls: usize,
        /// How long they were given.
        grace: Duration,
    },
    /// Asked a second time, it did not wait for what was in flight.
    #[error("stopped at once by a second signal; calls that were in flight are cut")]
    Cut,
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
        check_bounds(&bounds)?;
        standard::check_methods(allow.keys(), descriptors)?;
        let policy = policy(allow)?;
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
    /// When it cannot be served at all, and when calls are cut.
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
        let in_flight = InFlightLayer::new(
            self.name,
            bounds.max_in_flight,
            bounds.max_watchers,
            standard::streams(self.descriptors)?,
        );

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

        let workers = {
            let (health, names) = (health.clone(), names.clone());
            async move {
                run(workers, &health, &names).await;
                Ok(())
            }
        };
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
        let everything = async { tokio::try_join!(server, workers) };
        tokio::select! {
            served = everything => match served {
                Ok(_) => Ok(()),
                Err(error) => Err(ServeError::Transport(crate::status::chain(&error))),
            },
            () = grace(bounds.drain, shutdown) => {
                match in_flight.count() {
                    // Nobody waits for an answer. A worker goes on where it was when it is started again.
                    0 => {
                        tracing::warn!(grace = ?bounds.drain, "the grace is over; what still works is cut");
                        Ok(())
                    }
                    calls => Err(ServeError::GraceOver { calls, grace: bounds.drain }),
                }
            }
        }
    }
}

/// The rules, and for what the standard services have none: a probe, or a person with a tool, needs no line in a policy.
fn policy(allow: &BTreeMap<String, Vec<String>>) -> Result<Policy, PolicyError> {
    let mut allow = allow.clone();
    standard::extend_to_alpha(&mut allow);
    let mut policy = Policy::try_from_rules(&allow)?;
    for service in standard::SERVICES {
        let rule = format!("{service}/*");
        if !allow.contains_key(&rule) {
            policy = policy.with_every_peer(&rule)?;
        }
    }
    Ok(policy)
}

fn check_bounds(bounds: &config::Server) -> Result<(), ServeError> {
    for (field, is_zero) in [
        ("max_in_flight", bounds.max_in_flight == 0),
        ("max_watchers", bounds.max_watchers == 0),
        (
            "max_streams_per_connection",
            bounds.max_streams_per_connection == 0,
        ),
        ("max_stream", bounds.max_stream.is_zero()),
        ("handshake_timeout", bounds.handshake_timeout.is_zero()),
        ("keepalive_interval", bounds.keepalive_interval.is_zero()),
        ("keepalive_timeout", bounds.keepalive_timeout.is_zero()),
        ("max_connection_age", bounds.max_connection_age.is_zero()),
    ] {
        if is_zero {
            return Err(ServeError::ZeroBound { field });
        }
    }
    Ok(())
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
                // Whichever of the two is configured, the other one follows it.
                let usual = lasting.default.unwrap_or(bounds.max_stream);
                let max = lasting.max.unwrap_or_else(|| bounds.max_stream.max(usual));
                lasting.max = Some(max);
                if lasting.default.is_none() {
                    lasting.default = Some(usual.min(max));
                }
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
    not_serving(&health, &names).await;
    tell.now();
}

async fn not_serving(health: &HealthReporter, names: &[&'static str]) {
    for name in names.iter().copied().chain([""]) {
        health
            .set_service_status(name, ServingStatus::NotServing)
            .await;
    }
}

async fn grace(length: Duration, shutdown: Shutdown) {
    shutdown.requested().await;
    tokio::time::sleep(length).await;
}

/// Runs the workers side by side until all have ended. With one of them gone the service does half of its work, which
/// health says; why it is not started again, [`Services::worker`] says.
async fn run(workers: Vec<Worker>, health: &HealthReporter, names: &[&'static str]) {
    let watched = workers.into_iter().map(|worker| async move {
        if AssertUnwindSafe(worker.run).catch_unwind().await.is_err() {
            tracing::error!(
                worker = worker.name,
                "a worker panicked and is gone, and health says NOT_SERVING; restart the service"
            );
            not_serving(health, names).await;
        }
    });
    futures_util::future::join_all(watched).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: &[u8] = tonic_health::pb::FILE_DESCRIPTOR_SET;
    const WATCH: &str = "grpc.health.v1.Health/Watch";

    fn rules(rules: &[&str]) -> BTreeMap<String, Vec<String>> {
        rules
            .iter()
            .map(|rule| ((*rule).to_owned(), Vec::new()))
            .collect()
    }

    #[test]
    fn a_stream_that_is_given_less_or_more_than_usual_needs_no_second_setting() {
        for (max, default) in [
            (Some(600), None),
            (None, Some(7200)),
            (Some(600), Some(60)),
            (None, None),
        ] {
            let mut bounds = config::Server::default();
            let watch = bounds.deadline.methods.entry(WATCH.to_owned()).or_default();
            watch.max = max.map(Duration::from_secs);
            watch.default = default.map(Duration::from_secs);
            let refused = deadlines(&bounds, HEALTH)
                .err()
                .map(|error| error.to_string());
            assert_eq!(refused, None, "max {max:?}, default {default:?}");
        }
    }

    #[test]
    fn a_bound_of_zero_is_refused_by_its_name() {
        type Change = fn(&mut config::Server);
        let changes: [(&str, Change); 8] = [
            ("max_in_flight", |bounds| bounds.max_in_flight = 0),
            ("max_watchers", |bounds| bounds.max_watchers = 0),
            ("max_streams_per_connection", |bounds| {
                bounds.max_streams_per_connection = 0;
            }),
            ("max_stream", |bounds| bounds.max_stream = Duration::ZERO),
            ("handshake_timeout", |bounds| {
                bounds.handshake_timeout = Duration::ZERO;
            }),
            ("keepalive_interval", |bounds| {
                bounds.keepalive_interval = Duration::ZERO;
            }),
            ("keepalive_timeout", |bounds| {
                bounds.keepalive_timeout = Duration::ZERO;
            }),
            ("max_connection_age", |bounds| {
                bounds.max_connection_age = Duration::ZERO;
            }),
        ];
        for (field, change) in changes {
            let mut bounds = config::Server::default();
            change(&mut bounds);
            let said = check_bounds(&bounds).err().map(|error| error.to_string());
            let expected = format!("[server]: {field} is zero, and nobody would be served");
            assert!(
                said.as_ref()
                    .is_some_and(|said| said.starts_with(&expected)),
                "{field}: {said:?}"
            );
        }
        // Whoever wants no grace may have none.
        let at_once = config::Server {
            drain: Duration::ZERO,
            ..config::Server::default()
        };
        assert!(check_bounds(&at_once).is_ok());
    }

    #[test]
    fn a_rule_for_a_method_that_is_not_there_is_refused_with_the_closest() {
        let known = rules(&[
            WATCH,
            "grpc.health.v1.Health/*",
            "grpc.reflection.v1.ServerReflection/*",
        ]);
        assert!(standard::check_methods(known.keys(), HEALTH).is_ok());
        let misspelt = rules(&["grpc.health.v1.Health/Wacth"]);
        let said = standard::check_methods(misspelt.keys(), HEALTH)
            .err()
            .map(|error| error.to_string());
        let expected = "[allow]: there is no method \"grpc.health.v1.Health/Wacth\" here; did you mean \
                        \"grpc.health.v1.Health/Watch\"?";
        assert_eq!(said.as_deref(), Some(expected));
    }
}
