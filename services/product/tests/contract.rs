//! What every store of products promises, asked of each of them.
//!
//! SQLite always; PostgreSQL where it is installed, and in CI in any case.

#[path = "../../rpc/tests/support/postgres.rs"]
mod postgres;

use std::error::Error;
use std::io::{self, Write as _};

use product::product::ProductId;
use product::store::{PostgresStore, SqliteStore, Store};
use rpc::config::DatabaseUrl;
use rpc::database::Database;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() -> Outcome {
    let folder = tempfile::tempdir()?;
    let url = DatabaseUrl::new(folder.path().join("product.db").display().to_string());
    // Twice: the catalogue is put there once, however often the service starts.
    for _ in 0..2 {
        let Database::Sqlite(pool) = Database::open(&url, &product::MIGRATIONS).await? else {
            return Err("a path is SQLite".into());
        };
        keeps_the_contract(SqliteStore::new(pool)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_the_contract() -> Outcome {
    // In CI this is an error instead.
    let Some(server) = postgres::Postgres::start()? else {
        writeln!(
            io::stderr(),
            "skipped: PostgreSQL is not installed on this machine, so nobody asked whether the store of products keeps its \
             contract there"
        )?;
        return Ok(());
    };
    let url = DatabaseUrl::new(server.url());
    for _ in 0..2 {
        let Database::Postgres(pool) = Database::open(&url, &product::MIGRATIONS).await? else {
            return Err("this URL is PostgreSQL".into());
        };
        keeps_the_contract(PostgresStore::new(pool)).await?;
    }
    Ok(())
}

async fn keeps_the_contract(store: impl Store) -> Outcome {
    let coffee_pot = store
        .product(id(1)?)
        .await?
        .ok_or("the first of the catalogue")?;
    assert_eq!(coffee_pot.title, "Turkish coffee pot, copper, 350 ml");
    assert_eq!(coffee_pot.price.to_string(), "24.90 EUR");
    for number in 1..=12 {
        let product = store
            .product(id(number)?)
            .await?
            .ok_or("the catalogue has no gaps")?;
        assert!(product.price.is_positive(), "{product:?}");
    }
    for number in [13, i64::MAX] {
        assert_eq!(store.product(id(number)?).await?, None);
    }
    Ok(())
}

fn id(number: i64) -> Result<ProductId, Box<dyn Error>> {
    ProductId::parse("product_id", number).map_err(|violation| violation.description.into())
}
