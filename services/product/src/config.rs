//! The table `[service]` of the catalogue's configuration.

use serde::Deserialize;

/// The catalogue is told nothing but what every service is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {}
