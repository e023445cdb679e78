//! Opens TLS connections for a client: the connector that `tonic::transport::Endpoint::connect_with_connector` (or
//! hyper) takes, for URIs that begin with `https://`.
//!
//! In TLS 1.3 a client is done before the server has looked at its certificate (RFC 8446, 4.4.4 and 6.2), so a refusal
//! arrives where the first answer is expected, and the caller would see a broken connection. This connector therefore
//! waits, within bounds, for the server's first byte: an HTTP/2 server sends its SETTINGS at once (RFC 9113, 3.4), and
//! a server that refuses sends its alert. One that speaks second (it may) costs the wait once a connection.
//!
//! It does not retry, pool or balance: that is the channel's work.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::AsyncBufRead;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::client_tls::ClientTls;
use crate::connect_error::{ConnectError, ConnectFailure};
use crate::connection::Connection;
use crate::handshake_failure::HandshakeFailure;
use crate::provider::ALPN;

const TCP_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens TLS connections; a `tower::Service<http::Uri>`.
#[derive(Clone, Debug)]
pub struct Connector {
    tls: ClientTls,
    server_name: Option<ServerName<'static>>,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
}

impl Connector {
    /// Verifies that the server's certificate is for the host of the URI, waits 2 seconds for TCP and 5 in all.
    #[must_use]
    pub fn new(tls: ClientTls) -> Self {
        Self {
            tls,
            server_name: None,
            connect_timeout: CONNECT_TIMEOUT,
            first_byte_timeout: FIRST_BYTE_TIMEOUT,
        }
    }

    /// Verifies that the server's certificate is for `name`, a DNS name or IP address, whatever host the URI has.
    ///
    /// # Errors
    /// [`InvalidServerName`] when it is neither; a wildcard is not a server's name.
    pub fn server_name(mut self, name: &str) -> Result<Self, InvalidServerName> {
        self.server_name = Some(parse_server_name(name)?);
        Ok(self)
    }

    /// Waits this long in all: name, TCP (at most 2 seconds of it), TLS, and the server's first byte.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Waits this long of it for the server's first byte; 1 second unless told otherwise, and never by itself an error.
    #[must_use]
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    async fn connect(self, uri: Uri) -> Result<Connection, ConnectError> {
        let host = uri.host().unwrap_or_default();
        // RFC 3986, 3.2.2: an IPv6 address stands in brackets, which are not part of it.
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let port = uri.port_u16().unwrap_or(443);
        let server_name = match self.server_name.clone() {
            Some(name) => Ok(name),
            None => parse_server_name(host),
        };
        let failed = |reason| ConnectError {
            address: match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            },
            server_name: server_name
                .as_ref()
                .map_or_else(|_| host.to_owned(), |name| name.to_str().into_owned()),
            reason,
        };
        if uri.scheme_str() != Some("https") {
            return Err(failed(ConnectFailure::Uri(
                "this connector speaks TLS only: use https://",
            )));
        }
        let name = server_name.clone().map_err(|_| {
            failed(ConnectFailure::Uri(
                "the host is neither a DNS name nor an IP address",
            ))
        })?;

        let deadline = Instant::now() + self.connect_timeout;
        let limit = self.connect_timeout;
        let late = |during| failed(ConnectFailure::TimedOut { during, limit });
        let socket = timeout_at(deadline, tcp(host, port))
            .await
            .map_err(|_| late("the TCP connection"))?
            .map_err(failed)?;
        let mut tls = timeout_at(deadline, handshake(socket, self.tls.current(), name))
            .await
            .map_err(|_| late("the TLS handshake"))?
            .map_err(failed)?;
        let first_byte_deadline = deadline.min(Instant::now() + self.first_byte_timeout);
        if let Ok(Err(failure)) = timeout_at(first_byte_deadline, first_byte(&mut tls)).await {
            return Err(failed(ConnectFailure::Handshake(failure)));
        }
        let address = tls.get_ref().0.peer_addr().ok();
        Connection::new(TlsStream::Client(tls), address)
            .map_err(|failure| failed(ConnectFailure::Handshake(failure)))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    /// tonic recognises this type and makes UNAVAILABLE of it; the [`ConnectError`] is inside.
    type Error = tonic::ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            connector
                .connect(uri)
                .await
                .map(TokioIo::new)
                .map_err(|error| {
                    tracing::debug!(reason = error.reason.label(), "{error}");
                    tonic::ConnectError(Box::new(error))
                })
        })
    }
}

/// A name that no server can prove to have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a DNS name nor an IP address: give the name of one server, without wildcard, scheme or port"
)]
pub struct InvalidServerName(String);

fn parse_server_name(name: &str) -> Result<ServerName<'static>, InvalidServerName> {
    ServerName::try_from(name.to_owned()).map_err(|_| InvalidServerName(name.to_owned()))
}

/// Tries the addresses of the host one after the other.
async fn tcp(host: &str, port: u16) -> Result<TcpStream, ConnectFailure> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port))
        .await
        .map_err(|error| ConnectFailure::Resolve(error.to_string()))?
        .collect();
    let mut last = ConnectFailure::Resolve("its name leads nowhere".to_owned());
    for address in addresses {
        match timeout(TCP_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                // Calls are small and awaited: waiting to fill a segment only adds delay.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(error)) => last = ConnectFailure::Tcp(error.kind(), error.to_string()),
            Err(_) => {
                last = ConnectFailure::TimedOut {
                    during: "the TCP connection",
                    limit: TCP_TIMEOUT,
                }
            }
        }
    }
    Err(last)
}

type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

async fn handshake(
    socket: TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<ClientStream, ConnectFailure> {
    let tls = TlsConnector::from(config)
        .connect(name, socket)
        .await
        .map_err(|error| ConnectFailure::Handshake(HandshakeFailure::from_io(&error)))?;
    match tls.get_ref().1.alpn_protocol() {
        Some(ALPN) => Ok(tls),
        _ => Err(ConnectFailure::NotHttp2),
    }
}

/// Waits until the server has said something, and leaves it to be read. In TLS 1.2 the server's last word comes after
/// its check, so there is nothing to wait for.
async fn first_byte(tls: &mut ClientStream) -> Result<(), HandshakeFailure> {
    if tls.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Ok(());
    }
    match poll_fn(|cx| poll_buffered(tls, cx)).await {
        Ok(0) => Err(HandshakeFailure::Closed),
        Ok(_) => Ok(()),
        Err(error) => Err(HandshakeFailure::from_io(&error)),
    }
}

fn poll_buffered(tls: &mut ClientStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    Pin::new(tls).poll_fill_buf(cx).map_ok(<[u8]>::len)
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::test_ca::{TestCa, TestResult, days};

    fn connector() -> TestResult<Connector> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("ca.crt");
        std::fs::write(&file, TestCa::new(days(-1), days(1))?.pem)?;
        Ok(Connector::new(ClientTls::without_certificate(&file)?))
    }

    async fn refusal(connector: Connector, uri: &str) -> TestResult<ConnectError> {
        let error = connector
            .oneshot(uri.parse()?)
            .await
            .err()
            .ok_or("it connected")?;
        let error = error.0.downcast_ref::<ConnectError>();
        Ok(error.ok_or("it is not a ConnectError")?.clone())
    }

    #[tokio::test]
    async fn plaintext_is_not_spoken_by_accident() -> TestResult {
        let error = refusal(connector()?, "http://payment.microservices.dev").await?;
        assert_eq!(
            error.to_string(),
            "cannot connect to payment.microservices.dev:443: this connector speaks TLS only: \
             use https://"
        );
        Ok(())
    }

    #[tokio::test]
    async fn an_ipv6_address_loses_its_brackets_and_keeps_its_port() -> TestResult {
        // Port 1 of the loopback address: nothing listens there, with or without IPv6 on this machine.
        let error = refusal(connector()?, "https://[::1]:1").await?;
        assert_eq!(
            (error.server_name.as_str(), error.address.as_str()),
            ("::1", "[::1]:1")
        );
        assert_eq!(error.reason.label(), "tcp");
        let sentence = error.to_string();
        assert!(
            sentence.starts_with("cannot connect to [::1]:1: "),
            "{sentence}"
        );
        Ok(())
    }

    #[tokio::test]
    async fn the_name_to_verify_can_differ_from_the_host() -> TestResult {
        let named = connector()?.server_name("payment.microservices.dev")?;
        let error = refusal(named, "https://127.0.0.1:1").await?;
        assert_eq!(
            error.to_string(),
            "cannot connect to payment.microservices.dev at 127.0.0.1:1: nothing listens there (connection refused)"
        );
        Ok(())
    }

    #[test]
    fn what_no_server_can_be_called_is_refused() -> TestResult {
        for name in [
            "*.microservices.dev",
            "https://payment",
            "payment:443",
            "a b",
            "",
        ] {
            let refusal = connector()?.server_name(name).map(drop);
            assert_eq!(refusal, Err(InvalidServerName(name.to_owned())));
        }
        Ok(())
    }
}
