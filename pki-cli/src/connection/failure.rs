//! Why a connection came to nothing: one sentence, what to do, and an exit code. What an alert means stands in `alert`.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use pki::text::escape;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::{
    Seen, Wish, alert,
    wire::{TooMuch, Waiting, Wire},
};
use crate::command_error::{CommandError, Kind};

/// Why a connection came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The host has no address.
    NoSuchName(String),
    /// Nobody took the TCP connection.
    NoTcp(SocketAddr, io::Error),
    /// The time was over.
    TimedOut(Waiting, Duration),
    /// The other side speaks something else; how it began.
    NotTls(Vec<u8>),
    /// The server ended it, and said why.
    Alert(AlertDescription),
    /// The server ended it without a word.
    Closed,
    /// The server went on without an end.
    TooMuch,
    /// The connection broke.
    Broken(io::Error),
    /// We ended it.
    Tls(Error),
}

impl Failure {
    pub(super) fn of_io(error: io::Error, wire: &Wire) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::TimedOut(Waiting::Handshake, wire.timeout()),
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected => Self::Closed,
            _ if error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) => Self::TooMuch,
            _ => Self::Broken(error),
        }
    }

    pub(super) fn of_tls(error: Error, beginning: &[u8]) -> Self {
        match error {
            Error::AlertReceived(alert) => Self::Alert(alert),
            // RFC 8446 section 5.1: a record begins with its content type and 3.
            _ if !matches!(beginning, [20..=23] | [20..=23, 3, ..]) => {
                Self::NotTls(beginning.to_vec())
            }
            Error::InvalidMessage(
                InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::CertificatePayloadTooLarge
                | InvalidMessage::MessageTooLarge,
            ) => Self::TooMuch,
            error => Self::Tls(error),
        }
    }

    /// Whether it was the server that refused.
    pub(crate) fn is_by_server(&self) -> bool {
        matches!(self, Self::Alert(_) | Self::Closed)
    }

    /// The name of the alert (RFC 8446 section 6), when there was one.
    pub(crate) fn alert(&self) -> Option<String> {
        match self {
            Self::Alert(alert) => Some(alert::name(*alert)),
            _ => None,
        }
    }

    /// The failure as the person sees it.
    pub(crate) fn tell(&self, wish: &Wish<'_>, seen: &Seen) -> CommandError {
        let address = wish.address;
        let at = match seen.connected {
            Some(connected) if connected.to_string() != address.to_string() => {
                format!("{address} ({})", connected.ip())
            }
            _ => address.to_string(),
        };
        let handshake = |message: String| CommandError::new(Kind::Handshake, message);
        match self {
            Self::NoSuchName(reason) => CommandError::new(
                Kind::Unreachable,
                format_args!(
                    "The name {} cannot be resolved: {}.",
                    escape(address.host()),
                    escape(reason.trim_end_matches('.'))
                ),
            )
            .hint("Check the spelling and the name server; or give the address, and the name with --host."),
            Self::NoTcp(peer, error) => match error.kind() {
                ErrorKind::ConnectionRefused => CommandError::new(
                    Kind::Unreachable,
                    format_args!("Nothing listens at {address} (connection to {peer} refused)."),
                )
                .hint("Check the port, and that the server runs and listens on this address."),
                _ => CommandError::new(
                    Kind::Unreachable,
                    format_args!("No connection to {address}: {} ({peer}).", escape(&error.to_string())),
                )
                .hint("Check the address, the route and the firewall between here and there."),
            },
            Self::TimedOut(waiting, limit) => {
                let (what, hint) = match waiting {
                    Waiting::Name => (
                        "its name was not resolved",
                        "Check the name server; or give the address, and the name with --host.",
                    ),
                    Waiting::Tcp => (
                        "it did not take the connection",
                        "Check the address and the firewall, or wait longer with --timeout.",
                    ),
                    Waiting::Handshake if seen.protocol.is_none() => (
                        "it took the connection and did not answer to TLS",
                        "It may wait for its client in a protocol without TLS, or be overloaded; wait longer with --timeout.",
                    ),
                    Waiting::Handshake => (
                        "it did not finish the TLS handshake",
                        "It may be overloaded; wait longer with --timeout.",
                    ),
                };
                CommandError::new(
                    Kind::TimedOut,
                    format_args!("{at} was given up after {limit:?}: {what}."),
                )
                .hint(hint)
            }
            Self::NotTls(beginning) => {
                let (what, hint) = spoken(beginning);
                handshake(format!("{at} does not speak TLS: it answered {what}.")).hint(hint)
            }
            Self::Alert(alert) => alert::tell(*alert, &at, wish, seen),
            Self::Closed if seen.asked.is_some() => alert::silent(&at, wish, seen),
            Self::Closed if seen.protocol.is_none() => {
                handshake(format!("{at} closed the connection without an answer to TLS."))
                    .hint("It may not speak TLS on this port, serve nothing under this name (--host), or be shutting down; its log says more.")
            }
            Self::Closed => handshake(format!(
                "{at} closed the connection in the middle of the TLS handshake, without an alert."
            ))
            .hint("Its log says why."),
            Self::TooMuch => handshake(format!(
                "{at} sent more than any TLS handshake is long (64 KiB a message, 1 MiB in all), and was given up."
            ))
            .hint("A chain needs the certificate and its intermediates only; look for a bundle of roots in the server's certificate file."),
            Self::Broken(error) => CommandError::new(
                Kind::Unreachable,
                format_args!("The connection to {at} broke: {}.", escape(&error.to_string())),
            ),
            Self::Tls(error) => tell_tls(error, &at, wish),
        }
    }
}

fn tell_tls(error: &Error, at: &str, wish: &Wish<'_>) -> CommandError {
    let handshake = |message: String| CommandError::new(Kind::Handshake, message);
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => alert::no_version(at, wish),
        Error::PeerIncompatible(what) => handshake(format!(
            "{at} and this side have nothing in common ({what:?})."
        ))
        .hint("Allow a cipher suite, group or signature algorithm of today on the server."),
        Error::NoCertificatesPresented => {
            handshake(format!("{at} showed no certificate."))
                .hint("Give the server a certificate; without one nobody knows who it is.")
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => handshake(format!(
            "{at} could not prove that it holds the key of its certificate: the signature over the handshake is wrong (RFC 8446 section 4.4.3)."
        ))
        .hint("Its certificate and its key do not belong together, or somebody else answers in its place."),
        Error::InvalidCertificate(reason) => handshake(format!(
            "{at} showed a certificate with which no TLS handshake can be finished: {}.",
            escape(&reason.to_string())
        ))
        .hint("See it with pki inspect, and have it issued again."),
        other => handshake(format!(
            "{at} broke the TLS protocol: {}.",
            escape(&other.to_string())
        ))
        .hint("Something between here and there may alter what is sent; or the server's TLS is at fault."),
    }
}

/// What the other side spoke instead of TLS, as the end of a sentence, and what to do.
fn spoken(beginning: &[u8]) -> (String, &'static str) {
    // RFC 9113 section 4.1: a frame has its length (3 octets), type, flags and stream; SETTINGS is 4, GOAWAY 7.
    if let [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] = beginning {
        return (
            "in HTTP/2 without TLS".to_owned(),
            "Switch TLS on at the server, or find the port that has it.",
        );
    }
    if beginning.starts_with(b"HTTP/") {
        return (
            format!("in HTTP without TLS (“{}”)", first_line(beginning)),
            "Switch TLS on at the server, or find the port that has it.",
        );
    }
    if beginning.starts_with(b"SSH-") {
        return (
            format!("in SSH (“{}”)", first_line(beginning)),
            "This is the port of an SSH server; find the one that speaks TLS.",
        );
    }
    let is_text = beginning
        .iter()
        .take(16)
        .all(|octet| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    let what = match is_text && !beginning.is_empty() {
        true => format!("with “{}”", first_line(beginning)),
        false => "with octets of another protocol".to_owned(),
    };
    (
        what,
        "Find the port that speaks TLS from the first octet on; a protocol that begins in clear (STARTTLS) is not spoken here.",
    )
}

/// Short, and safe for a terminal.
fn first_line(octets: &[u8]) -> String {
    let line = octets
        .split(|octet| matches!(octet, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    escape(&line.chars().take(60).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_instead_of_tls_is_named() {
        for (beginning, told) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\nServer: x"[..],
                "in HTTP without TLS (“HTTP/1.1 400 Bad Request”)",
            ),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "in SSH (“SSH-2.0-OpenSSH_9.2”)"),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03", "in HTTP/2 without TLS"),
            (
                b"220 mail.example.org ESMTP\r\n",
                "with “220 mail.example.org ESMTP”",
            ),
            (
                b"220 \x1b]0;owned\x07 evil",
                "with octets of another protocol",
            ),
            (
                b"a long greeting \x1b[31m red",
                "with “a long greeting \\u{1b}[31m red”",
            ),
            (b"", "with octets of another protocol"),
            (b"J\0\0\0\n8.0.36\0", "with octets of another protocol"),
        ] {
            assert_eq!(spoken(beginning).0, told);
        }
    }

    #[test]
    fn a_record_of_tls_is_told_from_everything_else() {
        let broken = || Error::InvalidMessage(InvalidMessage::InvalidContentType);
        for (beginning, is_tls) in [
            (&[22, 3, 3][..], true),
            (&[21], true),
            (&[22, 2, 0], false),
            (b"HTTP", false),
            (&[], false),
        ] {
            let failure = Failure::of_tls(broken(), beginning);
            assert_eq!(matches!(failure, Failure::Tls(_)), is_tls, "{beginning:?}");
        }
    }
}
