//! The same on certificates that the house's own `pki apply` made, from the manifest that the house really uses.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use mtls::{CertificateProblem, ClientTls, Connector, HandshakeFailure, Material, ServerTls};
use tempfile::TempDir;
use tests::handshake::expect::{accepted, refused_by_client, refused_by_server};
use tests::handshake::{TestServer, channel, check_health};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../certs/pki.toml");

#[tokio::test]
async fn the_services_of_the_manifest_reach_each_other_and_know_who_calls() -> Result<()> {
    let certs = Certs::from_manifest("")?;
    for (caller, called) in [
        ("order-client", "order"),
        ("order", "product"),
        ("order", "payment"),
        ("order", "shipping"),
    ] {
        let mut server = TestServer::start(certs.server(called)?).await?;
        // By the name that the caller's configuration has, by the machine's name, and by address.
        let name = format!("{called}.microservices.dev");
        let named = certs.client(caller)?.server_name(&name)?;
        for (host, client) in [
            ("127.0.0.1", named),
            ("localhost", certs.client(caller)?),
            ("127.0.0.1", certs.client(caller)?),
        ] {
            check_health(channel(server.address, host, client)?)
                .await
                .with_context(|| format!("{caller} calls {called} at {host}"))?;
            let identity = server.caller().await?.identity.context("no identity")?;
            let expected = format!("spiffe://microservices.dev/{caller}");
            assert_eq!(
                identity.spiffe_id().map(ToString::to_string),
                Some(expected)
            );
        }
        assert!(server.has_refused_nobody_else());
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wildcard_of_the_manifest_matches_one_label_and_not_two() -> Result<()> {
    let certs = Certs::from_manifest(
        "[certificate.wildcard]\nprofile = \"server\"\ndns = [\"*.microservices.dev\"]\n",
    )?;
    let one = certs
        .client("order")?
        .server_name("payment.microservices.dev")?;
    accepted(certs.server("wildcard")?, "localhost", one).await?;
    let two = certs
        .client("order")?
        .server_name("a.payment.microservices.dev")?;
    let problem = CertificateProblem::WrongName {
        expected: "a.payment.microservices.dev".to_owned(),
        presented: vec!["*.microservices.dev".to_owned()],
    };
    refused_by_client(
        certs.server("wildcard")?,
        "localhost",
        two,
        problem,
        "BadCertificate",
    )
    .await
}

#[tokio::test]
async fn a_client_of_another_house_and_one_without_a_certificate_are_refused() -> Result<()> {
    let certs = Certs::from_manifest("")?;
    let elsewhere = Certs::from_manifest("")?;
    // The stranger knows the house's CA, and still is not of it.
    let order = elsewhere.folder.path().join("order");
    let trusted = fs::read_to_string(certs.folder.path().join("order/ca.crt"))?;
    let own = fs::read_to_string(order.join("ca.crt"))?;
    fs::write(order.join("ca.crt"), own + &trusted)?;
    // Both CAs have the same name, so a chain is found, and its signature is wrong.
    let refused = HandshakeFailure::Certificate(CertificateProblem::BadSignature);
    let stranger = elsewhere.client("order")?;
    refused_by_server(certs.server("payment")?, stranger, "DecryptError", refused).await?;

    let ca = certs.folder.path().join("payment/ca.crt");
    let nobody = Connector::new(ClientTls::without_certificate(&ca)?);
    refused_by_server(
        certs.server("payment")?,
        nobody,
        "CertificateRequired",
        HandshakeFailure::NoCertificate,
    )
    .await
}

#[tokio::test]
async fn a_client_that_pki_revoked_is_refused_and_its_neighbours_are_not() -> Result<()> {
    let certs = Certs::from_manifest("")?;
    // Loaded before, as a thief would have it: afterwards `mtls` does not even take it up.
    let (thief, old_server) = (certs.client("order")?, certs.server("order")?);
    certs.pki(&["revoke", "order", "--reason", "superseded"])?;
    assert!(certs.material("order").is_err());
    // Every service found its crl.pem beside its certificate, with the lists of both CAs.
    let revoked = HandshakeFailure::Certificate(CertificateProblem::Revoked);
    refused_by_server(
        certs.server("payment")?,
        thief,
        "CertificateRevoked",
        revoked,
    )
    .await?;
    let neighbour = certs.client("order-client")?;
    accepted(certs.server("product")?, "localhost", neighbour).await?;
    refused_by_client(
        old_server,
        "localhost",
        certs.client("order-client")?,
        CertificateProblem::Revoked,
        "CertificateRevoked",
    )
    .await?;
    // A new certificate, and all is well again.
    certs.pki(&["rekey", "order"])?;
    accepted(
        certs.server("payment")?,
        "localhost",
        certs.client("order")?,
    )
    .await
}

#[test]
fn the_profiles_of_the_manifest_are_exact() -> Result<()> {
    let certs = Certs::from_manifest("")?;
    for (name, servers, clients) in [
        ("order", true, true),
        ("payment", true, false),
        ("shipping", true, false),
        ("product", true, false),
        ("order-client", false, true),
    ] {
        let material = certs.material(name)?;
        assert_eq!(
            (material.is_for_servers(), material.is_for_clients()),
            (servers, clients),
            "{name}"
        );
    }
    Ok(())
}

/// What `pki apply` wrote.
struct Certs {
    folder: TempDir,
}

impl Certs {
    /// The house's manifest, and `more`.
    fn from_manifest(more: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let manifest = folder.path().join("pki.toml");
        fs::write(
            &manifest,
            format!("{}\n{more}", fs::read_to_string(MANIFEST)?),
        )?;
        // Whether it went well is seen by loading what it wrote.
        let arguments = [
            "pki",
            "apply",
            path(&manifest)?,
            "--dir",
            path(folder.path())?,
        ];
        pki_cli::main(arguments.map(Into::into));
        Ok(Self { folder })
    }

    /// Runs the command on this folder. Whether it went well is seen by what it did.
    fn pki(&self, args: &[&str]) -> Result<()> {
        let dir = ["--dir", path(self.folder.path())?];
        let line = ["pki"].iter().chain(args).chain(&dir);
        pki_cli::main(line.map(Into::into));
        Ok(())
    }

    fn material(&self, name: &str) -> Result<Material> {
        Ok(Material::load(&self.folder.path().join(name))?)
    }

    fn server(&self, name: &str) -> Result<ServerTls> {
        Ok(ServerTls::new(&self.material(name)?)?)
    }

    fn client(&self, name: &str) -> Result<Connector> {
        Ok(Connector::new(ClientTls::new(&self.material(name)?)?))
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}
