//! What the person did not ask for and should know.

use std::fmt;

use time::OffsetDateTime;

use super::{Issuer, Request, date};
use crate::{certificate::Certificate, profile::Profile, subject_alt_name::GeneralName};

/// Something that the person did not ask for and should know; whole sentences.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The certificate ends with its issuer.
    Clamped {
        /// The end that was asked for.
        asked: OffsetDateTime,
        /// The end that it got.
        granted: OffsetDateTime,
        /// The CA that ends then.
        issuer: String,
    },
    /// A client without any subject alternative name.
    ClientWithoutNames,
    /// 0.0.0.0 or :: as a name.
    UnspecifiedAddress(String),
    /// The trust anchor is not self-signed.
    AnchorIsNoRoot(String),
    /// A CA above has no key usage.
    NoKeyUsage(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clamped { asked, granted, issuer } => write!(
                f,
                "The certificate ends on {} and not on {}, because the CA {issuer:?} ends then.",
                date(*granted),
                date(*asked)
            ),
            Self::ClientWithoutNames => f.write_str(
                "The client certificate has no subject alternative name; who looks at names (as the services here do) will not know this client. Add --uri or --dns.",
            ),
            Self::UnspecifiedAddress(address) => write!(
                f,
                "{address} is the address to listen on all interfaces; nobody connects to it, so no caller will ever check for it."
            ),
            Self::AnchorIsNoRoot(subject) => write!(
                f,
                "The last CA that was given, {subject:?}, is not self-signed; some verifiers (openssl without -partial_chain) trust roots only. Add the root to the CA's file."
            ),
            Self::NoKeyUsage(subject) => write!(
                f,
                "The CA {subject:?} has no key usage. Whoever follows RFC 5280 section 6.1.4 (n) accepts what it signs, this program, rustls and openssl among them; who is strict (openssl verify -x509_strict) does not, since section 4.2.1.3 demands one of a CA. Have its certificate issued again with keyCertSign and cRLSign, or replace the CA."
            ),
        }
    }
}

impl Issuer {
    /// What is to be known of this CA and those above it, whatever they issue.
    pub(crate) fn notices(&self) -> impl Iterator<Item = Notice> {
        self.chain().filter_map(Notice::of_authority)
    }
}

impl Notice {
    /// What is to be known of a CA, whatever it issues.
    pub(crate) fn of_authority(certificate: &Certificate) -> Option<Self> {
        let has_none = certificate.key_usage.is_none();
        has_none.then(|| Self::NoKeyUsage(certificate.subject().to_string()))
    }
}

pub(super) fn general_notices(request: &Request<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    if request.profile == Profile::Client && request.names.is_empty() {
        notices.push(Notice::ClientWithoutNames);
    }
    for name in request.names {
        if let GeneralName::Ip(address) = name
            && address.is_unspecified()
        {
            notices.push(Notice::UnspecifiedAddress(address.to_string()));
        }
    }
    notices
}
