//! What every store of shipments promises, asked of each of them.
//!
//! SQLite always; PostgreSQL where it is installed, and in CI in any case.

#[path = "../../rpc/tests/support/postgres.rs"]
mod postgres;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write as _};

use proto::shipping::v1::PostalAddress;
use rpc::IdempotencyKey;
use rpc::config::DatabaseUrl;
use rpc::database::Database;
use shipping::shipment::Dispatch;
use shipping::store::{PostgresStore, SqliteStore, Store};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() -> Outcome {
    let folder = tempfile::tempdir()?;
    let url = DatabaseUrl::new(folder.path().join("shipping.db").display().to_string());
    let open = async || match Database::open(&url, &shipping::MIGRATIONS).await? {
        Database::Sqlite(pool) => Ok::<_, Box<dyn Error>>(SqliteStore::new(pool)),
        other => Err(format!("{other:?} is no SQLite").into()),
    };
    keeps_the_contract(open().await?).await?;
    // Another process with the same file, so to speak.
    finds_what_was_kept(open().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_the_contract() -> Outcome {
    // In CI this is an error instead.
    let Some(server) = postgres::Postgres::start()? else {
        writeln!(
            io::stderr(),
            "skipped: PostgreSQL is not installed on this machine, so nobody asked whether the store of shipments keeps its \
             contract there"
        )?;
        return Ok(());
    };
    let url = DatabaseUrl::new(server.url());
    let open = async || match Database::open(&url, &shipping::MIGRATIONS).await? {
        Database::Postgres(pool) => Ok::<_, Box<dyn Error>>(PostgresStore::new(pool)),
        other => Err(format!("{other:?} is no PostgreSQL").into()),
    };
    keeps_the_contract(open().await?).await?;
    finds_what_was_kept(open().await?).await
}

async fn keeps_the_contract(store: impl Store + Clone) -> Outcome {
    a_shipment_is_kept_as_it_was_made(&store).await?;
    a_shipment_without_an_address_is_kept_without_one(&store).await?;
    a_key_is_shipped_once(&store).await?;
    a_key_is_shipped_once_by_many_at_the_same_moment(&store).await?;
    what_is_not_there_is_not_found(&store).await
}

async fn a_shipment_is_kept_as_it_was_made(store: &impl Store) -> Outcome {
    let dispatch = dispatch("kept", "order-1", Some(istanbul()))?;
    let shipment = store.ship(&dispatch).await?;
    assert!(dispatch.made(&shipment));
    assert_eq!(store.shipment(shipment.id).await?, Some(shipment.clone()));
    assert_eq!(store.shipped(dispatch.key()).await?, Some(shipment));
    Ok(())
}

async fn a_shipment_without_an_address_is_kept_without_one(store: &impl Store) -> Outcome {
    let dispatch = dispatch("collected", "order-2", None)?;
    let shipment = store.ship(&dispatch).await?;
    let kept = store.shipment(shipment.id).await?.ok_or("it was shipped")?;
    assert_eq!(kept.address, None);
    Ok(())
}

async fn a_key_is_shipped_once(store: &impl Store) -> Outcome {
    let first = store
        .ship(&dispatch("once", "order-3", Some(istanbul()))?)
        .await?;
    let again = store
        .ship(&dispatch("once", "order-3", Some(istanbul()))?)
        .await?;
    assert_eq!(again, first);
    // Other content under the key: the first shipment comes back, and whoever asked compares.
    let other = dispatch("once", "order-3", None)?;
    let kept = store.ship(&other).await?;
    assert_eq!(kept, first);
    assert!(!other.made(&kept));
    Ok(())
}

async fn a_key_is_shipped_once_by_many_at_the_same_moment(store: &(impl Store + Clone)) -> Outcome {
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let dispatch = dispatch("crowd", "order-4", None).map_err(|e| e.to_string())?;
                store.ship(&dispatch).await.map_err(|e| e.to_string())
            })
        })
        .collect();
    let mut shipments = BTreeSet::new();
    for caller in callers {
        shipments.insert(caller.await??.id);
    }
    assert_eq!(
        shipments.len(),
        1,
        "32 callers with one key made {shipments:?}"
    );
    Ok(())
}

async fn what_is_not_there_is_not_found(store: &impl Store) -> Outcome {
    assert_eq!(store.shipment(i64::MAX).await?, None);
    let key = IdempotencyKey::parse("key", "never-used").map_err(|v| format!("{v:?}"))?;
    assert_eq!(store.shipped(&key).await?, None);
    Ok(())
}

async fn finds_what_was_kept(store: impl Store) -> Outcome {
    let dispatch = dispatch("kept", "order-1", Some(istanbul()))?;
    let shipment = store.shipped(dispatch.key()).await?.ok_or("it was kept")?;
    assert!(dispatch.made(&shipment));
    Ok(())
}

fn dispatch(
    key: &str,
    order_id: &str,
    address: Option<PostalAddress>,
) -> Result<Dispatch, Box<dyn Error>> {
    Dispatch::parse(key, 23, order_id, address.as_ref())
        .map_err(|violations| format!("{violations:?}").into())
}

fn istanbul() -> PostalAddress {
    PostalAddress {
        recipient: "Ayşe Yılmaz".into(),
        street: "İstiklal Caddesi 12".into(),
        city: "İstanbul".into(),
        postal_code: "34430".into(),
        country_code: "TR".into(),
    }
}
