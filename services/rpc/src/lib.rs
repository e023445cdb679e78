//! What every service shares: THE server stack ([`server`]) and THE client stack ([`client`]), each on one screen; how
//! a failure becomes a status and back ([`status`]); configuration, database, log lines; and the common `main`
//! ([`service`]) that makes a binary of one line.
//!
//! This crate knows no order, payment or shipment, and no message of any service.

pub mod client;
pub mod complaint;
pub mod config;
pub mod database;
pub mod idempotency_key;
pub mod server;
pub mod service;
pub mod status;
pub mod telemetry;
pub mod text;

pub use self::idempotency_key::IdempotencyKey;
/// Why [`client::Client`] has no connection.
pub use mtls::{CertificateProblem, ConnectError, ConnectFailure, HandshakeFailure};
/// A caller's certificates: a folder as `pki` or cert-manager writes it, and what [`client::connect`] makes of it. For
/// callers that are no service and so have no [`service::Context`].
pub use mtls::{ClientTls, Material};
/// The deadline around a handler, for code that must outlive it or spawns tasks under it.
pub use resilience::deadline;
/// What to do about a status that a call ended with.
pub use resilience::decide;
