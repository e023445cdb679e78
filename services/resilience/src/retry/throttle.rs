//! The throttle of gRFC A6: retries stop while too many attempts fail.
//!
//! Tokens are counted in thousandths: "we will only look at the first three decimals" of the ratio, and of these all.

use serde::{Deserialize, Serialize};

use super::budget::{BudgetError, thousandths};

/// The throttle of gRFC A6 (T1).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleConfig {
    /// The most tokens, and those at the start: more than 0, at most 1000.
    pub max_tokens: f64,
    /// What a success gives back. Of the number three decimals are kept.
    pub token_ratio: f64,
}

/// The throttle's tokens, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    tokens: u32,
    max: u32,
    gain: u32,
}

// === impl ThrottleConfig ===

impl Default for ThrottleConfig {
    /// A6's example: 10 tokens, a tenth back per success.
    fn default() -> Self {
        Self {
            max_tokens: 10.0,
            token_ratio: 0.1,
        }
    }
}

// === impl Throttle ===

impl Throttle {
    /// Full of tokens.
    ///
    /// # Errors
    ///
    /// When a number is out of range.
    pub fn new(config: ThrottleConfig) -> Result<Self, BudgetError> {
        let refuse = BudgetError::Throttle {
            max_tokens: config.max_tokens,
            token_ratio: config.token_ratio,
        };
        let (Some(max), Some(gain)) = (
            thousandths(config.max_tokens, 1000.0),
            thousandths(config.token_ratio, 1000.0),
        ) else {
            return Err(refuse);
        };
        if max == 0 || gain == 0 || gain > max {
            return Err(refuse);
        }
        Ok(Self {
            tokens: max,
            max,
            gain,
        })
    }

    /// A call succeeded.
    pub fn success(&mut self) {
        self.tokens = self.max.min(self.tokens + self.gain);
    }

    /// An attempt failed with a retryable code, or the server forbade a retry (T2).
    pub fn failure(&mut self) {
        self.tokens = self.tokens.saturating_sub(1000);
    }

    /// Whether a retry is allowed: while more than half of the tokens are left.
    pub fn allows(&self) -> bool {
        self.tokens > self.max / 2
    }

    /// The tokens left.
    pub fn tokens(&self) -> f64 {
        f64::from(self.tokens) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(max_tokens: f64, token_ratio: f64) -> Throttle {
        Throttle::new(ThrottleConfig {
            max_tokens,
            token_ratio,
        })
        .expect("in range")
    }

    /// grpc-java's test of the throttle: 4 tokens, 0.8 back.
    #[test]
    fn t1_retries_are_allowed_while_more_than_half_of_the_tokens_are_left() {
        let mut throttle = throttle(4.0, 0.8);
        assert!(throttle.allows());
        let mut step = |failure: bool, tokens: f64, allowed: bool| {
            if failure {
                throttle.failure();
            } else {
                throttle.success();
            }
            assert_eq!((throttle.tokens(), throttle.allows()), (tokens, allowed));
        };
        for (tokens, allowed) in [
            (3.0, true),
            (2.0, false),
            (1.0, false),
            (0.0, false),
            (0.0, false),
            (0.0, false),
        ] {
            step(true, tokens, allowed);
        }
        for (tokens, allowed) in [
            (0.8, false),
            (1.6, false),
            (2.4, true),
            (3.2, true),
            (4.0, true),
            (4.0, true),
        ] {
            step(false, tokens, allowed);
        }
        step(true, 3.0, true);
        step(true, 2.0, false);
    }

    #[test]
    fn t1_numbers_out_of_range_are_refused() {
        for (max_tokens, token_ratio) in [
            (0.0, 0.1),
            (1000.1, 0.1),
            (10.0, 0.0),
            (10.0, 0.0001),
            (10.0, 11.0),
            (f64::NAN, 0.1),
            (10.0, f64::NAN),
            (-1.0, 0.1),
        ] {
            let config = ThrottleConfig {
                max_tokens,
                token_ratio,
            };
            assert!(Throttle::new(config).is_err(), "{config:?}");
        }
        assert_eq!(throttle(10.0, 0.3).gain, 300);
    }
}
