//! A CA that was revoked issues nothing, and gives way to its successor at once.

use std::fs;

use pki::{
    index::{Index, Revocation},
    revocation_reason::RevocationReason,
};

use crate::support::{Home, snapshot};

#[test]
fn a_revoked_ca_issues_nothing_until_it_is_replaced() {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org").succeeds();
    home.pki("csr asked --dns asked.example.org").succeeds();
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\n[certificate.due]\nprofile = \"peer\"\ndns = [\"due.example.org\"]\n",
    );
    home.pki("revoke certs/ca/issuing.crt --reason cACompromise")
        .succeeds();
    snapshot!(home.pki("issue other --dns other.example.org"), @r#"
    exit 3
    --- stderr
    error: The CA "CN=Private Issuing CA" is revoked, so nothing that it signs would be accepted; replace it with "pki ca rotate prepare --now" and "pki ca rotate activate", and issue then.
    "#);
    for command in [
        "renew order",
        "renew order --dry-run",
        "rekey order",
        "issue other --dns other.example.org --dry-run",
        "sign certs/asked/tls.csr",
        "sign certs/asked/tls.csr --dry-run",
        "apply pki.toml",
        "apply pki.toml --dry-run",
    ] {
        let run = home.pki(command);
        assert_eq!(run.code, 3, "{command}: {run:?}");
        let said = run.stderr.contains("pki ca rotate prepare --now");
        assert!(said, "{command}: {run:?}");
    }
    assert!(!home.path("certs/due").exists() && !home.path("certs/other").exists());
    // The successor is due at once, without anybody saying --now, and issues on the same day.
    let said = home.pki("ca rotate").succeeds();
    assert!(home.path("certs/ca/next.crt").exists(), "{said}");
    home.pki("ca rotate").succeeds();
    assert!(!home.path("certs/ca/next.crt").exists());
    home.pki("issue other --dns other.example.org").succeeds();
    home.pki("renew order").succeeds();
    for name in ["order", "other"] {
        home.pki(&format!("verify certs/{name}/tls.crt")).succeeds();
    }
    assert!(fs::exists(home.path("certs/ca/previous.crt")).expect("looked at"));
}

#[test]
fn the_stages_of_a_rotation_can_be_named_when_the_ca_is_revoked() {
    let home = Home::with_ca();
    home.pki("revoke certs/ca/issuing.crt --reason cACompromise")
        .succeeds();
    home.pki("ca rotate prepare --now").succeeds();
    home.pki("issue order --dns order.example.org").fails(3);
    home.pki("ca rotate activate").succeeds();
    home.pki("issue order --dns order.example.org").succeeds();
    home.pki("verify certs/order/tls.crt").succeeds();
}

#[test]
fn a_mark_in_the_index_that_no_crl_tells_of_is_found_by_check() {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org").succeeds();
    home.pki("check").succeeds();
    // As a process leaves it that dies between the mark and the first CRL.
    let certificate = home.certificate("certs/order/tls.crt");
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    let revocation = Revocation {
        at: certificate.not_before(),
        reason: RevocationReason::KeyCompromise,
        invalid_since: None,
    };
    let issuer = certificate.issuer().to_string();
    index
        .revoke(&certificate.serial(), &issuer, &revocation)
        .expect("marked");
    drop(index);
    let run = home.pki("check");
    assert_ne!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("index has as revoked"), "{run:?}");
    assert!(run.stdout.contains("there is none yet"), "{run:?}");
    home.pki("crl").succeeds();
    let run = home.pki("check");
    assert!(!run.stdout.contains("there is none yet"), "{run:?}");
    home.pki("verify certs/order/tls.crt").fails(23);
}
