//! A key that is in other hands is not certified again, whatever the name and the way.

use std::fs;

use pki::{
    index::{Index, Marked, Revocation},
    revocation_reason::RevocationReason,
};

use crate::support::{Home, snapshot};

/// A home whose certificate `x` was revoked because its key is in other hands; the request for it lies in `x.csr`.
fn home() -> Home {
    let home = Home::with_ca();
    home.pki("csr x --dns x.example.org").succeeds();
    fs::copy(home.path("certs/x/tls.csr"), home.path("x.csr")).expect("copied");
    fs::copy(home.path("certs/x/tls.key"), home.path("x.key")).expect("copied");
    home.pki("sign certs/x/tls.csr").succeeds();
    fs::copy(home.path("certs/x/tls.crt"), home.path("x.crt")).expect("copied");
    home.pki("sign x.csr --out before").succeeds();
    home.pki("revoke x --reason keyCompromise").succeeds();
    home
}

#[test]
fn a_request_for_a_compromised_key_is_refused_under_any_name() {
    let home = home();
    let rows = |home: &Home| home.pki("list --all --json").json()["certificates"].clone();
    let before = rows(&home);
    for command in [
        "sign x.csr --out other",
        "sign x.csr --out other --subject /CN=other --dns other.example.org --profile client",
        "sign x.csr --out other --dry-run",
    ] {
        insta::allow_duplicates!(snapshot!(home.pki(command), @r#"
        exit 3
        --- stderr
        error: The key is in other hands: the certificate [serial] of "CN=Private Issuing CA" was revoked for that, and its key is not certified again, whatever the name; make a new key, and ask with that.
        "#));
    }
    // A new key for the name is what one needs, and leaves the old one as it is.
    home.pki("rekey x").succeeds();
    home.pki("sign x.csr --out other").fails(3);
    assert_eq!(
        rows(&home).as_array().map(Vec::len),
        before.as_array().map(|rows| rows.len() + 1),
        "no serial number was taken for what was refused"
    );
    assert!(!home.path("other").exists());
}

#[test]
fn a_key_of_which_a_certificate_was_replaced_may_be_certified_again() {
    let home = Home::with_ca();
    home.pki("csr x --dns x.example.org").succeeds();
    fs::copy(home.path("certs/x/tls.csr"), home.path("x.csr")).expect("copied");
    home.pki("sign certs/x/tls.csr").succeeds();
    home.pki("revoke x --reason superseded").succeeds();
    home.pki("sign x.csr --out other").succeeds();
}

#[test]
fn a_pair_with_a_compromised_key_is_not_imported_whoever_certified_it() {
    let home = home();
    home.pki("--dir elsewhere init --subject /CN=Other")
        .succeeds();
    home.pki("--dir elsewhere sign x.csr --out theirs")
        .succeeds();
    for more in ["", " --dry-run", " --trust theirs/ca.crt"] {
        let command =
            format!("import y --cert theirs/tls.crt --key x.key --chain theirs/ca.crt{more}");
        insta::allow_duplicates!(snapshot!(home.pki(&command), @r#"
        exit 3
        --- stderr
        error: The key is in other hands: the certificate [serial] of "CN=Private Issuing CA" was revoked for that, as the index of the CA below --dir says, so the pair is not imported, whoever certified it; have a new key made and certified, and import that.
        "#));
    }
    assert!(!home.path("certs/y").exists());
    // A CA that knows nothing of it has no reason to refuse.
    home.pki("--dir elsewhere import y --cert theirs/tls.crt --key x.key")
        .succeeds();
}

#[test]
fn a_ca_whose_key_was_compromised_gets_no_other_certificate_for_it() {
    let home = Home::with_ca();
    home.pki("csr branch --subject /CN=Branch").succeeds();
    fs::copy(home.path("certs/branch/tls.csr"), home.path("branch.csr")).expect("copied");
    home.pki("sign branch.csr --profile intermediate --out branch")
        .succeeds();
    home.pki("revoke branch/tls.crt --reason cACompromise")
        .succeeds();
    for command in [
        "sign branch.csr --profile intermediate --subject /CN=Twig --out twig",
        "sign branch.csr --profile intermediate --subject /CN=Twig --out twig --dry-run",
        "sign branch.csr --dns twig.example.org --out twig",
    ] {
        let told = home.pki(command).fails(3);
        assert!(told.contains("The key is in other hands"), "{told}");
    }
}

#[test]
fn another_certificate_for_the_key_is_found_by_check() {
    let home = home();
    fs::rename(home.path("before"), home.path("certs/y")).expect("moved");
    fs::copy(home.path("x.key"), home.path("certs/y/tls.key")).expect("copied");
    home.pki("crl").succeeds();
    snapshot!(home.pki("check"), @r"
    exit 102
    error    certs/x  is not accepted: it was revoked on [date] (reason: keyCompromise) (RFC 5280 section 6.3.3 (i))
    error    certs/y  holds a certificate for a key that is in other hands, for which [serial] was revoked; make a new pair (pki rekey), and revoke this certificate as well
    --- stderr
    error: 6 checked; not in order: 2; ends soon: 0.
    ");
    let found = home.pki("check --json").stdout;
    assert!(found.contains("key-compromised"), "{found}");
    // Whoever asks for one folder or file is told the same, also of a certificate that lies elsewhere.
    snapshot!(home.pki("check certs/y"), @r"
    exit 102
    error    certs/y  holds a certificate for a key that is in other hands, for which [serial] was revoked; make a new pair (pki rekey), and revoke this certificate as well
    --- stderr
    error: 1 checked; not in order: 1; ends soon: 0.
    ");
    fs::copy(home.path("certs/y/tls.crt"), home.path("y.crt")).expect("copied");
    for asked in ["y.crt", "certs/y/tls.crt", "certs/../certs/y"] {
        let run = home.pki(&format!("check {asked}"));
        assert_eq!(run.code, 102, "{asked}: {run:?}");
        assert!(run.stdout.contains("in other hands"), "{asked}: {run:?}");
    }
    let told = home.pki("renew y").fails(3);
    assert!(told.contains("make a new key with \"pki rekey\""), "{told}");
}

#[test]
fn apply_replaces_what_no_crl_tells_of_yet_in_one_run() {
    let home = Home::with_ca();
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.a]\nprofile = \"server\"\ndns = [\"a.dev\"]\n[certificate.b]\nprofile = \"server\"\ndns = [\"b.dev\"]\n",
    );
    home.pki("apply pki.toml").succeeds();
    // Another certificate for the key of `b` is given up, and `a` is marked by a process that dies before its CRL.
    let before = home.certificate("certs/b/tls.crt");
    home.pki("renew b").succeeds();
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    for (certificate, reason) in [
        (before, RevocationReason::KeyCompromise),
        (
            home.certificate("certs/a/tls.crt"),
            RevocationReason::Superseded,
        ),
    ] {
        let revocation = Revocation {
            at: certificate.not_before(),
            reason,
            invalid_since: None,
        };
        let issuer = certificate.issuer().to_string();
        let marked = index.revoke(&certificate.serial(), &issuer, &revocation);
        assert_eq!(marked.expect("written"), Marked::Now);
    }
    drop(index);
    let done = home.pki("apply pki.toml").succeeds();
    assert!(done.contains("~ a   revoked\n"), "{done}");
    assert!(done.contains("~ b   its key is in other hands\n"), "{done}");
    assert!(done.ends_with("Done: 2 issued, 2 CRLs signed.\n"), "{done}");
    let again = home.pki("apply pki.toml").succeeds();
    assert!(again.ends_with("Nothing to do.\n"), "{again}");
    home.pki("check").succeeds();
}

#[test]
fn a_revoked_pair_is_not_imported() {
    let home = Home::with_ca();
    home.pki("issue x --dns x.example.org").succeeds();
    home.pki("revoke x --reason superseded").succeeds();
    snapshot!(home.pki("import y --cert certs/x/tls.crt --key certs/x/tls.key"), @r#"
    exit 3
    --- stderr
    error: The certificate "CN=x" is revoked, as the index of the CA below --dir says, so its peers would refuse it, and it is not imported; issue another one with "pki issue".
    "#);
}
