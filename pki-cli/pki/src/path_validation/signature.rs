//! Signatures and keys: which algorithms are relied on, and whether a signature is right.
//!
//! The arithmetic is aws-lc's. The list of pairs of key and signature algorithm is the one that rustls-webpki offers for
//! it, the same that the services use; it holds each algorithm with exactly the parameters that RFC 4055, RFC 5758 and
//! RFC 8410 prescribe.

use super::{FailureKind, error::Finding};
use crate::parse::{
    der::BitString,
    oid::known,
    public_key::{AlgorithmIdentifier, KeyKind, PublicKey, bits},
};

/// Verifies that `signature` over `message` was made with the private half of `key`.
pub(super) fn verify(
    key: &PublicKey<'_>,
    algorithm: &AlgorithmIdentifier<'_>,
    message: &[u8],
    signature: BitString<'_>,
) -> Result<(), Finding> {
    let octets = signature
        .whole_octets("the signature")
        .map_err(|error| Finding::profile("RFC 5280 section 4.1.1.3", error.to_string()))?;
    let mut fits = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .filter(|offered| *offered.signature_alg_id() == *algorithm.content)
        .peekable();
    if fits.peek().is_none() {
        return Err(not_relied_on(algorithm));
    }
    for offered in fits {
        if *offered.public_key_alg_id() != *key.algorithm.content {
            continue;
        }
        if offered.verify_signature(key.key, message, octets).is_ok() {
            return Ok(());
        }
    }
    // Arithmetic that is not done for such a key says nothing about who signed.
    if let Err(unfit) = check_key(key) {
        return Err(Finding::new(
            FailureKind::WeakAlgorithm,
            "RFC 5280 section 4.1.2.7",
            format!(
                "its signature is not checked, because of the key that is to have made it: {unfit}"
            ),
            "have it issued by a CA with an ECDSA P-256, P-384 or P-521, Ed25519, or RSA key of 2048 to 8192 bits",
        ));
    }
    Err(Finding::new(
        FailureKind::BadSignature,
        "RFC 5280 section 6.1.3 (a)(1)",
        "its signature was not made by the key of the issuer that bears the name it gives",
        "give the issuer's current certificate, or have the certificate issued again if it was altered",
    ))
}

/// Whether a signature algorithm is relied on, with the parameters that it has.
pub(super) fn check_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> Result<(), Finding> {
    let is_known = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .any(|offered| *offered.signature_alg_id() == *algorithm.content);
    match is_known {
        true => Ok(()),
        false => Err(not_relied_on(algorithm)),
    }
}

fn not_relied_on(algorithm: &AlgorithmIdentifier<'_>) -> Finding {
    Finding::new(
        FailureKind::WeakAlgorithm,
        "RFC 5280 section 4.1.1.2",
        format!(
            "its signature algorithm {} is not one that is relied on",
            algorithm.oid.name_and_numbers()
        ),
        "have it signed with ECDSA, Ed25519 or RSA over SHA-256, SHA-384 or SHA-512",
    )
}

/// Whether a key is of a kind and size that is relied on.
pub(super) fn check_key(key: &PublicKey<'_>) -> Result<(), Finding> {
    let weak = |reason: String| {
        Err(Finding::new(
            FailureKind::WeakAlgorithm,
            "RFC 5280 section 4.1.2.7",
            reason,
            "have it issued with an ECDSA P-256, P-384 or P-521, Ed25519, or RSA key of 2048 to 8192 bits",
        ))
    };
    match key.kind() {
        KeyKind::Rsa { modulus, exponent } => match bits(modulus) {
            0..2048 => weak(format!(
                "its RSA key has {} bits, fewer than 2048",
                bits(modulus)
            )),
            2048..=8192 if modulus.first().is_some_and(|first| *first != 0) => {
                let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
                if odd(modulus) && odd(exponent) && bits(exponent) > 1 {
                    Ok(())
                } else {
                    weak("its RSA modulus or exponent is impossible".to_owned())
                }
            }
            size => weak(format!(
                "its RSA key has {size} bits, more than the 8192 that can be checked in time"
            )),
        },
        KeyKind::Ec {
            curve: known::P256 | known::P384 | known::P521,
            ..
        } => Ok(()),
        KeyKind::Ec { curve, .. } => weak(format!(
            "its key is on the curve {}",
            curve.name_and_numbers()
        )),
        KeyKind::EcExplicit { .. } => Err(Finding::profile(
            "RFC 5480 section 2.1.1",
            "its key writes out the parameters of a curve instead of naming it",
        )),
        KeyKind::Octets(octets) if key.algorithm.oid == known::ED25519 && octets.len() == 32 => {
            Ok(())
        }
        // FIPS 204, as RFC 9881 puts it into certificates.
        KeyKind::Octets(_) if key.algorithm.oid.name().starts_with("ML-DSA-") => Ok(()),
        KeyKind::Broken(_) => Err(Finding::profile(
            "RFC 5280 section 4.1.2.7",
            "its public key cannot be read",
        )),
        KeyKind::Dsa { .. } | KeyKind::Octets(_) => weak(format!(
            "its key is of the kind {}",
            key.algorithm.oid.name_and_numbers()
        )),
    }
}

/// Whether a signature was made with the private half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureVerdict {
    Right,
    Wrong,
    UnknownAlgorithm,
}

/// What keeps a signature from being checked, each half a sentence: its algorithm, the key, or both.
pub(crate) fn unfit(key: &PublicKey<'_>, algorithm: &AlgorithmIdentifier<'_>) -> Vec<String> {
    let findings = [check_algorithm(algorithm), check_key(key)];
    findings
        .into_iter()
        .filter_map(Result::err)
        .map(|finding| finding.to_string())
        .collect()
}

/// The same question for those who only show objects.
pub(crate) fn verify_signature(
    key: &PublicKey<'_>,
    algorithm: &AlgorithmIdentifier<'_>,
    message: &[u8],
    signature: BitString<'_>,
) -> SignatureVerdict {
    match verify(key, algorithm, message, signature) {
        Ok(()) => SignatureVerdict::Right,
        Err(finding) if finding.kind == FailureKind::WeakAlgorithm => {
            SignatureVerdict::UnknownAlgorithm
        }
        Err(_) => SignatureVerdict::Wrong,
    }
}
