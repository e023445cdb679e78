//! The common `main` of a service.
//!
//! A service implements [`Service`] and its binary is one line. Everything that can be wrong before the first call is
//! found at start and said in one sentence on standard error that names the thing and the remedy.
//!
//! SIGTERM or SIGINT asks it to stop. It then takes no new calls and waits for those in flight, no longer than the grace
//! (`drain` in the table `[server]`), and for its database, no longer than five seconds. A second signal ends both waits
//! at once.
//!
//! | exit code | it means |
//! |---|---|
//! | 0 | asked to stop, and every call in flight has ended |
//! | 1 | it did not start, or stopped without being asked |
//! | 2 | the command line is not understood |
//! | 3 | asked to stop, and calls were cut: the grace was over, or a second signal came |

mod start;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::database::{Database, Migrations};
use crate::server::{Services, Shutdown};

pub use self::start::StartError;

/// What a service is, for [`main`].
pub trait Service: 'static {
    /// Its name: the domain of its errors and the prefix of its environment variables.
    const NAME: &'static str;
    /// One sentence for `--help`.
    const ABOUT: &'static str;
    /// The port on the loopback address where it listens when nobody says otherwise.
    const PORT: u16;
    /// The file descriptors of its gRPC services and of those that it calls: what reflection serves, and where the
    /// client stack reads which methods may be repeated.
    const DESCRIPTORS: &'static [u8];
    /// Its schema.
    const MIGRATIONS: Migrations;
    /// The services that it calls, as they are named in its configuration. Another name there is refused.
    const PEERS: &'static [&'static str] = &[];

    /// The table `[service]` of its configuration. Use `#[serde(default, deny_unknown_fields)]`.
    type Settings: DeserializeOwned + Default + Send;

    /// Wires it up. The database is open, the peers are known (they are connected to when they are first called), and
    /// what this returns is served at once.
    ///
    /// # Errors
    /// [`StartError::Service`] with a sentence for the person who starts it.
    fn start(
        context: Context<Self::Settings>,
    ) -> impl Future<Output = Result<Services, StartError>> + Send;
}

/// What a service is given.
#[derive(Debug)]
#[non_exhaustive]
pub struct Context<T> {
    /// Its own settings.
    pub settings: T,
    /// Its database, at its schema.
    pub database: Database,
    /// Completes when the service is asked to stop.
    pub shutdown: Shutdown,
    name: &'static str,
    clients: BTreeMap<String, Client>,
}

impl<T> Context<T> {
    /// For a test that starts a service without [`main`].
    pub fn new(
        name: &'static str,
        settings: T,
        database: Database,
        shutdown: Shutdown,
        clients: BTreeMap<String, Client>,
    ) -> Self {
        Self {
            settings,
            database,
            shutdown,
            name,
            clients,
        }
    }

    /// The client stack for the peer of that name, for a generated client.
    ///
    /// # Errors
    /// When nobody said where it is.
    pub fn client(&self, peer: &str) -> Result<Client, StartError> {
        self.clients
            .get(peer)
            .cloned()
            .ok_or_else(|| StartError::NoPeer {
                peer: peer.to_owned(),
                variable: crate::config::variable(self.name, "PEER"),
            })
    }
}

/// Runs a service to its end. `arguments` are those of the process, the program's name first.
pub fn main<S: Service>(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    start::main::<S>(arguments)
}
