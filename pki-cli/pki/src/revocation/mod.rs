//! The CRLs of a CA in a folder: which are due, signing them, and carrying them to everybody who reads them.
//!
//! `certs/ca/crl.pem` holds the current CRL of every CA there, the issuing one first, because a verifier that checks a
//! certificate checks the CAs above it, too (RFC 5280 §6.3). The index keeps the CRLs; the files are copies. The folder of
//! each end entity gets the same file, so that a service reads it beside its certificate.
//!
//! A root's key may lie elsewhere. Its CRL is then signed when the key is at hand, and lives for a year.

mod carry;
mod target;

use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};

use crate::{
    authority::{self, Authority, Generations, Unlock, read_key},
    certificate::Certificate,
    certificate_revocation_list::{lacks, to_pem},
    error::Error,
    folder::{self, Entry, Folder, Wait},
    index::{self, CrlRow, Index},
    issuer::{BACKDATE, Issuer, Refusal, date},
};

pub(crate) use carry::folders;
pub use carry::{Carried, carry, is_carried};
pub use target::{RevocationRefused, Target};

/// How long the CRL of a CA that issues to end entities lives, unless somebody says otherwise.
pub const LIFE: Duration = Duration::days(30);
/// How long that of a root lives that revokes only CAs.
pub const ROOT_LIFE: Duration = Duration::days(365);

/// A CA whose CRL belongs into `crl.pem`.
#[derive(Debug)]
pub struct CrlIssuer {
    certificate: Certificate,
    key: PathBuf,
    /// Whether it certifies CAs only.
    is_root: bool,
    /// Whether verifiers of what is issued today need its CRL.
    is_needed: bool,
    opened: Option<Issuer>,
}

/// How long CRLs are to live, and when they are to be signed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// The life of an issuing CA's CRL; that of its last one when nothing is said.
    pub life: Option<Duration>,
    /// The life of a root's that only certifies CAs.
    pub root_life: Option<Duration>,
    /// Sign although nothing is due.
    pub force: bool,
}

/// One CA's CRL, and what is to be done about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// The CA, as RFC 4514 writes its name.
    pub issuer: String,
    /// What is to be done.
    pub action: Action,
    /// Whether verifiers are told something wrong, or nothing, until it is done.
    pub is_urgent: bool,
    /// How long a new one would live.
    pub life: Duration,
    /// How many certificates a new one would list.
    pub entries: usize,
    /// The one that is there.
    pub current: Option<CrlRow>,
}

/// What is to be done about a CRL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is to be signed, for these reasons.
    Sign(Vec<String>),
    /// It is as it should be.
    Keep,
    /// It should be signed, for these reasons, and the key is not here.
    KeyMissing(Vec<String>),
    /// It should have been signed, for these reasons, and could not be.
    Failed(Vec<String>),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// The CRLs, as they are now; an action of `Sign` was taken.
    pub lists: Vec<Due>,
    /// Whether the `crl.pem` of the CA's folder changed.
    pub is_written: bool,
    /// The folders whose `crl.pem` changed.
    pub folders: Vec<PathBuf>,
    /// What could not be done, one failure for each CA or folder; everything else was.
    pub failures: Vec<Failure>,
    /// What the person should know.
    pub notices: Vec<String>,
}

/// One thing that could not be done.
#[derive(Debug)]
pub struct Failure {
    /// The folder, unless it is about a CA.
    pub folder: Option<PathBuf>,
    /// Why.
    pub error: Error,
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

    /// Its name, as the index has it.
    pub fn name(&self) -> String {
        self.certificate.subject().to_string()
    }

    fn life(&self, wish: &Wish, current: Option<&CrlRow>) -> Duration {
        let (asked, default) = match self.is_root {
            true => (wish.root_life, ROOT_LIFE),
            false => (wish.life, LIFE),
        };
        asked.or_else(|| current.map(life_of)).unwrap_or(default)
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

/// The life for which a CRL was signed: from the moment of signing, which is later than thisUpdate.
fn life_of(crl: &CrlRow) -> Duration {
    const STEP: i64 = 600;
    let seconds = (crl.next_update - crl.this_update - BACKDATE).whole_seconds();
    // A CA that was just made cannot date its CRL back; to the nearest ten minutes nothing creeps.
    Duration::seconds(((seconds + STEP / 2) / STEP * STEP).max(STEP))
}

impl RevocationLists {
    /// Reads the CA below `dir`, without its keys.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let folder = dir.join(authority::FOLDER);
        if !Authority::exists(dir) {
            return Err(Error::NoAuthority(folder));
        }
        let generations = Generations::read(dir)?;
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
                is_needed: certificate == active || certificate == root,
                certificate: certificate.clone(),
                key: folder.join(role.key_file()),
                opened: None,
            });
        }
        Ok(Self {
            index: Index::open(&folder.join(index::FILE))?,
            dir: dir.to_owned(),
            issuers,
        })
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

    /// Whether a CRL was ever signed.
    pub fn are_there(&self) -> Result<bool, Error> {
        for issuer in &self.issuers {
            if self.index.crl(&issuer.name())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is to be done about each CRL. A CA whose validity is over has none.
    pub fn due(&self, wish: &Wish, now: OffsetDateTime) -> Result<Vec<Due>, Error> {
        check_life(wish)?;
        let mut all = Vec::new();
        for issuer in &self.issuers {
            if issuer.certificate.not_after() < now {
                continue;
            }
            let due = self.due_of(issuer, wish, now)?;
            // A CA that was replaced and left neither key nor CRL has nothing that could be done.
            let is_gone = due.current.is_none() && matches!(due.action, Action::KeyMissing(_));
            if issuer.is_needed || !is_gone {
                all.push(due);
            }
        }
        Ok(all)
    }

    fn due_of(&self, issuer: &CrlIssuer, wish: &Wish, now: OffsetDateTime) -> Result<Due, Error> {
        let name = issuer.name();
        let current = self.index.crl(&name)?;
        let revoked = self.index.revoked(&name)?;
        let mut reasons = Vec::new();
        if let Some(crl) = &current {
            match lacks(&crl.der, &revoked) {
                None => {}
                Some(1) => reasons.push("1 revocation is not in it".to_owned()),
                Some(more) => reasons.push(format!("{more} revocations are not in it")),
            }
            if crl.next_update < now {
                reasons.push(format!("it ended on {}", date(crl.next_update)));
            }
        } else {
            reasons.push("there is none yet".to_owned());
        }
        let is_urgent = !reasons.is_empty();
        if let Some(crl) = &current
            && crl.next_update >= now
            && crl.this_update + (crl.next_update - crl.this_update) / 2 < now
        {
            reasons.push(format!(
                "it ends on {}, and less than half of its life is left",
                date(crl.next_update)
            ));
        }
        if reasons.is_empty() && wish.force {
            reasons.push("--force".to_owned());
        }
        let action = match (
            reasons.is_empty(),
            issuer.opened.is_some() || issuer.key.exists(),
        ) {
            (true, _) => Action::Keep,
            (false, true) => Action::Sign(reasons),
            (false, false) => Action::KeyMissing(reasons),
        };
        Ok(Due {
            issuer: name,
            action,
            is_urgent,
            life: issuer.life(wish, current.as_ref()),
            entries: revoked.len(),
            current,
        })
    }

    /// Opens the keys of these CAs, and asks whether they may sign, before anything is changed.
    pub fn unlock(
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

    /// Signs what is due, writes `crl.pem` into the CA's folder, and carries it into every folder of an end entity. What
    /// cannot be done for one CA or folder does not keep the others from it.
    pub fn refresh(
        &mut self,
        wish: &Wish,
        unlock: &mut Unlock<'_>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Refreshed, Error> {
        let mut refreshed = Refreshed::default();
        let others = self.certificates();
        // Keys are opened before the lock is taken: nobody should wait for a person who types.
        for due in self.due(wish, now)? {
            if matches!(due.action, Action::Sign(_))
                && let Some(issuer) = self
                    .issuers
                    .iter_mut()
                    .find(|issuer| issuer.name() == due.issuer)
                && let Err(error) = issuer.open(&others, unlock)
            {
                refreshed.failures.push(Failure {
                    folder: None,
                    error,
                });
            }
        }
        let folder = Folder::lock_authority(&self.dir.join(authority::FOLDER), wait)?;
        // Looked at once more: whoever held the lock before may have done all of it.
        for due in self.due(wish, now)? {
            let due = self.sign_if_due(due, now, &mut refreshed)?;
            refreshed.lists.push(due);
        }
        let bundle = self.bundle(
            &refreshed.lists,
            &mut refreshed.failures,
            &mut refreshed.notices,
        );
        if let Some(bundle) = bundle {
            let present = folder::read_if_there(&self.path())?;
            if present.is_none() {
                let end = refreshed
                    .lists
                    .iter()
                    .filter_map(|due| due.current.as_ref());
                if let Some(end) = end.map(|crl| crl.next_update).min() {
                    refreshed.notices.push(format!(
                        "From now on every folder has a crl.pem, and who reads it refuses everybody once it has ended, first on {}: let \"pki crl\" run every day.",
                        date(end)
                    ));
                }
            }
            if present.is_none_or(|present| present.as_slice() != bundle.as_bytes()) {
                folder.put(&Entry::public(folder::REVOCATION_LISTS, bundle))?;
                refreshed.is_written = true;
            }
            drop(folder);
            let Carried { folders, failures } = self.carry(wait)?;
            refreshed.folders = folders;
            refreshed.failures.extend(failures);
        }
        Ok(refreshed)
    }

    fn sign_if_due(
        &self,
        due: Due,
        now: OffsetDateTime,
        refreshed: &mut Refreshed,
    ) -> Result<Due, Error> {
        let opened = self
            .issuer(&due.issuer)
            .and_then(|issuer| issuer.opened.as_ref());
        let Action::Sign(reasons) = &due.action else {
            return Ok(due);
        };
        let failed = |due: &Due| Due {
            action: Action::Failed(reasons.clone()),
            ..due.clone()
        };
        let Some(issuer) = opened else {
            // Why the key could not be opened was said before.
            return Ok(failed(&due));
        };
        if let Err(refusal) = issuer.may_sign_crls(now) {
            let error = refusal.into();
            refreshed.failures.push(Failure {
                folder: None,
                error,
            });
            return Ok(failed(&due));
        }
        let reserved = self.index.reserve_crl(&due.issuer)?;
        let crl = issuer.sign_crl(&reserved, due.life, now)?;
        let life = (crl.this_update(), crl.next_update());
        self.index.record_crl(&reserved, life, crl.der())?;
        Ok(Due {
            entries: crl.entries(),
            current: self.index.crl(&due.issuer)?,
            ..due
        })
    }

    /// What `crl.pem` holds. `None` when a CRL is missing without which nothing could be verified: services that read such
    /// a file would refuse everybody.
    fn bundle(
        &self,
        lists: &[Due],
        failures: &mut Vec<Failure>,
        notices: &mut Vec<String>,
    ) -> Option<String> {
        let mut bundle = String::new();
        let mut is_complete = true;
        for due in lists {
            let Some(issuer) = self.issuer(&due.issuer) else {
                continue;
            };
            match (&due.current, &due.action) {
                (None, Action::KeyMissing(_)) if issuer.is_needed => {
                    failures.push(Failure {
                        folder: None,
                        error: Error::CrlKeyMissing {
                            issuer: due.issuer.clone(),
                            key: issuer.key.clone(),
                        },
                    });
                }
                (Some(_), Action::KeyMissing(reasons)) => {
                    let error = Error::CrlOutdated {
                        issuer: due.issuer.clone(),
                        key: issuer.key.clone(),
                        reason: reasons.join(", and "),
                    };
                    match due.is_urgent {
                        true => failures.push(Failure {
                            folder: None,
                            error,
                        }),
                        false => notices.push(error.to_string()),
                    }
                }
                _ => {}
            }
            match &due.current {
                Some(crl) => bundle.push_str(&to_pem(&crl.der)),
                None if issuer.is_needed => is_complete = false,
                None => {}
            }
        }
        (is_complete && !bundle.is_empty()).then_some(bundle)
    }

    /// Carries the `crl.pem` that is there into every folder of an end entity that lacks it.
    pub fn carry(&self, wait: &mut Wait<'_>) -> Result<Carried, Error> {
        carry(&self.dir, &self.listed()?, wait)
    }

    /// The folders into which it would be carried. What cannot be read is left to [`Self::carry`], which says so.
    pub fn lacking(&self) -> Result<Vec<PathBuf>, Error> {
        if !self.path().exists() {
            return Ok(Vec::new());
        }
        let listed = self.listed()?;
        let mut lacking = folders(&self.dir)?;
        lacking.retain(|path| !matches!(carry::lacks(&self.path(), path, &listed), Ok(None)));
        Ok(lacking)
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

fn check_life(wish: &Wish) -> Result<(), Refusal> {
    let allowed = Duration::HOUR..=Duration::days(36_500);
    for life in [wish.life, wish.root_life].into_iter().flatten() {
        if !allowed.contains(&life) {
            return Err(Refusal::CrlLife(format!("{} hours", life.whole_hours())));
        }
    }
    Ok(())
}
