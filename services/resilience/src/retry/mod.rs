//! Retries: another attempt where one can help, and only there.
//!
//! - **Which codes**: UNAVAILABLE, unless configured otherwise (R4). Codes by which a second try can only have the same
//!   end cannot be configured by accident (R5).
//! - **Which calls**: those that may run twice, by the `idempotency_level` of their .proto file or their own word
//!   ([`crate::idempotency`]). Any other call is sent again only when it is certain that the server never saw it (R6):
//!   no connection, a connection that closed before, REFUSED_STREAM, GOAWAY.
//! - **When**: after a backoff with jitter ([`Backoff`], [`Jitter`]); after exactly the server's
//!   `grpc-retry-pushback-ms`; not before its `RetryInfo`. A pause that would outlast the deadline is not made (D7).
//! - **How many**: `max_attempts` counts the first try (R1). A budget that all calls of a client share keeps retries from
//!   becoming the load that they are an answer to ([`budget`]).
//! - **What**: the same bytes, kept once, without a copy per attempt; never a stream of requests, never after an answer
//!   has begun (R8).
//!
//! When no attempt is left the caller gets the last status of the server as it was (R14).
//!
//! The decision is one pure function, [`Session::decide`]; [`RetryLayer`] does what it says.

pub mod backoff;
pub mod budget;
mod ended;
mod layer;
mod policy;
mod pushback;
mod replay;
mod session;
pub mod throttle;

pub use self::backoff::{Backoff, BackoffError, Jitter};
pub use self::budget::{BudgetConfig, BudgetError};
pub use self::layer::{ATTEMPTS, Attempts, GRPC_PREVIOUS_RPC_ATTEMPTS, Retry, RetryLayer, Stopped};
pub use self::policy::{CodeName, Off, RetryConfig, RetryError, RetryPolicy, Switch};
pub use self::pushback::{GRPC_RETRY_PUSHBACK_MS, Pushback};
pub use self::session::{Decision, Failure, Origin, Session, Stop};
pub use self::throttle::ThrottleConfig;
