//! A folder with a key and certificates, parsed and proven to belong together before anything uses it.
//!
//! The folder is the layout that cert-manager mounts: `tls.crt` (end entity first, then the intermediates), `tls.key`,
//! `ca.crt` (the trust anchors), and `crl.pem` (revocation lists) if revocation is to be checked. Each file is read
//! once. Files that change are a new `Material`; this one never changes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};

use crate::certificate_problem::{CertificateProblem, Purpose};
use crate::material_error::MaterialError;
use crate::peer_identity::PeerIdentity;
use crate::provider::crypto_provider;
use crate::verification::{Trust, TrustError};

/// The file with the end-entity certificate, followed by its intermediates.
pub const CERTIFICATE_FILE: &str = "tls.crt";
/// The file with the private key.
pub const KEY_FILE: &str = "tls.key";
/// The file with the trust anchors.
pub const TRUST_FILE: &str = "ca.crt";
/// The file with the revocation lists; it may be absent.
pub const REVOCATION_FILE: &str = "crl.pem";

/// A key, its certificates and whom to trust, proven to belong together.
#[derive(Clone)]
pub struct Material {
    dir: PathBuf,
    key: Arc<CertifiedKey>,
    trust: Arc<Trust>,
    identity: Arc<PeerIdentity>,
    for_servers: bool,
    for_clients: bool,
}

impl Material {
    /// Reads the folder and proves it as of now.
    ///
    /// # Errors
    /// [`MaterialError`]: one sentence that names the file, what is wrong with it, and what to do.
    pub fn load(dir: &Path) -> Result<Self, MaterialError> {
        Self::load_at(dir, SystemTime::now())
    }

    /// Reads the folder and proves it as of `now`: for a clock other than the system's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_at(dir: &Path, now: SystemTime) -> Result<Self, MaterialError> {
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = UnixTime::since_unix_epoch(since_epoch);

        let certificate_file = dir.join(CERTIFICATE_FILE);
        let chain = read_certificates(&certificate_file)?;
        let key_file = dir.join(KEY_FILE);
        let private_key = read_key(&key_file)?;
        let trust = read_trust(&dir.join(TRUST_FILE), Some(&dir.join(REVOCATION_FILE)))?;

        // `read_certificates` returns at least one.
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return Err(MaterialError::Empty {
                file: certificate_file,
                what: "certificate",
            });
        };
        let identity = PeerIdentity::from_certificate(end_entity).map_err(|error| {
            MaterialError::Malformed {
                file: certificate_file.clone(),
                reason: error.to_string(),
            }
        })?;

        let signing_key = crypto_provider()
            .key_provider
            .load_private_key(private_key)
            .map_err(|_| MaterialError::UnsupportedKey {
                file: key_file.clone(),
            })?;
        let key = CertifiedKey::new(chain.clone(), signing_key);
        key.keys_match().map_err(|_| MaterialError::KeyMismatch {
            key: key_file,
            certificate: certificate_file.clone(),
        })?;

        let prove = |purpose| trust.verify(end_entity, intermediates, purpose, None, now);
        let (server, client) = (prove(Purpose::Server), prove(Purpose::Client));
        let (for_servers, for_clients) = (server.is_ok(), client.is_ok());
        if let (Err(problem), Err(other)) = (server, client) {
            // A certificate that is only for clients fails as a server's for its purpose, which is not what is wrong.
            let problem = match (problem, other) {
                (
                    CertificateProblem::WrongPurpose { .. },
                    CertificateProblem::WrongPurpose { .. },
                ) => {
                    return Err(MaterialError::NoPurpose {
                        file: certificate_file,
                    });
                }
                (CertificateProblem::WrongPurpose { .. }, problem) | (problem, _) => problem,
            };
            return Err(MaterialError::NotAcceptable {
                certificate: certificate_file,
                anchors: dir.join(TRUST_FILE),
                problem,
            });
        }

        Ok(Self {
            dir: dir.to_owned(),
            key: Arc::new(key),
            trust: Arc::new(trust),
            identity: Arc::new(identity),
            for_servers,
            for_clients,
        })
    }

    /// The names in the folder's own certificate.
    #[must_use]
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// The folder it came from.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the certificate can be a server's (`serverAuth`).
    #[must_use]
    pub fn is_for_servers(&self) -> bool {
        self.for_servers
    }

    /// Whether the certificate can be a client's (`clientAuth`).
    #[must_use]
    pub fn is_for_clients(&self) -> bool {
        self.for_clients
    }

    /// Whether the folder had revocation lists, so that revocation is checked.
    #[must_use]
    pub fn checks_revocation(&self) -> bool {
        self.trust.revocation_list_count() > 0
    }

    pub(crate) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    pub(crate) fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }
}

/// Names everything but the key.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dir,
            key: _,
            trust,
            identity,
            for_servers,
            for_clients,
        } = self;
        f.debug_struct("Material")
            .field("dir", dir)
            .field("key", &"elided")
            .field("anchors", &trust.anchor_count())
            .field("revocation_lists", &trust.revocation_list_count())
            .field("identity", &identity.to_string())
            .field("for_servers", for_servers)
            .field("for_clients", for_clients)
            .finish()
    }
}

/// Trust anchors out of `anchors`, and revocation lists out of `lists` if that file exists.
pub(crate) fn read_trust(anchors: &Path, lists: Option<&Path>) -> Result<Trust, MaterialError> {
    let certificates = read_certificates(anchors)?;
    let mut revocation_lists = Vec::new();
    if let Some(file) = lists
        && let Some(bytes) = read_if_exists(file)?
    {
        for list in CertificateRevocationListDer::pem_slice_iter(&bytes) {
            revocation_lists.push(list.map_err(|_| not_pem(file))?);
        }
        // A file without a list would switch the check off without a word.
        if revocation_lists.is_empty() {
            return Err(MaterialError::Empty {
                file: file.to_owned(),
                what: "revocation list",
            });
        }
    }
    Trust::new(&certificates, &revocation_lists).map_err(|error| match error {
        TrustError::Anchor(position) => MaterialError::Malformed {
            file: anchors.to_owned(),
            reason: format!(
                "its certificate number {} is not X.509 in DER",
                position + 1
            ),
        },
        TrustError::RevocationList(position, reason) => MaterialError::Malformed {
            file: lists.unwrap_or(anchors).to_owned(),
            reason: format!(
                "its revocation list number {} is not usable ({reason})",
                position + 1
            ),
        },
    })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let bytes = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| not_pem(file))?;
    if certificates.is_empty() {
        return Err(MaterialError::Empty {
            file: file.to_owned(),
            what: "certificate",
        });
    }
    Ok(certificates)
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, MaterialError> {
    let bytes = read(file)?;
    if is_encrypted(&bytes) {
        return Err(MaterialError::EncryptedKey {
            file: file.to_owned(),
        });
    }
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes) {
        let (kind, der) = section.map_err(|_| not_pem(file))?;
        keys.extend(PrivateKeyDer::from_pem(kind, der));
    }
    match keys.len() {
        0 => Err(MaterialError::Empty {
            file: file.to_owned(),
            what: "private key",
        }),
        1 => Ok(keys.remove(0)),
        count => Err(MaterialError::SeveralKeys {
            file: file.to_owned(),
            count,
        }),
    }
}

/// PKCS#8 says it in its label (RFC 7468, 11), the older forms of OpenSSL in a header (RFC 1421, 4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.lines().any(|line| {
        let line = line.trim();
        line == "-----BEGIN ENCRYPTED PRIVATE KEY-----"
            || (line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED"))
    })
}

fn read(file: &Path) -> Result<Vec<u8>, MaterialError> {
    std::fs::read(file).map_err(|source| MaterialError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

fn read_if_exists(file: &Path) -> Result<Option<Vec<u8>>, MaterialError> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MaterialError::Unreadable {
            file: file.to_owned(),
            source,
        }),
    }
}

fn not_pem(file: &Path) -> MaterialError {
    MaterialError::NotPem {
        file: file.to_owned(),
    }
}

#[cfg(test)]
#[path = "material_tests.rs"]
mod tests;
