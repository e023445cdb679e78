//! Why the index could not be read or written.

use std::path::{Path, PathBuf};

use rusqlite::{
    ErrorCode,
    ffi::{SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE},
};

use crate::error::ErrorKind;

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// There is none.
    #[error(
        "The index {0:?} is missing; without it nothing is issued or revoked, because serial numbers could repeat and revocations be forgotten. Restore it from a backup."
    )]
    Missing(PathBuf),
    /// It is another program's, or of a later version.
    #[error(
        "{0:?} is not an index of this program, or of a later version; restore it from a backup, or update pki."
    )]
    Foreign(PathBuf),
    /// Something else has its name.
    #[error(
        "{0:?} is there and is not a file, and the index of the CA is one; take it away, and bring the index back from a backup."
    )]
    NotAFile(PathBuf),
    /// It is that of another CA.
    #[error(
        "The index {0:?} is that of another CA: the certificates of this one are not in it. Nothing is issued, revoked or checked with it; bring the index of this CA back from a backup."
    )]
    OfAnotherCa(PathBuf),
    /// It is from before a CA was made that is there.
    #[error(
        "The index {path:?} does not know the CA {subject:?}, and is an older copy from before that was made. Nothing is issued by a CA that could not be revoked; bring a newer copy back from a backup, or replace the CA (pki ca rotate)."
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// The CA.
        subject: String,
    },
    /// Other processes did not let go.
    #[error(
        "Other processes have kept the index {0:?} busy for a minute; wait for them, or end them."
    )]
    Busy(PathBuf),
    /// Whoever runs this may only read it.
    #[error(
        "The index {0:?} is read-only here, so nothing can be issued or revoked; run this as the owner of the CA's folder, or make the folder and the index writable."
    )]
    ReadOnly(PathBuf),
    /// It changed while it was read without locks.
    #[error(
        "The index {0:?} changed while it was read, and may not be written here, so that what was read may be wrong; try again."
    )]
    Changed(PathBuf),
    /// Its last changes cannot be read.
    #[error(
        "The last changes of the index {0:?} are in a log beside it, which cannot be read without writing, and may not be written here; run this as the owner of the CA's folder, or let the owner run \"pki list\" once."
    )]
    InLog(PathBuf),
    /// The disk is full.
    #[error(
        "The disk is full, so the index {0:?} could not be written, and nothing was issued or revoked; make room and try again."
    )]
    Full(PathBuf),
    /// The index could not grow.
    #[error(
        "The index {0:?} could not grow, because the disk is full or files may not be as large (ulimit -f), so nothing was issued or revoked; make room and try again."
    )]
    NoRoom(PathBuf),
    /// The file system refused.
    #[error("The index {path:?} could not be {action}: {reason}.")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What SQLite said.
        reason: String,
    },
    /// What is imported says something else than what is there.
    #[error(
        "The certificate with the serial number {serial} of {issuer:?} is in the index {path:?} already, with another {what}; two certificates of one CA must not have one number, so nothing was imported."
    )]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The serial number.
        serial: String,
        /// The issuer.
        issuer: String,
        /// What differs.
        what: &'static str,
    },
    /// The database is damaged.
    #[error("The index {path:?} is damaged ({reason}); restore it from a backup.")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
}

impl IndexError {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) => ErrorKind::NotFound,
            Self::Foreign(_)
            | Self::NotAFile(_)
            | Self::OfAnotherCa(_)
            | Self::Older { .. }
            | Self::Damaged { .. } => ErrorKind::Malformed,
            Self::Busy(_) | Self::Changed(_) => ErrorKind::Busy,
            Self::Conflict { .. } => ErrorKind::Exists,
            Self::ReadOnly(_)
            | Self::InLog(_)
            | Self::Full(_)
            | Self::NoRoom(_)
            | Self::Io { .. } => ErrorKind::Io,
        }
    }

    /// See [`Error::named_after`].
    pub(crate) fn named_after(mut self, made: &Path, place: &Path) -> Self {
        let (Self::Missing(path)
        | Self::Foreign(path)
        | Self::NotAFile(path)
        | Self::OfAnotherCa(path)
        | Self::Older { path, .. }
        | Self::Busy(path)
        | Self::Changed(path)
        | Self::InLog(path)
        | Self::ReadOnly(path)
        | Self::Full(path)
        | Self::NoRoom(path)
        | Self::Io { path, .. }
        | Self::Conflict { path, .. }
        | Self::Damaged { path, .. }) = &mut self;
        if let Ok(rest) = path.strip_prefix(made) {
            *path = place.join(rest);
        }
        self
    }
}

/// A write that failed, or a helper file of SQLite's that could not be made larger.
const CANNOT_GROW: [i32; 4] = [
    SQLITE_IOERR_WRITE,
    SQLITE_IOERR_SHMOPEN,
    SQLITE_IOERR_SHMSIZE,
    SQLITE_IOERR_TRUNCATE,
];

/// What SQLite said, as a sentence with the file in it.
pub(super) fn translate(path: &Path, action: &'static str, error: &rusqlite::Error) -> IndexError {
    let path = path.to_owned();
    // A value that is none of its column's.
    if let rusqlite::Error::FromSqlConversionFailure(_, _, reason) = error {
        return IndexError::Damaged {
            path,
            reason: reason.to_string(),
        };
    }
    // A statement that cannot be prepared has the failure in another place.
    let failure = match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error),
        _ => error.sqlite_error(),
    };
    // SQLite tells a full disk from other failures for its main file only, not for the files beside it.
    if failure.is_some_and(|failure| CANNOT_GROW.contains(&failure.extended_code)) {
        return IndexError::NoRoom(path);
    }
    match failure.map(|failure| failure.code) {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => IndexError::Busy(path),
        Some(ErrorCode::ReadOnly) => IndexError::ReadOnly(path),
        Some(ErrorCode::DiskFull) => IndexError::Full(path),
        Some(ErrorCode::NotADatabase) => IndexError::Foreign(path),
        Some(ErrorCode::DatabaseCorrupt) => IndexError::Damaged {
            path,
            reason: error.to_string(),
        },
        _ => IndexError::Io {
            path,
            action,
            reason: error.to_string(),
        },
    }
}
