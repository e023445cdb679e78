//! From a command line to a running service, and every way in which that can fail.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use mtls::{ClientTls, Material, MaterialError, ServerTls, TlsError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, Service};
use crate::client::{self, Client};
use crate::config::closest::closest;
use crate::config::{self, ConfigError, Defaults, Settings};
use crate::database::{Database, DatabaseError};
use crate::server::{ServeError, Server, Shutdown, Stop};
use crate::telemetry::{self, TelemetryError};

/// Why a service did not start. Each is one sentence that names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log filter.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The certificates.
    #[error(transparent)]
    Certificates(#[from] MaterialError),
    /// The certificates are in order, but not for this.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The address is taken.
    #[error(
        "{address} is in use by another process: stop that one, or choose another address with --listen (port 0 takes \
         any free one)"
    )]
    Busy {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A peer's settings.
    #[error("[peers.{peer}]: {problem}")]
    Peer {
        /// The peer.
        peer: String,
        /// What is wrong and what to do.
        problem: client::ClientError,
    },
    /// A peer that the service does not call.
    #[error("a peer {peer:?} is configured, and {service} calls no such service; {advice}")]
    UnknownPeer {
        /// The service.
        service: &'static str,
        /// The name in the configuration.
        peer: String,
        /// What was probably meant, or whom it calls.
        advice: String,
    },
    /// The service needs another one and nobody said where it is.
    #[error(
        "it is not known where the service {peer} is: give --peer {peer}=https://HOST:PORT, {variable}, or a table \
         [peers.{peer}] with its address in the configuration file"
    )]
    NoPeer {
        /// The other service.
        peer: String,
        /// The environment variable.
        variable: String,
    },
    /// The server's settings, or the end of the server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system gives no threads, no signals or no standard output.
    #[error("the system does not give this process {what}: {source}")]
    System {
        /// What it does not give.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Something of the service's own, in its own sentence.
    #[error("{0}")]
    Service(String),
}

/// How long the database may take to let go of its connections.
const CLOSING: Duration = Duration::from_secs(5);
/// The exit code of a service that stopped as it was asked to, and cut calls.
const CALLS_CUT: u8 = 3;

impl StartError {
    /// For the arm of a `match` over [`Database`] that a kind of a later version falls into.
    pub fn unknown_database(service: &str) -> Self {
        Self::Service(format!(
            "{service} cannot keep its data in this kind of database; use SQLite or PostgreSQL"
        ))
    }
}

pub(super) fn main<S: Service>(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match run::<S>(arguments, |variable| std::env::var_os(variable)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Config(ConfigError::CommandLine(usage))) => {
            // Also `--help` and `--version`, which go to standard output and are no failure.
            ExitCode::from(crate::complaint::usage(usage))
        }
        Err(error) => {
            crate::complaint::say(&error);
            match error {
                StartError::Serve(ServeError::GraceOver { .. } | ServeError::Cut) => {
                    ExitCode::from(CALLS_CUT)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run<S: Service>(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<(), StartError> {
    let defaults = Defaults {
        name: S::NAME,
        about: S::ABOUT,
        listen: SocketAddr::from(([127, 0, 0, 1], S::PORT)),
    };
    let settings: Settings<S::Settings> = config::load(&defaults, arguments, environment)?;
    telemetry::init(&settings.log)?;
    telemetry::log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system("threads"))?;
    let served = runtime.block_on(serve::<S>(settings));
    // What the drain left is cut here; a blocking task that hangs must not hold the process.
    runtime.shutdown_background();
    served
}

async fn serve<S: Service>(settings: Settings<S::Settings>) -> Result<(), StartError> {
    // From the cheapest check to the dearest, and nothing is changed on the disk before all others have passed.
    let material = Material::load(&settings.tls)?;
    let server_tls = ServerTls::new(&material)?;
    let server = Server::new(
        S::NAME,
        S::DESCRIPTORS,
        server_tls,
        &settings.allow,
        settings.server,
    )?;
    let clients = connect::<S>(&material, &settings.peers)?;
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().map_err(system("an address"))?;
    let database = Database::open(&settings.database, &S::MIGRATIONS).await?;

    let (stop, shutdown) = Shutdown::channel();
    let (cut, cut_short) = Shutdown::channel();
    stop_on_signal(stop, cut)?;
    let context = Context::new(
        S::NAME,
        settings.service,
        database.clone(),
        shutdown.clone(),
        clients,
    );
    let services = S::start(context).await?;

    tracing::info!(
        service = S::NAME,
        %address,
        identity = %material.identity(),
        database = %settings.database,
        "serving"
    );
    announce(address).map_err(system("its standard output"))?;
    let served = tokio::select! {
        served = server.serve(listener, services, shutdown) => served,
        () = cut_short.requested() => Err(ServeError::Cut),
    };
    // Also after a failure, so that as little as possible is left to others to clean up.
    close(&database, &cut_short).await?;
    served?;
    tracing::info!(service = S::NAME, "stopped");
    Ok(())
}

/// Closes the database in order if it can be: a statement that hangs in it must not hold the process.
async fn close(database: &Database, cut_short: &Shutdown) -> Result<(), ServeError> {
    tokio::select! {
        // What is asked for is looked at first.
        biased;
        () = cut_short.requested() => Err(ServeError::Cut),
        () = database.close() => Ok(()),
        () = tokio::time::sleep(CLOSING) => {
            tracing::warn!(limit = ?CLOSING, "the database did not let go of its connections; they are cut");
            Ok(())
        }
    }
}

/// One stack per peer. Nothing is connected yet: that is done by the first call, so services may start in any order.
fn connect<S: Service>(
    material: &Material,
    peers: &BTreeMap<String, config::Peer>,
) -> Result<BTreeMap<String, Client>, StartError> {
    check_peers(S::NAME, S::PEERS, peers.keys())?;
    if peers.is_empty() {
        // A certificate that is for servers only is enough for a service that calls nobody.
        return Ok(BTreeMap::new());
    }
    let tls = ClientTls::new(material)?;
    peers
        .iter()
        .map(|(name, peer)| {
            let client = client::connect(peer, &tls, S::DESCRIPTORS).map_err(|problem| {
                StartError::Peer {
                    peer: name.clone(),
                    problem,
                }
            })?;
            Ok((name.clone(), client))
        })
        .collect()
}

/// Refuses a peer that is not called: with a slip in its name, another one would be called where nobody said.
fn check_peers<'a>(
    service: &'static str,
    known: &[&str],
    peers: impl IntoIterator<Item = &'a String>,
) -> Result<(), StartError> {
    let mut peers = peers.into_iter();
    let Some(peer) = peers.find(|peer| !known.contains(&peer.as_str())) else {
        return Ok(());
    };
    Err(StartError::UnknownPeer {
        service,
        peer: peer.clone(),
        advice: match closest(peer, known.iter().copied()) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None if known.is_empty() => "it calls nobody; take it out".to_owned(),
            None => format!("it calls {}", known.join(", ")),
        },
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::Busy { address },
            _ => StartError::Listen { address, source },
        })
}

/// The first signal asks to `stop`, a second one to `cut` short what that waits for. The handlers are in place when this
/// returns, so a signal that comes right after `listening on` is not lost.
fn stop_on_signal(stop: Stop, cut: Stop) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(system("signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("signals"))?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let signal = next().await;
        tracing::info!(
            signal,
            "asked to stop; calls in flight may end, and a second signal cuts them"
        );
        stop.now();
        next().await;
        cut.now();
    });
    Ok(())
}

/// The one line that a program may wait for.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "listening on {address}")?;
    output.flush()
}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tokio::time::Instant;

    use super::*;
    use crate::config::DatabaseUrl;
    use crate::database::Migrations;

    const NOTHING: Migrations = Migrations {
        sqlite: &[],
        postgres: &[],
    };

    /// A database with a connection that somebody holds, as a statement that hangs does.
    async fn hanging(
        folder: &tempfile::TempDir,
    ) -> Result<(Database, sqlx::pool::PoolConnection<sqlx::Sqlite>), Box<dyn Error>> {
        let path = folder.path().join("tea.db").display().to_string();
        let database = Database::open(&DatabaseUrl::new(path), &NOTHING).await?;
        let Database::Sqlite(pool) = &database else {
            return Err("a path is SQLite".into());
        };
        let held = pool.acquire().await?;
        Ok((database, held))
    }

    #[test]
    fn a_peer_that_is_not_called_is_refused_with_the_one_that_was_meant() {
        const PEERS: &[&str] = &["product", "payment", "shipping"];
        let said = |known: &[&str], peers: &[&str]| {
            let peers: Vec<String> = peers.iter().map(|peer| (*peer).to_owned()).collect();
            let refused = check_peers("order", known, &peers).err();
            refused.map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(said(PEERS, PEERS), "");
        assert_eq!(said(&[], &[]), "");
        assert_eq!(
            said(PEERS, &["payment", "paymnet"]),
            "a peer \"paymnet\" is configured, and order calls no such service; did you mean \"payment\"?"
        );
        assert!(said(PEERS, &["tea"]).ends_with("it calls product, payment, shipping"));
        assert!(said(&[], &["payment"]).ends_with("it calls nobody; take it out"));
    }

    #[tokio::test]
    async fn a_database_that_does_not_let_go_holds_up_the_end_for_five_seconds()
    -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let (database, held) = hanging(&folder).await?;
        let (_cut, cut_short) = Shutdown::channel();
        tokio::time::pause();
        let begin = Instant::now();
        close(&database, &cut_short).await?;
        assert_eq!(begin.elapsed().as_secs(), CLOSING.as_secs());
        drop(held);
        Ok(())
    }

    #[tokio::test]
    async fn a_second_signal_waits_for_no_database() -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let (database, held) = hanging(&folder).await?;
        let (cut, cut_short) = Shutdown::channel();
        tokio::time::pause();
        let begin = Instant::now();
        cut.now();
        let closed = close(&database, &cut_short).await;
        assert!(matches!(closed, Err(ServeError::Cut)), "{closed:?}");
        assert_eq!(begin.elapsed(), Duration::ZERO);
        drop(held);
        Ok(())
    }
}
