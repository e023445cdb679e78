//! Servers in this process, each for a few connections, on a port that the system chooses.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};

use crate::material::{Ca, Pair, certificates, crls as crls_of};

/// HTTP/2's empty SETTINGS, which a server of gRPC says first.
pub(crate) const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// TLS 1.2 and nothing else.
pub(crate) static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
/// TLS 1.3 and nothing else.
pub(crate) static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A server; it goes on in its thread until the test ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    names: mpsc::Receiver<Option<String>>,
}

/// How a server of TLS is set up.
pub(crate) struct Setup {
    pub(crate) pair: Pair,
    pub(crate) client: Client,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) ocsp: Vec<u8>,
    pub(crate) says: &'static [u8],
    /// Sent behind the certificates, as if they were some; or, first, in place of all of them.
    pub(crate) junk: Vec<Vec<u8>>,
    pub(crate) junk_alone: bool,
}

/// What it asks of its clients.
pub(crate) enum Client {
    Nothing,
    Optional(String),
    Required(String),
    NotRevoked(String, String),
}

impl Setup {
    /// A server of gRPC that asks for nothing.
    pub(crate) fn of(pair: &Pair) -> Self {
        Self {
            pair: pair.clone(),
            client: Client::Nothing,
            versions: rustls::ALL_VERSIONS,
            alpn: vec![b"h2".to_vec()],
            ocsp: Vec::new(),
            says: SETTINGS,
            junk: Vec::new(),
            junk_alone: false,
        }
    }

    pub(crate) fn client(self, client: Client) -> Self {
        Self { client, ..self }
    }

    pub(crate) fn requires(self, ca: &Ca) -> Self {
        self.client(Client::Required(ca.pem().to_owned()))
    }

    pub(crate) fn start(self) -> Server {
        let provider = Arc::new(default_provider());
        let verifier = |pem: &str, crls: Option<&str>, optional: bool| {
            let mut roots = RootCertStore::empty();
            for root in certificates(pem) {
                roots.add(root).expect("a root");
            }
            let mut builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            if let Some(crls) = crls {
                builder = builder
                    .with_crls(crls_of(crls))
                    .only_check_end_entity_revocation();
            }
            if optional {
                builder = builder.allow_unauthenticated();
            }
            builder.build().expect("a verifier")
        };
        let verifier: Arc<dyn ClientCertVerifier> = match &self.client {
            Client::Nothing => WebPkiClientVerifier::no_client_auth(),
            Client::Optional(pem) => verifier(pem, None, true),
            Client::Required(pem) => verifier(pem, None, false),
            Client::NotRevoked(pem, crls) => verifier(pem, Some(crls), false),
        };
        let mut chain = self.pair.chain();
        if self.junk_alone {
            chain.clear();
        }
        chain.extend(self.junk.into_iter().map(CertificateDer::from));
        let mut key = CertifiedKey::new(
            chain,
            provider
                .key_provider
                .load_private_key(self.pair.key())
                .expect("a key"),
        );
        key.ocsp = Some(self.ocsp).filter(|ocsp| !ocsp.is_empty());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_client_cert_verifier(verifier)
            // Also a key that does not belong to the certificate.
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        config.alpn_protocols = self.alpn;
        let config = Arc::new(config);
        let says = self.says;
        let (heard, names) = mpsc::channel();
        let address = listen("127.0.0.1:0", move |mut socket| {
            let mut tls = ServerConnection::new(config.clone()).expect("a connection");
            let done = loop {
                match tls.complete_io(&mut socket) {
                    Ok(_) if tls.is_handshaking() => {}
                    done => break done,
                }
            };
            let _ = heard.send(tls.server_name().map(str::to_owned));
            if done.is_err() {
                // The alert has been written; what is unread would reset the connection before it is read.
                drain(&mut socket);
                return;
            }
            let _ = tls.writer().write_all(says);
            let _ = tls.complete_io(&mut socket);
            drain(&mut socket);
        });
        Server { address, names }
    }
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The name for which the last client asked (SNI).
    pub(crate) fn asked_name(&self) -> Option<String> {
        self.names
            .recv_timeout(Duration::from_secs(20))
            .expect("a client was there")
    }
}

/// Answers every connection with `answer`, in its own thread.
pub(crate) fn listen(at: &str, answer: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(at).expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(socket));
        }
    });
    address
}

/// Reads until the client goes away.
pub(crate) fn drain(socket: &mut TcpStream) {
    let _ = socket.set_read_timeout(Some(Duration::from_secs(20)));
    let _ = std::io::copy(socket, &mut std::io::sink());
}
