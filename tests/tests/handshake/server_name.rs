//! Servers that are refused for not being the one that was called (RFC 9525), and those that are not.

use std::net::IpAddr;

use anyhow::{Context, Result};
use mtls::{CertificateProblem, ServerTls};
use tests::handshake::expect::{accepted, refused_by_client};
use tests::handshake::house::House;
use tests::test_pki::EndEntity;

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() -> Result<()> {
    let house = House::new()?;
    refused_by_client(
        house.server("payment")?,
        "localhost",
        house
            .client("order")?
            .server_name("shipping.microservices.dev")?,
        CertificateProblem::WrongName {
            expected: "shipping.microservices.dev".to_owned(),
            presented: names(&["payment.microservices.dev", "localhost", "127.0.0.1", "::1"]),
        },
        "BadCertificate",
    )
    .await
}

#[tokio::test]
async fn a_wildcard_matches_one_label() -> Result<()> {
    let house = House::new()?;
    let client = house
        .client("order")?
        .server_name("payment.microservices.dev")?;
    accepted(house.wildcard_server()?, "localhost", client).await
}

#[tokio::test]
async fn a_wildcard_does_not_match_two_labels_or_none() -> Result<()> {
    for name in ["a.payment.microservices.dev", "microservices.dev"] {
        let house = House::new()?;
        refused_by_client(
            house.wildcard_server()?,
            "localhost",
            house.client("order")?.server_name(name)?,
            CertificateProblem::WrongName {
                expected: name.to_owned(),
                presented: names(&["*.microservices.dev"]),
            },
            "BadCertificate",
        )
        .await?;
    }
    Ok(())
}

#[test]
fn a_wildcard_is_not_the_name_of_a_server() -> Result<()> {
    let house = House::new()?;
    let error = house
        .client("order")?
        .server_name("*.microservices.dev")
        .map(drop);
    let error = error.err().context("a wildcard was accepted")?;
    assert_eq!(
        error.to_string(),
        "\"*.microservices.dev\" is neither a DNS name nor an IP address: give the name of one server, without \
         wildcard, scheme or port"
    );
    Ok(())
}

#[tokio::test]
async fn an_ip_address_in_the_certificate_matches_the_address_called() -> Result<()> {
    let house = House::new()?;
    accepted(
        house.server("payment")?,
        "127.0.0.1",
        house.client("order")?,
    )
    .await
}

#[tokio::test]
async fn an_ip_address_that_the_certificate_lacks_is_refused() -> Result<()> {
    let house = House::new()?;
    let only_ipv6 =
        EndEntity::peer("payment").hosts(&["localhost"], &[IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
    let server = house.material("payment", &house.ca.issue(&only_ipv6)?)?;
    refused_by_client(
        ServerTls::new(&server)?,
        "127.0.0.1",
        house.client("order")?,
        CertificateProblem::WrongName {
            expected: "127.0.0.1".to_owned(),
            presented: names(&["localhost", "::1"]),
        },
        "BadCertificate",
    )
    .await
}

#[tokio::test]
async fn the_name_of_a_server_counts_without_regard_to_case_or_a_dot_at_its_end() -> Result<()> {
    for name in ["Payment.Microservices.DEV", "payment.microservices.dev."] {
        let house = House::new()?;
        let client = house.client("order")?.server_name(name)?;
        accepted(house.server("payment")?, "localhost", client).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_ip_address_is_no_name_and_a_name_no_ip_address() -> Result<()> {
    for (hosts, called) in [
        // A wildcard and a name that begin like the address.
        (&["localhost", "*.0.0.one"][..], "127.0.0.1"),
        (&["127.0.0.1.example"], "127.0.0.1"),
    ] {
        let house = House::new()?;
        let only_names = EndEntity::peer("payment").hosts(hosts, &[]);
        let server = house.material("payment", &house.ca.issue(&only_names)?)?;
        refused_by_client(
            ServerTls::new(&server)?,
            called,
            house.client("order")?,
            CertificateProblem::WrongName {
                expected: called.to_owned(),
                presented: names(hosts),
            },
            "BadCertificate",
        )
        .await?;
    }

    let house = House::new()?;
    let only_addresses = EndEntity::peer("payment").hosts(&[], &[IpAddr::from([127, 0, 0, 1])]);
    let server = house.material("payment", &house.ca.issue(&only_addresses)?)?;
    refused_by_client(
        ServerTls::new(&server)?,
        "localhost",
        house.client("order")?,
        CertificateProblem::WrongName {
            expected: "localhost".to_owned(),
            presented: names(&["127.0.0.1"]),
        },
        "BadCertificate",
    )
    .await
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
