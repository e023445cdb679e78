//! What every store of orders promises, asked of each of them.
//!
//! SQLite always; PostgreSQL where it is installed, and in CI in any case.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::support::log::Errors;
use order::clock::Moment;
use order::new_order::{Address, NewOrder};
use order::order::{Order, OrderId, Outcome, Pace, Refusal, State, Step, Trouble};
use order::page::Page;
use order::store::{Inserted, MIGRATIONS, Store, on};
use rpc::IdempotencyKey;
use rpc::config::DatabaseUrl;
use rpc::database::Database;
use rpc::status::{FieldViolation, PreconditionViolation, Reason, reason};

pub(crate) const PACE: Pace = Pace {
    retry_min: Duration::from_millis(100),
    retry_max: Duration::from_secs(1),
    claim: Duration::from_secs(10),
};

/// A new database in a folder of its own; the folder goes away with the first value.
async fn sqlite() -> (tempfile::TempDir, Database, Arc<dyn Store>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("order.db");
    let url = DatabaseUrl::new(path.to_string_lossy());
    let database = Database::open(&url, &MIGRATIONS).await.expect("a database");
    let store = on(&database).expect("a store");
    (folder, database, store)
}

pub(crate) fn order(key: &str) -> Order {
    let content = NewOrder {
        idempotency_key: IdempotencyKey::parse("key", key).expect("a key"),
        user_id: 23,
        product_id: 12,
        price: "3.20 EUR".parse().expect("an amount"),
        address: Some(Address {
            recipient: "Ada Lovelace".into(),
            street: "12 St James's Square".into(),
            city: "London".into(),
            postal_code: String::new(),
            country_code: "GB".into(),
        }),
    };
    Order::new(
        OrderId::next(),
        content,
        "Bücher \"&\" more".into(),
        Moment(1_000),
    )
}

/// A stored order, claimed until 11,000.
async fn stored(store: &Arc<dyn Store>, key: &str) -> Order {
    let mut order = order(key);
    let inserted = store.insert(&order, Moment(11_000)).await.expect("stored");
    assert_eq!(inserted, Inserted::New);
    order.next_attempt_at = Some(Moment(11_000));
    order
}

/// Stores what follows from `outcome` at 2,000.
async fn step(store: &Arc<dyn Store>, order: &Order, outcome: Outcome) -> Order {
    let progress = order
        .after(outcome, &PACE, Moment(2_000), 0.5)
        .expect("allowed");
    let version = store.update(&progress.order, order.state).await;
    let version = version.expect("stored").expect("nobody was faster");
    Order {
        version,
        ..progress.order
    }
}

fn trouble() -> Outcome {
    Outcome::Failed(Trouble {
        cause: "payment does not answer at the moment".into(),
        retry_after: None,
    })
}

async fn an_order_is_read_as_it_was_stored(store: &Arc<dyn Store>) {
    let stored = stored(store, "read").await;
    assert_eq!(
        store.get(stored.id).await.expect("read"),
        Some(stored.clone())
    );
    let by_key = store.by_key(&stored.content.idempotency_key).await;
    assert_eq!(by_key.expect("read"), Some(stored));
    assert_eq!(store.get(OrderId::next()).await.expect("read"), None);

    let mut collected = order("read-collected");
    collected.content.address = None;
    store
        .insert(&collected, Moment(1_000))
        .await
        .expect("stored");
    assert_eq!(
        store.get(collected.id).await.expect("read"),
        Some(collected)
    );
}

async fn a_key_is_kept_once(store: &Arc<dyn Store>) {
    let first = stored(store, "once").await;
    let mut second = order("once");
    second.content.user_id = 99;
    let inserted = store.insert(&second, Moment(11_000)).await.expect("asked");
    assert_eq!(inserted, Inserted::Known(Box::new(first)));
    assert_eq!(store.get(second.id).await.expect("read"), None);
}

async fn the_whole_way_is_stored(store: &Arc<dyn Store>) {
    let created = stored(store, "way").await;
    let waiting = step(store, &created, trouble()).await;
    assert_eq!(
        store.get(created.id).await.expect("read"),
        Some(waiting.clone())
    );
    let paid = step(store, &waiting, Outcome::Charged { payment_id: 7 }).await;
    assert_eq!(
        store.get(created.id).await.expect("read"),
        Some(paid.clone())
    );
    let shipped = step(store, &paid, Outcome::Shipped { shipping_id: 9 }).await;
    assert_eq!(
        store.get(created.id).await.expect("read"),
        Some(shipped.clone())
    );
    assert_eq!(shipped.version, 4);
}

async fn a_refusal_is_stored_with_all_that_it_says(store: &Arc<dyn Store>) {
    let created = stored(store, "refusal").await;
    let refusal = Refusal {
        step: Step::Charge,
        reason: Reason::new("CARD_DECLINED"),
        message: "the card was declined".into(),
        fields: vec![FieldViolation::new(
            "price.units",
            reason::TOO_LARGE,
            "too much",
        )],
        preconditions: vec![PreconditionViolation {
            kind: Reason::new("CARD_DECLINED"),
            subject: "user/23".into(),
            description: "\"declined\"".into(),
        }],
    };
    let refused = step(store, &created, Outcome::Refused(refusal)).await;
    assert_eq!(store.get(created.id).await.expect("read"), Some(refused));
}

async fn a_change_on_an_old_reading_changes_nothing(store: &Arc<dyn Store>) {
    let created = stored(store, "old").await;
    let paid = step(store, &created, Outcome::Charged { payment_id: 7 }).await;
    let late = created
        .after(
            Outcome::Charged { payment_id: 8 },
            &PACE,
            Moment(3_000),
            0.5,
        )
        .expect("allowed")
        .order;
    assert_eq!(
        store.update(&late, State::Created).await.expect("asked"),
        None
    );
    assert_eq!(
        store.get(created.id).await.expect("read"),
        Some(paid.clone())
    );
    // Nor does one that knows the version but not the state.
    let wrong_state = Order {
        version: paid.version,
        ..late
    };
    let updated = store.update(&wrong_state, State::Created).await;
    assert_eq!(updated.expect("asked"), None);
}

async fn what_is_claimed_is_nobody_elses_until_the_claim_ends(store: &Arc<dyn Store>) {
    let order = stored(store, "claim").await;
    assert_eq!(
        store
            .claim(Moment(10_999), Moment(20_000), 10)
            .await
            .expect("asked"),
        []
    );
    let claimed = store
        .claim(Moment(11_000), Moment(21_000), 10)
        .await
        .expect("asked");
    let expected = Order {
        next_attempt_at: Some(Moment(21_000)),
        version: 2,
        ..order.clone()
    };
    assert_eq!(claimed, [expected]);
    assert_eq!(
        store
            .claim(Moment(11_000), Moment(21_000), 10)
            .await
            .expect("asked"),
        []
    );
    assert_eq!(store.next_due().await.expect("asked"), Some(Moment(21_000)));
    // Whoever held the order before has lost it.
    let late = order
        .after(
            Outcome::Charged { payment_id: 7 },
            &PACE,
            Moment(12_000),
            0.5,
        )
        .expect("allowed")
        .order;
    assert_eq!(
        store.update(&late, State::Created).await.expect("asked"),
        None
    );
}

async fn a_claim_that_is_given_up_is_due_at_once(store: &Arc<dyn Store>) {
    let order = stored(store, "given-up").await;
    store
        .release(&order, Moment(2_000))
        .await
        .expect("released");
    assert_eq!(store.next_due().await.expect("asked"), Some(Moment(2_000)));
    let claimed = store
        .claim(Moment(2_000), Moment(12_000), 10)
        .await
        .expect("asked");
    assert_eq!(claimed.len(), 1);
    // One who was interrupted while storing does not know whether the version is the next one already.
    let paid = step(store, &claimed[0], Outcome::Charged { payment_id: 7 }).await;
    assert_eq!(paid.version, claimed[0].version + 1);
    store
        .release(&claimed[0], Moment(2_600))
        .await
        .expect("released");
    assert_eq!(store.next_due().await.expect("asked"), Some(Moment(2_600)));
}

async fn somebody_elses_claim_is_not_given_up(store: &Arc<dyn Store>) {
    // A claim that has ended, and one that somebody else made at the end of it: the very next version.
    let lost = stored(store, "lost").await;
    let claimed = store
        .claim(Moment(11_000), Moment(21_000), 10)
        .await
        .expect("asked");
    assert_eq!(claimed[0].version, lost.version + 1);
    store.release(&lost, Moment(11_500)).await.expect("asked");
    assert_eq!(store.next_due().await.expect("asked"), Some(Moment(21_000)));
    // Nor is it once that one has stored something.
    step(store, &claimed[0], Outcome::Charged { payment_id: 7 }).await;
    store.release(&lost, Moment(11_600)).await.expect("asked");
    assert_eq!(store.next_due().await.expect("asked"), Some(Moment(12_000)));
}

async fn an_order_that_waits_after_a_failure_is_not_called_back(store: &Arc<dyn Store>) {
    let held = stored(store, "waiting").await;
    let waiting = step(store, &held, trouble()).await;
    store.release(&held, Moment(2_001)).await.expect("asked");
    assert_eq!(
        store.next_due().await.expect("asked"),
        waiting.next_attempt_at
    );
}

async fn what_is_done_is_never_due(store: &Arc<dyn Store>) {
    let created = stored(store, "done").await;
    let paid = step(store, &created, Outcome::Charged { payment_id: 7 }).await;
    let shipped = step(store, &paid, Outcome::Shipped { shipping_id: 9 }).await;
    assert_eq!(store.next_due().await.expect("asked"), None);
    let end_of_time = Moment(i64::MAX);
    assert_eq!(
        store
            .claim(end_of_time, end_of_time, 10)
            .await
            .expect("asked"),
        []
    );
    store.release(&shipped, Moment(3_000)).await.expect("asked");
    assert_eq!(store.get(shipped.id).await.expect("read"), Some(shipped));
}

async fn those_that_wait_longest_are_claimed_first(store: &Arc<dyn Store>) {
    for (key, until) in [("b", 3_000), ("a", 2_000), ("c", 4_000)] {
        store
            .insert(&order(key), Moment(until))
            .await
            .expect("stored");
    }
    let claimed = store
        .claim(Moment(5_000), Moment(9_000), 2)
        .await
        .expect("asked");
    let keys: BTreeSet<_> = claimed
        .iter()
        .map(|order| order.content.idempotency_key.as_str())
        .collect();
    assert_eq!(keys, BTreeSet::from(["a", "b"]));
}

async fn each_due_order_is_claimed_by_one_of_many(store: &Arc<dyn Store>) {
    for number in 0..40 {
        store
            .insert(&order(&format!("many-{number}")), Moment(1_000))
            .await
            .expect("stored");
    }
    let mut claimants = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(store);
        claimants.spawn(async move {
            let mut mine = Vec::new();
            // Until the end, as a worker does; a round may find only rows that others are just claiming.
            while store.next_due().await.expect("asked") == Some(Moment(1_000)) {
                let claimed = store.claim(Moment(2_000), Moment(9_000), 3).await;
                mine.extend(claimed.expect("asked").into_iter().map(|order| order.id));
            }
            mine
        });
    }
    let all: Vec<_> = claimants.join_all().await.into_iter().flatten().collect();
    assert_eq!(all.len(), 40, "each order was claimed once");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
}

async fn a_list_is_newest_first_and_filtered(store: &Arc<dyn Store>) {
    let mut stored_orders = Vec::new();
    for number in 0..6 {
        let mut order = order(&format!("list-{number}"));
        order.content.user_id = 1 + number % 2;
        store.insert(&order, Moment(11_000)).await.expect("stored");
        order.next_attempt_at = Some(Moment(11_000));
        stored_orders.push(order);
    }
    let paid = step(store, &stored_orders[4], Outcome::Charged { payment_id: 7 }).await;
    let all = Page {
        user_id: None,
        state: None,
        size: 100,
        before: None,
    };
    let ids = |orders: Vec<Order>| -> Vec<_> {
        let numbers = orders.iter().map(|listed| {
            let found = stored_orders.iter().position(|order| order.id == listed.id);
            found.expect("one of ours")
        });
        numbers.collect()
    };
    let list = async |page: Page| ids(store.list(&page).await.expect("listed"));
    assert_eq!(list(all).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(list(Page { size: 2, ..all }).await, [5, 4]);
    let before = Some(stored_orders[4].id);
    assert_eq!(
        list(Page {
            before,
            size: 2,
            ..all
        })
        .await,
        [3, 2]
    );
    let user_id = Some(1);
    assert_eq!(list(Page { user_id, ..all }).await, [4, 2, 0]);
    assert_eq!(
        list(Page {
            user_id,
            before,
            ..all
        })
        .await,
        [2, 0]
    );
    let state = Some(State::Paid);
    assert_eq!(list(Page { state, ..all }).await, [4]);
    assert_eq!(
        list(Page {
            state,
            user_id,
            ..all
        })
        .await,
        [4]
    );
    assert_eq!(
        list(Page {
            state,
            user_id: Some(2),
            ..all
        })
        .await,
        [] as [usize; 0]
    );
    assert_eq!(
        store.list(&Page { state, ..all }).await.expect("listed"),
        [paid]
    );
}

async fn a_paid_order_without_a_payment_is_refused_by_the_store_itself(store: &Arc<dyn Store>) {
    let created = stored(store, "unpaid").await;
    let forged = Order {
        state: State::Paid,
        ..created.clone()
    };
    assert!(store.update(&forged, State::Created).await.is_err());
    assert_eq!(store.get(created.id).await.expect("read"), Some(created));
}

/// Three orders, due at 1,000, of which somebody else has damaged the one in the middle.
async fn one_of_three_damaged(database: &Database, store: &Arc<dyn Store>) -> [Order; 3] {
    let orders = [order("first"), order("damaged"), order("third")];
    for order in &orders {
        store.insert(order, Moment(1_000)).await.expect("stored");
    }
    let damage = "UPDATE orders SET currency_code = 'euro' WHERE idempotency_key = 'damaged'";
    match database {
        Database::Sqlite(pool) => drop(sqlx::query(damage).execute(pool).await.expect("done")),
        Database::Postgres(pool) => drop(sqlx::query(damage).execute(pool).await.expect("done")),
        other => unreachable!("{other:?}"),
    }
    orders
}

async fn a_damaged_order_starves_no_other_one(database: &Database, store: &Arc<dyn Store>) {
    let [first, damaged, third] = one_of_three_damaged(database, store).await;
    let claimed = store.claim(Moment(2_000), Moment(9_000), 10).await;
    let claimed: BTreeSet<_> = claimed.expect("asked").iter().map(|o| o.id).collect();
    assert_eq!(claimed, BTreeSet::from([first.id, third.id]));
    // It is claimed with them, and so not due again and again.
    assert_eq!(store.next_due().await.expect("asked"), Some(Moment(9_000)));
    assert!(store.get(damaged.id).await.is_err());
}

async fn a_damaged_order_hides_no_other_one(database: &Database, store: &Arc<dyn Store>) {
    let [first, _, third] = one_of_three_damaged(database, store).await;
    for (size, expected) in [
        (1, vec![third.id]),
        (2, vec![third.id, first.id]),
        (3, vec![third.id, first.id]),
    ] {
        let page = Page {
            user_id: None,
            state: None,
            size,
            before: None,
        };
        let listed = store.list(&page).await.expect("listed");
        let listed: Vec<_> = listed.iter().map(|order| order.id).collect();
        assert_eq!(listed, expected, "{size} on a page");
        let page = Page {
            before: Some(third.id),
            ..page
        };
        let listed = store.list(&page).await.expect("listed");
        assert_eq!(listed.len(), 1, "the last {size}");
        assert_eq!(listed[0].id, first.id);
    }
}

#[tokio::test]
async fn in_sqlite_a_damaged_order_stands_in_nobodys_way() {
    let (_folder, database, store) = sqlite().await;
    a_damaged_order_starves_no_other_one(&database, &store).await;
    let (_folder, database, store) = sqlite().await;
    a_damaged_order_hides_no_other_one(&database, &store).await;
}

#[tokio::test]
async fn a_damaged_order_is_logged_as_an_error_with_its_number() {
    let (_folder, database, store) = sqlite().await;
    let [_, damaged, _] = one_of_three_damaged(&database, &store).await;
    let errors = Errors::default();
    let _heard = tracing::subscriber::set_default(errors.clone());
    let claimed = store.claim(Moment(2_000), Moment(9_000), 10).await;
    assert_eq!(claimed.expect("asked").len(), 2);
    let heard = errors.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(
        heard[0].contains(&format!("order=\"{}\"", damaged.id)) && heard[0].contains("units"),
        "{heard:?}"
    );
}

/// One test per sentence for SQLite, and one for all of them for PostgreSQL, whose start takes longer than they do.
macro_rules! contract {
    ($($sentence:ident)*) => {
        mod in_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $sentence() {
                    let (_folder, _database, store) = super::sqlite().await;
                    super::$sentence(&store).await;
                }
            )*
        }

        /// The store that other tests use in place of a database must not promise less, nor more.
        mod in_memory {
            use std::sync::Arc;

            $(
                #[tokio::test]
                async fn $sentence() {
                    let store: Arc<dyn order::store::Store> = Arc::new(
                        crate::support::memory::MemoryStore::default(),
                    );
                    super::$sentence(&store).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgresql_keeps_every_sentence_of_the_contract() {
            // In CI this is an error instead.
            let Some(server) = crate::postgres::Postgres::start().expect("PostgreSQL") else {
                writeln!(
                    io::stderr(),
                    "skipped: PostgreSQL is not installed on this machine, so nobody asked whether the store of orders \
                     keeps its contract there"
                )
                .expect("said");
                return;
            };
            let url = DatabaseUrl::new(server.url());
            let database = Database::open(&url, &MIGRATIONS).await.expect("a database");
            let Database::Postgres(pool) = &database else {
                unreachable!("the URL says PostgreSQL");
            };
            let store = on(&database).expect("a store");
            $(
                sqlx::query("TRUNCATE orders").execute(pool).await.expect("emptied");
                $sentence(&store).await;
            )*
            sqlx::query("TRUNCATE orders").execute(pool).await.expect("emptied");
            a_damaged_order_starves_no_other_one(&database, &store).await;
            sqlx::query("TRUNCATE orders").execute(pool).await.expect("emptied");
            a_damaged_order_hides_no_other_one(&database, &store).await;
            database.close().await;
        }
    };
}

contract! {
    an_order_is_read_as_it_was_stored
    a_key_is_kept_once
    the_whole_way_is_stored
    a_refusal_is_stored_with_all_that_it_says
    a_change_on_an_old_reading_changes_nothing
    what_is_claimed_is_nobody_elses_until_the_claim_ends
    a_claim_that_is_given_up_is_due_at_once
    somebody_elses_claim_is_not_given_up
    an_order_that_waits_after_a_failure_is_not_called_back
    what_is_done_is_never_due
    those_that_wait_longest_are_claimed_first
    each_due_order_is_claimed_by_one_of_many
    a_list_is_newest_first_and_filtered
    a_paid_order_without_a_payment_is_refused_by_the_store_itself
}

#[tokio::test]
async fn a_row_that_somebody_else_changed_is_refused_by_its_column() {
    let (_folder, database, store) = sqlite().await;
    let order = stored(&store, "tampered").await;
    let Database::Sqlite(pool) = &database else {
        unreachable!("a path is SQLite");
    };
    sqlx::query("UPDATE orders SET currency_code = 'euro'")
        .execute(pool)
        .await
        .expect("tampered");
    let error = store.get(order.id).await.expect_err("refused").to_string();
    assert!(
        error.contains("units") && error.contains(&order.id.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn an_order_is_still_there_after_the_database_was_opened_again() {
    let (folder, database, store) = sqlite().await;
    let kept = stored(&store, "kept").await;
    database.close().await;
    let url = DatabaseUrl::new(folder.path().join("order.db").to_string_lossy());
    let again = Database::open(&url, &MIGRATIONS).await.expect("a database");
    let store = on(&again).expect("a store");
    assert_eq!(store.get(kept.id).await.expect("read"), Some(kept));
}
