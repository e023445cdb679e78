//! Signing what is due, and writing it where it is read.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{Action, Carried, Due, RevocationLists, Wish};
use crate::{
    authority::{self, Unlock},
    certificate_revocation_list::to_pem,
    error::Error,
    folder::{self, Entry, Folder, Wait},
    issuer::{Issuer, date},
};

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

impl RevocationLists {
    /// Signs what is due, writes `crl.pem` into the CA's folder, and carries it into every folder of an end entity. What
    /// cannot be done for one CA or folder does not keep the others from it.
    pub fn refresh(
        &mut self,
        wish: &Wish,
        unlock: &mut Unlock<'_>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Refreshed, Error> {
        let mut refreshed = Refreshed {
            notices: self.catch_up()?,
            ..Refreshed::default()
        };
        // Keys are opened before the lock is taken: nobody should wait for a person who types.
        let mut failures = {
            let due = self.due(wish, now)?;
            self.open_due(&due, unlock)
        };
        let folder = Folder::lock_authority(&self.dir.join(authority::FOLDER), wait)?;
        // Looked at once more: whoever held the lock before may have done all of it, or have rotated the CA.
        let is_rotated = self.look_again()?;
        let lists = self.due(wish, now)?;
        if is_rotated {
            let mut nobody = |_: &Path| Err(Error::Rotated(folder.path().to_owned()));
            failures = self.open_due(&lists, &mut nobody);
            let rotated = |error: &Error| matches!(error, Error::Rotated(_));
            if let Some(at) = failures.iter().position(rotated) {
                return Err(failures.swap_remove(at));
            }
        }
        let failures = failures.into_iter();
        refreshed.failures.extend(failures.map(|error| Failure {
            folder: None,
            error,
        }));
        for due in lists {
            let due = self.sign_if_due(due, now, &mut refreshed)?;
            refreshed.lists.push(due);
        }
        let bundle = self.bundle(
            &refreshed.lists,
            &mut refreshed.failures,
            &mut refreshed.notices,
            now,
        )?;
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

    /// What [`Self::refresh`] would do, and what would keep it from that. Keys are opened, and nothing is signed or
    /// written.
    pub fn rehearse(
        &mut self,
        wish: &Wish,
        unlock: &mut Unlock<'_>,
        now: OffsetDateTime,
    ) -> Result<Refreshed, Error> {
        let notices = self.catch_up_supposedly()?;
        let lists = self.due(wish, now)?;
        let mut errors = self.open_due(&lists, unlock);
        for due in &lists {
            let issuer = self.issuer(&due.issuer);
            if matches!(due.action, Action::Sign(_))
                && let Some(opened) = issuer.and_then(|issuer| issuer.opened.as_ref())
                && let Err(refusal) = opened.may_sign_crls(now)
            {
                errors.push(refusal.into());
            }
        }
        let mut refreshed = Refreshed {
            notices,
            ..Refreshed::default()
        };
        let failure = |error| Failure {
            folder: None,
            error,
        };
        refreshed.failures.extend(errors.into_iter().map(failure));
        // Only for what stands in its way.
        self.bundle(&lists, &mut refreshed.failures, &mut refreshed.notices, now)?;
        refreshed.lists = lists;
        Ok(refreshed)
    }

    /// Opens the keys of the CAs whose CRLs are to be signed. Why some cannot be opened.
    fn open_due(&mut self, lists: &[Due], unlock: &mut Unlock<'_>) -> Vec<Error> {
        let others = self.certificates();
        let mut failures = Vec::new();
        for due in lists {
            if matches!(due.action, Action::Sign(_))
                && let Some(issuer) = self
                    .issuers
                    .iter_mut()
                    .find(|issuer| issuer.name() == due.issuer)
                && let Err(error) = issuer.open(&others, unlock)
            {
                failures.push(error);
            }
        }
        failures
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

    /// Why there can be no `crl.pem` where there is none, though one is needed.
    pub fn obstacles(&self, now: OffsetDateTime) -> Result<Vec<Error>, Error> {
        if folder::is_there(&self.path())? {
            return Ok(Vec::new());
        }
        let lists = self.due(&Wish::default(), now)?;
        let obstacles = lists.iter().map(|due| self.obstacle(due, now));
        obstacles.filter_map(Result::transpose).collect()
    }

    /// Why a CRL cannot be had without which nobody may be given any.
    fn obstacle(&self, due: &Due, now: OffsetDateTime) -> Result<Option<Error>, Error> {
        let Some(issuer) = self.issuer(&due.issuer).filter(|one| one.is_needed) else {
            return Ok(None);
        };
        Ok(match (&due.current, &due.action) {
            (None, Action::KeyMissing(_)) => Some(Error::CrlKeyMissing {
                issuer: due.issuer.clone(),
                key: issuer.key.clone(),
            }),
            // Signed when the root was made, and over before anybody needed it.
            (Some(crl), Action::KeyMissing(_))
                if crl.next_update < now && !folder::is_there(&self.path())? =>
            {
                Some(Error::CrlEnded {
                    issuer: due.issuer.clone(),
                    end: date(crl.next_update),
                    key: issuer.key.clone(),
                })
            }
            (None, Action::Sign(_)) => Issuer::has_crl_sign(&issuer.certificate)
                .err()
                .map(Error::from),
            _ => None,
        })
    }

    /// What `crl.pem` holds. `None` when a CRL is missing without which nothing could be verified: services that read such
    /// a file would refuse everybody.
    fn bundle(
        &self,
        lists: &[Due],
        failures: &mut Vec<Failure>,
        notices: &mut Vec<String>,
        now: OffsetDateTime,
    ) -> Result<Option<String>, Error> {
        let mut bundle = String::new();
        let mut is_complete = true;
        for due in lists {
            let Some(issuer) = self.issuer(&due.issuer) else {
                continue;
            };
            if let Some(error) = self.obstacle(due, now)? {
                is_complete = false;
                failures.push(Failure {
                    folder: None,
                    error,
                });
                continue;
            }
            if let (Some(_), Action::KeyMissing(reasons)) = (&due.current, &due.action) {
                let error = Error::CrlOutdated {
                    issuer: due.issuer.clone(),
                    key: issuer.key.clone(),
                    reason: reasons.join(", and "),
                };
                // A root's key may lie elsewhere; without that of a CA that issues, what was asked for was not done.
                match due.is_urgent || issuer.is_active {
                    true => failures.push(Failure {
                        folder: None,
                        error,
                    }),
                    false => notices.push(error.to_string()),
                }
            }
            match &due.current {
                Some(crl) => bundle.push_str(&to_pem(&crl.der)),
                None if issuer.is_needed => is_complete = false,
                None => {}
            }
        }
        Ok((is_complete && !bundle.is_empty()).then_some(bundle))
    }
}
