//! Circuit breaker: stops calling a peer that is in trouble, and finds out by itself when it is back.
//!
//! *Closed* means that calls flow, *open* that they are refused at once, *half-open* that a few of them probe. A circuit
//! opens by one of two rules: failures in a row, or a share of failures among enough calls ([`Config`]). Only the peer's
//! trouble counts: a client's mistake, such as INVALID_ARGUMENT or NOT_FOUND, is a sign that the peer is well (B12).
//!
//! Any async function can be guarded:
//!
//! ```
//! use resilience::circuit_breaker::{CallError, CircuitBreaker, Config};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = CircuitBreaker::builder("numbers")
//!     .config(Config { consecutive_failures: Some(3), ..Config::default() })
//!     .on_state_change(|change| println!("{} went from {} to {}", change.name, change.from, change.to))
//!     .build()?;
//! match breaker.call(async { "20".parse::<u32>() }).await {
//!     Ok(number) => println!("{number}"),
//!     Err(CallError::Rejected(rejected)) => println!("{rejected}"),
//!     Err(CallError::Failed(error)) => println!("{error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! For the calls of a gRPC client there is [`CircuitBreakerLayer`], with one breaker per endpoint and method. It stands
//! inside the retry layer, so that it sees every attempt and that a retry does not go on knocking at an open circuit.

mod breaker;
mod classify;
mod config;
mod keyed;
mod layer;
pub mod state;

pub use self::breaker::{
    Builder, CallError, CircuitBreaker, Permit, Rejected, Snapshot, StateChange,
};
pub use self::classify::{classify, classify_error};
pub use self::config::{
    Config, ConfigError, FailureRatio, HalfOpen, Key, MAX_WINDOW, OpenTime, Rules, Window,
};
pub use self::layer::{CircuitBreakerLayer, CircuitBreakerService, ResponseFuture};
pub use self::state::{Counts, Mode, Outcome, State, Totals};
