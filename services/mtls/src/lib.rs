//! Certificates in a folder become live mutual TLS on both sides of gRPC, with the peer's identity at hand.

pub mod authorization;
mod certificate_problem;
mod client_tls;
mod connect_error;
mod connection;
mod connector;
mod handshake_failure;
mod incoming;
mod material;
mod material_error;
mod peer_identity;
mod provider;
mod server_handshake;
mod server_tls;
mod spiffe_id;
mod text;
mod tls_error;
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
pub use provider::TlsVersions;
pub use server_handshake::RefusedHandshake;
pub use server_tls::{ClientCertificates, ServerTls};
pub use spiffe_id::{InvalidSpiffeId, SpiffeId};
pub use tls_error::TlsError;
