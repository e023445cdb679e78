//! From a command line to a running service, and every way in which that can fail.

/// Why a service did not start. Each is one sentence that names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The log filter.
    #[error(transparent)]
    Telemetry(#[from] crate::telemetry::TelemetryError),
    /// The database.
    #[error(transparent)]
    Database(#[from] crate::database::DatabaseError),
    /// The service needs another one and nobody said where it is.
    #[error(
        "it is not known where the service {peer} is: give --peer {peer}=https://HOST:PORT, {variable}, or a table \
         [peers.{peer}] with its address in the configuration file"
    )]
    NoPeer {
        /// The other service.
        peer: String,
        /// The environment variable.
        variable: String,
    },
    /// Something of the service's own, in its own sentence.
    #[error("{0}")]
    Service(String),
}
