//! Private keys: made, read in every form that openssl writes, written in one. The signature algorithm follows from the key.

use std::fmt;

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
use zeroize::Zeroizing;

use super::{
    ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, ECDSA_WITH_SHA512, ED25519, KeyAlgorithm, KeyError,
    Passphrase, PublicKey, SHA256_WITH_RSA,
};
use crate::{der, pem};

/// A private key.
pub struct PrivateKey {
    pair: Pair,
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
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

    /// Reads an encrypted key from DER.
    pub(crate) fn decrypt(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
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

static CURVES: [&EcdsaSigningAlgorithm; 3] = [
    &ECDSA_P256_SHA256_ASN1_SIGNING,
    &ECDSA_P384_SHA384_ASN1_SIGNING,
    &ECDSA_P521_SHA512_ASN1_SIGNING,
];

fn unusable(rejected: aws_lc_rs::error::KeyRejected) -> KeyError {
    KeyError::Unusable(match rejected.to_string().as_str() {
        "TooSmall" => {
            return KeyError::Weak("RSA keys need at least 2048 bits; make a new one".to_owned());
        }
        "TooLarge" => "RSA keys may have at most 8192 bits".to_owned(),
        "InvalidEncoding" => "its encoding is damaged".to_owned(),
        "InconsistentComponents" => "its numbers contradict each other".to_owned(),
        "WrongAlgorithm" => "it is of another kind".to_owned(),
        other => other.to_owned(),
    })
}

/// The cost of a key derivation stands in the file, so whoever wrote the file could make us run for years or take all
/// memory: both are bounded before we start.
pub(super) fn check_cost(scheme: &pkcs8::pkcs5::EncryptionScheme) -> Result<(), KeyError> {
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
