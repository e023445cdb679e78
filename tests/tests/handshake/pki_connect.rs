//! The house's own `pki connect` as the client of the house's own server: what the services would meet, it meets. And what
//! `pki verify` tells of the services is what they do.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use mtls::{CertificateProblem, HandshakeFailure, Material, ServerTls};
use rcgen::KeyUsagePurpose;
use tempfile::TempDir;
use tests::handshake::TestServer;
use tests::handshake::house::House;
use tests::test_pki::{EndEntity, TestCa, days};

#[test]
fn what_rustls_overlooks_and_pki_tells_the_services_look_at_themselves() -> Result<()> {
    let expired = TestCa::root_valid("Root", days(-40), days(-1))?;
    let no_issuer = TestCa::root("Root")?;
    let without_key_cert_sign = no_issuer.intermediate_with("Issuing", |params| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    })?;
    for (root, issuing, code) in [
        (&expired, &expired, 14),
        (&no_issuer, &without_key_cert_sign, 16),
    ] {
        let folder = TempDir::new()?;
        issuing
            .issue(&EndEntity::peer("order"))?
            .write(folder.path(), &[root])?;
        let file = |name| folder.path().join(name).display().to_string();
        let arguments = [
            "pki".to_owned(),
            "verify".to_owned(),
            file("tls.crt"),
            "--trust".to_owned(),
            file("ca.crt"),
        ];
        let told = pki_cli::main(arguments.map(Into::into));
        assert_eq!(told, ExitCode::from(code));
        assert!(Material::load(folder.path()).is_err());
    }
    Ok(())
}

/// Runs the command in this process; what it prints goes to the output of the tests.
async fn connect(server: SocketAddr, options: &[&str]) -> Result<ExitCode> {
    let mut arguments = vec![
        "pki".to_owned(),
        "connect".to_owned(),
        format!("localhost:{}", server.port()),
        "--timeout=30s".to_owned(),
    ];
    arguments.extend(options.iter().map(|option| (*option).to_owned()));
    let run = move || pki_cli::main(arguments.into_iter().map(Into::into));
    Ok(tokio::task::spawn_blocking(run).await?)
}

#[tokio::test]
async fn the_services_server_and_pki_connect_accept_each_other() -> Result<()> {
    let house = House::new()?;
    house.material("order", &house.ca.issue(&EndEntity::peer("order"))?)?;
    let mut server = TestServer::start(house.server("payment")?).await?;
    let order = house.dir("order").display().to_string();
    let code = connect(server.address, &["--identity", &order]).await?;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(server.has_refused_nobody_else());
    server.stop().await
}

#[tokio::test]
async fn who_is_refused_by_the_services_server_is_told_so() -> Result<()> {
    let house = House::new()?;
    let mut server = TestServer::start(house.server("payment")?).await?;
    let refused = ExitCode::from(113);

    let trusted = house.dir("payment").join("ca.crt").display().to_string();
    assert_eq!(
        connect(server.address, &["--trust", &trusted]).await?,
        refused
    );
    assert_eq!(
        server.refused().await?.reason,
        HandshakeFailure::NoCertificate
    );

    let only_server = house.ca.issue(&EndEntity::server("shop"))?;
    house.material("shop", &only_server)?;
    let shop = house.dir("shop").display().to_string();
    assert_eq!(
        connect(server.address, &["--identity", &shop]).await?,
        refused
    );
    assert!(matches!(
        server.refused().await?.reason,
        HandshakeFailure::Certificate(CertificateProblem::WrongPurpose { .. })
    ));
    server.stop().await
}

#[tokio::test]
async fn a_server_with_another_name_is_rejected_by_its_rule() -> Result<()> {
    let house = House::new()?;
    let material = house.material(
        "payment",
        &house
            .ca
            .issue(&EndEntity::peer("payment").hosts(&["payment.microservices.dev"], &[]))?,
    )?;
    let server = TestServer::start(ServerTls::without_client_certificates(&material)?).await?;
    let trusted = house.dir("payment").join("ca.crt").display().to_string();
    let trust = ["--trust", &trusted, "--host"];
    let named = |name| [&trust[..], &[name]].concat();
    for (name, code) in [
        ("payment.microservices.dev", 0),
        ("order.microservices.dev", 20),
        ("localhost", 20),
    ] {
        assert_eq!(
            connect(server.address, &named(name)).await?,
            ExitCode::from(code),
            "{name}"
        );
    }
    server.stop().await
}
