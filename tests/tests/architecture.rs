//! The shape of the house: the arrows between its crates and the invariants of docs/ARCHITECTURE.md.
//!
//! The compiler holds an arrow that is missing, and nothing would stop one that is too many. These tests read
//! `cargo metadata` and the sources and say which line breaks which rule.

#![expect(
    clippy::panic,
    reason = "a broken rule is reported by panicking with its sentence"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

/// Who may depend on whom, development dependencies included. A crate that is not named here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("pki", &[]),
    ("pki-cli", &["pki"]),
    ("proto", &[]),
    ("mtls", &[]),
    ("resilience", &[]),
    ("rpc", &["mtls", "resilience"]),
    ("product", &["proto", "rpc"]),
    ("payment", &["proto", "rpc"]),
    ("shipping", &["proto", "rpc"]),
    ("order", &["proto", "rpc"]),
    (
        "tests",
        &[
            "mtls",
            "order",
            "payment",
            "pki",
            "pki-cli",
            "product",
            "proto",
            "resilience",
            "rpc",
            "shipping",
        ],
    ),
];

#[test]
fn every_arrow_between_crates_is_drawn_in_the_architecture() -> Result<()> {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(from, to)| (*from, to.iter().copied().collect()))
        .collect();
    let metadata = metadata()?;
    let members = metadata["packages"].as_array().context("no packages")?;
    let names: BTreeSet<&str> = members.iter().filter_map(|p| p["name"].as_str()).collect();
    let drawn: BTreeSet<&str> = allowed.keys().copied().collect();
    assert_eq!(
        names, drawn,
        "the members of the workspace and the crates drawn in ARROWS differ"
    );

    let mut wrong = Vec::new();
    for package in members {
        let from = package["name"].as_str().context("a package has no name")?;
        for dependency in package["dependencies"]
            .as_array()
            .context("no dependencies")?
        {
            let to = dependency["name"].as_str().context("no name")?;
            if names.contains(to) && !allowed[from].contains(to) {
                wrong.push(format!("{from} → {to}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that docs/ARCHITECTURE.md does not draw: {wrong:?}; turn the dependency round, or write down why it is needed"
    );
    Ok(())
}

#[test]
fn ring_is_in_no_crates_dependencies() -> Result<()> {
    // `cargo deny` looks at the whole graph; this looks at what we ask for ourselves, without any tool.
    let metadata = metadata()?;
    for package in metadata["packages"].as_array().context("no packages")? {
        for dependency in package["dependencies"]
            .as_array()
            .context("no dependencies")?
        {
            let name = dependency["name"].as_str().unwrap_or_default();
            let features = dependency["features"].to_string();
            assert!(
                name != "ring" && !features.contains("ring\"") && !features.contains("tls-ring"),
                "{} asks for ring through {name}: aws-lc-rs is the one crypto provider",
                package["name"]
            );
            assert!(
                name != "tonic" || !features.contains("tls"),
                "{} switches tonic's own TLS on: the acceptor and the connector are those of `mtls`",
                package["name"]
            );
        }
    }
    Ok(())
}

#[test]
fn the_pki_library_knows_no_network_thread_terminal_environment_or_clock() {
    forbid(
        "pki-cli/pki/src",
        &[],
        &[
            "std::net::Tcp",
            "std::net::Udp",
            "std::thread",
            "thread::spawn",
            "std::env",
            "env::var",
            "std::io::stdin",
            "stdout()",
            "stderr()",
            "println!",
            "eprintln!",
            "tokio::",
            "async fn",
            "SystemTime::now",
            "OffsetDateTime::now",
            "process::exit",
        ],
        "the library `pki` is given time, randomness and passphrases as arguments, and prints nothing",
    );
}

#[test]
fn the_command_pki_is_lean_and_speaks_to_servers_in_one_place() -> Result<()> {
    // One connection at a time needs no runtime; what a command does not need delays the start of every command.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--package=pki-cli",
            "--edges=normal",
            "--prefix=none",
        ])
        .args(["--format={p}", "--offline"])
        .current_dir(root())
        .output()
        .context("cargo tree does not start")?;
    let tree = String::from_utf8(tree.stdout)?;
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(crates.contains("rustls"), "{tree}");
    for foreign in [
        "ring",
        "tokio",
        "tokio-rustls",
        "hyper",
        "tonic",
        "openssl-sys",
    ] {
        assert!(
            !crates.contains(foreign),
            "{foreign} is linked into the command pki: see `cargo tree -p pki-cli -e normal -i {foreign}`"
        );
    }
    forbid(
        "pki-cli/src",
        &["connection"],
        &[
            "std::net::Tcp",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ClientConnection",
        ],
        "only pki-cli/src/connection speaks to other machines",
    );
    Ok(())
}

#[test]
fn libraries_neither_print_nor_exit() {
    for root in ["services/mtls/src", "services/resilience/src"] {
        forbid(
            root,
            &[],
            &[
                "println!",
                "eprintln!",
                "process::exit",
                "env::var",
                "std::env",
            ],
            "a library that other teams take must not print, exit or read the environment",
        );
    }
}

#[test]
fn only_the_issuer_uses_the_key_of_a_ca() {
    // key defines signing; a certificate request is signed with its subject's own key (RFC 2986, 4.2).
    forbid(
        "pki-cli/pki/src",
        &["issuer", "key", "certificate_request"],
        &[".sign("],
        "certificates and CRLs are signed in issuer alone",
    );
}

#[test]
fn only_one_file_decides_extensions() {
    // What reads extensions (inspect, parse, path_validation) names them too; what writes them stands in profile.rs.
    forbid(
        "pki-cli/pki/src",
        &[
            "profile.rs",
            "der.rs",
            "inspect",
            "parse",
            "path_validation",
        ],
        &[
            "der::named_bits(",
            "SERVER_AUTH",
            "CLIENT_AUTH",
            "&KEY_USAGE",
            "&BASIC_CONSTRAINTS",
        ],
        "profile.rs alone decides which extensions a certificate gets",
    );
}

#[test]
fn the_certificate_wing_writes_files_in_one_place() {
    for root in ["pki-cli/pki/src", "pki-cli/src"] {
        forbid(
            root,
            &["folder"],
            &[
                "fs::write",
                "File::create",
                "fs::rename",
                ".persist(",
                "persist_noclobber",
                "create_dir",
                "OpenOptions",
            ],
            "folder alone writes files: atomic, durable, with the right permissions from birth",
        );
    }
}

#[test]
fn layers_are_stacked_in_two_places() {
    for service in [
        "mtls",
        "resilience",
        "rpc",
        "order",
        "payment",
        "product",
        "shipping",
    ] {
        forbid(
            &format!("services/{service}/src"),
            &["server.rs", "client.rs"],
            &["ServiceBuilder::new", "Server::builder"],
            "the stacks are rpc/src/server.rs and rpc/src/client.rs",
        );
    }
}

#[test]
fn a_tonic_status_is_built_in_one_place() {
    // `Status` as a return type is what the generated traits demand; making one is what only rpc/src/status.rs does.
    const MAKERS: &[&str] = &[
        "Status::new(",
        "Status::ok(",
        "Status::cancelled(",
        "Status::unknown(",
        "Status::invalid_argument(",
        "Status::deadline_exceeded(",
        "Status::not_found(",
        "Status::already_exists(",
        "Status::permission_denied(",
        "Status::resource_exhausted(",
        "Status::failed_precondition(",
        "Status::aborted(",
        "Status::out_of_range(",
        "Status::unimplemented(",
        "Status::internal(",
        "Status::unavailable(",
        "Status::data_loss(",
        "Status::unauthenticated(",
        "Status::with_details(",
        "Status::with_error_details(",
        "Status::from_error(",
    ];
    for service in ["mtls", "rpc", "order", "payment", "product", "shipping"] {
        forbid(
            &format!("services/{service}/src"),
            &["status.rs"],
            MAKERS,
            "rpc/src/status.rs alone makes a tonic::Status; say which Failure it is instead",
        );
    }
}

#[test]
fn no_private_key_and_no_generated_certificate_is_kept() -> Result<()> {
    let mut found = Vec::new();
    for file in files(&root(), &|path| {
        !path.ends_with("target") && !path.ends_with(".git")
    })? {
        let relative = file.strip_prefix(root())?.to_path_buf();
        // Everything in certs/ but the manifest is ignored by git; .gitignore itself is checked below.
        if relative.starts_with("certs") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        // A key is its label and many full lines of base64 after it; code and tests name the label alone.
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let is_key = lines.windows(3).any(|three| {
            let is_label =
                three[0].starts_with("-----BEGIN") && three[0].ends_with("PRIVATE KEY-----");
            let is_base64 = |line: &str| {
                line.len() >= 60
                    && line
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
            };
            is_label && (is_base64(three[1]) || is_base64(three[2]))
        });
        let is_certificate = relative
            .extension()
            .is_some_and(|e| e == "crt" || e == "key");
        if is_key || is_certificate {
            found.push(relative);
        }
    }
    assert!(
        found.is_empty(),
        "keys or generated certificates in the tree, make them in the test that needs them: {found:?}"
    );
    let ignore = fs::read_to_string(root().join(".gitignore"))?;
    assert!(
        ignore.lines().any(|line| line == "/certs/*"),
        ".gitignore no longer hides certs/"
    );
    Ok(())
}

#[test]
fn the_four_services_have_the_same_rooms() {
    for service in ["order", "payment", "product", "shipping"] {
        for file in [
            "main.rs",
            "lib.rs",
            "config.rs",
            "service.rs",
            "store.rs",
            "error.rs",
        ] {
            let path = root().join("services").join(service).join("src").join(file);
            assert!(
                path.is_file(),
                "{} is missing: the same file names in each service",
                path.display()
            );
        }
    }
}

// === helpers ===

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn metadata() -> Result<serde_json::Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--manifest-path",
        ])
        .arg(root().join("Cargo.toml"))
        .output()
        .context("cargo metadata does not start")?;
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Fails with `reason` when a line of code below `folder` contains one of `needles`. Comments, files of tests and what
/// follows the first `#[cfg(test)]` of a file do not count, nor do the files and folders in `except`.
fn forbid(folder: &str, except: &[&str], needles: &[&str], reason: &str) {
    let folder = root().join(folder);
    let sources = files(&folder, &|_| true)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    assert!(
        !sources.is_empty(),
        "{} holds no source file",
        folder.display()
    );
    let mut broken = Vec::new();
    for file in sources
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rs"))
    {
        let within = file.strip_prefix(&folder).unwrap_or(file);
        let is_test = within
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| stem == "tests" || stem.ends_with("_tests"));
        let excepted = within.iter().any(|part| {
            part.to_str()
                .is_some_and(|part| part == "tests" || except.contains(&part))
        });
        if is_test || excepted {
            continue;
        }
        let text = fs::read_to_string(file).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                break;
            }
            if line.trim_start().starts_with("//") {
                continue;
            }
            if let Some(needle) = needles.iter().find(|n| line.contains(**n)) {
                broken.push(format!("{}:{} has {needle}", file.display(), number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{reason}:\n{}", broken.join("\n"));
}

fn files(folder: &Path, enter: &dyn Fn(&Path) -> bool) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            if enter(&path) {
                found.extend(files(&path, enter)?);
            }
        } else if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}
