//! The index of a CA: one row for each serial number that was ever reserved, in SQLite, so that it can be read with the
//! `sqlite3` shell and survives any crash together with what it says.
//!
//! A row is born `reserved`, durably, before anything is signed; it becomes `issued`, with the certificate in it, before
//! the certificate leaves, and `revoked` before a CRL says so. A process that dies in between leaves a reserved row: a
//! number that is never used again. Any number of processes may work at once: SQLite's lock dies with its process, and
//! waiting for it is bounded.

mod batch;
mod compromised;
mod error;
mod import;
mod query;
mod revocation;
mod row;
mod schema;
mod supposed;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OpenFlags, params};
use rustix::fs::Access;
use time::OffsetDateTime;

pub use compromised::Compromised;
pub use error::IndexError;
pub use import::{Foreign, Imported};
pub use query::Filter;
pub use revocation::{CrlRow, Marked, ReservedCrl, RevokedRow};
pub use row::{Revocation, Row, Status, timestamp};

use crate::{certificate::Certificate, error::Error, profile::Profile, serial_number::Reserved};

/// The file's name in the folder of the CA.
pub const FILE: &str = "index.db";

/// How long a process waits for the others.
const PATIENCE: Duration = Duration::from_secs(60);

/// Write-ahead logging: readers never wait for a writer, and a commit is one sync.
const SHARED: &str = "PRAGMA journal_mode = WAL;";

/// An open index.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    connection: Connection,
    /// The state of the file, when it is read without locks.
    unlocked: Option<Stamp>,
    supposed: supposed::Supposed,
}

/// By which a file that was written to is told.
#[derive(Debug, Eq, PartialEq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
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
    /// The key, as [`crate::key::PublicKey::fingerprint`] has it.
    pub key: String,
}

impl Index {
    /// Makes a new index. The file must not be there.
    pub fn create(path: &Path) -> Result<Self, IndexError> {
        Self::create_with(path, SHARED)
    }

    /// Makes a new index in a folder that nobody sees yet: nothing of it is durable before [`Self::close`], and nobody
    /// else may open it. What dies with the process is the whole folder.
    pub(crate) fn draft(path: &Path) -> Result<Self, IndexError> {
        Self::create_with(
            path,
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;",
        )
    }

    fn create_with(path: &Path, settings: &str) -> Result<Self, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let index = Self::connect(path, flags)?;
        index
            .connection
            .execute_batch(settings)
            .and_then(|()| schema::create(&index.connection))
            .map_err(|error| index.error("written", &error))?;
        Ok(index)
    }

    /// Opens an index that is there, and brings it to the present version.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let index = Self::open_as_it_is(path)?;
        if matches!(index.version()?, Some(1..schema::VERSION)) {
            schema::upgrade(&index.connection).map_err(|error| index.error("written", &error))?;
        }
        match index.version()? {
            Some(schema::VERSION) => Ok(index),
            _ => Err(IndexError::Foreign(path.to_owned())),
        }
    }

    /// Opens an index to be asked what [`Self::open`] would allow, and refuses what that refuses. The file stays as it is:
    /// what an older version lacks is made up for in memory.
    pub fn open_to_rehearse(path: &Path) -> Result<Self, IndexError> {
        let index = Self::open_as_it_is(path)?;
        let is_ours = schema::read_as_present(&index.connection);
        match is_ours.map_err(|error| index.error("read", &error))? {
            true => Ok(index),
            false => Err(IndexError::Foreign(path.to_owned())),
        }
    }

    fn open_as_it_is(path: &Path) -> Result<Self, IndexError> {
        check_rights(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::connect(path, flags)
    }

    fn version(&self) -> Result<Option<i64>, IndexError> {
        schema::version(&self.connection).map_err(|error| self.error("read", &error))
    }

    /// Opens an index that is there for questions alone: where this user may not write, nothing is written. Whoever may
    /// write opens it as [`Self::open`] does, since readers in WAL mode take part in its locks. An older version stays one,
    /// as in [`Self::open_to_rehearse`].
    pub fn open_to_read(path: &Path) -> Result<Self, IndexError> {
        match check_rights(path) {
            Err(IndexError::ReadOnly(_)) => {}
            Err(error) => return Err(error),
            Ok(()) => match Self::open_to_rehearse(path) {
                // Nor can the files of the locks be made where the disk is full.
                Err(full @ (IndexError::NoRoom(_) | IndexError::Full(_))) => {
                    return Self::open_unlocked(path, full);
                }
                opened => return opened,
            },
        }
        let is_ours = |index: &Self| match schema::read_as_present(&index.connection) {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(IndexError::Foreign(path.to_owned()))),
            Err(error) => Err(error),
        };
        // With the files that a process at work has beside it, SQLite reads it under the same locks.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let refused = match Self::connect(path, flags) {
            Ok(shared) => match is_ours(&shared) {
                Ok(verdict) => return verdict.map(|()| shared),
                Err(refused) => error::translate(path, "read", &refused),
            },
            Err(refused) => refused,
        };
        Self::open_unlocked(path, refused)
    }

    /// Opens it for questions alone without the files beside it, which could not be had because of `refused`. Without them
    /// nobody is at work, and everything is in the one file. What lies in a log would be overlooked, which may be a revocation.
    fn open_unlocked(path: &Path, refused: IndexError) -> Result<Self, IndexError> {
        let before = Stamp::of(path);
        if Stamp::of(&log_of(path)).is_some_and(|log| log.size > 0) {
            return Err(match refused {
                full @ (IndexError::NoRoom(_) | IndexError::Full(_)) => full,
                _ => IndexError::InLog(path.to_owned()),
            });
        }
        let uri = format!("file:{}?immutable=1", percent_encoded(path));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let mut index = Self::connect(Path::new(&uri), flags).map_err(|_| refused)?;
        path.clone_into(&mut index.path);
        index.unlocked = before;
        let is_ours = schema::read_as_present(&index.connection);
        match is_ours.map_err(|error| index.error("read", &error))? {
            true => Ok(index),
            false => Err(IndexError::Foreign(path.to_owned())),
        }
    }

    /// Whether what was read was one state of the index. Asked when the questions of [`Self::open_to_read`] are answered: without
    /// locks, somebody may have written in between.
    pub fn still_stands(&self) -> Result<(), IndexError> {
        let log = Stamp::of(&log_of(&self.path)).is_some_and(|log| log.size > 0);
        match &self.unlocked {
            Some(before) if log || Stamp::of(&self.path).as_ref() != Some(before) => {
                Err(IndexError::Changed(self.path.clone()))
            }
            _ => Ok(()),
        }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, IndexError> {
        let failed = |error: &rusqlite::Error| error::translate(path, "opened", error);
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
            unlocked: None,
            supposed: supposed::Supposed::default(),
        })
    }

    /// Reserves a serial number that was never used, for a CA with those above it. When this returns, the number is on the
    /// disk. What [`Self::reserve_all`] refuses is refused.
    pub fn reserve<'c>(
        &self,
        chain: impl IntoIterator<Item = &'c Certificate>,
        what: &Reservation<'_>,
        now: OffsetDateTime,
    ) -> Result<Reserved, Error> {
        let mut reserved = self.reserve_all(chain, std::slice::from_ref(what), now)?;
        reserved.pop().ok_or_else(|| {
            // One for each, says who reserves.
            let reason = "no serial number was reserved".to_owned();
            let path = self.path.clone();
            IndexError::Damaged { path, reason }.into()
        })
    }

    /// Records what was signed under a reserved number, unless its key came into other hands in the meantime.
    pub fn record(&self, certificate: &Certificate) -> Result<(), Error> {
        self.record_all([certificate])
    }

    /// Of the transaction around it.
    fn record_one(&self, certificate: &Certificate) -> Result<(), IndexError> {
        self.connection
            .prepare_cached(
                "UPDATE certificate SET status = 'issued', not_before = ?2, not_after = ?3, fingerprint = ?4, certificate = ?5
                 WHERE serial = ?1 AND issuer = ?6 AND status = 'reserved'",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    certificate.serial(),
                    timestamp(certificate.not_before()),
                    timestamp(certificate.not_after()),
                    certificate.fingerprint(),
                    certificate.der(),
                    certificate.issuer().to_string(),
                ])
            })
            .map_err(|error| self.error("written", &error))
            .and_then(|changed| match changed {
                1 => Ok(()),
                _ => Err(IndexError::Damaged {
                    path: self.path.clone(),
                    reason: format!("the reserved serial number {} is gone", certificate.serial()),
                }),
            })
    }

    /// Moves everything into the one file and makes it durable, so that a folder can be renamed with nothing of SQLite's
    /// beside it.
    pub(crate) fn close(self) -> Result<(), IndexError> {
        let path = self.path.clone();
        // A draft becomes what it is to be: that is a commit, and so a sync of the file. From a journal in memory
        // SQLite goes there by way of none.
        self.connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_mode = OFF;")
            .and_then(|()| self.connection.execute_batch(SHARED))
            .map_err(|error| self.error("written", &error))?;
        self.connection
            .close()
            .map_err(|(_, error)| error::translate(&path, "written", &error))
    }

    fn error(&self, action: &'static str, error: &rusqlite::Error) -> IndexError {
        error::translate(&self.path, action, error)
    }
}

/// The write-ahead log beside an index.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn check_rights(path: &Path) -> Result<(), IndexError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(IndexError::NotAFile(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(IndexError::Missing(path.to_owned()));
        }
        Err(error) => {
            return Err(IndexError::Io {
                path: path.to_owned(),
                action: "read",
                reason: error.to_string(),
            });
        }
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    // SQLite would open a read-only file all the same, and leave files beside it that are read-only as well.
    let may_write = |place: &Path| rustix::fs::access(place, Access::WRITE_OK).is_ok();
    match may_write(path) && (folder.as_os_str().is_empty() || may_write(folder)) {
        true => Ok(()),
        false => Err(IndexError::ReadOnly(path.to_owned())),
    }
}

/// A path as a part of a URI (RFC 3986 §2.1).
fn percent_encoded(path: &Path) -> String {
    let mut encoded = String::new();
    for octet in path.as_os_str().as_encoded_bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                encoded.push(char::from(*octet));
            }
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
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
            key: "00".repeat(32),
        }
    }

    #[test]
    fn a_reserved_number_is_on_the_disk_and_seen_by_others() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        let index = Index::create(&path).expect("created");
        let reserved = index.reserve([], &reservation(), NOW).expect("reserved");
        let other = Index::open(&path).expect("opened beside");
        let row = other
            .find(&reserved.serial().to_string(), "CN=CA")
            .expect("read")
            .expect("there");
        assert_eq!(
            (row.status, row.name.as_deref(), row.fingerprint),
            (Status::Reserved, Some("order"), None)
        );
    }

    #[test]
    fn numbers_differ_and_rows_keep_their_order() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(FILE)).expect("created");
        let serials: Vec<_> = (0..20)
            .map(|_| {
                index
                    .reserve([], &reservation(), NOW)
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
                "\"certs/ca/index.db\" could not grow",
            ),
            (
                rusqlite::ffi::SQLITE_IOERR_FSYNC,
                "\"certs/ca/index.db\" could not be written",
            ),
        ] {
            let error = error::translate(&made.join(FILE), "written", &failure(code))
                .named_after(made, Path::new("certs/ca"))
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
