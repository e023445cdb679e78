//! Who got in is not yet allowed: the layer on a real server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use mtls::authorization::{AuthorizationLayer, Policy, Refusal};
use mtls::{ClientTls, Connector, HandshakeLimits, Incoming};
use tests::handshake::house::House;
use tests::handshake::{channel, check_health};
use tests::test_pki::EndEntity;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::transport::{Error, Server};
use tonic::{Code, Status};

#[tokio::test]
async fn a_peer_that_no_rule_allows_is_told_so_and_not_who_is_allowed() -> Result<()> {
    let house = House::new()?;
    let (address, server) = serve_for(&house, ORDER).await?;

    check_health(channel(address, "localhost", house.client("order")?)?).await?;
    let status = check_health(channel(address, "localhost", house.client("shipping")?)?)
        .await
        .err()
        .context("shipping was served")?;

    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(
        status.message(),
        "spiffe://microservices.dev/shipping may not call grpc.health.v1.Health/Check"
    );
    server.abort();
    Ok(())
}

#[tokio::test]
async fn a_certificate_with_two_spiffe_ids_is_nobody() -> Result<()> {
    let house = House::new()?;
    let (address, server) = serve_for(&house, ORDER).await?;
    let mut two = EndEntity::peer("shipping");
    two.uri.push("spiffe://microservices.dev/order".to_owned());
    let client = house.material("shipping", &house.ca.issue(&two)?)?;

    let client = Connector::new(ClientTls::new(&client)?);
    let status = check_health(channel(address, "localhost", client)?)
        .await
        .err()
        .context("it was served")?;

    assert_eq!(status.code(), Code::PermissionDenied);
    server.abort();
    Ok(())
}

const ORDER: &str = "spiffe://microservices.dev/order";

/// A server whose health only one peer may ask after.
pub(crate) async fn serve_for(
    house: &House,
    allowed: &str,
) -> Result<(SocketAddr, JoinHandle<Result<(), Error>>)> {
    let allowed = vec![allowed.to_owned()];
    let rules = BTreeMap::from([("grpc.health.v1.Health/*".to_owned(), allowed)]);
    let layer = AuthorizationLayer::new(Arc::new(Policy::try_from_rules(&rules)?), refuse);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let incoming = Incoming::new(
        listener,
        house.server("payment")?,
        HandshakeLimits::default(),
    );
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(layer)
        .add_service(health)
        .serve_with_incoming(incoming);
    Ok((address, tokio::spawn(server)))
}

fn refuse(refusal: &Refusal) -> http::Response<Body> {
    Status::permission_denied(refusal.to_string()).into_http()
}
