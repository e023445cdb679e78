//! What a service says when it is started wrongly: one sentence that names the thing and the fix, and a failure.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result};
use tests::house::{House, SERVICES};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

const DEMO: &str = env!("CARGO_BIN_EXE_demo");
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_missing_folder_of_certificates() -> Result<()> {
    let house = House::new(Path::new(DEMO))?;
    for service in SERVICES {
        // No certificates were made.
        let said = refused(service, house.command(service)).await?;
        names(&said, &["tls.crt", service])?;
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_key() -> Result<()> {
    let house = with_certificates().await?;
    let key = house.tls("payment").join("tls.key");
    fs::remove_file(&key)?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &[&key.display().to_string()])
}

#[tokio::test]
async fn the_key_of_another_certificate() -> Result<()> {
    let house = with_certificates().await?;
    let stranger = fs::read(house.tls("shipping").join("tls.key"))?;
    fs::write(house.tls("payment").join("tls.key"), stranger)?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["tls.key", "tls.crt", "does not belong"])
}

#[tokio::test]
async fn a_certificate_that_is_none() -> Result<()> {
    let house = with_certificates().await?;
    fs::write(house.tls("payment").join("tls.crt"), "hello\n")?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["tls.crt"])
}

#[tokio::test]
async fn a_busy_port() -> Result<()> {
    let house = with_certificates().await?;
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let address = taken.local_addr()?.to_string();
    let mut command = house.command("payment");
    command.args(["--listen", &address]);
    let said = refused("payment", command).await?;
    names(&said, &[&address, "--listen"])
}

#[tokio::test]
async fn an_address_that_is_none() -> Result<()> {
    let house = with_certificates().await?;
    let mut command = house.command("payment");
    command.args(["--listen", "somewhere"]);
    let said = refused("payment", command).await?;
    names(&said, &["--listen", "somewhere"])
}

#[tokio::test]
async fn an_unknown_field_in_the_configuration() -> Result<()> {
    let house = with_certificates().await?;
    let path = house.folder().join("payment.toml");
    fs::write(&path, "listn = \"127.0.0.1:0\"\n")?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["payment.toml", "line 1", "listn", "listen"])
}

#[tokio::test]
async fn a_configuration_that_is_missing_or_no_toml() -> Result<()> {
    let house = with_certificates().await?;
    let path = house.folder().join("payment.toml");
    fs::write(&path, "listen = \n")?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["payment.toml", "line 1"])?;
    fs::remove_file(&path)?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["payment.toml", "--config"])
}

#[tokio::test]
async fn an_unreadable_database() -> Result<()> {
    let house = with_certificates().await?;
    let database = house.database("payment");
    fs::create_dir(&database)?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["payment.db"])?;

    fs::remove_dir(&database)?;
    let before = "this is no database, and must not be overwritten\n".repeat(100);
    fs::write(&database, &before)?;
    let said = refused("payment", house.command("payment")).await?;
    names(&said, &["payment.db"])?;
    assert_eq!(
        fs::read_to_string(&database)?,
        before,
        "the file was changed"
    );
    Ok(())
}

#[tokio::test]
async fn a_peer_whose_address_is_none() -> Result<()> {
    let house = with_certificates().await?;
    let mut command = house.command("order");
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--peer",
        "payment=http://127.0.0.1:1",
    ]);
    let said = refused("order", command).await?;
    names(&said, &["payment", "http://127.0.0.1:1", "https://"])
}

#[tokio::test]
async fn an_unknown_flag() -> Result<()> {
    let house = House::new(Path::new(DEMO))?;
    let mut command = house.command("payment");
    command.arg("--lisen=127.0.0.1:0");
    let output = timeout(PATIENCE, output(&mut command)).await??;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{said}");
    names(&said, &["--lisen", "--listen"])
}

// === helpers ===

async fn with_certificates() -> Result<House> {
    let house = House::new(Path::new(DEMO))?;
    house.make_certificates().await?;
    Ok(house)
}

/// Runs a service that must refuse to start, and returns what it said: one line that begins with `error: `.
async fn refused(service: &str, mut command: Command) -> Result<String> {
    if service == "order" {
        for peer in ["product", "payment", "shipping"] {
            command.env(
                format!("ORDER_{}", peer.to_uppercase()),
                "https://127.0.0.1:1",
            );
        }
    }
    command.env("RUST_BACKTRACE", "1");
    let output = timeout(PATIENCE, output(&mut command))
        .await
        .with_context(|| format!("{service} goes on running"))??;
    let said = String::from_utf8(output.stderr)?;
    assert!(
        !output.status.success(),
        "{service} exits with 0 and says {said:?}"
    );
    assert!(output.stdout.is_empty(), "{service} says that it listens");
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "not one sentence: {said:?}");
    for noise in [
        "panicked",
        "stack backtrace",
        "RUST_BACKTRACE",
        " { ",
        "Some(",
    ] {
        assert!(!said.contains(noise), "{noise:?} in {said:?}");
    }
    Ok(errors.concat())
}

/// What a service printed. Its standard input stays open until it ends, since it ends when that is closed.
async fn output(command: &mut Command) -> Result<Output> {
    let mut child = command.spawn()?;
    let open = child.stdin.take();
    let output = child.wait_with_output().await?;
    drop(open);
    Ok(output)
}

fn names(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        anyhow::ensure!(said.contains(word), "it does not name {word:?}: {said}");
    }
    Ok(())
}
