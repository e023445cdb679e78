//! A CA below the root whose key is somebody else's: `pki sign --profile intermediate`.

use crate::support::{Home, snapshot};

#[test]
fn a_ca_is_signed_by_the_root_and_issues_what_everybody_accepts() {
    let home = Home::new();
    home.pki("init --permit-dns a.dev").succeeds();
    home.pki("csr branch").succeeds();
    snapshot!(home.pki("sign certs/branch/tls.csr --profile intermediate"), @r"
    exit 0
    Signed certs/branch/tls.csr (intermediate)
      issuer   /CN=Private Root CA
      subject  /CN=branch
      key      P-256
      serial   [serial]
      valid    [date] to [date], 1826 days
      folder   certs/branch (tls.crt, tls.key, ca.crt)
    ");
    let index = pki::index::Index::open(&home.path("certs/ca/index.db")).expect("the index");
    let rows = index.rows().expect("rows");
    let row = rows.last().expect("a row");
    assert_eq!(row.profile.as_deref(), Some("intermediate"));
    assert_eq!(row.name.as_deref(), Some("branch"));
    assert_eq!(row.issuer, "CN=Private Root CA");

    home.pki("issue leaf --dns x.a.dev --ca certs/branch/tls.crt --ca-key certs/branch/tls.key")
        .succeeds();
    home.pki("verify certs/leaf/tls.crt --trust certs/ca/root.crt --intermediates certs/branch/tls.crt --host x.a.dev")
        .succeeds();
    for command in [
        "verify -x509_strict -check_ss_sig -CAfile certs/ca/root.crt certs/branch/tls.crt",
        "verify -x509_strict -check_ss_sig -purpose sslserver -CAfile certs/ca/root.crt -untrusted certs/branch/tls.crt certs/leaf/tls.crt",
    ] {
        if let Some(run) = home.openssl(command) {
            run.succeeds();
        }
    }
    // It is bound as the root is.
    let outside =
        home.pki("issue y --dns x.b.dev --ca certs/branch/tls.crt --ca-key certs/branch/tls.key");
    assert!(outside.fails(3).contains("CN=branch"));
    // The house's own CA goes on as before.
    home.pki("issue z --dns z.a.dev").succeeds();
    assert_eq!(
        home.certificate("certs/z/tls.crt").issuer().to_string(),
        "CN=Private Issuing CA"
    );
    home.pki("check").succeeds();
}

#[test]
fn a_request_that_asks_to_be_a_ca_gets_it_under_this_profile_alone() {
    let home = Home::with_ca();
    home.write("ca.cnf", "[req]\ndistinguished_name=dn\nreq_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n");
    let Some(made) = home.openssl(
        "req -new -config ca.cnf -newkey ed25519 -nodes -subj /CN=branch -keyout b.key -out b.csr",
    ) else {
        return;
    };
    assert_eq!(made.code, 0, "{made:?}");
    for profile in ["server", "client", "peer"] {
        let error = home.pki(&format!("sign b.csr --profile {profile} --dns a.dev"));
        assert!(error.fails(3).contains("--profile intermediate"));
    }
    let run = home.pki("sign b.csr --profile intermediate --json");
    let json = run.json();
    assert_eq!(
        json["granted"],
        serde_json::json!(["basicConstraints CA:TRUE", "keyUsage keyCertSign, cRLSign"]),
        "{json}"
    );
    assert_eq!(json["certificate"]["ca"], true);
    assert_eq!(json["dropped"], serde_json::json!([]));
}

#[test]
fn a_ca_outside_of_what_the_root_allows_is_refused() {
    let home = Home::new();
    home.pki("init --permit-dns a.dev").succeeds();
    home.pki("csr b").succeeds();
    let refused = |args: &str| {
        let run = format!("sign certs/b/tls.csr --profile intermediate {args}");
        for run in [format!("{run} --dry-run"), run.clone()] {
            home.pki(&run).fails(3);
        }
        home.pki(&run).fails(3)
    };
    snapshot!(refused("--path-length 1"), @r#"error: The CA "CN=Private Root CA" allows 1 CA below it (path length), and this certificate would need 2; issue from a CA further up."#);
    snapshot!(refused("--permit-dns b.dev"), @r#"error: The CA "CN=Private Root CA" may not issue for this name: "DNS:b.dev" is not below DNS:a.dev; ask for a name that it covers, or use another CA."#);
    let same = [
        "sign",
        "certs/b/tls.csr",
        "--profile",
        "intermediate",
        "--subject",
        "/CN=private  ISSUING ca",
    ];
    snapshot!(home.run(&same).fails(3), @r#"error: A CA is named "CN=private  ISSUING ca" already, and verifiers could not tell the two apart; have the request made under another name, or give one with --subject."#);
    snapshot!(refused("--subject /CN=b.dev"), @r#"error: The CA "CN=Private Root CA" may not issue under this common name: "DNS:b.dev" is not below DNS:a.dev. Without a DNS name among the names, openssl takes a common name of this form for one; choose another common name (--subject /CN=billing, say), or one that the CA covers, or add a DNS name that it covers."#);
    snapshot!(home.pki("sign certs/b/tls.csr --profile intermediate --dns a.dev").fails(2), @"error: A CA has no subject alternative name; leave out --dns, --ip, --uri and --email (--permit-dns says for which names it may issue).");
    snapshot!(home.pki("sign certs/b/tls.csr --path-length 1").fails(2), @"error: --path-length and --permit-dns are for a CA; add --profile intermediate, or leave them out.");
    snapshot!(home.pki("sign certs/b/tls.csr --profile intermediate --ca certs/ca/issuing.crt --ca-key certs/ca/issuing.key").fails(3), @r#"error: The CA "CN=Private Issuing CA" allows 0 CAs below it (path length), and this certificate would need 1; issue from a CA further up."#);
    for (profile, hint) in [
        (
            "intermediate",
            "sign the request with \"pki sign FILE --profile intermediate\"",
        ),
        (
            "root",
            "a root signs itself: \"pki init\" makes one, and \"pki ca rotate --root\" replaces it",
        ),
    ] {
        let error = home.pki(&format!("issue c --profile {profile}")).fails(2);
        assert!(error.contains(hint), "{error}");
    }
    home.pki("csr named --dns a.dev").succeeds();
    let named = home.pki("sign certs/named/tls.csr --profile intermediate");
    assert!(named.fails(3).contains("no subject alternative name"));
    std::fs::rename(home.path("certs/ca/root.key"), home.path("root.key")).expect("moved");
    snapshot!(home.pki("sign certs/b/tls.csr --profile intermediate").fails(4), @r#"error: The root's key "certs/ca/root.key" is not here, and a CA below the root needs its signature. Bring it there for this one command, and take it away again afterwards; or sign where it is, with --ca and --ca-key."#);
    assert!(!home.path("certs/b/tls.crt").exists());
    let index = pki::index::Index::open(&home.path("certs/ca/index.db")).expect("the index");
    assert_eq!(index.rows().expect("rows").len(), 2, "nothing was reserved");
    // Where the key is, it signs without an index.
    home.pki("sign certs/b/tls.csr --profile intermediate --permit-dns x.a.dev --ca certs/ca/root.crt --ca-key root.key")
        .succeeds();
    let shown = home.pki("inspect certs/b/tls.crt").succeeds();
    assert!(shown.contains("x.a.dev"), "{shown}");
}

#[test]
fn a_root_with_room_is_not_taken_for_one_that_lost_its_issuing_ca() {
    let home = Home::new();
    let Some(made) = home.openssl("req -x509 -newkey ed25519 -nodes -subj /CN=root -days 4000 -addext basicConstraints=critical,CA:TRUE,pathlen:2 -addext keyUsage=critical,keyCertSign,cRLSign -keyout root.key -out root.crt") else {
        return;
    };
    assert_eq!(made.code, 0, "{made:?}");
    home.write("index.txt", "");
    home.pki("import ca --cert root.crt --key root.key --index index.txt")
        .succeeds();
    home.pki("csr b").succeeds();
    home.pki("sign certs/b/tls.csr --profile intermediate --path-length 1")
        .succeeds();
    home.pki("issue x --dns a.dev").succeeds();
    assert_eq!(
        home.certificate("certs/x/tls.crt").issuer().to_string(),
        "CN=root"
    );
}

#[test]
fn a_root_is_not_retired_while_a_ca_that_it_signed_is_valid() {
    let home = Home::with_ca();
    home.pki("csr branch --out branch").succeeds();
    let sign = "sign branch/tls.csr --profile intermediate --out";
    home.pki(&format!("{sign} first")).succeeds();
    home.pki("ca rotate prepare --root --now").succeeds();
    home.pki("ca rotate activate --now").succeeds();
    let status = home.pki("ca rotate status --json").json();
    assert_eq!(status["living"]["count"], 1);
    assert_eq!(status["next"]["is_due"], false);
    // Nothing was issued to end entities, and all that the branch issued would fall with the root.
    snapshot!(home.pki("ca rotate retire"), @r#"
    exit 3
    --- stderr
    error: 1 certificate of the CA "CN=Private Root CA" is still valid, the last until [date]: CN=branch (a CA). It is a CA, and all that it issued falls with it: have a request of it signed anew with "pki sign --profile intermediate". Then wait until it has expired, or revoke it; or go on with --force.
    "#);
    home.pki("ca rotate").succeeds();
    assert!(home.path("certs/ca/previous-root.crt").exists());
    home.pki("issue x --dns x.dev").succeeds();
    home.pki(&format!("{sign} second")).succeeds();
    snapshot!(home.pki("ca rotate retire"), @r#"
    exit 3
    --- stderr
    error: 1 certificate of the CA "CN=Private Root CA" is still valid, the last until [date]: CN=branch (a CA). It is a CA, and all that it issued falls with it. It was replaced already; wait until then, or revoke what nobody presents any more with "pki revoke --reason superseded"; or go on with --force.
    "#);
    home.pki("revoke first/tls.crt --reason superseded")
        .succeeds();
    home.pki("ca rotate retire").succeeds();
    assert!(!home.path("certs/ca/previous-root.crt").exists());
    home.pki("verify second/tls.crt").succeeds();
}

#[test]
fn a_ca_below_the_root_that_stays_keeps_nothing_from_being_retired() {
    let home = Home::with_ca();
    home.pki("csr branch --out branch").succeeds();
    home.pki("sign branch/tls.csr --profile intermediate --out branch")
        .succeeds();
    for stage in ["prepare --now", "activate --now", "retire"] {
        home.pki(&format!("ca rotate {stage}")).succeeds();
    }
    home.pki("verify branch/tls.crt").succeeds();
}
