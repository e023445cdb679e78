//! The table `[service]` of the configuration of payments.

use proto::Money;
use serde::{Deserialize, Deserializer, de};

use crate::payment::Limits;

/// What only payments are told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The most that is charged at once, one amount for each currency that is accepted: `["10000.00 EUR"]`. A currency
    /// that is not listed is not accepted.
    #[serde(deserialize_with = "limits")]
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        let most = ["EUR", "USD"].map(|currency| Money::new(currency, 10_000, 0));
        Self {
            limits: most.into_iter().flatten().collect(),
        }
    }
}

fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| {
            let limit: Money = text
                .parse()
                .map_err(|error| de::Error::custom(format!("{text:?} is no limit: {error}")))?;
            if limit.is_positive() {
                Ok(limit)
            } else {
                Err(de::Error::custom(format!(
                    "{text:?} is no limit: it must be greater than zero; leave the currency out to refuse it"
                )))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limits_are_there() {
        let limits = Settings::default().limits;
        assert!(
            limits
                .check(Money::new("EUR", 10_000, 0).expect("an amount"))
                .is_ok()
        );
        assert!(
            limits
                .check(Money::new("USD", 10_000, 1).expect("an amount"))
                .is_err()
        );
    }
}
