//! `pki revoke` and `pki crl`: what is refused is refused before anything is written, and a dry run refuses the same.

use pki::index::{Filter, Index, Status};

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
