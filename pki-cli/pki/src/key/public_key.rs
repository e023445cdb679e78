//! Public keys (RFC 5280 §4.1.2.7): what they are, whether they are strong enough, and their identifiers.

use std::fmt;

use x509_parser::{prelude::FromDer, x509::SubjectPublicKeyInfo};

use super::{EC_PUBLIC_KEY, ED25519, KeyError, P256, P384, P521, RSA_ENCRYPTION};
use crate::{der, text::hexadecimal};

/// A public key: a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), byte for byte as it came. Two are equal when they are the
/// same key, however the algorithm's parameters are written.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    /// The content of the bit string: what a key identifier is the hash of.
    key: Vec<u8>,
    pub(super) kind: PublicKeyKind,
}

/// What a public key is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PublicKeyKind {
    Rsa { bits: usize },
    P256,
    P384,
    P521,
    Ed25519,
    Other(String),
}

impl PublicKey {
    pub(crate) fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        match SubjectPublicKeyInfo::from_der(spki) {
            Ok(([], parsed)) => Self::from_x509(&parsed),
            _ => Err(KeyError::Unusable(
                "the public key is not valid DER".to_owned(),
            )),
        }
    }

    pub(crate) fn from_x509(parsed: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        if parsed.subject_public_key.unused_bits != 0 {
            return Err(KeyError::Unusable(
                "the public key is not whole octets".to_owned(),
            ));
        }
        let key = parsed.subject_public_key.data.to_vec();
        let algorithm = parsed.algorithm.algorithm.as_bytes();
        let parameters = parsed.algorithm.parameters.as_ref();
        let kind = if algorithm == RSA_ENCRYPTION {
            let modulus = signature_modulus_bits(&key).ok_or_else(|| {
                KeyError::Unusable("the RSA public key is not valid DER".to_owned())
            })?;
            PublicKeyKind::Rsa { bits: modulus }
        } else if algorithm == EC_PUBLIC_KEY {
            match parameters.map(|any| any.data) {
                Some(curve) if curve == P256 => PublicKeyKind::P256,
                Some(curve) if curve == P384 => PublicKeyKind::P384,
                Some(curve) if curve == P521 => PublicKeyKind::P521,
                _ => PublicKeyKind::Other(
                    "an elliptic curve other than P-256, P-384 and P-521".to_owned(),
                ),
            }
        } else if algorithm == ED25519 {
            PublicKeyKind::Ed25519
        } else {
            PublicKeyKind::Other(format!("the algorithm {}", der::dotted(algorithm)))
        };
        Ok(Self {
            spki: parsed.raw.to_vec(),
            key,
            kind,
        })
    }

    /// The encoded SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn kind(&self) -> &PublicKeyKind {
        &self.kind
    }

    /// The bits of the key itself, without the algorithm.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The SHA-256 of the key itself in hexadecimal. Not of the SubjectPublicKeyInfo: one key is one key, however its
    /// algorithm's parameters are written.
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.key);
        hexadecimal(digest.as_ref())
    }

    /// The key identifier: the leftmost 160 bits of the SHA-256 of the key (RFC 7093 §2 method 1). RFC 5280 §4.2.1.2
    /// names SHA-1 as one way only, and scanners frown at SHA-1 wherever it is.
    pub(crate) fn identifier(&self) -> Vec<u8> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.key);
        digest.as_ref()[..20].to_vec()
    }

    /// Whether the key is a point that is not written out in full: RFC 5480 §2.2 lets verifiers refuse these, and one
    /// key must not have several encodings when a CA looks for its own.
    fn is_compressed(&self) -> bool {
        matches!(
            self.kind,
            PublicKeyKind::P256 | PublicKeyKind::P384 | PublicKeyKind::P521
        ) && self.key.first() != Some(&4)
    }

    /// Refuses keys that are too weak for a certificate, or of a kind that our own verifiers do not know.
    pub fn check_strength(&self) -> Result<(), KeyError> {
        let reason = match &self.kind {
            PublicKeyKind::Rsa { bits } if *bits < 2048 => {
                format!(
                    "RSA with {bits} bits can be factored; make a new key with at least 2048, or better with --key p256"
                )
            }
            PublicKeyKind::Rsa { bits } if *bits > 8192 => {
                format!(
                    "RSA with {bits} bits is more than verifiers take; make a new key with --key rsa-4096 or p256"
                )
            }
            PublicKeyKind::Other(what) => {
                format!(
                    "{what} is nothing that TLS peers accept; make a new key: RSA, P-256, P-384 or Ed25519"
                )
            }
            _ if self.is_compressed() => "its point is compressed, which verifiers may refuse (RFC 5480 section 2.2); write the key again with \"openssl pkey -ec_conv_form uncompressed\"".to_owned(),
            _ => return Ok(()),
        };
        Err(KeyError::Weak(reason))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.key == other.key
    }
}

impl Eq for PublicKey {}

/// `RSA 4096`, `P-256`, …
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PublicKeyKind::Rsa { bits } => write!(f, "RSA {bits}"),
            PublicKeyKind::P256 => f.write_str("P-256"),
            PublicKeyKind::P384 => f.write_str("P-384"),
            PublicKeyKind::P521 => f.write_str("P-521"),
            PublicKeyKind::Ed25519 => f.write_str("Ed25519"),
            PublicKeyKind::Other(what) => f.write_str(what),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The bits of the modulus in an RSAPublicKey (RFC 8017 appendix A.1.1).
fn signature_modulus_bits(rsa_public_key: &[u8]) -> Option<usize> {
    let (_, key) = x509_parser::public_key::RSAPublicKey::from_der(rsa_public_key).ok()?;
    let significant: Vec<u8> = key
        .modulus
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let first = significant.first()?;
    Some(significant.len() * 8 - first.leading_zeros() as usize)
}
