//! Bad input at the start of the real binary: one sentence that names the thing and the remedy, exit code 1, never a
//! backtrace. The service is a stand-in for all: they start through the same function.

#[path = "../../rpc/tests/support/certificates.rs"]
mod certificates;

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use certificates::Certificates;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn a_missing_certificate_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::new(folder.path())?;
    let tls = certificates.issue("payment")?;
    fs::remove_file(tls.join("tls.crt"))?;
    let sentence = refusal(&mut payment(folder.path(), &tls))?;
    assert!(
        sentence.contains(&tls.join("tls.crt").display().to_string()),
        "{sentence}"
    );
    Ok(())
}

#[test]
fn the_key_of_another_certificate_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::new(folder.path())?;
    let tls = certificates.issue("payment")?;
    let other = certificates.issue("shipping")?;
    fs::copy(other.join("tls.key"), tls.join("tls.key"))?;
    let sentence = refusal(&mut payment(folder.path(), &tls))?;
    assert!(sentence.contains("tls.key"), "{sentence}");
    Ok(())
}

#[test]
fn without_a_folder_of_certificates_every_way_to_name_one_is_told() -> Outcome {
    let folder = tempfile::tempdir()?;
    let sentence = refusal(&mut binary(folder.path()))?;
    for way in ["--tls", "PAYMENT_TLS", "`tls`"] {
        assert!(sentence.contains(way), "{sentence}");
    }
    Ok(())
}

#[test]
fn a_busy_port_is_named_with_the_way_out() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::new(folder.path())?;
    let tls = certificates.issue("payment")?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let sentence = refusal(payment(folder.path(), &tls).args(["--listen", &address]))?;
    assert!(
        sentence.contains(&address) && sentence.contains("--listen"),
        "{sentence}"
    );
    Ok(())
}

#[test]
fn an_unknown_field_is_named_with_its_line_and_what_was_meant() -> Outcome {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("payment.toml");
    fs::write(
        &config,
        "listen = \"127.0.0.1:0\"\n\n[service]\nlimit = [\"1 EUR\"]\n",
    )?;
    let sentence = refusal(binary(folder.path()).arg("--config").arg(&config))?;
    assert_eq!(
        sentence,
        format!(
            "error: {}, line 4: there is no field `limit` here; did you mean `limits`?",
            config.display()
        )
    );
    Ok(())
}

#[test]
fn a_file_that_is_no_database_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::new(folder.path())?;
    let tls = certificates.issue("payment")?;
    let database = folder.path().join("payment.db");
    fs::write(
        &database,
        "a shopping list: tea, glasses, sugar. ".repeat(100),
    )?;
    let sentence = refusal(&mut payment(folder.path(), &tls))?;
    assert!(
        sentence.contains("payment.db") && sentence.contains("not an SQLite database"),
        "{sentence}"
    );
    Ok(())
}

#[test]
fn a_rule_that_could_never_match_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::new(folder.path())?;
    let tls = certificates.issue("payment")?;
    let config = folder.path().join("payment.toml");
    fs::write(
        &config,
        "[allow]\n\"payment.v1.Payment.Create\" = [\"spiffe://microservices.dev/order\"]\n",
    )?;
    let sentence = refusal(payment(folder.path(), &tls).arg("--config").arg(&config))?;
    assert!(sentence.contains("payment.v1.Payment.Create"), "{sentence}");
    Ok(())
}

#[test]
fn the_example_configuration_is_accepted_and_the_service_stops_when_asked() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::new(folder.path())?;
    let tls = certificates.issue("payment")?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("payment.toml");
    let mut service = payment(folder.path(), &tls)
        .arg("--config")
        .arg(example)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(service.stdout.take().ok_or("a pipe")?).read_line(&mut line)?;
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line:?}");
    let asked = Command::new("kill")
        .arg(service.id().to_string())
        .status()?;
    assert!(asked.success());
    assert_eq!(service.wait()?.code(), Some(0));
    Ok(())
}

/// The binary in an empty environment, so that no variable of the machine has a say.
fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_payment"));
    command
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .current_dir(folder);
    command
}

/// The binary with everything in order, but for what a test changes.
fn payment(folder: &Path, tls: &Path) -> Command {
    let mut command = binary(folder);
    command
        .env("PAYMENT_LISTEN", "127.0.0.1:0")
        .args(["--log", "error"])
        .arg("--tls")
        .arg(tls);
    command
}

/// The one sentence that it refuses to start with.
fn refusal(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output()?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "nothing was announced");
    let lines: Vec<&str> = said.lines().collect();
    let [sentence] = lines.as_slice() else {
        return Err(format!("not one line but {lines:#?}").into());
    };
    assert!(sentence.starts_with("error: "), "{sentence}");
    Ok((*sentence).to_owned())
}
