//! Why a client did not get a connection, in one sentence that names the peer.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::handshake_failure::HandshakeFailure;
use crate::text::Escaped;

/// Why a client did not get a connection.
///
/// It is found by walking the `source()`s of what tonic or hyper report; tonic itself makes the status UNAVAILABLE of
/// it, with the sentence as message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectError {
    /// Where to: host and port as they were given.
    pub address: String,
    /// The name that the server's certificate had to have.
    pub server_name: String,
    /// Why not.
    pub reason: ConnectFailure,
}

/// The reason inside a [`ConnectError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The URI is not one that this connector serves.
    Uri(&'static str),
    /// The host's name has no address.
    Resolve(String),
    /// No TCP connection.
    Tcp(io::ErrorKind, String),
    /// Not done in time.
    TimedOut {
        /// What was being waited for.
        during: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A TCP connection, and no TLS on it.
    Handshake(HandshakeFailure),
    /// TLS, and no HTTP/2 on it.
    NotHttp2,
}

impl ConnectFailure {
    /// A short, stable name: a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Uri(_) => "uri",
            Self::Resolve(_) => "resolve",
            Self::Tcp(..) => "tcp",
            Self::TimedOut { .. } => "timed_out",
            Self::Handshake(failure) => failure.label(),
            Self::NotHttp2 => "not_http2",
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            server_name,
            reason,
        } = self;
        f.write_str("cannot connect to ")?;
        if host_of(address) != server_name {
            write!(f, "{} at ", Escaped(server_name))?;
        }
        write!(f, "{}: ", Escaped(address))?;
        match reason {
            ConnectFailure::Uri(what) => f.write_str(what),
            ConnectFailure::Resolve(what) => {
                write!(f, "the host has no address ({})", Escaped(what))
            }
            ConnectFailure::Tcp(io::ErrorKind::ConnectionRefused, _) => {
                f.write_str("nothing listens there (connection refused)")
            }
            ConnectFailure::Tcp(_, what) => write!(f, "no TCP connection ({})", Escaped(what)),
            ConnectFailure::TimedOut { during, limit } => {
                write!(f, "{during} was not done within {limit:?}")
            }
            ConnectFailure::Handshake(failure) => write!(f, "{failure}"),
            ConnectFailure::NotHttp2 => f.write_str("the peer did not choose HTTP/2 (ALPN h2)"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}
