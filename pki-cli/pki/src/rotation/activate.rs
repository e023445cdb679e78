//! The second stage: the next CA takes the place of the one that issues. No key is used: files change their names.

use std::path::Path;

use time::OffsetDateTime;

use super::{Lacking, RotationRefused, lacking, lock};
use crate::{
    authority::{Generations, Role, Stage},
    certificate::Certificate,
    error::Error,
    folder::{Entry, Wait, read_if_there},
    issuer::date,
};

/// What was activated.
#[derive(Clone, Debug)]
pub struct Activated {
    /// The CA that issues from now on; `None` when it did before.
    pub issuer: Option<Certificate>,
    /// The folders that do not trust it, and were passed over by force.
    pub lacking: Vec<Lacking>,
    /// What the index lacked and was taken over from `crl.pem`, in sentences.
    pub taken_over: Vec<String>,
}

/// Lets the CA that was prepared below `dir` issue, unless it does. With `force` also when not every folder trusts it.
pub fn activate(
    dir: &Path,
    force: bool,
    now: OffsetDateTime,
    wait: &mut Wait<'_>,
) -> Result<Activated, Error> {
    let folder = lock(dir, wait)?;
    let generations = Generations::read(dir)?;
    let next = match (generations.stage(), generations.next_issuer()) {
        (Stage::Active, _) => {
            return Ok(Activated {
                issuer: None,
                lacking: Vec::new(),
                taken_over: Vec::new(),
            });
        }
        (Stage::Prepared, Some(next)) => next.clone(),
        _ => return Err(RotationRefused::NothingPrepared.into()),
    };
    if next.not_after() < now {
        return Err(RotationRefused::NextExpired {
            name: next.subject().to_string(),
            not_after: date(next.not_after()),
        }
        .into());
    }
    let (index, taken_over) = generations.index_to_rotate()?;
    // One that the index does not know could issue nothing.
    index.refuse_unknown(&next)?;
    let lacking = lacking(dir, &generations, &index)?;
    if !lacking.is_empty() && !force {
        return Err(not_trusted(&lacking).into());
    }
    let mut entries = Vec::new();
    let mut remove = Vec::new();
    // First the place of the old one, then that of the new one.
    for (from, to) in [
        (Role::Issuing, Role::Previous, Role::Next),
        (Role::Root, Role::PreviousRoot, Role::NextRoot),
    ]
    .into_iter()
    .filter(|(_, _, next)| generations.get(*next).is_some())
    .flat_map(|(present, previous, next)| [(present, previous), (next, present)])
    {
        take_place(&generations, from, to, &mut entries, &mut remove)?;
    }
    folder.replace(&entries, &remove)?;
    Ok(Activated {
        issuer: Some(next),
        lacking,
        taken_over,
    })
}

/// Both files of one CA under the names of another role.
pub(super) fn take_place(
    generations: &Generations,
    from: Role,
    to: Role,
    entries: &mut Vec<Entry>,
    remove: &mut Vec<&'static str>,
) -> Result<(), Error> {
    let read = |name: &str| read_if_there(&generations.folder().join(name));
    let issues = [Role::Next, Role::NextRoot].contains(&from) && to == generations.issuing_role();
    let mut files = Vec::new();
    if let Some(certificate) = read(from.certificate_file())? {
        files.push((
            from.certificate_file(),
            Entry::public(to.certificate_file(), certificate),
        ));
    }
    match read(from.key_file())? {
        Some(key) => files.push((from.key_file(), Entry::private(to.key_file(), key))),
        None if issues => {
            let key = generations.folder().join(from.key_file());
            return Err(Error::AuthorityIncomplete(key));
        }
        // A root's key may be kept elsewhere, and its successor's must not be taken for it.
        None => remove.push(to.key_file()),
    }
    for (old, entry) in files {
        remove.retain(|name| *name != entry.name());
        remove.push(old);
        entries.push(entry);
    }
    // What is written is not removed: the place of one is taken by another.
    remove.retain(|name| !entries.iter().any(|entry| entry.name() == *name));
    remove.sort_unstable();
    remove.dedup();
    Ok(())
}

fn not_trusted(lacking: &[Lacking]) -> RotationRefused {
    const SHOWN: usize = 5;
    let mut folders: Vec<_> = lacking
        .iter()
        .take(SHOWN)
        .map(|one| format!("{:?} ({} is missing)", one.folder, one.what.join(", ")))
        .collect();
    if lacking.len() > SHOWN {
        folders.push(format!("and {} more", lacking.len() - SHOWN));
    }
    RotationRefused::NotTrusted {
        count: lacking.len(),
        folders: folders.join(", "),
    }
}
