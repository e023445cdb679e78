//! A process without a file descriptor left cannot accept, and must not stop accepting for that. Alone in its binary,
//! because the limit is the process's.

#![cfg(unix)]

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use futures_util::StreamExt;
use mtls::{HandshakeFailure, HandshakeLimits, Incoming, Material, ServerTls};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_loop_says_so_waits_and_goes_on() -> Result<(), Box<dyn Error>> {
    let (log, mut lines) = mpsc::unbounded_channel();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || Log(log.clone()))
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (sender, mut refused) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.write_all(b"neither TLS nor anything else\n")?;
    let mut incoming = Incoming::new(listener, server_tls()?, HandshakeLimits::default())
        .on_refused(move |refusal| drop(sender.send(refusal.clone())));

    let spent = spend_all_descriptors()?;
    let line = tokio::select! {
        _ = incoming.next() => return Err("somebody got in".into()),
        line = timeout(PATIENCE, lines.recv()) => line?.ok_or("the log is gone")?,
    };
    assert!(
        line.contains("ERROR") && line.contains("connections cannot be accepted"),
        "{line}"
    );

    drop(spent);
    let refusal = tokio::select! {
        _ = incoming.next() => return Err("somebody got in".into()),
        refusal = timeout(PATIENCE, refused.recv()) => refusal?.ok_or("the observer is gone")?,
    };
    assert_eq!(refusal.reason, HandshakeFailure::NotTls);
    assert_eq!(refusal.address, client.local_addr()?);

    // The log has the same, for people: the address and the reason.
    let mut line = String::new();
    while !line.contains("TLS handshake refused") {
        line = timeout(PATIENCE, lines.recv())
            .await?
            .ok_or("the log is gone")?;
    }
    assert!(line.contains("the peer does not speak TLS"), "{line}");
    assert!(line.contains(&client.local_addr()?.to_string()), "{line}");
    Ok(())
}

/// Lowers the limit, so that the test need not open thousands of files, and opens files until there is none left.
fn spend_all_descriptors() -> Result<Vec<File>, Box<dyn Error>> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit)?;
    let mut spent = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => spent.push(file),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
                return Ok(spent);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn server_tls() -> Result<ServerTls, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?.pem();
    std::fs::write(dir.path().join("tls.crt"), &certificate)?;
    std::fs::write(dir.path().join("ca.crt"), &certificate)?;
    std::fs::write(dir.path().join("tls.key"), key.serialize_pem())?;
    Ok(ServerTls::new(&Material::load(dir.path())?)?)
}

/// Each line of the log goes to the test.
struct Log(mpsc::UnboundedSender<String>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.0.send(String::from_utf8_lossy(bytes).into_owned()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
