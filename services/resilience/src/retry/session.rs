//! Whether to try again, and when: one decision, pure.
//!
//! It looks, in this order, at: who failed (a refusal on this side is not retried here, B20); how far the request got
//! (R6, R10); the server's pushback (P1–P4); the code (R4, R5); details that forbid it (P6); whether the call may run
//! twice (R6); the attempts (R1); the time left (D7); the budget (T3).

use std::time::{Duration, Instant};

use tonic::Code;

use super::budget::Limits;
use super::policy::RetryPolicy;
use super::pushback::Pushback;
use crate::status::transport::Reached;

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: Code,
    /// The server's pushback.
    pub pushback: Pushback,
    /// The server's `RetryInfo`.
    pub retry_info: Option<Duration>,
    /// Whether details say that a retry is pointless: `QuotaFailure`, `PreconditionFailure`, `BadRequest` (P6).
    pub forbidden: bool,
    /// How far the request got.
    pub reached: Reached,
    /// Who failed.
    pub origin: Origin,
}

/// Who failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The server, or the way to it.
    Server,
    /// The attempt ran out of its own time; the call has more (D15).
    AttemptTimeout,
    /// A circuit breaker on this side refused (B20).
    Rejection,
    /// The call's deadline passed.
    Deadline,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Wait, then try again.
    Retry {
        /// For so long.
        after: Duration,
    },
    /// Try again at once; it does not count as an attempt (R10).
    Transparent,
    /// Give the caller the last status.
    Stop(Stop),
}

/// Why there is no other attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// The code is not one to retry.
    Code,
    /// The details say that it is pointless.
    Details,
    /// The server said no.
    Pushback,
    /// It may have been carried out, and must not be twice.
    NotIdempotent,
    /// All attempts are made.
    Exhausted,
    /// The pause would outlast the deadline (D7).
    DeadlineWouldPass,
    /// The deadline has passed.
    Deadline,
    /// The budget is spent (T3).
    Throttled,
    /// Refused on this side (B20).
    Rejected,
}

/// One call, across its attempts.
#[derive(Debug, Clone)]
pub struct Session {
    idempotent: bool,
    attempts: u32,
    // Pauses since the beginning or the last pushback, which starts the backoff anew (P1).
    pauses: u32,
    unsent: u32,
    refused: bool,
}

/// The most transparent retries of one call that never left this client. gRFC A6 has no limit but the deadline; but a
/// server that lets a connection come about and closes it at once, as one does that refuses a client's certificate in
/// TLS 1.3, looks the same from here.
const MAX_UNSENT: u32 = 5;

// === impl Failure ===

impl Failure {
    /// A bare code of the server.
    pub fn of_code(code: Code) -> Self {
        Self {
            code,
            pushback: Pushback::Absent,
            retry_info: None,
            forbidden: false,
            reached: Reached::Unknown,
            origin: Origin::Server,
        }
    }
    fn is_retryable(&self, policy: &RetryPolicy) -> bool {
        let hinted = self.retry_info.is_some() || matches!(self.pushback, Pushback::After(_));
        policy.lists(self.code)
            || self.code == Code::ResourceExhausted && hinted
            || self.origin == Origin::AttemptTimeout
    }
}

// === impl Session ===

impl Session {
    pub(super) fn new(idempotent: bool) -> Self {
        Self {
            idempotent,
            attempts: 1,
            pauses: 0,
            unsent: 0,
            refused: false,
        }
    }

    /// The attempts so far, without transparent ones.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Decides after a failed attempt. `remaining` is what is left of the deadline at `now`.
    pub fn decide(
        &mut self,
        policy: &RetryPolicy,
        failure: &Failure,
        now: Instant,
        remaining: Option<Duration>,
        limits: &mut Limits,
        random: &mut fastrand::Rng,
    ) -> Decision {
        match failure.origin {
            // T7: neither deposits nor withdraws.
            Origin::Rejection => return Decision::Stop(Stop::Rejected),
            Origin::Deadline => return Decision::Stop(Stop::Deadline),
            Origin::Server | Origin::AttemptTimeout => {}
        }
        if remaining.is_some_and(|remaining| remaining.is_zero()) {
            return Decision::Stop(Stop::Deadline);
        }
        match failure.reached {
            Reached::NotSent if self.unsent < MAX_UNSENT => {
                self.unsent += 1;
                return Decision::Transparent;
            }
            Reached::Refused | Reached::GoneAway if !self.refused => {
                self.refused = true;
                return Decision::Transparent;
            }
            _ => {}
        }
        let retryable = failure.is_retryable(policy);
        if retryable || failure.pushback == Pushback::Stop {
            limits.failure();
        }
        let stop = if failure.pushback == Pushback::Stop {
            Some(Stop::Pushback)
        } else if !retryable {
            Some(Stop::Code)
        } else if failure.forbidden {
            Some(Stop::Details)
        } else if !self.idempotent && !failure.reached.is_unprocessed() {
            Some(Stop::NotIdempotent)
        } else if self.attempts >= policy.max_attempts {
            Some(Stop::Exhausted)
        } else {
            None
        };
        if let Some(stop) = stop {
            return Decision::Stop(stop);
        }
        let after = self.pause(policy, failure, random);
        if remaining.is_some_and(|remaining| after >= remaining) {
            return Decision::Stop(Stop::DeadlineWouldPass);
        }
        if !limits.take_retry(now) {
            return Decision::Stop(Stop::Throttled);
        }
        self.attempts += 1;
        Decision::Retry { after }
    }

    fn pause(
        &mut self,
        policy: &RetryPolicy,
        failure: &Failure,
        random: &mut fastrand::Rng,
    ) -> Duration {
        if let Pushback::After(exactly) = failure.pushback {
            self.pauses = 0;
            return exactly;
        }
        self.pauses = self.pauses.saturating_add(1);
        let own = policy
            .jitter
            .apply(policy.backoff.delay(self.pauses), random);
        match failure.retry_info {
            None => own,
            Some(least) => {
                let least = least.min(policy.max_retry_info);
                own.max(policy.jitter.stretch(least, random))
            }
        }
    }
}
