//! `pki revoke` and `pki crl`: what is refused is refused before anything is written, and a dry run refuses the same.

use pki::{
    index::{Filter, Index, Status, timestamp},
    inspect,
};
use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList};

use crate::support::Home;

fn home() -> Home {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org").succeeds();
    home
}

fn revoked(home: &Home) -> u64 {
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    let revoked = index.count(&Filter::status(Status::Revoked));
    revoked.expect("counted")
}

#[test]
fn what_is_refused_is_refused_before_the_index_is_written_and_by_a_dry_run_as_well() {
    let home = home();
    home.write("secret", "correct horse\n");
    home.pki("init --dir locked --encrypt-key --passphrase-file secret")
        .succeeds();
    home.pki("issue order --dir locked --dns a.dev --passphrase-file secret")
        .succeeds();
    for (command, code) in [
        ("revoke order --life 0d", 3),
        ("revoke order --root-life 0h", 3),
        ("revoke order --life 36501d", 2),
        ("revoke order --invalidity-date 1969-12-31T23:59:59Z", 3),
        ("revoke order --invalidity-date 1900-01-01T00:00:00Z", 3),
        ("revoke order --invalidity-date 0001-01-01T00:00:00Z", 3),
        ("revoke order --dir locked", 8),
        ("crl --life 0d", 3),
        ("crl --dir locked", 8),
    ] {
        let rehearsed = home.pki(&format!("{command} --dry-run"));
        let real = home.pki(command);
        assert_eq!(real.code, code, "{command}: {real:?}");
        assert_eq!(
            (rehearsed.code, rehearsed.stderr),
            (real.code, real.stderr),
            "{command}"
        );
    }
    assert_eq!(revoked(&home), 0);
    assert!(!home.path("certs/ca/crl.pem").exists());
    // The first moment that every verifier can read.
    home.pki("revoke order --invalidity-date 1970-01-01T00:00:00Z")
        .succeeds();
    home.pki("verify certs/order/tls.crt").fails(23);
}

#[test]
fn a_crl_that_cannot_be_signed_is_a_failure_also_when_it_was_not_due() {
    let home = home();
    home.pki("crl").succeeds();
    std::fs::rename(home.path("certs/ca/issuing.key"), home.path("issuing.key")).expect("moved");
    for command in ["crl --force", "crl --force --dry-run", "crl --force --json"] {
        let run = home.pki(command);
        assert_eq!(run.code, 4, "{command}: {run:?}");
    }
    // Nothing is due, and nothing was asked for.
    home.pki("crl").succeeds();
    std::fs::rename(home.path("issuing.key"), home.path("certs/ca/issuing.key")).expect("back");
    // The root's key may lie elsewhere.
    std::fs::rename(home.path("certs/ca/root.key"), home.path("root.key")).expect("moved");
    let told = home.pki("crl --force");
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.contains("! CN=Private Root CA"), "{told:?}");
}

#[test]
fn the_date_of_a_revocation_is_the_same_in_the_index_and_in_every_list() {
    let home = home();
    let revoked = home.pki("revoke order --json").json();
    let date = &revoked["certificates"][0]["revoked_at"];
    let listed = home.pki("list --revoked --json").json().to_string();
    assert!(
        listed.contains(&format!("\"revoked_at\":{date}")),
        "{listed}"
    );
    for _ in 0..2 {
        let lists = inspect::crls(home.read("certs/ca/crl.pem").as_bytes()).expect("CRLs");
        let (_, crl) = CertificateRevocationList::from_der(&lists[0]).expect("read");
        let entry = crl.iter_revoked_certificates().next().expect("one entry");
        let at = entry.revocation_date.to_datetime();
        assert!(at <= crl.last_update().to_datetime());
        assert_eq!(timestamp(at), date.as_str().expect("a date"));
        home.pki("crl --force").succeeds();
    }
}

#[test]
fn a_spoilt_crl_pem_of_the_ca_is_not_blamed_on_the_folders() {
    let home = home();
    home.pki("crl").succeeds();
    home.write("certs/ca/crl.pem", "garbage\n");
    let run = home.pki("check");
    assert_eq!(run.code, 102, "{run:?}");
    assert!(
        run.stdout.contains("holds no CRL that can be read"),
        "{run:?}"
    );
    assert!(!run.stdout.contains("has not the crl.pem"), "{run:?}");
    home.pki("crl").succeeds();
    home.pki("check").succeeds();
}
