//! What is tried again, how often and with which pauses: the configuration, and the policy that is made of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tonic::Code;

use super::backoff::{Backoff, BackoffError, Jitter};
use super::budget::{BudgetConfig, BudgetError, Limits};
use super::session::Session;
use super::throttle::ThrottleConfig;

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
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) jitter: Jitter,
    // A bit per code.
    codes: u32,
    pub(super) max_retry_info: Duration,
    max_replay: usize,
    throttle: Option<ThrottleConfig>,
    budget: Option<BudgetConfig>,
}

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
        Session::new(idempotent)
    }

    /// Whether a code is one to retry (R4).
    pub(super) fn lists(&self, code: Code) -> bool {
        self.codes & (1 << (code as u32)) != 0
    }
}
