//! A certificate (RFC 5280 §4.1), as the issuing side needs it: what an issuer may do, and what an end entity was given.
//!
//! This type does not say whether a certificate is valid, only what stands in it; `path_validation` decides.

use std::{collections::HashSet, fmt};

use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension, prelude::FromDer};
use zeroize::Zeroizing;

use crate::{
    der, distinguished_name::DistinguishedName, key::PublicKey, name_constraints::NameConstraints,
    pem, profile::Profile, serial_number, subject_alt_name::GeneralName, text::hexadecimal,
};

/// A certificate, read once.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    serial: Vec<u8>,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    public_key: PublicKey,
    signature_algorithm: Vec<u8>,
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<u16>,
    pub(crate) extended_key_usage: Option<Vec<String>>,
    pub(crate) subject_key_identifier: Option<Vec<u8>>,
    pub(crate) authority_key_identifier: Option<Vec<u8>>,
    pub(crate) names: Vec<GeneralName>,
    pub(crate) name_constraints: Option<NameConstraints>,
    pub(crate) extensions: Vec<(String, bool)>,
}

/// What basicConstraints says (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u32>,
}

/// The bit of keyCertSign in key usage.
pub(crate) const KEY_CERT_SIGN: u8 = 5;
/// The bit of cRLSign.
pub(crate) const CRL_SIGN: u8 = 6;
/// The bit of digitalSignature.
pub(crate) const DIGITAL_SIGNATURE: u8 = 0;
/// The purposes of RFC 5280 §4.2.1.12, and the names that openssl has for them.
pub(crate) const PURPOSES: [(&str, &str); 7] = [
    ("2.5.29.37.0", "any"),
    ("1.3.6.1.5.5.7.3.1", "serverAuth"),
    ("1.3.6.1.5.5.7.3.2", "clientAuth"),
    ("1.3.6.1.5.5.7.3.3", "codeSigning"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning"),
];

/// Why bytes are no certificate: half a sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no certificate in the file.
    #[error("it holds no certificate; a certificate is PEM with BEGIN CERTIFICATE, or DER")]
    None,
    /// The certificate is damaged.
    #[error("{0}")]
    Malformed(String),
}

impl Certificate {
    /// Reads one certificate from DER, with nothing after it.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |what: &str| CertificateError::Malformed(what.to_owned());
        let (rest, parsed) = X509Certificate::from_der(bytes)
            .map_err(|_| malformed("it is not a DER-encoded X.509 certificate"))?;
        if !rest.is_empty() {
            return Err(malformed("something stands after the certificate"));
        }
        let time = |at: x509_parser::time::ASN1Time| at.to_datetime();
        let mut certificate = Self {
            der: bytes.to_vec(),
            serial: parsed.raw_serial().to_vec(),
            subject: DistinguishedName::from_x509(parsed.subject()),
            issuer: DistinguishedName::from_x509(parsed.issuer()),
            not_before: time(parsed.validity().not_before),
            not_after: time(parsed.validity().not_after),
            public_key: PublicKey::from_x509(parsed.public_key())
                .map_err(|error| CertificateError::Malformed(error.to_string()))?,
            signature_algorithm: parsed.signature_algorithm.algorithm.as_bytes().to_vec(),
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            subject_key_identifier: None,
            authority_key_identifier: None,
            names: Vec::new(),
            name_constraints: None,
            extensions: Vec::new(),
        };
        let mut seen = HashSet::new();
        for extension in parsed.extensions() {
            let oid = extension.oid.to_id_string();
            // RFC 5280 §4.2: "A certificate MUST NOT include more than one instance of a particular extension."
            if !seen.insert(oid.clone()) {
                return Err(CertificateError::Malformed(format!(
                    "it has the extension {oid} twice"
                )));
            }
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(parsed) => {
                    certificate.basic_constraints = Some(BasicConstraints {
                        ca: parsed.ca,
                        path_length: parsed.path_len_constraint,
                    });
                }
                ParsedExtension::KeyUsage(usage) => certificate.key_usage = Some(usage.flags),
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    certificate.extended_key_usage = Some(purposes(usage));
                }
                ParsedExtension::SubjectKeyIdentifier(identifier) => {
                    certificate.subject_key_identifier = Some(identifier.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(authority) => {
                    certificate.authority_key_identifier = authority
                        .key_identifier
                        .as_ref()
                        .map(|identifier| identifier.0.to_vec());
                }
                ParsedExtension::SubjectAlternativeName(names) => {
                    certificate.names = names
                        .general_names
                        .iter()
                        .map(GeneralName::from_x509)
                        .collect();
                }
                ParsedExtension::NameConstraints(_) => {
                    let read = NameConstraints::read(extension.value);
                    certificate.name_constraints = Some(read.ok_or_else(|| {
                        CertificateError::Malformed(format!("its extension {oid} is damaged"))
                    })?);
                }
                ParsedExtension::ParseError { .. } => {
                    return Err(CertificateError::Malformed(format!(
                        "its extension {oid} is damaged"
                    )));
                }
                _ => {}
            }
            certificate.extensions.push((oid, extension.critical));
        }
        Ok(certificate)
    }

    /// The same certificate with another serial number, in this encoding.
    pub(crate) fn reissued(mut self, serial: &[u8; 20], der: &[u8]) -> Self {
        let leading_zeros = serial.iter().take_while(|octet| **octet == 0).count();
        let significant = &serial[leading_zeros.min(19)..];
        self.serial.clear();
        // As X.690 §8.3 encodes it: an octet more where the top bit would make it negative.
        if significant.first().is_some_and(|first| first & 0x80 != 0) {
            self.serial.push(0);
        }
        self.serial.extend_from_slice(significant);
        self.der.clear();
        self.der.extend_from_slice(der);
        self
    }

    /// Reads every certificate of a file: PEM blocks in their order, or one DER certificate.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let blocks =
            pem::read(bytes).map_err(|error| CertificateError::Malformed(error.to_string()))?;
        let is_pem = !blocks.is_empty();
        let certificates = blocks
            .iter()
            .filter_map(pem::Block::certificate)
            .map(Self::from_der)
            .collect::<Result<Vec<_>, _>>()?;
        match (certificates.is_empty(), is_pem) {
            (false, _) => Ok(certificates),
            (true, true) => Err(CertificateError::None),
            (true, false) => Self::from_der(bytes)
                .map(|one| vec![one])
                .map_err(|_| CertificateError::None),
        }
    }

    /// Whether a file, which can be read, begins with a certificate: nothing else stands in PEM before it.
    pub(crate) fn is_first_in(bytes: &[u8]) -> bool {
        let first = pem::read(bytes).map(|blocks| blocks.into_iter().next());
        first.is_ok_and(|first| first.is_none_or(|block| block.certificate().is_some()))
    }

    /// The encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM.
    pub fn to_pem(&self) -> String {
        pem::write("CERTIFICATE", &self.der).to_string()
    }

    /// The subject.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The issuer.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// The serial number in hexadecimal, as the index keeps it ([`serial_number::text`]).
    pub fn serial(&self) -> String {
        serial_number::text(&self.serial)
    }

    /// The serial number's octets, as encoded.
    pub(crate) fn serial_octets(&self) -> &[u8] {
        &self.serial
    }

    /// The first second of validity.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last second of validity.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject alternative names.
    pub fn names(&self) -> &[GeneralName] {
        &self.names
    }

    /// The object identifier of the signature algorithm, encoded.
    pub(crate) fn signature_algorithm(&self) -> &[u8] {
        &self.signature_algorithm
    }

    /// Whether basicConstraints says CA.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints
            .is_some_and(|constraints| constraints.ca)
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// The profile of an end entity, judged by its extended key usage; `None` for a CA and for any other mixture.
    pub fn profile(&self) -> Option<Profile> {
        let purposes = self.extended_key_usage.as_ref()?;
        if self.is_ca() {
            None
        } else {
            Profile::with_purposes(purposes)
        }
    }

    /// The SHA-256 of the encoding, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        hexadecimal(&self.fingerprint_octets())
    }

    /// The SHA-256 of the encoding.
    pub(crate) fn fingerprint_octets(&self) -> Vec<u8> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        digest.as_ref().to_vec()
    }

    /// Whether this certificate names `issuer` as its issuer and carries its signature.
    pub(crate) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer.der() == issuer.subject.der()
            && match (
                &self.authority_key_identifier,
                &issuer.subject_key_identifier,
            ) {
                (Some(authority), Some(subject)) => authority == subject,
                _ => true,
            }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({:?}, serial {})",
            self.subject.to_string(),
            self.serial()
        )
    }
}

/// TBSCertificate (RFC 5280 §4.1), ready but for its serial number and the algorithm that will sign it.
#[derive(Clone, Debug)]
pub(crate) struct ToBeSigned {
    pub(crate) issuer: DistinguishedName,
    pub(crate) subject: DistinguishedName,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
    pub(crate) spki: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl ToBeSigned {
    pub(crate) fn encode(&self, serial: &[u8; 20], signature_algorithm: &[u8]) -> Vec<u8> {
        der::sequence([
            // Version 3, because there are extensions.
            &der::explicit(0, &der::unsigned(&[2]))[..],
            &der::unsigned(serial),
            signature_algorithm,
            self.issuer.der(),
            &der::sequence([der::time(self.not_before), der::time(self.not_after)]),
            self.subject.der(),
            &self.spki,
            &der::explicit(3, &der::sequence(&self.extensions)),
        ])
    }
}

/// Puts what was signed, the algorithm and the signature together; the same for certificates and requests.
pub(crate) fn signed(content: &[u8], algorithm: &[u8], signature: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(der::sequence([
        content,
        algorithm,
        &der::bit_string(signature),
    ]))
}

pub(crate) fn purposes(usage: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<String> {
    let present = [
        usage.any,
        usage.server_auth,
        usage.client_auth,
        usage.code_signing,
        usage.email_protection,
        usage.time_stamping,
        usage.ocsp_signing,
    ];
    let known = PURPOSES.iter().zip(present).filter(|(_, present)| *present);
    known
        .map(|((oid, _), _)| (*oid).to_owned())
        .chain(
            usage
                .other
                .iter()
                .map(x509_parser::der_parser::Oid::to_id_string),
        )
        .collect()
}
