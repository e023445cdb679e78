//! Certificates in a folder become live mutual TLS on both sides of gRPC, with the peer's identity at hand.
//!
//! Usable alone, by any program on tonic or hyper. It reads the folder that a CA's tool or cert-manager writes
//! (`tls.crt`, `tls.key`, `ca.crt`, and `crl.pem` if revocation is to be checked), and brings no CA code along.
//!
//! | step | type | what it promises |
//! |---|---|---|
//! | folder | [`Material`] | the files belong together and would be accepted by a peer, or one sentence says why not |
//! | server | [`ServerTls`], [`Incoming`] | handshakes in tasks of their own, bounded in time and number; a reason for every refusal |
//! | client | [`ClientTls`], [`Connector`] | the real name of the server is verified; a refused certificate is a [`ConnectError`] with the reason |
//! | who calls | [`PeerInfo`], [`PeerIdentity`] | in the extensions of every request |
//! | who may | [`authorization`] | rules by method and identity; without a rule, nobody |
//!
//! TLS 1.3 unless TLS 1.2 is asked for as well, ALPN `h2`, the key exchange X25519MLKEM768 first, aws-lc-rs always named
//! and never taken from the process's default. No session is ever resumed, because a resumed session skips the check of
//! the certificate. The decision whom to believe is [webpki](https://docs.rs/rustls-webpki)'s with stricter rules on top:
//! an end entity must say what it is for, a trust anchor must be in its validity, an issuer must be allowed to issue (a
//! trusted certificate that is no CA's is believed for itself alone), and revocation fails closed.
//!
//! tonic's own TLS features stay off: with one of them on, tonic takes `https://` into its own hands and does not let a
//! connector serve it.
//!
//! # A server
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use mtls::authorization::{AuthorizationLayer, Policy, Refusal};
//! use mtls::{HandshakeLimits, Incoming, Material, ServerTls};
//! use tonic::{Status, body::Body};
//!
//! fn refuse(refusal: &Refusal) -> http::Response<Body> {
//!     Status::permission_denied(refusal.to_string()).into_http()
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let tls = ServerTls::new(&Material::load(Path::new("certs/payment"))?)?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!     let incoming = Incoming::new(listener, tls, HandshakeLimits::default());
//!
//!     let order = vec!["spiffe://example.dev/order".to_owned()];
//!     let rules = BTreeMap::from([("payment.v1.Payment/Create".to_owned(), order)]);
//!     let policy = Policy::try_from_rules(&rules)?.with_every_peer("grpc.health.v1.Health/*")?;
//!
//!     let (_, health) = tonic_health::server::health_reporter();
//!     tonic::transport::Server::builder()
//!         .layer(AuthorizationLayer::new(Arc::new(policy), refuse))
//!         .add_service(health)
//!         .serve_with_incoming_shutdown(incoming, async {
//!             let _ = tokio::signal::ctrl_c().await;
//!         })
//!         .await?;
//!     Ok(())
//! }
//! ```
//!
//! # A client
//!
//! ```no_run
//! use std::path::Path;
//!
//! use mtls::{ClientTls, Connector, Material};
//! use tonic::transport::Endpoint;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let tls = ClientTls::new(&Material::load(Path::new("certs/order"))?)?;
//!     let channel = Endpoint::from_static("https://payment.example.dev:4433")
//!         .connect_with_connector_lazy(Connector::new(tls.clone()));
//!     HealthClient::new(channel)
//!         .check(HealthCheckRequest::default())
//!         .await?;
//!
//!     // The files have changed: the next connection uses the new ones.
//!     tls.replace(&Material::load(Path::new("certs/order"))?)?;
//!     Ok(())
//! }
//! ```
//!
//! Inside a handler, `request.extensions().get::<mtls::PeerInfo>()` says who calls.

pub mod authorization;
mod certificate_problem;
mod client_tls;
mod connect_error;
mod connection;
mod connector;
mod dns_name;
mod handshake_failure;
mod incoming;
mod material;
mod material_error;
mod peer_identity;
mod peer_name;
mod provider;
mod server_handshake;
mod server_tls;
mod spiffe_id;
#[cfg(test)]
mod test_ca;
mod text;
mod tls_error;
mod trusted_certificate;
mod verification;

pub use certificate_problem::{CertificateProblem, Purpose};
pub use client_tls::ClientTls;
pub use connect_error::{ConnectError, ConnectFailure};
pub use connection::{Connection, PeerInfo};
pub use connector::{Connector, InvalidServerName};
pub use handshake_failure::HandshakeFailure;
pub use incoming::{HandshakeLimits, Incoming};
pub use material::{CERTIFICATE_FILE, KEY_FILE, Material, REVOCATION_FILE, TRUST_FILE};
pub use material_error::MaterialError;
pub use peer_identity::{PeerIdentity, UnreadableIdentity};
pub use peer_name::PeerName;
pub use provider::TlsVersions;
pub use server_handshake::RefusedHandshake;
pub use server_tls::{ClientCertificates, ServerTls};
pub use spiffe_id::{InvalidSpiffeId, SpiffeId};
pub use tls_error::TlsError;
