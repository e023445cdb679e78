//! THE client stack: everything between a generated client and a connection, on one screen ([`connect`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use mtls::{ClientTls, ConnectError, Connector};
use resilience::ClientPolicy;
use resilience::idempotency::Methods;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};

use crate::config::Peer;

/// A way to call one peer, for a generated client: `PaymentClient::new(client)`. Clones share one connection, one
/// retry budget and one set of circuit breakers.
#[derive(Clone)]
pub struct Client {
    stack: Stack,
    refusal: Refusal,
}

/// Why there is no connection, as long as there is none.
type Refusal = Arc<Mutex<Option<ConnectError>>>;

type Stack = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

/// Why a peer cannot be called with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none.
    #[error("{address:?} is not the address of a service ({problem}); write https://HOST:PORT")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The server's name is none.
    #[error(transparent)]
    ServerName(#[from] mtls::InvalidServerName),
    /// The policy contradicts itself.
    #[error("its policy: {0}")]
    Policy(String),
    /// The file descriptors are not what a compiler made of .proto files.
    #[error(transparent)]
    Descriptors(#[from] resilience::idempotency::DescriptorError),
}

/// Servers send details of an error in headers. At tonic's default of 16 KiB a longer one costs the whole status
/// ("h2 protocol error"), so more is taken.
const MAX_HEADERS: u32 = 64 * 1024;
/// A connection with calls on it is asked this often whether it is still there; a quiet one never is, since servers
/// answer too many pings by hanging up (gRFC A8).
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The way to call a peer. Nothing is connected before the first call, and a lost connection is made anew by the next
/// one. `descriptors` is the encoded `FileDescriptorSet` that says which of its methods may be repeated.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// When the settings are not in order. Whether the peer is there is found out by calling it.
pub fn connect(peer: &Peer, tls: &ClientTls, descriptors: &[u8]) -> Result<Client, ClientError> {
    let endpoint = endpoint(&peer.address)?;
    let mut connector = Connector::new(tls.clone());
    if let Some(name) = &peer.server_name {
        connector = connector.server_name(name)?;
    }
    let refusal = Refusal::default();
    // Names the error as tonic does, which is how a layer knows that nothing was sent.
    let connector = {
        let refusal = Arc::clone(&refusal);
        connector.map_result(move |connected| {
            let reason = connected.as_ref().err().and_then(reason);
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = reason;
            connected.map_err(|error| tonic::ConnectError(error.into()))
        })
    };

    let methods = Arc::new(Methods::from_descriptor_set(descriptors)?);
    let policy = ClientPolicy::new(peer.policy.clone())
        .map_err(|error| ClientError::Policy(error.to_string()))?;

    // The order is the point; outermost first.
    let stack = ServiceBuilder::new()
        // The time of everything below: all attempts, all pauses, connecting. There is no call without a deadline.
        .layer(policy.deadline_layer())
        // Each attempt passes through all that follows, so a second one sees what the breaker learned from the first.
        .layer(policy.retry_layer(methods))
        // Counts attempts, not calls; one breaker for each method of this peer.
        .layer(policy.circuit_breaker_layer(peer.address.as_str()))
        // Inside the breaker, to which an attempt that took too long is a failure. Writes `grpc-timeout` last, so that
        // the server is told what is really left.
        .layer(policy.attempt_timeout_layer())
        // Connects when it is first used, and anew when the connection is lost.
        .service(Channel::new(connector, endpoint));
    Ok(Client {
        refusal,
        ..Client::over(stack)
    })
}

/// Why the connector made no connection.
fn reason(error: &tonic::ConnectError) -> Option<ConnectError> {
    error.0.downcast_ref().cloned()
}

fn endpoint(address: &str) -> Result<Endpoint, ClientError> {
    let refuse = |problem: &str| ClientError::Address {
        address: address.to_owned(),
        problem: problem.to_owned(),
    };
    let uri: http::Uri = address
        .parse()
        .map_err(|error: http::uri::InvalidUri| refuse(&error.to_string()))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some(_) => return Err(refuse("calls go over TLS only")),
        None => return Err(refuse("it does not begin with https://")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(refuse("there is no host"));
    }
    if uri.port_u16().is_none() {
        return Err(refuse("there is no port"));
    }
    if uri
        .path_and_query()
        .is_some_and(|path| path.as_str() != "/")
    {
        return Err(refuse("there is something after the port"));
    }
    Ok(Endpoint::from(uri)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(false)
        .http2_max_header_list_size(MAX_HEADERS)
        .tcp_nodelay(true))
}

impl Client {
    /// A client over any service that speaks gRPC: the stack of [`connect`], or in a test, a handler in the same
    /// process.
    pub fn over<S>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self {
            stack: BoxCloneSyncService::new(service.map_err(Into::into)),
            refusal: Refusal::default(),
        }
    }

    /// Why the last attempt to connect failed; none when it did not. A status says UNAVAILABLE whatever the reason, and
    /// to the services it is the same: they are kept from each other. A person wants to know which of them ends by
    /// itself.
    pub fn refusal(&self) -> Option<ConnectError> {
        let refusal = self.refusal.lock();
        refusal.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = <Stack as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.stack.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.stack.call(request)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_with_host_and_port_and_nothing_else() {
        for good in [
            "https://127.0.0.1:50051",
            "https://[::1]:50051",
            "https://payment:50051/",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:50051",
            "http://127.0.0.1:50051",
            "https://127.0.0.1",
            "https://127.0.0.1:50051/v1",
            "https://127.0.0.1:99999",
            "https://:50051",
            "payment",
        ] {
            let error = endpoint(bad).expect_err(bad).to_string();
            assert!(error.contains("https://HOST:PORT"), "{error}");
        }
    }
}
