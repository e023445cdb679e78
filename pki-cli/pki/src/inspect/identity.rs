//! Who a certificate says that its subject is (RFC 5280 section 4.2.1.6), for those who meet it on a connection.
//!
//! Nothing here is believed: whether the names can be relied on is for `path_validation` to say.

use ::time::OffsetDateTime;
use serde::Serialize;

use super::{certificate::validity, days_left};
use crate::parse::{
    certificate::Certificate, der::Reader, extensions::Content, general_name::GeneralName,
    name::Name, oid::known,
};

/// The names of a certificate and how long it is valid. Its JSON fields are those of this struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Identity {
    /// The subject, as RFC 4514 writes it, safe for a terminal.
    pub subject: String,
    /// The SPIFFE IDs among the URIs.
    pub spiffe: Vec<String>,
    /// The DNS names, as they stand in the certificate: escape them for a terminal.
    pub dns: Vec<String>,
    /// The IP addresses.
    pub ip: Vec<String>,
    /// All URIs, as they stand in the certificate: escape them for a terminal.
    pub uri: Vec<String>,
    /// The email addresses, as they stand in the certificate: escape them for a terminal.
    pub email: Vec<String>,
    /// Whole days until it expires; negative once it has.
    pub days_left: i64,
    /// The same in a few words.
    pub validity: String,
}

impl Identity {
    /// Reads the names of a certificate (DER); none when it cannot be read.
    pub fn read(der: &[u8], now: OffsetDateTime) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let (not_before, not_after) = (certificate.not_before.at, certificate.not_after.at);
        let mut identity = Self {
            subject: certificate.subject.to_string(),
            spiffe: Vec::new(),
            dns: Vec::new(),
            ip: Vec::new(),
            uri: Vec::new(),
            email: Vec::new(),
            days_left: days_left(not_after, now),
            validity: validity(not_before, not_after, now),
        };
        let names = certificate
            .extension(known::SUBJECT_ALT_NAME)
            .and_then(|extension| extension.decode().ok());
        if let Some(Content::SubjectAltName(names)) = names {
            for name in &names {
                let list = match name {
                    GeneralName::Dns(_) => &mut identity.dns,
                    GeneralName::Ip(_) => &mut identity.ip,
                    GeneralName::Email(_) => &mut identity.email,
                    GeneralName::Uri(uri) => {
                        if uri.starts_with("spiffe://") {
                            identity.spiffe.push((*uri).to_owned());
                        }
                        &mut identity.uri
                    }
                    _ => continue,
                };
                list.push(name.value());
            }
        }
        Some(identity)
    }
}

/// A distinguished name (DER) as RFC 4514 writes it, safe for a terminal; none when it cannot be read. A server names
/// the CAs like that whose certificates it accepts (RFC 8446 section 4.2.4).
pub fn distinguished_name(der: &[u8]) -> Option<String> {
    let mut reader = Reader::new(der);
    let name = Name::read(&mut reader, "the name").ok()?;
    reader.end("the name").ok()?;
    Some(name.to_string())
}

#[cfg(test)]
mod tests {
    use ::time::macros::datetime;

    use super::*;

    #[test]
    fn damaged_certificates_have_no_identity_or_one_and_nothing_worse_happens() {
        let now = datetime!(2026-11-24 12:00 UTC);
        let [_, _, leaf, _] = crate::path_validation::tests::sample();
        let identity = Identity::read(&leaf, now).expect("a certificate");
        assert_eq!(identity.days_left, 37);
        assert_eq!(identity.validity, "37 days left");
        assert!(!identity.dns.is_empty());
        for at in 0..leaf.len() {
            Identity::read(&leaf[..at], now);
            distinguished_name(&leaf[at..]);
            for change in [0x01, 0x1b, 0x80, 0xff] {
                let mut damaged = leaf.clone();
                damaged[at] ^= change;
                if let Some(identity) = Identity::read(&damaged, now) {
                    assert!(!identity.subject.contains('\u{1b}'));
                }
            }
        }
    }

    #[test]
    fn a_name_with_something_behind_it_is_no_name() {
        use crate::parse::{der::tag, name::tests::encode};
        let mut der = encode(&[(&[0x55, 4, 3], tag::UTF8_STRING, b"Root\x1b")]);
        assert_eq!(distinguished_name(&der).as_deref(), Some("CN=Root\\1B"));
        der.push(0);
        assert_eq!(distinguished_name(&der), None);
    }
}
