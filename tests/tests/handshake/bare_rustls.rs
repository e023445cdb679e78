//! Sides that this house's own types refuse to be.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use mtls::{CertificateProblem, ConnectFailure, HandshakeFailure, Purpose, ServerTls};
use rustls::{
    AlertDescription, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tests::handshake::house::House;
use tests::handshake::{TestServer, channel, failure_to_connect};
use tests::test_pki::{EndEntity, Issued};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// A bare rustls client with a certificate that is not for clients, against the real server.
pub(crate) async fn server_refuses_bare_client(client: &EndEntity) -> Result<()> {
    let house = House::new()?;
    let problem = CertificateProblem::WrongPurpose {
        required: Purpose::Client,
    };
    let reason = server_refuses_issued(&house, &house.ca.issue(client)?, UNSUPPORTED).await?;
    assert_eq!(reason, HandshakeFailure::Certificate(problem));
    Ok(())
}

const UNSUPPORTED: AlertDescription = AlertDescription::UnsupportedCertificate;

/// A bare rustls client with what its own side of this house would not take, against the real server: the client hears
/// the alert, and what the server reports is returned.
pub(crate) async fn server_refuses_issued(
    house: &House,
    client: &Issued,
    expected: AlertDescription,
) -> Result<HandshakeFailure> {
    refused_by(house, house.server("payment")?, client, expected).await
}

/// The same with a server of choice.
pub(crate) async fn refused_by(
    house: &House,
    server: ServerTls,
    client: &Issued,
    expected: AlertDescription,
) -> Result<HandshakeFailure> {
    let mut server = TestServer::start(server).await?;
    let config = client_config(house, client, rustls::ALL_VERSIONS)?;

    let socket = TcpStream::connect(server.address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut tls = connector
        .connect(ServerName::try_from("localhost")?, socket)
        .await?;
    let error = tls.read_u8().await.err().context("the server answered")?;

    assert_eq!(alert(&error)?, expected);
    let refused = server.refused().await?;
    server.stop().await?;
    Ok(refused.reason)
}

/// The real client against a bare rustls server with a certificate that is not for servers.
pub(crate) async fn client_refuses_bare_server(server: &EndEntity) -> Result<()> {
    let house = House::new()?;
    let problem = CertificateProblem::WrongPurpose {
        required: Purpose::Server,
    };
    let reason = client_refuses_issued(
        &house,
        &house.ca.issue(server)?,
        "it is not for servers (its extended key usage lacks serverAuth)",
        UNSUPPORTED,
    )
    .await?;
    assert_eq!(reason, HandshakeFailure::Certificate(problem));
    Ok(())
}

/// The real client against a bare rustls server with what its own side of this house would not take: the server hears
/// the alert, the caller the sentence, and the reason is returned.
pub(crate) async fn client_refuses_issued(
    house: &House,
    server: &Issued,
    sentence: &str,
    expected: AlertDescription,
) -> Result<HandshakeFailure> {
    let config = server_config(server, rustls::ALL_VERSIONS)?;
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await?;
        acceptor.accept(socket).await.map(drop)
    });

    let error = failure_to_connect(channel(address, "localhost", house.client("order")?)?).await?;

    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to localhost:{}: the peer's certificate is refused: {sentence}",
            address.port()
        )
    );
    let heard = server.await?.err().context("the handshake succeeded")?;
    assert_eq!(alert(&heard)?, expected);
    match error.reason {
        ConnectFailure::Handshake(reason) => Ok(reason),
        other => bail!("not the handshake: {other:?}"),
    }
}

/// A client of bare rustls that trusts the house and shows `issued`.
pub(crate) fn client_config(
    house: &House,
    issued: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig> {
    let (chain, key) = pair(issued)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(house.root.pem().as_bytes())?)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// A server of bare rustls that shows `issued` and asks for nothing.
pub(crate) fn server_config(
    issued: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig> {
    let (chain, key) = pair(issued)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn pair(issued: &Issued) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain =
        CertificateDer::pem_slice_iter(issued.chain_pem().as_bytes()).collect::<Result<_, _>>()?;
    Ok((
        chain,
        PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes())?,
    ))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn alert(error: &std::io::Error) -> Result<AlertDescription> {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => Ok(*alert),
        _ => bail!("not an alert: {error:?}"),
    }
}
