//! Accepts connections and hands over those whose handshake succeeded: the stream that
//! `tonic::transport::Server::serve_with_incoming_shutdown` takes.
//!
//! Every handshake runs in a task of its own under a time limit, so a slow, silent or talkative peer delays nobody. At
//! most [`HandshakeLimits::in_progress`] run at once; when one more peer knocks the *oldest* gives way: a peer that is
//! honest is done in milliseconds and is never the oldest for long, one that is silent is. Everything ends when the
//! stream is dropped: the listener closes and unfinished handshakes stop.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_stream::Stream;

use crate::connection::Connection;
use crate::server_handshake::{RefusedHandshake, say_goodbye, shake_hands};
use crate::server_tls::ServerTls;

/// After an error of `accept` that says something of this process and not of one peer (no file descriptor left), how
/// long to wait before the next try: without it the loop would spin.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// Bounds of the handshakes that have not succeeded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// How long one may take.
    pub timeout: Duration,
    /// How many may be in progress at once; at least one.
    pub in_progress: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            in_progress: 1024,
        }
    }
}

/// A stream of connections whose handshake succeeded. It never ends and never yields an error.
pub struct Incoming {
    listener: TcpListener,
    tls: ServerTls,
    limits: HandshakeLimits,
    on_refused: Option<OnRefused>,
    /// One task a handshake; the value is its number in `in_progress`.
    handshakes: JoinSet<(u64, Option<Connection>)>,
    /// Senders that make a handshake give way, by age.
    in_progress: BTreeMap<u64, oneshot::Sender<()>>,
    next_number: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

type OnRefused = Arc<dyn Fn(&RefusedHandshake) + Send + Sync>;

impl Incoming {
    /// Serves TLS on `listener`.
    #[must_use]
    pub fn new(listener: TcpListener, tls: ServerTls, limits: HandshakeLimits) -> Self {
        Self {
            listener,
            tls,
            limits,
            on_refused: None,
            handshakes: JoinSet::new(),
            in_progress: BTreeMap::new(),
            next_number: 0,
            pause: None,
        }
    }

    /// Calls `observer` for every refused handshake, besides logging it: a metric, a test.
    #[must_use]
    pub fn on_refused(
        mut self,
        observer: impl Fn(&RefusedHandshake) + Send + Sync + 'static,
    ) -> Self {
        self.on_refused = Some(Arc::new(observer));
        self
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn begin(&mut self, socket: TcpStream, address: SocketAddr) {
        while self.in_progress.len() >= self.limits.in_progress.max(1) {
            if let Some((_, oldest)) = self.in_progress.pop_first() {
                let _ = oldest.send(());
            }
        }
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        let (give_way, mut gave_way) = oneshot::channel();
        self.in_progress.insert(number, give_way);

        // The configuration of this moment: a replacement counts from the next peer on.
        let config = self.tls.current();
        let limit = self.limits.timeout;
        let on_refused = self.on_refused.clone();
        self.handshakes.spawn(async move {
            match shake_hands(socket, address, config, limit, &mut gave_way).await {
                Ok(connection) => (number, Some(connection)),
                Err((refused, socket)) => {
                    tracing::warn!(
                        peer.address = %refused.address,
                        reason = refused.reason.label(),
                        "TLS handshake refused: {}", refused.reason
                    );
                    if let Some(on_refused) = on_refused {
                        on_refused(&refused);
                    }
                    if let Some(socket) = socket {
                        say_goodbye(socket, &mut gave_way).await;
                    }
                    (number, None)
                }
            }
        });
    }
}

impl Stream for Incoming {
    type Item = Result<Connection, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            // Finished handshakes first: a flood of new peers must not hold up those who are in.
            while let Poll::Ready(Some(finished)) = this.handshakes.poll_join_next(cx) {
                match finished {
                    Ok((number, connection)) => {
                        this.in_progress.remove(&number);
                        if let Some(connection) = connection {
                            return Poll::Ready(Some(Ok(connection)));
                        }
                    }
                    // Its sender stays behind in `in_progress` until it is the oldest, and harms nobody.
                    Err(error) => tracing::error!("a handshake's task failed: {error}"),
                }
            }
            if let Some(pause) = &mut this.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.pause = None;
            }
            match this.listener.poll_accept(cx) {
                Poll::Ready(Ok((socket, address))) => this.begin(socket, address),
                Poll::Ready(Err(error)) if concerns_one_peer(&error) => {
                    tracing::debug!("a peer left before it was accepted: {error}");
                }
                Poll::Ready(Err(error)) => {
                    tracing::error!(
                        "connections cannot be accepted ({error}); trying again in {PAUSE_AFTER_ACCEPT_ERROR:?}"
                    );
                    this.pause = Some(Box::pin(tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .field("in_progress", &self.in_progress.len())
            .finish_non_exhaustive()
    }
}

/// accept(2): errors of the connection itself are passed on, and mean nothing for the next one.
fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
