//! Private and public keys: made, read in every form that openssl writes (PKCS#8, PKCS#1, SEC1, encrypted PKCS#8; PEM
//! or DER), and written in one, PKCS#8 (RFC 5208), encrypted with PBES2 on request (RFC 8018).
//!
//! The signature algorithm follows from the key: SHA-256 with RSA and P-256, SHA-384 with P-384, SHA-512 with P-521.
//! So a key that was loaded signs exactly as the key that was made.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair,
    },
};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use x509_parser::{prelude::FromDer, x509::SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use crate::{der, pem};

/// What kind of key to make.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// ECDSA on P-256.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

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

/// A private key.
pub struct PrivateKey {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Makes a new key.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            KeyAlgorithm::Rsa2048 => rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map(Pair::Rsa),
            KeyAlgorithm::Rsa3072 => rsa::KeyPair::generate(rsa::KeySize::Rsa3072).map(Pair::Rsa),
            KeyAlgorithm::Rsa4096 => rsa::KeyPair::generate(rsa::KeySize::Rsa4096).map(Pair::Rsa),
            KeyAlgorithm::P256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Pair::Ecdsa)
            }
            KeyAlgorithm::P384 => {
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).map(Pair::Ecdsa)
            }
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::from_pair(pair.map_err(|_| KeyError::Generate)?)
    }

    /// Reads a key from PEM or DER.
    pub fn read(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let blocks = pem::read(bytes).map_err(|error| KeyError::Unusable(error.to_string()))?;
        let mut keys: Vec<_> = blocks
            .into_iter()
            .filter(|block| block.label.ends_with("PRIVATE KEY"))
            .collect();
        let Some(block) = keys.pop() else {
            return Self::from_der(bytes, passphrase);
        };
        if !keys.is_empty() {
            return Err(KeyError::Several(keys.len() + 1));
        }
        if block.has_headers {
            // RFC 1421 style: one round of MD5 stands between the passphrase and the key.
            return Err(KeyError::UnsupportedEncryption(
                "the old PEM encryption of openssl".to_owned(),
            ));
        }
        match block.label {
            "ENCRYPTED PRIVATE KEY" => Self::decrypt(&block.content, passphrase),
            "PRIVATE KEY" => Self::from_pkcs8(&block.content),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&block.content),
            "EC PRIVATE KEY" => Self::from_sec1(&block.content),
            other => Err(KeyError::Unusable(format!(
                "the PEM label {other:?} is not known"
            ))),
        }
    }

    fn from_der(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        if EncryptedPrivateKeyInfoRef::try_from(bytes).is_ok() {
            return Self::decrypt(bytes, passphrase);
        }
        if PrivateKeyInfoRef::try_from(bytes).is_ok() {
            return Self::from_pkcs8(bytes);
        }
        Self::from_pkcs1(bytes)
            .or_else(|_| Self::from_sec1(bytes))
            .map_err(|_| KeyError::NotAKey)
    }

    fn decrypt(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let unsupported = |why: &dyn fmt::Display| KeyError::UnsupportedEncryption(why.to_string());
        let encrypted =
            EncryptedPrivateKeyInfoRef::try_from(bytes).map_err(|error| unsupported(&error))?;
        let passphrase = passphrase.ok_or(KeyError::Encrypted)?;
        check_cost(&encrypted.encryption_algorithm)?;
        let decrypted = encrypted
            .decrypt(&*passphrase.0)
            .map_err(|error| match error {
                pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) => {
                    KeyError::WrongPassphrase
                }
                pkcs8::Error::EncryptedPrivateKey(error) => unsupported(&error),
                // The padding of one wrong passphrase in 256 looks right, and what it yields is no DER.
                _ => KeyError::WrongPassphrase,
            })?;
        if PrivateKeyInfoRef::try_from(decrypted.as_bytes()).is_err() {
            return Err(KeyError::WrongPassphrase);
        }
        Self::from_pkcs8(decrypted.as_bytes())
    }

    fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let rsa = rsa::KeyPair::from_pkcs8(bytes).map(Pair::Rsa);
        let pair = match rsa {
            Err(error) if error.to_string() == "WrongAlgorithm" => {
                let ecdsa = CURVES
                    .iter()
                    .find_map(|curve| EcdsaKeyPair::from_pkcs8(curve, bytes).ok());
                match ecdsa {
                    Some(pair) => Ok(Pair::Ecdsa(pair)),
                    None => Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map(Pair::Ed25519),
                }
            }
            other => other,
        };
        Self::from_pair(pair.map_err(unusable)?)
    }

    fn from_pkcs1(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_pair(Pair::Rsa(rsa::KeyPair::from_der(bytes).map_err(unusable)?))
    }

    fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        let pair = CURVES
            .iter()
            .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, bytes).ok());
        Self::from_pair(Pair::Ecdsa(pair.ok_or_else(|| {
            KeyError::Unusable(
                "the EC key is damaged, or on a curve that is not supported".to_owned(),
            )
        })?))
    }

    /// Whatever a key was read from, it is kept and written as PKCS#8 version 1: openssl before 3.5 reads no other for
    /// Ed25519.
    fn from_pair(pair: Pair) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generate;
        let (pkcs8, spki) = match &pair {
            Pair::Rsa(key) => {
                let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(key).map_err(failed)?;
                let spki =
                    AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).map_err(failed)?;
                (
                    Zeroizing::new(pkcs8.as_ref().to_vec()),
                    spki.as_ref().to_vec(),
                )
            }
            Pair::Ecdsa(key) => {
                let pkcs8 = key.to_pkcs8v1().map_err(failed)?;
                let spki =
                    AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).map_err(failed)?;
                (
                    Zeroizing::new(pkcs8.as_ref().to_vec()),
                    spki.as_ref().to_vec(),
                )
            }
            Pair::Ed25519(key) => {
                let pkcs8 = key.to_pkcs8v1().map_err(failed)?;
                let spki =
                    AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).map_err(failed)?;
                (
                    Zeroizing::new(pkcs8.as_ref().to_vec()),
                    spki.as_ref().to_vec(),
                )
            }
        };
        Ok(Self {
            pair,
            pkcs8,
            public: PublicKey::from_spki(&spki)?,
        })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// PKCS#8.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// PKCS#8 as PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::write("PRIVATE KEY", &self.pkcs8)
    }

    /// PKCS#8 as PEM, encrypted with AES-256-CBC under a key derived by scrypt, which openssl reads since 1.1.
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase) -> Result<Zeroizing<String>, KeyError> {
        let info = PrivateKeyInfoRef::try_from(&self.pkcs8[..]).map_err(|_| KeyError::Generate)?;
        let encrypted = info
            .encrypt(&*passphrase.0)
            .map_err(|_| KeyError::Generate)?;
        Ok(pem::write("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
    }

    /// The AlgorithmIdentifier of the signatures that this key makes (RFC 4055, RFC 5758, RFC 8410).
    pub(crate) fn signature_algorithm(&self) -> Vec<u8> {
        let oid = |content: &[u8]| der::object_identifier(content);
        match &self.pair {
            // RFC 4055 §5: the parameters are NULL with RSA, absent with the others.
            Pair::Rsa(_) => der::sequence([oid(&SHA256_WITH_RSA), der::null()]),
            Pair::Ecdsa(key) if key.algorithm() == &ECDSA_P256_SHA256_ASN1_SIGNING => {
                der::sequence([oid(&ECDSA_WITH_SHA256)])
            }
            Pair::Ecdsa(key) if key.algorithm() == &ECDSA_P384_SHA384_ASN1_SIGNING => {
                der::sequence([oid(&ECDSA_WITH_SHA384)])
            }
            Pair::Ecdsa(_) => der::sequence([oid(&ECDSA_WITH_SHA512)]),
            Pair::Ed25519(_) => der::sequence([oid(&ED25519)]),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        let failed = |_| KeyError::Unusable("the signature could not be made".to_owned());
        match &self.pair {
            Pair::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &signature::RSA_PKCS1_SHA256,
                    &random,
                    message,
                    &mut signature,
                )
                .map_err(failed)?;
                Ok(signature)
            }
            Pair::Ecdsa(key) => key
                .sign(&random, message)
                .map(|made| made.as_ref().to_vec())
                .map_err(failed),
            Pair::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pair: _,
            pkcs8: _,
            public,
        } = self;
        write!(f, "PrivateKey([elided], public {public})")
    }
}

/// A public key: a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), byte for byte as it came. Two are equal when they are the
/// same key, however the algorithm's parameters are written.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    /// The content of the bit string: what a key identifier is the hash of.
    key: Vec<u8>,
    kind: PublicKeyKind,
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
        let octets = digest.as_ref().iter();
        octets.map(|octet| format!("{octet:02x}")).collect()
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

impl KeyAlgorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 6] = [
        Self::P256,
        Self::P384,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Whether this public key is one that the algorithm makes.
    pub fn makes(self, key: &PublicKey) -> bool {
        matches!(
            (self, &key.kind),
            (Self::Rsa2048, PublicKeyKind::Rsa { bits: 2048 })
                | (Self::Rsa3072, PublicKeyKind::Rsa { bits: 3072 })
                | (Self::Rsa4096, PublicKeyKind::Rsa { bits: 4096 })
                | (Self::P256, PublicKeyKind::P256)
                | (Self::P384, PublicKeyKind::P384)
                | (Self::Ed25519, PublicKeyKind::Ed25519)
        )
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let named = Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text.to_ascii_lowercase());
        named.ok_or_else(|| KeyError::UnknownAlgorithm(text.to_owned()))
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

static CURVES: [&EcdsaSigningAlgorithm; 3] = [
    &ECDSA_P256_SHA256_ASN1_SIGNING,
    &ECDSA_P384_SHA384_ASN1_SIGNING,
    &ECDSA_P521_SHA512_ASN1_SIGNING,
];

fn unusable(rejected: aws_lc_rs::error::KeyRejected) -> KeyError {
    KeyError::Unusable(match rejected.to_string().as_str() {
        "TooSmall" => "RSA keys need at least 2048 bits".to_owned(),
        "TooLarge" => "RSA keys may have at most 8192 bits".to_owned(),
        "InvalidEncoding" => "its encoding is damaged".to_owned(),
        "InconsistentComponents" => "its numbers contradict each other".to_owned(),
        "WrongAlgorithm" => "it is of another kind".to_owned(),
        other => other.to_owned(),
    })
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

/// The cost of a key derivation stands in the file, so whoever wrote the file could make us run for years or take all
/// memory: both are bounded before we start.
fn check_cost(scheme: &pkcs8::pkcs5::EncryptionScheme) -> Result<(), KeyError> {
    const MAX_SCRYPT_BYTES: u64 = 512 << 20;
    const MAX_PBKDF2_ITERATIONS: u32 = 20_000_000;
    let kdf = scheme.pbes2().map(|parameters| &parameters.kdf);
    let excessive = match (
        kdf.and_then(|kdf| kdf.scrypt()),
        kdf.and_then(|kdf| kdf.pbkdf2()),
    ) {
        (Some(scrypt), _) => {
            let memory = scrypt
                .cost_parameter
                .saturating_mul(128)
                .saturating_mul(scrypt.block_size.into());
            memory.saturating_mul(scrypt.parallelization.into()) > MAX_SCRYPT_BYTES
        }
        (None, Some(pbkdf2)) => pbkdf2.iteration_count > MAX_PBKDF2_ITERATIONS,
        (None, None) => {
            return Err(KeyError::UnsupportedEncryption(
                "PBES1, which is broken".to_owned(),
            ));
        }
    };
    if excessive {
        return Err(KeyError::UnsupportedEncryption(
            "its key derivation asks for an unreasonable effort".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).expect("not empty")
    }

    #[test]
    fn every_algorithm_survives_being_written_and_read() {
        for algorithm in KeyAlgorithm::ALL
            .into_iter()
            .filter(|algorithm| *algorithm != KeyAlgorithm::Rsa4096)
        {
            let key = PrivateKey::generate(algorithm).expect("a key");
            assert!(algorithm.makes(key.public()), "{algorithm}");
            let read = PrivateKey::read(key.to_pem().as_bytes(), None).expect("our own PEM");
            assert_eq!(read.public(), key.public());
            assert_eq!(read.signature_algorithm(), key.signature_algorithm());
            assert_eq!(
                *PrivateKey::read(&key.pkcs8, None)
                    .expect("our own DER")
                    .pkcs8,
                *key.pkcs8
            );
            assert!(!format!("{key:?}").contains(&format!("{:?}", &key.pkcs8[30..])));
        }
    }

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_only() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
        let pem = key
            .to_encrypted_pem(&passphrase("right"))
            .expect("encrypted");
        let read = |with: Option<&str>| {
            let passphrase = with.map(passphrase);
            PrivateKey::read(pem.as_bytes(), passphrase.as_ref()).map(|key| key.public().clone())
        };
        assert_eq!(read(Some("right")), Ok(key.public().clone()));
        assert_eq!(read(Some("wrong")), Err(KeyError::WrongPassphrase));
        assert_eq!(read(None), Err(KeyError::Encrypted));
    }

    #[test]
    fn an_empty_passphrase_is_none_and_a_real_one_is_never_shown() {
        assert!(Passphrase::new(Zeroizing::default()).is_none());
        assert_eq!(
            format!("{:?}", passphrase("secret")),
            "Passphrase([elided])"
        );
    }

    #[test]
    fn ed25519_is_written_as_version_1() {
        // RFC 5958: the version is the first integer; openssl before 3.5 reads 0 only.
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
        assert_eq!(key.pkcs8[2..5], [0x02, 0x01, 0x00]);
    }

    #[test]
    fn a_key_derivation_without_bound_is_not_started() {
        let salt = [0; 16];
        let params = pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(
            50_000_000, &salt, [0; 16],
        )
        .expect("legal, if absurd");
        assert!(check_cost(&params.into()).is_err());
    }

    #[test]
    fn two_keys_in_one_file_are_not_guessed_between() {
        let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
        let twice = format!("{0}{0}", *key.to_pem());
        assert_eq!(
            PrivateKey::read(twice.as_bytes(), None).map(drop),
            Err(KeyError::Several(2))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let _ = PrivateKey::read(&bytes, Some(&passphrase("x")));
            for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
                let _ = PrivateKey::read(pem::write(label, &bytes).as_bytes(), Some(&passphrase("x")));
            }
            let _ = PublicKey::from_spki(&bytes);
        }
    }
}
