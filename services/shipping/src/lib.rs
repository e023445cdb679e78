//! Ships orders, each exactly once per idempotency key.
//!
//! [`shipment`] holds the rules, [`store`] the rows, [`service`] stands between them and the wire.

pub mod config;
pub mod error;
pub mod service;
pub mod shipment;
pub mod store;

use std::ffi::OsString;
use std::process::ExitCode;

use proto::shipping::v1::shipping_server::ShippingServer;
use rpc::database::{Database, Migration, Migrations};
use rpc::server::Services;
use rpc::service::{Context, Service, StartError};

use crate::config::Settings;
use crate::service::ShippingService;
use crate::store::{PostgresStore, SqliteStore, Store};

/// The service, as `rpc` starts it.
#[derive(Debug)]
pub struct Shipping;

/// Runs the service to its end. `arguments` are those of the process, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    rpc::service::main::<Shipping>(arguments)
}

/// The schema.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration::new(
        1,
        "shipment",
        include_str!("../migrations/sqlite/0001_shipment.sql"),
    )],
    postgres: &[Migration::new(
        1,
        "shipment",
        include_str!("../migrations/postgres/0001_shipment.sql"),
    )],
};

impl Service for Shipping {
    const NAME: &'static str = error::DOMAIN;
    const ABOUT: &'static str = "Ships orders, each exactly once.";
    const PORT: u16 = 50052;
    const DESCRIPTORS: &'static [u8] = proto::FILE_DESCRIPTOR_SET;
    const MIGRATIONS: Migrations = MIGRATIONS;
    type Settings = Settings;

    async fn start(context: Context<Settings>) -> Result<Services, StartError> {
        let served_countries = context.settings.countries;
        Ok(match context.database {
            Database::Sqlite(pool) => served(ShippingService::new(
                SqliteStore::new(pool),
                served_countries,
            )),
            Database::Postgres(pool) => served(ShippingService::new(
                PostgresStore::new(pool),
                served_countries,
            )),
            _ => return Err(StartError::unknown_database(Self::NAME)),
        })
    }
}

fn served<S: Store>(service: ShippingService<S>) -> Services {
    Services::new().add(ShippingServer::new(service))
}
