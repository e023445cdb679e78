//! The gRPC services that one process serves, and what runs beside them.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;

use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;

/// What a service hands over to be served.
#[derive(Default)]
pub struct Services {
    pub(super) routes: Routes,
    pub(super) names: Vec<&'static str>,
    pub(super) workers: Vec<Worker>,
}

pub(super) struct Worker {
    pub(super) name: &'static str,
    pub(super) run: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Services {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, a generated server such as `PaymentServer::new(..)`. It is named in health and reflection.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "`add` is what one does to a list; nobody takes it for arithmetic"
    )]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: tower::Service<
                http::Request<Body>,
                Response = http::Response<Body>,
                Error = Infallible,
                Future: Send + 'static,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Something that runs as long as the service does. It is expected to end by itself soon after
    /// [`Shutdown::requested`](super::Shutdown::requested) completes; it is dropped when the grace of the calls in
    /// flight is over. After a panic in it the calls are still answered, and health says NOT_SERVING, so that whoever
    /// watches over the process starts it anew. It is not started again in place: what it tripped over is most likely
    /// still there, and a worker that trips again and again would be seen by nobody.
    #[must_use]
    pub fn worker(
        mut self,
        name: &'static str,
        run: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.workers.push(Worker {
            name,
            run: Box::pin(run),
        });
        self
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<_> = self.workers.iter().map(|worker| worker.name).collect();
        f.debug_struct("Services")
            .field("names", &self.names)
            .field("workers", &workers)
            .finish_non_exhaustive()
    }
}
