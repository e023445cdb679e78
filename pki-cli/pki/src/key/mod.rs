//! Private and public keys: made, read in every form that openssl writes (PKCS#8, PKCS#1, SEC1, encrypted PKCS#8; PEM
//! or DER), and written in one, PKCS#8 (RFC 5208), encrypted with PBES2 on request (RFC 8018).
//!
//! The signature algorithm follows from the key: SHA-256 with RSA and P-256, SHA-384 with P-384, SHA-512 with P-521.
//! So a key that was loaded signs exactly as the key that was made.

mod algorithm;
mod private_key;
mod public_key;
#[cfg(test)]
mod tests;

use std::fmt;

pub use algorithm::KeyAlgorithm;
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub(crate) use public_key::PublicKeyKind;
use zeroize::Zeroizing;

/// Why a key cannot be used. Half of them are about a file whose name the caller knows; see `error`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name of a key type is not known.
    #[error(
        "The key type {0:?} is not known; known are p256, p384, ed25519, rsa-2048, rsa-3072 and rsa-4096."
    )]
    UnknownAlgorithm(String),
    /// The system's randomness or the crypto library failed.
    #[error("The key could not be generated: the crypto library reported a failure.")]
    Generate,
    /// The file holds no private key.
    #[error("it holds no private key; a key is PEM with BEGIN PRIVATE KEY, or DER")]
    NotAKey,
    /// The file holds several private keys.
    #[error(
        "it holds {0} private keys, and it is not clear which one is meant; leave one in the file"
    )]
    Several(usize),
    /// The key is encrypted, and no passphrase was given.
    #[error("it is encrypted, and no passphrase was given")]
    Encrypted,
    /// The passphrase does not open the key.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// An encryption that is not supported.
    #[error(
        "it is encrypted in a way that is not supported ({0}); convert it with \"openssl pkcs8 -topk8 -v2 aes-256-cbc\""
    )]
    UnsupportedEncryption(String),
    /// A key that is damaged or of a kind that is not supported.
    #[error("it is no usable RSA, P-256, P-384, P-521 or Ed25519 key: {0}")]
    Unusable(String),
    /// Too weak for a certificate.
    #[error("it is not fit for a certificate: {0}")]
    Weak(String),
}

/// A passphrase. It is never empty, never shown, and wiped from memory.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// `None` when there is nothing in it: an empty passphrase protects nothing.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// The octets, for a key derivation.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Passphrase([elided])")
    }
}

pub(crate) const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
pub(crate) const SHA256_WITH_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: [u8; 5] = [0x2b, 0x81, 0x04, 0, 34];
const P521: [u8; 5] = [0x2b, 0x81, 0x04, 0, 35];
pub(crate) const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub(crate) const ECDSA_WITH_SHA384: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
pub(crate) const ECDSA_WITH_SHA512: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
pub(crate) const ED25519: [u8; 3] = [0x2b, 101, 112];
