//! The CRLs of a CA in a folder: which are due, signing them, and carrying them to everybody who reads them.
//!
//! `certs/ca/crl.pem` holds the current CRL of every CA there, the issuing one first, because a verifier that checks a
//! certificate checks the CAs above it, too (RFC 5280 §6.3). The index keeps the CRLs; the files are copies. The folder of
//! each end entity gets the same file, so that a service reads it beside its certificate.
//!
//! A root's key may lie elsewhere. Its CRL is then signed when the key is at hand, and lives for a year; the first one is
//! signed when the root is made, and lies in the index until there is a `crl.pem`.

mod carry;
mod due;
mod published;
mod recorded;
mod refresh;
mod target;

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::{
    authority::{self, Generations, Unlock, read_key},
    certificate::Certificate,
    error::Error,
    folder::{self, Wait},
    index::{Filter, Index, IndexError, Status},
    issuer::{BACKDATE, Issuer},
};

pub use carry::{Carried, carry, is_carried};
pub(crate) use carry::{folders, hold_where};
pub use due::{Action, Due, LIFE, ROOT_LIFE, Wish};
pub(crate) use published::{
    catch_up, catch_up_readable, catch_up_readable_supposedly, catch_up_supposedly,
};
pub use recorded::recorded;
pub use refresh::{Failure, Refreshed};
pub use target::{RevocationRefused, Target};

/// A CA whose CRL belongs into `crl.pem`.
#[derive(Debug)]
pub struct CrlIssuer {
    certificate: Certificate,
    key: PathBuf,
    /// Whether it certifies CAs only.
    is_root: bool,
    /// Whether verifiers of what is issued today need its CRL.
    is_needed: bool,
    /// Whether it is the one that issues today.
    is_active: bool,
    opened: Option<Issuer>,
}

/// The CRLs of the CA below a folder.
#[derive(Debug)]
pub struct RevocationLists {
    dir: PathBuf,
    index: Index,
    issuers: Vec<CrlIssuer>,
}

impl CrlIssuer {
    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Where its key is, or would be.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Whether it is the one that issues to end entities today.
    pub fn issues(&self) -> bool {
        self.is_active
    }

    /// Its name, as the index has it.
    pub fn name(&self) -> String {
        self.certificate.subject().to_string()
    }

    /// The date of what it revokes now. thisUpdate is dated back by as much (see [`Issuer::sign_crl`]), and a list is not
    /// older than a revocation that it tells of; the date is dated back once, when it is recorded, and then stays.
    pub fn revocation_date(&self, now: OffsetDateTime) -> OffsetDateTime {
        (now - BACKDATE).max(self.certificate.not_before())
    }

    /// Whether verifiers of what is issued today build their path over it.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Opens the key, unless it is open.
    fn open(&mut self, others: &[Certificate], unlock: &mut Unlock<'_>) -> Result<&Issuer, Error> {
        match &mut self.opened {
            Some(issuer) => Ok(issuer),
            none => {
                let key = read_key(&self.key, unlock)?;
                let issuer = Issuer::new(self.certificate.clone(), key, others.to_vec())?;
                Ok(none.insert(issuer))
            }
        }
    }
}

/// Lets a root that certifies CAs only sign its first CRL, while its key is at hand. The index keeps it, and nobody is
/// given it before there is a reason: a revocation then needs no root's key.
pub(crate) fn sign_first(index: &Index, root: &Issuer, now: OffsetDateTime) -> Result<(), Error> {
    let name = root.certificate().subject().to_string();
    if index.crl(&name)?.is_some() || root.may_sign_crls(now).is_err() {
        return Ok(());
    }
    let reserved = index.reserve_crl(&name)?;
    let crl = root.sign_crl(&reserved, ROOT_LIFE, now)?;
    let life = (crl.this_update(), crl.next_update());
    index.record_crl(&reserved, life, crl.der())?;
    Ok(())
}

impl RevocationLists {
    /// Reads the CA below `dir`, without its keys.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, Index::open)
    }

    /// The same for whoever asks what could be done, and does nothing.
    pub fn open_to_rehearse(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, Index::open_to_rehearse)
    }

    /// The same for questions alone, where nothing may be written, either.
    pub fn open_to_read(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, Index::open_to_read)
    }

    fn open_with(dir: &Path, open: fn(&Path) -> Result<Index, IndexError>) -> Result<Self, Error> {
        let generations = Generations::read(dir)?;
        let issuers = issuers(&generations)?;
        let index = generations.open_with(open)?;
        Ok(Self {
            index,
            dir: dir.to_owned(),
            issuers,
        })
    }

    /// Looks once more which CAs there are. Keys that are open stay so. Whether a rotation changed anything since the last
    /// look.
    fn look_again(&mut self) -> Result<bool, Error> {
        let mut present = issuers(&Generations::read(&self.dir)?)?;
        let is_same = present.len() == self.issuers.len()
            && present
                .iter()
                .zip(&self.issuers)
                .all(|(one, other)| one.certificate == other.certificate && one.key == other.key);
        if is_same {
            return Ok(false);
        }
        for issuer in &mut present {
            let known = self
                .issuers
                .iter_mut()
                .find(|known| known.certificate == issuer.certificate);
            issuer.opened = known.and_then(|known| known.opened.take());
        }
        self.issuers = present;
        Ok(true)
    }

    /// The index of the CA.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The CAs, the issuing one first.
    pub fn issuers(&self) -> &[CrlIssuer] {
        &self.issuers
    }

    /// The CA with this name, as the index has it.
    pub fn issuer(&self, name: &str) -> Option<&CrlIssuer> {
        self.issuers.iter().find(|issuer| issuer.name() == name)
    }

    /// The `crl.pem` of the CA's folder.
    pub fn path(&self) -> PathBuf {
        self.dir
            .join(authority::FOLDER)
            .join(folder::REVOCATION_LISTS)
    }

    /// What changes whenever a CRL is signed or `crl.pem` is written.
    pub(crate) fn version(&self) -> Result<impl PartialEq + use<>, Error> {
        let file = folder::stamp_of(&self.path())?;
        let mut numbers = Vec::with_capacity(self.issuers.len());
        for issuer in &self.issuers {
            numbers.push(self.index.crl_number(&issuer.name())?);
        }
        Ok((file, numbers))
    }

    /// Whether CRLs are given to anybody. The one that a root signed when it was made, which only the index has, is not
    /// yet.
    pub fn are_there(&self) -> Result<bool, Error> {
        for issuer in &self.issuers {
            if !issuer.is_root && self.index.crl(&issuer.name())?.is_some() {
                return Ok(true);
            }
        }
        Ok(folder::is_there(&self.path())?)
    }

    /// How many certificates are revoked that would be accepted otherwise.
    pub fn revoked(&self, now: OffsetDateTime) -> Result<u64, Error> {
        let mut count = 0;
        for issuer in &self.issuers {
            count += self.index.count(&Filter {
                issuer: Some(&issuer.name()),
                status: Some(Status::Revoked),
                valid_at: Some(now),
                ..Filter::default()
            })?;
        }
        Ok(count)
    }

    /// Whether there is or should be a CRL: one was signed, or something was revoked of which one has to tell.
    pub fn are_needed(&self) -> Result<bool, Error> {
        if self.are_there()? {
            return Ok(true);
        }
        for issuer in &self.issuers {
            if !self.index.revoked(&issuer.name())?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens the keys of these CAs, and asks whether they may sign, before anything is changed.
    pub fn unlock(
        &mut self,
        names: &[String],
        unlock: &mut Unlock<'_>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        loop {
            match self.unlock_once(names, unlock, now) {
                // A rotation may have put another key into the place of the one that was meant.
                Err(error) if !self.look_again()? => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
    }

    fn unlock_once(
        &mut self,
        names: &[String],
        unlock: &mut Unlock<'_>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let others = self.certificates();
        for issuer in &mut self.issuers {
            if names.contains(&issuer.name()) {
                issuer.open(&others, unlock)?.may_sign_crls(now)?;
            }
        }
        Ok(())
    }

    fn certificates(&self) -> Vec<Certificate> {
        let certificates = self.issuers.iter().map(|issuer| issuer.certificate.clone());
        certificates.collect()
    }

    /// Carries the `crl.pem` that is there into every folder of an end entity that lacks it.
    pub fn carry(&self, wait: &mut Wait<'_>) -> Result<Carried, Error> {
        carry(&self.dir, &self.listed()?, wait)
    }

    /// The folders into which it would be carried. What cannot be read is left to [`Self::carry`], which says so.
    pub fn lacking(&self) -> Result<Vec<PathBuf>, Error> {
        if !folder::is_there(&self.path())? {
            return Ok(Vec::new());
        }
        let listed = self.listed()?;
        let mut lacking = folders(&self.dir)?;
        lacking.retain(|path| !matches!(carry::lacks(&self.path(), path, &listed), Ok(None)));
        Ok(lacking)
    }

    /// What `crl.pem` beside a certificate holds: that of the CA's folder, unless that has none of the certificate's issuer.
    pub fn beside(&self, certificate: &Certificate) -> Result<Option<Vec<u8>>, Error> {
        let listed = self.listed()?;
        if !listed.iter().any(|one| certificate.names_as_issuer(one)) {
            return Ok(None);
        }
        let lists = folder::read_if_there(&self.path())?;
        Ok(lists.map(|lists| lists.to_vec()))
    }

    /// The CAs that have a CRL.
    fn listed(&self) -> Result<Vec<Certificate>, Error> {
        let mut listed = Vec::new();
        for issuer in &self.issuers {
            if self.index.crl(&issuer.name())?.is_some() {
                listed.push(issuer.certificate.clone());
            }
        }
        Ok(listed)
    }
}

/// The CAs whose CRLs belong into `crl.pem`, the issuing one first.
fn issuers(generations: &Generations) -> Result<Vec<CrlIssuer>, Error> {
    let (root, active) = (generations.root()?, generations.issuer()?);
    let mut issuers: Vec<CrlIssuer> = Vec::new();
    for (role, certificate) in generations.members() {
        if !certificate.is_ca()
            || issuers
                .iter()
                .any(|issuer| issuer.certificate == *certificate)
        {
            continue;
        }
        issuers.push(CrlIssuer {
            // With a single tier every generation of the root issues to end entities.
            is_root: certificate.is_self_issued() && root != active,
            is_active: certificate == active,
            is_needed: certificate == active || certificate == root,
            certificate: certificate.clone(),
            key: generations.folder().join(role.key_file()),
            opened: None,
        });
    }
    Ok(issuers)
}
