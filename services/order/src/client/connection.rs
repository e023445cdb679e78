//! What to do about a service that there is no connection to: what ends by itself, and what a person has to change.

use rpc::{CertificateProblem, ConnectError, ConnectFailure, HandshakeFailure};

use super::exit::Exit;

/// What a person has to change before the same command can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cure {
    pub(super) exit: Exit,
    pub(super) advice: &'static str,
}

const ADDRESS: Cure = Cure {
    exit: Exit::Setup,
    advice: "name the host and the port of the order service with --address",
};
const NAME: Cure = Cure {
    exit: Exit::Setup,
    advice: "name with --server-name a name that stands in the service's certificate, or another service with \
             --address",
};
const TRUST: Cure = Cure {
    exit: Exit::Access,
    advice: "name with --tls a folder whose ca.crt vouches for this service, or another service with --address",
};
const THEIRS: Cure = Cure {
    exit: Exit::Access,
    advice: "tell whoever runs the service that it needs another certificate, or name another service with --address",
};
const OURS: Cure = Cure {
    exit: Exit::Access,
    advice: "get a certificate that this service accepts, and name its folder with --tls",
};

/// The alerts with which a server refuses a client's certificate (RFC 8446, section 6.2).
const ABOUT_CERTIFICATES: [&str; 9] = [
    "AccessDenied",
    "BadCertificate",
    "CertificateExpired",
    "CertificateRequired",
    "CertificateRevoked",
    "CertificateUnknown",
    "DecryptError",
    "UnknownCA",
    "UnsupportedCertificate",
];
/// The alerts of a server that speaks TLS and offers nothing that this side speaks.
const ABOUT_PROTOCOLS: [&str; 4] = [
    "HandshakeFailure",
    "NoApplicationProtocol",
    "ProtocolVersion",
    "UnrecognisedName",
];

impl Cure {
    /// None where waiting is the cure: nobody listens yet, or the network is slow.
    pub(super) fn of(error: &ConnectError) -> Option<Self> {
        Self::of_failure(&error.reason)
    }

    fn of_failure(failure: &ConnectFailure) -> Option<Self> {
        match failure {
            ConnectFailure::Uri(_) | ConnectFailure::Resolve(_) | ConnectFailure::NotHttp2 => {
                Some(ADDRESS)
            }
            ConnectFailure::Handshake(failure) => Self::of_handshake(failure),
            _ => None,
        }
    }

    fn of_handshake(failure: &HandshakeFailure) -> Option<Self> {
        match failure {
            HandshakeFailure::Certificate(problem) => Some(Self::of_certificate(problem)),
            HandshakeFailure::Alert(name) if ABOUT_CERTIFICATES.contains(&name.as_str()) => {
                Some(OURS)
            }
            HandshakeFailure::Alert(name) if ABOUT_PROTOCOLS.contains(&name.as_str()) => {
                Some(ADDRESS)
            }
            HandshakeFailure::NotTls
            | HandshakeFailure::Incompatible(_)
            | HandshakeFailure::Protocol(_)
            | HandshakeFailure::NoCertificate => Some(ADDRESS),
            _ => None,
        }
    }

    fn of_certificate(problem: &CertificateProblem) -> Self {
        match problem {
            CertificateProblem::WrongName { .. } => NAME,
            // What this side's folder says of the service's certificate: ca.crt and crl.pem.
            CertificateProblem::UnknownIssuer
            | CertificateProblem::TrustAnchorNotValid
            | CertificateProblem::BadSignature
            | CertificateProblem::RevocationUnknown
            | CertificateProblem::RevocationListExpired { .. }
            | CertificateProblem::RevocationListUntrusted => TRUST,
            _ => THEIRS,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::*;

    fn handshake(failure: HandshakeFailure) -> ConnectFailure {
        ConnectFailure::Handshake(failure)
    }

    fn certificate(problem: CertificateProblem) -> ConnectFailure {
        handshake(HandshakeFailure::Certificate(problem))
    }

    fn alert(name: &str) -> ConnectFailure {
        handshake(HandshakeFailure::Alert(name.to_owned()))
    }

    #[test]
    fn what_never_heals_is_cured_and_what_may_pass_is_waited_for() {
        let wrong_name = CertificateProblem::WrongName {
            expected: "wrong.dev".into(),
            presented: vec!["localhost".into()],
        };
        for (failure, cure) in [
            (certificate(wrong_name), Some(NAME)),
            (certificate(CertificateProblem::UnknownIssuer), Some(TRUST)),
            (certificate(CertificateProblem::Revoked), Some(THEIRS)),
            (alert("UnknownCA"), Some(OURS)),
            (alert("CertificateExpired"), Some(OURS)),
            (alert("NoApplicationProtocol"), Some(ADDRESS)),
            (alert("InternalError"), None),
            (handshake(HandshakeFailure::NotTls), Some(ADDRESS)),
            (handshake(HandshakeFailure::Closed), None),
            (handshake(HandshakeFailure::GaveWay), None),
            (ConnectFailure::Resolve("unknown".into()), Some(ADDRESS)),
            (ConnectFailure::NotHttp2, Some(ADDRESS)),
            (
                ConnectFailure::Tcp(ErrorKind::ConnectionRefused, "".into()),
                None,
            ),
            (
                ConnectFailure::TimedOut {
                    during: "the TCP connection",
                    limit: Duration::from_secs(1),
                },
                None,
            ),
        ] {
            assert_eq!(Cure::of_failure(&failure), cure, "{failure:?}");
        }
    }
}
