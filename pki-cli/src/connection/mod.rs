//! TLS connections (RFC 8446, RFC 5246) that are made to be looked at: `pki connect` and `pki inspect HOST:PORT`.
//!
//! [`connect`] shakes hands and records what the server shows and says. It does not judge the server's certificate:
//! the handshake goes on with any chain, so that the chain can be shown, and `pki::path_validation` judges it afterwards.
//! That the server holds the key of its certificate is proved all the same (RFC 8446 section 4.4.3). No data of ours
//! goes over such a connection, but the opening of HTTP/2 where that was agreed.
//!
//! Whatever the server does, the time is bounded by one deadline, the memory by what one handshake may be long, and
//! the sockets are blocking ones: one connection needs no runtime.

mod address;
mod alert;
mod failure;
mod handshake;
mod observer;
mod own_pair;
mod report;
mod wire;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pki::text::escape;
use rustls::{SupportedProtocolVersion, pki_types::ServerName};

use crate::command_error::{CommandError, Kind};

pub(crate) use address::Address;
pub(crate) use failure::Failure;
pub(crate) use observer::Asked;
pub(crate) use own_pair::{OwnPair, folder_of};
pub(crate) use report::{Report, objects};

/// What is asked of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    /// Where to.
    pub(crate) address: &'a Address,
    /// Whom the server is asked to be (server_name, RFC 6066 section 3; not sent for an IP address).
    pub(crate) server_name: ServerName<'static>,
    /// The protocols that are offered (ALPN, RFC 7301); none offers nothing.
    pub(crate) alpn: Vec<Vec<u8>>,
    /// The versions that are offered.
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// Shown when the server asks for a certificate.
    pub(crate) own: Option<&'a OwnPair>,
    /// Whether the server's first word is awaited when it asked for a certificate.
    pub(crate) listens: bool,
    /// The time for everything: name, TCP, TLS, and the server's first word after it.
    pub(crate) timeout: Duration,
}

/// What came of it: what was seen, also when it failed in the end.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// What was seen.
    pub(crate) seen: Seen,
    /// Why it ended, when it did.
    pub(crate) failure: Option<Failure>,
}

/// What was seen of the server.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The address that took the connection.
    pub(crate) connected: Option<SocketAddr>,
    /// “TLS 1.3”.
    pub(crate) protocol: Option<String>,
    /// The name in IANA's registry.
    pub(crate) cipher_suite: Option<String>,
    /// The name of the group in IANA's registry.
    pub(crate) key_exchange: Option<String>,
    /// The protocol that the server chose.
    pub(crate) alpn: Option<Vec<u8>>,
    /// The certificates in the order in which they were sent (DER, or whatever the server took for it).
    pub(crate) chain: Vec<Vec<u8>>,
    /// An OCSP response came with the certificate (RFC 6066 section 8).
    pub(crate) ocsp_staple: bool,
    /// The server proved that it holds the key of the first certificate.
    pub(crate) proved: bool,
    /// The server asked for a certificate.
    pub(crate) asked: Option<Asked>,
    /// Our certificate was sent.
    pub(crate) shown: bool,
    /// The handshake was finished on our side.
    pub(crate) finished: bool,
    /// The server said something after the handshake, so it had no objection (RFC 8446 section 4.6.1).
    pub(crate) answered: bool,
}

/// Connects, shakes hands and listens for the server's first word.
pub(crate) fn connect(wish: &Wish<'_>) -> Attempt {
    let mut seen = Seen::default();
    let outcome = wire::Wire::open(wish.address, wish.timeout).and_then(|mut wire| {
        seen.connected = Some(wire.peer());
        handshake::run(wish, &mut wire, &mut seen)
    });
    Attempt {
        seen,
        failure: outcome.err(),
    }
}

/// The chain that a server sends, for showing it: proved to be the server's, and judged by nobody.
pub(crate) fn chain(address: &Address) -> Result<Vec<Vec<u8>>, CommandError> {
    let server_name = ServerName::try_from(address.name().to_owned()).map_err(|_| {
        CommandError::new(
            Kind::Usage,
            format_args!(
                "“{}” is no name that a server can be asked for.",
                escape(address.name())
            ),
        )
        .hint("pki connect takes the name apart from the address, with --host.")
    })?;
    let wish = Wish {
        address,
        server_name,
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        versions: rustls::ALL_VERSIONS,
        own: None,
        listens: false,
        timeout: Duration::from_secs(5),
    };
    let Attempt { seen, failure } = connect(&wish);
    match failure {
        // It may want to see a certificate of ours; its own was shown by then.
        Some(failure) if !seen.proved => Err(failure.tell(&wish, &seen)),
        _ => Ok(seen.chain),
    }
}

/// The cryptography that the services use, too: aws-lc-rs with the hybrid of ML-KEM first. Never the process-wide
/// default, which depends on what else is linked.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    let mut provider = default_provider();
    provider.kx_groups = vec![
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
        kx_group::SECP384R1,
    ];
    Arc::new(provider)
}
