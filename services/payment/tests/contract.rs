//! What every store of payments promises, asked of each of them.
//!
//! SQLite always; PostgreSQL where it is installed, and in CI in any case.

#[path = "../../rpc/tests/support/postgres.rs"]
mod postgres;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write as _};

use payment::payment::{Charge, Refund, State};
use payment::store::{PostgresStore, SqliteStore, Store};
use proto::Money;
use rpc::IdempotencyKey;
use rpc::config::DatabaseUrl;
use rpc::database::Database;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() -> Outcome {
    let folder = tempfile::tempdir()?;
    let url = DatabaseUrl::new(folder.path().join("payment.db").display().to_string());
    let open = async || match Database::open(&url, &payment::MIGRATIONS).await? {
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
            "skipped: PostgreSQL is not installed on this machine, so nobody asked whether the store of payments keeps its \
             contract there"
        )?;
        return Ok(());
    };
    let url = DatabaseUrl::new(server.url());
    let open = async || match Database::open(&url, &payment::MIGRATIONS).await? {
        Database::Postgres(pool) => Ok::<_, Box<dyn Error>>(PostgresStore::new(pool)),
        other => Err(format!("{other:?} is no PostgreSQL").into()),
    };
    keeps_the_contract(open().await?).await?;
    finds_what_was_kept(open().await?).await
}

async fn keeps_the_contract(store: impl Store + Clone) -> Outcome {
    a_charge_is_kept_as_it_was_made(&store).await?;
    a_key_is_charged_once(&store).await?;
    a_key_is_charged_once_by_many_at_the_same_moment(&store).await?;
    a_refund_is_of_the_whole_payment_and_happens_once(&store).await?;
    a_payment_of_another_order_is_not_given_back(&store).await?;
    what_is_not_there_is_not_found(&store).await?;
    the_largest_amount_is_kept_exactly(&store).await
}

async fn a_charge_is_kept_as_it_was_made(store: &impl Store) -> Outcome {
    let charge = charge("kept", "order-1", "3.20 EUR")?;
    let payment = store.charge(&charge).await?;
    assert!(charge.made(&payment));
    assert_eq!(payment.state, State::Charged);
    assert_eq!(store.payment(payment.id).await?, Some(payment.clone()));
    assert_eq!(store.charged(charge.key()).await?, Some(payment));
    Ok(())
}

async fn a_key_is_charged_once(store: &impl Store) -> Outcome {
    let first = store
        .charge(&charge("once", "order-2", "10.00 EUR")?)
        .await?;
    let again = store
        .charge(&charge("once", "order-2", "10.00 EUR")?)
        .await?;
    assert_eq!(again, first);
    // Other content under the key: the first payment comes back, and whoever asked compares.
    let other = charge("once", "order-2", "11.00 EUR")?;
    let kept = store.charge(&other).await?;
    assert_eq!(kept, first);
    assert!(!other.made(&kept));
    Ok(())
}

async fn a_key_is_charged_once_by_many_at_the_same_moment(store: &(impl Store + Clone)) -> Outcome {
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let charge = charge("crowd", "order-3", "7.00 EUR").map_err(|e| e.to_string())?;
                store.charge(&charge).await.map_err(|e| e.to_string())
            })
        })
        .collect();
    let mut payments = BTreeSet::new();
    for caller in callers {
        payments.insert(caller.await??.id);
    }
    assert_eq!(
        payments.len(),
        1,
        "32 callers with one key made {payments:?}"
    );
    Ok(())
}

async fn a_refund_is_of_the_whole_payment_and_happens_once(store: &impl Store) -> Outcome {
    let payment = store
        .charge(&charge("refunded", "order-4", "5.00 EUR")?)
        .await?;
    let refund = refund(payment.id, "order-4")?;
    let refunded = store.refund(&refund).await?.ok_or("it was there")?;
    assert_eq!(refunded.state, State::Refunded);
    assert_eq!(refunded.amount, payment.amount);
    assert_eq!(store.refund(&refund).await?, Some(refunded.clone()));
    // The key still answers with its payment, as it stands now, and charges nothing anew.
    let again = store
        .charge(&charge("refunded", "order-4", "5.00 EUR")?)
        .await?;
    assert_eq!(again, refunded);
    Ok(())
}

async fn a_payment_of_another_order_is_not_given_back(store: &impl Store) -> Outcome {
    let payment = store
        .charge(&charge("another", "order-6", "5.00 EUR")?)
        .await?;
    let refund = refund(payment.id, "order-7")?;
    let answered = store.refund(&refund).await?.ok_or("it is there")?;
    assert!(!refund.means(&answered));
    assert_eq!(answered, payment, "it stays as it was");
    assert_eq!(store.payment(payment.id).await?, Some(payment));
    Ok(())
}

async fn what_is_not_there_is_not_found(store: &impl Store) -> Outcome {
    assert_eq!(store.payment(i64::MAX).await?, None);
    let refund = refund(i64::MAX, "order-4")?;
    assert_eq!(store.refund(&refund).await?, None);
    let key = IdempotencyKey::parse("key", "never-used").map_err(|v| format!("{v:?}"))?;
    assert_eq!(store.charged(&key).await?, None);
    Ok(())
}

async fn the_largest_amount_is_kept_exactly(store: &impl Store) -> Outcome {
    let charge = charge("largest", "order-5", "9223372036854775807.999999999 EUR")?;
    let payment = store.charge(&charge).await?;
    assert_eq!(
        store.payment(payment.id).await?.map(|p| p.amount),
        Some(charge.amount())
    );
    Ok(())
}

async fn finds_what_was_kept(store: impl Store) -> Outcome {
    let charge = charge("kept", "order-1", "3.20 EUR")?;
    let payment = store.charged(charge.key()).await?.ok_or("it was kept")?;
    assert!(charge.made(&payment));
    Ok(())
}

fn refund(payment_id: i64, order_id: &str) -> Result<Refund, Box<dyn Error>> {
    Refund::parse(payment_id, "cannot be shipped", order_id)
        .map_err(|violations| format!("{violations:?}").into())
}

fn charge(key: &str, order_id: &str, amount: &str) -> Result<Charge, Box<dyn Error>> {
    let amount: Money = amount.parse()?;
    Charge::parse(key, order_id, 23, Some(&amount.into()))
        .map_err(|violations| format!("{violations:?}").into())
}
