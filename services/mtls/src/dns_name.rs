//! The two shapes of a DNS name (RFC 5280, 4.2.1.6; RFC 9525, 6.3): the name of one host, which a rule may speak of, and
//! what a certificate may present, which may also be a wildcard.
//!
//! Syntax only: nothing is looked up. Names are kept in lower case, because they compare without regard to case
//! (RFC 4343).

use std::net::IpAddr;

/// The name of one host: no wildcard, no dot at its end, no IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DnsName(String);

impl DnsName {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidDnsName> {
        if text.parse::<IpAddr>().is_ok() {
            return Err(InvalidDnsName(
                "it is an IP address, which says where a host is and not who it is",
            ));
        }
        rustls_pki_types::DnsName::try_from(text)
            .map_err(|_| InvalidDnsName("it is not a DNS name"))?;
        // "example.dev." is the same host, but no certificate may spell it so (the preferred name syntax of RFC 1034,
        // 3.5, has no dot at the end). One spelling is enough.
        if text.ends_with('.') {
            return Err(InvalidDnsName(
                "it ends with a dot, and a name in a certificate does not",
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A dNSName of a certificate in lower case, or nothing when it is not one. A wildcard is the whole first label
/// (RFC 9525, 6.3).
pub(crate) fn presented(text: &str) -> Option<String> {
    DnsName::parse(text.strip_prefix("*.").unwrap_or(text)).ok()?;
    Some(text.to_ascii_lowercase())
}

/// Why something is not the name of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidDnsName(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_host_is_kept_in_lower_case() -> Result<(), InvalidDnsName> {
        for (text, name) in [
            ("Order.Microservices.DEV", "order.microservices.dev"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.order", "1.order"),
        ] {
            assert_eq!(DnsName::parse(text)?.as_str(), name);
            assert_eq!(presented(text).as_deref(), Some(name));
        }
        Ok(())
    }

    #[test]
    fn what_is_no_name_of_a_host_is_refused_from_a_rule_and_from_a_certificate() {
        for (text, reason) in [
            ("", "not a DNS name"),
            (" ", "not a DNS name"),
            (" order.dev", "not a DNS name"),
            ("order..dev", "not a DNS name"),
            (".order.dev", "not a DNS name"),
            ("-order.dev", "not a DNS name"),
            ("order.dev\0.evil.dev", "not a DNS name"),
            ("spiffe://microservices.dev/order", "not a DNS name"),
            ("order.dev:443", "not a DNS name"),
            ("order%2edev", "not a DNS name"),
            ("b\u{fc}cher.example", "not a DNS name"),
            ("*", "not a DNS name"),
            ("o*.microservices.dev", "not a DNS name"),
            ("order.*.dev", "not a DNS name"),
            ("*.*.dev", "not a DNS name"),
            ("order.dev.", "ends with a dot"),
            ("127.0.0.1", "an IP address"),
            ("::1", "an IP address"),
            ("127.1", "not a DNS name"),
        ] {
            let refusal = DnsName::parse(text).expect_err(text).to_string();
            assert!(refusal.contains(reason), "{text:?}: {refusal}");
            assert_eq!(presented(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_certificate_may_present_a_wildcard_and_a_rule_may_not_speak_of_one() {
        assert_eq!(presented("*.Order.dev").as_deref(), Some("*.order.dev"));
        assert!(DnsName::parse("*.order.dev").is_err());
    }
}
