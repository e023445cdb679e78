//! Carrying `crl.pem` from the folder of the CA into those of end entities.
//!
//! Whoever puts a pair into a folder reads the CA's `crl.pem` while it holds the folder's lock, and so does this: whoever
//! comes last brings the newest. A folder whose certificate comes from a CA that is not in the list gets nothing, since its service
//! would refuse everybody.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Failure;
use crate::{
    authority,
    certificate::Certificate,
    error::Error,
    folder::{self, Entry, Folder, FolderError, Wait},
};

/// Where it was carried.
#[derive(Debug, Default)]
pub struct Carried {
    /// The folders whose `crl.pem` changed.
    pub folders: Vec<PathBuf>,
    /// The folders that could not be written to.
    pub failures: Vec<Failure>,
}

/// Carries the CA's `crl.pem` into every folder below `dir` whose certificate comes from one of these CAs.
pub fn carry(dir: &Path, issuers: &[Certificate], wait: &mut Wait<'_>) -> Result<Carried, Error> {
    let mut carried = Carried::default();
    let source = dir.join(authority::FOLDER).join(folder::REVOCATION_LISTS);
    if !folder::is_there(&source)? {
        return Ok(carried);
    }
    for path in folders(dir)? {
        match into(&source, &path, issuers, wait) {
            Ok(true) => carried.folders.push(path),
            Ok(false) => {}
            Err(error) => carried.failures.push(Failure {
                folder: Some(path),
                error,
            }),
        }
    }
    Ok(carried)
}

/// Whether a folder has what it should have: the same `crl.pem` as the CA's folder, if that has one.
pub fn is_carried(dir: &Path, folder: &Path) -> Result<bool, Error> {
    let lists = dir.join(authority::FOLDER).join(folder::REVOCATION_LISTS);
    Ok(match folder::read_if_there(&lists)? {
        None => true,
        present => folder::read_if_there(&folder.join(folder::REVOCATION_LISTS))? == present,
    })
}

/// Every folder below `dir` but the CA's and hidden ones, by name, and every one that is about to take its place.
pub(crate) fn folders(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = Vec::new();
    // Twice: a name that changes while the folder is read may be in none of its readings, and is in the next one.
    for _ in 0..2 {
        let entries = fs::read_dir(dir).map_err(FolderError::unreadable(dir))?;
        for entry in entries {
            let entry = entry.map_err(FolderError::unreadable(dir))?;
            let name = entry.file_name();
            if let Some(name) = folder::name_of_staged(&name) {
                folders.push(dir.join(name));
                continue;
            }
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if !is_hidden && name != authority::FOLDER && entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    folders.sort();
    folders.dedup();
    Ok(folders)
}

fn into(
    source: &Path,
    path: &Path,
    issuers: &[Certificate],
    wait: &mut Wait<'_>,
) -> Result<bool, Error> {
    let held = hold_where(path, wait, |path| lacks(source, path, issuers))?;
    match held {
        None => Ok(false),
        Some((folder, entry)) => {
            folder.put(&entry)?;
            Ok(true)
        }
    }
}

/// Holds a folder in which something is to be changed, and says what. It is asked while nobody else writes there, and
/// never before: whoever holds the folder may be about to put a certificate into it together with what was right when it
/// began, whatever is to be seen in the folder until then.
pub(crate) fn hold_where<T>(
    path: &Path,
    wait: &mut Wait<'_>,
    wanted: impl Fn(&Path) -> Result<Option<T>, Error>,
) -> Result<Option<(Folder, T)>, Error> {
    let folder = match Folder::hold(path, wait) {
        Ok(folder) => folder,
        Err(busy @ FolderError::Busy(_)) => return Err(busy.into()),
        // Nobody writes there, and we cannot: a copy of a CA's folder, or one that Kubernetes mounted. That matters only
        // where something would have to be written.
        Err(error) => {
            return match wanted(path)? {
                None => Ok(None),
                Some(_) => Err(error.into()),
            };
        }
    };
    let wanted = wanted(folder.path())?;
    Ok(wanted.map(|wanted| (folder, wanted)))
}

/// What a folder should have and does not.
pub(super) fn lacks(
    source: &Path,
    path: &Path,
    issuers: &[Certificate],
) -> Result<Option<Entry>, Error> {
    let certificate = folder::read_if_there(&path.join(folder::CERTIFICATE))?;
    let own = certificate
        .and_then(|bytes| Certificate::read_all(&bytes).ok())
        .and_then(|chain| chain.into_iter().next());
    if own.is_none_or(|own| !issuers.iter().any(|issuer| own.names_as_issuer(issuer))) {
        return Ok(None);
    }
    let lists = folder::read(source)?;
    let present = folder::read_if_there(&path.join(folder::REVOCATION_LISTS))?;
    let differs = present.is_none_or(|present| present != lists);
    Ok(differs.then(|| Entry::public(folder::REVOCATION_LISTS, &*lists)))
}
