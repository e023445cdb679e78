//! The mark on a response that was made on this side.

use std::time::Duration;

/// Stands in the extensions of a response that no server sent: a layer below answered by itself. It lets the retry
/// layer tell the breaker's UNAVAILABLE from a server's (B20), and the breaker tell an expired attempt from a server's
/// DEADLINE_EXCEEDED (B12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Local {
    /// The circuit breaker refused the call; nothing was sent. A later call may go through after this time.
    CircuitOpen {
        /// What is left of the open time.
        retry_after: Duration,
    },
    /// The attempt ran out of its own time while the call's deadline was still ahead (D15).
    AttemptTimeout,
    /// The call's deadline passed, here.
    DeadlineExceeded,
}

/// The same mark as the source of an error, for what ends a response that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call was ended on this side")]
pub struct LocalError(pub Local);

// === impl Local ===

impl Local {
    /// The mark of an error of a body, if it has one.
    pub fn of_error(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        super::transport::chain(error)
            .find_map(|cause| cause.downcast_ref::<LocalError>())
            .map(|LocalError(local)| *local)
    }
}
