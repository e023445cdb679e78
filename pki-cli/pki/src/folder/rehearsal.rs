//! Whether a folder could be written to, without writing to it.

use std::{fs, io, path::Path};

use rustix::fs::Access;

use super::{
    FolderError,
    exchange::{DATA, leads_to_version},
    lock::AUTHORITY,
};

/// What [`super::Folder::lock`] and the exchange of files would refuse, as far as it can be told before.
pub fn check(path: &Path) -> Result<(), FolderError> {
    if AUTHORITY.iter().any(|name| path.join(name).exists()) {
        return Err(FolderError::OfAuthority(path.to_owned()));
    }
    let data = path.join(DATA);
    if fs::symlink_metadata(&data).is_ok() && !leads_to_version(&data) {
        return Err(FolderError::NotOurs(data));
    }
    check_writable(path)
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
