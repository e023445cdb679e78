//! What all calls to one target may spend on retries, so that retries never become a storm of their own.
//!
//! Two limits hold together ([`Limits`]). The *throttle* of gRFC A6 looks at outcomes: each failure costs a token, each
//! success gives a part of one back, and with half of the tokens gone nothing is retried. The *budget* looks at volume:
//! retries are a share of the calls of the last seconds, plus a few per second for clients that call seldom (T4, T6).
//!
//! Both count in thousandths, exactly. Both are pure: they know the time only as an argument.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::throttle::{Throttle, ThrottleConfig};

/// The budget (T4).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Retries per call: 0.2 allows one for five calls. At most 10.
    pub ratio: f64,
    /// Retries per second that are always allowed.
    pub per_second: u32,
    /// How long a call counts.
    #[serde(with = "crate::duration")]
    pub window: Duration,
}

/// Limits that contradict themselves.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// The throttle's numbers.
    #[error(
        "the retry throttle is out of range: max_tokens ({max_tokens}) must be more than 0 and at most 1000, token_ratio ({token_ratio}) more than 0, at most max_tokens, and not lost when cut to three decimals"
    )]
    Throttle {
        /// As given.
        max_tokens: f64,
        /// As given.
        token_ratio: f64,
    },
    /// The budget's numbers.
    #[error(
        "the retry budget is out of range: ratio ({ratio}) must be at least 0 and at most 10, and window ({window:?}) at least 10ms"
    )]
    Budget {
        /// As given.
        ratio: f64,
        /// As given.
        window: Duration,
    },
}

/// The budget's counts, in a ring of slices of the window.
#[derive(Debug, Clone)]
pub struct Budget {
    // Calls and retries of each slice.
    slices: [Slice; SLICES],
    slice: Duration,
    // The number of the slice that `now` was last in, since the origin.
    current: u64,
    origin: Instant,
    // Retries per call, in thousandths.
    ratio: u64,
    reserve: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    calls: u64,
    retries: u64,
}

const SLICES: usize = 10;

/// Both limits; either may be absent.
#[derive(Debug, Clone)]
pub struct Limits {
    throttle: Option<Throttle>,
    budget: Option<Budget>,
}

// === impl BudgetConfig ===

impl Default for BudgetConfig {
    /// A fifth of the calls of the last ten seconds, and ten per second.
    fn default() -> Self {
        Self {
            ratio: 0.2,
            per_second: 10,
            window: Duration::from_secs(10),
        }
    }
}

// === impl Budget ===

impl Budget {
    /// An empty window.
    ///
    /// # Errors
    ///
    /// When a number is out of range.
    pub fn new(config: BudgetConfig, now: Instant) -> Result<Self, BudgetError> {
        let refuse = BudgetError::Budget {
            ratio: config.ratio,
            window: config.window,
        };
        let Some(ratio) = thousandths(config.ratio, 10.0) else {
            return Err(refuse);
        };
        if config.window < Duration::from_millis(10) {
            return Err(refuse);
        }
        let reserve = u128::from(config.per_second) * config.window.as_millis() / 1000;
        Ok(Self {
            slices: [Slice::default(); SLICES],
            slice: config.window / 10,
            current: 0,
            origin: now,
            ratio: ratio.into(),
            reserve: u64::try_from(reserve).unwrap_or(u64::MAX),
        })
    }

    /// A call began.
    pub fn call(&mut self, now: Instant) {
        self.slice_at(now).calls += 1;
    }

    /// Takes one retry, if there is one left: ⌊calls · ratio⌋ + reserve within the window.
    pub fn take_retry(&mut self, now: Instant) -> bool {
        self.slice_at(now);
        let (calls, retries) = self.slices.iter().fold((0, 0), |(calls, retries), slice| {
            (calls + slice.calls, retries + slice.retries)
        });
        let allowed = (calls * self.ratio / 1000).saturating_add(self.reserve);
        if retries >= allowed {
            return false;
        }
        self.slice_at(now).retries += 1;
        true
    }

    fn slice_at(&mut self, now: Instant) -> &mut Slice {
        let since = now.saturating_duration_since(self.origin).as_nanos();
        let number = u64::try_from(since / self.slice.as_nanos().max(1)).unwrap_or(u64::MAX);
        let passed = number.saturating_sub(self.current);
        // A window without calls needs no timer to be empty: what has passed is cleared when it is next looked at.
        for step in 1..=passed.min(SLICES as u64) {
            self.slices[index(self.current + step)] = Slice::default();
        }
        self.current = self.current.max(number);
        &mut self.slices[index(self.current)]
    }
}

// === impl Limits ===

impl Limits {
    /// Both limits.
    ///
    /// # Errors
    ///
    /// When a number is out of range.
    pub fn new(
        throttle: Option<ThrottleConfig>,
        budget: Option<BudgetConfig>,
        now: Instant,
    ) -> Result<Self, BudgetError> {
        Ok(Self {
            throttle: throttle.map(Throttle::new).transpose()?,
            budget: budget.map(|config| Budget::new(config, now)).transpose()?,
        })
    }

    /// No limit.
    pub fn none() -> Self {
        Self {
            throttle: None,
            budget: None,
        }
    }

    /// A call began.
    pub fn call(&mut self, now: Instant) {
        if let Some(budget) = &mut self.budget {
            budget.call(now);
        }
    }

    /// A call succeeded.
    pub fn success(&mut self) {
        if let Some(throttle) = &mut self.throttle {
            throttle.success();
        }
    }

    /// An attempt failed with a retryable code, or the server forbade a retry (T2).
    pub fn failure(&mut self) {
        if let Some(throttle) = &mut self.throttle {
            throttle.failure();
        }
    }

    /// Takes one retry if both allow it (T3: there is no queue for one that is not).
    pub fn take_retry(&mut self, now: Instant) -> bool {
        self.throttle.as_ref().is_none_or(Throttle::allows)
            && self
                .budget
                .as_mut()
                .is_none_or(|budget| budget.take_retry(now))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % SLICES as u64).unwrap_or(0)
}

/// A6: "we will only look at the first three decimals". `None` when it is out of range or no number.
pub(super) fn thousandths(number: f64, max: f64) -> Option<u32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1,000,000"
    )]
    // A little more than the number, so that 0.3 is 300 thousandths and not 299.99….
    (0.0..=max)
        .contains(&number)
        .then_some((number * 1000.0 + 1e-6) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(ratio: f64, per_second: u32, calls: u64) -> u64 {
        let now = Instant::now();
        let config = BudgetConfig {
            ratio,
            per_second,
            ..BudgetConfig::default()
        };
        let mut budget = Budget::new(config, now).expect("in range");
        for _ in 0..calls {
            budget.call(now);
        }
        (0..)
            .take_while(|_| budget.take_retry(now))
            .count()
            .try_into()
            .expect("a count")
    }

    #[test]
    fn t4_every_percentage_is_exact_and_not_rounded_to_a_whole_share() {
        for (ratio, retries) in [
            (0.3, 300),
            (0.4, 400),
            (0.6, 600),
            (0.75, 750),
            (0.99, 990),
            (0.001, 1),
            (1.0, 1000),
            (10.0, 10_000),
        ] {
            assert_eq!(allowed(ratio, 0, 1000), retries, "{ratio}");
        }
        assert_eq!(allowed(0.2, 10, 7), 1 + 100, "a share and the reserve");
        assert_eq!(allowed(0.0, 0, 1000), 0);
    }

    #[test]
    fn a_call_counts_for_the_window_and_not_longer() {
        let start = Instant::now();
        let config = BudgetConfig {
            ratio: 1.0,
            per_second: 0,
            window: Duration::from_secs(10),
        };
        let mut budget = Budget::new(config, start).expect("in range");
        budget.call(start);
        budget.call(start);
        assert!(budget.take_retry(start + Duration::from_millis(9_999)));
        assert!(!budget.take_retry(start + Duration::from_secs(10)));
        assert!(
            !budget.take_retry(start),
            "a clock that goes back opens nothing"
        );
        let later = start + Duration::from_secs(1_000_000);
        assert!(!budget.take_retry(later));
        budget.call(later);
        assert!(budget.take_retry(later));
    }

    proptest::proptest! {
        /// T6: with nothing but failures, attempts stay within calls · (1 + ratio) + reserve, in whichever order.
        #[test]
        fn t6_amplification_is_bounded_for_any_interleaving(
            steps in proptest::collection::vec(proptest::prelude::any::<bool>(), 0..2000),
            ratio in 0u32..2000,
            per_second in 0u32..3,
        ) {
            let now = Instant::now();
            let config = BudgetConfig { ratio: f64::from(ratio) / 1000.0, per_second, ..BudgetConfig::default() };
            let mut budget = Budget::new(config, now).expect("in range");
            let (mut calls, mut retries) = (0u64, 0u64);
            for call in steps {
                if call {
                    budget.call(now);
                    calls += 1;
                } else if budget.take_retry(now) {
                    retries += 1;
                }
            }
            proptest::prop_assert!(retries <= calls * u64::from(ratio) / 1000 + u64::from(per_second) * 10);
        }
    }
}
