//! All that a client does about trouble, as one configuration, and the layers made of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attempt_timeout::AttemptTimeoutLayer;
use crate::circuit_breaker::{self, CircuitBreakerLayer};
use crate::deadline::DeadlineLayer;
use crate::idempotency::Methods;
use crate::per_method::{MethodNameError, PerMethod, place};
use crate::retry::{RetryConfig, RetryError, RetryLayer, RetryPolicy};

/// The configuration as it is written. It becomes a [`ClientPolicy`] by being checked.
///
/// ```toml
/// deadline = "5s"
///
/// [retry]
/// max_attempts = 3
/// backoff = { exponential = { initial = "100ms", multiplier = 2.0, max = "1s" } }
/// jitter = { ratio = 0.2 }
///
/// [circuit_breaker]
/// consecutive_failures = 5
///
/// [methods."order.v1.Order/Watch"]
/// deadline = "1h"
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientPolicyConfig {
    /// The time that a call has, with all its attempts.
    #[serde(with = "crate::duration")]
    pub deadline: Duration,
    /// The time that one attempt has; without it, what is left of the deadline.
    #[serde(
        with = "crate::duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub attempt_timeout: Option<Duration>,
    /// Retries.
    pub retry: RetryConfig,
    /// Circuit breakers.
    pub circuit_breaker: circuit_breaker::Config,
    /// What is different for a method (`package.Service/Method`) or for all of a service (`package.Service/*`).
    pub methods: BTreeMap<String, MethodPolicyConfig>,
}

/// What is different for a method. A part that is given replaces the whole of that part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MethodPolicyConfig {
    /// See [`ClientPolicyConfig::deadline`].
    #[serde(
        with = "crate::duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub deadline: Option<Duration>,
    /// See [`ClientPolicyConfig::attempt_timeout`].
    #[serde(
        with = "crate::duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub attempt_timeout: Option<Duration>,
    /// See [`ClientPolicyConfig::retry`]. Throttle and budget are shared by all methods and taken from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
    /// See [`ClientPolicyConfig::circuit_breaker`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<circuit_breaker::Config>,
}

/// A checked configuration: what contradicts itself cannot be one. Deserializing one checks it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "ClientPolicyConfig", into = "ClientPolicyConfig")]
pub struct ClientPolicy {
    config: ClientPolicyConfig,
    deadlines: PerMethod<Duration>,
    attempt_timeouts: PerMethod<Option<Duration>>,
    retries: PerMethod<Arc<RetryPolicy>>,
    circuit_breakers: CircuitBreakerLayer,
}

/// Why a [`ClientPolicyConfig`] is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A call would have no time.
    #[error("{field}{place} is 0s; a call, or an attempt, needs time: give at least 1ms")]
    NoTime {
        /// Which.
        field: &'static str,
        /// The method, as ` for package.Service/Method`; empty for all.
        place: String,
    },
    /// The retries contradict themselves.
    #[error("retry{place}: {source}")]
    Retry {
        /// The method, as ` for package.Service/Method`; empty for all.
        place: String,
        /// How.
        source: RetryError,
    },
    /// A circuit breaker contradicts itself.
    #[error(transparent)]
    CircuitBreaker(#[from] circuit_breaker::ConfigError),
    /// A key of `methods` names no method.
    #[error("methods: {0}")]
    MethodName(#[from] MethodNameError),
}

// === impl ClientPolicyConfig ===

impl Default for ClientPolicyConfig {
    /// 5 s, three attempts, circuit breakers by their defaults.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            attempt_timeout: None,
            retry: RetryConfig::default(),
            circuit_breaker: circuit_breaker::Config::default(),
            methods: BTreeMap::new(),
        }
    }
}

// === impl ClientPolicy ===

impl Default for ClientPolicy {
    fn default() -> Self {
        Self::new(ClientPolicyConfig::default())
            .unwrap_or_else(|_| unreachable!("a test makes a policy of the defaults"))
    }
}

impl ClientPolicy {
    /// Checks a configuration.
    ///
    /// # Errors
    ///
    /// When it contradicts itself.
    pub fn new(config: ClientPolicyConfig) -> Result<Self, PolicyError> {
        let deadline = needs_time("deadline", "", config.deadline)?;
        let deadlines = PerMethod::build(deadline, &config.methods, |name, method| {
            needs_time("deadline", name, method.deadline.unwrap_or(deadline))
        })?;
        let attempt_timeout = |name: &str, timeout: Option<Duration>| {
            timeout
                .map(|timeout| needs_time("attempt_timeout", name, timeout))
                .transpose()
        };
        let default_attempt = attempt_timeout("", config.attempt_timeout)?;
        let attempt_timeouts =
            PerMethod::build(default_attempt, &config.methods, |name, method| {
                attempt_timeout(name, method.attempt_timeout.or(default_attempt))
            })?;
        let retry = |name: &str, config: &RetryConfig| {
            RetryPolicy::new(config)
                .map(Arc::new)
                .map_err(|source| PolicyError::Retry {
                    place: place(name),
                    source,
                })
        };
        let default_retry = retry("", &config.retry)?;
        let retries = PerMethod::build(
            Arc::clone(&default_retry),
            &config.methods,
            |name, method| match &method.retry {
                Some(config) => retry(name, config),
                None => Ok(Arc::clone(&default_retry)),
            },
        )?;
        let breakers = config.methods.iter().filter_map(|(name, method)| {
            let breaker = method.circuit_breaker.clone()?;
            Some((name.clone(), breaker))
        });
        let circuit_breakers =
            CircuitBreakerLayer::per_method("", &config.circuit_breaker, breakers)?;
        Ok(Self {
            config,
            deadlines,
            attempt_timeouts,
            retries,
            circuit_breakers,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &ClientPolicyConfig {
        &self.config
    }

    /// The outermost layer: the deadline of the whole call.
    pub fn deadline_layer(&self) -> DeadlineLayer {
        DeadlineLayer::per_method(self.deadlines.clone())
    }

    /// Next: retries. `methods` tells which methods may run twice. One layer per target.
    pub fn retry_layer(&self, methods: Arc<Methods>) -> RetryLayer {
        RetryLayer::per_method(self.retries.clone(), methods)
    }

    /// Inside the retries: circuit breakers for one endpoint, whose name stands in refusals.
    pub fn circuit_breaker_layer(&self, endpoint: impl Into<Arc<str>>) -> CircuitBreakerLayer {
        self.circuit_breakers.for_endpoint(endpoint)
    }

    /// The innermost layer: the time of one attempt, and the `grpc-timeout` header.
    pub fn attempt_timeout_layer(&self) -> AttemptTimeoutLayer {
        AttemptTimeoutLayer::per_method(self.attempt_timeouts.clone())
    }
}

impl TryFrom<ClientPolicyConfig> for ClientPolicy {
    type Error = PolicyError;

    fn try_from(config: ClientPolicyConfig) -> Result<Self, PolicyError> {
        Self::new(config)
    }
}

impl From<ClientPolicy> for ClientPolicyConfig {
    fn from(policy: ClientPolicy) -> Self {
        policy.config
    }
}

fn needs_time(field: &'static str, name: &str, time: Duration) -> Result<Duration, PolicyError> {
    if time.is_zero() {
        return Err(PolicyError::NoTime {
            field,
            place: place(name),
        });
    }
    Ok(time)
}
