//! Renewal: a new certificate in the place of one that is there, with the same key (renew) or with a new one (rekey).
//! The two words are those of RFC 3647 §4.4.6 and §4.4.7. Both keep subject, names, role and lifetime.
//!
//! Renewal looks at the certificate and not at a manifest: what stands in the certificate is what its successor gets, and
//! what cannot be given again is a refusal, never a silence. The rules of issuing hold all the same, since the successor
//! is issued like any other certificate. Nothing is written before the successor has been accepted by path validation.

use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};

use crate::{
    apply::{write_certificate, write_pair},
    authority::{self, Authority, Generations, Issued, Order, Role, pem_of},
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::{Error, ErrorKind},
    folder::{self, Folder, FolderError, Wait},
    index::{Index, Status},
    issuer::{self, Refusal, Wanted},
    key::{KeyAlgorithm, KeyError, Passphrase, PrivateKey, PublicKey},
    parse,
    path_validation::{SignatureVerdict, verify_signature},
    profile::Profile,
    subject_alt_name::GeneralName,
};

/// How often a folder that changes while it is read is read again.
const ATTEMPTS: usize = 100;

/// Why a certificate is not renewed: one sentence with the reason and the fix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalRefused {
    /// There is nothing to renew.
    #[error(
        "There is no certificate {0:?} to renew; issue one with \"pki issue\", or name another folder."
    )]
    NoCertificate(PathBuf),
    /// Another CA issued it.
    #[error(
        "The certificate {path:?} was not issued by this CA but by {issuer:?}, so it is not renewed here; renew it at the CA that issued it, or issue another one with \"pki issue --force\"."
    )]
    AnotherAuthority {
        /// The certificate.
        path: PathBuf,
        /// Its issuer's name.
        issuer: String,
    },
    /// It was revoked.
    #[error(
        "The certificate {0:?} is revoked, and its key is not certified again; make a new key with \"pki rekey\", or issue another certificate with \"pki issue --force\"."
    )]
    Revoked(PathBuf),
    /// Its key is known to be in other hands.
    #[error(
        "The key of the certificate {0:?} was given up as compromised when another certificate for it was revoked, and it is not certified again; make a new key with \"pki rekey\"."
    )]
    CompromisedKey(PathBuf),
    /// Something in it is not given to anybody.
    #[error(
        "The certificate {path:?} has {what}, which a renewed one would not have; issue another one with \"pki issue --force\", or do without it with --allow-dropped."
    )]
    NotCarriedOver {
        /// The certificate.
        path: PathBuf,
        /// What would be lost.
        what: String,
    },
    /// Something in it is not given to anybody, and without it the certificate would be another one.
    #[error(
        "The certificate {path:?} has {what}, so its successor would be another certificate; issue what you need with \"pki issue --force\"."
    )]
    AnotherCertificate {
        /// The certificate.
        path: PathBuf,
        /// What stands in the way.
        what: String,
    },
    /// The pair is torn.
    #[error(
        "The key {0:?} is not the one of the certificate beside it, so a renewed certificate would not fit it either; make a new pair with \"pki rekey\"."
    )]
    KeyOfAnother(PathBuf),
    /// The key cannot be read.
    #[error("The key {path:?} cannot be used: {reason}; make a new pair with \"pki rekey\".")]
    KeyUnusable {
        /// The key.
        path: PathBuf,
        /// Why.
        reason: KeyError,
    },
    /// The key lives with whoever made the request.
    #[error(
        "{0:?} is missing: the key is kept by whoever made the request, so no new one is made here; have a new request made with \"pki csr\" and sign it, or renew the certificate for the same key with \"pki renew\"."
    )]
    KeyElsewhere(PathBuf),
}

impl RenewalRefused {
    /// The kind of this failure.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::NoCertificate(_) => ErrorKind::NotFound,
            Self::KeyOfAnother(_) | Self::KeyUnusable { .. } => ErrorKind::Malformed,
            _ => ErrorKind::Refused,
        }
    }
}

/// How to renew.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Make a new key: of this kind, or of the kind that the present key has.
    pub new_key: Option<NewKey>,
    /// Only what ends within this time.
    pub within: Option<Duration>,
    /// Another validity than the present certificate's, in days.
    pub days: Option<u32>,
    /// Do without extensions and key usages that no profile gives.
    pub allow_dropped: bool,
    /// Leave revoked certificates as they are, also when there is to be a new key.
    pub leave_revoked: bool,
}

/// What kind of key to make.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NewKey {
    /// As the present key is.
    #[default]
    SameKind,
    /// Of this kind.
    Kind(KeyAlgorithm),
}

/// What is known of issued certificates without any key: the CA's certificates and its index.
#[derive(Debug)]
pub struct Known {
    generations: Generations,
    issuer: Certificate,
    index: Index,
}

/// What a certificate hands on to its successor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Carried {
    /// The role.
    pub profile: Profile,
    /// The subject.
    pub subject: DistinguishedName,
    /// The names, in their order.
    pub names: Vec<GeneralName>,
    /// The lifetime.
    pub days: u32,
    /// What is not handed on, because that was allowed.
    pub dropped: Vec<String>,
}

/// A certificate that can be renewed.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The certificate.
    pub certificate: Certificate,
    /// What its successor gets.
    pub carried: Carried,
    /// The key beside it.
    pub key: KeyBeside,
    /// Whether it ends with its CA, so that it may be shorter than was once asked for.
    pub ends_with_authority: bool,
    path: PathBuf,
}

/// The key that lies beside a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyBeside {
    /// None: it is where the request was made.
    Absent,
    /// It belongs to the certificate.
    Fits,
    /// Only its passphrase opens it, so nothing can be said.
    Encrypted,
    /// It is another one, or damaged: a new key puts that right.
    Broken,
}

/// What became of one certificate.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Somebody else renewed it in the meantime, and it lasts until then.
    NotDue(OffsetDateTime),
    /// Its successor is in place.
    Renewed(Box<Issued>),
}

impl Known {
    /// Opens the index of the CA below `dir`, where it could be written to; what is written goes through [`Authority`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let folder = dir.join(authority::FOLDER);
        if !Authority::exists(dir) {
            return Err(Error::NoAuthority(folder));
        }
        let generations = Generations::read(dir)?;
        let issuer = generations.issuer()?.clone();
        let (index, _) = generations.index_to_rehearse_all()?;
        Ok(Self {
            generations,
            issuer,
            index,
        })
    }

    /// The CA that issues now.
    pub fn issuer(&self) -> &Certificate {
        &self.issuer
    }

    /// The folders below `dir` that hold a certificate, by name; also those that this user may not look into, of which
    /// [`Standing::read`] then says so.
    pub fn folders(dir: &Path) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(FolderError::unreadable(dir))? {
            let name = entry.map_err(FolderError::unreadable(dir))?.file_name();
            if let Ok(name) = name.into_string()
                && crate::manifest::check_name(&name).is_ok()
                && !matches!(
                    folder::is_there(&dir.join(&name).join(folder::CERTIFICATE)),
                    Ok(false)
                )
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether this CA issued a certificate, and whether it was revoked since. `None`: it did not.
    fn is_revoked(&self, certificate: &Certificate) -> Result<Option<bool>, Error> {
        let issuer = certificate.issuer().to_string();
        let row = self.index.find(&certificate.serial(), &issuer)?;
        let is_revoked = row
            .as_ref()
            .is_some_and(|row| row.status == Status::Revoked);
        if let Some(fingerprint) = row.and_then(|row| row.fingerprint) {
            let is_ours = fingerprint == certificate.fingerprint();
            return Ok(is_ours.then_some(is_revoked));
        }
        // An index that was imported, or restored from a backup, does not hold all that was issued.
        let is_ours = self
            .generations
            .members()
            .any(|(_, issuer)| is_signed_by(certificate, issuer));
        Ok(is_ours.then_some(is_revoked))
    }

    fn chain(&self) -> Vec<&Certificate> {
        let roles = [Role::Issuing, Role::Root];
        roles
            .into_iter()
            .filter_map(|role| self.generations.get(role))
            .collect()
    }
}

fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    let read = parse::certificate::Certificate::from_der;
    let (Ok(child), Ok(parent)) = (read(certificate.der()), read(issuer.der())) else {
        return false;
    };
    certificate.names_as_issuer(issuer)
        && verify_signature(
            &parent.public_key,
            &child.signature_algorithm,
            child.tbs,
            child.signature,
        ) == SignatureVerdict::Right
}

impl Carried {
    /// What the successor of a certificate gets. `path` is for messages.
    pub fn of(certificate: &Certificate, path: &Path, allow_dropped: bool) -> Result<Self, Error> {
        let another = |what: String| RenewalRefused::AnotherCertificate {
            path: path.to_owned(),
            what,
        };
        if certificate.is_ca() {
            let what = "basicConstraints that make it a CA";
            return Err(another(what.to_owned()).into());
        }
        let Some(profile) = certificate.profile() else {
            let what = match &certificate.extended_key_usage {
                None => "no extended key usage".to_owned(),
                Some(purposes) => format!(
                    "the extended key usage {}, which is that of no profile",
                    purposes.join(", ")
                ),
            };
            return Err(another(what).into());
        };
        if certificate.subject().check().is_err() {
            let what = "a subject that is not given to anybody (pki inspect shows it)";
            return Err(another(what.to_owned()).into());
        }
        for name in certificate.names() {
            // As it is, and not as it would be written anew.
            if !name.checked().is_ok_and(|checked| checked == *name) {
                return Err(
                    another(format!("the name {name}, which is not given as it is")).into(),
                );
            }
        }
        let dropped = not_given(certificate, profile);
        if !allow_dropped && let Some(what) = dropped.first() {
            return Err(RenewalRefused::NotCarriedOver {
                path: path.to_owned(),
                what: what.clone(),
            }
            .into());
        }
        Ok(Self {
            profile,
            subject: certificate.subject().clone(),
            names: certificate.names().to_vec(),
            days: days(certificate.not_after() - certificate.not_before()),
            dropped,
        })
    }
}

/// A lifetime in whole days, the nearest: ours are five minutes longer than was asked for, others' a second shorter.
pub(crate) fn days(lifetime: Duration) -> u32 {
    const DAY: i64 = 86_400;
    let days = (lifetime.whole_seconds() + DAY / 2) / DAY;
    u32::try_from(days)
        .unwrap_or(u32::MAX)
        .clamp(1, issuer::MAX_DAYS)
}

/// What stands in the certificate and not in one of this profile.
fn not_given(certificate: &Certificate, profile: Profile) -> Vec<String> {
    const USAGES: [&str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
    let mut dropped = Vec::new();
    let usage = certificate.key_usage.unwrap_or_default();
    for (bit, name) in (0_u8..).zip(USAGES) {
        if usage & (1 << bit) != 0 && !profile.key_usage().contains(&bit) {
            dropped.push(format!("the key usage {name}"));
        }
    }
    for (oid, _) in &certificate.extensions {
        if !profile.gives(oid) {
            dropped.push(format!("the extension {oid}"));
        }
    }
    dropped
}

/// How a certificate stands under some terms.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It is not due, and lasts until then.
    NotDue(OffsetDateTime),
    /// It is due and can be renewed.
    Due(Box<Candidate>),
}

impl Standing {
    /// Looks at the certificate in a folder, and refuses what is due and cannot be renewed.
    ///
    /// Another process may replace the pair between the readings of the certificate and of the key, and what is found
    /// then is of two moments; so a change in between is noticed by the certificate, and the folder looked at again.
    pub fn read(
        known: &Known,
        path: &Path,
        terms: &Terms,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let file = path.join(folder::CERTIFICATE);
        let mut standing = Err(RenewalRefused::NoCertificate(file.clone()).into());
        for _ in 0..ATTEMPTS {
            let Some(bytes) = folder::read_if_there(&file)? else {
                return Err(RenewalRefused::NoCertificate(file).into());
            };
            standing = Self::of(known, path, &file, &bytes, terms, now);
            if folder::read_if_there(&file)?.is_some_and(|again| *again == *bytes) {
                break;
            }
        }
        standing
    }

    /// What [`Self::read`] finds when these are the octets of the certificate.
    fn of(
        known: &Known,
        path: &Path,
        file: &Path,
        bytes: &[u8],
        terms: &Terms,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let file = file.to_owned();
        let read = Certificate::read_all(bytes).map_err(|error| Error::CertificateFile {
            path: file.clone(),
            reason: error.to_string(),
        })?;
        let Some(certificate) = read.into_iter().next() else {
            return Err(RenewalRefused::NoCertificate(file).into());
        };
        let Some(is_revoked) = known.is_revoked(&certificate)? else {
            return Err(RenewalRefused::AnotherAuthority {
                path: file,
                issuer: certificate.issuer().to_string(),
            }
            .into());
        };
        // A key that may be known to others is given up, and never certified again.
        if is_revoked && (terms.new_key.is_none() || terms.leave_revoked) {
            return Err(RenewalRefused::Revoked(file).into());
        }
        let end = certificate.not_after();
        if terms.within.is_some_and(|within| end - now > within) {
            return Ok(Self::NotDue(end));
        }
        if terms.new_key.is_none() && known.index.compromised(certificate.public_key())?.is_some() {
            return Err(RenewalRefused::CompromisedKey(file).into());
        }
        let carried = Carried::of(&certificate, &file, terms.allow_dropped)?;
        let key = key_beside(path, certificate.public_key(), terms)?;
        if terms.new_key.is_none() {
            certificate
                .public_key()
                .check_strength()
                .map_err(|weak| Refusal::WeakKey(weak.to_string()))?;
        }
        Ok(Self::Due(Box::new(Candidate {
            ends_with_authority: known
                .generations
                .members()
                .any(|(_, above)| above.not_after() == end),
            certificate,
            carried,
            key,
            path: path.to_owned(),
        })))
    }
}

impl Candidate {
    /// Whether the CA may issue the successor, found out without its key.
    pub fn check(&self, known: &Known, now: OffsetDateTime) -> Result<(), Error> {
        let wanted = Wanted {
            profile: self.carried.profile,
            subject: &self.carried.subject,
            names: &self.carried.names,
        };
        known.index.refuse_unknown(&known.issuer)?;
        known.index.refuse_revoked(known.chain())?;
        Ok(issuer::check_chain(&known.chain(), &wanted, now)?)
    }

    /// The kind of the key that the successor gets, if it gets a new one.
    fn algorithm(&self, terms: &Terms) -> Result<Option<KeyAlgorithm>, Error> {
        let Some(new_key) = terms.new_key else {
            return Ok(None);
        };
        let NewKey::Kind(kind) = new_key else {
            let present = self.certificate.public_key();
            let same = KeyAlgorithm::ALL
                .into_iter()
                .find(|kind| kind.makes(present));
            return same.map(Some).ok_or_else(|| {
                let what = format!("a key of a kind that is not made here ({present})");
                let path = self.path.join(folder::CERTIFICATE);
                RenewalRefused::AnotherCertificate { path, what }.into()
            });
        };
        Ok(Some(kind))
    }

    /// Issues the successor and puts it in place, unless somebody else did so in the meantime. A new key is encrypted
    /// when there is a passphrase; without one an encrypted key is not replaced.
    pub fn take(
        &self,
        (authority, known): (&Authority, &Known),
        name: &str,
        terms: &Terms,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Outcome, Error> {
        // The key first: it may take seconds, and nobody should wait for the folder meanwhile.
        let new_key = match self.algorithm(terms)? {
            Some(kind) => {
                let key = PrivateKey::generate(kind)?;
                let pem = pem_of(&key, passphrase)?;
                Some((key, pem))
            }
            None => None,
        };
        let folder = Folder::lock(&self.path, wait)?;
        // What was looked at without the lock may be another certificate by now.
        let present = match Standing::read(known, &self.path, terms, now)? {
            Standing::NotDue(end) => return Ok(Outcome::NotDue(end)),
            Standing::Due(present) => present,
        };
        if new_key.is_some() && passphrase.is_none() && present.key == KeyBeside::Encrypted {
            return Err(Error::ClearKey(self.path.join(folder::KEY)));
        }
        let carried = &present.carried;
        let order = Order {
            name: Some(name),
            profile: carried.profile,
            subject: &carried.subject,
            names: &carried.names,
            public_key: match &new_key {
                Some((key, _)) => key.public(),
                None => present.certificate.public_key(),
            },
            days: terms.days.unwrap_or(carried.days),
        };
        let issued = authority.issue(&order, now)?;
        match &new_key {
            Some((_, pem)) => write_pair(folder, &issued, pem.as_bytes())?,
            None => write_certificate(folder, &issued)?,
        }
        Ok(Outcome::Renewed(Box::new(issued)))
    }
}

fn key_beside(path: &Path, public: &PublicKey, terms: &Terms) -> Result<KeyBeside, Error> {
    let path = path.join(folder::KEY);
    let Some(bytes) = folder::read_if_there(&path)? else {
        return match terms.new_key {
            Some(_) => Err(RenewalRefused::KeyElsewhere(path).into()),
            None => Ok(KeyBeside::Absent),
        };
    };
    let refused = match PrivateKey::read(&bytes, None) {
        Ok(key) if key.public() == public => return Ok(KeyBeside::Fits),
        Ok(_) => RenewalRefused::KeyOfAnother(path),
        Err(KeyError::Encrypted | KeyError::UnsupportedEncryption(_)) => {
            return Ok(KeyBeside::Encrypted);
        }
        Err(reason) => RenewalRefused::KeyUnusable { path, reason },
    };
    match terms.new_key {
        Some(_) => Ok(KeyBeside::Broken),
        None => Err(refused.into()),
    }
}
