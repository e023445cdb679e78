//! What a database's error means for the person who starts the service, and what to do.

use std::io;
use std::path::Path;

use sqlx::Error;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;

use crate::text::escaped;

/// Why an SQLite file does not open. The codes are those of <https://sqlite.org/rescode.html>, their low byte.
pub(super) fn sqlite(path: &Path, error: &Error) -> String {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if path.is_dir() {
        return "it is a folder; name a file in it".to_owned();
    }
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        let folder = escaped(&folder.display().to_string());
        return format!("there is no folder {folder}; make it first");
    }
    match sqlite_code(error) {
        Some(SQLITE_BUSY | SQLITE_LOCKED) => {
            "another process keeps it locked; stop that process, or give this service a file of its own".to_owned()
        }
        Some(SQLITE_READONLY) => {
            "it may not be written; give the user of this process the right to write it and its folder".to_owned()
        }
        Some(SQLITE_CANTOPEN | SQLITE_PERM | SQLITE_AUTH) => {
            "this process may not read and write it; check the permissions of the file and of its folder".to_owned()
        }
        Some(SQLITE_NOTADB) => {
            "the file is not an SQLite database; name another file, or move this one away".to_owned()
        }
        Some(SQLITE_CORRUPT) => {
            "the file is damaged; restore it from a backup, or move it away to start with an empty one".to_owned()
        }
        Some(SQLITE_FULL) => "the disk is full; make room".to_owned(),
        _ => format!("{}; check the file and its folder", cause(error)),
    }
}

/// Why a PostgreSQL server does not let us in. The codes are those of appendix A of its manual.
pub(super) fn postgres(options: &PgConnectOptions, error: &Error) -> String {
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let user = options.get_username();
    let name = options.get_database().unwrap_or(user);
    match error {
        Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
            format!("nothing listens on {place}; start PostgreSQL there, or correct the URL")
        }
        Error::Io(io) => {
            format!("{place} cannot be reached ({io}); check the host and the port")
        }
        Error::Tls(_) => format!(
            "{place} and this program do not agree on TLS ({}); this build speaks to PostgreSQL without TLS only, use \
             a local socket or a tunnel",
            cause(error)
        ),
        Error::Database(refusal) => match refusal.code().as_deref() {
            Some("28P01" | "28000") => {
                format!(
                    "{place} does not accept the user {user} with this password; correct the URL"
                )
            }
            Some("3D000") => {
                format!("there is no database {name} on {place}; make it with `createdb {name}`")
            }
            Some("53300") => format!("{place} has no connection left; raise max_connections there"),
            Some("57P03") => format!("{place} is just starting; try again in a moment"),
            _ => format!("{place} says: {}", escaped(refusal.message())),
        },
        _ => format!("{}; check the URL", cause(error)),
    }
}

/// Why the schema cannot be reached.
pub(super) fn migration(error: &MigrateError) -> String {
    match error {
        MigrateError::VersionMissing(version) => format!(
            "it has seen step {version}, which this version does not know; it belongs to a newer version or to another \
             service, so start that one, or give this one a database of its own"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "step {version} was another one when it ran; it belongs to another service, so give this one a database of \
             its own"
        ),
        MigrateError::Dirty(version) => format!(
            "step {version} was interrupted half way; restore the database from a backup and start again"
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            match sqlite_code(error) {
                Some(SQLITE_BUSY | SQLITE_LOCKED) => {
                    "another process keeps it locked; stop that process, or give this service a file of its own"
                        .to_owned()
                }
                Some(SQLITE_NOTADB) => {
                    "the file is not an SQLite database; name another file, or move this one away".to_owned()
                }
                _ => format!("{}; check that this service may change its tables", cause(error)),
            }
        }
        other => format!("{other}; check that the database belongs to this service"),
    }
}

/// Whether the same query may succeed a little later.
pub(super) fn may_pass(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        Error::Database(refusal) => match refusal.code().as_deref() {
            // PostgreSQL: class 08 connection, 40001 and 40P01 conflict of transactions, 53 resources, 57P shutting
            // down or starting, 57014 a statement that took too long, 25006 a standby that is not the primary.
            Some(code) if code.len() == 5 => {
                code.starts_with("08")
                    || code.starts_with("53")
                    || code.starts_with("57P")
                    || matches!(code, "40001" | "40P01" | "57014" | "25006")
            }
            _ => matches!(
                sqlite_code(error),
                Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_FULL | SQLITE_IOERR)
            ),
        },
        _ => false,
    }
}

/// The innermost reason; sqlx's own sentences say "error returned from database" before it.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    escaped(&innermost.to_string().replace('\n', " "))
}

const SQLITE_PERM: u32 = 3;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_AUTH: u32 = 23;
const SQLITE_NOTADB: u32 = 26;

/// The primary result code: the low byte of the extended one.
fn sqlite_code(error: &Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
