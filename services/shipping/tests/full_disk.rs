//! What was answered OK is kept, also when the disk fills up: whoever got an answer has no reason to ask again.

#[path = "../../rpc/tests/support/full_disk.rs"]
mod full_disk;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use rpc::config::DatabaseUrl;
use rpc::database::Database;
use shipping::shipment::Dispatch;
use shipping::store::{SqliteStore, Store};

type Outcome = Result<(), Box<dyn Error>>;

const PARCELS: usize = 60;

#[tokio::test]
async fn what_was_answered_is_kept_when_the_disk_is_full() -> Outcome {
    if let Some(database) = full_disk::database() {
        return ship(&database).await;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shipping.db");
    // The schema is there before the disk is full, and closing empties the log.
    let (database, _) = open(&path).await?;
    database.close().await;
    let reported = full_disk::meet("what_was_answered_is_kept_when_the_disk_is_full", &path)?;

    let mut shipped: BTreeMap<i64, String> = BTreeMap::new();
    let mut failed = 0;
    let (_database, store) = open(&path).await?;
    for line in &reported {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["shipped", key, id] => {
                let id = id.parse()?;
                let kept = store.shipped(dispatch(key)?.key()).await?;
                assert_eq!(
                    kept.map(|shipment| shipment.id),
                    Some(id),
                    "{key} was answered OK"
                );
                let before = shipped.insert(id, (*key).to_owned());
                assert_eq!(before, None, "{key} got the number of another shipment");
            }
            ["failed"] => failed += 1,
            _ => return Err(format!("what is {line:?}?").into()),
        }
    }
    assert!(
        !shipped.is_empty() && failed > 0,
        "the disk was to fill up on the way: {reported:?}"
    );
    // There is room again: what failed is shipped now, and under a number that nobody was told before.
    for number in 0..PARCELS {
        let key = format!("k{number}");
        let shipment = store.ship(&dispatch(&key)?).await?;
        let told = shipped.entry(shipment.id).or_insert_with(|| key.clone());
        assert_eq!(*told, key, "shipment {} was told to another", shipment.id);
    }
    assert_eq!(shipped.len(), PARCELS);
    Ok(())
}

async fn ship(path: &Path) -> Outcome {
    let (_database, store) = open(path).await?;
    for number in 0..PARCELS {
        let dispatch = dispatch(&format!("k{number}"))?;
        match store.ship(&dispatch).await {
            Ok(shipment) => {
                full_disk::report(&format!("shipped {} {}", dispatch.key(), shipment.id))?;
            }
            Err(_) => full_disk::report("failed")?,
        }
    }
    Ok(())
}

async fn open(path: &Path) -> Result<(Database, SqliteStore), Box<dyn Error>> {
    let url = DatabaseUrl::new(path.display().to_string());
    match Database::open(&url, &shipping::MIGRATIONS).await? {
        Database::Sqlite(pool) => Ok((Database::Sqlite(pool.clone()), SqliteStore::new(pool))),
        other => Err(format!("{other:?} is no SQLite").into()),
    }
}

fn dispatch(key: &str) -> Result<Dispatch, Box<dyn Error>> {
    Dispatch::parse(key, 23, &format!("order-{key}"), None)
        .map_err(|violations| format!("{violations:?}").into())
}
