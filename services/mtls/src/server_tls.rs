//! The server's side of TLS, replaceable while it serves.
//!
//! A change of certificate, trust or revocation replaces the *whole* configuration, never a part inside it: a session
//! resumed under an old configuration skips the check of the client's certificate (RFC 8446, 2.2), so a verifier that is
//! swapped inside would let a revoked client in by its ticket. For the same reason there are no tickets at all: within
//! one configuration a certificate can still expire.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;

use crate::material::{CERTIFICATE_FILE, Material};
use crate::provider::{ALPN, TlsVersions, crypto_provider};
use crate::tls_error::TlsError;
use crate::verification::PeerVerifier;

/// What a server asks of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// A certificate that leads to a trust anchor, or no connection: mutual TLS.
    #[default]
    Required,
    /// None is asked for: one-way TLS. Every peer is nobody.
    NotAsked,
}

/// The server's side of TLS. Clones share one configuration: replacing it through one replaces it for all.
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

struct Shared {
    config: ArcSwap<ServerConfig>,
    clients: ClientCertificates,
    versions: TlsVersions,
}

impl ServerTls {
    /// Mutual TLS 1.3.
    ///
    /// # Errors
    /// [`TlsError`] when the certificate is not for servers.
    pub fn new(material: &Material) -> Result<Self, TlsError> {
        Self::with(
            material,
            ClientCertificates::Required,
            TlsVersions::default(),
        )
    }

    /// One-way TLS 1.3: the client verifies the server, and stays unknown itself.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn without_client_certificates(material: &Material) -> Result<Self, TlsError> {
        Self::with(
            material,
            ClientCertificates::NotAsked,
            TlsVersions::default(),
        )
    }

    /// Everything by choice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(
        material: &Material,
        clients: ClientCertificates,
        versions: TlsVersions,
    ) -> Result<Self, TlsError> {
        let config = server_config(material, clients, versions)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config: ArcSwap::from_pointee(config),
                clients,
                versions,
            }),
        })
    }

    /// Uses `material` for every handshake that begins after this call. Connections that are open stay.
    ///
    /// # Errors
    /// As [`new`](Self::new); the old configuration stays in use.
    pub fn replace(&self, material: &Material) -> Result<(), TlsError> {
        let config = server_config(material, self.shared.clients, self.shared.versions)?;
        self.shared.config.store(Arc::new(config));
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.shared.config.load_full()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("clients", &self.shared.clients)
            .field("versions", &self.shared.versions)
            .finish_non_exhaustive()
    }
}

fn server_config(
    material: &Material,
    clients: ClientCertificates,
    versions: TlsVersions,
) -> Result<ServerConfig, TlsError> {
    if !material.is_for_servers() {
        return Err(TlsError::NotForServers {
            file: material.dir().join(CERTIFICATE_FILE),
        });
    }
    let builder = ServerConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(versions.as_rustls())
        .map_err(|error| TlsError::Configuration(error.to_string()))?;
    let builder = match clients {
        ClientCertificates::Required => {
            builder.with_client_cert_verifier(Arc::new(PeerVerifier(material.trust())))
        }
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(material.key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
