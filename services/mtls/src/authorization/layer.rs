//! The layer: looks the peer up in the request's extensions, asks the policy, and lets the request pass or answers.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tonic::body::Body;

use super::policy::Policy;
use crate::connection::PeerInfo;
use crate::peer_identity::PeerIdentity;
use crate::text::Escaped;

/// Puts [`Authorization`] in front of a service.
///
/// It stands inside whatever puts [`PeerInfo`] into the request (tonic does, for every connection of
/// [`Incoming`](crate::Incoming)) and outside everything that does work for the caller.
#[derive(Clone, Debug)]
pub struct AuthorizationLayer {
    policy: Arc<Policy>,
    refuse: Refuse,
}

/// How a refusal becomes a response. It is given, not made here: what a status looks like is the program's decision.
type Refuse = fn(&Refusal) -> http::Response<Body>;

impl AuthorizationLayer {
    /// Applies `policy`, and answers refused requests with what `refuse` makes of them.
    #[must_use]
    pub fn new(policy: Arc<Policy>, refuse: Refuse) -> Self {
        Self { policy, refuse }
    }
}

impl<S> tower::Layer<S> for AuthorizationLayer {
    type Service = Authorization<S>;

    fn layer(&self, inner: S) -> Authorization<S> {
        Authorization {
            inner,
            policy: Arc::clone(&self.policy),
            refuse: self.refuse,
        }
    }
}

/// Passes on the requests that the policy allows.
#[derive(Clone, Debug)]
pub struct Authorization<S> {
    inner: S,
    policy: Arc<Policy>,
    refuse: Refuse,
}

impl<S, B> tower::Service<http::Request<B>> for Authorization<S>
where
    S: tower::Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let peer = request
            .extensions()
            .get::<PeerInfo>()
            .and_then(|peer| peer.identity.clone());
        if self.policy.allows(request.uri().path(), peer.as_deref()) {
            return Either::Left(self.inner.call(request));
        }
        let refusal = Refusal {
            method: request.uri().path().trim_start_matches('/').to_owned(),
            peer,
        };
        tracing::warn!(rpc.method = %Escaped(&refusal.method), "call refused: {refusal}");
        Either::Right(ready(Ok((self.refuse)(&refusal))))
    }
}

/// A call that the policy does not allow. It says who called what; it does not know who may.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// `package.Service/Method`, as the caller wrote it.
    pub method: String,
    /// Who called; none when no certificate was shown.
    pub peer: Option<Arc<PeerIdentity>>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Some(peer) => write!(f, "{peer} may not call {}", Escaped(&self.method)),
            None => write!(
                f,
                "a caller without a certificate may not call {}",
                Escaped(&self.method)
            ),
        }
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
