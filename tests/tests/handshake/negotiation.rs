//! What the two sides agree on: version, key exchange, protocol, and that nothing is resumed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mtls::{
    ClientCertificates, ClientTls, ConnectFailure, Connector, HandshakeFailure, ServerTls,
    TlsVersions,
};
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
use tests::handshake::expect::accepted;
use tests::handshake::house::House;
use tests::handshake::{TestServer, channel, failure_to_connect};
use tests::test_pki::{EndEntity, Issued};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tower::ServiceExt;

use crate::bare_rustls::{client_config, server_config};

static TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

#[tokio::test]
async fn tls_1_3_with_the_post_quantum_hybrid_and_http2_is_what_two_sides_agree_on() -> Result<()> {
    let house = House::new()?;
    let server = TestServer::start(house.server("payment")?).await?;
    let config = client_config(&house, &order(&house)?, rustls::ALL_VERSIONS)?;

    let tls = connect(&server, &Arc::new(config)).await?;

    let session = tls.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    let group = session
        .negotiated_key_exchange_group()
        .map(|group| group.name());
    assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    drop(tls);
    server.stop().await
}

#[tokio::test]
async fn no_session_is_ever_resumed() -> Result<()> {
    for versions in [rustls::ALL_VERSIONS, TLS12] {
        let house = House::new()?;
        let material = house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
        let both = ServerTls::with(
            &material,
            ClientCertificates::Required,
            TlsVersions::Tls12And13,
        )?;
        let server = TestServer::start(both).await?;
        // One configuration, so one store of sessions, which bare rustls would make use of.
        let config = Arc::new(client_config(&house, &order(&house)?, versions)?);
        for _ in 0..2 {
            let mut tls = connect(&server, &config).await?;
            // The server's SETTINGS: any ticket would have come before them.
            tls.read_u8().await?;
            assert_eq!(tls.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_speaks_tls_1_2_only_is_refused_unless_it_is_asked_for() -> Result<()> {
    let house = House::new()?;
    let material = house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
    let config = Arc::new(client_config(&house, &order(&house)?, TLS12)?);

    let mut strict = TestServer::start(ServerTls::new(&material)?).await?;
    let error = connect(&strict, &config)
        .await
        .err()
        .context("TLS 1.2 was spoken")?;
    assert!(
        format!("{error:?}").contains("ProtocolVersion"),
        "{error:?}"
    );
    assert_eq!(strict.refused().await?.reason.label(), "incompatible");
    strict.stop().await?;

    let both = ServerTls::with(
        &material,
        ClientCertificates::Required,
        TlsVersions::Tls12And13,
    )?;
    let server = TestServer::start(both).await?;
    let tls = connect(&server, &config).await?;
    assert_eq!(
        tls.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
    drop(tls);
    server.stop().await
}

#[tokio::test]
async fn the_clients_side_speaks_tls_1_2_only_when_it_is_asked_for() -> Result<()> {
    let house = House::new()?;
    let material = house.material("order", &order(&house)?)?;
    let config = server_config(&house.ca.issue(&EndEntity::peer("payment"))?, TLS12)?;
    let (address, server) = serve_silently(config).await?;

    let strict = Connector::new(ClientTls::new(&material)?);
    let error = failure_to_connect(channel(address, "localhost", strict)?).await?;
    assert_eq!(
        error.reason,
        ConnectFailure::Handshake(HandshakeFailure::Alert("ProtocolVersion".to_owned()))
    );

    let both = Connector::new(ClientTls::with_versions(
        &material,
        TlsVersions::Tls12And13,
    )?);
    both.oneshot(format!("https://localhost:{}", address.port()).parse()?)
        .await?;
    server.abort();
    Ok(())
}

#[tokio::test]
async fn tls_1_2_on_both_sides_is_mutual_as_well() -> Result<()> {
    let house = House::new()?;
    let payment = house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
    let order = house.material("order", &order(&house)?)?;
    let server = ServerTls::with(
        &payment,
        ClientCertificates::Required,
        TlsVersions::Tls12And13,
    )?;
    let client = ClientTls::with_versions(&order, TlsVersions::Tls12And13)?;
    accepted(server, "localhost", Connector::new(client)).await
}

#[tokio::test]
async fn a_server_without_http2_is_not_taken_for_one_with_it() -> Result<()> {
    let house = House::new()?;
    let mut config = server_config(
        &house.ca.issue(&EndEntity::peer("payment"))?,
        rustls::ALL_VERSIONS,
    )?;
    config.alpn_protocols.clear();
    let (address, server) = serve_silently(config).await?;

    let error = failure_to_connect(channel(address, "localhost", house.client("order")?)?).await?;

    assert_eq!(error.reason, ConnectFailure::NotHttp2);
    server.abort();
    Ok(())
}

#[tokio::test]
async fn a_server_that_speaks_second_is_waited_for_and_then_taken() -> Result<()> {
    let house = House::new()?;
    let config = server_config(
        &house.ca.issue(&EndEntity::peer("payment"))?,
        rustls::ALL_VERSIONS,
    )?;
    let (address, server) = serve_silently(config).await?;
    let connector = house
        .client("order")?
        .first_byte_timeout(Duration::from_millis(20));

    let connection = connector
        .oneshot(format!("https://localhost:{}", address.port()).parse()?)
        .await?;

    let identity = connection
        .inner()
        .peer()
        .identity
        .clone()
        .context("no identity")?;
    assert_eq!(identity.to_string(), "spiffe://microservices.dev/payment");
    server.abort();
    Ok(())
}

fn order(house: &House) -> Result<Issued> {
    house.ca.issue(&EndEntity::peer("order"))
}

async fn connect(
    server: &TestServer,
    config: &Arc<rustls::ClientConfig>,
) -> Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(server.address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    Ok(connector.connect("localhost".try_into()?, socket).await?)
}

/// A bare server that shakes hands with whoever comes, keeps the connection, and never says a word.
async fn serve_silently(
    config: rustls::ServerConfig,
) -> Result<(std::net::SocketAddr, tokio::task::JoinHandle<()>)> {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            kept.extend(acceptor.accept(socket).await.ok());
        }
    });
    Ok((address, task))
}
