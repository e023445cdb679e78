//! The store in SQL. The statements are the same for SQLite and PostgreSQL, which both know `$1`, `ON CONFLICT` and
//! `RETURNING`; a macro stamps them per driver, and what differs is an argument of the macro.

use rpc::idempotency_key::IdempotencyKey;
use sqlx::{Pool, Postgres, Row as _, Sqlite};

use super::kept::{Row, write_refusal};
use super::{Answer, Inserted, Store, StoreError};
use crate::clock::Moment;
use crate::order::{Order, OrderId, State};
use crate::page::Page;

/// Every column, in the order in which an order is inserted.
macro_rules! columns {
    () => {
        "id, idempotency_key, user_id, product_id, product_title, currency_code, units, nanos, recipient, street, city, \
         postal_code, country_code, state, payment_id, shipping_id, note, refusal, attempts, next_attempt_at, created_at, \
         updated_at, version"
    };
}

/// A page of those orders that fulfil the condition.
macro_rules! page {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM orders WHERE id < $1 AND ",
            $condition,
            " ORDER BY id DESC LIMIT $2"
        )
    };
}

/// Greater than the text of every UUID: a page without a token starts below it.
const PAST_THE_NEWEST: &str = "g";

macro_rules! store {
    ($(#[$doc:meta])* $name:ident, $driver:ty, skip_locked: $skip_locked:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            pool: Pool<$driver>,
        }

        impl $name {
            /// On an open database whose migrations have run.
            pub fn new(pool: Pool<$driver>) -> Self {
                Self { pool }
            }

            fn read(row: &<$driver as sqlx::Database>::Row) -> Result<Order, StoreError> {
                let row = Row {
                    id: row.try_get("id")?,
                    idempotency_key: row.try_get("idempotency_key")?,
                    user_id: row.try_get("user_id")?,
                    product_id: row.try_get("product_id")?,
                    product_title: row.try_get("product_title")?,
                    currency_code: row.try_get("currency_code")?,
                    units: row.try_get("units")?,
                    nanos: row.try_get("nanos")?,
                    recipient: row.try_get("recipient")?,
                    street: row.try_get("street")?,
                    city: row.try_get("city")?,
                    postal_code: row.try_get("postal_code")?,
                    country_code: row.try_get("country_code")?,
                    state: row.try_get("state")?,
                    payment_id: row.try_get("payment_id")?,
                    shipping_id: row.try_get("shipping_id")?,
                    note: row.try_get("note")?,
                    refusal: row.try_get("refusal")?,
                    attempts: row.try_get("attempts")?,
                    next_attempt_at: row.try_get("next_attempt_at")?,
                    created_at: row.try_get("created_at")?,
                    updated_at: row.try_get("updated_at")?,
                    version: row.try_get("version")?,
                };
                row.into_order()
            }

            /// Those that can be read. One that somebody else has damaged must not keep the others from being shipped or
            /// shown: it is left out, and said to those who can repair it.
            fn readable(rows: &[<$driver as sqlx::Database>::Row]) -> Vec<Order> {
                let mut orders = Vec::with_capacity(rows.len());
                for row in rows {
                    match Self::read(row) {
                        Ok(order) => orders.push(order),
                        Err(error) => {
                            let id: String = row.try_get("id").unwrap_or_default();
                            tracing::error!(
                                order = id,
                                %error,
                                "an order cannot be read and is left out until its row is repaired"
                            );
                        }
                    }
                }
                orders
            }

            /// At most `page.size` rows of a page, those whose number is less than `before`.
            async fn rows(
                &self,
                page: &Page,
                before: String,
            ) -> Result<Vec<<$driver as sqlx::Database>::Row>, StoreError> {
                // A statement for each filter, so that each runs along an index of its own.
                let query = match (page.user_id, page.state) {
                    (None, None) => sqlx::query(page!("TRUE")).bind(before).bind(i64::from(page.size)),
                    (Some(user), None) => sqlx::query(page!("user_id = $3"))
                        .bind(before)
                        .bind(i64::from(page.size))
                        .bind(user),
                    (None, Some(state)) => sqlx::query(page!("state = $3"))
                        .bind(before)
                        .bind(i64::from(page.size))
                        .bind(state.name()),
                    (Some(user), Some(state)) => sqlx::query(page!("user_id = $3 AND state = $4"))
                        .bind(before)
                        .bind(i64::from(page.size))
                        .bind(user)
                        .bind(state.name()),
                };
                Ok(query.fetch_all(&self.pool).await?)
            }
        }

        impl Store for $name {
            fn insert<'a>(&'a self, order: &'a Order, claimed_until: Moment) -> Answer<'a, Inserted> {
                Box::pin(async move {
                    let address = order.content.address.as_ref();
                    let inserted = sqlx::query(concat!(
                        "INSERT INTO orders (",
                        columns!(),
                        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
                         $19, $20, $21, $22, $23) ON CONFLICT (idempotency_key) DO NOTHING"
                    ))
                    .bind(order.id.to_string())
                    .bind(order.content.idempotency_key.as_str())
                    .bind(order.content.user_id)
                    .bind(order.content.product_id)
                    .bind(&order.product_title)
                    .bind(order.price().currency_code().to_owned())
                    .bind(order.price().units())
                    .bind(i64::from(order.price().nanos()))
                    .bind(address.map(|address| &address.recipient))
                    .bind(address.map(|address| &address.street))
                    .bind(address.map(|address| &address.city))
                    .bind(address.map(|address| &address.postal_code))
                    .bind(address.map(|address| &address.country_code))
                    .bind(order.state.name())
                    .bind(order.payment_id)
                    .bind(order.shipping_id)
                    .bind(&order.note)
                    .bind(order.refusal.as_ref().map(write_refusal).transpose()?)
                    .bind(i64::from(order.attempts))
                    .bind(claimed_until.0)
                    .bind(order.created_at.0)
                    .bind(order.updated_at.0)
                    .bind(order.version)
                    .execute(&self.pool)
                    .await?;
                    if inserted.rows_affected() == 1 {
                        return Ok(Inserted::New);
                    }
                    match self.by_key(&order.content.idempotency_key).await? {
                        Some(known) => Ok(Inserted::Known(Box::new(known))),
                        // Orders are never deleted, so that the one that stood in the way is still there.
                        None => Err(StoreError::Corrupt {
                            what: format!(
                                "the key of order {} is both taken and not there",
                                order.id
                            ),
                        }),
                    }
                })
            }

            fn get(&self, id: OrderId) -> Answer<'_, Option<Order>> {
                Box::pin(async move {
                    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM orders WHERE id = $1"))
                        .bind(id.to_string())
                        .fetch_optional(&self.pool)
                        .await?;
                    row.as_ref().map(Self::read).transpose()
                })
            }

            fn by_key<'a>(&'a self, key: &'a IdempotencyKey) -> Answer<'a, Option<Order>> {
                Box::pin(async move {
                    let row = sqlx::query(concat!(
                        "SELECT ",
                        columns!(),
                        " FROM orders WHERE idempotency_key = $1"
                    ))
                    .bind(key.as_str())
                    .fetch_optional(&self.pool)
                    .await?;
                    row.as_ref().map(Self::read).transpose()
                })
            }

            fn list<'a>(&'a self, page: &'a Page) -> Answer<'a, Vec<Order>> {
                Box::pin(async move {
                    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
                    let mut before = page
                        .before
                        .map_or_else(|| PAST_THE_NEWEST.to_owned(), |id| id.to_string());
                    let mut orders = Vec::new();
                    // A page is only short where the list ends: whoever asks takes a short one for the last.
                    loop {
                        let rows = self.rows(page, before).await?;
                        orders.append(&mut Self::readable(&rows));
                        match rows.last() {
                            Some(last) if rows.len() == size && orders.len() < size => {
                                before = last.try_get("id")?;
                            }
                            _ => break,
                        }
                    }
                    orders.truncate(size);
                    Ok(orders)
                })
            }

            fn update<'a>(&'a self, order: &'a Order, was: State) -> Answer<'a, Option<i64>> {
                Box::pin(async move {
                    let updated = sqlx::query(
                        "UPDATE orders SET state = $4, payment_id = $5, shipping_id = $6, note = $7, refusal = $8, \
                         attempts = $9, next_attempt_at = $10, updated_at = $11, version = version + 1 \
                         WHERE id = $1 AND state = $2 AND version = $3",
                    )
                    .bind(order.id.to_string())
                    .bind(was.name())
                    .bind(order.version)
                    .bind(order.state.name())
                    .bind(order.payment_id)
                    .bind(order.shipping_id)
                    .bind(&order.note)
                    .bind(order.refusal.as_ref().map(write_refusal).transpose()?)
                    .bind(i64::from(order.attempts))
                    .bind(order.next_attempt_at.map(|moment| moment.0))
                    .bind(order.updated_at.0)
                    .execute(&self.pool)
                    .await?;
                    Ok((updated.rows_affected() == 1).then_some(order.version + 1))
                })
            }

            fn claim(&self, now: Moment, until: Moment, limit: u32) -> Answer<'_, Vec<Order>> {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "UPDATE orders SET next_attempt_at = $2, version = version + 1 WHERE id IN (SELECT id FROM \
                         orders WHERE next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $3",
                        $skip_locked,
                        ") RETURNING ",
                        columns!()
                    ))
                    .bind(now.0)
                    .bind(until.0)
                    .bind(i64::from(limit))
                    .fetch_all(&self.pool)
                    .await?;
                    Ok(Self::readable(&rows))
                })
            }

            fn release<'a>(&'a self, held: &'a Order, now: Moment) -> Answer<'a, ()> {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE orders SET next_attempt_at = $3, version = version + 1 \
                         WHERE id = $1 AND (version = $2 OR (version = $2 + 1 AND state <> $4)) \
                         AND next_attempt_at > $3",
                    )
                    .bind(held.id.to_string())
                    .bind(held.version)
                    .bind(now.0)
                    .bind(held.state.name())
                    .execute(&self.pool)
                    .await?;
                    Ok(())
                })
            }

            fn next_due(&self) -> Answer<'_, Option<Moment>> {
                Box::pin(async move {
                    let row = sqlx::query("SELECT MIN(next_attempt_at) AS due FROM orders WHERE next_attempt_at IS NOT NULL")
                        .fetch_one(&self.pool)
                        .await?;
                    Ok(row.try_get::<Option<i64>, _>("due")?.map(Moment))
                })
            }
        }
    };
}

store! {
    /// In SQLite, the default.
    SqliteStore, Sqlite, skip_locked: ""
}

store! {
    /// In PostgreSQL. Several instances may share the database: each claims rows that no other one is just claiming.
    PostgresStore, Postgres, skip_locked: " FOR UPDATE SKIP LOCKED"
}
