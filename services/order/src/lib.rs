//! The order service: takes orders, and sees each through. Whatever dies on the way, an order is charged once and
//! shipped once, or refunded, or refused.
//!
//! | file | holds |
//! |---|---|
//! | [`new_order`], [`page`] | what a caller sends, parsed; everything wrong with it at once |
//! | [`order`] | an order's life as pure rules: states, steps, what follows from what |
//! | [`store`] | where orders are kept, in SQLite or PostgreSQL |
//! | [`peers`] | product, payment and shipping, asked in this service's words |
//! | [`fulfilment`] | takes one step after the other and stores what became of each |
//! | [`worker`] | finishes what was left behind |
//! | [`changes`] | tells those who follow an order |
//! | [`service`], [`wire`], [`error`] | the four methods, from the wire to the rules and back |
//! | [`client`] | the command for people, `order-client` |
//!
//! An order is stored before anything is done for it, and each step's outcome before the next step is tried. A step
//! carries a key made of the order's number, so that it can be repeated by anyone without being done twice.

pub mod changes;
pub mod client;
pub mod clock;
pub mod config;
pub mod error;
pub mod fulfilment;
pub mod new_order;
pub mod order;
pub mod page;
pub mod peers;
pub mod service;
pub mod store;
pub mod wire;
pub mod worker;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use proto::order::v1::order_server::OrderServer;
use rpc::database::Migrations;
use rpc::server::Services;
use rpc::service::{Context, Service, StartError};

use self::clock::Clock;
use self::config::Settings;
use self::fulfilment::Fulfilment;
use self::peers::Peers;
use self::service::OrderService;

/// Runs the service; what its `main.rs` calls.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    rpc::service::main::<Order>(config::spell_out(arguments, |name| env::var_os(name)))
}

/// Runs the command for people; what `order-client` calls.
pub fn client_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    client::main(arguments)
}

/// The service, as `rpc` starts it.
#[derive(Debug)]
pub struct Order;

pub use self::store::MIGRATIONS;

impl Service for Order {
    const PEERS: &'static [&'static str] = &config::PEERS;
    const NAME: &'static str = "order";
    const ABOUT: &'static str = "Takes orders and sees each through: charged once and shipped once, or refunded. \
                                 `--product URL`, `--payment URL` and `--shipping URL` are short for `--peer NAME=URL`";
    const PORT: u16 = 50050;
    const DESCRIPTORS: &'static [u8] = proto::FILE_DESCRIPTOR_SET;
    const MIGRATIONS: Migrations = MIGRATIONS;

    type Settings = Settings;

    async fn start(context: Context<Settings>) -> Result<Services, StartError> {
        let settings = context.settings;
        let pace = settings
            .pace()
            .map_err(|error| StartError::Service(error.to_string()))?;
        let store =
            store::on(&context.database).ok_or_else(|| StartError::unknown_database(Self::NAME))?;
        let peers = Peers::new(
            context.client("product")?,
            context.client("payment")?,
            context.client("shipping")?,
        );
        let fulfilment = Fulfilment::new(store, peers, Clock::system(), pace);
        let shutdown = context.shutdown.clone();
        let worker = worker::run(fulfilment.clone(), settings.workers.into(), async move {
            shutdown.requested().await;
        });
        let service = OrderService::new(fulfilment, context.shutdown, settings.watch_interval);
        Ok(Services::new()
            .add(OrderServer::new(service))
            .worker("unfinished orders", worker))
    }
}
