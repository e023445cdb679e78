//! One name of a peer together with its kind (RFC 5280, 4.2.1.6): two names of different kinds are never the same name,
//! even when they are the same text.

use std::fmt;
use std::net::IpAddr;

use crate::spiffe_id::SpiffeId;
use crate::text::Escaped;

/// One name in a certificate, with its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerName<'a> {
    /// The SPIFFE ID: a rule may speak of it.
    SpiffeId(&'a SpiffeId),
    /// A DNS name in lower case: a rule may speak of it, unless it is a wildcard.
    DnsName(&'a str),
    /// Another URI: no rule can speak of it.
    Uri(&'a str),
    /// An IP address: no rule can speak of it.
    IpAddress(IpAddr),
}

/// The SPIFFE ID stands for itself; every other name says its kind first, so that none is taken for a SPIFFE ID.
impl fmt::Display for PeerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpiffeId(id) => write!(f, "{id}"),
            Self::DnsName(name) => write!(f, "DNS name {}", Escaped(name)),
            Self::Uri(uri) => write!(f, "URI {}", Escaped(uri)),
            Self::IpAddress(address) => write!(f, "IP address {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spiffe_id::InvalidSpiffeId;

    #[test]
    fn every_kind_but_the_spiffe_id_says_what_it_is() -> Result<(), InvalidSpiffeId> {
        let text = "spiffe://microservices.dev/order";
        let id = SpiffeId::parse(text)?;
        assert_eq!(PeerName::SpiffeId(&id).to_string(), text);
        assert_eq!(
            PeerName::DnsName(text).to_string(),
            format!("DNS name {text}")
        );
        assert_eq!(PeerName::Uri("x:\u{202e}").to_string(), "URI x:\\u{202e}");
        let address = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(
            PeerName::IpAddress(address).to_string(),
            "IP address 127.0.0.1"
        );
        Ok(())
    }
}
