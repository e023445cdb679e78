//! How the process ends: every exit code that `rpc::service` documents, of the binary that people run.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;

use crate::certificates::Certificates;

type Outcome = Result<(), Box<dyn Error>>;

/// A running order service, whose product service takes connections and never says a word.
struct Process {
    folder: TempDir,
    certificates: Certificates,
    product: TcpListener,
    address: String,
    service: Child,
    log: BufReader<ChildStderr>,
}

impl Process {
    fn start(drain: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let certificates = Certificates::new(folder.path())?;
        let tls = certificates.issue("order")?;
        let product = TcpListener::bind("127.0.0.1:0")?;
        let config = folder.path().join("order.toml");
        fs::write(
            &config,
            format!(
                "[allow]\n'order.v1.Order/*' = ['spiffe://microservices.dev/order-client']\n[server]\ndrain = '{drain}'\n"
            ),
        )?;
        let mut service = service(folder.path())
            .arg("--config")
            .arg(config)
            .arg("--tls")
            .arg(tls)
            .arg(format!("--product=https://{}", product.local_addr()?))
            .args(["--payment=https://localhost:1"])
            .args(["--shipping=https://localhost:1"])
            .args(["--log", "info"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(service.stdout.take().ok_or("a pipe")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ");
        let log = BufReader::new(service.stderr.take().ok_or("a pipe")?);
        Ok(Self {
            address: format!("https://{}", address.ok_or("no address")?),
            folder,
            certificates,
            product,
            service,
            log,
        })
    }

    /// A customer's call that is in flight: the service is just asking the product service.
    fn call(&self) -> Result<Child, Box<dyn Error>> {
        let customer = Command::new(env!("CARGO_BIN_EXE_order-client"))
            .env_clear()
            .current_dir(self.folder.path())
            .arg("--tls")
            .arg(self.certificates.issue("order-client")?)
            .args(["--address", &self.address, "create", "--user", "23"])
            .args(["--product", "12", "--price", "3.20 EUR"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.product.accept()?;
        Ok(customer)
    }

    fn signal(&self, signal: &str) -> Outcome {
        let pid = self.service.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status()?;
        sent.success()
            .then_some(())
            .ok_or_else(|| "kill failed".into())
    }

    /// Reads the log as far as a line with these words.
    fn read_to(&mut self, words: &str) -> Outcome {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            if self.log.read_line(&mut line)? == 0 {
                return Err(format!("the service ended and never said {words:?}").into());
            }
        }
        Ok(())
    }

    /// The exit code, and what was said last.
    fn end(mut self) -> Result<(Option<i32>, String), Box<dyn Error>> {
        let mut said = String::new();
        self.log.read_to_string(&mut said)?;
        let code = self.service.wait()?.code();
        Ok((code, said.lines().last().unwrap_or_default().to_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

/// In an empty environment, so that no variable of the machine has a say.
fn service(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order"));
    command
        .env_clear()
        .current_dir(folder)
        .args(["--listen", "127.0.0.1:0"]);
    command
}

#[test]
fn a_service_that_nobody_calls_stops_with_0() -> Outcome {
    for signal in ["TERM", "INT"] {
        let process = Process::start("1h")?;
        process.signal(signal)?;
        let (code, said) = process.end()?;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("stopped"), "{said}");
    }
    Ok(())
}

#[test]
fn a_service_that_cuts_calls_after_the_grace_ends_with_3() -> Outcome {
    let process = Process::start("50ms")?;
    let mut customer = process.call()?;
    process.signal("TERM")?;
    let (code, said) = process.end()?;
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("within the grace of 50ms after the signal are cut: 1;"),
        "{said}"
    );
    customer.kill()?;
    customer.wait()?;
    Ok(())
}

#[test]
fn a_second_signal_ends_the_service_at_once_with_3() -> Outcome {
    let mut process = Process::start("1h")?;
    let mut customer = process.call()?;
    process.signal("TERM")?;
    process.read_to("asked to stop")?;
    process.signal("INT")?;
    let (code, said) = process.end()?;
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("stopped at once by a second signal"),
        "{said}"
    );
    customer.kill()?;
    customer.wait()?;
    Ok(())
}
