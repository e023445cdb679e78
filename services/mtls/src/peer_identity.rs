//! Who is on the other side: the names in a certificate whose chain was verified (RFC 5280, 4.1 and 4.2.1.6).
//!
//! Parsed once per connection and shared. It says what the certificate says; it does not verify (that is
//! [`crate::verification`]'s work, done before) and does not decide (that is [`crate::authorization`]'s, done after).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::dns_name::{self, DnsName};
use crate::peer_name::PeerName;
use crate::spiffe_id::SpiffeId;
use crate::text::Escaped;

/// The names of one side of a connection, as its certificate carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    spiffe_id: Option<SpiffeId>,
    uris: Vec<String>,
    dns_names: Vec<String>,
    ip_addresses: Vec<IpAddr>,
    subject: String,
    issuer: String,
    serial: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl PeerIdentity {
    /// Reads the names out of an end-entity certificate in DER.
    ///
    /// # Errors
    /// [`UnreadableIdentity`] when the bytes are not a certificate, or a name in it is not what its kind must be.
    ///
    /// A dNSName that is no DNS name is refused and not skipped. To skip it would be as safe, and would leave its owner
    /// wondering why no rule matches; and a CA that signs such a name has checked none of the others either.
    pub fn from_der(der: &[u8]) -> Result<Self, UnreadableIdentity> {
        let (rest, certificate) = X509Certificate::from_der(der)
            .map_err(|_| UnreadableIdentity::new("it is not X.509 in DER"))?;
        if !rest.is_empty() {
            return Err(UnreadableIdentity::new("bytes follow the certificate"));
        }
        let mut identity = Self {
            spiffe_id: None,
            uris: Vec::new(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.raw_serial_as_string(),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
        };
        let names = certificate.subject_alternative_name().map_err(|_| {
            UnreadableIdentity::new("its subject alternative name is malformed or repeated")
        })?;
        for name in names
            .into_iter()
            .flat_map(|extension| &extension.value.general_names)
        {
            match name {
                GeneralName::DNSName(name) => identity.dns_names.push(dns_name(name)?),
                GeneralName::URI(uri) => identity.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => identity.ip_addresses.push(ip_address(bytes)?),
                GeneralName::Invalid(..) => {
                    return Err(UnreadableIdentity::new(
                        "a subject alternative name is malformed",
                    ));
                }
                // Directory names, email addresses and the rest name no service.
                _ => {}
            }
        }
        // X509-SVID 2: exactly one URI; a certificate with several is not a SPIFFE identity at all.
        if let [uri] = identity.uris.as_slice() {
            identity.spiffe_id = SpiffeId::parse_workload(uri).ok();
        }
        Ok(identity)
    }

    pub(crate) fn from_certificate(
        certificate: &CertificateDer<'_>,
    ) -> Result<Self, UnreadableIdentity> {
        Self::from_der(certificate.as_ref())
    }

    /// The SPIFFE ID, when the certificate has exactly one URI and that is the valid one of a workload.
    #[must_use]
    pub fn spiffe_id(&self) -> Option<&SpiffeId> {
        self.spiffe_id.as_ref()
    }

    /// The DNS names, in lower case; one of them may be a wildcard.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The IP addresses.
    #[must_use]
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.ip_addresses
    }

    /// The subject in the form of RFC 4514, for people; never used for a decision.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer in the form of RFC 4514, for people; never used for a decision.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in hexadecimal, two digits a byte, with colons.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The first second in which the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last second in which the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether one of its DNS names is this one. A wildcard never is: it says which hosts a server may be, not who
    /// somebody is.
    pub(crate) fn has_dns_name(&self, name: &DnsName) -> bool {
        self.dns_names
            .iter()
            .any(|presented| presented == name.as_str())
    }

    /// Every name with its kind: the SPIFFE ID, the DNS names, other URIs, the IP addresses.
    ///
    /// A URI that begins with `spiffe:` is left out unless it is [`spiffe_id`](Self::spiffe_id): a broken or doubled
    /// SPIFFE ID names nobody.
    pub fn names(&self) -> impl Iterator<Item = PeerName<'_>> {
        let others = self.uris.iter().filter(|uri| !starts_with_spiffe(uri));
        self.spiffe_id
            .iter()
            .map(PeerName::SpiffeId)
            .chain(self.dns_names.iter().map(|name| PeerName::DnsName(name)))
            .chain(others.map(|uri| PeerName::Uri(uri)))
            .chain(self.ip_addresses.iter().copied().map(PeerName::IpAddress))
    }
}

/// The one name that says most: the SPIFFE ID as it is; without one the first DNS name, URI or IP address, else the
/// subject, else the serial number, each with its kind before it.
impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.names().next() {
            write!(f, "{name}")
        } else if !self.subject.is_empty() {
            write!(f, "subject {}", Escaped(&self.subject))
        } else {
            write!(f, "serial number {}", self.serial)
        }
    }
}

/// Why a certificate's names cannot be read; it follows the words "the certificate is refused:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableIdentity(Cow<'static, str>);

impl UnreadableIdentity {
    fn new(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

fn starts_with_spiffe(uri: &str) -> bool {
    uri.get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"))
}

fn dns_name(text: &str) -> Result<String, UnreadableIdentity> {
    dns_name::presented(text).ok_or_else(|| {
        // No DNS name is longer than 253 bytes (RFC 1035, 2.3.4): what is, is not shown whole.
        let shown: String = text.chars().take(253).collect();
        let shown = Escaped(&shown);
        UnreadableIdentity(Cow::Owned(format!(
            "\"{shown}\" stands in it as a DNS name and is none"
        )))
    })
}

/// RFC 5280, 4.2.1.6: four octets for IPv4, sixteen for IPv6, nothing else.
fn ip_address(bytes: &[u8]) -> Result<IpAddr, UnreadableIdentity> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        Ok(IpAddr::V4(Ipv4Addr::from(octets)))
    } else if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
        Ok(IpAddr::V6(Ipv6Addr::from(octets)))
    } else {
        Err(UnreadableIdentity::new(
            "an IP address in it has neither 4 nor 16 bytes",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    type TestResult = Result<(), Box<dyn Error>>;

    fn identity(names: Vec<SanType>) -> Result<PeerIdentity, Box<dyn Error>> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params
            .distinguished_name
            .push(DnType::CommonName, "bell\u{7}\u{202e}");
        let certificate = params.self_signed(&KeyPair::generate()?)?;
        Ok(PeerIdentity::from_der(certificate.der())?)
    }

    fn uri(text: &str) -> Result<SanType, Box<dyn Error>> {
        Ok(SanType::URI(Ia5String::try_from(text)?))
    }

    fn dns(text: &str) -> Result<SanType, Box<dyn Error>> {
        Ok(SanType::DnsName(Ia5String::try_from(text)?))
    }

    #[test]
    fn a_services_certificate_gives_all_its_names() -> TestResult {
        let address: IpAddr = "::1".parse()?;
        let peer = identity(vec![
            dns("Order.microservices.dev")?,
            uri("spiffe://microservices.dev/order")?,
            SanType::IpAddress(address),
        ])?;
        let names: Vec<_> = peer.names().map(|name| name.to_string()).collect();
        assert_eq!(
            names,
            [
                "spiffe://microservices.dev/order",
                "DNS name order.microservices.dev",
                "IP address ::1"
            ]
        );
        assert_eq!(peer.ip_addresses(), [address]);
        assert_eq!(peer.to_string(), "spiffe://microservices.dev/order");
        assert!(peer.not_before() < peer.not_after());
        assert!(peer.serial().split(':').all(|byte| byte.len() == 2));
        Ok(())
    }

    #[test]
    fn two_uris_are_no_spiffe_identity() -> TestResult {
        let peer = identity(vec![
            uri("spiffe://microservices.dev/order")?,
            uri("spiffe://microservices.dev/payment")?,
            dns("order.microservices.dev")?,
        ])?;
        assert_eq!(peer.spiffe_id(), None);
        assert_eq!(
            peer.names().collect::<Vec<_>>(),
            [PeerName::DnsName("order.microservices.dev")]
        );
        assert_eq!(peer.to_string(), "DNS name order.microservices.dev");
        Ok(())
    }

    #[test]
    fn a_dns_name_that_is_none_is_refused() -> TestResult {
        for (name, shown) in [
            (
                "spiffe://microservices.dev/order",
                "spiffe://microservices.dev/order",
            ),
            ("127.0.0.1", "127.0.0.1"),
            ("order.microservices.dev.", "order.microservices.dev."),
            (
                "order.microservices.dev\0.evil.dev",
                "order.microservices.dev\\u{0}.evil.dev",
            ),
            ("o*.microservices.dev", "o*.microservices.dev"),
            ("", ""),
        ] {
            let refusal = identity(vec![dns("order.microservices.dev")?, dns(name)?]);
            assert_eq!(
                refusal.expect_err(name).to_string(),
                format!("\"{shown}\" stands in it as a DNS name and is none")
            );
        }
        Ok(())
    }

    #[test]
    fn a_long_dns_name_that_is_none_is_not_shown_whole() -> TestResult {
        let refusal = identity(vec![dns(&"a".repeat(100_000))?]).expect_err("it is too long");
        assert!(refusal.to_string().len() < 400, "{refusal}");
        Ok(())
    }

    #[test]
    fn a_name_that_is_not_the_spiffe_id_is_shown_with_its_kind() -> TestResult {
        let address = SanType::IpAddress(IpAddr::from([127, 0, 0, 1]));
        let wildcard = dns("*.microservices.dev")?;
        let website = uri("https://microservices.dev/order")?;
        for (names, shown) in [
            (vec![address.clone()], "IP address 127.0.0.1"),
            (
                vec![address.clone(), website.clone()],
                "URI https://microservices.dev/order",
            ),
            (
                vec![address, website, wildcard],
                "DNS name *.microservices.dev",
            ),
        ] {
            assert_eq!(identity(names)?.to_string(), shown);
        }
        Ok(())
    }

    #[test]
    fn a_broken_spiffe_id_grants_nothing() -> TestResult {
        let peer = identity(vec![uri("SPIFFE://microservices.dev/../order")?])?;
        assert_eq!(peer.spiffe_id(), None);
        assert_eq!(peer.names().count(), 0);
        Ok(())
    }

    #[test]
    fn the_id_of_a_trust_domain_is_no_peers() -> TestResult {
        let peer = identity(vec![uri("spiffe://microservices.dev")?])?;
        assert_eq!(peer.spiffe_id(), None);
        assert_eq!(peer.names().count(), 0);
        Ok(())
    }

    #[test]
    fn a_hostile_subject_is_escaped_where_people_read_it() -> TestResult {
        assert_eq!(
            identity(vec![])?.to_string(),
            "subject CN=bell\\u{7}\\u{202e}"
        );
        Ok(())
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        let refusal = PeerIdentity::from_der(b"not a certificate").expect_err("it is none");
        assert_eq!(refusal.to_string(), "it is not X.509 in DER");
    }
}
