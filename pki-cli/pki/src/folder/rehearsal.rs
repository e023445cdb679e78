//! Whether a folder could be written to, without writing to it.

use std::{fs, io, path::Path};

use rustix::fs::Access;

use super::{
    ANCHOR, CERTIFICATE, Folder, FolderError, KEY, REQUEST, REVOCATION_LISTS,
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
        return check_writable(path);
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(FolderError::io(path, action)(error)),
        }
    }
    Ok(())
}
