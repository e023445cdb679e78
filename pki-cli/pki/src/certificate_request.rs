//! Certificate requests (RFC 2986): written for `pki csr`, and read from strangers for `pki sign`.
//!
//! A request is believed only after its signature, made with the key that it is for, was verified (§3: proof of
//! possession), and only when the key and the hash are strong. It is read here and not by a generator library, because
//! those derive the kind of the key from the signature algorithm and refuse extensions that they do not know.
//!
//! A name that is asked for is granted, or the request is refused: where a name could hide (a second value, octets
//! behind a value, an attribute of somebody's own) there is an error, and no silence.

use std::collections::HashSet;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::{
    certification_request::X509CertificationRequest, cri_attributes::ParsedCriAttribute,
    extensions::ParsedExtension, prelude::FromDer,
};

use crate::{
    certificate::{PURPOSES, purposes, signed},
    der,
    distinguished_name::DistinguishedName,
    issuer::Refusal,
    key::{self, KeyError, PrivateKey, PublicKey, PublicKeyKind},
    lint,
    parse::{
        self,
        extensions::{Extension, KEY_USAGES},
        oid::{Oid, known},
    },
    pem,
    profile::{self, Profile},
    subject_alt_name::GeneralName,
};

/// A request whose proof of possession was verified.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    subject: DistinguishedName,
    public_key: PublicKey,
    names: Vec<GeneralName>,
    asks: Vec<Ask>,
}

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
    /// A subject key identifier, which the issuer computes itself.
    SubjectKeyIdentifier,
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

/// Why a request is refused: half a sentence; the caller knows the file's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no request in the file.
    #[error(
        "it holds no certificate request; a request is PEM with BEGIN CERTIFICATE REQUEST, or DER"
    )]
    None,
    /// There are several.
    #[error("it holds {0} requests, and it is not clear which one is meant; leave one in the file")]
    Several(usize),
    /// It is damaged.
    #[error("{0}")]
    Malformed(String),
    /// It is larger than any honest one.
    #[error("it {0}, and no honest request does; have it made again with less in it")]
    TooLarge(String),
    /// The signature does not verify.
    #[error(
        "its signature does not fit its content (proof of possession, RFC 2986 section 3), so it was changed, or made without the key; have it made again"
    )]
    ProofOfPossession,
    /// A hash that can be forged.
    #[error(
        "it is signed with {0}, which can be forged; have it made again with SHA-256 or better"
    )]
    WeakHash(&'static str),
    /// A signature algorithm that is not understood.
    #[error(
        "its signature algorithm {0} is not understood, so the proof of possession cannot be verified; use RSA, ECDSA or Ed25519 with SHA-256 or better"
    )]
    UnknownSignature(String),
    /// A weak key.
    #[error("its key is refused: {0}")]
    Key(KeyError),
}

impl RequestError {
    pub(crate) fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::None | Self::Several(_) | Self::Malformed(_) | Self::TooLarge(_)
        )
    }
}

impl CertificateRequest {
    /// Makes a request for this key, as PEM.
    pub fn create(
        key: &PrivateKey,
        subject: &DistinguishedName,
        names: &[GeneralName],
        profile: Option<Profile>,
    ) -> Result<String, KeyError> {
        let mut extensions = Vec::new();
        if !names.is_empty() {
            let names = names.iter().filter_map(GeneralName::encode);
            extensions.push(profile::extension(
                &profile::SUBJECT_ALT_NAME,
                subject.is_empty(),
                &der::sequence(names),
            ));
        }
        if let Some(profile) = profile {
            let purposes = profile
                .extended_key_usage()
                .iter()
                .map(|oid| der::object_identifier(oid));
            extensions.push(profile::extension(
                &profile::EXTENDED_KEY_USAGE,
                false,
                &der::sequence(purposes),
            ));
        }
        // §4.1: attributes are [0] IMPLICIT SET OF, present also when there are none.
        let attributes = if extensions.is_empty() {
            Vec::new()
        } else {
            der::sequence([
                der::object_identifier(&EXTENSION_REQUEST),
                der::set_of(vec![der::sequence(extensions)]),
            ])
        };
        let info = der::sequence([
            &der::unsigned(&[0])[..],
            subject.der(),
            key.public().spki(),
            &der::explicit(0, &attributes),
        ]);
        let algorithm = key.signature_algorithm();
        let signature = key.sign(&info)?;
        Ok(pem::write(
            "CERTIFICATE REQUEST",
            &signed(&info, &algorithm, &signature),
        )
        .to_string())
    }

    /// Reads a request from PEM or DER and verifies that whoever made it has the key.
    pub fn read(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MOST_OCTETS {
            return Err(RequestError::TooLarge(format!(
                "has more than {} KiB",
                MOST_OCTETS / 1024
            )));
        }
        let blocks =
            pem::read(bytes).map_err(|error| RequestError::Malformed(error.to_string()))?;
        let is_pem = !blocks.is_empty();
        let mut requests: Vec<_> = blocks
            .into_iter()
            .filter(|block| {
                matches!(
                    block.label,
                    "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"
                )
            })
            .collect();
        match (requests.pop(), requests.len()) {
            (Some(block), 0) => Self::from_der(&block.content),
            (Some(_), others) => Err(RequestError::Several(others + 1)),
            (None, _) if is_pem || is_something_else(bytes) => Err(RequestError::None),
            (None, _) => Self::from_der(bytes),
        }
    }

    fn from_der(bytes: &[u8]) -> Result<Self, RequestError> {
        let malformed = |what: String| RequestError::Malformed(what);
        let strict = parse::request::Request::from_der(bytes)
            .map_err(|error| malformed(format!("it is not a request in DER: {error}")))?;
        check_form(&strict)?;
        let (rest, parsed) = X509CertificationRequest::from_der(bytes)
            .map_err(|_| malformed("it is not a DER-encoded PKCS#10 request".to_owned()))?;
        if !rest.is_empty() {
            return Err(malformed("something stands after the request".to_owned()));
        }
        let info = &parsed.certification_request_info;
        // The signature does not cover what stands around the content, and the parser is lenient there: only the one
        // DER encoding is taken.
        let parameters = parsed.signature_algorithm.parameters.as_ref();
        let parameters = parameters
            .map(|any| der::value(if any.data.is_empty() { 0x05 } else { 0x30 }, any.data));
        let algorithm = der::sequence([
            der::object_identifier(parsed.signature_algorithm.algorithm.as_bytes()),
            parameters.unwrap_or_default(),
        ]);
        if *signed(info.raw, &algorithm, &parsed.signature_value.data) != bytes {
            return Err(malformed("it is not encoded by DER".to_owned()));
        }
        let public_key = PublicKey::from_x509(&info.subject_pki)
            .map_err(|error| malformed(error.to_string()))?;
        public_key.check_strength().map_err(RequestError::Key)?;
        let algorithm = verification_algorithm(
            public_key.kind(),
            parsed.signature_algorithm.algorithm.as_bytes(),
            parsed
                .signature_algorithm
                .parameters
                .as_ref()
                .map(|any| any.data),
        )?;
        let key = UnparsedPublicKey::new(algorithm, public_key.key());
        if key.verify(info.raw, &parsed.signature_value.data).is_err() {
            return Err(RequestError::ProofOfPossession);
        }

        let mut names = Vec::new();
        let mut asks = Vec::new();
        let mut seen = HashSet::new();
        for attribute in info.iter_attributes() {
            match attribute.parsed_attribute() {
                ParsedCriAttribute::ExtensionRequest(request) => {
                    for extension in &request.extensions {
                        let oid = extension.oid.to_id_string();
                        if !seen.insert(oid.clone()) {
                            return Err(malformed(format!(
                                "it asks for the extension {oid} twice"
                            )));
                        }
                        match extension.parsed_extension() {
                            ParsedExtension::SubjectAlternativeName(asked) => {
                                names
                                    .extend(asked.general_names.iter().map(GeneralName::from_x509));
                            }
                            ParsedExtension::ParseError { .. } => {
                                return Err(malformed(format!(
                                    "the extension {oid} that it asks for is damaged"
                                )));
                            }
                            other => asks.push(Ask::from_extension(other, oid)),
                        }
                    }
                }
                ParsedCriAttribute::ChallengePassword(_) => {
                    asks.push(Ask::Attribute("a challenge password".to_owned()));
                }
                ParsedCriAttribute::UnsupportedAttribute => {
                    asks.push(Ask::Attribute(format!("the attribute {}", attribute.oid)));
                }
            }
        }
        Ok(Self {
            subject: DistinguishedName::from_x509(&info.subject),
            public_key,
            names,
            asks,
        })
    }

    /// The subject that it asks for.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The key that it is for.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The names that it asks for, unchecked.
    pub fn names(&self) -> &[GeneralName] {
        &self.names
    }

    /// Everything else that it asks for.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// Holds what was asked for against a profile. To be a CA is refused unless the caller allows dropping, as is every
    /// purpose, key usage and extension that the profile lacks: whoever asks for it may rely on it. What makes no
    /// difference in TLS is dropped and said.
    pub fn decide(&self, profile: Profile, allow_dropped: bool) -> Result<Decision, Refusal> {
        let mut decision = Decision::default();
        for ask in &self.asks {
            let granted = match ask {
                Ask::SubjectKeyIdentifier => true,
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
    fn from_extension(parsed: &ParsedExtension<'_>, oid: String) -> Self {
        match parsed {
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => Self::Ca,
            ParsedExtension::BasicConstraints(_) => Self::NotACa,
            ParsedExtension::KeyUsage(usage) => Self::KeyUsage(usage.flags),
            ParsedExtension::ExtendedKeyUsage(usage) => Self::ExtendedKeyUsage(purposes(usage)),
            ParsedExtension::SubjectKeyIdentifier(_) => Self::SubjectKeyIdentifier,
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
            Self::SubjectKeyIdentifier => f.write_str("subjectKeyIdentifier"),
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

/// More than any honest request has. What a stranger sends must not cost more than it is worth.
const MOST_OCTETS: usize = 256 << 10;
const MOST_NAMES: usize = 1_000;
const MOST_EXTENSIONS: usize = 100;

/// Whether these octets are DER of another object, or no DER at all.
fn is_something_else(bytes: &[u8]) -> bool {
    bytes.first() != Some(&parse::der::tag::SEQUENCE)
        || parse::certificate::Certificate::from_der(bytes).is_ok()
        || parse::crl::Crl::from_der(bytes).is_ok()
        || parse::public_key::PublicKey::from_der(bytes).is_ok()
        || !matches!(PrivateKey::read(bytes, None), Err(KeyError::NotAKey))
}

/// What the request may hold, and where.
fn check_form(request: &parse::request::Request<'_>) -> Result<(), RequestError> {
    let malformed = |what: String| Err(RequestError::Malformed(what));
    // RFC 2986 §4.1: "version is the version number … It shall be 0 for this version of the standard."
    if request.version != 0 {
        return malformed(format!(
            "its version is encoded as {}, and RFC 2986 section 4.1 knows 0 only",
            request.version
        ));
    }
    let mut extensions = 0;
    // RFC 2986 §4.1 makes the attributes a SET, of which each type stands for one attribute; what the second one asks for
    // must be neither merged nor passed over.
    let asking = request.attributes.iter();
    let asking = asking.filter(|(oid, _)| *oid == known::EXTENSION_REQUEST);
    if asking.count() > 1 {
        return malformed(
            "it has more than one extensionRequest, and RFC 2985 section 5.4.2 allows one; have it made again with all extensions in it".to_owned(),
        );
    }
    for (oid, values) in &request.attributes {
        if *oid != known::EXTENSION_REQUEST {
            // Microsoft's and Netscape's tools have attributes of their own for extensions.
            if values.iter().any(|value| mentions_names(value.raw)) {
                return malformed(format!(
                    "it asks for names in the attribute {oid}, which is not read; have it made again with them in an extensionRequest (RFC 2985 section 5.4.2)"
                ));
            }
            continue;
        }
        // RFC 2985 §5.4.2: SINGLE VALUE TRUE.
        let [value] = values.as_slice() else {
            return malformed(format!(
                "its extensionRequest has {} values, and RFC 2985 section 5.4.2 allows one",
                values.len()
            ));
        };
        let asked = match Extension::read_all(value.raw) {
            Ok(asked) => asked,
            Err(error) => {
                return malformed(format!(
                    "the extensions that it asks for are damaged: {error}"
                ));
            }
        };
        extensions += asked.len();
        if extensions > MOST_EXTENSIONS {
            return Err(RequestError::TooLarge(format!(
                "asks for more than {MOST_EXTENSIONS} extensions"
            )));
        }
        for extension in asked {
            match extension.decode() {
                Ok(parse::extensions::Content::SubjectAltName(names))
                    if names.len() > MOST_NAMES =>
                {
                    return Err(RequestError::TooLarge(format!(
                        "asks for more than {MOST_NAMES} names"
                    )));
                }
                Ok(_) => {}
                Err(error) => {
                    return malformed(format!(
                        "the extension {} that it asks for is damaged: {error}",
                        extension.oid
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether the object identifier of subjectAltName (or of its forerunner, 2.5.29.7) stands anywhere in these octets.
fn mentions_names(octets: &[u8]) -> bool {
    let names: [Oid<'_>; 2] = [known::SUBJECT_ALT_NAME, Oid(&[0x55, 0x1d, 7])];
    names
        .iter()
        .map(|oid| der::object_identifier(oid.0))
        .any(|oid| octets.windows(oid.len()).any(|window| window == oid))
}

/// pkcs-9-at-extensionRequest (RFC 2985 §5.4.2).
const EXTENSION_REQUEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
const RSASSA_PSS: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const MGF1: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const SHA384_WITH_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
const SHA512_WITH_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];

/// The algorithm that fits both the key and the signature's object identifier: an ECDSA key may sign with any hash.
fn verification_algorithm(
    key: &PublicKeyKind,
    algorithm: &[u8],
    parameters: Option<&[u8]>,
) -> Result<&'static dyn VerificationAlgorithm, RequestError> {
    if lint::is_weak_signature(algorithm) {
        return Err(RequestError::WeakHash("SHA-1 or MD5"));
    }
    let unknown = || RequestError::UnknownSignature(der::dotted(algorithm));
    Ok(match (key, algorithm) {
        (PublicKeyKind::Rsa { .. }, oid) if oid == key::SHA256_WITH_RSA => {
            &signature::RSA_PKCS1_2048_8192_SHA256
        }
        (PublicKeyKind::Rsa { .. }, oid) if oid == SHA384_WITH_RSA => {
            &signature::RSA_PKCS1_2048_8192_SHA384
        }
        (PublicKeyKind::Rsa { .. }, oid) if oid == SHA512_WITH_RSA => {
            &signature::RSA_PKCS1_2048_8192_SHA512
        }
        (PublicKeyKind::Rsa { .. }, oid) if oid == RSASSA_PSS => {
            pss(parameters.unwrap_or_default())?
        }
        (PublicKeyKind::P256, oid) if oid == key::ECDSA_WITH_SHA256 => {
            &signature::ECDSA_P256_SHA256_ASN1
        }
        (PublicKeyKind::P256, oid) if oid == key::ECDSA_WITH_SHA384 => {
            &signature::ECDSA_P256_SHA384_ASN1
        }
        (PublicKeyKind::P256, oid) if oid == key::ECDSA_WITH_SHA512 => {
            &signature::ECDSA_P256_SHA512_ASN1
        }
        (PublicKeyKind::P384, oid) if oid == key::ECDSA_WITH_SHA256 => {
            &signature::ECDSA_P384_SHA256_ASN1
        }
        (PublicKeyKind::P384, oid) if oid == key::ECDSA_WITH_SHA384 => {
            &signature::ECDSA_P384_SHA384_ASN1
        }
        (PublicKeyKind::P384, oid) if oid == key::ECDSA_WITH_SHA512 => {
            &signature::ECDSA_P384_SHA512_ASN1
        }
        (PublicKeyKind::P521, oid) if oid == key::ECDSA_WITH_SHA256 => {
            &signature::ECDSA_P521_SHA256_ASN1
        }
        (PublicKeyKind::P521, oid) if oid == key::ECDSA_WITH_SHA384 => {
            &signature::ECDSA_P521_SHA384_ASN1
        }
        (PublicKeyKind::P521, oid) if oid == key::ECDSA_WITH_SHA512 => {
            &signature::ECDSA_P521_SHA512_ASN1
        }
        (PublicKeyKind::Ed25519, oid) if oid == key::ED25519 => &signature::ED25519,
        _ => return Err(unknown()),
    })
}

/// RSASSA-PSS-params (RFC 4055 §3.1) in the one form that verifiers agree on (RFC 8446 §4.2.3): the same hash in both
/// places, and a salt as long as the hash.
fn pss(parameters: &[u8]) -> Result<&'static dyn VerificationAlgorithm, RequestError> {
    let algorithms: [(u8, u8, &'static dyn VerificationAlgorithm); 3] = [
        (1, 32, &signature::RSA_PSS_2048_8192_SHA256),
        (2, 48, &signature::RSA_PSS_2048_8192_SHA384),
        (3, 64, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    let oid = |content: &[u8]| der::object_identifier(content);
    for (hash, length, algorithm) in algorithms {
        // RFC 4055 §2.1: the parameters of a hash are NULL or absent.
        for null in [der::null(), Vec::new()] {
            let hash = der::sequence([oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash]), null]);
            let wanted = der::concat([
                der::explicit(0, &hash),
                der::explicit(1, &der::sequence([oid(&MGF1), hash.clone()])),
                der::explicit(2, &der::unsigned(&[length])),
            ]);
            if wanted == parameters {
                return Ok(algorithm);
            }
        }
    }
    Err(RequestError::UnknownSignature(
        "RSA-PSS with a weak hash, or a salt of another length than the hash".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyAlgorithm;
    use proptest::prelude::*;

    fn create(names: &[GeneralName], profile: Option<Profile>) -> String {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
        let subject = DistinguishedName::parse("/O=Example/CN=order").expect("a name");
        CertificateRequest::create(&key, &subject, names, profile).expect("a request")
    }

    #[test]
    fn our_own_request_is_read_back() {
        let names = [
            GeneralName::dns("a.dev").expect("a name"),
            GeneralName::ip("::1").expect("an address"),
        ];
        let request = CertificateRequest::read(create(&names, Some(Profile::Peer)).as_bytes())
            .expect("valid");
        assert_eq!(request.names(), names);
        assert_eq!(request.subject().to_slashes(), "/O=Example/CN=order");
        assert_eq!(
            request
                .asks()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["extendedKeyUsage serverAuth, clientAuth"]
        );
        assert!(request.decide(Profile::Peer, false).is_ok());
    }

    #[test]
    fn a_purpose_that_the_profile_lacks_is_refused_unless_dropping_is_allowed() {
        let request =
            CertificateRequest::read(create(&[], Some(Profile::Peer)).as_bytes()).expect("valid");
        assert!(request.decide(Profile::Server, false).is_err());
        let decision = request.decide(Profile::Server, true).expect("dropped");
        assert_eq!(
            decision.dropped,
            ["extendedKeyUsage serverAuth, clientAuth"]
        );
    }

    #[test]
    fn what_somebody_may_rely_on_is_refused_and_what_nobody_misses_is_told() {
        let asking = |oid: &[u8], value: &[u8]| {
            let asked = der::sequence([profile::extension(oid, false, value)]);
            let attributes = attribute(&EXTENSION_REQUEST, &[asked]);
            CertificateRequest::read(&stranger(0, EMPTY, &attributes)).expect("a request")
        };
        let usage = |bits: &[u8]| asking(&[0x55, 29, 15], &der::named_bits(bits));
        let unknown = asking(&[0x2a, 3, 4], &[5, 0]);
        for (request, told) in [
            (&unknown, "the extension 1.2.3.4"),
            // must-staple, which a server's owner relies on.
            (
                &asking(
                    &[0x2b, 6, 1, 5, 5, 7, 1, 24],
                    &der::sequence([der::unsigned(&[5])]),
                ),
                "the extension 1.3.6.1.5.5.7.1.24",
            ),
            (&usage(&[5]), "keyUsage keyCertSign"),
            (&usage(&[0, 6]), "keyUsage digitalSignature, cRLSign"),
            (
                &usage(&[0, 3]),
                "keyUsage digitalSignature, dataEncipherment",
            ),
            (&usage(&[4]), "keyUsage keyAgreement"),
        ] {
            let refused = request.decide(Profile::Peer, false).expect_err(told);
            let expected = format!("The request asks for {told}, which is not granted");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
            let decision = request.decide(Profile::Peer, true).expect("allowed");
            assert_eq!(decision.dropped, [told]);
        }
        for (request, told) in [
            (&usage(&[2]), "keyUsage keyEncipherment"),
            (
                &usage(&[0, 1, 2]),
                "keyUsage digitalSignature, nonRepudiation, keyEncipherment",
            ),
        ] {
            let decision = request.decide(Profile::Server, false).expect(told);
            assert_eq!(decision.dropped, [told]);
        }
        for request in [&usage(&[0]), &asking(&[0x55, 29, 19], EMPTY)] {
            let decision = request.decide(Profile::Server, false).expect("granted");
            assert_eq!((decision.granted.len(), decision.dropped.len()), (1, 0));
        }
    }

    #[test]
    fn no_single_changed_byte_is_believed() {
        let pem = create(&[GeneralName::dns("a.dev").expect("a name")], None);
        let der = pem::read(pem.as_bytes()).expect("PEM").remove(0).content;
        assert!(CertificateRequest::read(&der).is_ok());
        for at in 0..der.len() {
            let mut changed = der.to_vec();
            changed[at] ^= 1;
            assert!(CertificateRequest::read(&changed).is_err(), "byte {at}");
        }
        assert!(CertificateRequest::read(&[&der[..], b"more"].concat()).is_err());
    }

    /// A request by a stranger, signed rightly whatever is in it.
    fn stranger(version: u8, subject: &[u8], attributes: &[u8]) -> Vec<u8> {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
        let info = der::sequence([
            &der::unsigned(&[version])[..],
            subject,
            key.public().spki(),
            &der::explicit(0, attributes),
        ]);
        let signature = key.sign(&info).expect("signed");
        signed(&info, &key.signature_algorithm(), &signature).to_vec()
    }

    fn attribute(oid: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
        der::sequence([
            der::object_identifier(oid),
            der::value(0x31, &der::concat(values)),
        ])
    }

    fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<u8> {
        let names = names
            .into_iter()
            .map(|name| der::implicit(2, name.as_bytes()));
        profile::extension(&profile::SUBJECT_ALT_NAME, false, &der::sequence(names))
    }

    fn refused(request: &[u8]) -> String {
        CertificateRequest::read(request)
            .expect_err("refused")
            .to_string()
    }

    const EMPTY: &[u8] = &[0x30, 0];

    #[test]
    fn no_name_that_is_asked_for_is_passed_over() {
        let asked = |name| der::sequence([names([name])]);
        let good = attribute(&EXTENSION_REQUEST, &[asked("a.dev")]);
        let read = CertificateRequest::read(&stranger(0, EMPTY, &good)).expect("as it should be");
        assert_eq!(read.names(), [GeneralName::dns("a.dev").expect("a name")]);

        let microsoft = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 14];
        let with_rest = [asked("a.dev"), vec![4, 3, 1, 2, 3]].concat();
        for (what, attributes, expected) in [
            (
                "two values",
                attribute(&EXTENSION_REQUEST, &[asked("a.dev"), asked("b.dev")]),
                "has 2 values",
            ),
            (
                "no value",
                attribute(&EXTENSION_REQUEST, &[]),
                "has 0 values",
            ),
            (
                "a value behind the value",
                attribute(&EXTENSION_REQUEST, &[with_rest]),
                "has 2 values",
            ),
            (
                "octets behind the names",
                attribute(
                    &EXTENSION_REQUEST,
                    &[der::sequence([profile::extension(
                        &profile::SUBJECT_ALT_NAME,
                        false,
                        &[der::sequence([der::implicit(2, b"a.dev")]), vec![5, 0]].concat(),
                    )])],
                ),
                "2.5.29.17 that it asks for is damaged",
            ),
            (
                "another type",
                attribute(&EXTENSION_REQUEST, &[vec![4, 0]]),
                "are damaged",
            ),
            (
                "Microsoft's attribute",
                [good.clone(), attribute(&microsoft, &[asked("b.dev")])].concat(),
                "in the attribute 1.3.6.1.4.1.311.2.1.14",
            ),
            (
                "two extensionRequests with one extension",
                [good.clone(), good.clone()].concat(),
                "more than one extensionRequest",
            ),
            (
                "two extensionRequests with different extensions",
                [
                    good.clone(),
                    attribute(
                        &EXTENSION_REQUEST,
                        &[der::sequence([profile::extension(
                            &[0x55, 0x1d, 0x13],
                            true,
                            EMPTY,
                        )])],
                    ),
                ]
                .concat(),
                "more than one extensionRequest",
            ),
            (
                "the same extension twice",
                attribute(
                    &EXTENSION_REQUEST,
                    &[der::sequence([names(["a.dev"]), names(["b.dev"])])],
                ),
                "2.5.29.17 twice",
            ),
        ] {
            let told = refused(&stranger(0, EMPTY, &attributes));
            assert!(told.contains(expected), "{what}: {told}");
        }
        assert!(refused(&stranger(1, EMPTY, &good)).contains("knows 0 only"));
    }

    #[test]
    fn what_is_damaged_is_told_by_its_true_reason() {
        let whole = stranger(0, EMPTY, &[]);
        assert!(refused(&whole[..whole.len() - 1]).contains("is cut off"));
        assert!(refused(&[&whole[..], b"\n"].concat()).contains("followed by octets"));
        assert_eq!(refused(b"hello"), RequestError::None.to_string());
        let [root, _, _, crl] = crate::path_validation::tests::sample();
        for other in [root, crl] {
            assert_eq!(refused(&other), RequestError::None.to_string());
        }
    }

    #[test]
    fn a_request_that_asks_for_more_than_anybody_needs_is_refused_at_once() {
        let many: Vec<String> = (0..=MOST_NAMES).map(|at| format!("h{at}.dev")).collect();
        let attributes = |count: usize| {
            let asked = names(many[..count].iter().map(String::as_str));
            attribute(&EXTENSION_REQUEST, &[der::sequence([asked])])
        };
        let most = CertificateRequest::read(&stranger(0, EMPTY, &attributes(MOST_NAMES)));
        assert_eq!(most.map(|read| read.names().len()), Ok(MOST_NAMES));
        let told = refused(&stranger(0, EMPTY, &attributes(MOST_NAMES + 1)));
        assert!(told.contains("asks for more than 1000 names"), "{told}");

        let extensions =
            (0..=MOST_EXTENSIONS).map(|at| profile::extension(&[0x2a, 0x81, at as u8], false, b""));
        let attributes = attribute(&EXTENSION_REQUEST, &[der::sequence(extensions)]);
        assert!(refused(&stranger(0, EMPTY, &attributes)).contains("more than 100 extensions"));
        assert!(refused(&vec![0x30; MOST_OCTETS + 1]).contains("has more than 256 KiB"));
    }

    #[test]
    fn a_key_has_one_encoding_or_a_ca_would_not_know_its_own() {
        // The same point as an EC key's, compressed (RFC 5480 section 2.2).
        let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
        let spki = key.public().spki();
        let (head, point) = spki.split_at(spki.len() - 65);
        let sign = 2 + (point[64] & 1);
        let compressed = [&[sign], &point[1..33]].concat();
        let algorithm = &head[2..head.len() - 3];
        let spki = der::sequence([algorithm, &der::bit_string(&compressed)]);
        let public = PublicKey::from_spki(&spki).expect("readable");
        let told = public.check_strength().expect_err("compressed").to_string();
        assert!(told.contains("compressed"), "{told}");
        assert!(key.public().check_strength().is_ok());

        // The same RSA key without the NULL that RFC 3279 section 2.3.1 asks for.
        let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).expect("a key");
        let without = {
            let spki = key.public().spki();
            let bits = &spki[spki.len() - (key.public().key().len() + 5)..];
            der::sequence([
                &der::sequence([der::object_identifier(&key::RSA_ENCRYPTION)])[..],
                bits,
            ])
        };
        assert_eq!(
            &PublicKey::from_spki(&without).expect("readable"),
            key.public()
        );
    }

    #[test]
    fn two_requests_in_one_file_are_not_guessed_between() {
        let twice = create(&[], None) + &create(&[], None);
        assert_eq!(
            CertificateRequest::read(twice.as_bytes()).map(drop),
            Err(RequestError::Several(2))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let _ = CertificateRequest::read(&bytes);
            let _ = CertificateRequest::read(pem::write("CERTIFICATE REQUEST", &bytes).as_bytes());
            let _ = crate::certificate::Certificate::read_all(&bytes);
            let _ = crate::certificate::Certificate::from_der(&bytes);
        }
    }
}
