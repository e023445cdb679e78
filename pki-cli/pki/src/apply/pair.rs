//! What lies in the folder of a certificate: written as a pair, and read as one.

use std::path::Path;

use crate::{
    authority::Issued,
    certificate::Certificate,
    error::Error,
    folder::{self, Entry as File, Folder},
    key::{KeyError, PrivateKey},
};

/// Writes a certificate and its key, both at once. A request that waited for its certificate is settled by this.
pub fn write_pair(folder: Folder, issued: &Issued, key_pem: &[u8]) -> Result<(), Error> {
    let mut files = vec![
        File::public(folder::CERTIFICATE, issued.chain_pem()),
        File::private(folder::KEY, key_pem),
        File::public(folder::ANCHOR, issued.anchor_pem()),
    ];
    files.extend(lists_file(issued)?);
    Ok(folder.replace(&files, &[folder::REQUEST])?)
}

/// Writes a certificate beside the key that is there, or that is kept elsewhere.
pub fn write_certificate(folder: Folder, issued: &Issued) -> Result<(), Error> {
    let mut files = vec![
        File::public(folder::CERTIFICATE, issued.chain_pem()),
        File::public(folder::ANCHOR, issued.anchor_pem()),
    ];
    files.extend(lists_file(issued)?);
    Ok(folder.replace(&files, &[])?)
}

/// The CA's CRLs, once there are any: they change together with the certificate that they may be about.
fn lists_file(issued: &Issued) -> Result<Option<File>, Error> {
    let lists = issued.revocation_lists()?;
    Ok(lists.map(|lists| File::public(folder::REVOCATION_LISTS, lists)))
}

/// Whether there is a key that only a passphrase opens.
pub fn has_encrypted_key(path: &Path) -> Result<bool, Error> {
    let key = folder::read_if_there(&path.join(folder::KEY))?;
    Ok(key.is_some_and(|key| {
        matches!(
            PrivateKey::read(&key, None),
            Err(KeyError::Encrypted | KeyError::UnsupportedEncryption(_))
        )
    }))
}

pub(super) enum Pair {
    Broken(String),
    Whole {
        chain: Vec<Certificate>,
        anchor: Vec<Certificate>,
        problem: Option<String>,
    },
}

impl Pair {
    /// `None` when nothing is there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let file =
            |name: &str| -> Result<_, Error> { Ok(folder::read_if_there(&path.join(name))?) };
        let (certificate, key, anchor) = (
            file(folder::CERTIFICATE)?,
            file(folder::KEY)?,
            file(folder::ANCHOR)?,
        );
        let (certificate, key, anchor) = match (certificate, key, anchor) {
            (None, None, _) => return Ok(None),
            (Some(certificate), Some(key), Some(anchor)) => (certificate, key, anchor),
            (certificate, key, _) => {
                let missing = match (certificate, key) {
                    (None, _) => folder::CERTIFICATE,
                    (_, None) => folder::KEY,
                    _ => folder::ANCHOR,
                };
                return Ok(Some(Self::Broken(format!("{missing} is missing"))));
            }
        };
        let (Ok(chain), Ok(anchor)) = (
            Certificate::read_all(&certificate),
            Certificate::read_all(&anchor),
        ) else {
            return Ok(Some(Self::Broken("the certificate is damaged".to_owned())));
        };
        let problem = match PrivateKey::read(&key, None) {
            Ok(key)
                if chain
                    .first()
                    .is_some_and(|own| own.public_key() == key.public()) =>
            {
                None
            }
            Ok(_) => Some("the key is another certificate's".to_owned()),
            // Without the passphrase nothing can be said, and nothing is assumed.
            Err(KeyError::Encrypted) => None,
            Err(_) => Some("the key is damaged".to_owned()),
        };
        Ok(Some(Self::Whole {
            chain,
            anchor,
            problem,
        }))
    }
}
