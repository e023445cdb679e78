//! A folder whose files change together: the lock, the exchange by one rename of `..data`, and what puts a folder in
//! order after a process that died. The steps stand in the documentation of the folder above this file.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    CERTIFICATE, Entry, FolderError, KEY, Wait,
    create::{
        acquire, create_folder, hidden, is_at, is_empty, parent_and_name, private_folder,
        remove_leftovers,
    },
    file::{copy, remove_if_there, sync, write_entries},
};
use crate::{authority, index};

/// Where one of these is, a CA lives.
const AUTHORITY: [&str; 3] = [authority::ROOT_KEY, authority::ISSUING_KEY, index::FILE];
pub(super) const DATA: &str = "..data";
pub(super) const FILE: &str = "..file";
const LINK: &str = "..link-";

/// A folder that this process alone may write to, as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    pub(super) path: PathBuf,
    /// The folder itself, opened: the lock is on it, so there is no lock file that could stay behind.
    pub(super) handle: File,
    /// Whether the folder was made for the pair that is to come.
    pub(super) is_new: bool,
}

impl Folder {
    /// Waits until no other process writes to the folder, makes it if need be, and cleans up after a process that died.
    pub fn lock(path: &Path, wait: &mut Wait<'_>) -> Result<Self, FolderError> {
        loop {
            let is_new = !path.exists();
            create_folder(path, 0o755)?;
            // A folder behind a link stays behind it: only the folder itself can be replaced by another.
            let path = match fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_symlink() => {
                    &fs::canonicalize(path).map_err(FolderError::io(path, "opened"))?
                }
                _ => path,
            };
            let handle = match File::open(path) {
                Ok(handle) => handle,
                // Somebody took it away between the two calls.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FolderError::io(path, "opened")(error)),
            };
            acquire(&handle, path, wait)?;
            // While we waited, a complete folder may have taken the place of the one that we hold.
            if is_at(&handle, path) {
                let folder = Self {
                    path: path.to_owned(),
                    handle,
                    is_new,
                };
                if AUTHORITY.iter().any(|name| folder.holds(name)) {
                    return Err(FolderError::OfAuthority(path.to_owned()));
                }
                folder.settle()?;
                return Ok(folder);
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file of this name is there.
    pub fn holds(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Whether a certificate or a key is there.
    pub fn holds_pair(&self) -> bool {
        self.holds(CERTIFICATE) || self.holds(KEY)
    }

    /// Makes these files, and no others of the same names, appear at once. `remove` are files that disappear in the same
    /// moment.
    pub fn replace(self, entries: &[Entry], remove: &[&'static str]) -> Result<(), FolderError> {
        if is_empty(&self.path)? && self.take_place_of_empty(entries)? {
            return Ok(());
        }
        let new = self.helper("new", entries)?;
        let present: Vec<&'static str> = entries
            .iter()
            .map(|entry| entry.name)
            .chain(remove.iter().copied())
            .filter(|name| self.holds(name))
            .collect();
        let old = self.keep_old(&present)?;
        self.point_data_at(&old)?;
        for name in entries
            .iter()
            .map(|entry| entry.name)
            .chain(remove.iter().copied())
        {
            // A name that is not there yet becomes a link to nothing, which is not there either for every reader.
            self.put_link(name)?;
        }
        sync(&self.path)?;
        self.point_data_at(&new)?;
        sync(&self.path)?;
        self.settle()
    }

    /// Makes the folder beside this one and lets it take the place of this one, which is empty. `false` when the folder
    /// cannot be replaced, because something is mounted on it.
    fn take_place_of_empty(&self, entries: &[Entry]) -> Result<bool, FolderError> {
        let Some((parent, name)) = parent_and_name(&self.path) else {
            return Ok(false);
        };
        let prefix = hidden(&name);
        // Only the holder of the lock makes these, so what is there was left by a process that died.
        remove_leftovers(&parent, &prefix);
        let beside = match private_folder(&prefix, &parent) {
            Ok(beside) => beside,
            // A parent that we may not write to does not forbid writing to the folder.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            Err(error) => return Err(FolderError::io(&parent, "written to")(error)),
        };
        let mode = self
            .handle
            .metadata()
            .map_err(FolderError::io(&self.path, "read"))?
            .permissions();
        fs::set_permissions(beside.path(), mode)
            .map_err(FolderError::io(beside.path(), "changed"))?;
        write_entries(beside.path(), entries)
            .map_err(|error| error.named_after(beside.path(), &self.path))?;
        match fs::rename(beside.path(), &self.path) {
            Ok(()) => {
                // What it named is in place now; there is nothing to clean up.
                let _ = beside.keep();
                sync(&parent)?;
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(FolderError::io(&self.path, "written")(error)),
        }
    }

    /// A folder of files within this one.
    pub(super) fn helper(&self, kind: &str, entries: &[Entry]) -> Result<PathBuf, FolderError> {
        let made = private_folder(format!("..{kind}-").as_ref(), &self.path)
            .map_err(FolderError::io(&self.path, "written to"))?;
        // Whoever may enter the folder may enter this one: readers pass through it for a moment.
        let mode = self
            .handle
            .metadata()
            .map_err(FolderError::io(&self.path, "read"))?
            .permissions();
        fs::set_permissions(made.path(), mode).map_err(FolderError::io(made.path(), "changed"))?;
        write_entries(made.path(), entries)
            .map_err(|error| error.named_after(made.path(), &self.path))?;
        Ok(made.keep())
    }

    /// The present files once more, as they are: the same file, or the same link to another place. What a link leads to
    /// is not looked at, for it is none of ours and may be nothing that readers of this folder may see.
    pub(super) fn keep_old(&self, present: &[&'static str]) -> Result<PathBuf, FolderError> {
        let old = self.helper("old", &[])?;
        for name in present {
            let (path, kept) = (self.path.join(name), old.join(name));
            let metadata = fs::symlink_metadata(&path).map_err(FolderError::io(&path, "read"))?;
            let made = if metadata.is_symlink() {
                // Seen from the helper, a relative link would lead elsewhere.
                fs::canonicalize(&path).and_then(|target| symlink(target, &kept))
            } else if metadata.is_file() {
                fs::hard_link(&path, &kept).or_else(|_| copy(&path, &kept))
            } else {
                return Err(FolderError::NotAFile(path));
            };
            made.map_err(FolderError::io(&path, "kept"))?;
        }
        sync(&old)?;
        Ok(old)
    }

    pub(super) fn point_data_at(&self, helper: &Path) -> Result<(), FolderError> {
        let Some(target) = helper.file_name() else {
            return Ok(());
        };
        self.rename_link_to(Path::new(target), DATA)
    }

    pub(super) fn put_link(&self, name: &str) -> Result<(), FolderError> {
        self.rename_link_to(&Path::new(DATA).join(name), name)
    }

    fn rename_link_to(&self, target: &Path, name: &str) -> Result<(), FolderError> {
        let temporary = self.path.join(format!("{LINK}{name}"));
        let path = self.path.join(name);
        remove_if_there(&temporary)?;
        symlink(target, &temporary).map_err(FolderError::io(&path, "written"))?;
        fs::rename(&temporary, &path).map_err(FolderError::io(&path, "written"))
    }

    /// Replaces links by the files that they lead to and removes the helpers: the last step of a change, and the first
    /// thing to do after a process died in the middle of one.
    pub(super) fn settle(&self) -> Result<(), FolderError> {
        let failed = |action| FolderError::io(&self.path, action);
        // A folder that Kubernetes mounted has such a link as well, and its files are not ours to change.
        let data = self.path.join(DATA);
        if fs::symlink_metadata(&data).is_ok() && !leads_to_version(&data) {
            return Err(FolderError::NotOurs(data));
        }
        let mut helpers = Vec::new();
        // Read to the end first: names that change while a folder is read may appear twice.
        let entries: Result<Vec<_>, _> =
            fs::read_dir(&self.path).map_err(failed("read"))?.collect();
        for entry in entries.map_err(failed("read"))? {
            let name = entry.file_name();
            let path = entry.path();
            if is_helper(&entry) {
                helpers.push(path);
                continue;
            }
            let leads_to_data =
                fs::read_link(&path).is_ok_and(|target| target == Path::new(DATA).join(&name));
            if !leads_to_data {
                continue;
            }
            let target = self.path.join(DATA).join(&name);
            if target.exists() {
                // A second name for the file and not the file itself: a reader on its way through the link still finds it.
                let temporary = self.path.join(FILE);
                remove_if_there(&temporary)?;
                fs::hard_link(&target, &temporary)
                    .or_else(|_| copy(&target, &temporary))
                    .map_err(FolderError::io(&path, "written"))?;
                fs::rename(&temporary, &path).map_err(FolderError::io(&path, "written"))?;
            } else {
                fs::remove_file(&path).map_err(FolderError::io(&path, "removed"))?;
            }
        }
        if helpers.is_empty() {
            return Ok(());
        }
        sync(&self.path)?;
        // The link first: without it the helpers are only rubbish.
        remove_if_there(&data)?;
        for helper in helpers.iter().filter(|helper| !helper.ends_with(DATA)) {
            let is_folder = fs::symlink_metadata(helper).is_ok_and(|metadata| metadata.is_dir());
            let removed = if is_folder {
                fs::remove_dir_all(helper)
            } else {
                fs::remove_file(helper)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FolderError::io(helper, "removed")(error));
                }
                _ => {}
            }
        }
        sync(&self.path)
    }
}

impl Drop for Folder {
    /// A folder that was made for a pair that never came is taken away again.
    fn drop(&mut self) {
        if self.is_new && is_at(&self.handle, &self.path) {
            // Fails when something is in it, as it should.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// What a change of files leaves behind when its process dies: a name of ours, on what we put there. Other hidden names
/// are somebody else's.
fn is_helper(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else {
        return false;
    };
    if is_version(name) {
        return kind.is_dir();
    }
    match name {
        DATA => leads_to_version(&entry.path()),
        FILE => !kind.is_dir(),
        _ => name.starts_with(LINK) && kind.is_symlink(),
    }
}

fn is_version(name: &str) -> bool {
    name.starts_with("..new-") || name.starts_with("..old-")
}

fn leads_to_version(link: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target.to_str().is_some_and(is_version))
}
