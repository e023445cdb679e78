//! The table `[service]` of the configuration of shipping.

use serde::{Deserialize, Deserializer, de};

use crate::shipment::{Countries, CountryCode};

/// What only shipping is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The countries that are shipped to, by their two-letter codes: `["DE", "TR"]`.
    #[serde(deserialize_with = "countries")]
    pub countries: Countries,
}

/// Where parcels go when nobody says otherwise.
const DEFAULT: [&str; 22] = [
    "AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR", "HU", "IE", "IT", "LU", "NL",
    "NO", "PL", "PT", "SE", "TR", "US",
];

impl Default for Settings {
    fn default() -> Self {
        let codes = DEFAULT.into_iter().filter_map(CountryCode::parse);
        Self {
            countries: codes.collect(),
        }
    }
}

fn countries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Countries, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| {
            CountryCode::parse(text).ok_or_else(|| {
                de::Error::custom(format!(
                    "{text:?} is no country; write two capital letters of ISO 3166-1, such as TR"
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_country_is_one() {
        let settings = Settings::default();
        for code in DEFAULT {
            let code = CountryCode::parse(code).expect("a country code");
            assert!(settings.countries.check(code).is_ok(), "{code}");
        }
    }
}
