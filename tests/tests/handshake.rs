//! Who gets in and who does not, each case one handshake between the real server and the real client over loopback.
//!
//! Every refusal is looked at from both ends: what the caller is told (the code, the sentence, the typed reason) and what
//! the server reports. Peers that this house's own sides could not be, such as a server with a client's certificate, are
//! bare rustls, or openssl.

#[path = "handshake/authorization.rs"]
mod authorization;
#[path = "handshake/bare_rustls.rs"]
mod bare_rustls;
#[path = "handshake/client_certificate.rs"]
mod client_certificate;
#[path = "handshake/kinds_of_names.rs"]
mod kinds_of_names;
#[path = "handshake/negotiation.rs"]
mod negotiation;
#[path = "handshake/not_tls.rs"]
mod not_tls;
#[path = "handshake/openssl.rs"]
mod openssl;
#[path = "handshake/pki_apply.rs"]
mod pki_apply;
#[path = "handshake/pki_connect.rs"]
mod pki_connect;
#[path = "handshake/renewal.rs"]
mod renewal;
#[path = "handshake/replacement.rs"]
mod replacement;
#[path = "handshake/rotation.rs"]
mod rotation;
#[path = "handshake/server_certificate.rs"]
mod server_certificate;
#[path = "handshake/server_name.rs"]
mod server_name;
#[path = "handshake/under_load.rs"]
mod under_load;

use anyhow::{Context, Result};
use mtls::{ClientTls, Connector, ServerTls};
use tests::handshake::expect::accepted;
use tests::handshake::house::House;
use tests::handshake::{TestServer, channel, check_health};
use tests::test_pki::EndEntity;

#[tokio::test]
async fn two_valid_sides_talk_and_the_handler_sees_who_called() -> Result<()> {
    let house = House::new()?;
    let mut server = TestServer::start(house.server("payment")?).await?;

    check_health(channel(
        server.address,
        "localhost",
        house.client("order")?,
    )?)
    .await?;

    let caller = server.caller().await?;
    let identity = caller.identity.context("no identity")?;
    assert_eq!(identity.to_string(), "spiffe://microservices.dev/order");
    assert_eq!(
        identity.dns_names(),
        ["order.microservices.dev", "localhost"]
    );
    assert!(
        caller
            .address
            .is_some_and(|address| address.ip().is_loopback())
    );
    assert!(server.has_refused_nobody_else());
    server.stop().await
}

#[tokio::test]
async fn a_server_certificate_and_a_client_certificate_are_enough() -> Result<()> {
    let house = House::new()?;
    let server = ServerTls::new(
        &house.material("payment", &house.ca.issue(&EndEntity::server("payment"))?)?,
    )?;
    let client =
        ClientTls::new(&house.material("person", &house.ca.issue(&EndEntity::client("person"))?)?)?;
    accepted(server, "localhost", Connector::new(client)).await
}

#[tokio::test]
async fn one_way_tls_lets_a_client_without_a_certificate_in_as_nobody() -> Result<()> {
    let house = House::new()?;
    let material = house.material("payment", &house.ca.issue(&EndEntity::server("payment"))?)?;
    let mut server = TestServer::start(ServerTls::without_client_certificates(&material)?).await?;

    check_health(channel(
        server.address,
        "localhost",
        house.client_without_certificate()?,
    )?)
    .await?;

    assert!(server.caller().await?.identity.is_none());
    server.stop().await
}
