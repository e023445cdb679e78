//! The catalogue's rows. One SQL for both databases; the macro stamps it once per driver.

use proto::Money;
use sqlx::Row as _;

use crate::error::Error;
use crate::product::{Product, ProductId};

/// Where products are kept.
pub trait Store: Send + Sync + 'static {
    /// One product, if there is one of that number.
    fn product(&self, id: ProductId)
    -> impl Future<Output = Result<Option<Product>, Error>> + Send;
}

macro_rules! store {
    ($(#[$doc:meta])* $name:ident over $pool:ty) => {
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
        }

        impl Store for $name {
            async fn product(&self, id: ProductId) -> Result<Option<Product>, Error> {
                let row = sqlx::query(
                    "SELECT title, currency_code, units, nanos FROM product WHERE product_id = $1",
                )
                .bind(id.get())
                .fetch_optional(&self.pool)
                .await?;
                let Some(row) = row else { return Ok(None) };
                let price = Money::new(
                    row.try_get("currency_code")?,
                    row.try_get("units")?,
                    row.try_get("nanos")?,
                )
                .map_err(|error| Error::Damaged {
                    id: id.get(),
                    problem: error.to_string(),
                })?;
                Ok(Some(Product {
                    id,
                    title: row.try_get("title")?,
                    price,
                }))
            }
        }
    };
}

store!(
    /// In a file.
    SqliteStore over sqlx::SqlitePool
);
store!(
    /// On a server.
    PostgresStore over sqlx::PgPool
);
