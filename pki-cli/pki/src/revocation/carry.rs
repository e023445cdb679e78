//! Carrying `crl.pem` from the folder of the CA into those of end entities.
//!
//! A folder that gets a pair reads the CA's `crl.pem` while it holds its lock, and so does this: whoever comes last
//! brings the newest. A folder whose certificate comes from a CA that is not in the list gets nothing, since its service
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
    folder::{self, Entry, Folder, Wait},
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
    if !source.exists() {
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

/// Every folder below `dir` but the CA's and hidden ones, by name.
pub(crate) fn folders(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(folder::FolderError::unreadable(dir))?;
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(folder::FolderError::unreadable(dir))?;
        let name = entry.file_name();
        if let Some(name) = folder::name_of_staged(&name) {
            // It is about to take its place.
            folders.push(dir.join(name));
            continue;
        }
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if !is_hidden && name != authority::FOLDER && entry.path().is_dir() {
            folders.push(entry.path());
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
    // In a folder that is about to get its first certificate nothing is to be seen yet; its lock says when it is there.
    if lacks(source, path, issuers)?.is_none() && !is_about_to_get_one(path) {
        return Ok(false);
    }
    let folder = Folder::lock(path, wait)?;
    match lacks(source, path, issuers)? {
        None => Ok(false),
        Some(entry) => {
            folder.put(&entry)?;
            Ok(true)
        }
    }
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

fn is_about_to_get_one(path: &Path) -> bool {
    let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    is_empty
        || folder::is_staged(path)
        || (path.join(folder::REQUEST).exists() && !path.join(folder::CERTIFICATE).exists())
}
