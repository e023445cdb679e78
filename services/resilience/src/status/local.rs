//! The mark on a response that was made on this side.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::{GRPC_MESSAGE, GRPC_STATUS, GRPC_STATUS_DETAILS, WireStatus, transport};

/// Stands in the extensions of a response that a layer below made, or knows the cause of. It lets the retry
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
    /// The attempt ran out of its own time while the call's deadline was still ahead (D15). The server may have noticed
    /// it first; the status is its own then.
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
        transport::chain(error)
            .find_map(|cause| cause.downcast_ref::<LocalError>())
            .map(|LocalError(local)| *local)
    }

    /// Trailers as an error with this mark, for which they have no room themselves.
    pub(crate) fn mark(self, mut trailers: HeaderMap) -> Status {
        let status = WireStatus::from_headers(&trailers)
            .unwrap_or_else(|| WireStatus::new(Code::Unknown, "the trailers have no grpc-status"));
        for name in [GRPC_STATUS, GRPC_MESSAGE, GRPC_STATUS_DETAILS] {
            trailers.remove(name);
        }
        let mut status = status.to_status();
        *status.metadata_mut() = MetadataMap::from_headers(trailers);
        status.set_source(Arc::new(LocalError(self)));
        status
    }

    /// The trailers that such an error stands for.
    pub(crate) fn unmark(error: &Status) -> HeaderMap {
        let mut trailers = error.metadata().clone().into_headers();
        transport::to_status(error, "").write(&mut trailers);
        trailers
    }
}
