//! What was answered OK is kept, also when the disk fills up: whoever got an answer has no reason to ask again.

#[path = "../../rpc/tests/support/full_disk.rs"]
mod full_disk;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use payment::payment::{Charge, Refund, State};
use payment::store::{SqliteStore, Store};
use proto::Money;
use rpc::config::DatabaseUrl;
use rpc::database::Database;

type Outcome = Result<(), Box<dyn Error>>;

const CHARGES: usize = 60;

#[tokio::test]
async fn what_was_answered_is_kept_when_the_disk_is_full() -> Outcome {
    if let Some(database) = full_disk::database() {
        return charge_and_refund(&database).await;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("payment.db");
    // The schema is there before the disk is full, and closing empties the log.
    let (database, _) = open(&path).await?;
    database.close().await;
    let reported = full_disk::meet("what_was_answered_is_kept_when_the_disk_is_full", &path)?;

    let mut charged: BTreeMap<i64, String> = BTreeMap::new();
    let mut failed = 0;
    let (_database, store) = open(&path).await?;
    for line in &reported {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["charged", key, id] => {
                let id = id.parse()?;
                let kept = store.charged(charge(key)?.key()).await?;
                assert_eq!(
                    kept.map(|payment| payment.id),
                    Some(id),
                    "{key} was answered OK"
                );
                let before = charged.insert(id, (*key).to_owned());
                assert_eq!(before, None, "{key} got the number of another payment");
            }
            ["refunded", id] => {
                let kept = store.payment(id.parse()?).await?;
                assert_eq!(
                    kept.map(|payment| payment.state),
                    Some(State::Refunded),
                    "the refund of {id} was answered OK"
                );
            }
            ["failed"] => failed += 1,
            _ => return Err(format!("what is {line:?}?").into()),
        }
    }
    assert!(
        !charged.is_empty() && failed > 0,
        "the disk was to fill up on the way: {reported:?}"
    );
    // There is room again: what failed is charged now, and under a number that nobody was told before.
    for number in 0..CHARGES {
        let key = format!("k{number}");
        let payment = store.charge(&charge(&key)?).await?;
        let told = charged.entry(payment.id).or_insert_with(|| key.clone());
        assert_eq!(*told, key, "payment {} was told to another", payment.id);
    }
    assert_eq!(charged.len(), CHARGES);
    Ok(())
}

async fn charge_and_refund(path: &Path) -> Outcome {
    let (_database, store) = open(path).await?;
    for number in 0..CHARGES {
        let charge = charge(&format!("k{number}"))?;
        let Ok(payment) = store.charge(&charge).await else {
            full_disk::report("failed")?;
            continue;
        };
        full_disk::report(&format!("charged {} {}", charge.key(), payment.id))?;
        let refund = Refund::parse(payment.id, "cannot be shipped", &payment.order_id)
            .map_err(|violations| format!("{violations:?}"))?;
        match store.refund(&refund).await {
            Ok(_) => full_disk::report(&format!("refunded {}", payment.id))?,
            Err(_) => full_disk::report("failed")?,
        }
    }
    Ok(())
}

async fn open(path: &Path) -> Result<(Database, SqliteStore), Box<dyn Error>> {
    let url = DatabaseUrl::new(path.display().to_string());
    match Database::open(&url, &payment::MIGRATIONS).await? {
        Database::Sqlite(pool) => Ok((Database::Sqlite(pool.clone()), SqliteStore::new(pool))),
        other => Err(format!("{other:?} is no SQLite").into()),
    }
}

fn charge(key: &str) -> Result<Charge, Box<dyn Error>> {
    let amount: Money = "3.20 EUR".parse()?;
    Charge::parse(key, &format!("order-{key}"), 23, Some(&amount.into()))
        .map_err(|violations| format!("{violations:?}").into())
}
