//! Whether to try again, and when: one decision, pure.
//!
//! It looks, in this order, at: who failed (a refusal on this side is not retried here, B20); how far the request got
//! (R6, R10); the server's pushback (P1–P4); the code (R4, R5); details that forbid it (P6); whether the call may run
//! twice (R6); the attempts (R1); the time left (D7); the budget (T3).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tonic::Code;

use super::backoff::{Backoff, BackoffError, Jitter};
use super::budget::{BudgetConfig, BudgetError, Limits};
use super::pushback::Pushback;
use super::throttle::ThrottleConfig;
use crate::status::transport::Reached;

/// Retries, as configuration.
///
/// ```
/// use resilience::retry::{RetryConfig, RetryPolicy};
///
/// let config: RetryConfig = toml::from_str(r#"
///     max_attempts = 5
///     backoff = { linear = { step = "1s", max = "5s" } }
///     codes = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
/// "#)?;
/// assert_eq!(RetryPolicy::new(&config)?.max_attempts(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// All tries of a call, the first included (R1): 1 means no retry.
    pub max_attempts: u32,
    /// More attempts than this are cut to it (gRFC A6 has 5).
    pub attempts_cap: u32,
    /// The pauses.
    pub backoff: Backoff,
    /// Chance in the pauses.
    pub jitter: Jitter,
    /// The codes that are retried, by their gRPC names (R4). RESOURCE_EXHAUSTED is retried without being listed when the
    /// server says after which time.
    pub codes: BTreeSet<CodeName>,
    /// Permits codes that no call should be retried on, such as ALREADY_EXISTS (R5). Only a server that uses a code in a
    /// way of its own can need this.
    pub allow_unsafe_codes: bool,
    /// The longest `RetryInfo` that is obeyed; a longer one is cut to it (P5).
    #[serde(with = "crate::duration")]
    pub max_retry_info: Duration,
    /// The longest request, in bytes, that is kept for another attempt; a longer one has one attempt (R9).
    pub max_replay: usize,
    /// gRFC A6's throttle; shared by all calls of a client to one target.
    pub throttle: Switch<ThrottleConfig>,
    /// The share of retries among calls; shared by all calls of a client to one target.
    pub budget: Switch<BudgetConfig>,
}

/// A limit, or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "either \"off\" or a table of settings")]
pub enum Switch<T> {
    /// In force.
    On(T),
    /// Not in force: `"off"`.
    Off(Off),
}

/// The word `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Off {
    /// `"off"`.
    #[serde(rename = "off")]
    Off,
}

/// A gRPC code by its name, such as `UNAVAILABLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are those of gRPC's status codes")]
pub enum CodeName {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// Why a [`RetryConfig`] is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// There would be no attempt at all.
    #[error("max_attempts and attempts_cap count the first try too, so they must be at least 1")]
    NoAttempt,
    /// The pauses contradict themselves.
    #[error(transparent)]
    Backoff(#[from] BackoffError),
    /// A limit is out of range.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// A code that must not be retried.
    #[error(
        "{code:?} must not be retried: a second try has the same end or does harm; remove it from codes, or set allow_unsafe_codes if this server means something else by it"
    )]
    UnsafeCode {
        /// Which.
        code: CodeName,
    },
}

/// A checked policy.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    max_attempts: u32,
    backoff: Backoff,
    jitter: Jitter,
    // A bit per code.
    codes: u32,
    max_retry_info: Duration,
    max_replay: usize,
    throttle: Option<ThrottleConfig>,
    budget: Option<BudgetConfig>,
}

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

// === impl RetryConfig ===

impl Default for RetryConfig {
    /// Three attempts on UNAVAILABLE, 100 ms doubled up to 1 s, ±20 %.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            attempts_cap: 5,
            backoff: Backoff::default(),
            jitter: Jitter::default(),
            codes: BTreeSet::from([CodeName::Unavailable]),
            allow_unsafe_codes: false,
            max_retry_info: Duration::from_secs(30),
            max_replay: 256 * 1024,
            throttle: Switch::On(ThrottleConfig::default()),
            budget: Switch::On(BudgetConfig::default()),
        }
    }
}

impl RetryConfig {
    /// One attempt.
    pub fn off() -> Self {
        Self {
            max_attempts: 1,
            ..Self::default()
        }
    }
}

// === impl Switch ===

impl<T: Copy> Switch<T> {
    /// Not in force.
    pub const OFF: Self = Self::Off(Off::Off);

    /// The limit, if in force.
    pub fn on(&self) -> Option<T> {
        match self {
            Self::On(limit) => Some(*limit),
            Self::Off(Off::Off) => None,
        }
    }
}

// === impl CodeName ===

impl CodeName {
    /// R5.
    fn is_never_retried(self) -> bool {
        matches!(
            self,
            Self::Ok
                | Self::Cancelled
                | Self::InvalidArgument
                | Self::DeadlineExceeded
                | Self::NotFound
                | Self::AlreadyExists
                | Self::PermissionDenied
                | Self::FailedPrecondition
                | Self::OutOfRange
                | Self::Unimplemented
                | Self::Unauthenticated
        )
    }
}

// === impl RetryPolicy ===

impl RetryPolicy {
    /// Checks a configuration.
    ///
    /// # Errors
    ///
    /// When it contradicts itself, or retries what must not be.
    pub fn new(config: &RetryConfig) -> Result<Self, RetryError> {
        if config.max_attempts == 0 || config.attempts_cap == 0 {
            return Err(RetryError::NoAttempt);
        }
        config.backoff.check()?;
        config.jitter.check()?;
        let mut codes = 0;
        for code in &config.codes {
            if code.is_never_retried() && !config.allow_unsafe_codes {
                return Err(RetryError::UnsafeCode { code: *code });
            }
            codes |= 1 << (*code as u32);
        }
        let policy = Self {
            max_attempts: config.max_attempts.min(config.attempts_cap),
            backoff: config.backoff,
            jitter: config.jitter,
            codes,
            max_retry_info: config.max_retry_info,
            max_replay: config.max_replay,
            throttle: config.throttle.on(),
            budget: config.budget.on(),
        };
        policy.limits(Instant::now())?;
        Ok(policy)
    }

    /// All tries of a call, the first included.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The longest request that is kept for another attempt.
    pub fn max_replay(&self) -> usize {
        self.max_replay
    }

    /// What all calls to one target share.
    ///
    /// # Errors
    ///
    /// Never for a policy that was made; the numbers were checked then.
    pub fn limits(&self, now: Instant) -> Result<Limits, BudgetError> {
        Limits::new(self.throttle, self.budget, now)
    }

    /// Begins a call.
    pub fn session(&self, idempotent: bool) -> Session {
        Session {
            idempotent,
            attempts: 1,
            pauses: 0,
            unsent: 0,
            refused: false,
        }
    }

    fn retries(&self, failure: &Failure) -> bool {
        let listed = self.codes & (1 << (failure.code as u32)) != 0;
        let hinted = failure.retry_info.is_some() || matches!(failure.pushback, Pushback::After(_));
        listed
            || failure.code == Code::ResourceExhausted && hinted
            || failure.origin == Origin::AttemptTimeout
    }
}

// === impl Session ===

impl Session {
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
        let retryable = policy.retries(failure);
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
