//! Peers that do not speak TLS, and sides that do not start.

use anyhow::{Context, Result};
use mtls::{ClientTls, ConnectFailure, HandshakeFailure, ServerTls};
use tests::handshake::house::House;
use tests::handshake::{TestServer, channel, check_health, failure_to_connect};
use tests::test_pki::EndEntity;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_plaintext_client_on_the_tls_port_is_refused() -> Result<()> {
    let house = House::new()?;
    let mut server = TestServer::start(house.server("payment")?).await?;
    let plaintext = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address))?
        .connect_lazy();

    let status = check_health(plaintext)
        .await
        .err()
        .context("plaintext was served")?;

    // It takes the alert that it gets for an HTTP/2 frame of impossible size.
    assert_eq!(status.code(), tonic::Code::Internal, "{status:?}");
    assert_eq!(server.refused().await?.reason, HandshakeFailure::NotTls);
    check_health(channel(
        server.address,
        "localhost",
        house.client("order")?,
    )?)
    .await?;
    server.stop().await
}

#[tokio::test]
async fn a_plaintext_server_is_told_from_a_tls_server() -> Result<()> {
    let house = House::new()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_, health) = tonic_health::server::health_reporter();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder()
        .add_service(health)
        .serve_with_incoming(incoming);
    let server = tokio::spawn(server);

    let error = failure_to_connect(channel(address, "localhost", house.client("order")?)?).await?;

    assert_eq!(
        error.reason,
        ConnectFailure::Handshake(HandshakeFailure::NotTls)
    );
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to localhost:{}: the peer does not speak TLS",
            address.port()
        )
    );
    server.abort();
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() -> Result<()> {
    let house = House::new()?;
    // Bound and dropped: nobody listens on that port.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let error = failure_to_connect(channel(address, "127.0.0.1", house.client("order")?)?).await?;
    assert_eq!(error.reason.label(), "tcp");
    assert_eq!(
        error.to_string(),
        format!("cannot connect to {address}: nothing listens there (connection refused)")
    );
    Ok(())
}

#[test]
fn a_key_that_does_not_belong_to_the_certificate_stops_the_start_with_one_sentence() -> Result<()> {
    let house = House::new()?;
    let other = house.ca.issue(&EndEntity::peer("shipping"))?;
    let mixed = house
        .ca
        .issue(&EndEntity::peer("payment"))?
        .with_key_of(&other);
    let error = house
        .material("payment", &mixed)
        .map(drop)
        .err()
        .context("the pair was accepted")?;
    let dir = house.dir("payment");
    assert_eq!(
        error.to_string(),
        format!(
            "the private key in {} does not belong to the certificate in {}: put the two that were issued together \
             there, or issue a new pair",
            dir.join("tls.key").display(),
            dir.join("tls.crt").display()
        )
    );
    Ok(())
}

#[test]
fn a_certificate_of_the_other_role_stops_the_start_with_one_sentence() -> Result<()> {
    let house = House::new()?;
    let server = house.material("server", &house.ca.issue(&EndEntity::server("payment"))?)?;
    let client = house.material("client", &house.ca.issue(&EndEntity::client("order"))?)?;
    let as_client = ClientTls::new(&server)
        .map(drop)
        .err()
        .context("accepted as a client's")?;
    let as_server = ServerTls::new(&client)
        .map(drop)
        .err()
        .context("accepted as a server's")?;
    assert!(
        as_client.to_string().contains("for servers only"),
        "{as_client}"
    );
    assert!(
        as_server.to_string().contains("for clients only"),
        "{as_server}"
    );
    Ok(())
}
