//! Whether a folder could be written to, without writing to it.

use std::{fs, io, path::Path};

use rustix::fs::Access;

use super::{
    ANCHOR, CERTIFICATE, Folder, FolderError, KEY, REQUEST, REVOCATION_LISTS,
    create::{is_dead_link, is_free, parent_and_name},
    exchange::{DATA, leads_to_version},
    file::{holds_any, is_there},
    lock::AUTHORITY,
};

/// What is replaced in the folder of a pair.
const FILES: [&str; 5] = [CERTIFICATE, KEY, ANCHOR, REQUEST, REVOCATION_LISTS];

/// Whether a CA lives in a folder.
pub fn is_of_authority(path: &Path) -> Result<bool, FolderError> {
    holds_any(path, &AUTHORITY)
}

/// What [`super::Folder::lock`] and the exchange of files would refuse, as far as it can be told before.
pub fn check(path: &Path) -> Result<(), FolderError> {
    // Most often, of many.
    if !is_there(path)? {
        return match parent_and_name(path) {
            Some((parent, _)) if !parent.exists() => check_writable(&parent),
            _ => check_writable(path),
        };
    }
    if is_of_authority(path)? {
        return Err(FolderError::OfAuthority(path.to_owned()));
    }
    let data = path.join(DATA);
    if fs::symlink_metadata(&data).is_ok() && !leads_to_version(&data) {
        return Err(FolderError::NotOurs(data));
    }
    check_replaceable(path)
}

impl Folder {
    /// What a replacement of its files would refuse, as far as it can be told before: whoever is about to sign asks this,
    /// or there would be a certificate that nobody gets.
    pub(super) fn check(&self) -> Result<(), FolderError> {
        match &self.staged {
            // It was made a moment ago.
            Some(_) => Ok(()),
            None => check_replaceable(&self.path),
        }
    }
}

fn check_replaceable(path: &Path) -> Result<(), FolderError> {
    check_writable(path)?;
    for name in FILES {
        let file = path.join(name);
        let is_in_the_way = fs::symlink_metadata(&file)
            .is_ok_and(|metadata| !metadata.is_file() && !metadata.is_symlink());
        if is_in_the_way {
            return Err(FolderError::NotAFile(file));
        }
    }
    Ok(())
}

/// What [`super::create`] would refuse, as far as it can be told before. `false` when there is a folder already.
pub fn check_new(path: &Path) -> Result<bool, FolderError> {
    let Some((parent, _)) = parent_and_name(path) else {
        return Ok(false);
    };
    check_writable(&parent)?;
    match fs::File::open(&parent) {
        Ok(_) => is_free(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(FolderError::io(&parent, "opened")(error)),
    }
}

/// What [`super::place_file`] would refuse, as far as it can be told before.
pub fn check_place(path: &Path, overwrite: bool) -> Result<(), FolderError> {
    let Some((parent, _)) = parent_and_name(path) else {
        return Err(FolderError::NotAFile(path.to_owned()));
    };
    fs::File::open(&parent).map_err(FolderError::io(&parent, "opened"))?;
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(FolderError::NotAFile(path.to_owned())),
        Ok(_) if !overwrite => Err(FolderError::Exists(path.to_owned())),
        _ => check_writable(&parent),
    }
}

/// Whether files can be made in a folder, which itself may have to be made first.
pub fn check_writable(path: &Path) -> Result<(), FolderError> {
    for above in path.ancestors() {
        let place = match above.as_os_str().is_empty() {
            true => Path::new("."),
            false => above,
        };
        let action = if above == path {
            "written to"
        } else {
            "created"
        };
        match fs::metadata(place) {
            Ok(metadata) if !metadata.is_dir() => {
                return Err(FolderError::NotAFolder(place.to_owned()));
            }
            Ok(_) => {
                return rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK)
                    .map_err(|error| FolderError::io(path, action)(error.into()));
            }
            Err(_) if is_dead_link(place) => return Err(FolderError::DeadLink(place.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(FolderError::io(path, action)(error)),
        }
    }
    Ok(())
}
