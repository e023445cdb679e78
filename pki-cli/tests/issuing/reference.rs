//! docs/COMMANDS.md, the reference: every command stands in it, with its help and the shape of its JSON, and both are
//! what the command really prints. `UPDATE_REFERENCE=1 cargo test -p pki-cli --test issuing reference` writes the blocks
//! anew; what stands between them is written by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use pki::health::KINDS;
use pki_cli::command_error::exit_codes;
use serde_json::Value;

use crate::{
    manual::commands,
    support::{Home, skipped},
};

/// Paths into a document, each with the types that were seen there.
type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn reference() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/COMMANDS.md"))
}

/// The shapes that were seen: by command, and `certificate` and `error`, which several commands share.
#[derive(Default)]
struct Seen(BTreeMap<String, Shape>);

impl Seen {
    fn add(&mut self, of: &str, path: &str, value: &Value) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(fields) if is(fields, &["pem", "sha256", "not_before"]) => "certificate",
            Value::Object(fields) if is(fields, &["exit_code", "kind", "hints"]) => "error",
            Value::Object(_) => "object",
        };
        if !path.is_empty() {
            let shape = self.0.entry(of.to_owned()).or_default();
            shape.entry(path.to_owned()).or_default().insert(kind);
            // Sentences, also where no run had something to say.
            if kind == "array" && (path == "notices" || path.ends_with(".notices")) {
                shape
                    .entry(format!("{path}[]"))
                    .or_default()
                    .insert("string");
            }
        }
        // What pki inspect shows has as many fields as there are kinds of things; its text names them all.
        if path.ends_with("objects[]") || path.ends_with("chain[]") {
            return;
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    self.add(of, &format!("{path}[]"), item);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let below = match path {
                        "" => name.clone(),
                        _ => format!("{path}.{name}"),
                    };
                    match kind {
                        "certificate" => self.add("certificate", name, field),
                        "error" if name != "details" => self.add("error", name, field),
                        // What is in them depends on the command, and stands with it.
                        "error" => {
                            let shape = self.0.entry("error".to_owned()).or_default();
                            shape.entry(name.clone()).or_default().insert("object");
                            self.add(of, &below, field);
                        }
                        _ => self.add(of, &below, field),
                    }
                }
            }
            _ => {}
        }
    }
}

fn is(fields: &serde_json::Map<String, Value>, names: &[&str]) -> bool {
    names.iter().all(|name| fields.contains_key(*name))
}

/// Runs of every command, in an order in which each finds what it needs. More than one for a command whose document has
/// more than one form.
const RUNS: &[&str] = &[
    "init --permit-dns a.dev --days 400 --issuing-days 500 --dry-run",
    "init --permit-dns a.dev --days 400 --issuing-days 500",
    "init --dir single --single-tier",
    "init",
    "csr c --dns c.a.dev --profile client --dry-run",
    "csr c --dns c.a.dev --profile client",
    "sign certs/c/tls.csr --profile server --allow-dropped --days 700 --dry-run",
    "sign certs/c/tls.csr --profile server --allow-dropped --days 700",
    "issue x --profile client --dry-run",
    "issue x --profile client",
    "issue y --dns y.a.dev",
    "apply pki.toml --dry-run",
    "apply pki.toml",
    "apply pki.toml",
    "apply changed.toml --dry-run",
    "renew x y --dry-run",
    "renew x c",
    "renew --all --expiring 1d",
    "renew x nobody",
    "rekey x y --dry-run",
    "rekey x c",
    "rekey --all --expiring 1d",
    "rekey x nobody",
    "export y --format pem --out y.pem --dry-run",
    "export y --format pem --out y.pem",
    "export y --format pem --out z.pem --no-key",
    "crl --dry-run",
    "crl",
    "crl",
    "revoke y --reason keyCompromise --invalidity-date 2026-11-20T00:00:00Z --dry-run",
    "revoke y --reason keyCompromise --invalidity-date 2026-11-20T00:00:00Z",
    "revoke y",
    "issue z --dns z.a.dev",
    "revoke z",
    "list --all",
    "list --expiring 9000d",
    "check",
    "check --warn 9000d",
    "check certs/x",
    "csr sub",
    "sign certs/sub/tls.csr --profile intermediate",
    "inspect certs/x/tls.crt",
    "inspect certs/x/tls.crt nothing",
    "inspect certs/ca",
    "inspect certs",
    "verify certs/x/tls.crt --purpose client",
    "verify certs/y/tls.crt",
    "verify certs/ca/root.crt --host a.dev",
    "connect 127.0.0.1:1",
    "connect 127.0.0.1:PORT --host b.a.dev --identity a",
    "connect 127.0.0.1:PORT --host wrong.a.dev",
    "import i --cert certs/x/tls.crt --key certs/x/tls.key --dry-run",
    "import i --cert certs/x/tls.crt --key certs/x/tls.key",
    "import ca --dir new --cert certs/ca/root.crt --key certs/ca/root.key --issuing-cert certs/ca/issuing.crt --issuing-key certs/ca/issuing.key --dry-run",
    "import ca --dir new --cert certs/ca/root.crt --key certs/ca/root.key --issuing-cert certs/ca/issuing.crt --issuing-key certs/ca/issuing.key",
    "import ca --dir old --cert single/ca/root.crt --key single/ca/root.key --index index.txt --crlnumber crlnumber",
    "ca rotate status",
    "ca rotate prepare --now --root --dry-run",
    "ca rotate prepare --now --root",
    "ca rotate activate --now",
    "ca rotate status",
    "renew --all",
    "ca rotate retire --force",
    "ca rotate --dry-run",
    "ca rotate",
    "ca rotate status",
    "completions bash",
    "man issue",
    "man --out pages --dry-run",
];

const MANIFEST: &str = "[ca]\nsubject = \"/CN=Private Root CA\"\n
[certificate.a]\nprofile = \"client\"\ndns = [\"a.a.dev\"]\n
[certificate.b]\nprofile = \"server\"\ndns = [\"b.a.dev\"]\n";

fn seen() -> Seen {
    let home = Home::new();
    home.write("pki.toml", MANIFEST);
    home.write(
        "changed.toml",
        MANIFEST.replace("\"b.a.dev\"", "\"c.a.dev\""),
    );
    home.write("index.txt", "V\t361122140000Z\t\t0A\tunknown\t/CN=lost\nR\t361122140000Z\t261120140000Z,keyCompromise\t0B\tunknown\t/CN=bad\n");
    home.write("crlnumber", "05\n");
    let names = commands(&home);
    let mut seen = Seen::default();
    let mut server = None;
    for run in RUNS {
        let mut run = (*run).to_owned();
        if run.contains("PORT") {
            let (_, port) = server.get_or_insert_with(|| serve(&home));
            match port {
                Some(port) => run = run.replace("PORT", port),
                None => continue,
            }
        }
        let document = home.pki(&format!("{run} --json")).json();
        let name = names
            .iter()
            .map(|name| name.join(" "))
            .filter(|name| run == *name || run.starts_with(&format!("{name} ")))
            .max_by_key(String::len)
            .unwrap_or_else(|| panic!("{run}: no such command"));
        seen.add(&name, "", &document);
    }
    if let Some((Some(mut child), _)) = server {
        child.kill().expect("a child");
        child.wait().expect("it ends");
    }
    seen
}

/// A TLS server that asks for a certificate, and its port.
fn serve(home: &Home) -> (Option<std::process::Child>, Option<String>) {
    let args = "s_server -accept 127.0.0.1:0 -cert certs/b/tls.crt -key certs/b/tls.key -CAfile certs/b/ca.crt -cert_chain certs/b/tls.crt -verify 3 -alpn h2";
    let child = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(home.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        skipped("openssl");
        return (None, None);
    };
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        let (_, port) = line.strip_prefix("ACCEPT ")?.rsplit_once(':')?;
        Some(port.to_owned())
    });
    // Somebody must read what it says, or it stops.
    std::thread::spawn(move || lines.for_each(drop));
    (Some(child), port)
}

fn block(shape: &Shape) -> String {
    let lines = shape.iter().map(|(path, kinds)| {
        let kinds: Vec<_> = kinds.iter().copied().collect();
        format!("{path}: {}\n", kinds.join(" or "))
    });
    lines.collect()
}

/// What must stand in the document: after a line `<!-- NAME -->`, a block fenced by three backticks.
fn blocks(home: &Home, seen: &Seen) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let table = exit_codes()
        .into_iter()
        .map(|row| format!("{:>3}  {:<18}  {}\n", row.code, row.name, row.meaning));
    blocks.push(("exit codes".to_owned(), table.collect()));
    let kinds = KINDS.iter().map(|kind| {
        let level = kind.level.name();
        format!("{:<18}  {level:<7}  {}\n", kind.name, kind.meaning)
    });
    blocks.push(("check kinds".to_owned(), kinds.collect()));
    for shared in ["error", "certificate"] {
        let shape = seen.0.get(shared).expect("seen");
        blocks.push((format!("json {shared}"), block(shape)));
    }
    for name in commands(home) {
        let name = name.join(" ");
        let help = home.pki(&format!("{name} -h")).succeeds();
        let help: String = help
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        blocks.push((format!("help {name}"), help));
        // Without a server to talk to, a handshake shows half of its document.
        let is_whole = name != "connect" || home.openssl("version").is_some();
        // A command that only holds others prints no document.
        if let Some(shape) = seen.0.get(&name).filter(|_| is_whole) {
            blocks.push((format!("json {name}"), block(shape)));
        }
    }
    blocks
}

#[test]
fn the_reference_says_what_every_command_takes_and_prints() {
    let home = Home::new();
    let seen = seen();
    for name in commands(&home) {
        let name = name.join(" ");
        let holds_others = home
            .pki(&format!("{name} --help"))
            .stdout
            .contains("\nCommands:\n");
        assert!(
            holds_others || seen.0.contains_key(&name),
            "pki {name} is not in the reference: add a run of it to RUNS in pki-cli/tests/issuing/reference.rs and a section to docs/COMMANDS.md, as CONTRIBUTING.md says"
        );
    }
    let mut text = fs::read_to_string(reference()).expect("docs/COMMANDS.md");
    let update = std::env::var_os("UPDATE_REFERENCE").is_some();
    for (name, content) in blocks(&home, &seen) {
        let mark = format!("<!-- {name} -->\n```text\n");
        let Some(start) = text.find(&mark).map(|at| at + mark.len()) else {
            panic!(
                "docs/COMMANDS.md has no block \"{name}\": add a section with the lines <!-- {name} -->, ```text and ```, and run the test with UPDATE_REFERENCE=1"
            );
        };
        let end = start + text[start..].find("```\n").expect("the block ends");
        if update {
            text.replace_range(start..end, &content);
        } else {
            assert_eq!(
                &text[start..end],
                content,
                "docs/COMMANDS.md is out of date in the block \"{name}\"; run this test with UPDATE_REFERENCE=1, and tell in CHANGELOG.md what changed. A field of JSON may come, and none may go or change its type."
            );
        }
    }
    if update {
        fs::write(reference(), text).expect("written");
    }
}
