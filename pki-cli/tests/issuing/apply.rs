//! `pki apply`: the plan reads like a difference, a second run changes nothing, a change is made once.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Home, snapshot};

const MANIFEST: &str = r#"
[ca]
subject = "/O=Example/CN=Example Root"

[certificate.order]
profile = "peer"
dns = ["order.example.org", "localhost"]
ip = ["127.0.0.1"]

[certificate.person]
profile = "client"
uri = ["spiffe://example.org/person"]
days = 7
"#;

fn home() -> Home {
    let home = Home::new();
    home.write("pki.toml", MANIFEST);
    home
}

/// Everything below `certs`, with its content and its time of change.
fn state(home: &Home) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut state = Vec::new();
    for folder in fs::read_dir(home.path("certs")).expect("certs").flatten() {
        for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
            let changed = file
                .metadata()
                .and_then(|metadata| metadata.modified())
                .expect("metadata");
            state.push((
                file.path().display().to_string(),
                fs::read(file.path()).expect("a file"),
                changed,
            ));
        }
    }
    state.sort();
    state
}

#[test]
fn a_dry_run_shows_the_plan_and_does_nothing() {
    let home = home();
    snapshot!(home.pki("apply pki.toml --dry-run"), @r"
    exit 0
    + ca      new CA in certs/ca
    + order   peer, p256, 60 days, DNS:order.example.org, DNS:localhost, IP:127.0.0.1
    + person  client, p256, 7 days, URI:spiffe://example.org/person
    Plan: a new CA, 2 to issue, 0 to replace, 0 unchanged.
    Nothing was done: this was a dry run.
    ");
    assert!(!home.path("certs").exists());
}

#[test]
fn the_first_run_issues_and_the_second_changes_nothing() {
    let home = home();
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    + ca      new CA in certs/ca
    + order   peer, p256, 60 days, DNS:order.example.org, DNS:localhost, IP:127.0.0.1
    + person  client, p256, 7 days, URI:spiffe://example.org/person
    Plan: a new CA, 2 to issue, 0 to replace, 0 unchanged.
    Done: a new CA, 2 issued.
    ");
    for name in ["order", "person"] {
        home.assert_pair(&format!("certs/{name}"));
    }
    assert!(
        home.openssl_accepts("certs/order", "sslclient")
            .unwrap_or(true)
    );
    let before = state(&home);
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca      certs/ca
    = order   valid until [date]
    = person  valid until [date]
    Plan: 0 to issue, 0 to replace, 2 unchanged.
    Nothing to do.
    ");
    assert_eq!(state(&home), before);
}

#[test]
fn what_changed_in_the_manifest_is_replaced_and_the_rest_left() {
    let home = home();
    home.pki("apply pki.toml").succeeds();
    let person = home.read("certs/person/tls.crt");
    home.write(
        "pki.toml",
        MANIFEST
            .replace("\"localhost\"", "\"order\"")
            .replace("peer", "server"),
    );
    snapshot!(home.pki("apply pki.toml --dry-run"), @r"
    exit 0
    = ca      certs/ca
    ~ order   profile: peer → server; names: +DNS:order -DNS:localhost
    = person  valid until [date]
    Plan: 0 to issue, 1 to replace, 1 unchanged.
    Nothing was done: this was a dry run.
    ");
    home.pki("apply pki.toml").succeeds();
    assert_eq!(home.read("certs/person/tls.crt"), person);
    let names: Vec<_> = home
        .certificate("certs/order/tls.crt")
        .names()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        ["DNS:order.example.org", "DNS:order", "IP:127.0.0.1"]
    );
    home.assert_pair("certs/order");
    assert!(
        home.pki("apply pki.toml")
            .succeeds()
            .contains("Nothing to do.")
    );
}

#[test]
fn a_pair_that_does_not_fit_or_is_damaged_is_repaired() {
    let home = home();
    home.pki("apply pki.toml").succeeds();
    fs::copy(
        home.path("certs/person/tls.key"),
        home.path("certs/order/tls.key"),
    )
    .expect("copied");
    fs::remove_file(home.path("certs/person/tls.crt")).expect("removed");
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca      certs/ca
    ~ order   the key is another certificate's
    ~ person  tls.crt is missing
    Plan: 0 to issue, 2 to replace, 0 unchanged.
    Done: 2 issued.
    ");
    home.assert_pair("certs/order");
    home.assert_pair("certs/person");
}

#[test]
fn certificates_of_another_ca_are_replaced() {
    let home = home();
    home.pki("apply pki.toml").succeeds();
    fs::remove_dir_all(home.path("certs/ca")).expect("removed");
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    + ca      new CA in certs/ca
    ~ order   issued by another CA
    ~ person  issued by another CA
    Plan: a new CA, 0 to issue, 2 to replace, 0 unchanged.
    Done: a new CA, 2 issued.
    ");
    assert!(
        home.openssl_accepts("certs/order", "sslserver")
            .unwrap_or(true)
    );
}

#[test]
fn a_ca_that_differs_is_left_as_it_is_and_said() {
    let home = home();
    home.pki("init --single-tier --key ed25519").succeeds();
    let before = state(&home);
    let manifest = MANIFEST.replace(
        "Root\"",
        "Root\"\npermit_dns = [\"LOCALHOST\", \"example.org\"]",
    );
    home.write("pki.toml", &manifest);
    snapshot!(home.pki("apply pki.toml --dry-run"), @r"
    exit 0
    = ca      certs/ca
    + order   peer, p256, 60 days, DNS:order.example.org, DNS:localhost, IP:127.0.0.1
    + person  client, p256, 7 days, URI:spiffe://example.org/person
    Plan: 2 to issue, 0 to replace, 0 unchanged.
    Nothing was done: this was a dry run.
    --- stderr
    notice: The CA in certs/ca is not the one of the manifest, and stays as it is: a CA is not replaced in passing. In the CA → in the manifest: subject: /CN=Private Root CA → /O=Example/CN=Example Root; issuing CA: none (single tier) → /O=Example/CN=Example Issuing CA; key: Ed25519 → p256; permit_dns: none → example.org, localhost. Write into [ca] what the CA has, or move the CA's folder away to have a new CA made.
    ");
    assert_eq!(state(&home), before);

    // Neither the case nor the order of domains is a difference.
    fs::remove_dir_all(home.path("certs")).expect("removed");
    home.pki("apply pki.toml").succeeds();
    home.write(
        "pki.toml",
        manifest.replace(
            "\"LOCALHOST\", \"example.org\"",
            "\"Example.org\", \"localhost\"",
        ),
    );
    let run = home.pki("apply pki.toml");
    assert_eq!(run.stderr, "");
    assert!(run.succeeds().contains("Nothing to do."));
}

#[test]
fn what_the_ca_that_is_there_may_not_issue_is_refused_while_planning() {
    let home = home();
    home.pki("init --permit-dns localhost").succeeds();
    for run in ["apply pki.toml --dry-run", "apply pki.toml"] {
        let error = home.pki(run).fails(7);
        assert!(error.contains("\"pki.toml\", line 7: The CA"), "{error}");
        assert!(
            error.contains("\"DNS:order.example.org\" is not below DNS:localhost"),
            "{error}"
        );
    }
    assert!(!home.path("certs/order").exists());
}

#[test]
fn a_certificate_that_verifiers_refuse_and_a_key_that_others_can_read_are_replaced() {
    let home = home();
    home.pki("apply pki.toml").succeeds();
    let pem = home.read("certs/order/tls.crt");
    // The last letters of the leaf belong to its signature.
    let end = pem.find("\n-----END").expect("PEM") - 8;
    let mut broken = pem.clone();
    let other = if &pem[end..=end] == "A" { "B" } else { "A" };
    broken.replace_range(end..=end, other);
    home.write("certs/order/tls.crt", broken);
    let key = home.path("certs/person/tls.key");
    let before = home.read("certs/person/tls.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o666)).expect("changed");
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca      certs/ca
    ~ order   not accepted by verifiers: its signature was not made by the key of the issuer that bears the name it gives (RFC 5280 section 6.1.3 (a)(1))
    ~ person  others can get at tls.key (mode 0666)
    Plan: 0 to issue, 2 to replace, 0 unchanged.
    Done: 2 issued.
    ");
    let mode = fs::metadata(&key).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_ne!(
        home.read("certs/person/tls.key"),
        before,
        "others may have it"
    );
    for name in ["order", "person"] {
        home.assert_pair(&format!("certs/{name}"));
    }
    assert!(
        home.pki("apply pki.toml")
            .succeeds()
            .contains("Nothing to do.")
    );
}

#[test]
fn a_shorter_validity_under_a_ca_that_ends_soon_is_a_difference() {
    let home = home();
    let manifest = |days: u32| {
        MANIFEST
            .replace("Root\"", "Root\"\ndays = 100")
            .replace("days = 7", &format!("days = {days}"))
    };
    home.write("pki.toml", manifest(400));
    home.pki("apply pki.toml").succeeds();
    home.write("pki.toml", manifest(30));
    let plan = home.pki("apply pki.toml").succeeds();
    // It may have been issued a second after the CA with which it ends.
    let days = plan.contains("days: 100 → 30") || plan.contains("days: 99 → 30");
    assert!(plan.contains("~ person  ") && days, "{plan}");
    assert!(
        home.pki("apply pki.toml")
            .succeeds()
            .contains("Nothing to do.")
    );
}

#[test]
fn what_is_not_in_the_manifest_is_left_alone() {
    let home = home();
    home.pki("apply pki.toml").succeeds();
    home.pki("issue guest --dns guest.example.org").succeeds();
    let run = home.pki("apply pki.toml");
    assert!(
        run.stderr
            .contains("certs/guest is not in the manifest and is left alone"),
        "{run:?}"
    );
    assert!(home.path("certs/guest/tls.crt").exists());
    let notices = |run: &crate::support::Run| run.stderr.matches("left alone").count();
    for name in ["h1", "h2", "h3", "h4", "h5", "h6"] {
        fs::create_dir(home.path(&format!("certs/{name}"))).expect("created");
        fs::copy(
            home.path("certs/guest/tls.crt"),
            home.path(&format!("certs/{name}/tls.crt")),
        )
        .expect("copied");
    }
    let run = home.pki("apply pki.toml");
    assert!(
        run.stderr.contains("notice: 7 folders are not in the manifest and are left alone: certs/guest, certs/h1, certs/h2, certs/h3, certs/h4, and 2 more.\n"),
        "{run:?}"
    );
    assert_eq!(notices(&run), 1, "{run:?}");
    for name in ["h1", "h2", "h3", "h4", "h5", "h6"] {
        fs::remove_dir_all(home.path(&format!("certs/{name}"))).expect("removed");
    }
    let hostile = home.path("certs/\u{1b}[2J\u{202e}x");
    fs::rename(home.path("certs/guest"), hostile).expect("renamed");
    let run = home.pki("apply pki.toml");
    assert!(
        run.stderr
            .contains("certs/\\u{1b}[2J\\u{202e}x is not in the manifest"),
        "{run:?}"
    );
}

#[test]
fn a_name_outside_the_cas_domains_is_refused_before_there_is_a_ca() {
    let home = Home::new();
    let bound = "/CN=Example Root\"\npermit_dns = [\"Example.org\"]";
    home.write("pki.toml", MANIFEST.replace("/CN=Example Root\"", bound));
    let said = home.pki("apply pki.toml --dry-run").fails(7);
    snapshot!(&said, @r#"error: "pki.toml", line 8: The name DNS:localhost is not below example.org, to which permit_dns binds the CA; take it out, or permit its domain."#);
    assert_eq!(home.pki("apply pki.toml").fails(7), said);
    assert!(!home.path("certs").exists());
    home.write(
        "pki.toml",
        MANIFEST
            .replace("/CN=Example Root\"", bound)
            .replace(", \"localhost\"", ""),
    );
    home.pki("apply pki.toml").succeeds();
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca      certs/ca
    = order   valid until [date]
    = person  valid until [date]
    Plan: 0 to issue, 0 to replace, 2 unchanged.
    Nothing to do.
    ");
}

#[test]
fn a_manifest_that_cannot_be_used_is_refused_before_anything_is_done() {
    let home = home();
    home.write("pki.toml", MANIFEST.replace("dns =", "dsn ="));
    snapshot!(home.pki("apply pki.toml").fails(7), @r#"error: "pki.toml", line 7: [certificate.order] has no field "dsn", only profile, subject, dns, ip, uri, email, key and days; did you mean "dns"?"#);
    home.write("pki.toml", MANIFEST.replace("order.example.org", "*"));
    snapshot!(home.pki("apply pki.toml").fails(7), @r#"error: "pki.toml", line 7: The DNS name "*" is refused: a wildcard needs at least two labels after it, as in *.example.org."#);
    home.write("pki.toml", "[ca");
    snapshot!(home.pki("apply pki.toml").fails(7), @r#"error: "pki.toml", line 1: The name of a table is not between brackets; write it as in [ca]."#);
    snapshot!(home.pki("apply missing.toml").fails(4), @r#"
    error: There is no manifest "missing.toml".
    hint: name it: pki apply FILE. A manifest is pki.toml with [ca] and one [certificate.NAME] for each certificate
    "#);
    assert!(!home.path("certs").exists());
}

#[test]
fn the_json_of_apply_says_what_was_done() {
    let home = home();
    let document = home.pki("apply pki.toml --json").json();
    assert_eq!(document["ca"]["action"], "create");
    assert_eq!(document["issue"], 2);
    assert_eq!(document["steps"][0]["name"], "order");
    assert_eq!(document["steps"][0]["certificate"]["profile"], "peer");
    let document = home.pki("apply pki.toml --json").json();
    assert_eq!(
        (&document["issue"], &document["keep"]),
        (&0.into(), &2.into())
    );
}

#[test]
fn the_houses_own_manifest_can_be_applied() {
    let home = Home::new();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../certs/pki.toml");
    home.run(&["apply", manifest]).succeeds();
    for (name, purpose) in [
        ("order", "sslserver"),
        ("order", "sslclient"),
        ("payment", "sslserver"),
        ("shipping", "sslserver"),
        ("product", "sslserver"),
        ("order-client", "sslclient"),
    ] {
        home.assert_pair(&format!("certs/{name}"));
        assert!(
            home.openssl_accepts(&format!("certs/{name}"), purpose)
                .unwrap_or(true),
            "{name} as {purpose}"
        );
    }
    assert!(
        home.run(&["apply", manifest])
            .succeeds()
            .contains("Nothing to do.")
    );
}
