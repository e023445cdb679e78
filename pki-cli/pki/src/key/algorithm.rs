//! The kinds of keys that are made, by the names that people write.

use std::{fmt, str::FromStr};

use super::{KeyError, PublicKey, PublicKeyKind};

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
