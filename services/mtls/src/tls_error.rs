//! Why proven material does not become a side of TLS.

use std::path::PathBuf;

use crate::material_error::MaterialError;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The trust anchors cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// A server needs a certificate with `serverAuth`.
    #[error(
        "the certificate in {} is for clients only (its extended key usage lacks serverAuth), so every client would refuse \
         this server: issue it under a profile for servers, or for both",
        file.display()
    )]
    NotForServers {
        /// The file with the certificate.
        file: PathBuf,
    },
    /// A client needs a certificate with `clientAuth`.
    #[error(
        "the certificate in {} is for servers only (its extended key usage lacks clientAuth), so every server would refuse \
         this client: issue it under a profile for clients, or for both",
        file.display()
    )]
    NotForClients {
        /// The file with the certificate.
        file: PathBuf,
    },
    /// The TLS library refuses the combination.
    #[error("TLS cannot be configured: {0}")]
    Configuration(String),
}
