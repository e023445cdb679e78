//! Servers that are refused for what their certificate is.

use std::fs;

use anyhow::Result;
use mtls::{CertificateProblem, ClientTls, Connector, Material, ServerTls};
use tests::handshake::expect::refused_by_client;
use tests::handshake::house::House;
use tests::test_pki::{EndEntity, TestCa, days, noon, now};

use crate::bare_rustls::client_refuses_bare_server;

#[tokio::test]
async fn a_server_of_another_ca_is_refused() -> Result<()> {
    let house = House::new()?;
    let stranger = TestCa::root("Stranger")?;
    let server = house.hostile(
        "payment",
        &stranger.issue(&EndEntity::peer("payment"))?,
        &[&stranger],
        now(),
    )?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        house.client("order")?,
        CertificateProblem::UnknownIssuer,
        "UnknownCA",
    )
    .await
}

#[tokio::test]
async fn a_server_with_a_self_signed_certificate_is_refused() -> Result<()> {
    let house = House::new()?;
    let server = house.hostile(
        "payment",
        &EndEntity::peer("payment").self_signed()?,
        &[],
        now(),
    )?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        house.client("order")?,
        CertificateProblem::UnknownIssuer,
        "UnknownCA",
    )
    .await
}

#[tokio::test]
async fn a_server_whose_certificate_expired_is_refused() -> Result<()> {
    let house = House::new()?;
    let expired = house
        .ca
        .issue(&EndEntity::peer("payment").valid(days(-30), noon(-2)))?;
    let server = house.hostile("payment", &expired, &[], days(-10))?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        house.client("order")?,
        CertificateProblem::Expired {
            not_after: noon(-2),
        },
        "CertificateExpired",
    )
    .await
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_valid_yet_is_refused() -> Result<()> {
    let house = House::new()?;
    let early = house
        .ca
        .issue(&EndEntity::peer("payment").valid(noon(2), days(60)))?;
    let server = house.hostile("payment", &early, &[], days(10))?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        house.client("order")?,
        CertificateProblem::NotValidYet {
            not_before: noon(2),
        },
        "CertificateExpired",
    )
    .await
}

#[tokio::test]
async fn a_server_that_leaves_its_intermediate_out_is_refused() -> Result<()> {
    let house = House::new()?;
    let incomplete = house
        .ca
        .issue(&EndEntity::peer("payment"))?
        .without_intermediates();
    let server = house.hostile("payment", &incomplete, &[&house.ca], now())?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        house.client("order")?,
        CertificateProblem::UnknownIssuer,
        "UnknownCA",
    )
    .await
}

#[tokio::test]
async fn a_certificate_for_clients_only_is_refused_as_a_servers() -> Result<()> {
    client_refuses_bare_server(&EndEntity::client("payment")).await
}

#[tokio::test]
async fn a_server_whose_certificate_names_no_purpose_is_refused() -> Result<()> {
    let no_purpose = EndEntity {
        purposes: Vec::new(),
        ..EndEntity::peer("payment")
    };
    client_refuses_bare_server(&no_purpose).await
}

#[tokio::test]
async fn a_revoked_server_is_refused() -> Result<()> {
    let house = House::new()?;
    let server = house.material(
        "payment",
        &house.ca.issue(&EndEntity::peer("payment").serial(7))?,
    )?;
    house.material(
        "order",
        &house.ca.issue(&EndEntity::peer("order").serial(8))?,
    )?;
    let lists = house.root.revoke(&[], days(7))? + &house.ca.revoke(&[7], days(7))?;
    fs::write(house.dir("order").join("crl.pem"), lists)?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        Connector::new(ClientTls::new(&Material::load(&house.dir("order"))?)?),
        CertificateProblem::Revoked,
        "CertificateRevoked",
    )
    .await
}
