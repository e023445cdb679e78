//! Why a TLS handshake came to nothing, for either side: what this side refused, and what the other side said
//! (alerts: RFC 8446, section 6).

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, InvalidMessage};

use crate::certificate_problem::CertificateProblem;
use crate::text::Escaped;

/// Why a TLS handshake came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// This side refused the other side's certificate.
    Certificate(CertificateProblem),
    /// The other side showed no certificate, and had to.
    NoCertificate,
    /// The other side refused with an alert. Which one is its name in RFC 8446, in camel case.
    Alert(String),
    /// The other side does not speak TLS.
    NotTls,
    /// The two sides have no TLS version, key exchange or protocol in common.
    Incompatible(String),
    /// The other side broke the protocol.
    Protocol(String),
    /// The handshake was not finished in time.
    TimedOut(Duration),
    /// The other side closed the connection.
    Closed,
    /// Too many handshakes were in progress, and this one was the oldest.
    GaveWay,
    /// The connection failed.
    Io(String),
}

impl HandshakeFailure {
    /// A short, stable name: a metric's label. For a certificate it is the problem's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Certificate(problem) => problem.label(),
            Self::NoCertificate => "no_certificate",
            Self::Alert(_) => "alert",
            Self::NotTls => "not_tls",
            Self::Incompatible(_) => "incompatible",
            Self::Protocol(_) => "protocol",
            Self::TimedOut(_) => "timed_out",
            Self::Closed => "closed",
            Self::GaveWay => "gave_way",
            Self::Io(_) => "io",
        }
    }

    pub(crate) fn from_io(error: &io::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> =
            error.get_ref().map(|inner| inner as &(dyn Error + 'static));
        while let Some(inner) = source {
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return Self::from_tls(tls);
            }
            source = inner.source();
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error.to_string()),
        }
    }

    fn from_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => {
                Self::Certificate(CertificateProblem::from_rustls(error))
            }
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::AlertReceived(alert) => Self::Alert(alert_name(*alert)),
            // A record that begins with no content type of TLS: HTTP in the clear, or noise.
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            rustls::Error::PeerIncompatible(what) => Self::Incompatible(format!("{what:?}")),
            rustls::Error::NoApplicationProtocol => {
                Self::Incompatible("no ALPN protocol but h2 is spoken".to_owned())
            }
            other => Self::Protocol(other.to_string()),
        }
    }
}

/// A clause that follows "the handshake failed: …".
impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(problem) => write!(f, "the peer's certificate is refused: {problem}"),
            Self::NoCertificate => f.write_str("the peer showed no certificate"),
            Self::Alert(name) => {
                write!(f, "the peer refused with the TLS alert {name}")?;
                match alert_meaning(name) {
                    Some(meaning) => write!(f, ": {meaning}"),
                    None => Ok(()),
                }
            }
            Self::NotTls => f.write_str("the peer does not speak TLS"),
            Self::Incompatible(what) => {
                write!(f, "the peer and this side have nothing in common ({what})")
            }
            Self::Protocol(what) => {
                write!(f, "the peer broke the TLS protocol ({})", Escaped(what))
            }
            Self::TimedOut(limit) => write!(f, "the handshake was not finished within {limit:?}"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::GaveWay => {
                f.write_str("too many handshakes were in progress and this one was the oldest")
            }
            Self::Io(what) => write!(f, "the connection failed ({})", Escaped(what)),
        }
    }
}

fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(number) => format!("{number}"),
        known => format!("{known:?}"),
    }
}

/// What the sender of an alert about a certificate means, seen from who receives it.
fn alert_meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "CertificateRequired" => "it demands a certificate and was shown none",
        "UnknownCA" => "it does not trust the CA that issued this side's certificate",
        "CertificateExpired" => "this side's certificate has expired or is not valid yet",
        "CertificateRevoked" => "this side's certificate is revoked",
        "UnsupportedCertificate" => {
            "this side's certificate is not for this purpose (extended key usage)"
        }
        "BadCertificate" => "it does not accept this side's certificate, or the name in it",
        "CertificateUnknown" => {
            "something in this side's certificate or its chain is not acceptable to it"
        }
        "DecryptError" => "a signature of this side's certificate or handshake does not verify",
        "AccessDenied" => "this side's certificate is valid and has no access",
        "ProtocolVersion" => "it does not speak a TLS version that this side speaks",
        "HandshakeFailure" => "the two sides have no cipher, key exchange or signature in common",
        "NoApplicationProtocol" => "it does not speak HTTP/2 (ALPN h2) there",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: rustls::Error) -> HandshakeFailure {
        HandshakeFailure::from_io(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn an_alert_says_what_its_sender_means() {
        let failure = of(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired,
        ));
        assert_eq!(
            failure.to_string(),
            "the peer refused with the TLS alert CertificateRequired: it demands a certificate and was shown none"
        );
        assert_eq!(failure.label(), "alert");
        assert_eq!(
            of(rustls::Error::AlertReceived(AlertDescription::Unknown(200))).to_string(),
            "the peer refused with the TLS alert 200"
        );
    }

    #[test]
    fn plaintext_silence_and_resets_are_told_apart() {
        assert_eq!(
            of(rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType
            )),
            HandshakeFailure::NotTls
        );
        assert_eq!(
            HandshakeFailure::from_io(&io::ErrorKind::UnexpectedEof.into()),
            HandshakeFailure::Closed
        );
        assert_eq!(
            HandshakeFailure::from_io(&io::ErrorKind::ConnectionReset.into()).label(),
            "closed"
        );
        assert_eq!(
            of(rustls::Error::NoCertificatesPresented).label(),
            "no_certificate"
        );
    }
}
