//! Clients that are refused for what their certificate is, or for having none.

use std::fs;

use anyhow::Result;
use mtls::{CertificateProblem, ClientTls, Connector, HandshakeFailure, Material, ServerTls};
use rcgen::KeyUsagePurpose;
use rustls::AlertDescription;
use tests::handshake::expect::{accepted, refused_by_server};
use tests::handshake::house::House;
use tests::test_pki::{EndEntity, TestCa, days, noon, now};

use crate::bare_rustls::{refused_by, server_refuses_bare_client, server_refuses_issued};

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() -> Result<()> {
    let house = House::new()?;
    refused_by_server(
        house.server("payment")?,
        house.client_without_certificate()?,
        "CertificateRequired",
        HandshakeFailure::NoCertificate,
    )
    .await
}

#[tokio::test]
async fn a_client_of_another_ca_is_refused() -> Result<()> {
    let house = House::new()?;
    let stranger = TestCa::root("Stranger")?;
    let client = house.hostile(
        "order",
        &stranger.issue(&EndEntity::peer("order"))?,
        &[&stranger],
        now(),
    )?;
    refused_by_server(
        house.server("payment")?,
        Connector::new(ClientTls::new(&client)?),
        "UnknownCA",
        HandshakeFailure::Certificate(CertificateProblem::UnknownIssuer),
    )
    .await
}

#[tokio::test]
async fn a_client_of_another_ca_with_the_same_name_is_refused() -> Result<()> {
    let house = House::new()?;
    let impostor = TestCa::root("House issuing CA")?;
    let client = house.hostile(
        "order",
        &impostor.issue(&EndEntity::peer("order"))?,
        &[&impostor],
        now(),
    )?;
    refused_by_server(
        house.server("payment")?,
        Connector::new(ClientTls::new(&client)?),
        "UnknownCA",
        HandshakeFailure::Certificate(CertificateProblem::UnknownIssuer),
    )
    .await
}

#[tokio::test]
async fn a_client_with_a_self_signed_certificate_is_refused() -> Result<()> {
    let house = House::new()?;
    let client = house.hostile(
        "order",
        &EndEntity::peer("order").self_signed()?,
        &[],
        now(),
    )?;
    refused_by_server(
        house.server("payment")?,
        Connector::new(ClientTls::new(&client)?),
        "UnknownCA",
        HandshakeFailure::Certificate(CertificateProblem::UnknownIssuer),
    )
    .await
}

#[tokio::test]
async fn a_client_whose_certificate_expired_is_refused() -> Result<()> {
    let house = House::new()?;
    let expired = house
        .ca
        .issue(&EndEntity::peer("order").valid(days(-30), noon(-2)))?;
    let client = house.hostile("order", &expired, &[], days(-10))?;
    refused_by_server(
        house.server("payment")?,
        Connector::new(ClientTls::new(&client)?),
        "CertificateExpired",
        HandshakeFailure::Certificate(CertificateProblem::Expired {
            not_after: noon(-2),
        }),
    )
    .await
}

#[tokio::test]
async fn a_client_whose_certificate_is_not_valid_yet_is_refused() -> Result<()> {
    let house = House::new()?;
    let early = house
        .ca
        .issue(&EndEntity::peer("order").valid(noon(2), days(60)))?;
    let client = house.hostile("order", &early, &[], days(10))?;
    refused_by_server(
        house.server("payment")?,
        Connector::new(ClientTls::new(&client)?),
        "CertificateExpired",
        HandshakeFailure::Certificate(CertificateProblem::NotValidYet {
            not_before: noon(2),
        }),
    )
    .await
}

#[tokio::test]
async fn a_client_that_leaves_its_intermediate_out_is_refused() -> Result<()> {
    let house = House::new()?;
    let incomplete = house
        .ca
        .issue(&EndEntity::peer("order"))?
        .without_intermediates();
    let client = house.hostile("order", &incomplete, &[&house.ca], now())?;
    refused_by_server(
        house.server("payment")?,
        Connector::new(ClientTls::new(&client)?),
        "UnknownCA",
        HandshakeFailure::Certificate(CertificateProblem::UnknownIssuer),
    )
    .await
}

#[tokio::test]
async fn a_client_below_an_expired_root_is_refused() -> Result<()> {
    let house = House::new()?;
    let old = TestCa::root_valid("Old root", days(-400), days(-1))?;
    let order = old.issue(&EndEntity::peer("order").valid(days(-30), days(60)))?;
    let client = house.hostile("order", &order, &[&old], days(-10))?;
    // A server that still trusts the old root beside the new one.
    let payment = house.ca.issue(&EndEntity::peer("payment"))?;
    let server = house.hostile("payment", &payment, &[&old], now())?;
    refused_by_server(
        ServerTls::new(&server)?,
        Connector::new(ClientTls::new(&client)?),
        "CertificateUnknown",
        HandshakeFailure::Certificate(CertificateProblem::TrustAnchorNotValid),
    )
    .await
}

#[tokio::test]
async fn a_client_below_an_intermediate_that_may_not_issue_is_refused() -> Result<()> {
    let house = House::new()?;
    let powerless = house.root.intermediate_with("Powerless CA", |params| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    })?;
    let order = powerless.issue(&EndEntity::peer("order"))?;
    let reason =
        server_refuses_issued(&house, &order, AlertDescription::CertificateUnknown).await?;
    assert_eq!(
        reason,
        HandshakeFailure::Certificate(CertificateProblem::IssuerMayNotIssue)
    );
    Ok(())
}

#[tokio::test]
async fn a_client_whose_own_certificate_is_trusted_gets_in_and_issues_nothing() -> Result<()> {
    let house = House::new()?;
    let shipping = EndEntity::peer("shipping");
    let pinned = shipping.self_signed()?;
    let usurper = TestCa::usurped(&shipping, &pinned)?;
    // The server trusts that one certificate beside the CA of the house.
    let payment = house.ca.issue(&EndEntity::peer("payment"))?;
    let server = ServerTls::new(&house.hostile("payment", &payment, &[&usurper], now())?)?;

    let shipping = house.hostile("shipping", &pinned, &[], now())?;
    let shipping = Connector::new(ClientTls::new(&shipping)?);
    accepted(server.clone(), "localhost", shipping).await?;
    accepted(server.clone(), "localhost", house.client("product")?).await?;

    let order = usurper.issue(&EndEntity::peer("order"))?;
    let reason = refused_by(&house, server, &order, AlertDescription::UnknownCA).await?;
    assert_eq!(
        reason,
        HandshakeFailure::Certificate(CertificateProblem::UnknownIssuer)
    );
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_servers_only_is_refused_as_a_clients() -> Result<()> {
    server_refuses_bare_client(&EndEntity::server("order")).await
}

#[tokio::test]
async fn a_client_whose_certificate_names_no_purpose_is_refused() -> Result<()> {
    let no_purpose = EndEntity {
        purposes: Vec::new(),
        ..EndEntity::peer("order")
    };
    server_refuses_bare_client(&no_purpose).await
}

#[tokio::test]
async fn a_revoked_client_is_refused_and_its_neighbour_is_not() -> Result<()> {
    let house = House::new()?;
    let client = house.material(
        "order",
        &house.ca.issue(&EndEntity::peer("order").serial(7))?,
    )?;
    house.material(
        "payment",
        &house.ca.issue(&EndEntity::peer("payment").serial(8))?,
    )?;
    let lists = house.root.revoke(&[], days(7))? + &house.ca.revoke(&[7], days(7))?;
    fs::write(house.dir("payment").join("crl.pem"), lists)?;
    let server = ServerTls::new(&Material::load(&house.dir("payment"))?)?;

    accepted(server.clone(), "localhost", house.client("shipping")?).await?;
    refused_by_server(
        server,
        Connector::new(ClientTls::new(&client)?),
        "CertificateRevoked",
        HandshakeFailure::Certificate(CertificateProblem::Revoked),
    )
    .await
}

#[tokio::test]
async fn a_client_is_refused_when_the_revocation_list_has_run_out() -> Result<()> {
    let house = House::new()?;
    let payment = EndEntity::peer("payment").valid(days(-30), days(60));
    house.material("payment", &house.ca.issue(&payment)?)?;
    let lists = house.root.revoke(&[], days(7))? + &house.ca.revoke(&[], noon(-2))?;
    fs::write(house.dir("payment").join("crl.pem"), lists)?;
    let as_of_then = Material::load_at(&house.dir("payment"), days(-10).into())?;
    refused_by_server(
        ServerTls::new(&as_of_then)?,
        house.client("order")?,
        "UnknownCA",
        HandshakeFailure::Certificate(CertificateProblem::RevocationListExpired {
            next_update: noon(-2),
        }),
    )
    .await
}
