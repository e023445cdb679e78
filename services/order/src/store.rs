//! Where orders are kept: what the service asks of a database, and the SQL that asks it of SQLite and PostgreSQL.
//!
//! An order is changed by whoever has claimed it. A claim is the moment `next_attempt_at` moved into the future: until
//! then nobody else tries the order's next step, and after it anybody may, so a claim needs no owner and whoever dies
//! with one loses it. The claim is what keeps two from doing the same work; what keeps the work from being done twice
//! is the idempotency key of each step. Every change compares the version that was read (compare and set), so that one
//! made on an old reading changes nothing and says so.

mod kept;
mod sql;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rpc::database::{Database, Migration, Migrations};
use rpc::idempotency_key::IdempotencyKey;

use crate::clock::Moment;
use crate::order::{Order, OrderId, State};
use crate::page::Page;

pub use self::sql::{PostgresStore, SqliteStore};

/// The steps to the schema.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration::new(
        1,
        "orders",
        include_str!("../migrations/sqlite/0001_orders.sql"),
    )],
    postgres: &[Migration::new(
        1,
        "orders",
        include_str!("../migrations/postgres/0001_orders.sql"),
    )],
};

/// The store on an open database whose migrations have run; none for a kind of database that there was not when this
/// was written.
pub fn on(database: &Database) -> Option<Arc<dyn Store>> {
    match database {
        Database::Sqlite(pool) => Some(Arc::new(SqliteStore::new(pool.clone()))),
        Database::Postgres(pool) => Some(Arc::new(PostgresStore::new(pool.clone()))),
        _ => None,
    }
}

/// The answer of a store, some time.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A database of orders.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Keeps a new order, claimed until `claimed_until`, unless there is one with its idempotency key: then that one
    /// is returned and nothing is kept.
    fn insert<'a>(&'a self, order: &'a Order, claimed_until: Moment) -> Answer<'a, Inserted>;

    /// The order of this number.
    fn get(&self, id: OrderId) -> Answer<'_, Option<Order>>;

    /// The order of this idempotency key.
    fn by_key<'a>(&'a self, key: &'a IdempotencyKey) -> Answer<'a, Option<Order>>;

    /// One page of orders, newest first. One that cannot be read is logged and left out; `get` says why.
    fn list<'a>(&'a self, page: &'a Page) -> Answer<'a, Vec<Order>>;

    /// Stores what became of an order that was in state `was` and whose version is still `order.version`. Returns the
    /// new version, or `None` when somebody else changed the order in between; then nothing is stored.
    fn update<'a>(&'a self, order: &'a Order, was: State) -> Answer<'a, Option<i64>>;

    /// Claims at most `limit` orders whose next step is due at `now`, those first that wait longest. One that cannot be
    /// read is claimed as well, logged and left out, so that it stands in the way of no other.
    fn claim(&self, now: Moment, until: Moment, limit: u32) -> Answer<'_, Vec<Order>>;

    /// Gives up the claim on an order, which is due at `now` then. `held` is the order as it was read last. Whoever
    /// gives up in the middle of an update does not know whether it took place, so the next version is given up as
    /// well if it is in another state: then it is that update that made it. In the same state it is a claim of
    /// somebody else, who took the order over when this claim had ended, or an order that waits anyway.
    fn release<'a>(&'a self, held: &'a Order, now: Moment) -> Answer<'a, ()>;

    /// When the next step of any order is due; `None` when nothing is left to do.
    fn next_due(&self) -> Answer<'_, Option<Moment>>;
}

/// What became of a new order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept.
    New,
    /// Its key was used before, by this order.
    Known(Box<Order>),
}

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database did not answer, or refused.
    #[error("the database did not do what it was asked for: {0}")]
    Database(#[from] sqlx::Error),
    /// It holds something that this service did not write.
    #[error(
        "the database holds an order that cannot be read, {what}; somebody else has changed it"
    )]
    Corrupt {
        /// Which column of which order, and what is wrong with it.
        what: String,
    },
    /// A refusal could not be written down.
    #[error("a refusal cannot be written down: {0}")]
    Unwritable(#[from] serde_json::Error),
}
