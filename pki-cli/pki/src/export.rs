//! A pair as it is handed to other programs: read from its folder as one, checked, and put into one file.
//!
//! The forms: PKCS#12 ([`crate::pkcs12`]), one PEM file with key and chain, as haproxy and its like want it, and a Secret
//! of Kubernetes ([`crate::kubernetes`]). What it deliberately does not do: hand out the key of a CA.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{
    authority::Unlock,
    certificate::Certificate,
    error::{Error, ErrorKind},
    folder::{self, ANCHOR, CERTIFICATE, FolderError, KEY, REVOCATION_LISTS},
    inspect,
    key::{KeyError, PrivateKey},
    kubernetes::SecretRefused,
    path_validation::{self, FailureKind},
};

/// How often a folder is read again because somebody wrote to it meanwhile.
const ATTEMPTS: usize = 100;

/// Why a pair is not handed out: one sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportRefused {
    /// There is no pair.
    #[error(
        "There is no certificate in {0:?}; name a folder below --dir that holds {CERTIFICATE}, or give the path of one."
    )]
    Missing(PathBuf),
    /// The folder of a CA.
    #[error(
        "{0:?} is the folder of a CA, whose key is not handed out; copy its certificate, or the whole folder for a backup."
    )]
    OfAuthority(PathBuf),
    /// Key and certificate are of different pairs.
    #[error(
        "The key in {0:?} does not belong to the certificate beside it, so nobody could use the two together; issue the pair again."
    )]
    KeyMismatch(PathBuf),
    /// Somebody writes to the folder all the time.
    #[error("The files in {0:?} changed each time they were read; try again in a moment.")]
    Changing(PathBuf),
    /// The form cannot hold it.
    #[error(transparent)]
    Secret(#[from] SecretRefused),
}

impl ExportRefused {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) => ErrorKind::NotFound,
            Self::OfAuthority(_) | Self::KeyMismatch(_) => ErrorKind::Refused,
            Self::Changing(_) => ErrorKind::Busy,
            Self::Secret(error) => error.kind(),
        }
    }
}

/// The files of a folder, which belong together.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    certificate: Zeroizing<Vec<u8>>,
    key: Option<Zeroizing<Vec<u8>>>,
    anchor: Option<Zeroizing<Vec<u8>>>,
    crl: Option<Zeroizing<Vec<u8>>>,
}

/// A pair, ready to be put into another form.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exported {
    /// The private key, unless it was left out.
    pub key: Option<PrivateKey>,
    /// The certificate, then the intermediates.
    pub certificates: Vec<Certificate>,
    /// The trust anchors.
    pub anchors: Vec<Certificate>,
    /// The CRLs, in PEM, where there are any.
    pub crl: Option<Zeroizing<Vec<u8>>>,
}

impl Files {
    /// Reads a folder, such that all files are of one moment: a change in between is noticed by the certificate. A key that
    /// is not wanted is not read: whoever wants the chain need not be its owner.
    pub fn read(path: &Path, with_key: bool) -> Result<Self, Error> {
        if folder::is_of_authority(path)? {
            return Err(ExportRefused::OfAuthority(path.to_owned()).into());
        }
        let file = |name: &str| folder::read_if_there(&path.join(name));
        for _ in 0..ATTEMPTS {
            let Some(certificate) = file(CERTIFICATE)? else {
                return Err(ExportRefused::Missing(path.to_owned()).into());
            };
            let files = Self {
                path: path.to_owned(),
                certificate,
                key: match with_key {
                    true => Some(file(KEY)?.ok_or_else(|| FolderError::Missing(path.join(KEY)))?),
                    false => None,
                },
                anchor: file(ANCHOR)?,
                crl: file(REVOCATION_LISTS)?,
            };
            if file(CERTIFICATE)?.is_some_and(|again| *again == *files.certificate) {
                return Ok(files);
            }
        }
        Err(ExportRefused::Changing(path.to_owned()).into())
    }

    /// Takes the pair apart and checks that it is one.
    pub fn open(self, unlock: &mut Unlock<'_>) -> Result<Exported, Error> {
        let key = match &self.key {
            Some(bytes) => Some(self.key(bytes, unlock)?),
            None => None,
        };
        let certificates = self.certificates(CERTIFICATE, &self.certificate)?;
        if let (Some(key), Some(own)) = (&key, certificates.first())
            && key.public() != own.public_key()
        {
            return Err(ExportRefused::KeyMismatch(self.path).into());
        }
        let anchors = match &self.anchor {
            Some(anchor) => self.certificates(ANCHOR, anchor)?,
            None => Vec::new(),
        };
        Ok(Exported {
            key,
            certificates,
            anchors,
            crl: self.crl,
        })
    }

    fn key(&self, bytes: &[u8], unlock: &mut Unlock<'_>) -> Result<PrivateKey, Error> {
        let path = self.path.join(KEY);
        let failed = |reason| Error::KeyFile {
            path: path.clone(),
            reason,
        };
        match PrivateKey::read(bytes, None) {
            Err(KeyError::Encrypted) => {
                PrivateKey::read(bytes, Some(&unlock(&path)?)).map_err(failed)
            }
            other => other.map_err(failed),
        }
    }

    fn certificates(&self, name: &str, bytes: &[u8]) -> Result<Vec<Certificate>, Error> {
        Certificate::read_all(bytes).map_err(|error| Error::CertificateFile {
            path: self.path.join(name),
            reason: error.to_string(),
        })
    }
}

impl Exported {
    /// The certificate and the intermediates, in PEM.
    pub fn chain_pem(&self) -> String {
        self.certificates.iter().map(Certificate::to_pem).collect()
    }

    /// The trust anchors, in PEM.
    pub fn anchors_pem(&self) -> String {
        self.anchors.iter().map(Certificate::to_pem).collect()
    }

    /// Why nobody will accept the certificate: half a sentence. The folder's own CRLs are asked, or else these of its CA.
    pub fn rejected(&self, of_ca: Option<&[u8]>, now: OffsetDateTime) -> Option<String> {
        let (own, intermediates) = self.certificates.split_first()?;
        if own.not_after() < now {
            return Some(format!(
                "it ended on {}",
                crate::issuer::date(own.not_after())
            ));
        }
        let lists = self.crl.as_ref().map(|lists| lists.as_slice());
        let lists = inspect::crls(lists.or(of_ca)?).ok()?;
        let request = path_validation::Request::new(own.der(), now)
            .trust(self.anchors.iter().map(Certificate::der))
            .intermediates(intermediates.iter().map(Certificate::der))
            .crls(&lists);
        match path_validation::validate(&request) {
            Err(rejected) if rejected.kind == FailureKind::Revoked => {
                Some(format!("{} ({})", rejected.reason, rejected.clause))
            }
            _ => None,
        }
    }

    /// One file: the key, where it is there, the certificate, the intermediates. The trust anchor is the peer's to know
    /// (RFC 8446 section 4.4.2).
    pub fn to_pem(&self) -> Zeroizing<String> {
        let key = self.key.as_ref().map(PrivateKey::to_pem);
        let key = key.as_deref().map_or("", String::as_str);
        let chain = self.chain_pem();
        // Room for all at once: what a growing string leaves behind is not wiped.
        let mut pem = Zeroizing::new(String::with_capacity(key.len() + chain.len()));
        pem.push_str(key);
        pem.push_str(&chain);
        pem
    }

    /// Everything that a PKCS#12 file holds: the chain up to the trust anchors, each certificate once.
    pub fn all_certificates(&self) -> Vec<Certificate> {
        let mut all: Vec<Certificate> = Vec::new();
        for certificate in self.certificates.iter().chain(&self.anchors) {
            if !all.contains(certificate) {
                all.push(certificate.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        folder::{Entry, write_entries},
        key::KeyAlgorithm,
        path_validation::tests::sample,
    };

    fn certificates() -> Vec<Certificate> {
        let [root, issuing, leaf, _] = sample();
        [leaf, issuing, root]
            .iter()
            .map(|der| Certificate::from_der(der).expect("a certificate"))
            .collect()
    }

    fn no_passphrase(_: &Path) -> Result<crate::key::Passphrase, Error> {
        unreachable!("the key is not encrypted")
    }

    #[test]
    fn a_key_of_another_certificate_is_not_handed_out_with_it() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
        let pair = [
            Entry::public(CERTIFICATE, certificates()[0].to_pem()),
            Entry::private(KEY, key.to_pem().as_bytes()),
        ];
        write_entries(home.path(), &pair).expect("written");
        let opened = |with_key| {
            Files::read(home.path(), with_key)
                .expect("read")
                .open(&mut no_passphrase)
        };
        let error = opened(true).expect_err("another key").to_string();
        assert!(
            error.contains("does not belong to the certificate"),
            "{error}"
        );
        assert!(opened(false).expect("without the key").key.is_none());
    }

    #[test]
    fn the_folder_of_a_ca_is_not_handed_out() {
        let home = tempfile::tempdir().expect("a temporary folder");
        write_entries(home.path(), &[Entry::private("root.key", "x")]).expect("written");
        let error = Files::read(home.path(), true)
            .expect_err("a CA")
            .to_string();
        assert!(error.contains("folder of a CA"), "{error}");
    }

    #[test]
    fn a_certificate_that_is_in_the_chain_and_an_anchor_is_there_once() {
        let all = certificates();
        let exported = Exported {
            key: None,
            certificates: all.clone(),
            anchors: vec![all[2].clone()],
            crl: None,
        };
        assert_eq!(exported.all_certificates(), all);
    }
}
