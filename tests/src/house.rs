//! The four services as four processes on loopback over mTLS, each with its own SQLite file: what the demo and the
//! end-to-end tests run.
//!
//! The processes are this crate's program `demo`, started again with the hidden command `service NAME`, which calls the
//! same function as the binary of that service. Certificates come from the same function as the binary `pki`. Ports are
//! chosen by the system, all files live in one temporary folder, and a service ends when its parent does, however that
//! happens: it watches its standard input, which the system closes for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a process may take to say that it listens, or to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// The services, in the order in which they start: who is called before who calls.
pub const SERVICES: [&str; 4] = ["product", "payment", "shipping", "order"];

/// The manifest that the repository ships, and what each service is configured with.
const MANIFEST: &str = include_str!("../../certs/pki.toml");

/// What is said here besides. A hop keeps back more of its time than it needs in a data centre, so that its report of
/// where the time went arrives in time on a machine that is busy compiling, too.
const OVERRIDES: &str = "\n[server.deadline]\nreserve = \"100ms\"\n";

/// A folder of certificates and databases, and the processes that run on it.
pub struct House {
    program: PathBuf,
    folder: TempDir,
    services: BTreeMap<&'static str, Running>,
    journal: Journal,
}

struct Running {
    child: Child,
    address: SocketAddr,
    // Closed by the system when this process ends, which ends the service.
    _alive: ChildStdin,
}

impl House {
    /// An empty house. `program` is the binary `demo`.
    ///
    /// # Errors
    /// When the temporary folder cannot be made.
    pub fn new(program: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("house-")
            .tempdir()
            .context("no temporary folder can be made")?;
        std::fs::write(folder.path().join("pki.toml"), MANIFEST)?;
        std::fs::create_dir(folder.path().join("data"))?;
        for (name, text) in configurations() {
            let text = format!("{text}{OVERRIDES}");
            std::fs::write(folder.path().join(format!("{name}.toml")), text)?;
        }
        Ok(Self {
            program: program.to_path_buf(),
            folder,
            services: BTreeMap::new(),
            journal: Journal::default(),
        })
    }

    /// The temporary folder that holds everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of `name`'s certificates: what `pki` issued.
    #[must_use]
    pub fn tls(&self, name: &str) -> PathBuf {
        self.folder().join("certs").join(name)
    }

    /// The database file of a service.
    #[must_use]
    pub fn database(&self, name: &str) -> PathBuf {
        self.folder().join("data").join(format!("{name}.db"))
    }

    /// Runs `pki` with `arguments` and returns what it printed.
    ///
    /// # Errors
    /// When it does not exit with 0; the message holds what it said.
    pub async fn pki(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .arg("pki")
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .output()
            .await
            .context("pki does not start")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "pki {}: {}\n{text}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    }

    /// Makes the CA and a certificate for each entry of the manifest; returns what `pki apply` printed.
    ///
    /// # Errors
    /// When `pki` fails.
    pub async fn make_certificates(&self) -> Result<String> {
        self.pki(&["apply", "pki.toml", "--dir", "certs"]).await
    }

    /// Starts every service.
    ///
    /// # Errors
    /// When one does not say where it listens.
    pub async fn start_all(&mut self) -> Result<()> {
        for name in SERVICES {
            self.start(name).await?;
        }
        Ok(())
    }

    /// Starts one service, at the address where it listened before if it ran before, and returns that address.
    ///
    /// # Errors
    /// When it ends, or stays silent, instead of saying where it listens; the message holds what it logged.
    pub async fn start(&mut self, name: &'static str) -> Result<SocketAddr> {
        let before = self.services.remove(name).map(|running| running.address);
        let listen = before.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string());
        let mut command = self.command(name);
        command.args(["--listen", &listen]);
        if name == "order" {
            for peer in ["product", "payment", "shipping"] {
                let address = self.address(peer)?;
                command
                    .arg("--peer")
                    .arg(format!("{peer}=https://{address}"));
            }
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let alive = child.stdin.take().context("no standard input")?;
        let mark = self.journal.len();
        if let Some(errors) = child.stderr.take() {
            self.journal.follow(name, errors);
        }
        let output = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .with_context(|| format!("{name} said nothing for {} s", PATIENCE.as_secs()))??;
        let Some(address) = line
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on "))
        else {
            let status = timeout(PATIENCE, child.wait()).await??;
            bail!(
                "{name} ended before it listened ({status}): {}",
                self.journal.text_since(mark)
            );
        };
        let address = address
            .parse()
            .with_context(|| format!("{name} listens on {address:?}, which is no address"))?;
        // Whatever else it prints is read, so that it never waits for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.services.insert(
            name,
            Running {
                child,
                address,
                _alive: alive,
            },
        );
        Ok(address)
    }

    /// The command line that starts a service, without the address to listen on: for tests that start one wrongly.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["service", name])
            .arg("--tls")
            .arg(self.tls(name))
            .arg("--database")
            .arg(self.database(name))
            .arg("--config")
            .arg(self.folder().join(format!("{name}.toml")))
            .args(["--log-format", "json"])
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Where a service listens, or listened before it was stopped.
    ///
    /// # Errors
    /// When it was never started.
    pub fn address(&self, name: &str) -> Result<SocketAddr> {
        Ok(self.running(name)?.address)
    }

    /// The process of a service.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self, name: &str) -> Result<u32> {
        self.running(name)?
            .child
            .id()
            .with_context(|| format!("{name} does not run"))
    }

    /// Asks a service to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn stop(&mut self, name: &'static str) -> Result<ExitStatus> {
        self.signal(name, Signal::TERM)?;
        self.wait(name).await
    }

    /// Ends a service at once (SIGKILL) and waits until it has.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self, name: &'static str) -> Result<ExitStatus> {
        self.signal(name, Signal::KILL)?;
        self.wait(name).await
    }

    /// Freezes a service (SIGSTOP): its connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)
    }

    /// Lets a frozen service go on (SIGCONT).
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::CONT)
    }

    /// Asks every service to end, callers first, and returns how each ended.
    ///
    /// # Errors
    /// When one does not end.
    pub async fn stop_all(&mut self) -> Result<Vec<(&'static str, ExitStatus)>> {
        let mut ends = Vec::new();
        for name in SERVICES.into_iter().rev() {
            let runs = self
                .services
                .get(name)
                .is_some_and(|running| running.child.id().is_some());
            if runs {
                ends.push((name, self.stop(name).await?));
            }
        }
        Ok(ends)
    }

    /// What the services logged.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    fn running(&self, name: &str) -> Result<&Running> {
        self.services
            .get(name)
            .with_context(|| format!("{name} was never started"))
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid(name)?)
            .ok()
            .and_then(Pid::from_raw)
            .with_context(|| format!("{name} has no process number"))?;
        kill_process(pid, signal).with_context(|| format!("{name} takes no signal"))
    }

    async fn wait(&mut self, name: &'static str) -> Result<ExitStatus> {
        let running = self
            .services
            .get_mut(name)
            .with_context(|| format!("{name} was never started"))?;
        timeout(PATIENCE, running.child.wait())
            .await
            .with_context(|| format!("{name} did not end within {} s", PATIENCE.as_secs()))?
            .with_context(|| format!("{name} cannot be waited for"))
    }
}

/// The configuration of each service, as the repository ships it.
fn configurations() -> [(&'static str, &'static str); 4] {
    [
        (
            "product",
            include_str!("../../services/product/product.toml"),
        ),
        (
            "payment",
            include_str!("../../services/payment/payment.toml"),
        ),
        (
            "shipping",
            include_str!("../../services/shipping/shipping.toml"),
        ),
        ("order", include_str!("../../services/order/order.toml")),
    ]
}

/// One line that a service logged.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which service.
    pub service: &'static str,
    /// The line: an object when it is JSON, else a string.
    pub line: serde_json::Value,
}

impl Entry {
    /// What the line says to a person.
    #[must_use]
    pub fn text(&self) -> String {
        match self.field("message") {
            Some(message) => message,
            None => self
                .line
                .as_str()
                .map_or_else(|| self.line.to_string(), ToOwned::to_owned),
        }
    }

    /// A field of the line, whatever level of the object it stands on.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let value = self
            .line
            .get("fields")
            .and_then(|fields| fields.get(name))
            .or_else(|| self.line.get(name))?;
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned),
        )
    }
}

/// Everything that the services logged, as it comes.
#[derive(Clone, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
    grown: Arc<watch::Sender<()>>,
}

impl Journal {
    /// How many lines there are: a mark for [`Journal::since`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was logged yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines after a mark.
    #[must_use]
    pub fn since(&self, mark: usize) -> Vec<Entry> {
        self.lock().get(mark..).unwrap_or_default().to_vec()
    }

    /// The lines after a mark, as text.
    #[must_use]
    pub fn text_since(&self, mark: usize) -> String {
        let lines: Vec<String> = self
            .since(mark)
            .iter()
            .map(|entry| match &entry.line {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect();
        lines.join("\n")
    }

    /// Waits until a line after `mark` fits, and returns it; lines that came already count.
    ///
    /// # Errors
    /// When none came for half a minute.
    pub async fn wait_for(
        &self,
        mark: usize,
        what: &str,
        fits: impl Fn(&Entry) -> bool,
    ) -> Result<Entry> {
        let mut grown = self.grown.subscribe();
        timeout(PATIENCE, async {
            loop {
                grown.borrow_and_update();
                if let Some(entry) = self.since(mark).into_iter().find(|entry| fits(entry)) {
                    return entry;
                }
                // The sender lives as long as `self`, so this cannot fail.
                if grown.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await
        .with_context(|| {
            format!(
                "no service logged {what}; the log:\n{}",
                self.text_since(mark)
            )
        })
    }

    fn follow(&self, service: &'static str, stream: impl AsyncRead + Unpin + Send + 'static) {
        let journal = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(text)) = lines.next_line().await {
                let line = serde_json::from_str(&text)
                    .unwrap_or_else(|_| serde_json::Value::String(text.clone()));
                journal.lock().push(Entry { service, line });
                journal.grown.send_replace(());
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
