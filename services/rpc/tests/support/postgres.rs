//! A PostgreSQL of a test's own: a temporary cluster on a Unix socket in a temporary folder, gone when it is dropped.
//!
//! Included by path into the contract test of each store, so that no crate is made for one file.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A running server with one database.
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
}

impl Postgres {
    /// Starts one, or none where PostgreSQL is not installed. In CI that is an error, because a test that silently does
    /// not run proves nothing.
    pub(crate) fn start() -> io::Result<Option<Self>> {
        let Some(programs) = programs() else {
            if env::var_os("CI").is_some() {
                return Err(io::Error::other(
                    "initdb, pg_ctl and postgres are neither on PATH nor in /usr/lib/postgresql/*/bin: install the \
                     package postgresql on this machine",
                ));
            }
            return Ok(None);
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir()?;
        let server = Self { folder, programs };
        if is_root() {
            // postgres refuses to run as root.
            succeed(
                Command::new("chown")
                    .arg("postgres")
                    .arg(server.folder.path())
                    .output()?,
            )?;
        }
        let data = server.folder.path().join("data");
        server.run("initdb", |initdb| {
            initdb.arg("--pgdata").arg(&data).args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])
        })?;
        // No TCP port, so none can be taken; fsync is for clusters that are kept.
        let options = format!(
            "-c listen_addresses= -c fsync=off -c unix_socket_directories={}",
            server.folder.path().display()
        );
        server.run("pg_ctl", |pg_ctl| {
            pg_ctl
                .arg("start")
                .arg("--wait")
                .arg("--pgdata")
                .arg(&data)
                .arg("--log")
                .arg(server.folder.path().join("log"))
                .arg("--options")
                .arg(options)
        })?;
        Ok(Some(server))
    }

    /// Its URL, for the superuser and the database that is there from the start.
    pub(crate) fn url(&self) -> String {
        let socket = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}/postgres")
    }

    fn run(
        &self,
        program: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> io::Result<()> {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--init-groups",
                "--",
            ]);
            command.arg(path);
            command
        } else {
            Command::new(path)
        };
        arguments(&mut command);
        command.current_dir(self.folder.path());
        // pg_ctl leaves the server behind with our standard output, which nobody would ever close.
        command.stdin(Stdio::null());
        let log = fs::File::create(self.folder.path().join(format!("{program}.out")))?;
        let status = command.stdout(log.try_clone()?).stderr(log).status()?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(self.folder.path().join(format!("{program}.out")))?;
        Err(io::Error::other(format!(
            "{program} failed with {status}: {said}"
        )))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        // A cluster that is thrown away need not be shut down in order.
        let _ = self.run("pg_ctl", |pg_ctl| {
            pg_ctl
                .args(["stop", "--mode=immediate", "--pgdata"])
                .arg(&data)
        });
    }
}

/// The folder that holds all three programs.
fn programs() -> Option<PathBuf> {
    // Debian keeps them off PATH, one folder a version.
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    debian.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).collect::<Vec<_>>();
    debian.into_iter().rev().chain(on_path).find(|folder| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file())
    })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeed(output: Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(said))
}
