//! The catalogue: title and price of each product.
//!
//! [`product`] holds the rules, [`store`] the rows, [`service`] stands between them and the wire.

pub mod config;
pub mod error;
pub mod product;
pub mod service;
pub mod store;

use std::ffi::OsString;
use std::process::ExitCode;

use proto::product::v1::product_server::ProductServer;
use rpc::database::{Database, Migration, Migrations};
use rpc::server::Services;
use rpc::service::{Context, Service, StartError};

use crate::config::Settings;
use crate::service::ProductService;
use crate::store::{PostgresStore, SqliteStore, Store};

/// The service, as `rpc` starts it.
#[derive(Debug)]
pub struct Product;

/// Runs the service to its end. `arguments` are those of the process, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    rpc::service::main::<Product>(arguments)
}

/// The schema, and the catalogue that ships with it.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        Migration::new(
            1,
            "product",
            include_str!("../migrations/sqlite/0001_product.sql"),
        ),
        Migration::new(
            2,
            "catalogue",
            include_str!("../migrations/sqlite/0002_catalogue.sql"),
        ),
    ],
    postgres: &[
        Migration::new(
            1,
            "product",
            include_str!("../migrations/postgres/0001_product.sql"),
        ),
        Migration::new(
            2,
            "catalogue",
            include_str!("../migrations/postgres/0002_catalogue.sql"),
        ),
    ],
};

impl Service for Product {
    const NAME: &'static str = error::DOMAIN;
    const ABOUT: &'static str = "Tells what can be ordered and at what price.";
    const PORT: u16 = 50053;
    const DESCRIPTORS: &'static [u8] = proto::FILE_DESCRIPTOR_SET;
    const MIGRATIONS: Migrations = MIGRATIONS;
    type Settings = Settings;

    async fn start(context: Context<Settings>) -> Result<Services, StartError> {
        Ok(match context.database {
            Database::Sqlite(pool) => served(ProductService::new(SqliteStore::new(pool))),
            Database::Postgres(pool) => served(ProductService::new(PostgresStore::new(pool))),
            _ => return Err(StartError::unknown_database(Self::NAME)),
        })
    }
}

fn served<S: Store>(service: ProductService<S>) -> Services {
    Services::new().add(ProductServer::new(service))
}
