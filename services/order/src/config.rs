//! What only this service is told: the table `[service]` of its configuration, and the short flags for where its peers
//! are.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use rpc::config::duration;
use serde::Deserialize;

use crate::order::Pace;

/// The services that orders need, by the names they have in the configuration.
pub const PEERS: [&str; 3] = ["product", "payment", "shipping"];

/// The table `[service]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The wait before a step that failed is tried again. It doubles with each failure in a row.
    #[serde(with = "duration")]
    pub retry_min: Duration,
    /// The longest of these waits.
    #[serde(with = "duration")]
    pub retry_max: Duration,
    /// How long an order is claimed for one step. A process that dies with a claim keeps others waiting this long; a
    /// step that takes two thirds of it is given up and tried again.
    #[serde(with = "duration")]
    pub claim: Duration,
    /// How many orders the worker sees through at the same time.
    pub workers: u16,
    /// How often whoever watches an order looks whether another instance changed it. Changes made by this process are
    /// seen at once.
    #[serde(with = "duration")]
    pub watch_interval: Duration,
}

/// A value that the service cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the table [service] sets {field} to {value}, and it must be {rule}")]
pub struct SettingsError {
    field: &'static str,
    value: String,
    rule: String,
}

/// Nothing waits longer than this; a longer time in a configuration is a slip.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST: Duration = Duration::from_millis(1);
/// A claim must be longer than a call over a network, or two always do the same work.
const SHORTEST_CLAIM: Duration = Duration::from_millis(300);

impl Settings {
    /// How fast the work on orders goes on.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn pace(&self) -> Result<Pace, SettingsError> {
        between("retry_min", self.retry_min, SHORTEST, LONGEST)?;
        between("retry_max", self.retry_max, self.retry_min, LONGEST)?;
        between("claim", self.claim, SHORTEST_CLAIM, LONGEST)?;
        between("watch_interval", self.watch_interval, SHORTEST, LONGEST)?;
        if self.workers == 0 {
            return Err(SettingsError {
                field: "workers",
                value: "0".to_owned(),
                rule: "1 or more, or nobody finishes what was left behind".to_owned(),
            });
        }
        Ok(Pace {
            retry_min: self.retry_min,
            retry_max: self.retry_max,
            claim: self.claim,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(60),
            claim: Duration::from_secs(15),
            workers: 16,
            watch_interval: Duration::from_secs(1),
        }
    }
}

fn between(
    field: &'static str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), SettingsError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(SettingsError {
        field,
        value: duration::format(value),
        rule: format!(
            "from {} to {}",
            duration::format(least),
            duration::format(most)
        ),
    })
}

/// Writes `--payment URL` out as `--peer payment=URL`, which is what every service understands, and where a flag is
/// missing, takes it from its variable: `ORDER_PAYMENT`.
pub fn spell_out(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&OsStr) -> Option<OsString>,
) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    // The program's own name.
    let mut spelt: Vec<OsString> = arguments.next().into_iter().collect();
    let mut given = Vec::new();
    while let Some(argument) = arguments.next() {
        match short_flag(&argument) {
            Some((name, Some(url))) => {
                given.push(name);
                spelt.extend(peer(name, &url));
            }
            Some((name, None)) => match arguments.next() {
                Some(url) => {
                    given.push(name);
                    spelt.extend(peer(name, &url));
                }
                // Without a value it is left as it stands, and refused by its name.
                None => spelt.push(argument),
            },
            None => spelt.push(argument),
        }
    }
    let from_variables = PEERS
        .into_iter()
        .filter(|name| !given.contains(name))
        .filter_map(|name| {
            let variable = format!("ORDER_{}", name.to_ascii_uppercase());
            let url = environment(OsStr::new(&variable)).filter(|url| !url.is_empty())?;
            Some(peer(name, &url))
        })
        .flatten();
    // Before the flags, of which the last one counts.
    let at = spelt.len().min(1);
    let from_variables: Vec<_> = from_variables.collect();
    spelt.splice(at..at, from_variables);
    spelt
}

fn short_flag(argument: &OsStr) -> Option<(&'static str, Option<OsString>)> {
    let flag = argument.to_str()?.strip_prefix("--")?;
    let (name, url) = match flag.split_once('=') {
        Some((name, url)) => (name, Some(OsString::from(url))),
        None => (flag, None),
    };
    let name = PEERS.into_iter().find(|peer| *peer == name)?;
    Some((name, url))
}

fn peer(name: &str, url: &OsStr) -> [OsString; 2] {
    let mut value = OsString::from(format!("{name}="));
    value.push(url);
    ["--peer".into(), value]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        let arguments = arguments.iter().map(OsString::from);
        let environment = |name: &OsStr| {
            let found = variables.iter().find(|(variable, _)| name == *variable);
            found.map(|(_, value)| OsString::from(value))
        };
        let spelt = spell_out(arguments, environment);
        spelt
            .into_iter()
            .map(|a| a.into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn a_peer_can_be_named_by_a_flag_of_its_own() {
        assert_eq!(
            spelt(
                &[
                    "order",
                    "--payment",
                    "https://a:1",
                    "--tls",
                    "d",
                    "--product=https://b:2"
                ],
                &[]
            ),
            [
                "order",
                "--peer",
                "payment=https://a:1",
                "--tls",
                "d",
                "--peer",
                "product=https://b:2"
            ]
        );
    }

    #[test]
    fn the_variable_of_a_peer_counts_where_its_flag_is_missing() {
        let variables = [
            ("ORDER_PAYMENT", "https://v:1"),
            ("ORDER_SHIPPING", "https://v:2"),
        ];
        assert_eq!(
            spelt(&["order", "--payment", "https://f:1"], &variables),
            [
                "order",
                "--peer",
                "shipping=https://v:2",
                "--peer",
                "payment=https://f:1"
            ]
        );
    }

    #[test]
    fn each_peer_is_where_its_own_flag_says_or_its_variable_or_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("order.toml");
        let peers = PEERS.map(|name| format!("[peers.{name}]\naddress = 'https://file:1'\n"));
        std::fs::write(&file, peers.concat()).expect("written");
        let file = file.display().to_string();
        let defaults = rpc::config::Defaults {
            name: "order",
            about: "For a test.",
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let addresses = |flags: &[&str], variables: &[(&str, &str)]| {
            let environment = |name: &OsStr| {
                let found = variables.iter().find(|(variable, _)| name == *variable);
                found.map(|(_, value)| OsString::from(value))
            };
            let line = ["order", "--tls", "t", "--config", &file];
            let line = line.iter().chain(flags).map(OsString::from);
            let settings =
                rpc::config::load::<Settings>(&defaults, spell_out(line, environment), environment)
                    .expect("settings");
            PEERS.map(|name| settings.peers[name].address.clone())
        };
        let all = ("ORDER_PEER", "payment=https://all:2 shipping=https://all:2");
        let own = ("ORDER_PAYMENT", "https://own:3");
        assert_eq!(
            addresses(&[], &[]),
            ["https://file:1", "https://file:1", "https://file:1"]
        );
        assert_eq!(
            addresses(&[], &[all]),
            ["https://file:1", "https://all:2", "https://all:2"]
        );
        // What one variable or flag says of one peer is nothing said of the others.
        let product = ("ORDER_PRODUCT", "https://own:3");
        assert_eq!(
            addresses(&[], &[all, product]),
            ["https://own:3", "https://all:2", "https://all:2"]
        );
        assert_eq!(
            addresses(&["--product=https://flag:4"], &[all]),
            ["https://flag:4", "https://all:2", "https://all:2"]
        );
        assert_eq!(
            addresses(&["--peer", "shipping=https://flag:4"], &[all, own]),
            ["https://file:1", "https://own:3", "https://flag:4"]
        );
        assert_eq!(
            addresses(&["--payment", "https://flag:4"], &[all, own]),
            ["https://file:1", "https://flag:4", "https://all:2"]
        );
    }

    #[test]
    fn what_is_no_short_flag_stays_as_it_is() {
        let arguments = [
            "order",
            "--peer",
            "payment=x",
            "--payments",
            "y",
            "--payment",
        ];
        assert_eq!(spelt(&arguments, &[]), arguments);
        assert_eq!(spelt(&[], &[]), Vec::<String>::new());
    }

    #[test]
    fn the_defaults_make_sense() {
        let pace = Settings::default().pace().expect("the defaults");
        assert!(
            pace.retry_min <= Duration::from_secs(1),
            "the first retry is soon"
        );
    }

    #[test]
    fn a_time_is_told_as_it_is_written() {
        let settings = Settings {
            retry_min: Duration::ZERO,
            ..Settings::default()
        };
        let said = settings.pace().expect_err("refused").to_string();
        assert_eq!(
            said,
            "the table [service] sets retry_min to 0s, and it must be from 1ms to 24h"
        );
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_refused_by_its_name() {
        let refused = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.pace().expect_err("refused").to_string()
        };
        for (said, field) in [
            (refused(|s| s.retry_min = Duration::ZERO), "retry_min"),
            (
                refused(|s| s.retry_max = Duration::from_millis(1)),
                "retry_max",
            ),
            (refused(|s| s.claim = Duration::from_millis(1)), "claim"),
            (refused(|s| s.workers = 0), "workers"),
            (
                refused(|s| s.watch_interval = Duration::ZERO),
                "watch_interval",
            ),
        ] {
            assert!(said.contains(field), "{said}");
        }
    }
}
