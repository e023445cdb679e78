//! What was answered OK is kept, also when the disk fills up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use order::order::{OrderId, Outcome, State};
use order::store::{Inserted, MIGRATIONS, Store, on};
use rpc::config::DatabaseUrl;
use rpc::database::Database;

use crate::contract::{PACE, order};
use crate::full_disk_support as full_disk;
use order::clock::Moment;

#[tokio::test]
async fn what_was_answered_is_kept_when_the_disk_is_full() {
    if let Some(database) = full_disk::database() {
        return place_and_pay(&database).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("order.db");
    // The schema is there before the disk is full, and closing empties the log.
    let (database, _) = open(&path).await;
    database.close().await;
    let name = "full_disk::what_was_answered_is_kept_when_the_disk_is_full";
    let reported = full_disk::meet(name, &path).expect("reported");

    let (_database, store) = open(&path).await;
    let mut answered: BTreeMap<OrderId, State> = BTreeMap::new();
    let mut failed = 0;
    for line in &reported {
        match line.split_once(' ') {
            Some((state, id)) => {
                let state = State::named(state).expect("a state");
                answered.insert(id.parse().expect("a number"), state);
            }
            None => failed += 1,
        }
    }
    assert!(
        !answered.is_empty() && failed > 0,
        "the disk was to fill up on the way: {reported:?}"
    );
    for (id, state) in answered {
        let kept = store.get(id).await.expect("read");
        assert_eq!(kept.map(|order| order.state), Some(state), "order {id}");
    }
}

async fn place_and_pay(path: &Path) {
    let (_database, store) = open(path).await;
    let say = |line: &str| full_disk::report(line).expect("said");
    for number in 0..40 {
        let order = order(&format!("k{number}"));
        match store.insert(&order, Moment(11_000)).await {
            Ok(Inserted::New) => say(&format!("{} {}", order.state, order.id)),
            _ => {
                say("failed");
                continue;
            }
        }
        let paid = order
            .after(
                Outcome::Charged { payment_id: 7 },
                &PACE,
                Moment(2_000),
                0.5,
            )
            .expect("allowed")
            .order;
        match store.update(&paid, order.state).await {
            Ok(Some(_)) => say(&format!("{} {}", paid.state, paid.id)),
            _ => say("failed"),
        }
    }
}

async fn open(path: &Path) -> (Database, Arc<dyn Store>) {
    let url = DatabaseUrl::new(path.to_string_lossy());
    let database = Database::open(&url, &MIGRATIONS).await.expect("a database");
    let store = on(&database).expect("a store");
    (database, store)
}
