//! A request's body, kept for another attempt.
//!
//! The body of a unary request is complete the moment it is asked for. A body that is not, because its messages are yet
//! to be made, belongs to a stream, and a stream is sent as it is and once: waiting for its end would turn it into
//! something else. So a body is read as far as it goes without waiting, up to a limit (R9), and that tells the two apart
//! without knowing the method.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;

/// A request's body.
pub(super) enum Replay {
    /// Complete: each attempt sends a clone, which copies nothing.
    Kept(Bytes),
    /// A stream, or too long: one attempt.
    Once(Body),
}

/// What was read of a body, and the rest of it.
pub(super) struct Prefixed {
    read: VecDeque<Result<Frame<Bytes>, Status>>,
    rest: Option<Body>,
}

// === impl Replay ===

impl Replay {
    /// Reads what is there.
    pub(super) fn read(mut body: Body, limit: usize, cx: &mut Context<'_>) -> Self {
        let mut read: VecDeque<Bytes> = VecDeque::new();
        let mut length = 0;
        loop {
            if body.is_end_stream() {
                return Self::Kept(joined(read));
            }
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(None) => return Self::Kept(joined(read)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        length += data.len();
                        read.push_back(data);
                        if length > limit {
                            return Self::Once(Prefixed::data(read, body));
                        }
                    }
                    // Requests have no trailers in gRPC; whatever it is, it is passed on.
                    Err(frame) => {
                        let mut prefixed = Prefixed::new(read, body);
                        prefixed.read.push_back(Ok(frame));
                        return Self::Once(Body::new(prefixed));
                    }
                },
                Poll::Ready(Some(Err(error))) => {
                    let mut prefixed = Prefixed::new(read, body);
                    prefixed.read.push_back(Err(error));
                    return Self::Once(Body::new(prefixed));
                }
                Poll::Pending => return Self::Once(Prefixed::data(read, body)),
            }
        }
    }

    /// The body of the next attempt; `None` when there can be no other.
    pub(super) fn next(&mut self) -> Option<Body> {
        match self {
            Self::Kept(bytes) => Some(Body::new(Full::new(bytes.clone()))),
            Self::Once(body) => {
                let body = std::mem::take(body);
                *self = Self::Once(Body::empty());
                Some(body)
            }
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

fn joined(mut read: VecDeque<Bytes>) -> Bytes {
    if read.len() <= 1 {
        return read.pop_front().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(read.iter().map(Bytes::len).sum());
    for data in read {
        all.extend_from_slice(&data);
    }
    all.freeze()
}

// === impl Prefixed ===

impl Prefixed {
    fn new(read: VecDeque<Bytes>, rest: Body) -> Self {
        Self {
            read: read.into_iter().map(|data| Ok(Frame::data(data))).collect(),
            rest: Some(rest),
        }
    }

    fn data(read: VecDeque<Bytes>, rest: Body) -> Body {
        if read.is_empty() {
            return rest;
        }
        Body::new(Self::new(read, rest))
    }

    /// A body that was looked into, as it was.
    pub(super) fn peeked(frame: Result<Frame<Bytes>, Status>, rest: Body) -> Body {
        Body::new(Self {
            read: VecDeque::from([frame]),
            rest: Some(rest),
        })
    }
}

impl http_body::Body for Prefixed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(frame));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty()
            && self
                .rest
                .as_ref()
                .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, StreamBody};
    use std::task::Waker;
    use tokio_stream::StreamExt as _;

    fn stream(frames: &[&'static str]) -> Vec<Result<Frame<Bytes>, Status>> {
        frames
            .iter()
            .map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            .collect()
    }

    fn read(body: Body, limit: usize) -> Replay {
        Replay::read(body, limit, &mut Context::from_waker(Waker::noop()))
    }

    async fn text(body: Body) -> Bytes {
        body.collect().await.expect("a whole body").to_bytes()
    }

    #[tokio::test]
    async fn a_complete_body_is_kept_and_sent_again_unchanged() {
        for frames in [&[][..], &["one"], &["one", "two", "three"]] {
            let body = Body::new(StreamBody::new(tokio_stream::iter(stream(frames))));
            let mut replay = read(body, 100);
            assert!(replay.is_kept());
            for _ in 0..3 {
                assert_eq!(text(replay.next().expect("a body")).await, frames.concat());
            }
        }
    }

    #[tokio::test]
    async fn r9_what_is_longer_than_the_limit_goes_out_whole_and_once() {
        let frames = ["12345678", "12345678", "12345678"];
        let body = Body::new(StreamBody::new(tokio_stream::iter(stream(&frames))));
        let mut replay = read(body, 10);
        assert!(!replay.is_kept());
        assert_eq!(text(replay.next().expect("a body")).await, frames.concat());
    }

    #[tokio::test]
    async fn a_stream_that_is_yet_to_be_made_is_not_waited_for() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<&'static str>(4);
        sender.send("one").await.expect("room");
        let frames = tokio_stream::wrappers::ReceiverStream::new(receiver)
            .map(|text| Ok::<_, Status>(Frame::data(Bytes::from_static(text.as_bytes()))));
        let mut replay = read(Body::new(StreamBody::new(frames)), 100);
        assert!(!replay.is_kept());
        sender.send("two").await.expect("room");
        drop(sender);
        assert_eq!(text(replay.next().expect("a body")).await, "onetwo");
    }
}
