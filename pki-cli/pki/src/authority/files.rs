//! Keys and certificates of a CA as they lie in files.

use std::path::Path;

use super::Unlock;
use crate::{
    certificate::Certificate,
    error::Error,
    folder,
    key::{KeyError, Passphrase, PrivateKey},
};

/// Reads a private key and asks for the passphrase only when the key is encrypted.
pub fn read_key(path: &Path, unlock: &mut Unlock<'_>) -> Result<PrivateKey, Error> {
    key_from(&folder::read(path)?, path, unlock)
}

/// The same from a file that a person named.
pub fn read_given_key(path: &Path, unlock: &mut Unlock<'_>) -> Result<PrivateKey, Error> {
    key_from(&folder::read_given(path)?, path, unlock)
}

fn key_from(bytes: &[u8], path: &Path, unlock: &mut Unlock<'_>) -> Result<PrivateKey, Error> {
    let failed = |reason| Error::KeyFile {
        path: path.to_owned(),
        reason,
    };
    match PrivateKey::read(bytes, None) {
        Err(KeyError::Encrypted) => PrivateKey::read(bytes, Some(&unlock(path)?)).map_err(failed),
        other => other.map_err(failed),
    }
}

/// Reads every certificate of a file; there is at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    certificates_from(&folder::read(path)?, path)
}

/// The same from a file that a person named.
pub fn read_given_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    certificates_from(&folder::read_given(path)?, path)
}

/// Every certificate of what was read from a file; there is at least one.
pub(crate) fn certificates_from(bytes: &[u8], path: &Path) -> Result<Vec<Certificate>, Error> {
    Certificate::read_all(bytes).map_err(|error| Error::CertificateFile {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// A key as it is written: encrypted when there is a passphrase.
pub fn pem_of(
    key: &PrivateKey,
    passphrase: Option<&Passphrase>,
) -> Result<zeroize::Zeroizing<String>, KeyError> {
    match passphrase {
        Some(passphrase) => key.to_encrypted_pem(passphrase),
        None => Ok(key.to_pem()),
    }
}
