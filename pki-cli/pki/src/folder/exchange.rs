//! Files that change together: the steps of a change, and what puts a folder in order after a process that died. What
//! the steps are for stands in the documentation of the module above.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    Entry, Folder, FolderError,
    create::{hidden, is_empty, parent, parent_and_name, private_folder, remove_leftovers},
    file::{copy, remove_if_there, sync_folder, write_entries_as},
};

pub(super) const DATA: &str = "..data";
pub(super) const FILE: &str = "..file";
const LINK: &str = "..link-";

impl Folder {
    /// Makes these files, and no others of the same names, appear at once. `remove` are files that disappear in the same
    /// moment.
    pub fn replace(self, entries: &[Entry], remove: &[&'static str]) -> Result<(), FolderError> {
        let mut change = self.begin(entries, remove, Durable::AtOnce)?;
        while change.advance()? {}
        Ok(())
    }

    /// The first step of [`Folder::replace`]: the files are written where no reader looks for them.
    pub fn begin(
        self,
        entries: &[Entry],
        remove: &[&'static str],
        durable: Durable,
    ) -> Result<Change, FolderError> {
        let next = if let Some(staged) = &self.staged {
            write_entries_as(staged, entries, durable)
                .map_err(|error| error.named_after(staged, &self.path))?;
            Step::TakePlace
        } else if is_empty(&self.path)?
            && let Some(beside) = self.beside(entries, durable)?
        {
            Step::TakePlaceOfEmpty {
                beside,
                entries: entries.to_vec(),
                remove: remove.to_vec(),
            }
        } else {
            self.begin_exchange(entries, remove, durable)?
        };
        Ok(Change {
            folder: self,
            durable,
            next,
        })
    }

    fn begin_exchange(
        &self,
        entries: &[Entry],
        remove: &[&'static str],
        durable: Durable,
    ) -> Result<Step, FolderError> {
        let new = self.helper("new", entries, durable)?;
        let names: Vec<_> = entries
            .iter()
            .map(|entry| entry.name)
            .chain(remove.iter().copied())
            .collect();
        let mut present = names.clone();
        for at in (0..present.len()).rev() {
            if !self.holds(present[at])? {
                present.remove(at);
            }
        }
        let old = self.keep_old(&present, durable)?;
        Ok(Step::Link { old, new, names })
    }

    /// The files in a folder beside this one, which is empty. `None` when nothing can be made there.
    fn beside(&self, entries: &[Entry], durable: Durable) -> Result<Option<TempDir>, FolderError> {
        let Some((parent, name)) = parent_and_name(&self.path) else {
            return Ok(None);
        };
        let prefix = hidden(&name);
        // Only the holder of the lock makes these, so what is there was left by a process that died.
        remove_leftovers(&parent, &prefix);
        let beside = match private_folder(&prefix, &parent) {
            Ok(beside) => beside,
            // A parent that we may not write to does not forbid writing to the folder.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(FolderError::io(&parent, "written to")(error)),
        };
        let mode = self
            .handle
            .metadata()
            .map_err(FolderError::io(&self.path, "read"))?
            .permissions();
        fs::set_permissions(beside.path(), mode)
            .map_err(FolderError::io(beside.path(), "changed"))?;
        write_entries_as(beside.path(), entries, durable)
            .map_err(|error| error.named_after(beside.path(), &self.path))?;
        Ok(Some(beside))
    }

    /// A folder of files within this one.
    pub(super) fn helper(
        &self,
        kind: &str,
        entries: &[Entry],
        durable: Durable,
    ) -> Result<PathBuf, FolderError> {
        let made = private_folder(format!("..{kind}-").as_ref(), &self.path)
            .map_err(FolderError::io(&self.path, "written to"))?;
        // Whoever may enter the folder may enter this one: readers pass through it for a moment.
        let mode = self
            .handle
            .metadata()
            .map_err(FolderError::io(&self.path, "read"))?
            .permissions();
        fs::set_permissions(made.path(), mode).map_err(FolderError::io(made.path(), "changed"))?;
        write_entries_as(made.path(), entries, durable)
            .map_err(|error| error.named_after(made.path(), &self.path))?;
        Ok(made.keep())
    }

    /// The present files once more, as they are: the same file, or the same link to another place. What a link leads to
    /// is not looked at, for it is none of ours and may be nothing that readers of this folder may see.
    pub(super) fn keep_old(
        &self,
        present: &[&'static str],
        durable: Durable,
    ) -> Result<PathBuf, FolderError> {
        let old = self.helper("old", &[], durable)?;
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
        durable.sync(&old)?;
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
        let helpers = self.unlink()?;
        if helpers.is_empty() {
            return Ok(());
        }
        sync_folder(&self.path)?;
        self.remove_helpers(&helpers)?;
        sync_folder(&self.path)
    }

    /// Replaces links by the files that they lead to; returns the helpers, which nobody needs then.
    fn unlink(&self) -> Result<Vec<PathBuf>, FolderError> {
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
        Ok(helpers)
    }

    fn remove_helpers(&self, helpers: &[PathBuf]) -> Result<(), FolderError> {
        // The link first: without it the helpers are only rubbish.
        remove_if_there(&self.path.join(DATA))?;
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
        Ok(())
    }
}

/// Who makes the steps of a change durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durable {
    /// Each step does.
    AtOnce,
    /// The caller, for many changes together, with [`super::FileSystems::sync`] between two steps and after the last one; when all of
    /// them take a place below one folder, [`super::sync_folder`] is enough for that.
    ByCaller,
}

impl Durable {
    fn sync(self, folder: &Path) -> Result<(), FolderError> {
        match self {
            Self::AtOnce => sync_folder(folder),
            Self::ByCaller => Ok(()),
        }
    }
}

/// A change of files that has begun. Dropped before its time, it is as if the process had died: whoever locks the folder
/// next settles it.
#[derive(Debug)]
pub struct Change {
    folder: Folder,
    durable: Durable,
    next: Step,
}

#[derive(Debug)]
enum Step {
    /// A folder that was staged takes its place.
    TakePlace,
    /// A folder takes the place of an empty one.
    TakePlaceOfEmpty {
        beside: TempDir,
        entries: Vec<Entry>,
        remove: Vec<&'static str>,
    },
    /// Each file becomes a link to what it was.
    Link {
        old: PathBuf,
        new: PathBuf,
        names: Vec<&'static str>,
    },
    /// All links lead to what is new, at once.
    Switch {
        new: PathBuf,
    },
    /// The links become files.
    Unlink,
    /// The helpers go.
    Clean {
        helpers: Vec<PathBuf>,
    },
    Done,
}

impl Change {
    /// Whether the next step is one `rename` in the parent folder, and the last one.
    pub(crate) fn takes_place(&self) -> bool {
        matches!(self.next, Step::TakePlace)
    }

    /// The folders in which the steps write: the one where the files are, and that in which it has its place.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Path> {
        // One that is staged has no place yet, and is beside it.
        let own = self.folder.staged.is_none().then_some(&*self.folder.path);
        own.into_iter().chain([parent(&self.folder.path)])
    }

    /// Takes the next step; everything up to the one before must be durable. `false` when it was the last one.
    pub fn advance(&mut self) -> Result<bool, FolderError> {
        let path = self.folder.path.clone();
        let next = std::mem::replace(&mut self.next, Step::Done);
        let (synced, next) = match next {
            Step::TakePlace => {
                self.take_place()?;
                (parent(&path).to_owned(), Step::Done)
            }
            Step::TakePlaceOfEmpty {
                beside,
                entries,
                remove,
            } => match fs::rename(beside.path(), &path) {
                Ok(()) => {
                    // What it named is in place now; there is nothing to clean up.
                    let _ = beside.keep();
                    (parent(&path).to_owned(), Step::Done)
                }
                // Something is mounted on it.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices
                    ) =>
                {
                    let exchange = self
                        .folder
                        .begin_exchange(&entries, &remove, self.durable)?;
                    (path, exchange)
                }
                Err(error) => return Err(FolderError::io(&path, "written")(error)),
            },
            Step::Link { old, new, names } => {
                self.folder.point_data_at(&old)?;
                for name in names {
                    // A name that is not there yet becomes a link to nothing, which is not there either for every
                    // reader.
                    self.folder.put_link(name)?;
                }
                (path, Step::Switch { new })
            }
            Step::Switch { new } => {
                self.folder.point_data_at(&new)?;
                (path, Step::Unlink)
            }
            Step::Unlink => {
                let helpers = self.folder.unlink()?;
                (path, Step::Clean { helpers })
            }
            Step::Clean { helpers } => {
                self.folder.remove_helpers(&helpers)?;
                (path, Step::Done)
            }
            Step::Done => return Ok(false),
        };
        self.durable.sync(&synced)?;
        self.next = next;
        Ok(!matches!(self.next, Step::Done))
    }

    fn take_place(&mut self) -> Result<(), FolderError> {
        let path = &self.folder.path;
        let Some(staged) = &self.folder.staged else {
            return Ok(());
        };
        fs::rename(staged, path).map_err(|error| match error.kind() {
            // Somebody who does not know of our lock made a folder of this name.
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                FolderError::Exists(path.clone())
            }
            io::ErrorKind::NotADirectory => FolderError::NotAFolder(path.clone()),
            _ => FolderError::io(path, "written")(error),
        })?;
        self.folder.staged = None;
        Ok(())
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

/// Whether a change of files in a folder was not finished. Whoever locks the folder finishes it.
pub fn is_unsettled(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| is_helper(&entry))
}

fn is_version(name: &str) -> bool {
    name.starts_with("..new-") || name.starts_with("..old-")
}

pub(super) fn leads_to_version(link: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target.to_str().is_some_and(is_version))
}
