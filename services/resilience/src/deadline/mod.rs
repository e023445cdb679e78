//! Deadlines: one moment by which a call, and everything that it causes, must have ended.
//!
//! A *deadline* is a moment, a *timeout* a length. Only lengths go on the wire (`grpc-timeout`), only monotonic moments
//! are kept in the process (D5), so a clock that is set does no harm.
//!
//! **It travels by itself.** [`ServerDeadlineLayer`] turns the header of a request into a [`Deadline`] around the
//! handler; [`DeadlineLayer`] in a client that the handler calls finds it there and sends on what is left (D4). Nobody
//! passes a context by hand. What must go on when the caller has given up says so with [`detached`] (D13); a task that
//! is spawned starts without a deadline unless it is wrapped in [`inherit`].
//!
//! **It covers everything** (D6): waiting for a connection, the head of the response, its body and trailers, every retry
//! and every pause between them. The end is DEADLINE_EXCEEDED, never CANCELLED (D9), and says where the time went, hop by
//! hop: [`Spent`].
//!
//! **Each hop keeps a small reserve** ([`reserve`]), so that its own DEADLINE_EXCEEDED, with the hops below it, reaches
//! its caller before the caller gives up by itself and learns nothing.
//!
//! ```
//! use std::time::Duration;
//! use resilience::deadline::{self, Deadline};
//!
//! # async fn example() {
//! let deadline = Deadline::after(Duration::from_secs(3));
//! deadline::scope(deadline, async {
//!     // Every call made in here, through clients with a `DeadlineLayer`, ends by that moment.
//!     assert_eq!(deadline::current(), Some(deadline));
//! })
//! .await;
//! # }
//! ```

mod client;
pub mod grpc_timeout;
mod scope;
mod server;
mod spent;

use std::time::Duration;

use tokio::time::Instant;

pub use self::client::{ClientDeadline, ClientResponseFuture, DeadlineLayer};
pub use self::scope::{current, detached, inherit, scope};
pub use self::server::{
    RESERVE, ServerDeadline, ServerDeadlineConfig, ServerDeadlineError, ServerDeadlineLayer,
    ServerMethodConfig, ServerResponseFuture, reserve,
};
pub use self::spent::{Hop, MAX_HOPS, Spent};

pub(crate) use self::client::method_of;

/// The `reason` of the `ErrorInfo` in a DEADLINE_EXCEEDED of this crate.
pub const REASON: &str = "DEADLINE_EXCEEDED";

/// The moment by which a call must have ended, on the monotonic clock (D5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

// === impl Deadline ===

impl Deadline {
    /// The deadline at a moment.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The deadline that is this far from now.
    pub fn after(timeout: Duration) -> Self {
        Self::after_instant(Instant::now(), timeout)
    }

    /// The deadline that is this far from a moment. What no clock can hold is taken as ten years.
    pub fn after_instant(start: Instant, timeout: Duration) -> Self {
        const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        Self(
            start
                .checked_add(timeout)
                .or_else(|| start.checked_add(TEN_YEARS))
                .unwrap_or(start),
        )
    }

    /// The moment.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left now; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// What is left at a moment; zero once it has passed.
    pub fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed. Nothing left counts as passed (D3).
    pub fn is_expired(self) -> bool {
        self.remaining().is_zero()
    }
}

/// The deadline of a request that a [`DeadlineLayer`] above has set, else the one around this task.
pub(crate) fn of_request<B>(request: &http::Request<B>) -> Option<Deadline> {
    request
        .extensions()
        .get::<Deadline>()
        .copied()
        .or_else(current)
}
