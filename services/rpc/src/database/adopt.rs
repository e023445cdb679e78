//! Whether a database may become a service's.
//!
//! A service takes one that is empty, and one that has run a service's steps before: whether they are its own is judged
//! by their checksums when they are run. Any other has tables of somebody who would be surprised to find ours beside
//! them. Looking changes nothing.

use sqlx::{Error, PgConnection, SqliteConnection};

/// The table in which sqlx keeps the steps that were run.
const STEPS: &str = "_sqlx_migrations";

/// Why an SQLite file is somebody else's, if it is.
pub(super) async fn sqlite(connection: &mut SqliteConnection) -> Result<Option<String>, Error> {
    // Tables before steps: a first step that commits in between brings both at once, and so is seen as a step.
    let names: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY 1")
            .fetch_all(&mut *connection)
            .await?;
    // Whoever has a format of their own says so in the header (https://sqlite.org/pragma.html#pragma_application_id).
    let (format,): (i64,) = sqlx::query_as("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await?;
    let there = names.iter().any(|(name,)| name == STEPS);
    if there
        && sqlx::query("SELECT 1 FROM _sqlx_migrations LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?
            .is_some()
    {
        return Ok(None);
    }
    let foreign = names.iter().find(|(name,)| name != STEPS);
    Ok(match (foreign, format) {
        (None, 0) => None,
        (Some((table,)), _) => Some(format!(
            "the file holds something else, such as the table {table:?}; name another file, or move this one away"
        )),
        (None, format) => Some(format!(
            "the file is marked as another program's (application_id {format}); name another file, or move this one \
             away"
        )),
    })
}

/// Why the schema of a PostgreSQL database is somebody else's, if it is. Only the schema is asked that our tables would
/// be made in, so a database may be shared by giving each user of it a schema.
pub(super) async fn postgres(connection: &mut PgConnection) -> Result<Option<String>, Error> {
    // Tables, views and the like (https://www.postgresql.org/docs/current/catalog-pg-class.html), without those that an
    // extension brought along: whoever made the database may have wanted it.
    let names: Vec<(String,)> = sqlx::query_as(
        "SELECT c.relname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e' \
         AND d.classid = 'pg_catalog.pg_class'::regclass) ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    let there = names.iter().any(|(name,)| name == STEPS);
    if there
        && sqlx::query("SELECT 1 FROM _sqlx_migrations LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?
            .is_some()
    {
        return Ok(None);
    }
    let foreign = names.iter().find(|(name,)| name != STEPS);
    Ok(foreign.map(|(table,)| {
        format!(
            "its schema holds something else, such as {table:?}; give this service a database of its own, or a schema \
             of its own with ?options=-csearch_path%3DSCHEMA at the end of the URL"
        )
    }))
}
