//! The rows of shipments. One SQL for both databases; the macro stamps it once per driver.
//!
//! A key is shipped once because its row can be inserted once: the unique index decides, not a read before the write,
//! so two callers at the same moment, in one process or in two, get one shipment.
//!
//! What a write returns is read to its end (`fetch_all`) before it is believed. SQLite commits a statement of its own
//! when it has stepped past the last row, and a full disk is noticed only then; `fetch_optional` answers after the first
//! row and drops the statement, and with it the result of the commit. PostgreSQL, too, may refuse a commit after it has
//! sent the row, and `fetch_all` waits until it is ready for the next query. A transaction begun by hand would be as sure
//! of the commit, but one that SQLite has rolled back by itself leaves sqlx's count of open transactions behind.

use rpc::IdempotencyKey;
use sqlx::Row as _;

use crate::error::Error;
use crate::shipment::{Address, CountryCode, Dispatch, Shipment};

/// Where shipments are kept.
pub trait Store: Send + Sync + 'static {
    /// Ships, unless the key was shipped before: then that shipment, whatever its content.
    fn ship(&self, dispatch: &Dispatch) -> impl Future<Output = Result<Shipment, Error>> + Send;

    /// What was shipped under a key.
    fn shipped(
        &self,
        key: &IdempotencyKey,
    ) -> impl Future<Output = Result<Option<Shipment>, Error>> + Send;

    /// One shipment.
    fn shipment(&self, id: i64) -> impl Future<Output = Result<Option<Shipment>, Error>> + Send;
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

            fn read(row: &$row) -> Result<Shipment, Error> {
                let id: i64 = row.try_get("shipping_id")?;
                // All of the address is there or none of it; the table checks that.
                let country: Option<String> = row.try_get("country_code")?;
                let address = match country {
                    None => None,
                    Some(code) => Some(Address {
                        recipient: row.try_get("recipient")?,
                        street: row.try_get("street")?,
                        city: row.try_get("city")?,
                        postal_code: row.try_get("postal_code")?,
                        country: CountryCode::parse(&code).ok_or_else(|| Error::Damaged {
                            id,
                            problem: format!("there is no country {code}"),
                        })?,
                    }),
                };
                Ok(Shipment {
                    id,
                    order_id: row.try_get("order_id")?,
                    user_id: row.try_get("user_id")?,
                    address,
                })
            }
        }

        impl Store for $name {
            async fn ship(&self, dispatch: &Dispatch) -> Result<Shipment, Error> {
                let address = dispatch.address();
                let inserted = sqlx::query(
                    "INSERT INTO shipment \
                         (idempotency_key, order_id, user_id, \
                          recipient, street, city, postal_code, country_code) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                     ON CONFLICT (idempotency_key) DO NOTHING \
                     RETURNING shipping_id, order_id, user_id, \
                               recipient, street, city, postal_code, country_code",
                )
                .bind(dispatch.key().as_str())
                .bind(dispatch.order_id())
                .bind(dispatch.user_id())
                .bind(address.map(|address| address.recipient.as_str()))
                .bind(address.map(|address| address.street.as_str()))
                .bind(address.map(|address| address.city.as_str()))
                .bind(address.map(|address| address.postal_code.as_str()))
                .bind(address.map(|address| address.country.as_str()))
                .fetch_all(&self.pool)
                .await?;
                match inserted.first() {
                    Some(row) => Self::read(row),
                    // Rows are never deleted, so the one that was in the way is there.
                    None => self
                        .shipped(dispatch.key())
                        .await?
                        .ok_or(Error::Database(sqlx::Error::RowNotFound)),
                }
            }

            async fn shipped(&self, key: &IdempotencyKey) -> Result<Option<Shipment>, Error> {
                let row = sqlx::query(
                    "SELECT shipping_id, order_id, user_id, \
                            recipient, street, city, postal_code, country_code \
                     FROM shipment WHERE idempotency_key = $1",
                )
                .bind(key.as_str())
                .fetch_optional(&self.pool)
                .await?;
                row.as_ref().map(Self::read).transpose()
            }

            async fn shipment(&self, id: i64) -> Result<Option<Shipment>, Error> {
                let row = sqlx::query(
                    "SELECT shipping_id, order_id, user_id, \
                            recipient, street, city, postal_code, country_code \
                     FROM shipment WHERE shipping_id = $1",
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
