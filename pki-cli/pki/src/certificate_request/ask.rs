//! What a request asks for beside names, and what becomes of it under a profile.

use x509_parser::extensions::ParsedExtension;

use super::CertificateRequest;
use crate::{
    certificate::{PURPOSES, purposes},
    issuer::Refusal,
    parse::extensions::KEY_USAGES,
    profile::Profile,
};

/// Something that a request asks for beside names, and that a profile decides.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ask {
    /// To be a CA.
    Ca,
    /// Basic constraints that say what every end entity gets: not a CA.
    NotACa,
    /// Key usage: the bits, of which the first (digitalSignature) is the lowest.
    KeyUsage(u16),
    /// Extended key usage: object identifiers.
    ExtendedKeyUsage(Vec<String>),
    /// A subject key identifier. The issuer computes its own (RFC 7093), which is the one asked for or another: openssl
    /// asks for the SHA-1 of RFC 5280 §4.2.1.2.
    SubjectKeyIdentifier(Vec<u8>),
    /// Any other extension, by its object identifier.
    Extension(String),
    /// An attribute that is no extension, for example a challenge password.
    Attribute(String),
}

/// What became of the things that a request asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Decision {
    /// Asked for and granted.
    pub granted: Vec<String>,
    /// Asked for and not granted.
    pub dropped: Vec<String>,
}

impl CertificateRequest {
    /// Holds what was asked for against a profile. To be a CA is refused unless the caller allows dropping, as is every
    /// purpose, key usage and extension that the profile lacks: whoever asks for it may rely on it. What makes no
    /// difference in TLS is dropped and said.
    pub fn decide(&self, profile: Profile, allow_dropped: bool) -> Result<Decision, Refusal> {
        let mut decision = Decision::default();
        for ask in &self.asks {
            let granted = match ask {
                Ask::SubjectKeyIdentifier(asked) => *asked == self.public_key.identifier(),
                Ask::Ca => profile.is_ca(),
                Ask::NotACa => !profile.is_ca(),
                Ask::KeyUsage(usage) => {
                    *usage != 0 && usage & !bits(profile.key_usage().iter().copied()) == 0
                }
                Ask::ExtendedKeyUsage(purposes) => {
                    let granted = profile.purposes();
                    purposes.iter().all(|purpose| granted.contains(purpose))
                }
                Ask::Extension(_) | Ask::Attribute(_) => false,
            };
            if granted {
                decision.granted.push(ask.to_string());
                continue;
            }
            let refuse = |advice: &str| {
                Err(Refusal::NotGranted {
                    asked: ask.to_string(),
                    profile,
                    advice: advice.to_owned(),
                })
            };
            match ask {
                Ask::Ca if !allow_dropped => {
                    return refuse(
                        "have the request made without CA:TRUE, or sign it as an end entity with --allow-dropped; if a CA is meant, sign it with --profile intermediate",
                    );
                }
                Ask::NotACa if !allow_dropped => {
                    return refuse(
                        "have the request made without CA:FALSE, or make a CA of it all the same with --allow-dropped",
                    );
                }
                Ask::ExtendedKeyUsage(_) if !allow_dropped => {
                    return refuse(
                        "choose the --profile that covers it, or sign without it with --allow-dropped",
                    );
                }
                Ask::KeyUsage(usage)
                    if !allow_dropped
                        && usage
                            & !bits(profile.key_usage().iter().copied().chain(HARMLESS_USAGES))
                            != 0 =>
                {
                    return refuse(
                        "have the request made without the key usages that the profile does not give, or sign without them with --allow-dropped",
                    );
                }
                // Every certificate has an authorityKeyIdentifier, whichever is asked for.
                Ask::Extension(oid) if !allow_dropped && oid != "2.5.29.35" => {
                    return refuse(
                        "have the request made without it, or sign without it with --allow-dropped",
                    );
                }
                _ => decision.dropped.push(ask.to_string()),
            }
        }
        Ok(decision)
    }
}

impl Ask {
    pub(super) fn from_extension(parsed: &ParsedExtension<'_>, oid: String) -> Self {
        match parsed {
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => Self::Ca,
            ParsedExtension::BasicConstraints(_) => Self::NotACa,
            ParsedExtension::KeyUsage(usage) => Self::KeyUsage(usage.flags),
            ParsedExtension::ExtendedKeyUsage(usage) => Self::ExtendedKeyUsage(purposes(usage)),
            ParsedExtension::SubjectKeyIdentifier(asked) => {
                Self::SubjectKeyIdentifier(asked.0.to_vec())
            }
            _ => Self::Extension(oid),
        }
    }
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ca => f.write_str("basicConstraints CA:TRUE"),
            Self::NotACa => f.write_str("basicConstraints CA:FALSE"),
            Self::KeyUsage(usage) => {
                let names = (0_u8..).zip(KEY_USAGES);
                let asked: Vec<_> = names
                    .filter(|(bit, _)| usage & (1 << bit) != 0)
                    .map(|(_, name)| name)
                    .collect();
                write!(f, "keyUsage {}", asked.join(", "))
            }
            Self::ExtendedKeyUsage(purposes) => {
                let name = |oid: &String| {
                    let known = PURPOSES.iter().find(|(known, _)| known == oid);
                    known.map_or_else(|| oid.clone(), |(_, name)| (*name).to_owned())
                };
                let named: Vec<_> = purposes.iter().map(name).collect();
                write!(f, "extendedKeyUsage {}", named.join(", "))
            }
            Self::SubjectKeyIdentifier(asked) => {
                let octets: Vec<_> = asked.iter().map(|octet| format!("{octet:02X}")).collect();
                write!(f, "subjectKeyIdentifier {}", octets.join(":"))
            }
            Self::Extension(oid) => write!(f, "the extension {oid}"),
            Self::Attribute(what) => f.write_str(what),
        }
    }
}

/// Key usages that requests ask for by default and that nobody misses: nonRepudiation and keyEncipherment stand in
/// openssl's `v3_req`, the second one in every request of cert-manager, and no key is enciphered in TLS 1.3 nor with the
/// ECDHE suites of TLS 1.2; digitalSignature stands in many requests of CAs.
const HARMLESS_USAGES: [u8; 3] = [0, 1, 2];

fn bits(numbers: impl IntoIterator<Item = u8>) -> u16 {
    numbers
        .into_iter()
        .fold(0, |bits, number| bits | (1 << number))
}
