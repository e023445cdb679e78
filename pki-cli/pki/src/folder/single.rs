//! One file of a folder that changes on its own, whatever else is there: `crl.pem`. And the folder of a CA, in which
//! nothing else changes after it was made.

use std::{
    fs::{self, File},
    path::Path,
};

use super::{
    Durable, Entry, Folder, FolderError, Wait,
    create::{acquire, is_at},
    exchange::FILE,
    file::{remove_if_there, sync_folder, write_new},
};

impl Folder {
    /// Waits until no other process writes to the folder of a CA, which is there. Whoever signs CRLs holds this.
    pub fn lock_authority(path: &Path, wait: &mut Wait<'_>) -> Result<Self, FolderError> {
        loop {
            let handle = File::open(path).map_err(FolderError::io(path, "opened"))?;
            acquire(&handle, path, wait)?;
            if is_at(&handle, path) {
                let folder = Self {
                    path: path.to_owned(),
                    handle,
                    staged: None,
                };
                folder.settle()?;
                return Ok(folder);
            }
        }
    }

    /// Writes one file, durable and at once: a reader sees the old content or the new. What a process that died here
    /// leaves is taken away by the next one that holds the folder.
    pub fn put(&self, entry: &Entry) -> Result<(), FolderError> {
        let (temporary, path) = (self.path.join(FILE), self.path.join(entry.name));
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(FolderError::NotAFile(path));
        }
        remove_if_there(&temporary)?;
        let written = write_new(&temporary, entry, Durable::AtOnce, false)
            .map_err(|error| error.named_after(&temporary, &path))
            .and_then(|_| fs::rename(&temporary, &path).map_err(FolderError::io(&path, "written")));
        if written.is_err() {
            // As far as that is possible: a full disk should not stay full of this.
            let _ = remove_if_there(&temporary);
        }
        written?;
        sync_folder(&self.path)
    }
}
