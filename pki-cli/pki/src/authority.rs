//! A CA in a folder: `root.crt`, `root.key`, `issuing.crt`, `issuing.key` and the index; and the life of a certificate
//! from the request to the files (steps 3 to 7).
//!
//! `root.key` is needed only to make another issuing CA and may be kept elsewhere. With a single tier there is no
//! `issuing.*`, and the root issues.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{self, Entry, Wait},
    index::{self, Index, Reservation},
    issuer::{Issuer, Notice, Prepared, Refusal, Request},
    key::{KeyAlgorithm, KeyError, Passphrase, PrivateKey, PublicKey},
    parse::{der::Reader, name::Name},
    path_validation::{self, Purpose},
    profile::Profile,
    serial_number::{Reserved, SerialNumber},
    subject_alt_name::GeneralName,
};

/// The CA's folder below `--dir`.
pub const FOLDER: &str = "ca";
const ROOT_CERTIFICATE: &str = "root.crt";
pub(crate) const ROOT_KEY: &str = "root.key";
const ISSUING_CERTIFICATE: &str = "issuing.crt";
pub(crate) const ISSUING_KEY: &str = "issuing.key";

/// Where a passphrase comes from when a key turns out to be encrypted: asked with the key's path, at most once.
pub type Unlock<'a> = dyn FnMut(&Path) -> Result<Passphrase, Error> + 'a;

/// A CA that can issue, with its index.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer,
    index: Option<Index>,
}

/// What a new CA is to be.
#[derive(Clone, Debug)]
pub struct NewAuthority {
    /// The root's subject.
    pub subject: DistinguishedName,
    /// The issuing CA's subject; `None` for a root that issues itself.
    pub issuing_subject: Option<DistinguishedName>,
    /// The keys of both.
    pub key: KeyAlgorithm,
    /// The root's validity.
    pub days: u32,
    /// The issuing CA's validity, clamped to the root's.
    pub issuing_days: u32,
    /// The DNS domains that the CA is bound to.
    pub permitted_dns: Vec<String>,
}

/// What is to be issued to an end entity.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The folder below `--dir`, for the index.
    pub name: Option<&'a str>,
    /// The profile.
    pub profile: Profile,
    /// The subject.
    pub subject: &'a DistinguishedName,
    /// The names, without repetitions.
    pub names: &'a [GeneralName],
    /// The key.
    pub public_key: &'a PublicKey,
    /// The validity.
    pub days: u32,
}

/// A certificate that was issued, recorded and accepted by path validation.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The end entity's certificate.
    pub certificate: Certificate,
    /// What belongs between it and the trust anchor, the issuer first.
    pub intermediates: Vec<Certificate>,
    /// The trust anchor.
    pub anchor: Certificate,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

/// The certificates of a CA that was just made.
#[derive(Clone, Debug)]
pub struct Created {
    /// Where it is.
    pub folder: PathBuf,
    /// The root.
    pub root: Certificate,
    /// The issuing CA, unless the root issues itself.
    pub issuing: Option<Certificate>,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

impl Authority {
    /// Whether there is a CA below this folder.
    pub fn exists(dir: &Path) -> bool {
        dir.join(FOLDER).join(ROOT_CERTIFICATE).exists()
    }

    /// Makes a new CA below `dir`. The folder appears complete or not at all, and an existing one is never touched.
    pub fn create(
        dir: &Path,
        new: &NewAuthority,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Created, Error> {
        let folder = dir.join(FOLDER);
        if Self::exists(dir) {
            return Err(Error::AuthorityExists(folder));
        }
        if let Some(issuing) = &new.issuing_subject
            && have_one_name(issuing, &new.subject)
        {
            return Err(Refusal::SameName(new.subject.to_string()).into());
        }
        // Everything that takes long or can be refused comes before the first file.
        let root_key = PrivateKey::generate(new.key)?;
        let root_public_key = root_key.public().clone();
        let root_request = Request {
            profile: Profile::Root,
            subject: &new.subject,
            names: &[],
            public_key: &root_public_key,
            days: new.days,
            path_length: new.issuing_subject.is_some().into(),
            permitted_dns: &new.permitted_dns,
        };
        let issuing_key = match new.issuing_subject {
            Some(_) => Some(PrivateKey::generate(new.key)?),
            None => None,
        };
        let mut created = None;
        let is_new = folder::create(&folder, wait, |folder| {
            let index = Index::create(&folder.join(index::FILE))?;
            let prepared = Prepared::root(&root_key, &root_request, now)?;
            let root = issue_recorded(&index, prepared, &root_request, &new.subject, now)?;
            let mut notices = Vec::new();
            let mut entries = vec![
                Entry::public(ROOT_CERTIFICATE, root.to_pem()),
                Entry::private(ROOT_KEY, pem_of(&root_key, passphrase)?.as_bytes()),
            ];
            let mut issuing = None;
            if let (Some(subject), Some(key)) = (&new.issuing_subject, &issuing_key) {
                let issuer = Issuer::new(root.clone(), root_key, [])?;
                let request = Request {
                    profile: Profile::Intermediate,
                    subject,
                    names: &[],
                    public_key: key.public(),
                    days: new.issuing_days,
                    path_length: 0,
                    permitted_dns: &new.permitted_dns,
                };
                let prepared = issuer.prepare(&request, now)?;
                notices.extend_from_slice(prepared.notices());
                let certificate = issue_recorded(&index, prepared, &request, &new.subject, now)?;
                validate(&certificate, &[], &root, None, now)?;
                entries.push(Entry::public(ISSUING_CERTIFICATE, certificate.to_pem()));
                entries.push(Entry::private(
                    ISSUING_KEY,
                    pem_of(key, passphrase)?.as_bytes(),
                ));
                issuing = Some(certificate);
            }
            index.close()?;
            folder::write_entries(folder, &entries)?;
            created = Some((root, issuing, notices));
            Ok(())
        })?;
        match created {
            Some((root, issuing, notices)) if is_new => Ok(Created {
                folder,
                root,
                issuing,
                notices,
            }),
            _ => Err(Error::AuthorityExists(folder)),
        }
    }

    /// Opens the CA below `dir`, ready to issue.
    pub fn open(dir: &Path, unlock: &mut Unlock<'_>) -> Result<Self, Error> {
        let folder = dir.join(FOLDER);
        if !Self::exists(dir) {
            return Err(Error::NoAuthority(folder));
        }
        let (root, issuing) = Self::certificates(dir)?;
        let (certificate, key, others) = match issuing {
            Some(issuing) => (issuing, folder.join(ISSUING_KEY), vec![root]),
            None => (root, folder.join(ROOT_KEY), Vec::new()),
        };
        if !key.exists() {
            return Err(Error::AuthorityIncomplete(key));
        }
        let key = read_key(&key, unlock)?;
        let issuer = Issuer::new(certificate, key, others)?;
        let index = Index::open(&folder.join(index::FILE))?;
        Ok(Self {
            issuer,
            index: Some(index),
        })
    }

    /// The root and, unless the root issues itself, the issuing CA below `dir`.
    pub fn certificates(dir: &Path) -> Result<(Certificate, Option<Certificate>), Error> {
        let folder = dir.join(FOLDER);
        let root = read_certificate(&folder.join(ROOT_CERTIFICATE))?;
        let issuing = folder.join(ISSUING_CERTIFICATE);
        if issuing.exists() {
            return Ok((root, Some(read_certificate(&issuing)?)));
        }
        if has_lost_its_issuing_authority(&folder, &root) {
            return Err(Error::AuthorityIncomplete(issuing));
        }
        Ok((root, None))
    }

    /// A CA that lives elsewhere: no index is kept, and every rule holds all the same. The file may hold the
    /// certificates above the CA after its own.
    pub fn elsewhere(
        certificate: &Path,
        key: &Path,
        unlock: &mut Unlock<'_>,
    ) -> Result<Self, Error> {
        let mut certificates = read_certificates(certificate)?.into_iter();
        let Some(own) = certificates.next() else {
            return Err(Error::NoAuthority(certificate.to_owned()));
        };
        let key = read_key(key, unlock)?;
        Ok(Self {
            issuer: Issuer::new(own, key, certificates)?,
            index: None,
        })
    }

    /// The CA itself.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether an index is kept.
    pub fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// Issues one certificate: prepare, reserve the serial number, sign, validate, record. See the life of a certificate
    /// in the documentation; nothing is written but the index.
    pub fn issue(&self, order: &Order<'_>, now: OffsetDateTime) -> Result<Issued, Error> {
        let request = Request {
            profile: order.profile,
            subject: order.subject,
            names: order.names,
            public_key: order.public_key,
            days: order.days,
            path_length: 0,
            permitted_dns: &[],
        };
        let prepared = self.issuer.prepare(&request, now)?;
        let notices = prepared.notices().to_vec();
        let reserved = match &self.index {
            Some(index) => {
                let issuer = self.issuer.certificate().subject();
                index.reserve(&reservation(order.name, &request, issuer), now)?
            }
            None => Reserved::without_index(SerialNumber::random()?),
        };
        let certificate = prepared.issue(reserved)?;
        let intermediates: Vec<_> = self.issuer.intermediates().into_iter().cloned().collect();
        let anchor = self.issuer.anchor().clone();
        validate(
            &certificate,
            &intermediates,
            &anchor,
            Some(order.profile),
            now,
        )?;
        if let Some(index) = &self.index {
            index.record(&certificate)?;
        }
        Ok(Issued {
            certificate,
            intermediates,
            anchor,
            notices,
        })
    }
}

impl Issued {
    /// What `tls.crt` holds: the certificate, then the intermediates (RFC 8446 §4.4.2).
    pub fn chain_pem(&self) -> String {
        std::iter::once(&self.certificate)
            .chain(&self.intermediates)
            .map(Certificate::to_pem)
            .collect()
    }

    /// What `ca.crt` holds.
    pub fn anchor_pem(&self) -> String {
        self.anchor.to_pem()
    }
}

/// Without `issuing.crt` the root would issue itself, in silence. It does so only when that was meant: a root that allows
/// for a CA below it (RFC 5280 §4.2.1.9) is taken for one of two tiers, unless the index knows of none.
fn has_lost_its_issuing_authority(folder: &Path, root: &Certificate) -> bool {
    let has_room = root
        .basic_constraints
        .as_ref()
        .and_then(|constraints| constraints.path_length)
        .is_some_and(|length| length > 0);
    let index_says = || {
        Index::open(&folder.join(index::FILE))
            .and_then(|index| index.knows_issuing_authority())
            // Of an index that cannot be read nothing is assumed.
            .unwrap_or(true)
    };
    folder.join(ISSUING_KEY).exists() || (has_room && index_says())
}

/// Whether verifiers take two names for one: letter case and repeated spaces do not count (RFC 5280 §7.1).
pub fn have_one_name(one: &DistinguishedName, other: &DistinguishedName) -> bool {
    let canonical = |name: &DistinguishedName| {
        Name::read(&mut Reader::new(name.der()), "the name").map(|name| name.canonical())
    };
    match (canonical(one), canonical(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

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

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
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

fn issue_recorded(
    index: &Index,
    prepared: Prepared<'_>,
    request: &Request<'_>,
    issuer: &DistinguishedName,
    now: OffsetDateTime,
) -> Result<Certificate, Error> {
    let reserved = index.reserve(&reservation(Some(FOLDER), request, issuer), now)?;
    let certificate = prepared.issue(reserved)?;
    index.record(&certificate)?;
    Ok(certificate)
}

fn reservation<'a>(
    name: Option<&'a str>,
    request: &Request<'_>,
    issuer: &DistinguishedName,
) -> Reservation<'a> {
    Reservation {
        name,
        profile: request.profile,
        subject: request.subject.to_string(),
        names: request.names.iter().map(ToString::to_string).collect(),
        issuer: issuer.to_string(),
    }
}

/// Our own output, judged by the same validator that judges strangers.
fn validate(
    certificate: &Certificate,
    intermediates: &[Certificate],
    anchor: &Certificate,
    profile: Option<Profile>,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let mut purposes = Vec::new();
    if profile.is_some_and(Profile::is_server) {
        purposes.push(Some(Purpose::Server));
    }
    if profile.is_some_and(Profile::is_client) {
        purposes.push(Some(Purpose::Client));
    }
    if purposes.is_empty() {
        purposes.push(None);
    }
    for purpose in purposes {
        let request = path_validation::Request::new(certificate.der(), now)
            .trust([anchor.der()])
            .intermediates(intermediates.iter().map(Certificate::der));
        let request = match purpose {
            Some(purpose) => request.purpose(purpose),
            None => request,
        };
        path_validation::validate(&request)
            .map_err(|rejected| Error::OwnOutputRefused(rejected.to_string()))?;
    }
    Ok(())
}
