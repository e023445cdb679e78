//! A folder of its own for each test, runs of the binary in it, and openssl as the judge.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use pki::{certificate::Certificate, key::PrivateKey};
use tempfile::TempDir;

/// A folder in which a test lives; `certs` below it is the default of `--dir`.
pub(crate) struct Home(TempDir);

/// One finished run of `pki`.
#[must_use]
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    #[allow(
        dead_code,
        reason = "used by the tests of faults, which share this file"
    )]
    /// A home that needs no disk, where there is such a place: for tests that make hundreds.
    pub(crate) fn in_memory() -> Self {
        TempDir::new_in("/dev/shm").map_or_else(|_| Self::new(), Self)
    }

    /// A home with a CA.
    pub(crate) fn with_ca() -> Self {
        let home = Self::new();
        home.pki("init").succeeds();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect(name);
    }

    /// The command with nothing of this machine in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pki"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// Runs `pki` with these arguments, which have no spaces in them.
    pub(crate) fn pki(&self, args: &str) -> Run {
        self.run(&args.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::from(self.command(args).output().expect("the binary starts"))
    }

    /// Runs `pki` and kills it after this time, unless it is done. Whether it died before it had ended.
    pub(crate) fn run_and_kill(&self, args: &[&str], after: Duration) -> bool {
        let mut child = self
            .command(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let start = Instant::now();
        let mut ended = false;
        while !ended && start.elapsed() < after {
            ended = child.try_wait().expect("a child").is_some();
            std::hint::spin_loop();
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        !ended
    }

    /// Runs openssl with these arguments. `None` when a developer has none; in CI it must be there.
    pub(crate) fn openssl(&self, args: &str) -> Option<Run> {
        self.openssl_args(&args.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn openssl_args(&self, args: &[&str]) -> Option<Run> {
        match Command::new("openssl")
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
        {
            Ok(output) => Some(Run::from(output)),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && std::env::var_os("CI").is_none() =>
            {
                None
            }
            Err(error) => panic!("openssl: {error}"),
        }
    }

    /// Whether openssl, as strict as it can be, accepts the certificate of a folder for a purpose.
    pub(crate) fn openssl_accepts(&self, folder: &str, purpose: &str) -> Option<bool> {
        let verdict = self.openssl(&format!(
            "verify -x509_strict -check_ss_sig -purpose {purpose} -CAfile {folder}/ca.crt -untrusted {folder}/tls.crt {folder}/tls.crt"
        ))?;
        Some(verdict.code == 0)
    }

    /// The first certificate of a file.
    pub(crate) fn certificate(&self, name: &str) -> Certificate {
        let bytes = fs::read(self.path(name)).expect(name);
        Certificate::read_all(&bytes).expect(name).remove(0)
    }

    /// Fails unless the folder holds a certificate, its own key, and nothing else but the trust anchor.
    pub(crate) fn assert_pair(&self, folder: &str) {
        assert!(
            pair_fits(&self.path(folder)),
            "{folder}: the key must belong to the certificate"
        );
        let mut names: Vec<_> = fs::read_dir(self.path(folder))
            .expect(folder)
            .map(|entry| {
                entry
                    .expect(folder)
                    .file_name()
                    .into_string()
                    .expect("ASCII")
            })
            .collect();
        names.sort();
        assert_eq!(names, ["ca.crt", "tls.crt", "tls.key"], "{folder}");
    }
}

/// Says something to whoever reads the results.
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the results should know what was not looked at"
)]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Says that a program is missing that a test needs. In CI it must be there.
pub(crate) fn skipped(program: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{program} is missing; .ci/run installs it"
    );
    note(&format!("skipped: there is no {program}"));
}

pub(crate) fn pair_fits(folder: &Path) -> bool {
    let read = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
    let key = PrivateKey::read(&read("tls.key"), None);
    let certificate = Certificate::read_all(&read("tls.crt"));
    match (key, certificate) {
        (Ok(key), Ok(certificates)) => certificates[0].public_key() == key.public(),
        _ => false,
    }
}

/// How long one run takes here, so that kills fall into it.
pub(crate) fn duration(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

impl Run {
    /// Fails the test unless the command did what it was told; returns what it printed.
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// Fails the test unless the command ended with this code and said nothing on stdout; returns what it said, without
    /// the temporary folder.
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "results only on stdout: {self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self.stderr
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}", self.code, self.stdout)?;
        if self.stderr.is_empty() {
            Ok(())
        } else {
            write!(f, "--- stderr\n{}", self.stderr)
        }
    }
}

/// Replaces what differs from run to run.
pub(crate) fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[sha256]");
    settings.add_filter(r"\b[0-9a-f]{36,40}\b", "[serial]");
    settings.add_filter(r"\b([0-9A-F]{2}:){19}[0-9A-F]{2}\b", "[identifier]");
    settings.add_filter(r"\b\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?\b", "[date]");
    settings
}

macro_rules! snapshot {
    ($run:expr, $($expected:tt)*) => {
        $crate::support::filters().bind(|| insta::assert_snapshot!($run, $($expected)*))
    };
}
pub(crate) use snapshot;
