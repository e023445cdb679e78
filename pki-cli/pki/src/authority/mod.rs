//! A CA in a folder: `root.crt`, `root.key`, `issuing.crt`, `issuing.key` and the index; and the life of a certificate
//! from the request to the files (steps 3 to 7).
//!
//! `root.key` is needed to make another issuing CA, to revoke one, and about twice a year for the root's CRL once there is
//! a `crl.pem`; otherwise it may be kept elsewhere. With a single tier there is no
//! `issuing.*`, and the root issues. While a CA is being replaced there are more of them (`generations`).

mod create;
mod files;
mod generations;
mod own_index;
mod rehearsal;
mod subordinate;

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

pub use create::{Created, NewAuthority};
pub(crate) use files::certificates_from;
pub use files::{pem_of, read_certificates, read_given_certificates, read_given_key, read_key};
pub use generations::{Generations, Role, Stage, is_generation_of, successor};
pub use rehearsal::{Draft, Rehearsal};
pub use subordinate::Subordinate;

use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{self, FolderError},
    index::{self, Index, Reservation},
    issuer::{Issuer, Notice, Prepared, Request},
    key::{Passphrase, PublicKey},
    parse::{der::Reader, name::Name},
    path_validation::{self, Purpose, Series},
    profile::Profile,
    serial_number::{Reserved, SerialNumber},
    subject_alt_name::GeneralName,
};

/// The CA's folder below `--dir`.
pub const FOLDER: &str = "ca";
pub(crate) const ROOT_CERTIFICATE: &str = "root.crt";
pub(crate) const ROOT_KEY: &str = "root.key";
pub(crate) const ISSUING_CERTIFICATE: &str = "issuing.crt";
pub(crate) const ISSUING_KEY: &str = "issuing.key";

/// Where a passphrase comes from when a key turns out to be encrypted: asked with the key's path, at most once.
pub type Unlock<'a> = dyn FnMut(&Path) -> Result<Passphrase, Error> + 'a;

/// A CA that can issue, with its index.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer,
    /// What peers may present a certificate of, the root first.
    anchors: Vec<Certificate>,
    /// The names of the CAs of `--dir`, which no other CA must have.
    others: Vec<DistinguishedName>,
    index: Option<Index>,
    /// The folder that it lies in, unless it lies elsewhere.
    dir: Option<PathBuf>,
    taken_over: Vec<String>,
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
    /// The trust anchors: its own first, then those of peers while a root is being replaced.
    pub anchors: Vec<Certificate>,
    /// What the person should know.
    pub notices: Vec<Notice>,
    /// Where the CRLs of the CA are.
    lists: Option<PathBuf>,
}

impl Authority {
    /// Whether there is a CA below this folder, or what is left of one: whoever reads it next says what it lacks.
    pub fn exists(dir: &Path) -> bool {
        // Where this user may not look there may be one: whoever reads it next says why it cannot be read.
        Self::look_for(dir).unwrap_or(true)
    }

    /// Refuses to make a CA where there is one, and where this user may not look for one.
    pub fn refuse_another(dir: &Path) -> Result<(), Error> {
        match Self::look_for(dir)? {
            true => Err(Error::AuthorityExists(dir.join(FOLDER))),
            false => Ok(()),
        }
    }

    fn look_for(dir: &Path) -> Result<bool, FolderError> {
        let folder = dir.join(FOLDER);
        let parts = [
            ROOT_CERTIFICATE,
            ISSUING_CERTIFICATE,
            ISSUING_KEY,
            ROOT_KEY,
            index::FILE,
        ];
        for part in parts {
            match folder::is_there(&folder.join(part)) {
                Ok(true) => return Ok(true),
                Err(error) if error.is_permission_denied() => return Err(error),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Opens the CA below `dir`, ready to issue.
    pub fn open(dir: &Path, unlock: &mut Unlock<'_>) -> Result<Self, Error> {
        let (issuer, generations) = key_of(dir, unlock)?;
        let (index, taken_over) = generations.index_to_issue(issuer.certificate())?;
        index.refuse_revoked(issuer.chain())?;
        Ok(Self {
            issuer,
            anchors: generations.anchors().into_iter().cloned().collect(),
            others: Vec::new(),
            index: Some(index),
            dir: Some(dir.to_owned()),
            taken_over,
        })
    }

    /// The root and, unless the root issues itself, the issuing CA below `dir`.
    pub fn certificates(dir: &Path) -> Result<(Certificate, Option<Certificate>), Error> {
        let generations = Generations::read(dir)?;
        let root = generations.root()?.clone();
        Ok((root, generations.get(Role::Issuing).cloned()))
    }

    /// A CA that lives elsewhere: no index is kept, and every rule holds all the same. The file may hold the
    /// certificates above the CA after its own.
    pub fn elsewhere(
        certificate: &Path,
        key: &Path,
        unlock: &mut Unlock<'_>,
    ) -> Result<Self, Error> {
        let mut certificates = read_given_certificates(certificate)?.into_iter();
        let Some(own) = certificates.next() else {
            return Err(Error::NoAuthority(certificate.to_owned()));
        };
        let key = read_given_key(key, unlock)?;
        let issuer = Issuer::new(own, key, certificates)?;
        Ok(Self {
            anchors: vec![issuer.anchor().clone()],
            issuer,
            others: Vec::new(),
            index: None,
            dir: None,
            taken_over: Vec::new(),
        })
    }

    /// The CA itself.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The CA, the trust anchors and its index, for those who give each to somebody else.
    pub fn parts(&mut self) -> (&Issuer, &[Certificate], Option<&mut Index>) {
        (&self.issuer, &self.anchors, self.index.as_mut())
    }

    /// What `ca.crt` holds: the trust anchors of everybody who may call, the own one first.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// What the index lacked when it was opened, and was taken over from `crl.pem`, in sentences: an older copy of it was
    /// brought back.
    pub fn taken_over(&self) -> &[String] {
        &self.taken_over
    }

    /// Whether an index is kept.
    pub fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// Issues one certificate: prepare, reserve the serial number, sign, validate, record. See the life of a certificate
    /// in the documentation; nothing is written but the index.
    pub fn issue(&self, order: &Order<'_>, now: OffsetDateTime) -> Result<Issued, Error> {
        self.issue_request(order.name, &order.request(), now)
    }

    fn issue_request(
        &self,
        name: Option<&str>,
        request: &Request<'_>,
        now: OffsetDateTime,
    ) -> Result<Issued, Error> {
        let prepared = self.issuer.prepare(request, now)?;
        let mut notices = prepared.notices().to_vec();
        notices.extend(self.issuer.notices());
        let reserved = match &self.index {
            Some(index) => {
                let issuer = self.issuer.certificate().subject();
                let what = reservation(name, request, issuer);
                // It may have been revoked since it was opened, which is asked there once more.
                index.reserve(self.issuer.chain(), &what, now)?
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
            Some(request.profile),
            now,
        )?;
        if let Some(dir) = &self.dir {
            Generations::check_current(dir, self.issuer.certificate(), &self.anchors)?;
        }
        if let Some(index) = &self.index {
            index.record(&certificate)?;
        }
        Ok(Issued {
            certificate,
            intermediates,
            anchors: self.anchors.clone(),
            notices,
            lists: self
                .dir
                .as_ref()
                .map(|dir| dir.join(FOLDER).join(folder::REVOCATION_LISTS)),
        })
    }
}

impl<'a> Order<'a> {
    fn request(&self) -> Request<'a> {
        Request {
            profile: self.profile,
            subject: self.subject,
            names: self.names,
            public_key: self.public_key,
            days: self.days,
            path_length: 0,
            permitted_dns: &[],
        }
    }
}

impl Issued {
    /// What `crl.pem` is to hold, once the CA has CRLs. Read while the folder that it is for is held: whoever carries a
    /// newer one comes afterwards.
    pub(crate) fn revocation_lists(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(path) = &self.lists else {
            return Ok(None);
        };
        let lists = folder::read_if_there(path)?;
        Ok(lists.map(|lists| lists.to_vec()))
    }

    /// Whether `crl.pem` is written beside it.
    pub fn has_revocation_lists(&self) -> bool {
        let is_absent = |lists: &PathBuf| matches!(folder::is_there(lists), Ok(false));
        self.lists.as_ref().is_some_and(|lists| !is_absent(lists))
    }

    /// What `tls.crt` holds: the certificate, then the intermediates (RFC 8446 §4.4.2).
    pub fn chain_pem(&self) -> String {
        std::iter::once(&self.certificate)
            .chain(&self.intermediates)
            .map(Certificate::to_pem)
            .collect()
    }

    /// What `ca.crt` holds.
    pub fn anchor_pem(&self) -> String {
        self.anchors.iter().map(Certificate::to_pem).collect()
    }
}

/// The CA below `dir` that issues, with its key, and the generations that are there with it.
fn key_of(dir: &Path, unlock: &mut Unlock<'_>) -> Result<(Issuer, Generations), Error> {
    let mut generations = Generations::read(dir)?;
    loop {
        let role = generations.issuing_role();
        let certificate = generations.issuer()?.clone();
        let key = generations.folder().join(role.key_file());
        if !folder::is_there(&key)? {
            return Err(Error::AuthorityIncomplete(key));
        }
        let key = read_key(&key, unlock)?;
        // Another generation may have taken over between the certificate and its key.
        let again = Generations::read(dir)?;
        if again.issuer()? != &certificate {
            generations = again;
            continue;
        }
        let above = match role {
            Role::Issuing => vec![again.root()?.clone()],
            _ => Vec::new(),
        };
        return Ok((Issuer::new(certificate, key, above)?, again));
    }
}

/// Without `issuing.crt` the root would issue itself, in silence. It does so only when that was meant: a root that allows
/// for a CA below it (RFC 5280 §4.2.1.9) is taken for one of two tiers, unless the index knows of none.
fn has_lost_its_issuing_authority(place: &Path, root: &Certificate) -> Result<bool, Error> {
    let has_room = root
        .basic_constraints
        .as_ref()
        .and_then(|constraints| constraints.path_length)
        .is_some_and(|length| length > 0);
    let index_says = || {
        Index::open_to_read(&place.join(index::FILE))
            .and_then(|index| index.knows_issuing_authority())
            // Of an index that cannot be read nothing is assumed.
            .unwrap_or(true)
    };
    Ok(folder::is_there(&place.join(ISSUING_KEY))? || (has_room && index_says()))
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

pub(crate) fn issue_recorded(
    index: &Index,
    prepared: Prepared<'_>,
    request: &Request<'_>,
    issuer: &DistinguishedName,
    now: OffsetDateTime,
) -> Result<Certificate, Error> {
    // A CA's own certificate. Its key is new, and a root that signs the next issuing CA is not revoked: nobody could say so.
    let what = reservation(Some(FOLDER), request, issuer);
    let reserved = index.reserve([], &what, now)?;
    let certificate = prepared.issue(reserved)?;
    index.record(&certificate)?;
    Ok(certificate)
}

pub(crate) fn reservation<'a>(
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
        key: request.public_key.fingerprint(),
    }
}

/// Our own output, judged by the same validator that judges strangers.
pub(crate) fn validate(
    certificate: &Certificate,
    intermediates: &[Certificate],
    anchor: &Certificate,
    profile: Option<Profile>,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let question = path_validation::Request::new(&[], now)
        .trust([anchor.der()])
        .intermediates(intermediates.iter().map(Certificate::der));
    Series::new(question)
        .validate(certificate.der(), &purposes(profile))
        .map_err(|rejected| Error::OwnOutputRefused(rejected.to_string()))
}

/// What a certificate of a profile must be accepted for.
pub(crate) fn purposes(profile: Option<Profile>) -> Vec<Purpose> {
    let server = profile.is_some_and(Profile::is_server);
    let client = profile.is_some_and(Profile::is_client);
    let asked = [(server, Purpose::Server), (client, Purpose::Client)];
    asked
        .into_iter()
        .filter_map(|(is_asked, purpose)| is_asked.then_some(purpose))
        .collect()
}
