//! What a handshake must come to, looked at from both ends.

use anyhow::Result;
use mtls::{CertificateProblem, ConnectFailure, Connector, HandshakeFailure, ServerTls};

use super::{TestServer, channel, check_health, failure_to_connect};

/// The call succeeds and the server refuses nobody.
pub async fn accepted(server: ServerTls, host: &str, client: Connector) -> Result<()> {
    let mut server = TestServer::start(server).await?;
    check_health(channel(server.address, host, client)?).await?;
    assert!(server.has_refused_nobody_else());
    server.stop().await
}

/// The server refuses the client's certificate: the caller hears the alert, the server reports `reason`.
pub async fn refused_by_server(
    server: ServerTls,
    client: Connector,
    alert: &str,
    reason: HandshakeFailure,
) -> Result<()> {
    let mut server = TestServer::start(server).await?;
    let error = failure_to_connect(channel(server.address, "localhost", client)?).await?;
    assert_eq!(
        error.reason,
        ConnectFailure::Handshake(HandshakeFailure::Alert(alert.to_owned()))
    );
    assert!(
        error.to_string().starts_with(&format!(
            "cannot connect to localhost:{}: the peer refused with the TLS alert {alert}: ",
            server.address.port()
        )),
        "{error}"
    );
    assert_eq!(server.refused().await?.reason, reason);
    server.stop().await
}

/// The client refuses the server's certificate: the caller hears `problem`, the server reports the client's alert.
pub async fn refused_by_client(
    server: ServerTls,
    host: &str,
    client: Connector,
    problem: CertificateProblem,
    alert: &str,
) -> Result<()> {
    let mut server = TestServer::start(server).await?;
    let error = failure_to_connect(channel(server.address, host, client)?).await?;
    assert!(
        error
            .to_string()
            .ends_with(&format!(": the peer's certificate is refused: {problem}")),
        "{error}"
    );
    assert_eq!(
        error.reason,
        ConnectFailure::Handshake(HandshakeFailure::Certificate(problem))
    );
    assert_eq!(
        server.refused().await?.reason,
        HandshakeFailure::Alert(alert.to_owned())
    );
    server.stop().await
}
