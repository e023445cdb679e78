//! Folders of certificates: the only file that writes files.
//!
//! A pair lives in a folder of its own, `NAME/{tls.crt,tls.key,ca.crt}`, as plain files, so that everything that reads
//! files reads them. Certificate and key change together or not at all, although POSIX renames one name at a time:
//!
//! 1. The new files are written to `..new-XXXX/` in the folder and made durable.
//! 2. The present files are copied to `..old-XXXX/`; a symbolic link `..data` leads there; each present file is
//!    replaced by a link to `..data/FILE`. Every reader sees what it saw before.
//! 3. `..data` is replaced by a link to `..new-XXXX` with one `rename`: the moment of change, for all files at once.
//! 4. Each link is replaced by the plain file that it leads to, and the helpers are removed.
//!
//! A process may die between any two of these calls: what a reader sees is the old pair or the new one, never a mixture,
//! and whoever writes to the folder next takes the last step first ([`Folder::lock`]). This is the trick by which
//! Kubernetes changes mounted secrets, with the links taken away again at the end. Exchanging whole folders
//! (`renameat2`) would be fewer calls, but a container that mounted the folder would keep looking at the old one, and
//! not every file system can do it. A first pair is made in `.NAME~new-XXXX/` beside the folder, which then takes its
//! place by one `rename`.
//!
//! Two files cannot be opened in one call, so a reader reads `tls.crt`, `tls.key` and `tls.crt` again: when both
//! readings of `tls.crt` agree, the key belongs to it.
//!
//! Writers of one folder wait for each other at a lock that the kernel releases when its process ends.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{authority, error::ErrorKind, index};

/// The certificate, followed by the intermediates.
pub const CERTIFICATE: &str = "tls.crt";
/// The private key.
pub const KEY: &str = "tls.key";
/// The trust anchor.
pub const ANCHOR: &str = "ca.crt";
/// What `pki csr` leaves beside its key until the certificate comes.
pub const REQUEST: &str = "tls.csr";

/// No file that we read is larger.
const MAX_FILE: u64 = 16 << 20;
/// Where one of these is, a CA lives.
const AUTHORITY: [&str; 3] = [authority::ROOT_KEY, authority::ISSUING_KEY, index::FILE];
const DATA: &str = "..data";
const FILE: &str = "..file";
const LINK: &str = "..link-";

/// Why a folder or file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The operating system refused.
    #[error("{path:?} could not be {action}: {reason}.")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read`, `written`, …
        action: &'static str,
        /// What the operating system said.
        reason: io::Error,
    },
    /// There is no such file.
    #[error("There is no file {0:?}; check the path, which is taken from the current folder.")]
    Missing(PathBuf),
    /// The disk, or what of it this user may use, is full.
    #[error("The disk is full, so {0:?} could not be written; make room and try again.")]
    Full(PathBuf),
    /// The file is larger than anything that belongs here.
    #[error("{0:?} is larger than 16 MiB, which no certificate, key or request is.")]
    TooLarge(PathBuf),
    /// The file is there already.
    #[error("{0:?} exists already; choose another name, or replace it with --force.")]
    Exists(PathBuf),
    /// Something else is where a folder should be.
    #[error("{0:?} is there and is not a folder; choose another one, or take it away.")]
    NotAFolder(PathBuf),
    /// A CA lives there.
    #[error(
        "{0:?} is the folder of a CA, in which no other key or certificate belongs; choose another one."
    )]
    OfAuthority(PathBuf),
    /// Something else is where a file should be.
    #[error("{0:?} is there and is not a file; take it away, or choose another folder.")]
    NotAFile(PathBuf),
    /// A link that readers depend on has a name that we need.
    #[error(
        "{0:?} is there and was not made by this program, which needs this name while it replaces files; choose another folder."
    )]
    NotOurs(PathBuf),
    /// Another process did not let go.
    #[error(
        "Another process is writing to {0:?} and did not finish in time; wait for it, or end it."
    )]
    Busy(PathBuf),
}

impl FolderError {
    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |reason| match reason.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Io {
                path,
                action,
                reason,
            },
        }
    }

    /// See [`crate::Error::named_after`].
    pub(crate) fn named_after(mut self, made: &Path, place: &Path) -> Self {
        if let Self::Full(path) | Self::Io { path, .. } = &mut self
            && let Ok(rest) = path.strip_prefix(made)
        {
            *path = match rest.as_os_str().is_empty() {
                true => place.to_owned(),
                false => place.join(rest),
            };
        }
        self
    }

    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) => ErrorKind::NotFound,
            Self::OfAuthority(_) => ErrorKind::Usage,
            Self::Full(_) => ErrorKind::Io,
            Self::Io { .. } | Self::NotAFolder(_) | Self::NotAFile(_) | Self::NotOurs(_) => {
                ErrorKind::Io
            }
            Self::TooLarge(_) => ErrorKind::Malformed,
            Self::Exists(_) => ErrorKind::Exists,
            Self::Busy(_) => ErrorKind::Busy,
        }
    }
}

/// Called when another process holds a lock: lets a moment pass and says whether to try again. Patience and clock are
/// the caller's.
pub type Wait<'a> = dyn FnMut() -> bool + 'a;

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

/// Who may read a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// The owner alone, 0600.
    Private,
    /// Everybody, 0644.
    Public,
}

/// A file to be written.
#[derive(Clone)]
pub struct Entry {
    name: &'static str,
    access: Access,
    content: Zeroizing<Vec<u8>>,
}

impl Entry {
    /// A file that only its owner may read.
    pub fn private(name: &'static str, content: impl AsRef<[u8]>) -> Self {
        Self {
            name,
            access: Access::Private,
            content: Zeroizing::new(content.as_ref().to_vec()),
        }
    }

    /// A file that everybody may read.
    pub fn public(name: &'static str, content: impl AsRef<[u8]>) -> Self {
        Self {
            name,
            access: Access::Public,
            content: Zeroizing::new(content.as_ref().to_vec()),
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            access,
            content: _,
        } = self;
        write!(f, "Entry({name}, {access:?}, [elided])")
    }
}

/// A folder that this process alone may write to, as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself, opened: the lock is on it, so there is no lock file that could stay behind.
    handle: File,
    /// Whether the folder was made for the pair that is to come.
    is_new: bool,
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
    fn helper(&self, kind: &str, entries: &[Entry]) -> Result<PathBuf, FolderError> {
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
    fn keep_old(&self, present: &[&'static str]) -> Result<PathBuf, FolderError> {
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

    fn point_data_at(&self, helper: &Path) -> Result<(), FolderError> {
        let Some(target) = helper.file_name() else {
            return Ok(());
        };
        self.rename_link_to(Path::new(target), DATA)
    }

    fn put_link(&self, name: &str) -> Result<(), FolderError> {
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
    fn settle(&self) -> Result<(), FolderError> {
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

/// Makes a folder with what `fill` puts into it appear at once, for its owner alone. `false` when there is one already.
pub fn create(
    path: &Path,
    wait: &mut Wait<'_>,
    fill: impl FnOnce(&Path) -> Result<(), crate::Error>,
) -> Result<bool, crate::Error> {
    let Some((parent, name)) = parent_and_name(path) else {
        return Ok(false);
    };
    create_folder(&parent, 0o755)?;
    let prefix = hidden(&name);
    // Two makers wait for each other, so what is there was left by a process that died.
    let lock = File::open(&parent).map_err(FolderError::io(&parent, "opened"))?;
    acquire(&lock, &parent, wait)?;
    if path.exists() && !is_empty(path)? {
        return Ok(false);
    }
    remove_leftovers(&parent, &prefix);
    let beside =
        private_folder(&prefix, &parent).map_err(FolderError::io(&parent, "written to"))?;
    fill(beside.path()).map_err(|error| error.named_after(beside.path(), path))?;
    sync(beside.path())?;
    match fs::rename(beside.path(), path) {
        Ok(()) => {
            let _ = beside.keep();
            sync(&parent)?;
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

/// Writes files into a folder and makes them durable.
pub fn write_entries(folder: &Path, entries: &[Entry]) -> Result<(), FolderError> {
    for entry in entries {
        let path = folder.join(entry.name);
        write_new(&path, entry.access, &entry.content)?;
    }
    sync(folder)
}

/// Writes one file, durable and at once: a reader sees the old content or the new.
pub fn write_file(
    path: &Path,
    access: Access,
    content: &[u8],
    overwrite: bool,
) -> Result<(), FolderError> {
    let parent = parent(path);
    let mut temporary = tempfile::Builder::new()
        .prefix(".pki-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(parent)
        .map_err(FolderError::io(path, "written"))?;
    temporary
        .write_all(content)
        .and_then(|()| {
            temporary
                .as_file()
                .set_permissions(fs::Permissions::from_mode(mode(access)))
        })
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(FolderError::io(path, "written"))?;
    let persisted = if overwrite {
        temporary.persist(path).map(drop)
    } else {
        temporary.persist_noclobber(path).map(drop)
    };
    persisted.map_err(|failure| match failure.error.kind() {
        io::ErrorKind::AlreadyExists => FolderError::Exists(path.to_owned()),
        _ => FolderError::io(path, "written")(failure.error),
    })?;
    sync(parent)
}

/// Reads a file, as far as it is of a size that belongs here.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FolderError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FolderError::Missing(path.to_owned()),
        _ => FolderError::io(path, "read")(error),
    })?;
    let mut content = Zeroizing::new(Vec::new());
    // One more than allowed, so that a file of exactly the limit is told from a larger one; a device never ends.
    file.take(MAX_FILE + 1)
        .read_to_end(&mut content)
        .map_err(FolderError::io(path, "read"))?;
    if content.len() as u64 > MAX_FILE {
        return Err(FolderError::TooLarge(path.to_owned()));
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

/// Who may do what with a file: the nine bits of `chmod`. `None` when it is absent.
pub fn mode_of(path: &Path) -> Result<Option<u32>, FolderError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.mode() & 0o777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io(path, "read")(error)),
    }
}

/// Makes a folder and those above it, unless they are there.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), FolderError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(
        |error| match path.ancestors().find(|above| above.exists()) {
            Some(above) if !above.is_dir() => FolderError::NotAFolder(above.to_owned()),
            _ => FolderError::io(path, "created")(error),
        },
    )
}

/// A folder with a name of its own that only its owner enters, whatever the umask lets through.
fn private_folder(prefix: &OsStr, parent: &Path) -> io::Result<tempfile::TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    let made = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(private.clone())
        .tempdir_in(parent)?;
    // The umask may have taken bits away from its owner as well.
    fs::set_permissions(made.path(), private)?;
    Ok(made)
}

fn mode(access: Access) -> u32 {
    match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    }
}

fn write_new(path: &Path, access: Access, content: &[u8]) -> Result<(), FolderError> {
    let failed = |error| FolderError::io(path, "written")(error);
    // Private from birth; the mode is set once more because the umask may have taken bits away.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode(access))
        .open(path)
        .map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(mode(access)))
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Copies a file that is no link, with the mode that it has.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
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
fn sync(folder: &Path) -> Result<(), FolderError> {
    let path = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(path)
        .and_then(|handle| handle.sync_all())
        .map_err(FolderError::io(path, "made durable"))
}

fn acquire(handle: &File, path: &Path, wait: &mut Wait<'_>) -> Result<(), FolderError> {
    loop {
        match handle.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if wait() => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(FolderError::io(path, "locked")(error)),
        }
    }
}

fn is_empty(path: &Path) -> Result<bool, FolderError> {
    let mut entries = fs::read_dir(path).map_err(FolderError::io(path, "read"))?;
    Ok(entries.next().is_none())
}

fn is_at(handle: &File, path: &Path) -> bool {
    match (handle.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn parent_and_name(path: &Path) -> Option<(PathBuf, OsString)> {
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
fn hidden(name: &OsString) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push("~new-");
    hidden
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

fn remove_leftovers(parent: &Path, prefix: &OsString) {
    for leftover in leftovers(parent, prefix) {
        let _ = fs::remove_dir_all(leftover);
    }
}

fn remove_if_there(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::io(path, "removed")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [&str; 2] = ["old certificate", "old key"];
    const NEW: [&str; 2] = ["new certificate", "new key"];

    fn entries(content: [&str; 2]) -> Vec<Entry> {
        vec![
            Entry::public(CERTIFICATE, content[0]),
            Entry::private(KEY, content[1]),
        ]
    }

    /// A folder with the old pair and a line for people, which is none of our business.
    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join("order");
        Folder::lock(&path, &mut || false)
            .expect("locked")
            .replace(&entries(OLD), &[])
            .expect("written");
        fs::write(path.join("README"), "mine").expect("written");
        (home, path)
    }

    fn pair(path: &Path) -> [String; 2] {
        [CERTIFICATE, KEY].map(|name| fs::read_to_string(path.join(name)).unwrap_or_default())
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(path)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// What `replace` does, as far as the process lives, and what a reader sees then; afterwards the next writer comes.
    fn dies_after(steps: usize) -> ([String; 2], [String; 2]) {
        let (_home, path) = home();
        let folder = Folder::lock(&path, &mut || false).expect("locked");
        let (new, old) = (entries(NEW), vec![CERTIFICATE, KEY]);
        let helpers = std::cell::RefCell::new(Vec::new());
        let calls: [&dyn Fn() -> Result<(), FolderError>; 8] = [
            &|| {
                folder
                    .helper("new", &new)
                    .map(|helper| helpers.borrow_mut().push(helper))
            },
            &|| {
                folder
                    .keep_old(&old)
                    .map(|helper| helpers.borrow_mut().push(helper))
            },
            &|| folder.point_data_at(&helpers.borrow()[1]),
            &|| folder.put_link(CERTIFICATE),
            &|| folder.put_link(KEY),
            &|| folder.point_data_at(&helpers.borrow()[0]),
            // Half of the last step: one link is a file again.
            &|| {
                let file = path.join("..file");
                fs::hard_link(path.join(DATA).join(KEY), &file).expect("linked");
                fs::rename(&file, path.join(KEY)).map_err(FolderError::io(&path, "written"))
            },
            &|| folder.settle(),
        ];
        for call in calls.iter().take(steps) {
            call().expect("every call succeeds");
        }
        let seen = pair(&path);
        drop(folder);
        drop(Folder::lock(&path, &mut || false).expect("the next writer is not stopped"));
        assert_eq!(
            names(&path),
            ["README", CERTIFICATE, KEY],
            "after {steps} calls"
        );
        assert!(names(&path).iter().all(|name| {
            !fs::symlink_metadata(path.join(name))
                .expect(name)
                .is_symlink()
        }));
        (seen, pair(&path))
    }

    #[test]
    fn whoever_dies_at_any_call_leaves_the_old_pair_or_the_new_one() {
        for steps in 0..=8 {
            let (seen, settled) = dies_after(steps);
            let expected = if steps < 6 { OLD } else { NEW };
            assert_eq!(seen, expected, "seen after {steps} calls");
            assert_eq!(settled, expected, "settled after {steps} calls");
        }
    }

    #[test]
    fn files_appear_and_disappear_together() {
        let (_home, path) = home();
        let folder = Folder::lock(&path, &mut || false).expect("locked");
        folder
            .replace(
                &[Entry::private(KEY, "k"), Entry::public(REQUEST, "r")],
                &[CERTIFICATE],
            )
            .expect("written");
        assert_eq!(names(&path), ["README", REQUEST, KEY]);
    }

    #[test]
    fn a_first_pair_makes_its_folder_and_leftovers_of_the_dead_go() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let dead = home.path().join(".order~new-dead");
        fs::create_dir(&dead).expect("created");
        fs::write(dead.join(KEY), "a key that never was in place").expect("written");
        let path = home.path().join("order");
        Folder::lock(&path, &mut || false)
            .expect("locked")
            .replace(&entries(NEW), &[])
            .expect("written");
        assert_eq!(names(home.path()), ["order"]);
        assert_eq!(pair(&path), NEW);
    }

    #[test]
    fn a_folder_that_got_nothing_goes_unless_it_was_there_before() {
        let home = tempfile::tempdir().expect("a temporary folder");
        drop(Folder::lock(&home.path().join("new"), &mut || false).expect("locked"));
        fs::create_dir(home.path().join("mine")).expect("created");
        drop(Folder::lock(&home.path().join("mine"), &mut || false).expect("locked"));
        assert_eq!(names(home.path()), ["mine"]);
    }

    #[test]
    fn a_folder_behind_a_link_stays_behind_it() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(home.path().join("real")).expect("created");
        symlink("real", home.path().join("order")).expect("linked");
        let path = home.path().join("order");
        Folder::lock(&path, &mut || false)
            .expect("locked")
            .replace(&entries(NEW), &[])
            .expect("written");
        assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
        assert_eq!(pair(&home.path().join("real")), NEW);
    }

    #[test]
    fn a_key_that_others_could_read_is_private_after_it_is_replaced() {
        let (_home, path) = home();
        fs::set_permissions(path.join(KEY), fs::Permissions::from_mode(0o666)).expect("changed");
        Folder::lock(&path, &mut || false)
            .expect("locked")
            .replace(&entries(NEW), &[])
            .expect("written");
        assert_eq!(
            fs::metadata(path.join(KEY)).expect("there").mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(path.join(CERTIFICATE)).expect("there").mode() & 0o777,
            0o644
        );
    }

    #[test]
    fn the_old_files_are_kept_as_they_are_and_links_are_not_followed() {
        let (home, path) = home();
        let secret = home.path().join("secret");
        fs::write(&secret, "somebody else's").expect("written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).expect("changed");
        fs::set_permissions(path.join(KEY), fs::Permissions::from_mode(0o640)).expect("changed");
        fs::remove_file(path.join(CERTIFICATE)).expect("removed");
        symlink("../secret", path.join(CERTIFICATE)).expect("linked");
        let folder = Folder::lock(&path, &mut || false).expect("locked");
        let old = folder.keep_old(&[CERTIFICATE, KEY]).expect("kept");
        assert_eq!(pair(&old), ["somebody else's", OLD[1]]);
        let kept = fs::symlink_metadata(old.join(CERTIFICATE)).expect("there");
        assert!(kept.is_symlink(), "a link, and not a copy of a secret");
        assert_eq!(
            fs::metadata(old.join(KEY)).expect("there").mode() & 0o777,
            0o640
        );
        copy(&path.join(KEY), &path.join("copy")).expect("copied");
        assert_eq!(
            fs::metadata(path.join("copy")).expect("there").mode() & 0o777,
            0o640
        );
        copy(&path.join(CERTIFICATE), &path.join("other")).expect_err("a link");

        folder.replace(&entries(NEW), &[]).expect("replaced");
        assert_eq!(pair(&path), NEW);
        assert_eq!(
            fs::read_to_string(&secret).expect("there"),
            "somebody else's"
        );
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let (_home, path) = home();
        fs::create_dir(path.join(REQUEST)).expect("created");
        let folder = Folder::lock(&path, &mut || false).expect("locked");
        assert!(matches!(
            folder.replace(&entries(NEW), &[REQUEST]),
            Err(FolderError::NotAFile(_))
        ));
        assert_eq!(pair(&path), OLD);
    }

    #[test]
    fn hidden_names_of_others_stay() {
        let (_home, path) = home();
        for name in ["..mine", "..new-file", "..link-folder"] {
            if name == "..new-file" {
                fs::write(path.join(name), "mine").expect("written");
            } else {
                fs::create_dir(path.join(name)).expect("created");
            }
        }
        fs::create_dir(path.join("..new-dead")).expect("created");
        Folder::lock(&path, &mut || false)
            .expect("locked")
            .replace(&entries(NEW), &[])
            .expect("written");
        assert_eq!(
            names(&path),
            [
                "..link-folder",
                "..mine",
                "..new-file",
                "README",
                CERTIFICATE,
                KEY
            ]
        );
    }

    #[test]
    fn a_folder_whose_files_somebody_else_exchanges_is_left_alone() {
        let (_home, path) = home();
        fs::create_dir(path.join("..2026_11_24")).expect("created");
        symlink("..2026_11_24", path.join(DATA)).expect("linked");
        assert!(matches!(
            Folder::lock(&path, &mut || false),
            Err(FolderError::NotOurs(_))
        ));
        assert_eq!(pair(&path), OLD);
        assert!(path.join(DATA).exists());
    }

    #[test]
    fn a_file_is_overwritten_only_on_demand() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join("file");
        write_file(&path, Access::Private, b"1", false).expect("written");
        assert!(matches!(
            write_file(&path, Access::Private, b"2", false),
            Err(FolderError::Exists(_))
        ));
        write_file(&path, Access::Public, b"3", true).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"3");
        assert_eq!(names(home.path()), ["file"]);
    }

    #[test]
    fn a_full_disk_names_what_was_to_be_written_and_the_way_out() {
        let made = Path::new("certs/.order~new-x1y2z3");
        let full = FolderError::io(&made.join(KEY), "written")(io::ErrorKind::StorageFull.into());
        assert_eq!(
            full.named_after(made, Path::new("certs/order")).to_string(),
            "The disk is full, so \"certs/order/tls.key\" could not be written; make room and try again."
        );
    }

    #[test]
    fn only_one_holds_a_folder() {
        let (_home, path) = home();
        let folder = Folder::lock(&path, &mut || false).expect("locked");
        let other = File::open(&path).expect("opened");
        assert!(matches!(
            acquire(&other, &path, &mut || false),
            Err(FolderError::Busy(_))
        ));
        drop(folder);
        assert!(acquire(&other, &path, &mut || false).is_ok());
    }
}
