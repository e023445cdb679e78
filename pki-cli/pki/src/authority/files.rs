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
    let bytes = folder::read(path)?;
    let failed = |reason| Error::KeyFile {
        path: path.to_owned(),
        reason,
    };
    match PrivateKey::read(&bytes, None) {
        Err(KeyError::Encrypted) => PrivateKey::read(&bytes, Some(&unlock(path)?)).map_err(failed),
        other => other.map_err(failed),
    }
}

/// Reads the first certificate of a file.
pub fn read_certificate(path: &Path) -> Result<Certificate, Error> {
    let first = read_certificates(path)?.into_iter().next();
    // `read_certificates` returns at least one.
    first.ok_or_else(|| Error::NoAuthority(path.to_owned()))
}

/// Reads every certificate of a file; there is at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let bytes = folder::read(path)?;
    Certificate::read_all(&bytes).map_err(|error| Error::CertificateFile {
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
