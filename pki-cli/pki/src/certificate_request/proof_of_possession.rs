//! The signature by which a request shows that whoever made it has the key (RFC 2986 §3): which algorithms count.

use aws_lc_rs::signature::{self, VerificationAlgorithm};

use super::RequestError;
use crate::{
    der,
    key::{self, PublicKeyKind},
    lint,
};

const RSASSA_PSS: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const MGF1: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const SHA384_WITH_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
const SHA512_WITH_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];

/// The algorithm that fits both the key and the signature's object identifier: an ECDSA key may sign with any hash.
pub(super) fn verification_algorithm(
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
