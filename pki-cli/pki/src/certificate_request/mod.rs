//! Certificate requests (RFC 2986): written for `pki csr`, and read from strangers for `pki sign`.
//!
//! A request is believed only after its signature, made with the key that it is for, was verified (§3: proof of
//! possession), and only when the key and the hash are strong. It is read here and not by a generator library, because
//! those derive the kind of the key from the signature algorithm and refuse extensions that they do not know.
//!
//! A name that is asked for is granted, or the request is refused: where a name could hide (a second value, octets
//! behind a value, an attribute of somebody's own) there is an error, and no silence.

mod ask;
mod form;
mod proof_of_possession;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use aws_lc_rs::signature::UnparsedPublicKey;
use x509_parser::{
    certification_request::X509CertificationRequest, cri_attributes::ParsedCriAttribute,
    extensions::ParsedExtension, prelude::FromDer,
};

use crate::{
    certificate::signed,
    der,
    distinguished_name::DistinguishedName,
    key::{KeyError, PrivateKey, PublicKey},
    parse::{self},
    pem,
    profile::{self, Profile},
    subject_alt_name::GeneralName,
};
pub use ask::{Ask, Decision};
use form::{EXTENSION_REQUEST, MOST_OCTETS, check_form, is_something_else};
use proof_of_possession::verification_algorithm;

/// A request whose proof of possession was verified.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    subject: DistinguishedName,
    public_key: PublicKey,
    names: Vec<GeneralName>,
    asks: Vec<Ask>,
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
}
