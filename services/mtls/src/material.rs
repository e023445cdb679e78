//! A folder with a key and certificates, parsed and proven to belong together before anything uses it.
//!
//! The folder is the layout that cert-manager mounts: `tls.crt` (end entity first, then the intermediates), `tls.key`,
//! `ca.crt` (the trust anchors: CAs, or a self-signed end entity, which is then believed for itself alone), and `crl.pem`
//! (revocation lists) if revocation is to be checked. Files that change are a new `Material`; this one never changes.
//!
//! Whoever renews a pair replaces several files, and they cannot be read in one call. So `tls.crt` is read first and
//! once more at the end: when both readings agree and the writer changes all files at one moment, as `pki` and
//! Kubernetes do, then what was read between them belongs to it.

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
        let key_file = dir.join(KEY_FILE);
        let revocation_file = dir.join(REVOCATION_FILE);
        let files = Files::read(dir, |file| std::fs::read(file))?;
        let chain = parse_certificates(&certificate_file, &files.certificate)?;
        let private_key = parse_key(&key_file, &files.key)?;
        let lists = files
            .lists
            .as_deref()
            .map(|lists| (&*revocation_file, lists));
        let trust = parse_trust(&dir.join(TRUST_FILE), &files.anchors, lists)?;

        // `parse_certificates` returns at least one.
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

/// The octets of a folder's files, all of one moment.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    anchors: Vec<u8>,
    lists: Option<Vec<u8>>,
}

impl Files {
    /// `read` reads one file; it is an argument for the tests, in which files change between two readings.
    fn read(
        dir: &Path,
        mut read: impl FnMut(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, MaterialError> {
        let certificate_file = dir.join(CERTIFICATE_FILE);
        let mut failure = MaterialError::Unreadable {
            source: io::Error::other("it changed during each of several readings"),
            file: certificate_file.clone(),
        };
        for _ in 0..MOST_READINGS {
            let mut need = |name: &str| {
                let file = dir.join(name);
                read(&file).map_err(|source| MaterialError::Unreadable { file, source })
            };
            let mut once = || {
                let certificate = need(CERTIFICATE_FILE)?;
                let key = need(KEY_FILE)?;
                let anchors = need(TRUST_FILE)?;
                let lists = match need(REVOCATION_FILE) {
                    Ok(lists) => Some(lists),
                    Err(error) if is_missing(&error) => None,
                    Err(error) => return Err(error),
                };
                let unchanged = need(CERTIFICATE_FILE)? == certificate;
                Ok(unchanged.then_some(Self {
                    certificate,
                    key,
                    anchors,
                    lists,
                }))
            };
            match once() {
                Ok(Some(files)) => return Ok(files),
                Ok(None) => {}
                // A link that was followed to a helper of the writer may lead to nothing when its end is opened.
                Err(error) if is_missing(&error) => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }
}

/// A writer needs milliseconds for one change, because it waits for the disk; one reading needs a fraction of that.
const MOST_READINGS: usize = 16;

fn is_missing(error: &MaterialError) -> bool {
    matches!(error, MaterialError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Trust anchors out of the file `anchors`, with the file of revocation lists and its octets, if there is one.
pub(crate) fn read_trust(
    anchors: &Path,
    lists: Option<(&Path, &[u8])>,
) -> Result<Trust, MaterialError> {
    let octets = std::fs::read(anchors).map_err(|source| MaterialError::Unreadable {
        file: anchors.to_owned(),
        source,
    })?;
    parse_trust(anchors, &octets, lists)
}

fn parse_trust(
    anchors: &Path,
    octets: &[u8],
    lists: Option<(&Path, &[u8])>,
) -> Result<Trust, MaterialError> {
    let certificates = parse_certificates(anchors, octets)?;
    let mut revocation_lists = Vec::new();
    if let Some((file, octets)) = lists {
        for list in CertificateRevocationListDer::pem_slice_iter(octets) {
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
        TrustError::NotTrustworthy {
            position,
            subject,
            reason,
        } => MaterialError::NotTrustworthy {
            file: anchors.to_owned(),
            number: position + 1,
            subject,
            reason,
        },
        TrustError::RevocationList(position, reason) => MaterialError::Malformed {
            file: lists.map_or(anchors, |(file, _)| file).to_owned(),
            reason: format!(
                "its revocation list number {} is not usable ({reason})",
                position + 1
            ),
        },
    })
}

fn parse_certificates(
    file: &Path,
    octets: &[u8],
) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let certificates = CertificateDer::pem_slice_iter(octets)
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

fn parse_key(file: &Path, octets: &[u8]) -> Result<PrivateKeyDer<'static>, MaterialError> {
    if is_encrypted(octets) {
        return Err(MaterialError::EncryptedKey {
            file: file.to_owned(),
        });
    }
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(octets) {
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

fn not_pem(file: &Path) -> MaterialError {
    MaterialError::NotPem {
        file: file.to_owned(),
    }
}

#[cfg(test)]
#[path = "material_tests.rs"]
mod tests;
