//! Why a folder or file could not be read or written.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::error::ErrorKind;

/// Why a folder or file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The operating system refused.
    #[error("{path:?} could not be {action}: {reason}{}.", way_out(reason))]
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
    /// There is no such folder.
    #[error("There is no folder {0:?}; check the path, which is taken from the current folder.")]
    MissingFolder(PathBuf),
    /// The disk, or what of it this user may use, is full.
    #[error("The disk is full, so {0:?} could not be written; make room and try again.")]
    Full(PathBuf),
    /// The process may not write files as large as this one (`ulimit -f`).
    #[error(
        "{0:?} could not be written: it would be larger than this process may make files; raise the limit (ulimit -f) and try again."
    )]
    Limited(PathBuf),
    /// The file is larger than anything that belongs here.
    #[error("{0:?} is larger than 16 MiB, which no certificate, key or request is.")]
    TooLarge(PathBuf),
    /// The CRLs are more than what is read.
    #[error(
        "{0:?} is larger than the 256 MiB that are read of CRLs, which is about three million revocations; replace the CA (pki ca rotate)."
    )]
    ListsTooLarge(PathBuf),
    /// The file is there already.
    #[error("{0:?} exists already; choose another name, or replace it with --force.")]
    Exists(PathBuf),
    /// Something else is where a folder should be.
    #[error("{0:?} is there and is not a folder; choose another one, or take it away.")]
    NotAFolder(PathBuf),
    /// A link has the name of a folder that is to be made.
    #[error("{0:?} is a link that leads nowhere; choose another folder, or take it away.")]
    DeadLink(PathBuf),
    /// A folder that is to be made is there, with something in it.
    #[error(
        "{0:?} is there and is not empty; take away what is in it, or choose another folder with --dir."
    )]
    NotEmpty(PathBuf),
    /// A CA lives there.
    #[error(
        "{0:?} is the folder of a CA, in which no other key or certificate belongs; choose another one."
    )]
    OfAuthority(PathBuf),
    /// Something else is where a file should be.
    #[error("{0:?} is there and is not a file; take it away, or choose another folder.")]
    NotAFile(PathBuf),
    /// Something else is where a file should be, and nobody knows whether it ever ends.
    #[error(
        "{0:?} is a pipe, a socket or a device, which has no place there and is not read; take it away, or put a file in its place."
    )]
    NotRegular(PathBuf),
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

/// What to do next, where the reason leaves it open.
fn way_out(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run this as a user who may, or have the right given to you"
        }
        io::ErrorKind::IsADirectory => "; name a file in it",
        io::ErrorKind::NotADirectory => "; a part of the path is a file: check the path",
        io::ErrorKind::ReadOnlyFilesystem => "; have it mounted for writing, or work on a copy",
        _ => match rustix::io::Errno::from_io_error(reason) {
            Some(rustix::io::Errno::LOOP) => {
                "; its links lead in a circle: name the file that is meant"
            }
            Some(rustix::io::Errno::NAMETOOLONG) => "; choose a shorter one",
            Some(rustix::io::Errno::MFILE) => "; raise the limit (ulimit -n) and try again",
            _ => "",
        },
    }
}

impl FolderError {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |reason| match reason.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            io::ErrorKind::FileTooLarge => Self::Limited(path),
            _ => Self::Io {
                path,
                action,
                reason,
            },
        }
    }

    /// Whether this user may not do what was tried.
    pub(crate) fn is_permission_denied(&self) -> bool {
        matches!(self, Self::Io { reason, .. } if reason.kind() == io::ErrorKind::PermissionDenied)
    }

    /// A folder that cannot be read.
    pub(crate) fn unreadable(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |reason| match reason.kind() {
            io::ErrorKind::NotFound => Self::MissingFolder(path.clone()),
            _ => Self::io(&path, "read")(reason),
        }
    }

    /// See [`crate::Error::named_after`].
    pub(crate) fn named_after(mut self, made: &Path, place: &Path) -> Self {
        if let Self::Full(path) | Self::Limited(path) | Self::Io { path, .. } = &mut self
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
            Self::Missing(_) | Self::MissingFolder(_) => ErrorKind::NotFound,
            Self::OfAuthority(_) => ErrorKind::Usage,
            Self::Full(_) | Self::Limited(_) => ErrorKind::Io,
            Self::Io { .. }
            | Self::NotAFolder(_)
            | Self::NotAFile(_)
            | Self::NotOurs(_)
            | Self::DeadLink(_) => ErrorKind::Io,
            Self::TooLarge(_) | Self::ListsTooLarge(_) | Self::NotRegular(_) => {
                ErrorKind::Malformed
            }
            Self::Exists(_) | Self::NotEmpty(_) => ErrorKind::Exists,
            Self::Busy(_) => ErrorKind::Busy,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_the_operating_system_refuses_is_told_with_a_way_out() {
        for (errno, way_out) in [
            (Errno::ACCESS, "as a user who may"),
            (Errno::PERM, "as a user who may"),
            (Errno::ISDIR, "name a file"),
            (Errno::NOTDIR, "check the path"),
            (Errno::ROFS, "mounted for writing"),
            (Errno::LOOP, "in a circle"),
            (Errno::NAMETOOLONG, "a shorter one"),
            (Errno::MFILE, "ulimit -n"),
            (Errno::NOSPC, "make room"),
            (Errno::FBIG, "ulimit -f"),
        ] {
            let told = FolderError::io(Path::new("x"), "read")(errno.into()).to_string();
            assert!(told.contains(way_out) && told.ends_with('.'), "{told}");
        }
    }
}
