//! Folders that appear complete or not at all, and what is asked of a folder before it is written to.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{FolderError, Wait, file::sync_folder};

/// Makes a folder with what `fill` puts into it appear at once, for its owner alone. `false` when there is one already.
pub fn create(
    path: &Path,
    wait: &mut Wait<'_>,
    fill: impl FnOnce(&Path) -> Result<(), crate::Error>,
) -> Result<bool, crate::Error> {
    let Some((parent, name)) = parent_and_name(path) else {
        return Ok(false);
    };
    // Of what is made on the way nothing stays behind when the folder does not come.
    let is_new = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
    let new: Vec<_> = parent.ancestors().take_while(is_new).collect();
    let created = create_folder(&parent, 0o755)
        .map_err(crate::Error::from)
        .and_then(|()| create_in(&parent, &name, path, wait, fill));
    if created.is_err() {
        // One that somebody else uses by now is not empty, and stays.
        for above in new {
            let _ = fs::remove_dir(above);
        }
    }
    created
}

fn create_in(
    parent: &Path,
    name: &OsString,
    path: &Path,
    wait: &mut Wait<'_>,
    fill: impl FnOnce(&Path) -> Result<(), crate::Error>,
) -> Result<bool, crate::Error> {
    let prefix = hidden(name);
    // Two makers wait for each other, so what is there was left by a process that died.
    let lock = File::open(parent).map_err(FolderError::io(parent, "opened"))?;
    acquire(&lock, parent, wait)?;
    if !is_free(path)? {
        return Ok(false);
    }
    remove_leftovers(parent, &prefix);
    let beside = private_folder(&prefix, parent).map_err(FolderError::io(parent, "written to"))?;
    fill(beside.path()).map_err(|error| error.named_after(beside.path(), path))?;
    sync_folder(beside.path())?;
    match fs::rename(beside.path(), path) {
        Ok(()) => {
            let _ = beside.keep();
            sync_folder(parent)?;
            Ok(true)
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(FolderError::io(path, "written")(error).into()),
    }
}

/// Whether a folder can appear there: nothing has the name, or an empty folder.
pub(super) fn is_free(path: &Path) -> Result<bool, FolderError> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => is_empty(path),
        // Nor can a link to one be replaced by a folder.
        Ok(_) => Err(FolderError::NotAFolder(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(FolderError::io(path, "read")(error)),
    }
}

/// Makes a folder and those above it, unless they are there.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), FolderError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(
        |error| match path.ancestors().find(|above| above.exists()) {
            Some(above) if !above.is_dir() => FolderError::NotAFolder(above.to_owned()),
            _ => match path.ancestors().find(|above| is_dead_link(above)) {
                Some(link) => FolderError::DeadLink(link.to_owned()),
                None => FolderError::io(path, "created")(error),
            },
        },
    )
}

/// Whether a link leads nowhere, or to itself. Where this user may not look it may lead somewhere.
pub(super) fn is_dead_link(path: &Path) -> bool {
    path.is_symlink()
        && fs::metadata(path).is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied)
}

/// A folder with a name of its own that only its owner enters, whatever the umask lets through.
pub(super) fn private_folder(prefix: &OsStr, parent: &Path) -> io::Result<tempfile::TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    let made = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(private.clone())
        .tempdir_in(parent)
        .map_err(without_path)?;
    // The umask may have taken bits away from its owner as well.
    fs::set_permissions(made.path(), private)?;
    Ok(made)
}

/// The error without the name of ours that the crate `tempfile` puts behind it.
pub(super) fn without_path(error: io::Error) -> io::Error {
    let kind = error.kind();
    match kind {
        io::ErrorKind::PermissionDenied => Errno::ACCESS.into(),
        io::ErrorKind::ReadOnlyFilesystem => Errno::ROFS.into(),
        io::ErrorKind::StorageFull => Errno::NOSPC.into(),
        io::ErrorKind::QuotaExceeded => Errno::DQUOT.into(),
        io::ErrorKind::NotFound => Errno::NOENT.into(),
        // Nothing is known of it but its text.
        io::ErrorKind::Other => error,
        _ => kind.into(),
    }
}

pub(super) fn acquire(handle: &File, path: &Path, wait: &mut Wait<'_>) -> Result<(), FolderError> {
    loop {
        match handle.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if wait() => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(FolderError::io(path, "locked")(error)),
        }
    }
}

pub(super) fn is_empty(path: &Path) -> Result<bool, FolderError> {
    let mut entries = fs::read_dir(path).map_err(FolderError::io(path, "read"))?;
    Ok(entries.next().is_none())
}

pub(super) fn is_at(handle: &File, path: &Path) -> bool {
    match (handle.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

pub(super) fn parent_and_name(path: &Path) -> Option<(PathBuf, OsString)> {
    let name = path.file_name()?.to_owned();
    Some((parent(path).to_owned(), name))
}

/// The folder that a path lies in, `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `.NAME~new-`: hidden, and said whose it is. No name of ours has a tilde, so no prefix begins with another one.
pub(super) fn hidden(name: &OsString) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push("~new-");
    hidden
}

/// `.NAME~new`: where a folder is made that takes its place when it is complete.
pub(super) fn staging(parent: &Path, name: &OsStr) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push("~new");
    parent.join(hidden)
}

/// Of which folder this is the name as long as it is staged.
pub fn name_of_staged(name: &OsStr) -> Option<&OsStr> {
    let name = name.to_str()?.strip_prefix('.')?.strip_suffix("~new")?;
    Some(OsStr::new(name))
}

fn leftovers(parent: &Path, prefix: &OsString) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let ours = |name: OsString| {
        name.as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
    };
    entries
        .filter(|entry| ours(entry.file_name()))
        .map(|entry| entry.path())
        .collect()
}

pub(super) fn remove_leftovers(parent: &Path, prefix: &OsString) {
    for leftover in leftovers(parent, prefix) {
        let _ = fs::remove_dir_all(&leftover).or_else(|_| fs::remove_file(&leftover));
    }
}
