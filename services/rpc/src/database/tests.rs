use std::error::Error;
use std::fs;
use std::io::{self, Write as _};

use super::*;

#[path = "../../tests/support/postgres.rs"]
mod postgres;

type Outcome = Result<(), Box<dyn Error>>;

const STEPS: Migrations = Migrations {
    sqlite: &[Migration::new(
        1,
        "tea",
        "CREATE TABLE tea (name TEXT NOT NULL UNIQUE)",
    )],
    postgres: &[],
};

async fn open(url: impl ToString) -> Result<Database, DatabaseError> {
    Database::open(&DatabaseUrl::new(url.to_string()), &STEPS).await
}

async fn refusal(url: impl ToString) -> String {
    let error = open(url).await.expect_err("a refusal").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[tokio::test]
async fn a_path_and_a_sqlite_url_are_the_same_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tea.db");
    let Database::Sqlite(pool) = open(path.display()).await? else {
        return Err("a path is SQLite".into());
    };
    sqlx::query("INSERT INTO tea VALUES ('Rize')")
        .execute(&pool)
        .await?;
    pool.close().await;
    for url in [
        format!("sqlite:{}", path.display()),
        format!("sqlite://{}", path.display()),
    ] {
        let Database::Sqlite(pool) = open(url).await? else {
            return Err("a sqlite: URL is SQLite".into());
        };
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM tea")
            .fetch_one(&pool)
            .await?;
        assert_eq!(count, 1);
        pool.close().await;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_answered_survives_a_power_cut() -> Outcome {
    let folder = tempfile::tempdir()?;
    let Database::Sqlite(pool) = open(folder.path().join("tea.db").display()).await? else {
        return Err("a path is SQLite".into());
    };
    let (journal,): (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&pool)
        .await?;
    let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous")
        .fetch_one(&pool)
        .await?;
    assert_eq!((journal.as_str(), synchronous), ("wal", 2), "2 is FULL");
    Ok(())
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_with_those_that_are_known() {
    for url in [
        "mysql://root:hunter2@db/tea",
        "postgress://db/tea",
        "sqlite:",
        "",
        "http://db",
    ] {
        let sentence = refusal(url).await;
        assert!(sentence.contains("postgres://USER@HOST/NAME"), "{sentence}");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}

#[tokio::test]
async fn a_folder_is_not_a_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let sentence = refusal(folder.path().display()).await;
    assert!(sentence.contains("it is a folder"), "{sentence}");
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let missing = folder.path().join("missing");
    let sentence = refusal(missing.join("tea.db").display()).await;
    assert!(
        sentence.contains(&format!("there is no folder {}", missing.display())),
        "{sentence}"
    );
    Ok(())
}

#[tokio::test]
async fn a_file_of_something_else_is_left_as_it_is() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tea.db");
    let content = "a shopping list: tea, glasses, sugar. ".repeat(100);
    fs::write(&path, &content)?;
    let sentence = refusal(path.display()).await;
    assert!(sentence.contains("is not an SQLite database"), "{sentence}");
    assert_eq!(fs::read_to_string(&path)?, content);
    Ok(())
}

#[tokio::test]
async fn a_file_that_another_process_keeps_locked_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tea.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut other = SqliteConnection::connect_with(&options).await?;
    for lock in [
        "PRAGMA locking_mode = EXCLUSIVE",
        "CREATE TABLE lock (id)",
        "BEGIN EXCLUSIVE",
    ] {
        sqlx::query(lock).execute(&mut other).await?;
    }
    let url = DatabaseUrl::new(path.display().to_string());
    let error = open_sqlite(&url, &path, Duration::from_millis(10))
        .await
        .expect_err("a refusal");
    assert!(
        error
            .to_string()
            .contains("another process keeps it locked"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn the_database_of_another_service_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let url = DatabaseUrl::new(folder.path().join("tea.db").display().to_string());
    Database::open(&url, &STEPS).await?.close().await;
    const OTHER: Migrations = Migrations {
        sqlite: &[Migration::new(
            1,
            "coffee",
            "CREATE TABLE coffee (name TEXT)",
        )],
        postgres: &[],
    };
    let error = Database::open(&url, &OTHER)
        .await
        .expect_err("a refusal")
        .to_string();
    assert!(error.contains("it belongs to another service"), "{error}");

    const NEWER: Migrations = Migrations {
        sqlite: &[
            STEPS.sqlite[0],
            Migration::new(2, "more", "CREATE TABLE more (name TEXT)"),
        ],
        postgres: &[],
    };
    Database::open(&url, &NEWER).await?.close().await;
    let error = Database::open(&url, &STEPS)
        .await
        .expect_err("a refusal")
        .to_string();
    assert!(
        error.contains("step 2, which this version does not know"),
        "{error}"
    );
    Ok(())
}

/// A PostgreSQL, or where there is none, a sentence on standard error; in CI that is an error instead.
fn start_postgres(question: &str) -> io::Result<Option<postgres::Postgres>> {
    let server = postgres::Postgres::start()?;
    if server.is_none() {
        // Written and not printed: what a test prints is only shown when it fails.
        writeln!(
            io::stderr(),
            "skipped: PostgreSQL is not installed on this machine, so nobody asked whether {question} there"
        )?;
    }
    Ok(server)
}

/// Makes an SQLite file with one statement after the other.
async fn make(path: &Path, statements: &[&'static str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(fs::read(path)?)
}

#[tokio::test]
async fn a_database_with_something_else_in_it_is_refused_and_left_as_it_is() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (name, statements, named) in [
        (
            "index.db",
            &[
                "CREATE TABLE serials (number BLOB)",
                "PRAGMA application_id = 1347111169",
            ][..],
            "the table \"serials\"",
        ),
        ("notes.db", &["CREATE TABLE notes (text TEXT)"], "\"notes\""),
        // Another program's file that it has not filled yet.
        (
            "empty.db",
            &["PRAGMA application_id = 1347111169"],
            "application_id 1347111169",
        ),
        // A first step that was never made leaves the table for it, and nothing that is ours.
        (
            "half.db",
            &[
                "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)",
                "CREATE TABLE notes (text TEXT)",
            ],
            "\"notes\"",
        ),
    ] {
        let path = folder.path().join(name);
        let before = make(&path, statements).await?;
        let sentence = refusal(path.display()).await;
        assert!(
            sentence.contains("is not this service's") && sentence.contains(named),
            "{sentence}"
        );
        assert!(sentence.contains("name another file"), "{sentence}");
        assert_eq!(fs::read(&path)?, before, "{name} was changed");
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_file_is_taken() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tea.db");
    fs::write(&path, "")?;
    open(path.display()).await?.close().await;
    // And once more, when it is its own.
    open(path.display()).await?.close().await;
    Ok(())
}

#[tokio::test]
async fn a_schema_with_something_else_in_it_is_refused_and_an_own_one_beside_it_taken() -> Outcome {
    const STEPS: Migrations = Migrations {
        sqlite: &[],
        postgres: &[Migration::new(1, "tea", "CREATE TABLE tea (name TEXT)")],
    };
    let Some(server) = start_postgres("a schema with something else in it is refused")? else {
        return Ok(());
    };
    let mut other = PgConnection::connect(&server.url()).await?;
    sqlx::query("CREATE TABLE notes (text TEXT)")
        .execute(&mut other)
        .await?;
    let error = Database::open(&DatabaseUrl::new(server.url()), &STEPS)
        .await
        .expect_err("a refusal")
        .to_string();
    assert!(
        error.contains("is not this service's") && error.contains("\"notes\""),
        "{error}"
    );

    sqlx::query("CREATE SCHEMA tea").execute(&mut other).await?;
    let own = format!("{}?options=-csearch_path%3Dtea", server.url());
    for _ in 0..2 {
        Database::open(&DatabaseUrl::new(own.as_str()), &STEPS)
            .await?
            .close()
            .await;
    }
    let (schema,): (String,) =
        sqlx::query_as("SELECT schemaname::text FROM pg_tables WHERE tablename = 'tea'")
            .fetch_one(&mut other)
            .await?;
    assert_eq!(schema, "tea");
    Ok(())
}

#[tokio::test]
async fn a_path_is_named_so_that_it_is_seen_and_not_obeyed() {
    let sentence = refusal("").await;
    assert!(sentence.starts_with("the database \"\" "), "{sentence}");
    let sentence = refusal("/nowhere/\u{1b}[31mred/\ntea.db").await;
    assert!(
        sentence.contains("\\u{1b}[31mred/\\u{a}tea.db"),
        "{sentence}"
    );
    assert!(!sentence.contains('\u{1b}'), "{sentence}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() -> Outcome {
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let sentence = refusal(format!("postgres://tea:hunter2@{free}/tea")).await;
    assert!(
        sentence.contains(&format!("nothing listens on {free}")),
        "{sentence}"
    );
    assert!(!sentence.contains("hunter2"), "{sentence}");
    Ok(())
}

#[tokio::test]
async fn a_query_that_may_succeed_later_is_unavailable_and_any_other_is_our_fault() -> Outcome {
    let folder = tempfile::tempdir()?;
    let Database::Sqlite(pool) = open(folder.path().join("tea.db").display()).await? else {
        return Err("a path is SQLite".into());
    };
    let insert = || sqlx::query("INSERT INTO tea VALUES ('Rize')").execute(&pool);
    insert().await?;
    let twice = insert().await.expect_err("the name is unique");
    assert_eq!(Failure::from(twice).code(), tonic::Code::Internal);
    pool.close().await;
    let closed = insert().await.expect_err("the pool is closed");
    assert_eq!(Failure::from(closed).code(), tonic::Code::Unavailable);
    Ok(())
}

#[tokio::test]
async fn what_may_hold_a_password_and_is_no_url_is_refused_unseen() -> Result<(), Box<dyn Error>> {
    for url in [
        "postgres:alice:hunter2@db/orders",
        "host=db password=hunter2",
        "password = hunter2",
        "alice:hunter2",
        "//alice:hunter2@db/orders",
    ] {
        let opened = Database::open(&DatabaseUrl::new(url), &STEPS).await;
        let said = opened.err().ok_or("opened")?.to_string();
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains("postgres://USER@HOST/NAME"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_parameter_that_is_not_known_is_refused_and_neither_shown_nor_logged() {
    for url in [
        "postgres://db/orders?passwd=hunter2",
        "postgres://alice:?hunter2@db/orders",
        "postgres://db/orders?user=alice&hunter2",
    ] {
        let sentence = refusal(url).await;
        assert!(!sentence.contains("hunter2"), "{sentence}");
        assert!(
            sentence.contains("a parameter after its ? that is not known"),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn a_statement_that_hangs_in_postgres_is_given_up_and_may_succeed_later() -> Outcome {
    let Some(server) = start_postgres("a statement that hangs is given up")? else {
        return Ok(());
    };
    let open = async |url: String| {
        let url = DatabaseUrl::new(url);
        match Database::open(&url, &STEPS).await? {
            Database::Postgres(pool) => Ok::<_, Box<dyn Error>>(pool),
            Database::Sqlite(_) => Err("a postgres: URL is PostgreSQL".into()),
        }
    };
    let pool = open(server.url()).await?;
    let (timeout,): (String,) = sqlx::query_as("SHOW statement_timeout")
        .fetch_one(&pool)
        .await?;
    assert_eq!(timeout, "30s");
    pool.close().await;

    let pool = open(format!(
        "{}?options=-cstatement_timeout%3D10ms",
        server.url()
    ))
    .await?;
    let hangs = sqlx::query("SELECT pg_sleep(3600)").execute(&pool).await;
    let failure = Failure::from(hangs.expect_err("given up"));
    assert_eq!(failure.code(), tonic::Code::Unavailable);
    Ok(())
}
