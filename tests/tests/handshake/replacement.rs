//! Configurations that are replaced while they are in use.

use anyhow::{Context, Result};
use mtls::{ClientTls, Connector, Material, ServerTls};
use tests::handshake::house::House;
use tests::handshake::{TestServer, channel, check_health};
use tests::test_pki::{EndEntity, TestCa};

#[tokio::test]
async fn a_replaced_configuration_counts_for_the_next_handshake_on_both_sides() -> Result<()> {
    let house = House::new()?;
    let (old, new) = (TestCa::root("Old")?, TestCa::root("New")?);
    let material = |name: &str, ca: &TestCa| -> Result<Material> {
        ca.issue(&EndEntity::peer(name))?
            .write(&house.dir(name), &[ca])?;
        Ok(Material::load(&house.dir(name))?)
    };
    let server_tls = ServerTls::new(&material("payment", &old)?)?;
    let client_tls = ClientTls::new(&material("order", &old)?)?;
    let server = TestServer::start(server_tls.clone()).await?;
    let call = || async {
        let channel = channel(
            server.address,
            "localhost",
            Connector::new(client_tls.clone()),
        )?;
        anyhow::Ok(check_health(channel).await)
    };
    call().await??;

    server_tls.replace(&material("payment", &new)?)?;
    let refusal = call()
        .await?
        .err()
        .context("the old client trusted the new server")?;
    assert!(refusal.message().contains("unknown issuer"), "{refusal:?}");

    client_tls.replace(&material("order", &new)?)?;
    call().await??;
    server.stop().await
}
