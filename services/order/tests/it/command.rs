//! The two binaries, as people run them: over mutual TLS, with the example configuration. The peers are not there, so
//! that this shows what a person sees when things go wrong; an order that goes well needs all four services.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::Certificates as Authority;

type Outcome = Result<(), Box<dyn Error>>;

/// A temporary folder with a CA, whose certificates it holds.
struct Certificates {
    folder: TempDir,
    authority: Authority,
}

impl Certificates {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new(folder.path())?;
        Ok(Self { folder, authority })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn issue(&self, name: &str) -> Result<PathBuf, Box<dyn Error>> {
        self.authority.issue(name)
    }
}

/// A running order service, and what a person needs to call it.
struct House {
    certificates: Certificates,
    address: String,
    service: Child,
}

impl House {
    fn open() -> Result<Self, Box<dyn Error>> {
        Self::open_with("error", Stdio::null())
    }

    /// With what it logs, and where to.
    fn open_with(log: &str, stderr: Stdio) -> Result<Self, Box<dyn Error>> {
        let certificates = Certificates::new()?;
        let tls = certificates.issue("order")?;
        // An address at which nobody listens any more.
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("order.toml");
        let mut service = Command::new(env!("CARGO_BIN_EXE_order"))
            .env_clear()
            .current_dir(certificates.path())
            .arg("--config")
            .arg(example)
            .arg("--tls")
            .arg(tls)
            .args(["--listen", "127.0.0.1:0", "--log", log])
            .arg(format!("--product=https://{nobody}"))
            .env("ORDER_PAYMENT", format!("https://{nobody}"))
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(service.stdout.take().ok_or("a pipe")?).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .ok_or("no address")?;
        Ok(Self {
            certificates,
            address: format!("https://{address}"),
            service,
        })
    }

    /// `order-client` with the certificate of that name.
    fn client(&self, name: &str, arguments: &[&str]) -> Result<Output, Box<dyn Error>> {
        Ok(client(&self.certificates.issue(name)?)
            .args(["--address", &self.address])
            .args(arguments)
            .output()?)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

/// In an empty environment, so that no variable of the machine has a say.
fn client(tls: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-client"));
    command.env_clear().arg("--tls").arg(tls);
    command
}

/// What it said and the code it ended with.
fn said(output: &Output) -> (String, String, Option<i32>) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code(),
    )
}

const CREATE: [&str; 7] = [
    "create",
    "--user",
    "23",
    "--product",
    "12",
    "--price",
    "3.20 EUR",
];

#[test]
fn a_person_asks_for_health_and_for_a_list() -> Outcome {
    let house = House::open()?;
    let (out, err, code) = said(&house.client("order-client", &["health"])?);
    assert_eq!(
        (out.as_str(), code),
        ("the service takes orders\n", Some(0)),
        "{err}"
    );
    let (out, err, code) = said(&house.client("order-client", &["list"])?);
    assert_eq!((out.as_str(), code), ("no orders\n", Some(0)), "{err}");
    let (out, err, code) = said(&house.client("order-client", &["list", "--json"])?);
    assert_eq!(code, Some(0), "{err}");
    let page: Value = serde_json::from_str(&out)?;
    assert_eq!(page["orders"], serde_json::json!([]));
    Ok(())
}

#[test]
fn every_violation_is_printed_with_its_field_and_the_command_ends_with_3() -> Outcome {
    let house = House::open()?;
    let wrong = [
        "create",
        "--user",
        "-1",
        "--product",
        "-1",
        "--price",
        "0 EUR",
    ];
    let (out, err, code) = said(&house.client("order-client", &wrong)?);
    assert_eq!((out.as_str(), code), ("", Some(3)), "{err}");
    for line in [
        "  user_id: user id cannot be less than 1",
        "  product_id: product id cannot be negative",
        "  price: a price must be greater than zero",
        "what to do: change these fields",
    ] {
        assert!(
            err.lines().any(|said| said == line),
            "{line:?} is not in {err}"
        );
    }
    Ok(())
}

#[test]
fn a_catalogue_that_is_down_is_told_with_the_key_to_come_back_with() -> Outcome {
    let house = House::open()?;
    let mut create = CREATE.to_vec();
    create.extend(["--key", "mine-1"]);
    let (_, err, code) = said(&house.client("order-client", &create)?);
    assert_eq!(code, Some(4), "{err}");
    assert!(
        err.starts_with("error: UNAVAILABLE: product does not answer"),
        "{err}"
    );
    assert!(
        err.contains("what to do: try the same command with --key mine-1 again"),
        "{err}"
    );

    create.push("--json");
    let (_, err, code) = said(&house.client("order-client", &create)?);
    assert_eq!(code, Some(4), "{err}");
    let failure: Value = serde_json::from_str(&err)?;
    assert_eq!(failure["code"], "UNAVAILABLE");
    assert_eq!(failure["reason"], "DEPENDENCY_UNAVAILABLE");
    assert_eq!(failure["idempotency_key"], "mine-1");
    assert_eq!(failure["advice"]["do"], "retry");
    Ok(())
}

#[test]
fn an_order_that_is_not_there_ends_the_command_with_1() -> Outcome {
    let house = House::open()?;
    let id = "0194d5a2-7c3e-7b6f-8a51-3f0a5f1c2d4e";
    for command in ["get", "watch"] {
        let (_, err, code) = said(&house.client("order-client", &[command, id])?);
        assert_eq!(code, Some(1), "{err}");
        assert!(
            err.starts_with(&format!("error: NOT_FOUND: there is no order {id}")),
            "{err}"
        );
    }
    Ok(())
}

#[test]
fn a_certificate_that_is_not_on_the_list_ends_the_command_with_5() -> Outcome {
    let house = House::open()?;
    let (_, err, code) = said(&house.client("shipping", &CREATE)?);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("PERMISSION_DENIED"), "{err}");
    Ok(())
}

/// A command that cannot work before something is changed: what it said, and its exit code.
fn unreachable(
    tls: &Path,
    address: &str,
    arguments: &[&str],
) -> Result<(String, Option<i32>), Box<dyn Error>> {
    let output = client(tls)
        .args(["health", "--deadline", "5s", "--address", address])
        .args(arguments)
        .output()?;
    let (out, err, code) = said(&output);
    assert_eq!(out, "");
    assert!(err.starts_with("error: UNAVAILABLE: "), "{err}");
    assert!(!err.contains("try the same command again"), "{err}");
    Ok((err, code))
}

#[test]
fn a_service_that_a_stranger_vouches_for_is_not_talked_to() -> Outcome {
    let house = House::open()?;
    let strangers = Certificates::new()?;
    let tls = strangers.issue("order-client")?;
    let (err, code) = unreachable(&tls, &house.address, &[])?;
    assert_eq!(code, Some(5), "{err}");
    assert!(
        err.contains("certificate") && err.contains("--tls"),
        "{err}"
    );
    Ok(())
}

#[test]
fn a_certificate_that_the_service_does_not_trust_ends_the_command_with_5() -> Outcome {
    let house = House::open()?;
    let strangers = Certificates::new()?;
    let tls = strangers.issue("order-client")?;
    // It trusts the service, and the service does not trust it.
    let own = house.certificates.issue("order-client")?;
    let both = [fs::read(own.join("ca.crt"))?, fs::read(tls.join("ca.crt"))?];
    fs::write(tls.join("ca.crt"), both.concat())?;
    let (err, code) = unreachable(&tls, &house.address, &[])?;
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("and name its folder with --tls"), "{err}");
    Ok(())
}

#[test]
fn a_name_that_the_service_does_not_have_ends_the_command_with_7() -> Outcome {
    let house = House::open()?;
    let tls = house.certificates.issue("order-client")?;
    let wrong = ["--server-name", "wrong.dev"];
    let (err, code) = unreachable(&tls, &house.address, &wrong)?;
    assert_eq!(code, Some(7), "{err}");
    assert!(err.contains("--server-name"), "{err}");

    let output = client(&tls)
        .args(["health", "--json", "--address", &house.address])
        .args(wrong)
        .output()?;
    let (_, err, code) = said(&output);
    assert_eq!(code, Some(7), "{err}");
    let failure: Value = serde_json::from_str(&err)?;
    assert_eq!(failure["reason"], "UNREACHABLE");
    assert_eq!(failure["advice"]["do"], "give_up");
    Ok(())
}

#[test]
fn an_address_of_something_else_ends_the_command_with_7() -> Outcome {
    let certificates = Certificates::new()?;
    let tls = certificates.issue("order-client")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let plaintext = format!("https://{}", listener.local_addr()?);
    // Ends with the process.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let _ = connection.and_then(answer_in_the_clear);
        }
    });
    for address in [plaintext.as_str(), "https://nowhere.invalid:50050"] {
        let (err, code) = unreachable(&tls, address, &[])?;
        assert_eq!(code, Some(7), "{err}");
        assert!(err.contains("--address"), "{err}");
    }
    Ok(())
}

/// As a web server does that is spoken to in TLS where it speaks none.
fn answer_in_the_clear(mut connection: TcpStream) -> io::Result<()> {
    let mut hello = [0; 1024];
    let _ = connection.read(&mut hello)?;
    connection.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
}

#[test]
fn a_log_that_cannot_be_written_ends_no_service() -> Outcome {
    let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
    let (reader, closed) = io::pipe()?;
    drop(reader);
    for stderr in [Stdio::from(full), Stdio::from(closed)] {
        let mut house = House::open_with("trace", stderr)?;
        let address = house.address.trim_start_matches("https://").to_owned();
        for _ in 0..3 {
            // A stranger without a certificate, who does not even speak TLS: each is a line of the log.
            let mut stranger = TcpStream::connect(&address)?;
            stranger.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
            // Answered with an alert or hung up on, and told in the log before the end.
            let _ = stranger.read_to_end(&mut Vec::new());
        }
        let (out, err, code) = said(&house.client("order-client", &["health"])?);
        assert_eq!(
            (out.as_str(), code),
            ("the service takes orders\n", Some(0)),
            "{err}"
        );
        assert!(house.service.try_wait()?.is_none(), "it goes on");
    }
    Ok(())
}

#[test]
fn a_database_of_something_else_is_refused_and_left_as_it_is() -> Outcome {
    let certificates = Certificates::new()?;
    let tls = certificates.issue("order")?;
    // The index of a CA is one with another program's mark.
    let index = certificates.path().join("index.db");
    let make = |path: &Path| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            use sqlx::Connection as _;
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
            sqlx::query("CREATE TABLE certificates (serial BLOB)")
                .execute(&mut connection)
                .await?;
            connection.close().await
        })?;
        Ok::<_, Box<dyn Error>>(fs::read(path)?)
    };
    let before = make(&index)?;
    let output = Command::new(env!("CARGO_BIN_EXE_order"))
        .env_clear()
        .current_dir(certificates.path())
        .arg("--tls")
        .arg(tls)
        .arg("--database")
        .arg(&index)
        .args(["--listen", "127.0.0.1:0", "--log", "error"])
        .args(["--product", "https://localhost:1"])
        .args(["--payment", "https://localhost:1"])
        .args(["--shipping", "https://localhost:1"])
        .output()?;
    let (out, err, code) = said(&output);
    assert_eq!((out.as_str(), code), ("", Some(1)), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.contains("index.db is not this service's") && err.contains("\"certificates\""),
        "{err}"
    );
    assert_eq!(fs::read(&index)?, before);
    Ok(())
}

#[test]
fn a_folder_without_certificates_and_an_address_that_is_none_end_the_command_with_7() -> Outcome {
    let certificates = Certificates::new()?;
    let nothing = certificates.path().join("nothing");
    fs::create_dir(&nothing)?;
    let (_, err, code) = said(&client(&nothing).arg("health").output()?);
    assert_eq!(code, Some(7), "{err}");
    assert!(err.contains("tls.crt") && err.lines().count() == 1, "{err}");

    let tls: PathBuf = certificates.issue("order-client")?;
    for address in ["http://localhost:50050", "localhost", "https://localhost"] {
        let output = client(&tls)
            .args(["health", "--address", address])
            .output()?;
        let (_, err, code) = said(&output);
        assert_eq!(code, Some(7), "{err}");
        assert!(
            err.contains("https://HOST:PORT") && err.lines().count() == 1,
            "{err}"
        );
    }
    Ok(())
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2_and_help_with_0() -> Outcome {
    let folder = Path::new("nowhere");
    let (_, err, code) = said(
        &client(folder)
            .args(["create", "--price", "3,20"])
            .output()?,
    );
    assert_eq!(code, Some(2), "{err}");
    // What stands in an argument is shown, and not obeyed by the terminal.
    let hostile = ["list", "--user", "\u{1b}[31mRED"];
    let (_, err, code) = said(&client(folder).args(hostile).output()?);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("\\u{1b}[31mRED"), "{err}");
    assert!(!err.contains('\u{1b}'), "{err:?}");
    let (_, err, code) = said(
        &client(folder)
            .env("ORDER_CLIENT_DEADLINE", "x")
            .arg("health")
            .output()?,
    );
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("ORDER_CLIENT_DEADLINE"), "{err}");
    let (out, _, code) = said(&client(folder).arg("--help").output()?);
    assert_eq!(code, Some(0));
    assert!(out.contains("Exit codes:"), "{out}");
    Ok(())
}

#[test]
fn a_service_that_is_not_there_is_told_within_the_deadline() -> Outcome {
    let certificates = Certificates::new()?;
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let output = client(&certificates.issue("order-client")?)
        .args([
            "health",
            "--deadline",
            "3s",
            "--address",
            &format!("https://{nobody}"),
        ])
        .output()?;
    let (_, err, code) = said(&output);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.starts_with("error: UNAVAILABLE: "), "{err}");
    Ok(())
}

#[test]
fn the_service_names_a_peer_that_it_was_not_told_of() -> Outcome {
    let certificates = Certificates::new()?;
    let output = Command::new(env!("CARGO_BIN_EXE_order"))
        .env_clear()
        .current_dir(certificates.path())
        .arg("--tls")
        .arg(certificates.issue("order")?)
        .args([
            "--listen",
            "127.0.0.1:0",
            "--payment",
            "https://localhost:1",
            "--log",
            "error",
        ])
        .output()?;
    let (out, err, code) = said(&output);
    assert_eq!((out.as_str(), code), ("", Some(1)), "{err}");
    assert!(
        err.starts_with("error: ") && err.contains("product"),
        "{err}"
    );
    Ok(())
}

#[test]
fn a_setting_that_makes_no_sense_is_named() -> Outcome {
    let certificates = Certificates::new()?;
    let config = certificates.path().join("order.toml");
    fs::write(&config, "[service]\nretry_min = \"2m\"\n")?;
    let output = Command::new(env!("CARGO_BIN_EXE_order"))
        .env_clear()
        .current_dir(certificates.path())
        .arg("--tls")
        .arg(certificates.issue("order")?)
        .arg("--config")
        .arg(config)
        .args(["--listen", "127.0.0.1:0", "--log", "error"])
        .output()?;
    let (_, err, code) = said(&output);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("retry_max") && err.lines().count() == 1,
        "{err}"
    );
    Ok(())
}
