//! The rules of a breaker: as configuration, and checked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a circuit opens, for how long, and what closes it again: as configuration.
///
/// The defaults: five failures in a row, or half of at least twenty calls within ten seconds; open for 5 s, doubling up
/// to 60 s, ±50 % so that replicas do not probe in step; then one probe at a time, and two successes close it. When one
/// of the two rules is given, only that one holds.
///
/// ```
/// use resilience::circuit_breaker::{Config, FailureRatio};
///
/// let config: Config = toml::from_str(r#"
///     failure_ratio = { ratio = 0.6, minimum_calls = 3, window = "30s" }
///     open = { initial = "4s" }
///     half_open = { max_in_flight = 3, successes = 3 }
/// "#)?;
/// assert_eq!(config.failure_ratio.map(|rule| rule.minimum_calls), Some(3));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether there is a breaker at all.
    pub enabled: bool,
    /// Opens after so many failures without a success between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<u32>,
    /// Opens at a share of failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_ratio: Option<FailureRatio>,
    /// How long it stays open.
    pub open: OpenTime,
    /// How it tries again.
    pub half_open: HalfOpen,
    /// A call that was given less time than this and ran out of it says nothing about the server (B12).
    #[serde(with = "crate::duration")]
    pub fair_time: Duration,
    /// What has a breaker of its own.
    pub key: Key,
    /// The most breakers that a layer keeps; of more, the one that was used longest ago is forgotten (B17).
    pub max_breakers: usize,
}

/// Opens at a share of failures, once there are enough calls to speak of a share (B8).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailureRatio {
    /// The share: at this, and above it, the circuit opens (B9).
    pub ratio: f64,
    /// The fewest finished calls in the window.
    pub minimum_calls: u32,
    /// Which calls are counted.
    pub window: Window,
}

/// Which calls a ratio is taken of: `"10s"` or `100` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "a window is a duration such as \"10s\" or a number of calls such as 100"
)]
#[non_exhaustive]
pub enum Window {
    /// Those since the counts were last cleared, which happens at this interval.
    Interval(#[serde(with = "crate::duration")] Duration),
    /// Exactly so many last ones (B10).
    Calls(u32),
}

/// How long a circuit stays open (B3, B15).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenTime {
    /// The first time.
    #[serde(with = "crate::duration")]
    pub initial: Duration,
    /// What it grows by after each probe that failed.
    pub multiplier: f64,
    /// What it grows to.
    #[serde(with = "crate::duration")]
    pub max: Duration,
    /// The share by which chance makes it shorter or longer; 0 to 1.
    pub jitter: f64,
}

/// How a circuit is probed (B4, B5, B6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HalfOpen {
    /// The most probes under way at once.
    pub max_in_flight: u32,
    /// So many successes close the circuit; one failure opens it again.
    pub successes: u32,
    /// A probe that is still under way after this is given up, and the circuit opens again.
    #[serde(with = "crate::duration")]
    pub max_duration: Duration,
}

/// What has a breaker of its own (B17).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Key {
    /// Each method of each endpoint.
    #[default]
    Method,
    /// Each service of each endpoint.
    Service,
    /// Each endpoint.
    Endpoint,
}

/// Why a [`Config`] is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number that counts something is zero.
    #[error("the circuit breaker's {field} is 0; it must be at least 1")]
    Zero {
        /// Which.
        field: &'static str,
    },
    /// The failure ratio is no ratio.
    #[error(
        "the circuit breaker's failure_ratio.ratio is {ratio}; it must be more than 0 and at most 1"
    )]
    Ratio {
        /// As given.
        ratio: f64,
    },
    /// The window can never hold the minimum of calls.
    #[error(
        "the circuit breaker's window of {window} calls can never hold failure_ratio.minimum_calls ({minimum_calls}); the rule would never apply. A window has at most {MAX_WINDOW} calls"
    )]
    Window {
        /// As given.
        window: u32,
        /// As given.
        minimum_calls: u32,
    },
    /// The open time contradicts itself.
    #[error(
        "the circuit breaker's open time contradicts itself: 0 < initial ({initial:?}) <= max ({max:?}), multiplier ({multiplier}) >= 1 and 0 <= jitter ({jitter}) <= 1 must hold"
    )]
    Open {
        /// As given.
        initial: Duration,
        /// As given.
        max: Duration,
        /// As given.
        multiplier: f64,
        /// As given.
        jitter: f64,
    },
}

/// The most calls that a window by count remembers.
pub const MAX_WINDOW: u32 = 10_000;

/// Checked rules: what contradicts itself cannot be one.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) consecutive_failures: Option<u32>,
    pub(super) ratio: Option<RatioRule>,
    pub(super) open: OpenTime,
    pub(super) half_open: HalfOpen,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct RatioRule {
    // Exact: 14 of 23 at 0.6 and 6 of 10 at 0.6 are not decided by rounding.
    pub(super) millionths: u64,
    pub(super) minimum_calls: u32,
    pub(super) window: Window,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: None,
            failure_ratio: None,
            open: OpenTime::default(),
            half_open: HalfOpen::default(),
            fair_time: Duration::from_millis(100),
            key: Key::Method,
            max_breakers: 1024,
        }
    }
}

impl Default for FailureRatio {
    fn default() -> Self {
        Self {
            ratio: 0.5,
            minimum_calls: 20,
            window: Window::Interval(Duration::from_secs(10)),
        }
    }
}

impl Default for OpenTime {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            multiplier: 2.0,
            max: Duration::from_secs(60),
            jitter: 0.5,
        }
    }
}

impl OpenTime {
    /// The same time at every opening, exactly.
    pub fn constant(time: Duration) -> Self {
        Self {
            initial: time,
            multiplier: 1.0,
            max: time,
            jitter: 0.0,
        }
    }
}

impl Default for HalfOpen {
    fn default() -> Self {
        Self {
            max_in_flight: 1,
            successes: 2,
            max_duration: Duration::from_secs(10),
        }
    }
}

impl HalfOpen {
    /// At most so many probes at once, all of which must succeed.
    pub fn requests(number: u32) -> Self {
        Self {
            max_in_flight: number,
            successes: number,
            ..Self::default()
        }
    }
}

impl Config {
    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// When they contradict themselves.
    pub fn rules(&self) -> Result<Rules, ConfigError> {
        let defaults = self.consecutive_failures.is_none() && self.failure_ratio.is_none();
        let consecutive_failures = if defaults {
            Some(5)
        } else {
            self.consecutive_failures
        };
        let ratio = if defaults {
            Some(FailureRatio::default())
        } else {
            self.failure_ratio
        };
        for (field, number) in [
            ("consecutive_failures", consecutive_failures.unwrap_or(1)),
            (
                "failure_ratio.minimum_calls",
                ratio.map_or(1, |rule| rule.minimum_calls),
            ),
            ("half_open.max_in_flight", self.half_open.max_in_flight),
            ("half_open.successes", self.half_open.successes),
            (
                "half_open.max_duration",
                u32::from(!self.half_open.max_duration.is_zero()),
            ),
            ("max_breakers", u32::from(self.max_breakers > 0)),
        ] {
            if number == 0 {
                return Err(ConfigError::Zero { field });
            }
        }
        let open = self.open;
        if open.initial.is_zero()
            || open.initial > open.max
            || !(open.multiplier >= 1.0 && open.multiplier.is_finite())
            || !(0.0..=1.0).contains(&open.jitter)
        {
            return Err(ConfigError::Open {
                initial: open.initial,
                max: open.max,
                multiplier: open.multiplier,
                jitter: open.jitter,
            });
        }
        Ok(Rules {
            consecutive_failures,
            ratio: ratio.map(FailureRatio::check).transpose()?,
            open,
            half_open: self.half_open,
        })
    }
}

impl FailureRatio {
    fn check(self) -> Result<RatioRule, ConfigError> {
        // NaN is in no range.
        if !(f64::EPSILON..=1.0).contains(&self.ratio) {
            return Err(ConfigError::Ratio { ratio: self.ratio });
        }
        match self.window {
            Window::Calls(window) if window < self.minimum_calls || window > MAX_WINDOW => {
                return Err(ConfigError::Window {
                    window,
                    minimum_calls: self.minimum_calls,
                });
            }
            Window::Interval(interval) if interval.is_zero() => {
                return Err(ConfigError::Zero {
                    field: "failure_ratio.window",
                });
            }
            _ => {}
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a ratio of at most one, in millionths"
        )]
        let millionths = (self.ratio * 1e6).round() as u64;
        Ok(RatioRule {
            millionths: millionths.max(1),
            minimum_calls: self.minimum_calls,
            window: self.window,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_contradict_themselves_are_refused_in_words() {
        let bad = [
            "consecutive_failures = 0",
            "failure_ratio = { ratio = 0.0 }",
            "failure_ratio = { ratio = 1.1 }",
            "failure_ratio = { ratio = nan }",
            "failure_ratio = { minimum_calls = 0 }",
            "failure_ratio = { minimum_calls = 20, window = 10 }",
            "failure_ratio = { window = \"0s\" }",
            "failure_ratio = { window = 20000 }",
            "open = { initial = \"2m\" }",
            "open = { multiplier = 0.5 }",
            "open = { multiplier = nan }",
            "open = { jitter = 1.5 }",
            "half_open = { successes = 0 }",
            "half_open = { max_in_flight = 0 }",
            "max_breakers = 0",
        ];
        for text in bad {
            let config: Config = toml::from_str(text).expect(text);
            let error = config.rules().expect_err(text).to_string();
            assert!(error.starts_with("the circuit breaker's "), "{error}");
        }
    }

    #[test]
    fn an_unknown_field_and_a_duration_without_a_unit_are_refused() {
        for text in [
            "max_request = 3",
            "open = { initial = 4 }",
            "failure_ratio = { window = true }",
        ] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_rule_both_defaults_hold_and_with_one_only_that() -> Result<(), ConfigError> {
        let both = Config::default().rules()?;
        assert!(both.consecutive_failures.is_some() && both.ratio.is_some());
        let one = Config {
            consecutive_failures: Some(3),
            ..Config::default()
        };
        assert!(one.rules()?.ratio.is_none());
        Ok(())
    }
}
