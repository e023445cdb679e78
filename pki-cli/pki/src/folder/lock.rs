//! The lock on a folder: who holds it may change what is in the folder, and finds it in order.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{
    FolderError, Wait,
    create::{acquire, create_folder, is_at, parent_and_name, staging},
    file::is_there,
    rehearsal::is_of_authority,
};
use crate::{authority, index};

/// Where one of these is, a CA lives.
pub(super) const AUTHORITY: [&str; 3] = [authority::ROOT_KEY, authority::ISSUING_KEY, index::FILE];

/// A folder that this process alone may write to, as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    pub(super) path: PathBuf,
    /// The folder itself, opened: the lock is on it, so there is no lock file that could stay behind.
    pub(super) handle: File,
    /// Where the folder is as long as it is not in place: nothing of its name is there yet.
    pub(super) staged: Option<PathBuf>,
}

impl Folder {
    /// Waits until no other process writes to the folder, and cleans up after a process that died. A folder that is not
    /// there is made beside its place, `.NAME~new`, and locked there: it takes its place when there is something in it.
    /// Where files could not be replaced, that is said here, before anything is made for them.
    pub fn lock(path: &Path, wait: &mut Wait<'_>) -> Result<Self, FolderError> {
        let folder = Self::hold(path, wait)?;
        folder.check()?;
        Ok(folder)
    }

    /// [`Self::lock`] for those who may find that there is nothing to be written.
    pub(crate) fn hold(path: &Path, wait: &mut Wait<'_>) -> Result<Self, FolderError> {
        loop {
            let locked = match fs::symlink_metadata(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Self::claim(path, wait)?,
                _ => Self::lock_present(path, wait)?,
            };
            if let Some(folder) = locked {
                return Ok(folder);
            }
        }
    }

    /// `None` when it was taken away, or another one took its place, in the meantime.
    fn lock_present(path: &Path, wait: &mut Wait<'_>) -> Result<Option<Self>, FolderError> {
        create_folder(path, 0o755)?;
        // A folder behind a link stays behind it: only the folder itself can be replaced by another.
        let path = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => {
                &fs::canonicalize(path).map_err(FolderError::io(path, "opened"))?
            }
            _ => path,
        };
        let Some(handle) = open(path)? else {
            return Ok(None);
        };
        acquire(&handle, path, wait)?;
        if !is_at(&handle, path) {
            return Ok(None);
        }
        let folder = Self {
            path: path.to_owned(),
            handle,
            staged: None,
        };
        if is_of_authority(path)? {
            return Err(FolderError::OfAuthority(path.to_owned()));
        }
        folder.settle()?;
        Ok(Some(folder))
    }

    /// `None` when another process was faster: then there is a folder, or the name is free again.
    fn claim(path: &Path, wait: &mut Wait<'_>) -> Result<Option<Self>, FolderError> {
        let Some((parent, name)) = parent_and_name(path) else {
            return Self::lock_present(path, wait);
        };
        let staged = staging(&parent, &name);
        let create = || DirBuilder::new().mode(0o755).create(&staged);
        let mut created = create();
        if let Err(error) = &created
            && error.kind() == io::ErrorKind::NotFound
        {
            create_folder(&parent, 0o755)?;
            created = create();
        }
        let was_there = match created {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
            Err(error) => return Err(FolderError::io(path, "created")(error)),
        };
        let opened = open(&staged).map_err(|error| error.named_after(&staged, path));
        let Some(handle) = opened? else {
            return Ok(None);
        };
        acquire(&handle, path, wait)?;
        let is_ours = is_at(&handle, &staged) && fs::symlink_metadata(path).is_err();
        if !is_ours {
            return Ok(None);
        }
        if was_there {
            // Whoever made it has let go of it without putting it in place: it died.
            empty(&staged)?;
        }
        Ok(Some(Self {
            path: path.to_owned(),
            handle,
            staged: Some(staged),
        }))
    }

    /// Where it is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing of its name was there when it was locked.
    pub fn is_vacant(&self) -> bool {
        self.staged.is_some()
    }

    /// Whether a file of this name is there.
    pub(super) fn holds(&self, name: &str) -> Result<bool, FolderError> {
        Ok(self.staged.is_none() && is_there(&self.path.join(name))?)
    }
}

impl Drop for Folder {
    /// What was made for a pair that never came is taken away again.
    fn drop(&mut self) {
        if let Some(staged) = &self.staged
            && is_at(&self.handle, staged)
        {
            let _ = fs::remove_dir_all(staged);
        }
    }
}

/// `None` when somebody took it away.
fn open(path: &Path) -> Result<Option<File>, FolderError> {
    // Never waits for the writer of a pipe that is where a folder should be.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECTORY.bits().cast_signed())
        .open(path);
    match opened {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(FolderError::NotAFolder(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io(path, "opened")(error)),
    }
}

fn empty(staged: &Path) -> Result<(), FolderError> {
    let failed = |error| FolderError::io(staged, "emptied")(error);
    for entry in fs::read_dir(staged).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)?.is_dir() {
            true => fs::remove_dir_all(entry.path()).map_err(failed)?,
            false => fs::remove_file(entry.path()).map_err(failed)?,
        }
    }
    Ok(())
}
