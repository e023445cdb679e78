//! Certificates of the right CA whose names say one thing in the place of another (RFC 5280, 4.2.1.6; X509-SVID, 2): no
//! kind of name passes for another kind.

use std::net::IpAddr;

use anyhow::{Context, Result};
use mtls::{CertificateProblem, ClientTls, Connector, HandshakeFailure};
use rustls::AlertDescription;
use tests::handshake::house::House;
use tests::handshake::{channel, check_health};
use tests::test_pki::EndEntity;
use tonic::{Code, Status};

use crate::authorization::serve_for;
use crate::bare_rustls::{client_refuses_issued, server_refuses_issued};

const ID: &str = "spiffe://microservices.dev/order";
const HOST: &str = "order.microservices.dev";

#[tokio::test]
async fn a_client_with_a_spiffe_id_for_a_dns_name_is_refused() -> Result<()> {
    for name in [ID, "127.0.0.1", "order.microservices.dev."] {
        let house = House::new()?;
        let hostile = house
            .ca
            .issue(&EndEntity::peer("order").uris(&[]).hosts(&[name], &[]))?;
        let reason =
            server_refuses_issued(&house, &hostile, AlertDescription::CertificateUnknown).await?;
        assert_eq!(reason.label(), "unreadable");
        assert_eq!(
            reason.to_string(),
            format!(
                "the peer's certificate is refused: \"{name}\" stands in it as a DNS name and is none"
            )
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_server_with_a_spiffe_id_for_a_dns_name_is_refused() -> Result<()> {
    let house = House::new()?;
    let hostile = house
        .ca
        .issue(&EndEntity::peer("payment").hosts(&["localhost", ID], &[]))?;
    let reason = client_refuses_issued(
        &house,
        &hostile,
        &format!("\"{ID}\" stands in it as a DNS name and is none"),
        AlertDescription::CertificateUnknown,
    )
    .await?;
    assert!(
        matches!(
            reason,
            HandshakeFailure::Certificate(CertificateProblem::Unreadable(_))
        ),
        "{reason:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dns_name_as_uri_does_not_pass_for_the_dns_name() -> Result<()> {
    let only_a_uri = EndEntity::peer("shipping").uris(&[HOST]).hosts(&[], &[]);
    let refusal = call(HOST, &only_a_uri).await?.err().context("served")?;
    assert_eq!(refusal.code(), Code::PermissionDenied);
    assert_eq!(
        refusal.message(),
        "URI order.microservices.dev may not call grpc.health.v1.Health/Check"
    );

    let the_dns_name = EndEntity::peer("order")
        .uris(&[])
        .hosts(&["ORDER.microservices.dev"], &[]);
    call(HOST, &the_dns_name).await??;
    Ok(())
}

#[tokio::test]
async fn a_uri_that_only_looks_like_the_spiffe_id_does_not_pass_for_it() -> Result<()> {
    for uri in [
        "SPIFFE://microservices.dev/order",
        "spiffe://MICROSERVICES.dev/order",
        "spiffe://microservices.dev/%6frder",
        "spiffe://microservices.dev/order/",
        "spiffe://microservices.dev",
    ] {
        let almost = EndEntity::peer("shipping").uris(&[uri]).hosts(&[], &[]);
        let refusal = call(ID, &almost).await?.err().context(uri)?;
        assert_eq!(refusal.code(), Code::PermissionDenied, "{uri}");
        assert_eq!(
            refusal.message(),
            "subject CN=shipping may not call grpc.health.v1.Health/Check"
        );
    }
    Ok(())
}

#[tokio::test]
async fn who_has_a_wildcard_or_an_address_is_told_so_and_not_served() -> Result<()> {
    let loopback = [IpAddr::from([127, 0, 0, 1])];
    for (hosts, shown) in [
        (&["*.microservices.dev"][..], "DNS name *.microservices.dev"),
        (&[], "IP address 127.0.0.1"),
    ] {
        let client = EndEntity::peer("order").uris(&[]).hosts(hosts, &loopback);
        let refusal = call(HOST, &client).await?.err().context("served")?;
        assert_eq!(refusal.code(), Code::PermissionDenied);
        assert_eq!(
            refusal.message(),
            format!("{shown} may not call grpc.health.v1.Health/Check")
        );
    }
    Ok(())
}

/// One call to a server that serves `allowed` alone, by a client with a certificate of the house.
async fn call(allowed: &str, client: &EndEntity) -> Result<Result<(), Status>> {
    let house = House::new()?;
    let (address, server) = serve_for(&house, allowed).await?;
    let material = house.material("client", &house.ca.issue(client)?)?;
    let connector = Connector::new(ClientTls::new(&material)?);
    let answer = check_health(channel(address, "localhost", connector)?).await;
    server.abort();
    Ok(answer)
}
