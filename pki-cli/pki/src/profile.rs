//! Profiles: the only file that decides which extensions a certificate has. A request asks; what stands here is given.

use std::{fmt, str::FromStr};

use crate::{
    certificate::{CRL_SIGN, DIGITAL_SIGNATURE, KEY_CERT_SIGN},
    der,
    subject_alt_name::GeneralName,
};

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// A trust anchor: signs itself and intermediates.
    Root,
    /// A CA below a root: signs end entities.
    Intermediate,
    /// A service that is called.
    Server,
    /// A caller.
    Client,
    /// A service that is called and calls.
    Peer,
}

/// What the extensions are made from.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) subject_key_identifier: &'a [u8],
    pub(crate) authority_key_identifier: &'a [u8],
    pub(crate) subject_is_empty: bool,
    pub(crate) names: &'a [GeneralName],
    /// Of a CA.
    pub(crate) path_length: u8,
    /// Of a CA: the DNS domains that it may issue for; none means no constraint. IP addresses are left unconstrained:
    /// gRPC's C core refuses a chain with an IP constraint when the end entity has an IP address.
    pub(crate) permitted_dns: &'a [String],
}

impl Profile {
    /// Whether this is a CA.
    pub fn is_ca(self) -> bool {
        matches!(self, Self::Root | Self::Intermediate)
    }

    /// Whether somebody connects to the subject, so that it needs a name to be found by.
    pub fn is_server(self) -> bool {
        matches!(self, Self::Server | Self::Peer)
    }

    /// Whether the subject connects to somebody.
    pub fn is_client(self) -> bool {
        matches!(self, Self::Client | Self::Peer)
    }

    /// The key usage bits (RFC 5280 §4.2.1.3). An end entity signs in the handshake and nothing else: with TLS 1.3, and
    /// with the ECDHE suites of TLS 1.2, no key is enciphered to it, so not with RSA either.
    pub(crate) fn key_usage(self) -> &'static [u8] {
        if self.is_ca() {
            &[KEY_CERT_SIGN, CRL_SIGN]
        } else {
            &[DIGITAL_SIGNATURE]
        }
    }

    /// The extended key usage: exactly the role, so that a client's certificate cannot pose as a server.
    pub(crate) fn extended_key_usage(self) -> &'static [&'static [u8]] {
        const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
        const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
        match self {
            Self::Root | Self::Intermediate => &[],
            Self::Server => &[SERVER_AUTH],
            Self::Client => &[CLIENT_AUTH],
            Self::Peer => &[SERVER_AUTH, CLIENT_AUTH],
        }
    }

    /// The same as text, for comparison with what stands in a certificate or request.
    pub(crate) fn purposes(self) -> Vec<String> {
        self.extended_key_usage()
            .iter()
            .map(|oid| der::dotted(oid))
            .collect()
    }

    /// The profile of an end entity with exactly these purposes, in any order.
    pub(crate) fn with_purposes(purposes: &[String]) -> Option<Self> {
        [Self::Server, Self::Client, Self::Peer]
            .into_iter()
            .find(|profile| {
                let own = profile.purposes();
                own.len() == purposes.len() && own.iter().all(|purpose| purposes.contains(purpose))
            })
    }

    /// Every extension, encoded, in the order in which they stand in the certificate.
    pub(crate) fn extensions(self, facts: &Facts<'_>) -> Vec<Vec<u8>> {
        let mut extensions = vec![
            // §4.2.1.9: "MUST appear as a critical extension" in a CA. In an end entity the empty sequence says CA:FALSE
            // (the default must not be encoded), and critical keeps verifiers from overlooking it.
            extension(
                &BASIC_CONSTRAINTS,
                true,
                &self.basic_constraints(facts.path_length),
            ),
            extension(&KEY_USAGE, true, &der::named_bits(self.key_usage())),
        ];
        if !self.extended_key_usage().is_empty() {
            let purposes = self
                .extended_key_usage()
                .iter()
                .map(|oid| der::object_identifier(oid));
            extensions.push(extension(
                &EXTENDED_KEY_USAGE,
                false,
                &der::sequence(purposes),
            ));
        }
        extensions.push(extension(
            &SUBJECT_KEY_IDENTIFIER,
            false,
            &der::octet_string(facts.subject_key_identifier),
        ));
        extensions.push(extension(
            &AUTHORITY_KEY_IDENTIFIER,
            false,
            &der::sequence([der::implicit(0, facts.authority_key_identifier)]),
        ));
        if !facts.names.is_empty() {
            let names = facts.names.iter().filter_map(GeneralName::encode);
            // §4.2.1.6: critical if and only if the subject is empty.
            extensions.push(extension(
                &SUBJECT_ALT_NAME,
                facts.subject_is_empty,
                &der::sequence(names),
            ));
        }
        if self.is_ca() && !facts.permitted_dns.is_empty() {
            let subtrees = facts
                .permitted_dns
                .iter()
                .map(|name| der::sequence([der::implicit(2, name.as_bytes())]));
            let permitted = der::explicit(0, &der::concat(subtrees));
            // §4.2.1.10: "Conforming CAs MUST mark this extension as critical".
            extensions.push(extension(
                &NAME_CONSTRAINTS,
                true,
                &der::sequence([permitted]),
            ));
        }
        extensions
    }

    /// Whether a certificate with this profile may have the extension, given in numbers.
    pub(crate) fn gives(self, oid: &str) -> bool {
        let own: &[&[u8; 3]] = match self.is_ca() {
            true => &[&NAME_CONSTRAINTS],
            false => &[&EXTENDED_KEY_USAGE, &SUBJECT_ALT_NAME],
        };
        [
            &BASIC_CONSTRAINTS,
            &KEY_USAGE,
            &SUBJECT_KEY_IDENTIFIER,
            &AUTHORITY_KEY_IDENTIFIER,
        ]
        .iter()
        .chain(own)
        .any(|given| der::dotted(*given) == oid)
    }

    fn basic_constraints(self, path_length: u8) -> Vec<u8> {
        if self.is_ca() {
            der::sequence([der::boolean(true), der::unsigned(&[path_length])])
        } else {
            der::sequence::<&[u8]>([])
        }
    }

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Intermediate => "intermediate",
            Self::Server => "server",
            Self::Client => "client",
            Self::Peer => "peer",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The end entity's profiles only: who asks for a CA has to say so where CAs are made.
impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Server, Self::Client, Self::Peer]
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| match text {
                "intermediate" => "a CA keeps its key where it was made: make its key and request there with \"pki csr\", without a profile, and sign the request with \"pki sign FILE --profile intermediate\"".to_owned(),
                "root" => "a root signs itself: \"pki init\" makes one, and \"pki ca rotate --root\" replaces it".to_owned(),
                _ => format!("the profile {text:?} is not known; known are server, client and peer"),
            })
    }
}

/// The DER content of the object identifiers 2.5.29.x.
const SUBJECT_KEY_IDENTIFIER: [u8; 3] = [0x55, 29, 14];
const KEY_USAGE: [u8; 3] = [0x55, 29, 15];
pub(crate) const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 29, 17];
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 29, 19];
const NAME_CONSTRAINTS: [u8; 3] = [0x55, 29, 30];
const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = [0x55, 29, 35];
pub(crate) const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 29, 37];

/// One Extension (RFC 5280 §4.1): critical is left out when it is false, being the default.
pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        der::boolean(true)
    } else {
        Vec::new()
    };
    der::sequence([
        der::object_identifier(oid),
        critical,
        der::octet_string(value),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extensions(profile: Profile, names: &[GeneralName], subject_is_empty: bool) -> Vec<Vec<u8>> {
        profile.extensions(&Facts {
            subject_key_identifier: &[1; 20],
            authority_key_identifier: &[2; 20],
            subject_is_empty,
            names,
            path_length: 1,
            permitted_dns: &["a.dev".to_owned()],
        })
    }

    #[test]
    fn an_end_entity_gets_exactly_its_role_and_no_constraints() {
        let names = [GeneralName::dns("a.dev").expect("a name")];
        for (profile, purposes) in [
            (Profile::Server, 1),
            (Profile::Client, 1),
            (Profile::Peer, 2),
        ] {
            assert_eq!(profile.extended_key_usage().len(), purposes);
            assert_eq!(extensions(profile, &names, false).len(), 6);
        }
        assert_ne!(
            Profile::Server.extended_key_usage(),
            Profile::Client.extended_key_usage()
        );
    }

    #[test]
    fn basic_constraints_of_an_end_entity_are_empty_and_critical() {
        let expected = [
            0x30, 12, 0x06, 3, 0x55, 29, 19, 0x01, 1, 0xff, 0x04, 2, 0x30, 0,
        ];
        assert_eq!(extensions(Profile::Server, &[], false)[0], expected);
    }

    #[test]
    fn alternative_names_are_critical_only_without_a_subject() {
        let names = [GeneralName::dns("a.dev").expect("a name")];
        let critical =
            |subject_is_empty| extensions(Profile::Server, &names, subject_is_empty)[5][7] == 0x01;
        assert!(critical(true));
        assert!(!critical(false));
    }

    #[test]
    fn a_ca_may_sign_certificates_and_crls_and_nothing_else() {
        assert_eq!(
            der::named_bits(Profile::Root.key_usage()),
            [0x03, 2, 1, 0x06]
        );
        assert_eq!(extensions(Profile::Root, &[], false).len(), 5);
    }

    #[test]
    fn only_end_entities_can_be_asked_for_by_name() {
        assert_eq!("peer".parse(), Ok(Profile::Peer));
        assert!("root".parse::<Profile>().is_err());
    }
}
