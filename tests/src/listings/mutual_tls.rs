//! Listing 6.8: mutual TLS. The server demands a client's certificate and verifies it.
//!
//! The chapter's server demands a certificate and verifies nothing (`RequireAnyClientCert`): whoever makes one for
//! himself gets in. Here that client is refused, and the server says why. The certificates are made by the command
//! `pki` in a temporary folder (the program `listing` runs itself as `pki`, by the same function as its binary); the five commands stand for the chapter's five of openssl.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use mtls::{
    ClientTls, ConnectError, ConnectFailure, Connector, HandshakeFailure, HandshakeLimits,
    Incoming, Material, PeerInfo, RefusedHandshake, ServerTls,
};
use proto::payment::v1::payment_client::PaymentClient;
use proto::payment::v1::payment_server::PaymentServer;
use proto::payment::v1::{CreatePaymentRequest, CreatePaymentResponse, PaymentRecord};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tonic::Request;
use tonic::transport::{Endpoint, Server};

use super::toys::{Method, ToyPayment, money};
use super::{Listing, Options, Story, Teller, World};

/// Listing 6.8.
pub const LISTING: Listing = Listing {
    number: "6.8",
    title: "Mutual TLS",
    shows: "Both sides prove who they are; a self-signed client and a wrong server name are refused.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// The name of the server, which its certificate carries.
pub const SERVER: &str = "payment.microservices.dev";
/// The kind of key that the chapter uses.
const RSA_4096: &str = "rsa-4096";
/// The name of the client, in the form of SPIFFE.
pub const CLIENT: &str = "spiffe://microservices.dev/order";
const STRANGER: &str = "stranger";
/// With this as its first argument the program `listing` is the command `pki`.
pub const PKI: &str = "pki";

/// What became of the three calls.
#[derive(Debug)]
pub struct Outcome {
    /// The commands that made the certificates, as a person would type them.
    pub commands: Vec<String>,
    /// The number of the payment that the right client got.
    pub payment_id: i64,
    /// Who called, as the server's handler saw it.
    pub caller: String,
    /// Why the server refused the client that made its certificate for itself.
    pub stranger_to_server: HandshakeFailure,
    /// What that client heard.
    pub stranger: ConnectFailure,
    /// Why the right client refused a server that cannot prove the name it was called by.
    pub wrong_name: ConnectFailure,
}

/// Tells the story, with the chapter's keys. Always over TCP: TLS is what it is about.
///
/// # Errors
/// When a certificate cannot be made, the server cannot be started, a call does not end as told, or the story cannot
/// be printed.
pub async fn run(out: &mut dyn Write, _world: World, _options: Options) -> Result<Outcome> {
    let program = env::current_exe().context("the running program has no path")?;
    run_with(out, &program, RSA_4096).await
}

/// The same with the path of the program `listing`, and with another kind of key, such as `p256`: an RSA key of 4096 bits
/// takes its time to be found.
///
/// # Errors
/// As [`run`].
pub async fn run_with(out: &mut dyn Write, program: &Path, key: &str) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;

    story.scene("Five commands, as many as the chapter has of openssl: a CA, and for each side a request and a signature.")?;
    let mut commands = Vec::new();
    for (arguments, stands_for) in steps(key) {
        let command = format!("pki {}", arguments.join(" "));
        story.command(&command, stands_for)?;
        for line in pki(program, folder.path(), &arguments)?.lines() {
            story.note(line)?;
        }
        commands.push(command);
    }
    make_stranger(folder.path())?;

    let (address, mut refused, mut callers) = serve(folder.path(), &teller).await?;
    let order = Connector::new(ClientTls::new(&Material::load(
        &folder.path().join("order"),
    )?)?);

    story.scene("The right client: its certificate leads to the CA that the server trusts.")?;
    let right = order.clone().server_name(SERVER)?;
    let payment_id = story
        .tell(async {
            teller.tell("order", format!("calls Payment.Create at {SERVER}"));
            let id = charge(address, right).await?;
            teller.good("order", format!("payment {id} is made"));
            anyhow::Ok(id)
        })
        .await??;
    let caller = callers.recv().await.context("the server saw no caller")?;

    story.scene("A client whose certificate has the same names, signed by its own key. The chapter's server lets it in.")?;
    let stranger = Material::load(&folder.path().join(STRANGER))?;
    let stranger = Connector::new(ClientTls::new(&stranger)?).server_name(SERVER)?;
    let (stranger, stranger_to_server) = story
        .tell(async {
            teller.tell(STRANGER, format!("calls Payment.Create at {SERVER}"));
            let heard = refusal(address, stranger).await?;
            let said = refused.recv().await.context("the server refused no one")?;
            teller.bad(STRANGER, heard.to_string());
            anyhow::Ok((heard.reason, said.reason))
        })
        .await??;

    story.scene("The right client again, and the server is not who it is called: the certificate is payment's.")?;
    let wrong = order.server_name("shipping.microservices.dev")?;
    let wrong_name = story
        .tell(async {
            teller.tell(
                "order",
                "calls shipping.microservices.dev, and payment answers",
            );
            let heard = refusal(address, wrong).await?;
            teller.bad("order", heard.to_string());
            anyhow::Ok(heard.reason)
        })
        .await??;

    story.moral(
        "A certificate that was asked for and not verified is a name tag that anyone can write.",
    )?;
    Ok(Outcome {
        commands,
        payment_id,
        caller,
        stranger_to_server,
        stranger,
        wrong_name,
    })
}

/// The folder of the certificates, as a person would have it.
const FOLDER: &str = "certs";

/// The arguments of each `pki` command, and which step of the chapter it stands for.
fn steps(key: &str) -> Vec<(Vec<String>, &'static str)> {
    let subject = |organisation: &str, unit: &str, name: &str| {
        format!(
            "/C=TR/ST=EURASIA/L=ISTANBUL/O={organisation}/OU={unit}/CN={name}.microservices.dev/emailAddress=ca@microservices.dev"
        )
    };
    let ca = subject("Software", "Microservices", "ca");
    let payment = subject("Microservices", "PaymentService", "payment");
    let order = subject("Microservices", "OrderService", "order");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let request = |name: &str| format!("{FOLDER}/{name}/tls.csr");
    vec![
        (
            words(&[
                "init",
                "--single-tier",
                "--key",
                key,
                "--days",
                "365",
                "--subject",
                &ca,
            ]),
            "openssl req -x509",
        ),
        (
            words(&[
                "csr",
                "payment",
                "--key",
                key,
                "--subject",
                &payment,
                "--dns",
                SERVER,
            ]),
            "openssl req -newkey",
        ),
        (
            words(&[
                "sign",
                &request("payment"),
                "--profile",
                "server",
                "--days",
                "60",
            ]),
            "openssl x509 -req -CA",
        ),
        (
            words(&[
                "csr",
                "order",
                "--key",
                key,
                "--subject",
                &order,
                "--uri",
                CLIENT,
            ]),
            "openssl req -newkey",
        ),
        (
            words(&[
                "sign",
                &request("order"),
                "--profile",
                "client",
                "--days",
                "60",
            ]),
            "openssl x509 -req -CA",
        ),
    ]
}

/// Runs `pki` on `folder` in place of `certs`, and gives back what it printed.
fn pki(program: &Path, folder: &Path, arguments: &[String]) -> Result<String> {
    let prefix = format!("{FOLDER}/");
    let arguments = arguments
        .iter()
        .map(|argument| match argument.strip_prefix(&prefix) {
            Some(file) => folder.join(file).into_os_string(),
            None => argument.into(),
        });
    let output = Command::new(program)
        .arg(PKI)
        .args(arguments)
        .arg("--dir")
        .arg(folder)
        .output()
        .with_context(|| format!("{} does not start", program.display()))?;
    ensure!(
        output.status.success(),
        "pki failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(printed.replace(&*folder.to_string_lossy(), FOLDER))
}

/// A certificate that is its own issuer, with the names of the right client.
fn make_stranger(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(CLIENT.try_into()?)];
    params
        .distinguished_name
        .push(DnType::CommonName, "order.microservices.dev");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key)?.pem();
    let anchors = fs::read_to_string(folder.join("order").join("ca.crt"))?;
    let dir = folder.join(STRANGER);
    fs::create_dir(&dir)?;
    fs::write(dir.join("tls.crt"), &certificate)?;
    fs::write(dir.join("tls.key"), key.serialize_pem())?;
    // It trusts the server as everyone does, and itself.
    fs::write(dir.join("ca.crt"), anchors + &certificate)?;
    Ok(())
}

type Seen = (
    SocketAddr,
    UnboundedReceiver<RefusedHandshake>,
    UnboundedReceiver<String>,
);

async fn serve(folder: &Path, teller: &Teller) -> Result<Seen> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let tls = ServerTls::new(&Material::load(&folder.join("payment"))?)?;
    let (report, refused) = mpsc::unbounded_channel();
    let incoming = Incoming::new(listener, tls, HandshakeLimits::default()).on_refused({
        let teller = teller.clone();
        move |peer| {
            teller.bad("payment", format!("lets no one in: {}", peer.reason));
            let _ = report.send(peer.clone());
        }
    });

    let (saw, callers) = mpsc::unbounded_channel();
    let teller = teller.clone();
    let create = Method::new(move |request: Request<CreatePaymentRequest>| {
        let peer = request.extensions().get::<PeerInfo>();
        let caller = peer
            .and_then(|peer| peer.identity.as_ref())
            .map_or_else(|| "someone".to_owned(), ToString::to_string);
        teller.good("payment", format!("is called by {caller}"));
        let _ = saw.send(caller);
        async {
            Ok(CreatePaymentResponse {
                payment: Some(PaymentRecord {
                    payment_id: 1243,
                    ..Default::default()
                }),
            })
        }
    });
    let router = Server::builder().add_service(PaymentServer::new(ToyPayment { create }));
    tokio::spawn(async move {
        // What would end it early shows as a failed call in the story.
        let _ = router.serve_with_incoming(incoming).await;
    });
    Ok((address, refused, callers))
}

async fn charge(address: SocketAddr, connector: Connector) -> Result<i64> {
    let channel = Endpoint::from_shared(format!("https://{address}"))?
        .connect_with_connector(connector)
        .await?;
    let answer = PaymentClient::new(channel)
        .create(CreatePaymentRequest {
            order_id: "1243".to_owned(),
            amount: Some(money(2, 0)),
            ..Default::default()
        })
        .await?;
    let payment = answer.into_inner().payment;
    Ok(payment.context("the answer holds no payment")?.payment_id)
}

async fn refusal(address: SocketAddr, connector: Connector) -> Result<ConnectError> {
    let error = Endpoint::from_shared(format!("https://{address}"))?
        .connect_with_connector(connector)
        .await
        .err()
        .context("a connection was made that should have been refused")?;
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<ConnectError>() {
            return Ok(refused.clone());
        }
        cause = error.source();
    }
    Err(error).context("the failure does not say why the connection was refused")
}
