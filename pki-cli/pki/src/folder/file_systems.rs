//! The file systems that many changes write to, so that each is made durable once.
//!
//! Most often it is one. A folder behind a symbolic link, or on which something is mounted, may lie on another, of which
//! the first one's `syncfs` says nothing.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::FolderError;

/// File systems, each known by its device and a folder in it.
#[derive(Debug, Default)]
pub struct FileSystems(Vec<(u64, PathBuf)>);

impl FileSystems {
    /// Those of these folders.
    pub fn of<'f>(folders: impl IntoIterator<Item = &'f Path>) -> Result<Self, FolderError> {
        let mut all = Self::default();
        let mut last = None;
        for folder in folders {
            // Most often one folder holds all of them.
            if last.replace(folder) == Some(folder) {
                continue;
            }
            let metadata = fs::metadata(folder).map_err(FolderError::io(folder, "read"))?;
            let is_known = |(device, _): &(u64, PathBuf)| *device == metadata.dev();
            if !all.0.iter().any(is_known) {
                all.0.push((metadata.dev(), folder.to_owned()));
            }
        }
        Ok(all)
    }

    /// Makes everything durable that was written to them: what many changes wrote is on the disk after one call for each,
    /// instead of several for each file.
    pub fn sync(&self) -> Result<(), FolderError> {
        self.0.iter().try_for_each(|(_, folder)| sync_all(folder))
    }

    /// How many they are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Makes everything durable that was written to the file system of this folder.
#[cfg(target_os = "linux")]
fn sync_all(folder: &Path) -> Result<(), FolderError> {
    File::open(folder)
        .and_then(|handle| rustix::fs::syncfs(handle).map_err(io::Error::from))
        .map_err(FolderError::io(folder, "made durable"))
}

/// The same where one file system cannot be asked for: all of them are.
#[cfg(not(target_os = "linux"))]
fn sync_all(_: &Path) -> Result<(), FolderError> {
    rustix::fs::sync();
    Ok(())
}
