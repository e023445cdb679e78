//! An established TLS connection and who is on its other side.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tonic::transport::server::Connected;

use crate::certificate_problem::CertificateProblem;
use crate::handshake_failure::HandshakeFailure;
use crate::peer_identity::PeerIdentity;

/// Who is on the other side of a connection. tonic puts it into the extensions of every request on it.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The address of its socket.
    pub address: Option<SocketAddr>,
    /// The names in its verified certificate; none when it was not asked for one.
    pub identity: Option<Arc<PeerIdentity>>,
}

/// A TLS connection whose handshake is done.
pub struct Connection {
    tls: TlsStream<TcpStream>,
    peer: PeerInfo,
}

impl Connection {
    /// Reads the names in the certificate that the peer showed. It was verified, and the verification refused what
    /// cannot be read here.
    pub(crate) fn new(
        tls: TlsStream<TcpStream>,
        address: Option<SocketAddr>,
    ) -> Result<Self, HandshakeFailure> {
        let (_, session) = tls.get_ref();
        let identity = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(PeerIdentity::from_certificate)
            .transpose()
            .map_err(|error| HandshakeFailure::Certificate(CertificateProblem::Unreadable(error)))?
            .map(Arc::new);
        Ok(Self {
            tls,
            peer: PeerInfo { address, identity },
        })
    }

    /// Who is on the other side.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }
}

impl Connected for Connection {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
