//! A key with its certificate, put in order: the end entity first, then what stands above it, and the trust anchor apart.

use std::path::Path;

use time::OffsetDateTime;

use super::ImportRefused;
use crate::{
    authority::{Authority, Generations},
    certificate::Certificate,
    error::Error,
    folder::{self, Entry},
    key::PrivateKey,
    path_validation::{self, FailureKind},
    revocation::RevocationLists,
};

/// What was given.
#[derive(Debug)]
pub struct PairSource {
    /// The key.
    pub key: PrivateKey,
    /// The end entity's certificate, and others in any order.
    pub certificates: Vec<Certificate>,
    /// What may be trusted: the CA below `--dir`, or what was named as trusted.
    pub trust: Vec<Certificate>,
    /// Whether a root among `certificates` may be trusted as well.
    pub trusts_what_is_given: bool,
}

/// A pair in order.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pair {
    /// The key.
    pub key: PrivateKey,
    /// The certificate, then the intermediates.
    pub certificates: Vec<Certificate>,
    /// The trust anchor.
    pub anchor: Certificate,
    /// What the person should know.
    pub notices: Vec<String>,
}

impl PairSource {
    /// Finds the certificate of the key and the path above it, and asks the path validator.
    pub fn arrange(self, now: OffsetDateTime) -> Result<Pair, ImportRefused> {
        let mut notices = Vec::new();
        let fitting = self
            .certificates
            .iter()
            .filter(|one| one.public_key() == self.key.public());
        let Some(own) = fitting.clone().max_by_key(|one| one.not_after()).cloned() else {
            return Err(ImportRefused::KeyFitsNone(self.certificates.len()));
        };
        if fitting.count() > 1 {
            notices.push(format!(
                "Several certificates belong to this key; the one that ends last is imported (serial {}).",
                own.serial()
            ));
        }
        let subject = || own.subject().to_string();
        if own.is_ca() {
            return Err(ImportRefused::IsCa(subject()));
        }
        let validate = |trust: &[&Certificate]| {
            let request = path_validation::Request::new(own.der(), now)
                .trust(trust.iter().map(|one| one.der()))
                .intermediates(self.certificates.iter().map(Certificate::der));
            path_validation::validate(&request)
        };
        let trusted: Vec<&Certificate> = self.trust.iter().collect();
        let given: Vec<&Certificate> = self
            .certificates
            .iter()
            .filter(|one| self.trusts_what_is_given && one.is_ca() && one.is_self_issued())
            .collect();
        let mut is_by_own_root = false;
        let accepted = match validate(&trusted) {
            Err(rejected) if rejected.kind == FailureKind::NoPath => {
                if given.is_empty() {
                    return Err(ImportRefused::NoAnchor(subject()));
                }
                let accepted = validate(&given);
                if accepted.is_ok() {
                    notices.push("The trust anchor is the root among the imported files, and not the CA below --dir; check that it is the one that is meant.".to_owned());
                }
                accepted
            }
            other => {
                is_by_own_root = self.trusts_what_is_given;
                other
            }
        };
        let accepted = accepted.map_err(|rejected| ImportRefused::Rejected {
            is_by_own_root: is_by_own_root && rejected.kind == FailureKind::BadSignature,
            subject: subject(),
            reason: rejected.to_string(),
        })?;
        let mut path: Vec<Certificate> = accepted
            .path
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect();
        let unused = self
            .certificates
            .iter()
            .filter(|one| !path.contains(one))
            .count();
        if unused > 0 {
            notices.push(format!(
                "{unused} of the certificates given belong to no path from this one to the trust anchor, and were left out."
            ));
        }
        let Some(anchor) = path.pop().filter(|_| !path.is_empty()) else {
            return Err(ImportRefused::NoAnchor(subject()));
        };
        Ok(Pair {
            key: self.key,
            certificates: path,
            anchor,
            notices,
        })
    }
}

impl Pair {
    /// Refuses a key that the CA below `dir` knows to be in other hands, whoever certified it now, and a certificate that it
    /// revoked.
    pub fn refuse_revoked(&self, dir: &Path) -> Result<(), Error> {
        if !Authority::exists(dir) {
            return Ok(());
        }
        let index = Generations::read(dir)?.index_to_read_all()?;
        let known = index.compromised(self.key.public())?;
        let own = self.certificates.first();
        let revoked = own.map_or(Ok(false), |own| index.is_revoked(own))?;
        index.still_stands()?;
        match known {
            Some(known) => Err(ImportRefused::CompromisedKey {
                serial: known.serial,
                issuer: known.issuer,
            }
            .into()),
            None if revoked => {
                let subject = own.map(|own| own.subject().to_string());
                Err(ImportRefused::Revoked(subject.unwrap_or_default()).into())
            }
            None => Ok(()),
        }
    }

    /// The certificates as files. A pair below one of the trust anchors of the CA in `dir` gets what every folder there has:
    /// all of them, also while a root is being replaced, and the CRLs. Asked while the folder is held that the files are
    /// for: whoever brings newer ones comes afterwards.
    pub fn files(&self, dir: &Path) -> Result<Vec<Entry>, Error> {
        let pem = |certificates: &[Certificate]| -> String {
            certificates.iter().map(Certificate::to_pem).collect()
        };
        let mut files = vec![Entry::public(folder::CERTIFICATE, pem(&self.certificates))];
        let own = match Authority::exists(dir) {
            true => Generations::read(dir)?
                .anchors()
                .into_iter()
                .cloned()
                .collect(),
            false => Vec::new(),
        };
        if !own.contains(&self.anchor) {
            files.push(Entry::public(folder::ANCHOR, self.anchor.to_pem()));
            return Ok(files);
        }
        files.push(Entry::public(folder::ANCHOR, pem(&own)));
        if let Some(certificate) = self.certificates.first() {
            let lists = RevocationLists::open_to_read(dir)?.beside(certificate)?;
            files.extend(lists.map(|lists| Entry::public(folder::REVOCATION_LISTS, lists)));
        }
        Ok(files)
    }
}
