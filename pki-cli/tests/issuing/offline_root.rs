//! A root whose key lies elsewhere: a revocation takes effect all the same, and what cannot be known is said.

use std::fs;

use pki::index::Index;

use crate::support::{Home, snapshot};

/// A CA whose root's key was taken away, with the certificates `order` and `payment`.
fn home() -> Home {
    let home = Home::with_ca();
    take_root_key_away(&home);
    home.pki("issue order --dns order.example.org").succeeds();
    home.pki("issue payment --dns payment.example.org")
        .succeeds();
    home
}

fn take_root_key_away(home: &Home) {
    fs::rename(home.path("certs/ca/root.key"), home.path("root.key")).expect("moved");
}

/// The index, beside what `pki` makes of it.
fn sql(home: &Home, statement: &str) {
    rusqlite::Connection::open(home.path("certs/ca/index.db"))
        .and_then(|connection| connection.execute_batch(statement))
        .expect("written");
}

#[test]
fn a_revocation_needs_no_roots_key() {
    let home = home();
    assert!(
        !home.path("certs/ca/crl.pem").exists() && !home.path("certs/order/crl.pem").exists(),
        "nobody is given a CRL before there is a reason"
    );
    home.pki("check").succeeds();
    snapshot!(home.pki("revoke order --reason keyCompromise"), @r#"
    exit 0
    Revoked order, serial [serial], valid until [date] (keyCompromise).
    ~ CN=Private Issuing CA  CRL 1 of 1 certificate, until [date]: there is none yet
    = CN=Private Root CA  CRL 1 of 0 certificates, until [date]
    Written: certs/ca/crl.pem, and crl.pem in 2 of the folders of certificates.
    --- stderr
    notice: From now on every folder has a crl.pem, and who reads it refuses everybody once it has ended, first on [date]: let "pki crl" run every day.
    "#);
    home.pki("verify certs/order/tls.crt").fails(23);
    home.pki("verify certs/payment/tls.crt").succeeds();
    // Whoever has the files alone is told the same.
    let alone = "--trust certs/order/ca.crt --crl certs/order/crl.pem";
    home.pki(&format!("verify certs/order/tls.crt {alone}"))
        .fails(23);
    home.pki(&format!("verify certs/payment/tls.crt {alone}"))
        .succeeds();
}

#[test]
fn a_root_that_was_rotated_in_has_its_first_crl_as_well() {
    let home = Home::with_ca();
    home.pki("ca rotate prepare --now --root").succeeds();
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    for name in ["root", "next-root"] {
        let root = home.certificate(&format!("certs/ca/{name}.crt"));
        let crl = index.crl(&root.subject().to_string()).expect("read");
        assert!(crl.is_some(), "{name}");
    }
    assert!(!home.path("certs/ca/crl.pem").exists());
}

#[test]
fn a_first_crl_that_has_ended_is_given_to_nobody() {
    let home = home();
    sql(
        &home,
        "UPDATE crl SET this_update = '2020-01-01T00:00:00Z', next_update = '2021-01-01T00:00:00Z'",
    );
    let run = home.pki("revoke order");
    let error = &run.stderr;
    assert!(
        run.code == 4
            && error.contains("has ended on 2021-01-01")
            && error.contains("no crl.pem was written"),
        "{error}"
    );
    assert!(!home.path("certs/ca/crl.pem").exists());
    // Nobody else can know, and whoever has the index does.
    let run = home.pki("check");
    assert_eq!(run.code, 102, "{run:?}");
    assert!(
        run.stdout
            .contains("is missing, and 1 certificate is revoked, which nobody can know"),
        "{run:?}"
    );
    fs::rename(home.path("root.key"), home.path("certs/ca/root.key")).expect("brought back");
    home.pki("crl").succeeds();
    home.pki("check certs/payment").succeeds();
}

#[test]
fn apply_tells_what_keeps_a_needed_crl_from_being_there_and_goes_on() {
    let home = home();
    sql(&home, "DELETE FROM crl");
    assert_eq!(home.pki("revoke order").code, 4);
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.new]\nprofile = \"server\"\ndns = [\"new.example.org\"]\n",
    );
    let obstacle = "no crl.pem tells of it. The CRL of \"CN=Private Root CA\" is missing";
    for done in ["Done: 1 issued.\n", "Nothing to do.\n"] {
        let run = home.pki("apply pki.toml");
        assert!(run.stderr.contains(obstacle), "{run:?}");
        let said = run.succeeds();
        assert!(said.ends_with(done), "{said}");
    }
    fs::rename(home.path("root.key"), home.path("certs/ca/root.key")).expect("brought back");
    let said = home.pki("apply pki.toml").succeeds();
    assert!(said.ends_with("Done: 0 issued, 1 CRL signed.\n"), "{said}");
    assert!(home.path("certs/payment/crl.pem").exists());
}

#[test]
fn what_the_index_says_is_revoked_is_rejected_without_a_crl() {
    let home = home();
    sql(&home, "DELETE FROM crl");
    let run = home.pki("revoke order --reason keyCompromise");
    assert!(
        run.code == 4 && run.stderr.contains("no crl.pem was written"),
        "{run:?}"
    );
    let error = home.pki("verify certs/order/tls.crt").fails(23);
    assert!(
        error.contains("keyCompromise") && error.contains("as the index of the CA says"),
        "{error}"
    );
    home.pki("verify certs/payment/tls.crt").succeeds();
    // With trust from elsewhere the CA below --dir is not asked.
    home.pki("verify certs/order/tls.crt --trust certs/order/ca.crt")
        .succeeds();
    // A copy of the certificates has no index.
    fs::remove_file(home.path("certs/ca/index.db")).expect("removed");
    home.pki("verify certs/order/tls.crt").succeeds();
}

#[test]
fn a_key_that_is_gone_is_told() {
    let home = home();
    fs::remove_file(home.path("certs/order/tls.key")).expect("removed");
    let run = home.pki("check");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("certs/order  holds no tls.key"),
        "{run:?}"
    );
    fs::remove_file(home.path("certs/ca/issuing.key")).expect("removed");
    let run = home.pki("check");
    assert_eq!(run.code, 102, "{run:?}");
    assert!(
        run.stdout.contains("certs/ca/issuing.key  is missing"),
        "{run:?}"
    );

    let home = Home::new();
    home.pki("init --single-tier").succeeds();
    home.pki("check").succeeds();
    take_root_key_away(&home);
    let run = home.pki("check");
    assert_eq!(run.code, 102, "{run:?}");
    assert!(
        run.stdout.contains("certs/ca/root.key  is missing"),
        "{run:?}"
    );
}

#[test]
fn a_folder_elsewhere_is_told_that_its_crl_stays_as_it_is() {
    let home = Home::with_ca();
    let issue = "issue order --dns order.example.org --force --out";
    let notice = "is not refreshed by";
    let run = home.pki(&format!("{issue} elsewhere"));
    assert!(!run.stderr.contains(notice), "{run:?}");
    home.pki("crl").succeeds();
    let run = home.pki(&format!("{issue} elsewhere"));
    assert!(run.code == 0 && run.stderr.contains(notice), "{run:?}");
    assert!(home.path("elsewhere/crl.pem").exists());
    let run = home.pki(&format!("{issue} certs/order"));
    assert!(run.code == 0 && !run.stderr.contains(notice), "{run:?}");
    home.pki("csr mail --dns mail.example.org --out away")
        .succeeds();
    let run = home.pki("sign away/tls.csr");
    assert!(run.code == 0 && run.stderr.contains(notice), "{run:?}");
}
