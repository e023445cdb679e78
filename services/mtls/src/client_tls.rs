//! The client's side of TLS, replaceable between connections.
//!
//! As on the server's side, the whole configuration is replaced and no session is resumed: a resumed session skips the
//! check of the server's certificate.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::material::{CERTIFICATE_FILE, Material, read_trust};
use crate::provider::{ALPN, TlsVersions, crypto_provider};
use crate::tls_error::TlsError;
use crate::verification::{PeerVerifier, Trust};

/// The client's side of TLS. Clones share one configuration: replacing it through one replaces it for all.
#[derive(Clone)]
pub struct ClientTls {
    shared: Arc<Shared>,
}

struct Shared {
    config: ArcSwap<ClientConfig>,
    /// Whether this side shows a certificate: one-way TLS stays one-way when its trust is replaced.
    shows_certificate: bool,
    versions: TlsVersions,
}

impl ClientTls {
    /// Mutual TLS 1.3.
    ///
    /// # Errors
    /// [`TlsError`] when the certificate is not for clients.
    pub fn new(material: &Material) -> Result<Self, TlsError> {
        Self::with_versions(material, TlsVersions::default())
    }

    /// Mutual TLS with the versions of choice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_versions(material: &Material, versions: TlsVersions) -> Result<Self, TlsError> {
        let key = key_for_clients(material)?;
        Self::build(material.trust(), Some(key), versions)
    }

    /// One-way TLS 1.3: verifies the server against the trust anchors in the file `ca_crt`, and shows no certificate.
    ///
    /// # Errors
    /// [`TlsError::Material`] when the file cannot be used.
    pub fn without_certificate(ca_crt: &Path) -> Result<Self, TlsError> {
        let trust = read_trust(ca_crt, None)?;
        Self::build(Arc::new(trust), None, TlsVersions::default())
    }

    /// Uses `material` for every connection that begins after this call. Connections that are open stay. A client
    /// without a certificate takes the trust alone.
    ///
    /// # Errors
    /// As [`new`](Self::new); the old configuration stays in use.
    pub fn replace(&self, material: &Material) -> Result<(), TlsError> {
        let key = match self.shared.shows_certificate {
            true => Some(key_for_clients(material)?),
            false => None,
        };
        let config = client_config(material.trust(), key, self.shared.versions)?;
        self.shared.config.store(Arc::new(config));
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<ClientConfig> {
        self.shared.config.load_full()
    }

    fn build(
        trust: Arc<Trust>,
        key: Option<Arc<CertifiedKey>>,
        versions: TlsVersions,
    ) -> Result<Self, TlsError> {
        let shows_certificate = key.is_some();
        let config = client_config(trust, key, versions)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config: ArcSwap::from_pointee(config),
                shows_certificate,
                versions,
            }),
        })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("shows_certificate", &self.shared.shows_certificate)
            .field("versions", &self.shared.versions)
            .finish_non_exhaustive()
    }
}

fn key_for_clients(material: &Material) -> Result<Arc<CertifiedKey>, TlsError> {
    if material.is_for_clients() {
        Ok(material.key())
    } else {
        Err(TlsError::NotForClients {
            file: material.dir().join(CERTIFICATE_FILE),
        })
    }
}

fn client_config(
    trust: Arc<Trust>,
    key: Option<Arc<CertifiedKey>>,
    versions: TlsVersions,
) -> Result<ClientConfig, TlsError> {
    // "dangerous" is rustls's word for any verifier but its own; ours is stricter (see `verification`).
    let builder = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(versions.as_rustls())
        .map_err(|error| TlsError::Configuration(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PeerVerifier(trust)));
    let mut config = match key {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
