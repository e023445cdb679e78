//! What joins the clients and servers of a listing: TCP on loopback for a person, memory for a test.
//!
//! In memory no byte waits for the kernel, so a test can pause tokio's clock: time jumps to the next timer as soon as
//! every task waits, and a story of ten seconds is told in milliseconds, the same way on every machine. With real
//! sockets a paused clock would run ahead of the bytes.

use std::future::Future;
use std::io;

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};

/// Where a listing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// TCP on loopback, a free port for each server.
    Loopback,
    /// Pipes in memory.
    Memory,
}

/// A running server.
#[derive(Debug)]
pub struct Host {
    door: Door,
    // Both end with the host: the sender's drop is the signal to stop.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
enum Door {
    Tcp(Endpoint),
    Memory(mpsc::UnboundedSender<io::Result<DuplexStream>>),
}

// Large enough for any message of the listings; HTTP/2's own windows are 64 KiB as well.
const PIPE: usize = 64 * 1024;

// === impl World ===

impl World {
    /// Serves `routes` until the host is dropped, behind the layer that every server of the house has: the one that
    /// reads the caller's deadline and stops the work when it passes.
    pub async fn serve(self, routes: Routes) -> Result<Host> {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _ = stopped.await;
        };
        match self {
            Self::Loopback => {
                let listener = TcpListener::bind("127.0.0.1:0")
                    .await
                    .context("cannot listen on 127.0.0.1; is the loopback interface up?")?;
                let address = listener.local_addr()?;
                let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
                let incoming = TcpListenerStream::new(listener);
                let serving = server().add_routes(routes);
                let serving = serving.serve_with_incoming_shutdown(incoming, stopped);
                Ok(Host::new(Door::Tcp(endpoint), stop, serving))
            }
            Self::Memory => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let incoming = UnboundedReceiverStream::new(receiver);
                let serving = server().add_routes(routes);
                let serving = serving.serve_with_incoming_shutdown(incoming, stopped);
                Ok(Host::new(Door::Memory(sender), stop, serving))
            }
        }
    }
}

// === impl Host ===

impl Host {
    fn new(
        door: Door,
        stop: oneshot::Sender<()>,
        serving: impl Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
    ) -> Self {
        Self {
            door,
            _stop: stop,
            task: tokio::spawn(async move {
                // What would end a listing's server early shows as a failed call in its story.
                let _ = serving.await;
            }),
        }
    }

    /// A connection to this server, made when it is first used.
    pub fn channel(&self) -> Channel {
        match &self.door {
            Door::Tcp(endpoint) => endpoint.connect_lazy(),
            Door::Memory(door) => {
                let door = door.clone();
                Endpoint::from_static("http://in-memory").connect_with_connector_lazy(
                    tower::service_fn(move |_: http::Uri| {
                        let door = door.clone();
                        async move {
                            let (near, far) = tokio::io::duplex(PIPE);
                            door.send(Ok(far))
                                .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
                            Ok::<_, io::Error>(TokioIo::new(near))
                        }
                    }),
                )
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn server() -> Server {
    Server::builder()
}
