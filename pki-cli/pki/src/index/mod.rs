//! The index of a CA: one row for each serial number that was ever reserved, in SQLite, so that it can be read with the
//! `sqlite3` shell and survives any crash together with what it says.
//!
//! A row is born `reserved`, durably, before anything is signed; it becomes `issued`, with the certificate in it, before
//! the certificate leaves. A process that dies in between leaves a reserved row: a number that is never used again.
//! Any number of processes may work at once: SQLite's lock dies with its process, and waiting for it is bounded.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use time::{OffsetDateTime, UtcOffset};

use crate::{
    certificate::Certificate,
    error::{Error, ErrorKind},
    profile::Profile,
    serial_number::{Reserved, SerialNumber},
};

/// The file's name in the folder of the CA.
pub const FILE: &str = "index.db";

/// How long a process waits for the others.
const PATIENCE: Duration = Duration::from_secs(60);
/// "PKI" and a version, so that another program's database is not taken for an index.
const APPLICATION_ID: i64 = 0x504b_4901;
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE certificate (
    -- 40 hexadecimal digits.
    serial TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('reserved', 'issued', 'revoked')),
    -- The folder below --dir, where there is one.
    name TEXT,
    profile TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- DNS:…, IP:…, URI:…, email:…, one a line.
    names TEXT NOT NULL,
    issuer TEXT NOT NULL,
    -- RFC 3339 in UTC, so that text order is time order.
    reserved_at TEXT NOT NULL,
    not_before TEXT,
    not_after TEXT,
    -- SHA-256 of the DER, hexadecimal.
    fingerprint TEXT,
    certificate BLOB,
    revoked_at TEXT,
    revocation_reason TEXT,
    CHECK ((status = 'reserved') = (certificate IS NULL)),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
) STRICT;
CREATE INDEX certificate_by_not_after ON certificate (not_after);
CREATE INDEX certificate_by_name ON certificate (name);
";

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// There is none.
    #[error(
        "The index {0:?} is missing; without it nothing is issued, because serial numbers could repeat. Restore it from a backup."
    )]
    Missing(PathBuf),
    /// It is another program's, or of a later version.
    #[error(
        "{0:?} is not an index of this program, or of a later version; restore it from a backup, or update pki."
    )]
    Foreign(PathBuf),
    /// Other processes did not let go.
    #[error(
        "Other processes have kept the index {0:?} busy for a minute; wait for them, or end them."
    )]
    Busy(PathBuf),
    /// Whoever runs this may only read it.
    #[error(
        "The index {0:?} is read-only here, so no serial number can be reserved, and nothing is issued; run this as the owner of the CA's folder, or make the folder and the index writable."
    )]
    ReadOnly(PathBuf),
    /// The disk is full.
    #[error(
        "The disk is full, so the index {0:?} could not be written, and nothing was issued; make room and try again."
    )]
    Full(PathBuf),
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
            Self::Foreign(_) | Self::Damaged { .. } => ErrorKind::Malformed,
            Self::Busy(_) => ErrorKind::Busy,
            Self::ReadOnly(_) | Self::Full(_) | Self::Io { .. } => ErrorKind::Io,
        }
    }

    /// See [`Error::named_after`].
    pub(crate) fn named_after(mut self, made: &Path, place: &Path) -> Self {
        let (Self::Missing(path)
        | Self::Foreign(path)
        | Self::Busy(path)
        | Self::ReadOnly(path)
        | Self::Full(path)
        | Self::Io { path, .. }
        | Self::Damaged { path, .. }) = &mut self;
        if let Ok(rest) = path.strip_prefix(made) {
            *path = place.join(rest);
        }
        self
    }
}

/// An open index.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    connection: Connection,
}

/// What is known before a certificate is signed.
#[derive(Clone, Debug)]
pub struct Reservation<'a> {
    /// The folder below `--dir`.
    pub name: Option<&'a str>,
    /// The profile.
    pub profile: Profile,
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The subject alternative names.
    pub names: Vec<String>,
    /// The issuer's subject.
    pub issuer: String,
}

/// One row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// `reserved`, `issued` or `revoked`.
    pub status: String,
    /// The folder below `--dir`.
    pub name: Option<String>,
    /// The SHA-256 of the certificate, once it is issued.
    pub fingerprint: Option<String>,
}

impl Index {
    /// Makes a new index. The file must not be there.
    pub fn create(path: &Path) -> Result<Self, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let index = Self::connect(path, flags)?;
        let wrote = |error| index.error("written", &error);
        index
            .connection
            // Write-ahead logging: readers never wait for a writer, and a commit is one sync.
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))
            .map_err(wrote)?;
        Ok(index)
    }

    /// Opens an index that is there.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        if !path.exists() {
            return Err(IndexError::Missing(path.to_owned()));
        }
        let index = Self::connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let pragma = |name: &str| {
            index
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map_err(|error| index.error("read", &error))
        };
        if pragma("application_id")? != APPLICATION_ID || pragma("user_version")? != VERSION {
            return Err(IndexError::Foreign(path.to_owned()));
        }
        Ok(index)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, IndexError> {
        let failed = |error: &rusqlite::Error| translate(path, "opened", error);
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        connection
            .busy_timeout(PATIENCE)
            .map_err(|error| failed(&error))?;
        // FULL: a commit that was reported is on the disk, also in WAL mode.
        connection
            .execute_batch("PRAGMA synchronous = FULL;")
            .map_err(|error| failed(&error))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Reserves a serial number that was never used. When this returns, the number is on the disk.
    pub fn reserve(&self, what: &Reservation<'_>, now: OffsetDateTime) -> Result<Reserved, Error> {
        loop {
            let serial = SerialNumber::random()?;
            let inserted = self.connection.execute(
                "INSERT INTO certificate (serial, status, name, profile, subject, names, issuer, reserved_at)
                 VALUES (?1, 'reserved', ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    serial.to_string(),
                    what.name,
                    what.profile.name(),
                    what.subject,
                    what.names.join("\n"),
                    what.issuer,
                    timestamp(now),
                ],
            );
            match inserted {
                Ok(_) => return Ok(Reserved::kept_by_index(serial)),
                // The number is taken already: draw again.
                Err(rusqlite::Error::SqliteFailure(failure, _))
                    if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {}
                Err(error) => return Err(self.error("written", &error).into()),
            }
        }
    }

    /// Records what was signed under a reserved number.
    pub fn record(&self, certificate: &Certificate) -> Result<(), IndexError> {
        self.connection
            .execute(
                "UPDATE certificate SET status = 'issued', not_before = ?2, not_after = ?3, fingerprint = ?4, certificate = ?5
                 WHERE serial = ?1 AND status = 'reserved'",
                params![
                    certificate.serial(),
                    timestamp(certificate.not_before()),
                    timestamp(certificate.not_after()),
                    certificate.fingerprint(),
                    certificate.der(),
                ],
            )
            .map_err(|error| self.error("written", &error))
            .and_then(|changed| match changed {
                1 => Ok(()),
                _ => Err(IndexError::Damaged {
                    path: self.path.clone(),
                    reason: format!("the reserved serial number {} is gone", certificate.serial()),
                }),
            })
    }

    /// The row of a serial number.
    pub fn find(&self, serial: &str) -> Result<Option<Row>, IndexError> {
        self.connection
            .query_row(
                "SELECT serial, status, name, fingerprint FROM certificate WHERE serial = ?1",
                [serial],
                Row::from_sql,
            )
            .optional()
            .map_err(|error| self.error("read", &error))
    }

    /// Every row, in the order of reservation.
    pub fn rows(&self) -> Result<Vec<Row>, IndexError> {
        let read = |error| self.error("read", &error);
        let mut statement = self
            .connection
            .prepare("SELECT serial, status, name, fingerprint FROM certificate ORDER BY rowid")
            .map_err(read)?;
        let rows = statement.query_map([], Row::from_sql).map_err(read)?;
        rows.collect::<Result<_, _>>().map_err(read)
    }

    /// Whether an issuing CA was ever certified below the root.
    pub(crate) fn knows_issuing_authority(&self) -> Result<bool, IndexError> {
        self.connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM certificate WHERE profile = ?1)",
                [Profile::Intermediate.name()],
                |row| row.get(0),
            )
            .map_err(|error| self.error("read", &error))
    }

    /// Moves everything into the one file, so that a folder can be renamed with nothing of SQLite's beside it.
    pub(crate) fn close(self) -> Result<(), IndexError> {
        let path = self.path.clone();
        self.connection
            .close()
            .map_err(|(_, error)| translate(&path, "written", &error))
    }

    fn error(&self, action: &'static str, error: &rusqlite::Error) -> IndexError {
        translate(&self.path, action, error)
    }
}

impl Row {
    fn from_sql(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            serial: row.get(0)?,
            status: row.get(1)?,
            name: row.get(2)?,
            fingerprint: row.get(3)?,
        })
    }
}

fn translate(path: &Path, action: &'static str, error: &rusqlite::Error) -> IndexError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
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

/// RFC 3339 in UTC, whole seconds.
pub fn timestamp(moment: OffsetDateTime) -> String {
    let utc = moment.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn reservation() -> Reservation<'static> {
        Reservation {
            name: Some("order"),
            profile: Profile::Peer,
            subject: "CN=order".to_owned(),
            names: vec!["DNS:a.dev".to_owned(), "IP:::1".to_owned()],
            issuer: "CN=CA".to_owned(),
        }
    }

    #[test]
    fn a_reserved_number_is_on_the_disk_and_seen_by_others() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        let index = Index::create(&path).expect("created");
        let reserved = index.reserve(&reservation(), NOW).expect("reserved");
        let other = Index::open(&path).expect("opened beside");
        let row = other
            .find(&reserved.serial().to_string())
            .expect("read")
            .expect("there");
        assert_eq!(
            (row.status.as_str(), row.name.as_deref(), row.fingerprint),
            ("reserved", Some("order"), None)
        );
    }

    #[test]
    fn numbers_differ_and_rows_keep_their_order() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(FILE)).expect("created");
        let serials: Vec<_> = (0..20)
            .map(|_| {
                index
                    .reserve(&reservation(), NOW)
                    .expect("reserved")
                    .serial()
                    .to_string()
            })
            .collect();
        let rows: Vec<_> = index
            .rows()
            .expect("rows")
            .into_iter()
            .map(|row| row.serial)
            .collect();
        assert_eq!(rows, serials);
        assert_eq!(
            serials
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            20
        );
    }

    #[test]
    fn what_is_no_index_is_said_to_be_none() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        assert!(matches!(Index::open(&path), Err(IndexError::Missing(_))));
        let other = Connection::open(&path).expect("another program's database");
        other.execute_batch("CREATE TABLE t (x)").expect("written");
        assert!(matches!(Index::open(&path), Err(IndexError::Foreign(_))));
        std::fs::write(
            &path,
            "This is text and no database at all, whatever it is called. It goes on and on.",
        )
        .expect("written");
        assert!(matches!(Index::open(&path), Err(IndexError::Foreign(_))));
    }

    #[test]
    fn a_full_disk_and_a_file_that_is_read_only_are_said_in_words() {
        let failure = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let made = Path::new("certs/.ca~new-x1y2z3");
        for (code, expected) in [
            (
                rusqlite::ffi::SQLITE_READONLY,
                "\"certs/ca/index.db\" is read-only here",
            ),
            (
                rusqlite::ffi::SQLITE_FULL,
                "The disk is full, so the index \"certs/ca/index.db\"",
            ),
            (
                rusqlite::ffi::SQLITE_IOERR_WRITE,
                "\"certs/ca/index.db\" could not be written",
            ),
        ] {
            let error = translate(&made.join(FILE), "written", &failure(code))
                .named_after(made, Path::new("certs/ca"))
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn timestamps_sort_as_time_does() {
        assert_eq!(
            timestamp(datetime!(2026-01-02 03:04:05 +2)),
            "2026-01-02T01:04:05Z"
        );
    }
}
