//! An index that somebody brought back from a backup, or from another CA: nothing is forgotten in silence.

use std::fs;

use pki::index::{Filter, Index, Status};

use crate::support::Home;

const INDEX: &str = "certs/ca/index.db";

fn home() -> Home {
    let home = Home::with_ca();
    for name in ["order", "payment"] {
        home.pki(&format!("issue {name} --dns a.dev")).succeeds();
    }
    home
}

fn put(home: &Home, from: &str, to: &str) {
    for beside in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.path(&format!("{to}{beside}")));
    }
    fs::copy(home.path(from), home.path(to)).expect("copied");
}

fn revoked(home: &Home) -> u64 {
    let index = Index::open(&home.path(INDEX)).expect("the index");
    let revoked = index.count(&Filter::status(Status::Revoked));
    revoked.expect("counted")
}

#[test]
fn an_older_index_takes_over_what_crl_pem_says_and_nothing_is_unrevoked() {
    let home = home();
    put(&home, INDEX, "backup.db");
    home.pki("issue late --dns a.dev").succeeds();
    for name in ["order", "late"] {
        home.pki(&format!("revoke {name} --reason keyCompromise"))
            .succeeds();
    }
    let lists = home.read("certs/ca/crl.pem");
    put(&home, "backup.db", INDEX);
    let run = home.pki("check");
    assert_eq!(run.code, 102, "{run:?}");
    assert!(
        run.stdout
            .contains("2 revocations of crl.pem are not in the index"),
        "{run:?}"
    );
    let run = home.pki("crl");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("The index was behind crl.pem"),
        "{run:?}"
    );
    assert_eq!(
        home.read("certs/ca/crl.pem"),
        lists,
        "the later list stands"
    );
    assert_eq!(revoked(&home), 2);
    let next = home.pki("crl --force --json").json();
    assert_eq!(
        (&next["crls"][0]["number"], &next["crls"][0]["revoked"]),
        (&3.into(), &2.into())
    );
    for name in ["order", "late"] {
        home.pki(&format!("verify certs/{name}/tls.crt")).fails(23);
    }
}

#[test]
fn a_revocation_with_an_older_index_tells_of_the_earlier_ones_as_well() {
    let home = home();
    home.pki("crl").succeeds();
    put(&home, INDEX, "backup.db");
    home.pki("revoke order --reason keyCompromise").succeeds();
    put(&home, "backup.db", INDEX);
    let run = home.pki("revoke payment --json");
    assert_eq!(run.json()["crls"][0]["number"], 3, "{run:?}");
    for name in ["order", "payment"] {
        home.pki(&format!("verify certs/{name}/tls.crt")).fails(23);
    }
}

#[test]
fn the_index_of_another_ca_of_the_same_name_is_refused() {
    let home = home();
    home.pki("init --dir other").succeeds();
    home.pki("csr branch --subject /CN=Branch --out branch")
        .succeeds();
    for end in ["crt", "key"] {
        let from = home.path(&format!("certs/payment/tls.{end}"));
        fs::copy(from, home.path(&format!("payment.{end}"))).expect("copied");
    }
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.x]\nprofile = \"server\"\ndns = [\"a.dev\"]\n",
    );
    put(&home, "other/ca/index.db", INDEX);
    for command in [
        "check",
        "crl",
        "crl --dry-run",
        "revoke order",
        "issue x --dns a.dev",
        "issue x --dns a.dev --dry-run",
        "sign branch/tls.csr --profile intermediate --out branch",
        "sign branch/tls.csr --profile intermediate --out branch --dry-run",
        "renew order",
        "rekey order --dry-run",
        "renew --all",
        "list",
        "list --all --json",
        "verify certs/order/tls.crt",
        "check certs/order/tls.crt",
        "ca rotate status",
        "ca rotate prepare --now",
        "ca rotate --now --dry-run",
        "import y --cert payment.crt --key payment.key",
        "apply pki.toml",
        "apply pki.toml --dry-run",
    ] {
        let run = home.pki(command);
        assert_eq!(run.code, 7, "{command}: {run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("is that of another CA"), "{command}: {said}");
    }
    assert!(!home.path("certs/ca/crl.pem").exists());
}
