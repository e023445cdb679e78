//! One handshake on the server's side, from the accepted socket to a connection or a reason.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::connection::Connection;
use crate::handshake_failure::HandshakeFailure;

/// How long, and for how many bytes, a refused peer is listened to so that it hears why (see [`say_goodbye`]).
const GOODBYE: Duration = Duration::from_secs(1);
const GOODBYE_BYTES: u64 = 64 * 1024;

/// A peer that did not get in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedHandshake {
    /// The address of its socket.
    pub address: SocketAddr,
    /// Why.
    pub reason: HandshakeFailure,
}

impl fmt::Display for RefusedHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused: {}", self.address, self.reason)
    }
}

/// What comes of a handshake. A refused socket is kept until it has said goodbye.
pub(crate) type Outcome = Result<Connection, (RefusedHandshake, Option<TcpStream>)>;

/// `gave_way` fires, or its sender is dropped, when a newer handshake needs the place.
pub(crate) async fn shake_hands(
    socket: TcpStream,
    address: SocketAddr,
    config: Arc<ServerConfig>,
    limit: Duration,
    gave_way: &mut oneshot::Receiver<()>,
) -> Outcome {
    let refused = |reason| RefusedHandshake { address, reason };
    // Calls are small and answered at once: waiting to fill a segment only adds delay.
    let _ = socket.set_nodelay(true);
    let accepted = tokio::select! {
        accepted = TlsAcceptor::from(config).accept(socket).into_fallible() => accepted,
        () = tokio::time::sleep(limit) => return Err((refused(HandshakeFailure::TimedOut(limit)), None)),
        _ = gave_way => return Err((refused(HandshakeFailure::GaveWay), None)),
    };
    match accepted {
        Ok(tls) => Connection::new(TlsStream::Server(tls), Some(address))
            .map_err(|reason| (refused(reason), None)),
        Err((error, socket)) => Err((refused(HandshakeFailure::from_io(&error)), Some(socket))),
    }
}

/// Lets the alert reach the peer. A socket that is closed with unread bytes resets the connection (RFC 1122, 4.2.2.13),
/// and the reset can overtake the alert: so this side ends its half and reads on, within bounds, until the peer ends
/// its own.
pub(crate) async fn say_goodbye(mut socket: TcpStream, gave_way: &mut oneshot::Receiver<()>) {
    let goodbye = async {
        if socket.shutdown().await.is_ok() {
            let mut rest = (&mut socket).take(GOODBYE_BYTES);
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        }
    };
    tokio::select! {
        () = goodbye => {}
        () = tokio::time::sleep(GOODBYE) => {}
        _ = gave_way => {}
    }
}
