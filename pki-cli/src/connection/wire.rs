//! A TCP connection whose every wait ends at one deadline, and which remembers how the server began to speak.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{Address, Failure};

/// What a server says first is remembered up to this length: enough to tell what it speaks instead of TLS.
const BEGINNING: usize = 256;

/// More than any handshake needs (a message of it has at most 64 KiB, RFC 8446 section 5.1 and rustls' own limit);
/// a server that goes on has no end.
const MOST_OCTETS: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    peer: SocketAddr,
    deadline: Instant,
    timeout: Duration,
    beginning: Vec<u8>,
    received: usize,
}

impl Wire {
    /// Finds the host's addresses and connects to the first that answers.
    pub(super) fn open(address: &Address, timeout: Duration) -> Result<Self, Failure> {
        let deadline = Instant::now() + timeout;
        let addresses = resolve(address, deadline, timeout)?;
        let mut last = Failure::NoSuchName("it has no address".to_owned());
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for peer in addresses {
            // An address that does not answer leaves time for the others.
            let share = remaining(deadline).unwrap_or_default() / left.max(1);
            left -= 1;
            if share.is_zero() {
                return Err(Failure::TimedOut(Waiting::Tcp, timeout));
            }
            match TcpStream::connect_timeout(&peer, share) {
                Ok(socket) => {
                    // A handshake is a conversation: waiting to fill a segment only adds delay.
                    let _ = socket.set_nodelay(true);
                    return Ok(Self {
                        socket,
                        peer,
                        deadline,
                        timeout,
                        beginning: Vec::new(),
                        received: 0,
                    });
                }
                Err(error) if is_timeout(&error) => last = Failure::TimedOut(Waiting::Tcp, timeout),
                Err(error) => last = Failure::NoTcp(peer, error),
            }
        }
        Err(last)
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// How the server began to speak.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// The time for everything.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When every waiting ends.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ends every waiting at this moment.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    fn time_left(&self) -> io::Result<Duration> {
        remaining(self.deadline).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.socket.set_read_timeout(Some(self.time_left()?))?;
            match self.socket.read(buffer) {
                Ok(count) => {
                    self.received = self.received.saturating_add(count);
                    if self.received > MOST_OCTETS {
                        return Err(io::Error::other(TooMuch));
                    }
                    let room = BEGINNING - self.beginning.len();
                    self.beginning.extend_from_slice(&buffer[..count.min(room)]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        loop {
            self.socket.set_write_timeout(Some(self.time_left()?))?;
            match self.socket.write(octets) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(ErrorKind::TimedOut.into()),
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// The server sent more than any handshake is long.
#[derive(Debug)]
pub(super) struct TooMuch;

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "more than {} KiB", MOST_OCTETS / 1024)
    }
}

impl std::error::Error for TooMuch {}

/// What is waited for when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The name server.
    Name,
    /// The TCP connection.
    Tcp,
    /// The server's part of the handshake.
    Handshake,
}

/// Sockets report an expired timeout as one or the other, by system.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

fn remaining(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

/// The system's resolver cannot be given a deadline: it is asked in a thread of its own, which ends with the process.
fn resolve(
    address: &Address,
    deadline: Instant,
    timeout: Duration,
) -> Result<Vec<SocketAddr>, Failure> {
    let (answer, waiting) = mpsc::channel();
    let question = (address.host().to_owned(), address.port());
    thread::spawn(move || {
        let found = (question.0.as_str(), question.1).to_socket_addrs();
        let _ = answer.send(found.map(Iterator::collect));
    });
    match waiting.recv_timeout(remaining(deadline).unwrap_or_default()) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(Failure::NoSuchName(error.to_string())),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::TimedOut(Waiting::Name, timeout)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::NoSuchName(
            "the resolver gave no answer".to_owned(),
        )),
    }
}
