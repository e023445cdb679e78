//! What the person did not ask for and should know.

use std::fmt;

use time::OffsetDateTime;

use super::{Request, date};
use crate::{profile::Profile, subject_alt_name::GeneralName};

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
        }
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
