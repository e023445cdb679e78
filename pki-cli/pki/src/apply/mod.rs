//! Makes reality match a manifest. First the plan, which is the difference between the two and changes nothing; then
//! each step, looked at once more under the folder's lock, so that two runs at once do not issue twice.

mod action;
mod chain;
mod comparison;
mod pair;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use crate::{
    authority::{Generations, Role},
    error::Error,
    folder::{self, Entry as File, Folder, FolderError, Wait},
    manifest::{Entry, Manifest},
};
use action::action;
pub(crate) use chain::Chain;
pub use comparison::{Compare, Spread};
pub use pair::{has_encrypted_key, write_certificate, write_pair};

/// What would be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// To the CA.
    pub authority: AuthorityStep,
    /// To each certificate, in the order of the manifest.
    pub steps: Vec<Step>,
}

/// What would be done to the CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthorityStep {
    /// There is none.
    Create,
    /// It is there; these are differences, which are not acted upon: a CA is not replaced in passing.
    Keep(Vec<String>),
}

/// One certificate of the plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// The entry of the manifest.
    pub entry: Entry,
    /// What would be done.
    pub action: Action,
    /// Whether the key that is there is encrypted: then a new one is encrypted as well.
    pub is_encrypted: bool,
}

/// What would be done to a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is missing.
    Issue,
    /// It is there and is to be replaced, for these reasons.
    Replace(Vec<String>),
    /// It is as it should be; `ca.crt` beside it is not, and is to be, for these reasons.
    Trust(Vec<String>),
    /// It is as it should be, and is valid until then.
    Keep(OffsetDateTime),
}

/// Reasons that the index knows.
const REVOKED: &str = "revoked";
const COMPROMISED: &str = "its key is in other hands";

impl Action {
    /// Whether the index has to be asked whether the reasons hold still.
    fn is_by_index(&self) -> bool {
        let is_known = |reason: &String| reason == REVOKED || reason == COMPROMISED;
        matches!(self, Self::Replace(reasons) if reasons.iter().any(is_known))
    }

    fn makes_key(&self) -> bool {
        matches!(self, Self::Issue | Self::Replace(_))
    }
}

impl Plan {
    /// Compares a manifest with what is below `dir`.
    pub fn make(manifest: &Manifest, dir: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        Self::make_in_parts(manifest, dir, now, &|entries, compare| compare(entries))
    }

    /// The same by a caller who has threads: `spread` gets all entries and what compares some of them, and answers with
    /// the steps of all, in their order.
    pub fn make_in_parts(
        manifest: &Manifest,
        dir: &Path,
        now: OffsetDateTime,
        spread: &Spread<'_>,
    ) -> Result<Self, Error> {
        comparison::plan(manifest, dir, now, spread)
    }

    /// Whether reality matches already.
    pub fn is_empty(&self) -> bool {
        matches!(self.authority, AuthorityStep::Keep(_))
            && self
                .steps
                .iter()
                .all(|step| matches!(step.action, Action::Keep(_)))
    }

    /// Finishes what a process that died left in folders whose pair is kept. What somebody else is writing to is left to
    /// them.
    pub fn settle(&self, dir: &Path) -> Result<(), Error> {
        let kept = self.steps.iter().filter(|step| !step.makes_key());
        for path in kept.map(|step| dir.join(&step.entry.name)) {
            if folder::is_unsettled(&path) {
                match Folder::lock(&path, &mut || false) {
                    Ok(_) | Err(FolderError::Busy(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// How many certificates would be issued, replaced and kept. One that is kept stays as it is, also when others are to
    /// be trusted beside it.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.steps
            .iter()
            .fold((0, 0, 0), |(issue, replace, keep), step| {
                match step.action {
                    Action::Issue => (issue + 1, replace, keep),
                    Action::Replace(_) => (issue, replace + 1, keep),
                    Action::Trust(_) | Action::Keep(_) => (issue, replace, keep + 1),
                }
            })
    }

    /// In how many folders the trust would be renewed, and nothing else.
    pub fn trusts(&self) -> usize {
        let is_trust = |step: &&Step| matches!(step.action, Action::Trust(_));
        self.steps.iter().filter(is_trust).count()
    }
}

impl Step {
    /// Whether it is taken for a reason that the index knows.
    pub(crate) fn is_by_index(&self) -> bool {
        self.action.is_by_index()
    }

    /// Whether taking the step makes a key.
    pub fn makes_key(&self) -> bool {
        self.action.makes_key()
    }

    /// Renews the trust beside a certificate that stays: the roots of the CA below `dir`, and no others. `false` when
    /// there is nothing (left) to do.
    pub fn trust(
        &self,
        dir: &Path,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<bool, Error> {
        if !matches!(self.action, Action::Trust(_)) {
            return Ok(false);
        }
        let folder = Folder::lock(&dir.join(&self.entry.name), wait)?;
        let generations = Generations::read(dir)?;
        let chain = Chain::new(
            generations.root()?,
            generations.get(Role::Issuing),
            generations.anchors(),
            now,
        )
        .with_revoked(dir)?;
        // Whoever replaced the pair in the meantime renewed the trust, too.
        let action = action(&self.entry, folder.path(), Some(&chain), now)?;
        if !matches!(action, Action::Trust(_)) {
            return Ok(false);
        }
        let pem: String = chain.anchors.iter().map(|one| one.to_pem()).collect();
        folder.put(&File::public(folder::ANCHOR, pem))?;
        Ok(true)
    }

    /// Looks once more, now that nobody else writes to the folder: somebody may have taken the step in the meantime.
    pub(crate) fn is_still_due(
        &self,
        folder: &Folder,
        chain: &Chain<'_>,
        is_encrypted: bool,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        if folder.is_vacant() {
            return Ok(true);
        }
        if !action(&self.entry, folder.path(), Some(chain), now)?.makes_key() {
            return Ok(false);
        }
        if !is_encrypted && has_encrypted_key(folder.path())? {
            return Err(Error::ClearKey(folder.path().join(folder::KEY)));
        }
        Ok(true)
    }
}

/// Folders below `dir` that hold a pair and are not in the manifest, or into which this user may not look: they are left
/// alone.
pub fn strangers(manifest: &Manifest, dir: &Path) -> Vec<PathBuf> {
    let known: HashSet<_> = manifest
        .certificates
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut strangers: Vec<_> = entries
        .filter(|entry| {
            !entry
                .file_name()
                .to_str()
                .is_some_and(|name| known.contains(name) || name.starts_with('.'))
        })
        .map(|entry| entry.path())
        .filter(|path| {
            let certificate = folder::is_there(&path.join(folder::CERTIFICATE));
            !matches!(certificate, Ok(false))
        })
        .collect();
    strangers.sort();
    strangers
}
