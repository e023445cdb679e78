//! Holds a manifest against what is below a folder. What does not hang on the entry is looked at once; of the entries
//! none hangs on another, so that whoever has threads may have several parts of them compared at once. No threads here.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;

use super::{
    Action, AuthorityStep, Plan, Step,
    action::action,
    chain::{Chain, Known},
    has_encrypted_key,
};
use crate::{
    authority::{self, Authority, Generations, Role},
    certificate::Certificate,
    error::Error,
    folder, issuer,
    manifest::{Entry, Manifest},
    profile::Profile,
};

/// Compares some entries of the manifest: their steps, in their order, or why the first that fails does.
pub type Compare<'c> = dyn Fn(&[Entry]) -> Result<Vec<Step>, Error> + Sync + 'c;

/// Has all entries compared, in as many parts and on as many threads as it likes: the steps of all of them, in their
/// order, or the failure that comes first in that order.
pub type Spread<'s> = dyn Fn(&[Entry], &Compare<'_>) -> Result<Vec<Step>, Error> + 's;

pub(super) fn plan(
    manifest: &Manifest,
    dir: &Path,
    now: OffsetDateTime,
    spread: &Spread<'_>,
) -> Result<Plan, Error> {
    let generations = match Authority::exists(dir) {
        true => Some(Generations::read(dir)?),
        false => None,
    };
    let present = match &generations {
        Some(generations) => Some(Present::read(generations, dir)?),
        None => None,
    };
    let comparison = Comparison {
        manifest,
        dir,
        now,
        present,
        asked: Mutex::default(),
    };
    Ok(Plan {
        authority: match comparison.chain() {
            None => {
                // Another run may have made it in the meantime, which is as good.
                if !folder::check_new(&dir.join(authority::FOLDER))? && !Authority::exists(dir) {
                    return Err(Authority::is_in_the_way(dir));
                }
                AuthorityStep::Create
            }
            Some(chain) => AuthorityStep::Keep(chain.differences(&manifest.authority)),
        },
        steps: spread(&manifest.certificates, &|entries| comparison.steps(entries))?,
    })
}

/// What all entries are held against.
struct Comparison<'a> {
    manifest: &'a Manifest,
    dir: &'a Path,
    now: OffsetDateTime,
    present: Option<Present<'a>>,
    asked: Mutex<Asked>,
}

/// The CA that is there.
struct Present<'a> {
    generations: &'a Generations,
    root: &'a Certificate,
    known: Known,
}

/// What was asked for an entry, and need not be asked for the next one.
#[derive(Default)]
struct Asked {
    /// Whether the CA may issue certificates of these profiles.
    profiles: Vec<Profile>,
    /// Whether the folder of a certificate can be made: all of them lie in one.
    room: bool,
}

impl<'a> Present<'a> {
    fn read(generations: &'a Generations, dir: &Path) -> Result<Self, Error> {
        let root = generations.root()?;
        let issuing = generations.get(Role::Issuing);
        let mut known = Known::of_lists(dir, issuing.unwrap_or(root).subject())?;
        known.add_index(generations, issuing, root)?;
        Ok(Self {
            generations,
            root,
            known,
        })
    }
}

impl Comparison<'_> {
    /// For one thread: it remembers what it has verified.
    fn chain(&self) -> Option<Chain<'_>> {
        let present = self.present.as_ref()?;
        let chain = Chain::new(
            present.root,
            present.generations.get(Role::Issuing),
            present.generations.anchors(),
            self.now,
        );
        Some(Chain {
            previous: present.generations.previous_issuer(),
            ..chain.knowing(&present.known)
        })
    }

    fn steps(&self, entries: &[Entry]) -> Result<Vec<Step>, Error> {
        let chain = self.chain();
        entries
            .iter()
            .map(|entry| self.step(entry, chain.as_ref()))
            .collect()
    }

    fn step(&self, entry: &Entry, chain: Option<&Chain<'_>>) -> Result<Step, Error> {
        let path = self.dir.join(&entry.name);
        // Most often, of many, it is not, and that is all that is asked of the file system.
        let is_there = folder::is_there(&path)?;
        let action = match is_there {
            true => action(entry, &path, chain, self.now)?,
            false => Action::Issue,
        };
        if let Some(chain) = chain
            && action.makes_key()
        {
            self.check(entry, chain)?;
        }
        match (is_there, &action) {
            (true, Action::Keep(_)) => {}
            (true, _) => folder::check(&path)?,
            (false, _) => self.check_room(&path)?,
        }
        Ok(Step {
            entry: entry.clone(),
            is_encrypted: action != Action::Issue && has_encrypted_key(&path)?,
            action,
        })
    }

    /// Whether the CA may issue what an entry asks for.
    fn check(&self, entry: &Entry, chain: &Chain<'_>) -> Result<(), Error> {
        let mut asked = self.asked();
        if asked.profiles.is_empty() {
            chain.check_authority()?;
        }
        if !asked.profiles.contains(&entry.profile) {
            issuer::check_above(&chain.certificates(), entry.profile, self.now)?;
            asked.profiles.push(entry.profile);
        }
        drop(asked);
        chain.check(entry, &self.manifest.path)
    }

    fn check_room(&self, path: &Path) -> Result<(), Error> {
        let mut asked = self.asked();
        if !asked.room {
            folder::check_writable(path)?;
            asked.room = true;
        }
        Ok(())
    }

    /// A thread that died left nothing half done in it.
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
