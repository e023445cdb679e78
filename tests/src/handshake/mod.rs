//! Both ends of a handshake over loopback: a server that answers the standard health check and reports whom it refused,
//! and the call of a client, with everything that either saw.

pub mod expect;
pub mod house;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mtls::{
    ConnectError, Connector, HandshakeLimits, Incoming, PeerInfo, RefusedHandshake, ServerTls,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// How long a test waits for what must happen before it fails: long enough for a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A gRPC server with mutual TLS on a port of the system's choice.
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    refused: mpsc::UnboundedReceiver<RefusedHandshake>,
    callers: mpsc::UnboundedReceiver<Option<PeerInfo>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl TestServer {
    /// Starts it on 127.0.0.1.
    pub async fn start(tls: ServerTls) -> Result<Self> {
        Self::start_with(tls, HandshakeLimits::default()).await
    }

    /// Starts it with other limits.
    pub async fn start_with(tls: ServerTls, limits: HandshakeLimits) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (refused_sender, refused) = mpsc::unbounded_channel();
        let incoming = Incoming::new(listener, tls, limits).on_refused(move |refusal| {
            let _ = refused_sender.send(refusal.clone());
        });
        let (caller_sender, callers) = mpsc::unbounded_channel();
        let (_, health) = tonic_health::server::health_reporter();
        let health = InterceptedService::new(health, move |request: Request<()>| {
            let _ = caller_sender.send(request.extensions().get::<PeerInfo>().cloned());
            Ok(request)
        });
        let (stop, stopped) = oneshot::channel();
        let serving = Server::builder()
            .add_service(health)
            .serve_with_incoming_shutdown(incoming, async {
                let _ = stopped.await;
            });
        Ok(Self {
            address,
            refused,
            callers,
            stop,
            task: tokio::spawn(serving),
        })
    }

    /// The next peer that it refused.
    pub async fn refused(&mut self) -> Result<RefusedHandshake> {
        timeout(PATIENCE, self.refused.recv())
            .await
            .context("the server refused nobody")?
            .context("the server is gone")
    }

    /// Whether it has refused nobody else.
    pub fn has_refused_nobody_else(&mut self) -> bool {
        self.refused.try_recv().is_err()
    }

    /// The peer of the next request, as the handler sees it.
    pub async fn caller(&mut self) -> Result<PeerInfo> {
        timeout(PATIENCE, self.callers.recv())
            .await
            .context("nobody called")?
            .context("the server is gone")?
            .context("the request has no PeerInfo in its extensions")
    }

    /// Ends it; every connection is closed and no task is left.
    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        Ok(timeout(PATIENCE, self.task).await???)
    }
}

/// A channel to `host` on the server's port.
pub fn channel(server: SocketAddr, host: &str, connector: Connector) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("https://{host}:{}", server.port()))?;
    Ok(endpoint.connect_with_connector_lazy(patient(connector)))
}

/// Waits as long as a busy machine may take: what a refusal says must not depend on speed.
#[must_use]
pub fn patient(connector: Connector) -> Connector {
    connector
        .connect_timeout(PATIENCE)
        .first_byte_timeout(PATIENCE)
}

/// One call of the standard health check.
pub async fn check_health(channel: Channel) -> Result<(), Status> {
    let request = HealthCheckRequest::default();
    HealthClient::new(channel).check(request).await.map(drop)
}

/// Makes one call that must fail to connect: UNAVAILABLE, the reason's sentence as its message, and the typed reason
/// among its sources.
pub async fn failure_to_connect(channel: Channel) -> Result<ConnectError> {
    let Err(status) = check_health(channel).await else {
        bail!("the call succeeded");
    };
    anyhow::ensure!(
        status.code() == Code::Unavailable,
        "not UNAVAILABLE: {status:?}"
    );
    let error =
        find::<ConnectError>(&status).with_context(|| format!("no ConnectError in {status:?}"))?;
    anyhow::ensure!(
        status.message() == error.to_string(),
        "the message does not say why: {status:?}"
    );
    Ok(error.clone())
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
