//! Configuration: flags over environment over a TOML file over defaults, into one checked value.
//!
//! A field that does not exist is refused with the file, the line and the field that was probably meant, because a
//! misspelt limit that is silently ignored is worse than none. Durations are written `"1s"` or `"250ms"`.
//!
//! [`load`] is a function of its arguments: the environment is passed in, and only [`crate::service`] reads the real
//! one. Paths in the file are relative to the folder that the program runs in, as they are on the command line.

pub(crate) mod closest;
mod file;
mod flags;

pub(crate) use self::flags::variable;
/// Lengths of time as people write them: `"1s"`, `"250ms"`. For `#[serde(with = "…")]`.
pub use resilience::duration;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use resilience::ClientPolicyConfig;
use resilience::deadline::ServerDeadlineConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What every service is told, and under `service` what only this one is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings<T> {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The folder with `tls.crt`, `tls.key` and `ca.crt`.
    pub tls: PathBuf,
    /// SQLite by path or PostgreSQL by URL.
    pub database: DatabaseUrl,
    /// What is logged, and how.
    pub log: Log,
    /// Which method may be called by whom: `"payment.v1.Payment/Create" = ["spiffe://example.org/order"]`. A method
    /// that is not listed may be called by nobody, but for health and reflection: those that are not listed may be called
    /// by every peer with a valid certificate.
    pub allow: BTreeMap<String, Vec<String>>,
    /// The bounds of the server.
    pub server: Server,
    /// The services that this one calls, by name.
    pub peers: BTreeMap<String, Peer>,
    /// The settings of this service alone: the table `[service]`.
    pub service: T,
}

/// The table `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Log {
    /// What: a level, or directives as `tracing-subscriber` reads them, such as `info,order=debug`.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// The table `[server]`: the bounds of the server. The defaults suit a service in a data centre.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Server {
    /// Calls with a single answer in flight at the same time; more are refused with RESOURCE_EXHAUSTED and a time to come back.
    pub max_in_flight: u32,
    /// Streams of answers at the same time, such as those who follow an order. They last, so they have a bound of their
    /// own beside `max_in_flight` and keep no short call out.
    pub max_watchers: u32,
    /// Calls in flight on one connection.
    pub max_streams_per_connection: u32,
    /// The deadlines that callers may ask for: the table `[server.deadline]`.
    pub deadline: ServerDeadlineConfig,
    /// How long a stream of answers may last, where `[server.deadline.methods]` says nothing of its method.
    #[serde(with = "duration")]
    pub max_stream: Duration,
    /// How long a TLS handshake may take.
    #[serde(with = "duration")]
    pub handshake_timeout: Duration,
    /// How often a quiet connection is asked whether it is still there.
    #[serde(with = "duration")]
    pub keepalive_interval: Duration,
    /// How long it may take to say yes.
    #[serde(with = "duration")]
    pub keepalive_timeout: Duration,
    /// After this long a connection is closed when its calls are done, so that its peer connects and is checked anew.
    #[serde(with = "duration")]
    pub max_connection_age: Duration,
    /// How long calls in flight may take to end once the service is asked to stop.
    #[serde(with = "duration")]
    pub drain: Duration,
}

/// A table `[peers.NAME]`: a service that this one calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Peer {
    /// `https://HOST:PORT`.
    pub address: String,
    /// The name in the peer's certificate, where it is not the host of the address.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Deadline, retries, circuit breakers: the table `[peers.NAME.policy]`.
    #[serde(default)]
    pub policy: ClientPolicyConfig,
}

/// Where the database is. It may hold a password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// What a service is by itself, before anybody configures it.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// The service's name, also the prefix of its environment variables: `payment` reads `PAYMENT_LISTEN`.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Where it listens when nobody says otherwise.
    pub listen: SocketAddr,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The command line is not understood, or asks for help: what to print, as clap wrote it.
    #[error("{0}")]
    CommandLine(clap::Error),
    /// The file cannot be read.
    #[error("the configuration {} cannot be read: {source}; give an existing file with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds a field that does not exist.
    #[error("{}, line {line}: there is no field `{field}` here; {advice}", path.display())]
    UnknownField {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The field.
        field: String,
        /// What was probably meant, and what there is.
        advice: String,
    },
    /// The file is not TOML, or a value is not what the field takes.
    #[error("{}, line {line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value is not what the field takes.
    #[error("{origin} is {value:?}, which is not {expected}")]
    Value {
        /// The flag, the environment variable or the file and field.
        origin: String,
        /// What was given.
        value: String,
        /// What it should have been, with an example.
        expected: &'static str,
    },
    /// Nobody said where the certificates are.
    #[error(
        "no certificates: name the folder that holds tls.crt, tls.key and ca.crt with --tls, with {variable}, or as \
         `tls` in the configuration file"
    )]
    NoTls {
        /// The environment variable.
        variable: String,
    },
}

/// Loads the configuration of a service.
///
/// `arguments` are those of the process, the program's name first; `environment` answers for one variable.
///
/// # Errors
/// One sentence that names what is wrong and where it stands.
pub fn load<T>(
    defaults: &Defaults,
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<Settings<T>, ConfigError>
where
    T: DeserializeOwned + Default,
{
    let given = flags::parse(defaults, arguments, &environment)?;
    let file = match &given.config {
        Some(path) => file::read::<T>(&path.value)?,
        None => file::File::default(),
    };
    let from_file = |field: &str, value: Option<String>| {
        let path = given.config.as_ref().map(|path| path.value.display());
        value.map(|value| Given {
            origin: format!(
                "`{field}` in {}",
                path.map_or_else(String::new, |p| p.to_string())
            ),
            value,
        })
    };

    let listen = match given.listen.or_else(|| from_file("listen", file.listen)) {
        Some(listen) => listen.parse("an address like 127.0.0.1:50051")?,
        None => defaults.listen,
    };
    let Some(tls) = given.tls.map(|tls| tls.value).or(file.tls) else {
        return Err(ConfigError::NoTls {
            variable: variable(defaults.name, "TLS"),
        });
    };
    let database = given.database.map(|database| database.value);
    let database = database
        .or(file.database)
        .unwrap_or_else(|| format!("{}.db", defaults.name));
    let mut log = file.log;
    if let Some(filter) = given.log {
        log.filter = filter.value;
    }
    if let Some(format) = given.log_format {
        log.format = match format.value.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(format.refuse("text or json")),
        };
    }
    let mut peers = file.peers;
    for (name, address) in given.peers {
        match peers.get_mut(&name) {
            Some(peer) => peer.address = address,
            None => {
                peers.insert(name, Peer::at(address));
            }
        }
    }
    Ok(Settings {
        listen,
        tls,
        database: DatabaseUrl(database),
        log,
        allow: file.allow,
        server: file.server,
        peers,
        service: file.service,
    })
}

/// A value and where it was given, for the sentence that refuses it.
#[derive(Debug, Clone)]
struct Given<T> {
    origin: String,
    value: T,
}

impl Given<String> {
    fn parse<V: std::str::FromStr>(self, expected: &'static str) -> Result<V, ConfigError> {
        self.value.parse().map_err(|_| self.refuse(expected))
    }

    fn refuse(self, expected: &'static str) -> ConfigError {
        ConfigError::Value {
            origin: self.origin,
            value: self.value,
            expected,
        }
    }
}

// === impl Peer ===

impl Peer {
    /// A peer at this address, with the default policy.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            server_name: None,
            policy: ClientPolicyConfig::default(),
        }
    }
}

// === impl DatabaseUrl ===

impl DatabaseUrl {
    /// A path or URL. Whether there is a database is found out by [`crate::database::Database::open`].
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Whether it is neither a URL nor plainly a path: `postgres:user:secret@host/name`, `host=db password=secret`.
    /// SQLite would make a file of that name. A path with such a sign in it can be told by how it begins.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let text = &self.0;
        let is_path = ["sqlite:", "/", "./", "../"]
            .iter()
            .any(|start| text.starts_with(start))
            && !text.starts_with("//");
        !is_path && !text.contains("://") && text.contains(['@', '=', ':'])
    }

    /// With the password, for opening it. Not for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Without the password. It is not looked for, since it may stand wherever somebody put it; rather only what is plainly
/// something else is shown: a path, or of a URL its user, hosts, ports and name.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            // What is neither a path nor a URL is refused by `Database::open`.
            return f.write_str(if self.is_ambiguous() { "…" } else { &self.0 });
        };
        // Parameters may hold a password as well, and a password may hold anything that was not escaped.
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, host) = match place.rsplit_once('@') {
            Some((user, host)) => (user.split(':').next(), host),
            None => (None, place),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
        let is_shown = scheme == "sqlite"
            || (scheme.chars().all(is_plain)
                && user.unwrap_or_default().chars().all(is_plain)
                && is_place(host));
        match user {
            _ if !is_shown || parameters.contains('@') => f.write_str("…"),
            Some(user) => write!(f, "{scheme}://{user}@{host}"),
            None => write!(f, "{scheme}://{host}"),
        }
    }
}

/// Whether it is `HOST:PORT,HOST:PORT/NAME` and nothing else: after a colon there are digits only, for `alice:secret` is
/// a user without a host.
fn is_place(text: &str) -> bool {
    let (hosts, name) = text.split_once('/').unwrap_or((text, ""));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
    let is_host = |host: &str| {
        let address = host.strip_prefix('[').and_then(|host| host.split_once(']'));
        let (name, port) = match address {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("", port),
            _ => host.split_at(host.find(':').unwrap_or(host.len())),
        };
        let port = port.strip_prefix(':').unwrap_or(port);
        name.chars().all(is_plain) && port.chars().all(|c| c.is_ascii_digit())
    };
    hosts.split(',').all(is_host) && name.chars().all(is_plain)
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

// === defaults ===

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            max_watchers: 1024,
            max_streams_per_connection: 256,
            deadline: ServerDeadlineConfig::default(),
            max_stream: Duration::from_secs(60 * 60),
            handshake_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: Duration::from_secs(60 * 60),
            drain: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests;
