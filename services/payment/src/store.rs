//! The rows of payments. One SQL for both databases; the macro stamps it once per driver.
//!
//! A key is charged once because its row can be inserted once: the unique index decides, not a read before the write,
//! so two callers at the same moment, in one process or in two, get one payment.
//!
//! What a write returns is read to its end (`fetch_all`) before it is believed. SQLite commits a statement of its own
//! when it has stepped past the last row, and a full disk is noticed only then; `fetch_optional` answers after the first
//! row and drops the statement, and with it the result of the commit. PostgreSQL, too, may refuse a commit after it has
//! sent the row, and `fetch_all` waits until it is ready for the next query. A transaction begun by hand would be as sure
//! of the commit, but one that SQLite has rolled back by itself leaves sqlx's count of open transactions behind.

use proto::Money;
use rpc::IdempotencyKey;
use sqlx::Row as _;

use crate::error::Error;
use crate::payment::{Charge, Payment, Refund, State};

/// Where payments are kept.
pub trait Store: Send + Sync + 'static {
    /// Charges, unless the key was charged before: then that payment, whatever its content.
    fn charge(&self, charge: &Charge) -> impl Future<Output = Result<Payment, Error>> + Send;

    /// What was charged under a key.
    fn charged(
        &self,
        key: &IdempotencyKey,
    ) -> impl Future<Output = Result<Option<Payment>, Error>> + Send;

    /// Gives the payment back, unless it was given back before or is of another order: then it is returned as it
    /// stands, and whoever asked compares. None when there is no such payment.
    fn refund(
        &self,
        refund: &Refund,
    ) -> impl Future<Output = Result<Option<Payment>, Error>> + Send;

    /// One payment.
    fn payment(&self, id: i64) -> impl Future<Output = Result<Option<Payment>, Error>> + Send;
}

macro_rules! store {
    ($(#[$doc:meta])* $name:ident over $pool:ty, rows $row:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            pool: $pool,
        }

        impl $name {
            /// A store over a database that is at the schema of this service.
            pub fn new(pool: $pool) -> Self {
                Self { pool }
            }

            fn read(row: &$row) -> Result<Payment, Error> {
                let id: i64 = row.try_get("payment_id")?;
                let damaged = |problem: String| Error::Damaged { id, problem };
                let amount = Money::new(
                    row.try_get("currency_code")?,
                    row.try_get("units")?,
                    row.try_get("nanos")?,
                )
                .map_err(|error| damaged(error.to_string()))?;
                let state: String = row.try_get("state")?;
                Ok(Payment {
                    id,
                    order_id: row.try_get("order_id")?,
                    user_id: row.try_get("user_id")?,
                    amount,
                    state: State::from_stored(&state)
                        .ok_or_else(|| damaged(format!("there is no state {state}")))?,
                })
            }
        }

        impl Store for $name {
            async fn charge(&self, charge: &Charge) -> Result<Payment, Error> {
                let amount = charge.amount();
                let inserted = sqlx::query(
                    "INSERT INTO payment \
                         (idempotency_key, order_id, user_id, currency_code, units, nanos, state) \
                     VALUES ($1, $2, $3, $4, $5, $6, 'charged') \
                     ON CONFLICT (idempotency_key) DO NOTHING \
                     RETURNING payment_id, order_id, user_id, currency_code, units, nanos, state",
                )
                .bind(charge.key().as_str())
                .bind(charge.order_id())
                .bind(charge.user_id())
                .bind(amount.currency_code())
                .bind(amount.units())
                .bind(amount.nanos())
                .fetch_all(&self.pool)
                .await?;
                match inserted.first() {
                    Some(row) => Self::read(row),
                    // Rows are never deleted, so the one that was in the way is there.
                    None => self
                        .charged(charge.key())
                        .await?
                        .ok_or(Error::Database(sqlx::Error::RowNotFound)),
                }
            }

            async fn charged(&self, key: &IdempotencyKey) -> Result<Option<Payment>, Error> {
                let row = sqlx::query(
                    "SELECT payment_id, order_id, user_id, currency_code, units, nanos, state \
                     FROM payment WHERE idempotency_key = $1",
                )
                .bind(key.as_str())
                .fetch_optional(&self.pool)
                .await?;
                row.as_ref().map(Self::read).transpose()
            }

            async fn refund(&self, refund: &Refund) -> Result<Option<Payment>, Error> {
                let refunded = sqlx::query(
                    "UPDATE payment \
                     SET state = 'refunded', refund_reason = $2, refunded_at = CURRENT_TIMESTAMP \
                     WHERE payment_id = $1 AND order_id = $3 AND state = 'charged' \
                     RETURNING payment_id, order_id, user_id, currency_code, units, nanos, state",
                )
                .bind(refund.payment_id())
                .bind(refund.reason())
                .bind(refund.order_id())
                .fetch_all(&self.pool)
                .await?;
                match refunded.first() {
                    Some(row) => Self::read(row).map(Some),
                    // Given back before, of another order, or never charged.
                    None => self.payment(refund.payment_id()).await,
                }
            }

            async fn payment(&self, id: i64) -> Result<Option<Payment>, Error> {
                let row = sqlx::query(
                    "SELECT payment_id, order_id, user_id, currency_code, units, nanos, state \
                     FROM payment WHERE payment_id = $1",
                )
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
                row.as_ref().map(Self::read).transpose()
            }
        }
    };
}

store!(
    /// In a file.
    SqliteStore over sqlx::SqlitePool, rows sqlx::sqlite::SqliteRow
);
store!(
    /// On a server.
    PostgresStore over sqlx::PgPool, rows sqlx::postgres::PgRow
);
