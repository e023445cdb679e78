//! What a gRPC call must do when something goes wrong: keep its deadline, try again where that is safe, leave a peer in
//! trouble alone, and say what happened.
//!
//! The parts are [tower](https://docs.rs/tower) layers over HTTP, so they work for every generated tonic client and for
//! every kind of call, and each can be used alone. A client stacks them in this order, outermost first:
//!
//! | layer | why it stands there |
//! |---|---|
//! | [`deadline::DeadlineLayer`] | its time is the time of everything below; the last word on what the caller is told |
//! | [`retry::RetryLayer`] | each attempt passes through all that follows |
//! | [`circuit_breaker::CircuitBreakerLayer`] | counts attempts, not calls; a retry must not knock at an open circuit |
//! | [`attempt_timeout::AttemptTimeoutLayer`] | an attempt that takes too long is a failure for the breaker; writes `grpc-timeout` last |
//! | the channel | connects, sends |
//!
//! On a server there is one: [`deadline::ServerDeadlineLayer`]. What it knows of a request's deadline reaches the
//! clients that the handler uses by itself.
//!
//! ```
//! use std::sync::Arc;
//! use resilience::{ClientPolicy, idempotency::{Level, Methods}};
//! use tonic::transport::Endpoint;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let policy: ClientPolicy = toml::from_str(r#"
//!     deadline = "2s"
//!     retry = { max_attempts = 4 }
//!     circuit_breaker = { consecutive_failures = 5 }
//! "#)?;
//! // Usually read from the descriptor set that the proto compiler writes: `Methods::from_descriptor_set(…)`.
//! let methods = Methods::default().with("/grpc.health.v1.Health/Check", Level::NoSideEffects);
//!
//! let channel = ServiceBuilder::new()
//!     .layer(policy.deadline_layer())
//!     .layer(policy.retry_layer(Arc::new(methods)))
//!     .layer(policy.circuit_breaker_layer("payment"))
//!     .layer(policy.attempt_timeout_layer())
//!     .service(Endpoint::from_static("http://payment.example:50051").connect_lazy());
//!
//! let mut client = HealthClient::new(channel);
//! match client.check(HealthCheckRequest::default()).await {
//!     Ok(response) => println!("{:?}", response.get_ref().status()),
//!     Err(status) => println!("{status}; next: {:?}", resilience::decide::of_status(&status)),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Errors.** What the layers make themselves is an ordinary status with an `ErrorInfo` of the domain `resilience`:
//!
//! | code | reason | what happened |
//! |---|---|---|
//! | DEADLINE_EXCEEDED | `DEADLINE_EXCEEDED` | the call's deadline passed; [`deadline::Spent`] reads where the time went |
//! | DEADLINE_EXCEEDED | `ATTEMPT_TIMEOUT` | the last attempt ran out of its own time, and the server had not said so first |
//! | UNAVAILABLE | `CIRCUIT_OPEN`, `CIRCUIT_HALF_OPEN` | the circuit breaker refused; `RetryInfo` says when to try again |
//! | UNAVAILABLE | `UNREACHABLE`, `CONNECTION_CLOSED`, `REFUSED` | the server certainly did not see the call |
//! | UNAVAILABLE | `CONNECTION_LOST` | the connection failed under way; the call may have been carried out |
//! | RESOURCE_EXHAUSTED | `OVERLOADED` | this client has as many calls under way as it is allowed |
//! | INTERNAL | `MALFORMED_TIMEOUT` | a `grpc-timeout` that is none |
//!
//! [`decide`] tells from any status, the server's or the layers', what to do next.
//!
//! **Pure rules.** State machines and decisions ([`circuit_breaker::state`], [`retry::Session`], [`retry::budget`],
//! [`retry::backoff`], [`deadline::grpc_timeout`]) are functions of the time and the event that they are given. The
//! layers around them read the clock of tokio, which a test can pause.
//!
//! The comments cite the statements of the specifications by letters and numbers: D for deadlines, R retries,
//! P pushback, T throttle and budget, B circuit breakers, E error details, L the hygiene of layers. `docs/RESILIENCE.md`
//! says what each of them is, where it comes from and which test shows it.

pub mod attempt_timeout;
mod body;
pub mod circuit_breaker;
pub mod deadline;
pub mod decide;
pub mod duration;
pub mod idempotency;
pub mod per_method;
pub mod policy;
pub mod retry;
pub mod status;
mod timer;

pub use self::policy::{ClientPolicy, ClientPolicyConfig, MethodPolicyConfig, PolicyError};
