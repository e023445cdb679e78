//! Opens the database of a service and brings it to the service's schema.
//!
//! A plain path or a `sqlite:` URL is SQLite, in write-ahead mode with every commit on the disk before it is answered
//! (`synchronous = FULL`): what a service has said yes to survives a power cut. A `postgres://` URL is PostgreSQL. The
//! same SQL runs on both, so a service has one store; migrations differ where types do, so there are two lists of them.
//!
//! Every way in which opening can fail is one sentence that names the database, never its password, and the remedy.

mod adopt;
mod explain;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, SqlSafeStr as _, SqliteConnection};

use crate::config::DatabaseUrl;
use crate::status::{Failure, Metadata, reason};
use crate::text::escaped;

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Database {
    /// A file.
    Sqlite(sqlx::SqlitePool),
    /// A server.
    Postgres(sqlx::PgPool),
}

/// The steps to a service's schema, per kind of database. A step that was released is never changed, only followed by
/// another: the database remembers its checksum and is refused when it differs.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// For SQLite.
    pub sqlite: &'static [Migration],
    /// For PostgreSQL.
    pub postgres: &'static [Migration],
}

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Neither a path nor a URL that is known.
    #[error(
        "the database {url} is of a kind that is not known; give a path or sqlite: URL for SQLite (a path with @, = or : in \
         it as sqlite:PATH), or a URL like postgres://USER@HOST/NAME for PostgreSQL"
    )]
    UnknownKind {
        /// Without the password.
        url: String,
    },
    /// It cannot be opened.
    #[error("the database {url} cannot be opened: {problem}")]
    Open {
        /// Without the password.
        url: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// It holds something else, and nothing was changed in it.
    #[error("the database {url} is not this service's: {problem}")]
    Foreign {
        /// Without the password.
        url: String,
        /// What is in it and what to do.
        problem: String,
    },
    /// It cannot be brought to the schema.
    #[error("the database {url} cannot be brought to the schema of this version: {problem}")]
    Migrate {
        /// Without the password.
        url: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// How long a writer waits for another one, and how long a call waits for a free connection.
const WAIT: Duration = Duration::from_secs(5);
/// How long PostgreSQL may work on one statement. Ours take milliseconds; one that takes this long waits for a lock that
/// somebody forgot.
const STATEMENT: Duration = Duration::from_secs(30);
/// SQLite has one writer at a time; more connections only help readers.
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

impl Database {
    /// Opens the database, making the file of an SQLite one that is not there yet, and runs the migrations that it
    /// has not seen. A database with something else in it is refused as it is: see [`DatabaseError::Foreign`].
    ///
    /// # Errors
    /// One sentence that names the database and the remedy.
    pub async fn open(url: &DatabaseUrl, migrations: &Migrations) -> Result<Self, DatabaseError> {
        match Kind::of(url)? {
            Kind::Sqlite(path) => {
                let pool = open_sqlite(url, &path, WAIT).await?;
                migrate(url, migrations.sqlite, async |migrator| {
                    migrator.run(&pool).await
                })
                .await?;
                Ok(Self::Sqlite(pool))
            }
            Kind::Postgres(options) => {
                // A step to the schema may take as long as it takes, so it has a connection of its own.
                let mut connection = open_postgres(url, &options).await?;
                migrate(url, migrations.postgres, async |migrator| {
                    migrator.run(&mut connection).await
                })
                .await?;
                connection
                    .close()
                    .await
                    .map_err(|error| DatabaseError::Open {
                        url: named(url),
                        problem: explain::postgres(&options, &error),
                    })?;
                Ok(Self::Postgres(
                    PgPoolOptions::new()
                        .max_connections(POSTGRES_CONNECTIONS)
                        .acquire_timeout(WAIT)
                        .connect_lazy_with(with_statement_timeout(*options)),
                ))
            }
        }
    }

    /// Closes it when the last query is done.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Migration {
    /// One step. Versions grow from step to step; the name is for people.
    #[must_use]
    pub const fn new(version: i64, name: &'static str, sql: &'static str) -> Self {
        Self { version, name, sql }
    }
}

/// What a failed query means for the caller: a database that does not answer or is busy may answer later, anything
/// else is our fault.
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if explain::may_pass(&error) {
            tracing::warn!(
                error = crate::status::chain(&error),
                "the database does not answer"
            );
            Self::Unavailable {
                reason: reason::DATABASE_UNAVAILABLE,
                message: "the database does not answer at the moment; try again later".to_owned(),
                retry_after: None,
                metadata: Metadata::new(),
            }
        } else {
            Self::internal(error)
        }
    }
}

/// What a URL names.
enum Kind {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Kind {
    fn of(url: &DatabaseUrl) -> Result<Self, DatabaseError> {
        if url.is_ambiguous() {
            return Err(DatabaseError::UnknownKind { url: named(url) });
        }
        let text = url.expose();
        let path = match text.split_once(':') {
            Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
            Some(("postgres" | "postgresql", rest)) => {
                // The driver would log an unknown one, with its value.
                if has_unknown_parameter(rest) {
                    return Err(DatabaseError::Open {
                        url: named(url),
                        problem: format!(
                            "the URL has a parameter after its ? that is not known; known are {}, and a ? in a password \
                             is written %3F",
                            PARAMETERS.join(", ")
                        ),
                    });
                }
                return match PgConnectOptions::from_str(text) {
                    Ok(options) => Ok(Self::Postgres(Box::new(options))),
                    Err(error) => Err(DatabaseError::Open {
                        url: named(url),
                        problem: format!(
                            "the URL is not understood ({}); write postgres://USER:PASSWORD@HOST:PORT/NAME",
                            explain::cause(&error)
                        ),
                    }),
                };
            }
            // `mysql://…`, but also `postgress://…`. A path with a colon in it can be given as a sqlite: URL.
            Some((_, rest)) if rest.starts_with("//") => {
                return Err(DatabaseError::UnknownKind { url: named(url) });
            }
            _ => text,
        };
        if path.is_empty() {
            return Err(DatabaseError::UnknownKind { url: named(url) });
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// What a PostgreSQL URL may say after its `?`, besides `options[…]`.
const PARAMETERS: [&str; 8] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// This build speaks to PostgreSQL without TLS, and these say how much is wanted and with which files.
const TLS_PARAMETERS: [&str; 9] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
];

fn has_unknown_parameter(url: &str) -> bool {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let parameters = parameters.split('#').next().unwrap_or_default();
    parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split('=').next().unwrap_or_default())
        .any(|key| {
            let is_option = key.starts_with("options[") || key == "statement-cache-capacity";
            !is_option && !PARAMETERS.contains(&key) && !TLS_PARAMETERS.contains(&key)
        })
}

/// The database for an error: without the password, fit for a terminal, and to be seen also when it is empty.
fn named(url: &DatabaseUrl) -> String {
    match url.expose() {
        "" => "\"\"".to_owned(),
        _ => escaped(&url.to_string()),
    }
}

async fn open_sqlite(
    url: &DatabaseUrl,
    path: &Path,
    wait: Duration,
) -> Result<sqlx::SqlitePool, DatabaseError> {
    let refuse = |problem: String| DatabaseError::Open {
        url: named(url),
        problem,
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(wait)
        .foreign_keys(true);
    // What is somebody else's is looked at without these settings, the first of which changes the file.
    let looking = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(wait);
    let mut connection = SqliteConnection::connect_with(&looking)
        .await
        .map_err(|error| refuse(explain::sqlite(path, &error)))?;
    let foreign = adopt::sqlite(&mut connection)
        .await
        .map_err(|error| refuse(explain::sqlite(path, &error)))?;
    connection
        .close()
        .await
        .map_err(|error| refuse(explain::sqlite(path, &error)))?;
    if let Some(problem) = foreign {
        return Err(DatabaseError::Foreign {
            url: named(url),
            problem,
        });
    }
    // One connection by hand first: the pool would keep trying where a sentence is due.
    let connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(|error| refuse(explain::sqlite(path, &error)))?;
    connection
        .close()
        .await
        .map_err(|error| refuse(explain::sqlite(path, &error)))?;
    Ok(SqlitePoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(wait)
        .connect_lazy_with(options))
}

async fn open_postgres(
    url: &DatabaseUrl,
    options: &PgConnectOptions,
) -> Result<PgConnection, DatabaseError> {
    let refuse = |problem: String| DatabaseError::Open {
        url: named(url),
        problem,
    };
    let connect = PgConnection::connect_with(options);
    let mut connection = match tokio::time::timeout(WAIT, connect).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(refuse(explain::postgres(options, &error))),
        Err(_) => {
            return Err(refuse(format!(
                "{}:{} does not answer within {} s; check the host, the port and the firewall",
                options.get_host(),
                options.get_port(),
                WAIT.as_secs()
            )));
        }
    };
    let foreign = adopt::postgres(&mut connection)
        .await
        .map_err(|error| refuse(explain::postgres(options, &error)))?;
    if let Some(problem) = foreign {
        return Err(DatabaseError::Foreign {
            url: named(url),
            problem,
        });
    }
    Ok(connection)
}

/// A statement whose caller is gone goes on in the server, and holds its locks: a deadline here does not reach there.
/// Whoever wants another timeout says so in the URL: `?options=-cstatement_timeout%3D5s`.
fn with_statement_timeout(options: PgConnectOptions) -> PgConnectOptions {
    let is_said = options
        .get_options()
        .is_some_and(|options| options.contains("statement_timeout"));
    if is_said {
        return options;
    }
    options.options([("statement_timeout", STATEMENT.as_millis().to_string())])
}

async fn migrate(
    url: &DatabaseUrl,
    steps: &[Migration],
    run: impl AsyncFnOnce(Migrator) -> Result<(), MigrateError>,
) -> Result<(), DatabaseError> {
    // Built by hand: sqlx's macros would read the folder at compile time, and build both drivers twice for it.
    let migrations = steps
        .iter()
        .map(|step| {
            sqlx::migrate::Migration::new(
                step.version,
                step.name.into(),
                sqlx::migrate::MigrationType::Simple,
                step.sql.into_sql_str(),
                false,
            )
        })
        .collect();
    run(Migrator::with_migrations(migrations))
        .await
        .map_err(|error| DatabaseError::Migrate {
            url: named(url),
            problem: explain::migration(&error),
        })
}

#[cfg(test)]
mod tests;
