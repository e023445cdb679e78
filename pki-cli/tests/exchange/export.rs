//! `pki export`: one PEM file, a Secret of Kubernetes, and what is refused.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::support::{Home, snapshot};

fn with_pair() -> Home {
    let home = Home::with_ca();
    home.pki("issue order --dns order.dev").succeeds();
    home
}

fn mode(home: &Home, name: &str) -> u32 {
    let metadata = fs::metadata(home.path(name)).expect(name);
    metadata.permissions().mode() & 0o777
}

#[test]
fn one_pem_file_holds_the_key_and_the_chain_for_its_owner_alone() {
    let home = with_pair();
    home.pki("export order --format pem --out order.pem")
        .succeeds();
    let chain = home.read("certs/order/tls.crt");
    let whole = home.read("certs/order/tls.key") + &chain;
    assert_eq!(home.read("order.pem"), whole);
    assert_eq!(mode(&home, "order.pem"), 0o600);
    home.pki("export order --format pem --no-key --out chain.pem")
        .succeeds();
    assert_eq!(home.read("chain.pem"), chain);
    assert_eq!(mode(&home, "chain.pem"), 0o644);
    // Whoever wants the chain need not be able to read the key.
    let key = home.path("certs/order/tls.key");
    fs::rename(&key, home.path("kept")).expect("moved");
    fs::create_dir(&key).expect("made");
    home.pki("export order --format pem --no-key --out again.pem")
        .succeeds();
    home.pki("export order --format pem --out never.pem")
        .fails(6);
    fs::remove_dir(&key).expect("removed");
    home.pki("export order --format pem --out never.pem")
        .fails(4);
    fs::rename(home.path("kept"), &key).expect("moved");
    // The same from the folder's path, to a pipe.
    assert_eq!(
        home.pki("export ./certs/order --format pem --out -")
            .succeeds(),
        whole
    );
}

#[test]
fn an_encrypted_key_is_opened_with_its_passphrase() {
    let home = Home::with_ca();
    home.write("secret", "right");
    home.pki("issue order --dns order.dev --encrypt-key --key-passphrase-file secret")
        .succeeds();
    let told = home
        .pki("export order --format pem --out order.pem")
        .fails(8);
    assert!(told.contains("--passphrase-file"), "{told}");
    assert!(!home.path("order.pem").exists());
    home.pki("export order --format pem --out order.pem --passphrase-file secret")
        .succeeds();
    assert!(
        home.read("order.pem")
            .starts_with("-----BEGIN PRIVATE KEY-----")
    );
    home.write("other", "wrong");
    home.pki("export order --format pem --out x.pem --passphrase-file other")
        .fails(8);
}

#[test]
fn what_nobody_accepts_is_exported_and_told() {
    let home = with_pair();
    home.pki("issue elsewhere --dns b.dev --out away")
        .succeeds();
    let export = |what: &str| {
        home.pki(&format!(
            "export {what} --format pem --no-key --force --out x.pem"
        ))
    };
    assert_eq!(export("order").stderr, "");
    home.pki("revoke order").succeeds();
    home.pki("revoke away/tls.crt").succeeds();
    for what in ["order", "./away"] {
        let run = export(what);
        assert!(
            run.code == 0
                && run
                    .stderr
                    .contains("Nobody who checks will accept the certificate"),
            "{run:?}"
        );
        assert!(run.stderr.contains("revoked"), "{run:?}");
    }
    let made = home.openssl(
        "req -x509 -newkey ed25519 -nodes -subj /CN=old -days -1 -keyout old.key -out old.crt",
    );
    let Some(made) = made.filter(|made| made.code == 0) else {
        return; // Some versions make nothing that has ended.
    };
    made.succeeds();
    fs::create_dir(home.path("certs/old")).expect("made");
    fs::rename(home.path("old.crt"), home.path("certs/old/tls.crt")).expect("moved");
    let run = export("old");
    assert!(
        run.code == 0 && run.stderr.contains("accept the certificate: it ended on "),
        "{run:?}"
    );
}

#[test]
fn a_device_is_not_replaced_by_a_file() {
    let home = with_pair();
    for device in ["/dev/stdout", "/dev/null", "/proc/self/fd/1"] {
        for force in ["", " --force"] {
            let told = home
                .pki(&format!("export order --format pem --out {device}{force}"))
                .fails(2);
            assert!(
                told.contains("is a device or a pipe") && told.contains("--out -"),
                "{told}"
            );
        }
    }
}

/// The fields of the Secret, as a YAML reader sees them; ours is checked by hand where python has none.
fn yaml(text: &str) -> Option<serde_json::Value> {
    let mut child = Command::new("python3")
        .args([
            "-c",
            "import sys, json, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A python without PyYAML may be gone before it reads.
    let _ = child.stdin.take()?.write_all(text.as_bytes());
    let output = child.wait_with_output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// The values of `data`, line by line.
fn by_hand(text: &str) -> Vec<(String, String)> {
    let data = text.split_once("\ndata:\n").expect("data").1;
    data.lines()
        .map(|line| {
            let (name, value) = line.trim().split_once(": ").expect("a field");
            (name.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn a_secret_holds_the_files_of_the_folder() {
    let home = with_pair();
    let text = home
        .pki("export order --format kubernetes --namespace shop --out -")
        .succeeds();
    let fields = by_hand(&text);
    for (name, base64) in &fields {
        home.write("value", base64);
        let Some(decoded) = home.openssl("base64 -d -A -in value") else {
            continue;
        };
        assert_eq!(
            decoded.stdout,
            home.read(&format!("certs/order/{name}")),
            "{name}"
        );
    }
    if let Some(read) = yaml(&text) {
        assert_eq!(read["apiVersion"], "v1");
        assert_eq!(read["kind"], "Secret");
        assert_eq!(read["type"], "kubernetes.io/tls");
        assert_eq!(read["metadata"]["name"], "order");
        assert_eq!(read["metadata"]["namespace"], "shop");
        for (name, base64) in fields {
            assert_eq!(read["data"][name], *base64);
        }
    }
    home.pki("crl").succeeds();
    home.pki("export order --format kubernetes --out order.yaml")
        .succeeds();
    let fields = by_hand(&home.read("order.yaml"));
    assert!(fields.iter().any(|(name, _)| name == "crl.pem"));
    assert_eq!(mode(&home, "order.yaml"), 0o600);
    assert!(!home.read("order.yaml").contains("namespace"));
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let home = with_pair();
    home.write("secret", "correct horse\n");
    let pkcs12 = "pkcs12 --export-passphrase-file secret";
    for format in [pkcs12, "pem", "kubernetes"] {
        let run = home.pki(&format!(
            "export order --format {format} --out x --dry-run --json"
        ));
        let told = run.json();
        assert_eq!(told["dry_run"], true);
        assert_eq!(told["private_key"], true);
        assert!(!home.path("x").exists());
    }
    snapshot!(home.pki("export order --format kubernetes --out order.yaml --dry-run"), @"
    exit 0
    Would export certs/order as kubernetes to order.yaml
      key          P-256
      certificate  /CN=order
      certificate  /CN=Private Issuing CA
      certificate  /CN=Private Root CA
    Nothing was done: this was a dry run.
    --- stderr
    notice: The key in the export is not encrypted; keep it where only its user can read it.
    ");
}

#[test]
fn what_is_refused_says_why_and_leaves_everything_as_it_was() {
    let home = with_pair();
    home.write("there", "as it was");
    home.write("empty", "");
    for (args, code, expected) in [
        (
            "export nobody --format pem --out x",
            4,
            "There is no certificate in",
        ),
        ("export ca --format pem --out x", 3, "is the folder of a CA"),
        ("export order --format pem --out there", 5, "exists already"),
        (
            "export order --format pem --out certs/ca/root.key --force",
            2,
            "is the folder of a CA",
        ),
        (
            "export order --format pem --out certs/order/tls.key --force",
            2,
            "is part of a pair",
        ),
        (
            "export order --format pem --out nowhere/x",
            6,
            "could not be opened",
        ),
        (
            "export order --format kubernetes --secret Order --out x",
            2,
            "RFC 1123",
        ),
        (
            "export order --format kubernetes --namespace a_b --out x",
            2,
            "RFC 1123",
        ),
        (
            "export order --format kubernetes --no-key --out x",
            2,
            "must hold a key",
        ),
        (
            "export order --format pem --namespace shop --out x",
            2,
            "for --format kubernetes",
        ),
        (
            "export order --format pem --export-passphrase-file empty --out x",
            2,
            "for --format pkcs12",
        ),
        (
            "export order --format pkcs12 --export-passphrase-file empty --out x",
            8,
            "is empty, which protects nothing",
        ),
        (
            "export order --format pkcs12 --out x",
            8,
            "--export-passphrase-file or in PKI_EXPORT_PASSPHRASE",
        ),
    ] {
        let told = home.pki(args).fails(code);
        assert!(told.contains(expected), "{args}: {told}");
        assert_eq!(told.matches("error:").count(), 1, "{args}: {told}");
        assert!(!home.path("x").exists(), "{args}");
    }
    assert_eq!(home.read("there"), "as it was");
    home.assert_pair("certs/order");
    home.pki("export order --format pem --out there --force")
        .succeeds();
    assert_eq!(
        mode(&home, "there"),
        0o600,
        "also when an old file had other rights"
    );
}
