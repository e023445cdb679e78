//! How long to wait before the next attempt: pure, with the source of chance given.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the pause grows from attempt to attempt (R2, R3).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Backoff {
    /// Always the same.
    Fixed {
        /// The pause.
        #[serde(with = "crate::duration")]
        delay: Duration,
    },
    /// One step more each time: 1·step, 2·step, 3·step …
    Linear {
        /// The step.
        #[serde(with = "crate::duration")]
        step: Duration,
        /// What it grows to.
        #[serde(with = "crate::duration")]
        max: Duration,
    },
    /// A multiple each time.
    Exponential {
        /// The first pause.
        #[serde(with = "crate::duration")]
        initial: Duration,
        /// What it is multiplied by.
        multiplier: f64,
        /// What it grows to.
        #[serde(with = "crate::duration")]
        max: Duration,
    },
}

/// How chance changes a pause, so that callers who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jitter {
    /// Not at all.
    None,
    /// By at most this share of it, up or down, after it was capped (A6 has 0.2).
    Ratio(f64),
    /// Anything from nothing to all of it.
    Full,
}

/// A backoff or jitter that contradicts itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BackoffError {
    /// The first pause is longer than the longest.
    #[error("the backoff begins with {initial:?}, which is more than its max of {max:?}")]
    Max {
        /// The first pause.
        initial: Duration,
        /// The longest.
        max: Duration,
    },
    /// The multiplier makes no sense.
    #[error("the backoff's multiplier is {multiplier}; it must be a number of at least 1")]
    Multiplier {
        /// As given.
        multiplier: f64,
    },
    /// The jitter is no share.
    #[error("the jitter's ratio is {ratio}; it must be at least 0 and at most 1")]
    Jitter {
        /// As given.
        ratio: f64,
    },
}

// === impl Backoff ===

impl Default for Backoff {
    /// 100 ms, doubled each time, at most 1 s.
    fn default() -> Self {
        Self::Exponential {
            initial: Duration::from_millis(100),
            multiplier: 2.0,
            max: Duration::from_secs(1),
        }
    }
}

impl Backoff {
    /// The pause before the `retry`-th retry, counted from 1, before chance.
    pub fn delay(&self, retry: u32) -> Duration {
        match *self {
            Self::Fixed { delay } => delay,
            Self::Linear { step, max } => step.saturating_mul(retry.max(1)).min(max),
            Self::Exponential {
                initial,
                multiplier,
                max,
            } => {
                let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
                let grown = initial.as_secs_f64() * multiplier.powi(exponent);
                // R2: overflow saturates to the maximum; 0 times infinity, which is no number, as well.
                Duration::try_from_secs_f64(grown).map_or(max, |grown| grown.min(max))
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), BackoffError> {
        match *self {
            Self::Fixed { .. } => Ok(()),
            Self::Linear { step, max } if step > max => {
                Err(BackoffError::Max { initial: step, max })
            }
            Self::Exponential { initial, max, .. } if initial > max => {
                Err(BackoffError::Max { initial, max })
            }
            Self::Exponential { multiplier, .. }
                if !(multiplier >= 1.0 && multiplier.is_finite()) =>
            {
                Err(BackoffError::Multiplier { multiplier })
            }
            Self::Linear { .. } | Self::Exponential { .. } => Ok(()),
        }
    }
}

// === impl Jitter ===

impl Default for Jitter {
    fn default() -> Self {
        Self::Ratio(0.2)
    }
}

impl Jitter {
    /// The pause as chance has it.
    pub fn apply(&self, delay: Duration, random: &mut fastrand::Rng) -> Duration {
        match *self {
            Self::None => delay,
            Self::Ratio(ratio) => scale(delay, 1.0 + ratio * (2.0 * random.f64() - 1.0)),
            Self::Full => scale(delay, random.f64()),
        }
    }

    /// Chance that only makes longer, for a pause that is a minimum (P5).
    pub(super) fn stretch(&self, delay: Duration, random: &mut fastrand::Rng) -> Duration {
        match *self {
            Self::None => delay,
            Self::Ratio(ratio) => scale(delay, 1.0 + ratio * random.f64()),
            // All of a minimum is too much to add to it; a fifth, as A6 has it, is enough to come apart.
            Self::Full => scale(delay, 1.0 + 0.2 * random.f64()),
        }
    }

    pub(super) fn check(&self) -> Result<(), BackoffError> {
        match *self {
            Self::Ratio(ratio) if !(0.0..=1.0).contains(&ratio) => {
                Err(BackoffError::Jitter { ratio })
            }
            _ => Ok(()),
        }
    }
}

fn scale(delay: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(delay.as_secs_f64() * factor).unwrap_or(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(backoff: Backoff, retries: u32) -> Vec<u128> {
        (1..=retries)
            .map(|retry| backoff.delay(retry).as_millis())
            .collect()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn r2_exponential_grows_to_its_cap() {
        let backoff = Backoff::Exponential {
            initial: ms(100),
            multiplier: 2.0,
            max: ms(700),
        };
        assert_eq!(millis(backoff, 5), [100, 200, 400, 700, 700]);
        assert_eq!(backoff.delay(u32::MAX), ms(700), "overflow saturates");
        let still = Backoff::Exponential {
            initial: Duration::ZERO,
            multiplier: 2.0,
            max: ms(700),
        };
        assert_eq!(still.delay(1), Duration::ZERO);
    }

    #[test]
    fn r3_linear_adds_a_step_each_time_and_fixed_none() {
        let linear = Backoff::Linear {
            step: ms(1000),
            max: ms(2500),
        };
        assert_eq!(millis(linear, 4), [1000, 2000, 2500, 2500]);
        assert_eq!(linear.delay(u32::MAX), ms(2500));
        assert_eq!(millis(Backoff::Fixed { delay: ms(900) }, 3), [900; 3]);
    }

    #[test]
    fn r2_jitter_of_a_fifth_comes_after_the_cap_and_uses_its_whole_range() {
        let mut random = fastrand::Rng::with_seed(6);
        let delays: Vec<_> = (0..1000)
            .map(|_| Jitter::Ratio(0.2).apply(ms(700), &mut random))
            .collect();
        assert!(
            delays
                .iter()
                .all(|delay| (ms(560)..=ms(840)).contains(delay))
        );
        assert!(delays.iter().any(|delay| *delay > ms(820)));
        assert!(delays.iter().any(|delay| *delay < ms(580)));
    }

    #[test]
    fn r3_full_jitter_is_anything_up_to_the_pause_and_none_is_exact() {
        let mut random = fastrand::Rng::with_seed(6);
        let delays: Vec<_> = (0..1000)
            .map(|_| Jitter::Full.apply(ms(700), &mut random))
            .collect();
        assert!(delays.iter().all(|delay| *delay <= ms(700)));
        assert!(delays.iter().any(|delay| *delay < ms(30)));
        assert!(delays.iter().any(|delay| *delay > ms(670)));
        assert_eq!(Jitter::None.apply(ms(700), &mut random), ms(700));
    }

    #[test]
    fn r3_what_contradicts_itself_is_refused() {
        let exponential = |initial, multiplier, max| Backoff::Exponential {
            initial: ms(initial),
            multiplier,
            max: ms(max),
        };
        for backoff in [
            exponential(200, 2.0, 100),
            exponential(100, 0.9, 100),
            exponential(100, f64::NAN, 100),
            exponential(100, f64::INFINITY, 100),
            Backoff::Linear {
                step: ms(2),
                max: ms(1),
            },
        ] {
            assert!(backoff.check().is_err(), "{backoff:?}");
        }
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert!(Jitter::Ratio(ratio).check().is_err(), "{ratio}");
        }
    }
}
