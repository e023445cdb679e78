//! What joins the clients and servers of a listing: TCP on loopback for a person, memory for a test.
//!
//! In memory no byte waits for the kernel, so a test can pause tokio's clock: time jumps to the next timer as soon as
//! every task waits, and a story of ten seconds is told in milliseconds, the same way on every machine. With real
//! sockets a paused clock would run ahead of the bytes.

use std::io;

use anyhow::{Context, Result};
use futures_util::{Stream, TryStreamExt};
use hyper_util::rt::TokioIo;
use resilience::deadline::grpc_timeout::GRPC_TIMEOUT;
use resilience::deadline::{ServerDeadlineConfig, ServerDeadlineLayer};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Server};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// Where a listing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// TCP on loopback, a free port for each server.
    Loopback,
    /// Pipes in memory.
    Memory,
}

/// The innermost service of a client: a request goes out, a response comes in.
pub type Connection =
    BoxCloneSyncService<http::Request<Body>, http::Response<Body>, tonic::transport::Error>;

/// A running server.
#[derive(Debug)]
pub struct Host {
    door: Door,
    keeps_deadlines: bool,
    // Both end with the host: the sender's drop is the signal to stop.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
enum Door {
    Tcp(Box<Endpoint>),
    Memory(mpsc::UnboundedSender<io::Result<DuplexStream>>),
}

// Large enough for any message of the listings; HTTP/2's own windows are 64 KiB as well.
const PIPE: usize = 64 * 1024;

// === impl World ===

impl World {
    /// Serves `routes` until the host is dropped, behind the layer that every server of the house has: the one that
    /// reads the caller's deadline and stops the work when it passes.
    pub async fn serve(self, routes: Routes) -> Result<Host> {
        let deadlines = ServerDeadlineLayer::new(&ServerDeadlineConfig::default())?;
        self.start(routes, Some(deadlines)).await
    }

    /// A server that never learns how much time its caller has: without that layer, and without the header, which
    /// tonic would obey by itself.
    pub async fn serve_without_deadlines(self, routes: Routes) -> Result<Host> {
        self.start(routes, None).await
    }

    async fn start(self, routes: Routes, deadlines: Option<ServerDeadlineLayer>) -> Result<Host> {
        let keeps_deadlines = deadlines.is_some();
        let (stop, stopped) = oneshot::channel();
        let (door, task) = match self {
            Self::Loopback => {
                let listener = TcpListener::bind("127.0.0.1:0")
                    .await
                    .context("cannot listen on 127.0.0.1; is the loopback interface up?")?;
                let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr()?))?;
                // Answers are small and awaited: waiting to fill a segment would add 40 ms to many.
                let incoming = TcpListenerStream::new(listener).inspect_ok(|socket| {
                    let _ = socket.set_nodelay(true);
                });
                let task = tokio::spawn(serving(routes, deadlines, incoming, stopped));
                (Door::Tcp(Box::new(endpoint)), task)
            }
            Self::Memory => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let incoming = UnboundedReceiverStream::new(receiver);
                let task = tokio::spawn(serving(routes, deadlines, incoming, stopped));
                (Door::Memory(sender), task)
            }
        };
        Ok(Host {
            door,
            keeps_deadlines,
            _stop: stop,
            task,
        })
    }
}

async fn serving<I, IO>(
    routes: Routes,
    deadlines: Option<ServerDeadlineLayer>,
    incoming: I,
    stopped: oneshot::Receiver<()>,
) where
    I: Stream<Item = io::Result<IO>>,
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let stopped = async move {
        // Dropping the sender is the signal.
        let _ = stopped.await;
    };
    let mut server = Server::builder();
    // What would end a listing's server early shows as a failed call in its story.
    let _ = match deadlines {
        Some(layer) => {
            let router = server.layer(layer).add_routes(routes);
            router.serve_with_incoming_shutdown(incoming, stopped).await
        }
        None => {
            let router = server.add_routes(routes);
            router.serve_with_incoming_shutdown(incoming, stopped).await
        }
    };
}

// === impl Host ===

impl Host {
    /// A connection to this server, made when it is first used.
    pub fn connection(&self) -> Connection {
        let channel = match &self.door {
            Door::Tcp(endpoint) => endpoint.connect_lazy(),
            Door::Memory(door) => {
                let door = door.clone();
                let connector = tower::service_fn(move |_: http::Uri| {
                    let (near, far) = tokio::io::duplex(PIPE);
                    let open = door.send(Ok(far)).is_ok();
                    async move {
                        if open {
                            Ok(TokioIo::new(near))
                        } else {
                            Err(io::Error::from(io::ErrorKind::ConnectionRefused))
                        }
                    }
                });
                Endpoint::from_static("http://in-memory").connect_with_connector_lazy(connector)
            }
        };
        if self.keeps_deadlines {
            return BoxCloneSyncService::new(channel);
        }
        BoxCloneSyncService::new(channel.map_request(|mut request: http::Request<Body>| {
            request.headers_mut().remove(GRPC_TIMEOUT);
            request
        }))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}
