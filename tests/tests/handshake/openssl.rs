//! Strangers on the other side: `openssl s_client` and `openssl s_server` in the basic cases.
//!
//! Without an `openssl` command each of these tests says on standard error that it was skipped, and fails where `CI` is
//! set.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt;
use mtls::{
    ClientTls, ConnectError, ConnectFailure, Connection, Connector, HandshakeFailure,
    HandshakeLimits, Incoming, Material, RefusedHandshake, ServerTls,
};
use tests::handshake::house::House;
use tests::handshake::{PATIENCE, patient};
use tests::test_pki::{EndEntity, TestCa};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::ServiceExt;

// === openssl as the client ===

#[tokio::test]
async fn openssl_as_client_gets_in_with_a_certificate_of_the_house() -> Result<()> {
    if !openssl_is_here("openssl_as_client_gets_in_with_a_certificate_of_the_house").await? {
        return Ok(());
    }
    let house = House::new()?;
    house.material("order", &house.ca.issue(&EndEntity::peer("order"))?)?;
    let mut server = Server::start(&house).await?;
    let client = s_client(
        server.port,
        &house.dir("payment"),
        Some(&house.dir("order")),
    )?;

    let mut connection = server.connection().await?;
    connection.write_all(b"welcome\n").await?;
    connection.shutdown().await?;
    drop(server);
    let output = finish(client).await?;

    let identity = connection.peer().identity.clone().context("no identity")?;
    assert_eq!(identity.to_string(), "spiffe://microservices.dev/order");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "welcome\n",
        "{output:?}"
    );
    Ok(())
}

#[tokio::test]
async fn openssl_as_client_without_a_certificate_is_told_that_one_is_required() -> Result<()> {
    if !openssl_is_here("openssl_as_client_without_a_certificate_is_told_that_one_is_required")
        .await?
    {
        return Ok(());
    }
    let house = House::new()?;
    let mut server = Server::start(&house).await?;
    let client = s_client(server.port, &house.dir("payment"), None)?;

    let refused = server.refused().await?;
    let output = finish(client).await?;

    assert_eq!(refused.reason, HandshakeFailure::NoCertificate);
    assert_refused(&output, "certificate required");
    Ok(())
}

#[tokio::test]
async fn openssl_as_client_of_another_ca_is_told_that_its_ca_is_unknown() -> Result<()> {
    if !openssl_is_here("openssl_as_client_of_another_ca_is_told_that_its_ca_is_unknown").await? {
        return Ok(());
    }
    let house = House::new()?;
    let stranger = TestCa::root("Stranger")?;
    let issued = stranger.issue(&EndEntity::peer("order"))?;
    issued.write(&house.dir("order"), &[&house.root])?;
    let mut server = Server::start(&house).await?;
    let client = s_client(
        server.port,
        &house.dir("payment"),
        Some(&house.dir("order")),
    )?;

    let refused = server.refused().await?;
    let output = finish(client).await?;

    assert_eq!(refused.reason.label(), "unknown_issuer");
    assert_refused(&output, "unknown ca");
    Ok(())
}

#[tokio::test]
async fn openssl_as_client_refuses_a_server_of_another_name() -> Result<()> {
    if !openssl_is_here("openssl_as_client_refuses_a_server_of_another_name").await? {
        return Ok(());
    }
    let house = House::new()?;
    house.material("order", &house.ca.issue(&EndEntity::peer("order"))?)?;
    let mut server = Server::start(&house).await?;
    let mut command = s_client_command(
        server.port,
        &house.dir("payment"),
        Some(&house.dir("order")),
    );
    let client = command
        .args(["-verify_hostname", "shipping.microservices.dev"])
        .spawn()?;

    let refused = server.refused().await?;
    let output = finish(client).await?;

    assert_eq!(refused.reason.label(), "alert");
    assert_refused(&output, "hostname mismatch");
    Ok(())
}

// === openssl as the server ===

#[tokio::test]
async fn openssl_as_server_is_connected_to_and_asks_for_the_certificate() -> Result<()> {
    if !openssl_is_here("openssl_as_server_is_connected_to_and_asks_for_the_certificate").await? {
        return Ok(());
    }
    let house = House::new()?;
    house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
    let mut server = ForeignServer::start(&house.dir("payment")).await?;
    server.say(b"welcome\n").await?;

    let connection = connect(house.client("order")?, server.port).await??;

    let mut connection = connection.into_inner();
    let identity = connection.peer().identity.clone().context("no identity")?;
    assert_eq!(identity.to_string(), "spiffe://microservices.dev/payment");
    let mut welcome = [0; 8];
    connection.read_exact(&mut welcome).await?;
    assert_eq!(&welcome, b"welcome\n");
    Ok(())
}

#[tokio::test]
async fn openssl_as_server_refuses_a_client_without_a_certificate_in_so_many_words() -> Result<()> {
    if !openssl_is_here("openssl_as_server_refuses_a_client_without_a_certificate_in_so_many_words")
        .await?
    {
        return Ok(());
    }
    let house = House::new()?;
    house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
    let server = ForeignServer::start(&house.dir("payment")).await?;

    let error = connect(house.client_without_certificate()?, server.port)
        .await?
        .err()
        .context("accepted")?;

    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to localhost:{}: the peer refused with the TLS alert CertificateRequired: it \
             demands a certificate and was shown none",
            server.port
        )
    );
    Ok(())
}

#[tokio::test]
async fn openssl_as_server_refuses_a_client_of_another_ca_in_so_many_words() -> Result<()> {
    if !openssl_is_here("openssl_as_server_refuses_a_client_of_another_ca_in_so_many_words").await?
    {
        return Ok(());
    }
    let house = House::new()?;
    house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
    let stranger = TestCa::root("Stranger")?;
    stranger
        .issue(&EndEntity::peer("order"))?
        .write(&house.dir("order"), &[&stranger, &house.root])?;
    let client = Connector::new(ClientTls::new(&Material::load(&house.dir("order"))?)?);
    let server = ForeignServer::start(&house.dir("payment")).await?;

    let error = connect(client, server.port)
        .await?
        .err()
        .context("accepted")?;

    assert_eq!(
        error.reason,
        ConnectFailure::Handshake(HandshakeFailure::Alert("UnknownCA".to_owned()))
    );
    Ok(())
}

#[tokio::test]
async fn openssl_as_server_with_a_certificate_of_another_ca_is_refused() -> Result<()> {
    if !openssl_is_here("openssl_as_server_with_a_certificate_of_another_ca_is_refused").await? {
        return Ok(());
    }
    let house = House::new()?;
    let stranger = TestCa::root("Stranger")?;
    stranger
        .issue(&EndEntity::peer("payment"))?
        .write(&house.dir("payment"), &[&house.root])?;
    let server = ForeignServer::start(&house.dir("payment")).await?;

    let error = connect(house.client("order")?, server.port)
        .await?
        .err()
        .context("accepted")?;

    assert_eq!(error.reason.label(), "unknown_issuer");
    Ok(())
}

// === without openssl ===

#[tokio::test]
async fn without_openssl_a_test_says_that_it_was_skipped_and_fails_in_ci() -> Result<()> {
    let skipped = "openssl_as_client_without_a_certificate_is_told_that_one_is_required";
    let nothing = tempfile::tempdir()?;
    let mut this = Command::new(std::env::current_exe()?);
    this.args([&format!("openssl::{skipped}"), "--exact"])
        .env("PATH", nothing.path());

    let on_a_desk = this.env_remove("CI").output().await?;
    assert!(on_a_desk.status.success(), "{on_a_desk:?}");
    let said = String::from_utf8_lossy(&on_a_desk.stderr);
    let expected =
        format!("{skipped} was SKIPPED: the command openssl cannot be started (No such file");
    assert!(said.starts_with(&expected), "{on_a_desk:?}");
    let told = String::from_utf8_lossy(&on_a_desk.stdout);
    assert!(told.contains("1 passed"), "{on_a_desk:?}");

    let in_ci = this.env("CI", "true").output().await?;
    assert!(!in_ci.status.success(), "{in_ci:?}");
    let told = String::from_utf8_lossy(&in_ci.stdout);
    assert!(
        told.contains("where CI is set no test is skipped"),
        "{in_ci:?}"
    );
    Ok(())
}

// === Helpers ===

/// Whether there is an `openssl` command; if not, standard error says that `test` was skipped.
async fn openssl_is_here(test: &str) -> Result<bool> {
    let version = Command::new("openssl").arg("version").output().await;
    let missing = match version {
        Ok(output) if output.status.success() => return Ok(true),
        Ok(output) => format!("`openssl version` ended with {}", output.status),
        Err(error) => format!("the command openssl cannot be started ({error})"),
    };
    ensure!(
        std::env::var_os("CI").is_none(),
        "{missing}, and where CI is set no test is skipped: install openssl"
    );
    // Written and not printed: what a test prints is only shown when it fails.
    writeln!(std::io::stderr(), "{test} was SKIPPED: {missing}")?;
    Ok(false)
}

/// The real server without anything above TLS.
struct Server {
    port: u16,
    incoming: Incoming,
    refused: mpsc::UnboundedReceiver<RefusedHandshake>,
}

impl Server {
    async fn start(house: &House) -> Result<Self> {
        let material = house.material("payment", &house.ca.issue(&EndEntity::peer("payment"))?)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (sender, refused) = mpsc::unbounded_channel();
        let incoming = Incoming::new(
            listener,
            ServerTls::new(&material)?,
            HandshakeLimits::default(),
        )
        .on_refused(move |refusal| {
            let _ = sender.send(refusal.clone());
        });
        Ok(Self {
            port,
            incoming,
            refused,
        })
    }

    async fn connection(&mut self) -> Result<Connection> {
        let next = timeout(PATIENCE, self.incoming.next())
            .await
            .context("nobody got in")?;
        Ok(next.context("the stream ended")??)
    }

    async fn refused(&mut self) -> Result<RefusedHandshake> {
        tokio::select! {
            refused = timeout(PATIENCE, self.refused.recv()) => refused?.context("the observer is gone"),
            connection = self.incoming.next() => bail!("somebody got in: {connection:?}"),
        }
    }
}

fn s_client_command(port: u16, server: &Path, own: Option<&Path>) -> Command {
    let mut command = Command::new("openssl");
    command
        .args([
            "s_client",
            "-quiet",
            "-alpn",
            "h2",
            "-verify_return_error",
            "-servername",
            "localhost",
        ])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .arg("-CAfile")
        .arg(server.join("ca.crt"));
    if let Some(own) = own {
        command
            .arg("-cert")
            .arg(own.join("tls.crt"))
            .arg("-cert_chain")
            .arg(own.join("tls.crt"))
            .arg("-key")
            .arg(own.join("tls.key"));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn s_client(port: u16, server: &Path, own: Option<&Path>) -> Result<Child> {
    Ok(s_client_command(port, server, own).spawn()?)
}

async fn finish(child: Child) -> Result<Output> {
    Ok(timeout(PATIENCE, child.wait_with_output())
        .await
        .context("openssl goes on and on")??)
}

fn assert_refused(output: &Output, words: &str) {
    assert!(!output.status.success(), "{output:?}");
    // Versions differ in capitals.
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains(words), "{said}");
}

/// `openssl s_server` that demands a certificate.
struct ForeignServer {
    port: u16,
    child: Child,
}

impl ForeignServer {
    async fn start(dir: &Path) -> Result<Self> {
        let mut child = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-alpn",
                "h2",
                "-Verify",
                "3",
                "-verify_return_error",
            ])
            .arg("-CAfile")
            .arg(dir.join("ca.crt"))
            .arg("-cert")
            .arg(dir.join("tls.crt"))
            .arg("-cert_chain")
            .arg(dir.join("tls.crt"))
            .arg("-key")
            .arg(dir.join("tls.key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        // It says "ACCEPT 127.0.0.1:PORT" when it listens.
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let port = loop {
            let line = timeout(PATIENCE, lines.next_line())
                .await
                .context("openssl is silent")??;
            let line = line.context("openssl ended")?;
            if let Some((_, port)) = line
                .strip_prefix("ACCEPT ")
                .and_then(|address| address.rsplit_once(':'))
            {
                break port.trim().parse()?;
            }
        };
        // What else it says is read on, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { port, child })
    }

    /// What it sends to whoever connects: it reads its standard input while it has a peer.
    async fn say(&mut self, words: &[u8]) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("no stdin")?;
        stdin.write_all(words).await?;
        Ok(stdin.flush().await?)
    }
}

type Outcome = Result<hyper_util::rt::TokioIo<Connection>, ConnectError>;

async fn connect(connector: Connector, port: u16) -> Result<Outcome> {
    let uri = format!("https://localhost:{port}").parse()?;
    match patient(connector).oneshot(uri).await {
        Ok(connection) => Ok(Ok(connection)),
        Err(error) => match error.0.downcast::<ConnectError>() {
            Ok(error) => Ok(Err(*error)),
            Err(other) => bail!("not a ConnectError: {other}"),
        },
    }
}
