//! `pki list` and `pki check`: what was issued, and whether all is well with it.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Home, snapshot};

fn home() -> Home {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org --profile peer")
        .succeeds();
    home.pki("issue payment --dns payment.example.org --days 10")
        .succeeds();
    home
}

/// The names of a list, without the CA's own.
fn names(home: &Home, args: &str) -> Vec<String> {
    let document = home.pki(&format!("list --json {args}")).json();
    let rows = document["certificates"].as_array().expect("a list");
    let names = rows
        .iter()
        .map(|row| row["name"].as_str().expect("a name").to_owned());
    names.filter(|name| name != "ca").collect()
}

#[test]
fn a_list_is_a_table_with_the_next_to_expire_first() {
    let home = home();
    let text = home.pki("list").succeeds();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["STATUS", "DAYS", "NAME", "PROFILE", "SERIAL", "NAMES"]
    );
    let serial = home.certificate("certs/payment/tls.crt").serial();
    assert_eq!(rows[1][0], "issued");
    assert_eq!(
        rows[1][2..],
        ["payment", "server", &serial, "DNS:payment.example.org"]
    );
    assert_eq!(rows[2][2..4], ["order", "peer"]);
    assert_eq!(rows.len(), 5, "both CAs are in it: {text}");
}

#[test]
fn each_option_asks_for_other_rows() {
    let home = home();
    home.pki("revoke order --reason superseded").succeeds();
    home.pki("issue order --dns order.example.org --force")
        .succeeds();
    for (args, expected) in [
        ("", &["payment", "order"][..]),
        ("--expiring 11d", &["payment"]),
        ("--expiring 9d", &[]),
        ("--revoked", &["order"]),
        ("--expired", &[]),
        ("--reserved", &[]),
        ("--all", &["order", "payment", "order"]),
        ("--name order", &["order", "order"]),
        ("--name order --revoked", &["order"]),
        ("--issuer CN=nobody", &[]),
    ] {
        assert_eq!(names(&home, args), expected, "{args}");
    }
    snapshot!(home.pki("list --expired"), @"
    exit 0
    No certificate.
    ");
    let document = home.pki("list --revoked --json").json();
    assert_eq!(document["certificates"][0]["reason"], "superseded");
    home.pki("list --expiring soon").fails(2);
    home.pki("list --revoked --expired").fails(2);
    home.pki("list --dir nowhere").fails(4);
}

#[test]
fn a_healthy_ca_is_told_to_be_well() {
    let home = home();
    snapshot!(home.pki("check"), @"
    exit 0
    All is well: 4 checked.
    ");
    home.pki("crl").succeeds();
    let document = home.pki("check --json").json();
    assert_eq!(
        (&document["healthy"], &document["checked"]),
        (&true.into(), &6.into())
    );
    home.pki("check certs/order certs/ca/root.crt").succeeds();
}

#[test]
fn what_ends_soon_is_a_warning_with_an_exit_code_of_its_own() {
    let home = home();
    let run = home.pki("check --warn 11d");
    snapshot!(run, @"
    exit 101
    warning  certs/payment  expires on [date], in 9 days
    --- stderr
    error: 4 checked; not in order: 0; ends soon: 1.
    ");
    // What was written elsewhere is known from the index, until it has a successor.
    home.pki("issue payment --dns payment.example.org --force")
        .succeeds();
    home.pki("check --warn 11d").succeeds();
    home.pki("issue away --dns away.example.org --days 10")
        .succeeds();
    fs::rename(home.path("certs/away"), home.path("away")).expect("moved");
    let run = home.pki("check --warn 11d");
    assert_eq!(run.code, 101);
    assert!(
        run.stdout.contains("away  expires on") && run.stdout.contains("has no successor"),
        "{run:?}"
    );
    home.pki("issue away --dns away.example.org").succeeds();
    home.pki("check --warn 11d").succeeds();
}

#[test]
fn what_does_not_fit_together_is_an_error_with_an_exit_code_of_its_own() {
    let home = home();
    home.pki("crl").succeeds();
    fs::copy(
        home.path("certs/order/tls.key"),
        home.path("certs/payment/tls.key"),
    )
    .expect("copied");
    fs::set_permissions(
        home.path("certs/order/tls.key"),
        fs::Permissions::from_mode(0o640),
    )
    .expect("changed");
    fs::remove_file(home.path("certs/order/crl.pem")).expect("removed");
    fs::create_dir(home.path("certs/broken")).expect("created");
    home.write("certs/broken/tls.crt", "no certificate");
    home.pki("issue gone --dns gone.example.org").succeeds();
    home.pki("revoke gone").succeeds();
    fs::remove_file(home.path("certs/order/crl.pem")).expect("removed");
    snapshot!(home.pki("check"), @r#"
    exit 102
    error    certs/broken  The certificate "certs/broken/tls.crt" cannot be used: it holds no certificate; a certificate is PEM with BEGIN CERTIFICATE, or DER.
    error    certs/gone  is not accepted: it was revoked on [date] (reason: unspecified) (RFC 5280 section 6.3.3 (i))
    error    certs/order/tls.key  others can get at it (mode 0640): make a new key, and keep it 0600
    error    certs/order  has not the crl.pem of the CA; run "pki crl"
    error    certs/payment/tls.key  is not the key of the certificate beside it
    --- stderr
    error: 8 checked; not in order: 5; ends soon: 0.
    "#);
    let document = home.pki("check --json").json();
    let kinds: Vec<_> = document["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["kind"].as_str().expect("a word"))
        .collect();
    assert_eq!(
        kinds,
        [
            "unreadable",
            "revoked",
            "key-rights",
            "crl-not-carried",
            "mismatch"
        ]
    );
    home.pki("check nowhere").fails(4);
    home.pki("check certs").fails(4);
}

#[test]
fn without_any_key_everything_can_be_listed_and_checked() {
    let home = home();
    home.pki("crl").succeeds();
    fs::remove_file(home.path("certs/ca/root.key")).expect("removed");
    home.pki("check").succeeds();
    fs::remove_file(home.path("certs/ca/issuing.key")).expect("removed");
    home.pki("list").succeeds();
    let run = home.pki("check");
    assert!(
        run.code == 102 && run.stdout.contains("certs/ca/issuing.key  is missing"),
        "{run:?}"
    );
    home.pki("crl").succeeds();
}

#[test]
fn list_inspect_and_check_count_the_same_days() {
    let home = Home::with_ca();
    home.pki("issue order --dns a.dev --days 30").succeeds();
    let listed = home.pki("list --name order --json").json();
    let inspected = home.pki("inspect certs/order/tls.crt --json").json();
    let checked = home.pki("check certs/order --warn 40d");
    assert_eq!(listed["certificates"][0]["days_left"], 29, "{listed}");
    let validity = &inspected["files"][0]["objects"][0]["validity"];
    assert_eq!(validity["days_left"], 29, "{inspected}");
    assert!(checked.stdout.contains(", in 29 days"), "{checked}");
}
