//! A body that is watched while it passes: its trailers, its failure, its end, and a moment by which it must end.
//!
//! Every layer of this crate that has something to do after the head of a response uses this one type, for unary calls
//! and streams alike (L3): the call ends when the body does, or when it is dropped, which drops the observer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;

use crate::timer::poll_until;

/// What watches.
pub(crate) trait Observer: Send + 'static {
    /// Trailers pass by, and may be changed, or replaced by an error.
    fn on_trailers(&mut self, _trailers: &mut HeaderMap) -> Result<(), Status> {
        Ok(())
    }

    /// The body failed. The error may be replaced by trailers that say the same as a status.
    fn on_error(&mut self, error: Status) -> Result<HeaderMap, Status> {
        Err(error)
    }

    /// The body ended without trailers.
    fn on_end(&mut self) {}

    /// The moment came before the end: these trailers, or this error, end the body.
    fn on_expiry(&mut self) -> Result<HeaderMap, Status> {
        Ok(HeaderMap::new())
    }

    /// Everything that polls the body runs in here.
    fn enter<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        poll()
    }
}

pin_project! {
    /// A body and its observer.
    pub(crate) struct Observed<O> {
        // Absent once it has ended; dropping it tells the peer to stop.
        inner: Option<Body>,
        observer: O,
        until: Option<Instant>,
        // Registered only once the body keeps us waiting: most unary bodies never do.
        #[pin]
        sleep: Option<Sleep>,
    }
}

// === impl Observed ===

impl<O: Observer> Observed<O> {
    pub(crate) fn wrap(inner: Body, observer: O, until: Option<Instant>) -> Body {
        Body::new(Self {
            inner: Some(inner),
            observer,
            until,
            sleep: None,
        })
    }
}

impl<O: Observer> http_body::Body for Observed<O> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(None);
        };
        let observer = this.observer;
        let polled = observer.enter(|| http_body::Body::poll_frame(Pin::new(inner), cx));
        let Poll::Ready(frame) = polled else {
            let Some(until) = *this.until else {
                return Poll::Pending;
            };
            if !poll_until(this.sleep, until, cx) {
                return Poll::Pending;
            }
            let ended = observer.on_expiry().map(Frame::trailers);
            observer.enter(|| *this.inner = None);
            return Poll::Ready(Some(ended));
        };
        let ended = match frame {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    let passed = observer.on_trailers(&mut trailers);
                    Some(passed.map(|()| Frame::trailers(trailers)))
                }
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            },
            Some(Err(error)) => Some(observer.on_error(error).map(Frame::trailers)),
            None => {
                observer.on_end();
                None
            }
        };
        observer.enter(|| *this.inner = None);
        Poll::Ready(ended)
    }

    fn is_end_stream(&self) -> bool {
        // Not the inner body's word: the observer has to see the end.
        self.inner.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map(http_body::Body::size_hint)
            .unwrap_or_default()
    }
}
