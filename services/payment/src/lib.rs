//! Charges and refunds, each exactly once per idempotency key.
//!
//! [`payment`] holds the rules, [`store`] the rows, [`service`] stands between them and the wire.

pub mod config;
pub mod error;
pub mod payment;
pub mod service;
pub mod store;

use std::ffi::OsString;
use std::process::ExitCode;

use proto::payment::v1::payment_server::PaymentServer;
use rpc::database::{Database, Migration, Migrations};
use rpc::server::Services;
use rpc::service::{Context, Service, StartError};

use crate::config::Settings;
use crate::service::PaymentService;
use crate::store::{PostgresStore, SqliteStore, Store};

/// The service, as `rpc` starts it.
#[derive(Debug)]
pub struct Payment;

/// Runs the service to its end. `arguments` are those of the process, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    rpc::service::main::<Payment>(arguments)
}

/// The schema.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration::new(
        1,
        "payment",
        include_str!("../migrations/sqlite/0001_payment.sql"),
    )],
    postgres: &[Migration::new(
        1,
        "payment",
        include_str!("../migrations/postgres/0001_payment.sql"),
    )],
};

impl Service for Payment {
    const NAME: &'static str = error::DOMAIN;
    const ABOUT: &'static str = "Charges orders and gives the money back, each exactly once.";
    const PORT: u16 = 50051;
    const DESCRIPTORS: &'static [u8] = proto::FILE_DESCRIPTOR_SET;
    const MIGRATIONS: Migrations = MIGRATIONS;
    type Settings = Settings;

    async fn start(context: Context<Settings>) -> Result<Services, StartError> {
        let limits = context.settings.limits;
        Ok(match context.database {
            Database::Sqlite(pool) => served(PaymentService::new(SqliteStore::new(pool), limits)),
            Database::Postgres(pool) => {
                served(PaymentService::new(PostgresStore::new(pool), limits))
            }
            _ => return Err(StartError::unknown_database(Self::NAME)),
        })
    }
}

fn served<S: Store>(service: PaymentService<S>) -> Services {
    Services::new().add(PaymentServer::new(service))
}
