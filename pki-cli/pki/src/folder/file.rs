//! Single files: written durably and with the right permissions from birth, read as far as they are of a size that
//! belongs here.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use zeroize::Zeroizing;

use super::{
    Access, Durable, Entry, FolderError, REVOCATION_LISTS, Wait,
    create::{acquire, hidden, parent_and_name, remove_leftovers, without_path},
    open::{open, open_given},
};

/// No file that we read is larger, but for CRLs.
const MAX_FILE: u64 = 16 << 20;
/// No file with CRLs is larger: about three million revocations.
pub const MAX_LISTS: u64 = 256 << 20;

/// Writes files into a folder and makes them durable.
pub fn write_entries(folder: &Path, entries: &[Entry]) -> Result<(), FolderError> {
    write_entries_as(folder, entries, Durable::AtOnce)
}

pub(super) fn write_entries_as(
    folder: &Path,
    entries: &[Entry],
    durable: Durable,
) -> Result<(), FolderError> {
    // Where the umask (or the folder's default ACL) took nothing away from a file for everybody, it takes nothing from
    // the next one.
    let mut takes_nothing = false;
    for entry in entries {
        let path = folder.join(entry.name);
        let is_as_born = write_new(&path, entry, durable, takes_nothing)?;
        takes_nothing |= is_as_born && entry.access == Access::Public;
    }
    match durable {
        Durable::AtOnce => sync_folder(folder),
        Durable::ByCaller => Ok(()),
    }
}

/// Writes one file into a folder that is not ours, durable and at once: a reader sees the old content or the new. A
/// process that dies on the way leaves nothing in place but a hidden file that the next writer of the same file takes
/// away.
pub fn place_file(
    path: &Path,
    access: Access,
    content: &[u8],
    overwrite: bool,
    wait: &mut Wait<'_>,
) -> Result<(), FolderError> {
    let Some((parent, name)) = parent_and_name(path) else {
        return Err(FolderError::NotAFile(path.to_owned()));
    };
    let prefix = hidden(&name);
    let lock = File::open(&parent).map_err(FolderError::io(&parent, "opened"))?;
    acquire(&lock, &parent, wait)?;
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(FolderError::NotAFile(path.to_owned())),
        Ok(_) if !overwrite => return Err(FolderError::Exists(path.to_owned())),
        _ => {}
    }
    remove_leftovers(&parent, &prefix);
    let failed = |error| FolderError::io(path, "written")(error);
    // Private from birth; the rename that puts it in place leaves nothing to clean up after.
    let mut made = tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(&parent)
        .map_err(without_path)
        .map_err(FolderError::io(&parent, "written to"))?;
    let permissions = fs::Permissions::from_mode(mode(access));
    made.write_all(content)
        .and_then(|()| made.as_file().set_permissions(permissions))
        .and_then(|()| made.as_file().sync_all())
        .map_err(failed)?;
    made.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(&parent)
}

/// Reads a regular file, as far as it is of a size that belongs here. Never waits for anybody.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FolderError> {
    read_from(open(path)?, path)
}

/// Reads what a person named, which may be a pipe or a device as well; see [`super::open_given`].
pub fn read_given(path: &Path) -> Result<Zeroizing<Vec<u8>>, FolderError> {
    let file = open_given(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FolderError::Missing(path.to_owned()),
        _ => FolderError::io(path, "read")(error),
    })?;
    read_from(file, path)
}

fn read_from(file: impl Read, path: &Path) -> Result<Zeroizing<Vec<u8>>, FolderError> {
    // A CRL grows with every revocation, and its file is known by its name.
    let limit = match path.file_name() {
        Some(name) if name == REVOCATION_LISTS => MAX_LISTS,
        _ => MAX_FILE,
    };
    let mut content = Zeroizing::new(Vec::new());
    // One more than allowed, so that a file of exactly the limit is told from a larger one; a device never ends.
    file.take(limit + 1)
        .read_to_end(&mut content)
        .map_err(FolderError::io(path, "read"))?;
    if content.len() as u64 > limit {
        return Err(match limit {
            MAX_LISTS => FolderError::ListsTooLarge(path.to_owned()),
            _ => FolderError::TooLarge(path.to_owned()),
        });
    }
    Ok(content)
}

/// Reads a file that may be absent.
pub fn read_if_there(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FolderError> {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(FolderError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether something has this name. Where this user may not look it is not said to be absent.
pub fn is_there(path: &Path) -> Result<bool, FolderError> {
    match path.try_exists() {
        // Below a file there is nothing.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        other => other.map_err(FolderError::io(path, "read")),
    }
}

/// Whether one of these files is in a folder.
pub fn holds_any(folder: &Path, names: &[&str]) -> Result<bool, FolderError> {
    for name in names {
        if is_there(&folder.join(name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who may do what with a file: the nine bits of `chmod`. `None` when it is absent.
pub fn mode_of(path: &Path) -> Result<Option<u32>, FolderError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.mode() & 0o777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io(path, "read")(error)),
    }
}

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// The version of a file; `None` when there is none.
pub(crate) fn stamp_of(path: &Path) -> Result<Option<Stamp>, FolderError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io(path, "read")(error)),
    }
}

fn mode(access: Access) -> u32 {
    match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    }
}

/// Writes a file that is not there yet. Whether it had its mode from birth; `is_known` says that it will.
pub(super) fn write_new(
    path: &Path,
    entry: &Entry,
    durable: Durable,
    is_known: bool,
) -> Result<bool, FolderError> {
    let mode = mode(entry.access);
    let failed = |error| FolderError::io(path, "written")(error);
    // Private from birth.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    // The umask may have taken bits away.
    let is_as_born = is_known || file.metadata().map_err(failed)?.mode() & 0o7777 == mode;
    if !is_as_born {
        file.set_permissions(fs::Permissions::from_mode(mode))
            .map_err(failed)?;
    }
    file.write_all(&entry.content).map_err(failed)?;
    if durable == Durable::AtOnce {
        file.sync_all().map_err(failed)?;
    }
    Ok(is_as_born)
}

/// Copies a file that is no link, with the mode that it has.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = open(from).map_err(io::Error::other)?;
    let opened = source.metadata()?;
    let named = fs::symlink_metadata(from)?;
    // Between looking and opening, a link may have taken the name.
    if !opened.is_file() || (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut content = Zeroizing::new(Vec::new());
    source.read_to_end(&mut content)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    file.write_all(&content)?;
    file.set_permissions(fs::Permissions::from_mode(opened.mode() & 0o777))?;
    file.sync_all()
}

/// A name is durable when the folder that holds it is.
pub fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    let path = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(path)
        .and_then(|handle| handle.sync_all())
        .map_err(FolderError::io(path, "made durable"))
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::io(path, "removed")(error))
        }
        _ => Ok(()),
    }
}
