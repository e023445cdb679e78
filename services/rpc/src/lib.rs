//! What every service shares: THE server stack ([`server`]) and THE client stack ([`client`]), each on one screen; how
//! a failure becomes a status and back ([`status`]); configuration, database, log lines; and the common `main`
//! ([`service`]) that makes a binary of one line.
//!
//! This crate knows no order, payment or shipment, and no message of any service.

pub mod client;
pub mod config;
pub mod database;
pub mod idempotency_key;
pub mod server;
pub mod service;
pub mod status;
pub mod telemetry;

pub use self::idempotency_key::IdempotencyKey;
/// The deadline around a handler, for code that must outlive it or spawns tasks under it.
pub use resilience::deadline;
