//! We judge the server's certificate: the chain is shown also when it is not accepted, and the rule, the clause and the
//! exit code are those of `pki verify`.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType, SerialNumber};

use crate::{
    material::{Ca, Pair, days},
    server::{Client, Setup, TLS12},
    support::{Home, Run},
};

fn home(ca: &Ca) -> Home {
    let home = Home::new();
    home.write("ca.crt", ca.pem());
    home
}

fn connect(home: &Home, setup: Setup, options: &str) -> Run {
    let server = setup.start();
    home.pki(&format!(
        "connect localhost:{} --trust ca.crt {options}",
        server.port()
    ))
}

#[test]
fn each_rule_that_a_servers_certificate_breaks_has_the_exit_code_of_verify() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    home.write("crl.pem", ca.revoke(&[7]));
    home.write("old.crt", Ca::root("Test Root").pem());
    type Change = fn(&mut CertificateParams);
    let cases: [(Change, &str, i32, &str); 6] = [
        (
            |params| params.not_after = days(-1) + time::Duration::hours(1),
            "",
            14,
            "(expired): leaf “CN=server”",
        ),
        (
            |params| params.not_before = days(1),
            "",
            15,
            "(not-yet-valid): leaf “CN=server”",
        ),
        (
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "",
            18,
            "(wrong-usage): leaf “CN=server”",
        ),
        (
            |params| {
                params.subject_alt_names =
                    vec![SanType::DnsName("other.test".try_into().expect("a name"))]
            },
            "",
            20,
            "(wrong-name): leaf “CN=server”",
        ),
        (
            |params| params.serial_number = Some(SerialNumber::from(7_u64)),
            "--crl crl.pem",
            23,
            "(revoked): leaf “CN=server”",
        ),
        (
            |_| {},
            "--trust old.crt --host other.test",
            20,
            "(wrong-name)",
        ),
    ];
    for (change, options, code, sentence) in cases {
        let run = connect(&home, Setup::of(&ca.issue("server", change)), options);
        assert_eq!(run.code, code, "{run}");
        assert!(
            run.stderr.contains("The certificate of localhost:"),
            "{run}"
        );
        assert!(run.stderr.contains(sentence), "{sentence} is not in {run}");
        assert!(run.stderr.contains("RFC "), "the clause: {run}");
        assert!(run.stderr.contains("hint"), "a way out: {run}");
        assert!(
            run.stdout.contains("  certificate  server  ("),
            "the chain is shown: {run}"
        );
        assert!(!run.stdout.contains("accepted"), "{run}");
    }
}

#[test]
fn a_server_of_another_ca_is_not_trusted_and_its_refusal_is_told_besides() {
    let (ca, other) = (Ca::root("Test Root"), Ca::root("Other Root"));
    let home = home(&ca);
    ca.peer("client").write(&home, "certs/client", &ca);
    let setup = Setup::of(&other.peer("server")).requires(&other);
    let run = connect(&home, setup, "--identity certs/client");
    assert_eq!(run.code, 13, "{run}");
    assert!(run.stderr.contains("is rejected (no-path)"), "{run}");
    assert!(
        run.stderr.contains("Besides: localhost:")
            && run.stderr.contains("refused our certificate /CN=client"),
        "{run}"
    );
}

#[test]
fn an_intermediate_that_the_server_does_not_send_is_named_as_what_is_missing() {
    let root = Ca::root("Test Root");
    let issuing = root.intermediate("Issuing");
    let whole = issuing.peer("server");
    let alone = Pair {
        above: String::new(),
        ..whole.clone()
    };
    let home = home(&root);
    let said = connect(&home, Setup::of(&whole), "").succeeds();
    assert!(said.contains("  intermediate 1  CN=Issuing\n"), "{said}");
    assert!(
        said.contains("chain               2 certificates sent\n"),
        "{said}"
    );

    issuing.peer("client").write(&home, "certs/client", &root);
    let server = Setup::of(&alone).start();
    let run = home.pki(&format!(
        "connect localhost:{} --identity client",
        server.port()
    ));
    assert_eq!(run.code, 13, "{run}");
    assert!(
        run.stderr.contains("The server sends its certificate without the issuing CA's, with which it would be accepted"),
        "{run}"
    );
}

#[test]
fn crls_that_do_not_cover_the_server_are_no_ground_to_accept_it() {
    let (ca, other) = (Ca::root("Test Root"), Ca::root("Other Root"));
    let home = home(&ca);
    home.write("crl.pem", other.revoke(&[]));
    let run = connect(&home, Setup::of(&ca.peer("server")), "--crl crl.pem");
    assert_eq!(run.code, 24, "{run}");

    // The folder of an identity may hold CRLs of its own.
    ca.peer("client").write(&home, "certs/client", &ca);
    home.write("certs/client/crl.pem", other.revoke(&[]));
    let server = Setup::of(&ca.peer("server")).start();
    let run = home.pki(&format!(
        "connect localhost:{} --identity client",
        server.port()
    ));
    assert_eq!(run.code, 24, "{run}");
    home.write("certs/client/crl.pem", ca.revoke(&[]));
    home.pki(&format!(
        "connect localhost:{} --identity client",
        server.port()
    ))
    .succeeds();
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_not_judged_at_all() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    for versions in [rustls::ALL_VERSIONS, TLS12] {
        let stolen = Pair {
            key: ca.peer("thief").key,
            ..ca.peer("server")
        };
        let setup = Setup {
            versions,
            ..Setup::of(&stolen)
        };
        let run = connect(&home, setup, "");
        assert_eq!(run.code, 112, "{run}");
        assert!(
            run.stderr
                .contains("could not prove that it holds the key of its certificate"),
            "{run}"
        );
        assert!(!run.stdout.contains("accepted"), "{run}");
        let server = Setup {
            versions,
            ..Setup::of(&stolen)
        }
        .start();
        let said = home
            .pki(&format!("inspect localhost:{}", server.port()))
            .fails(112);
        assert!(said.contains("could not prove"), "{said}");
    }
}

#[test]
fn the_ca_of_the_folder_is_trusted_when_nothing_else_is_named() {
    let home = Home::with_ca();
    home.pki("issue order --profile server --dns localhost")
        .succeeds();
    let pair = Pair {
        leaf: home.read("certs/order/tls.crt"),
        above: String::new(),
        key: home.read("certs/order/tls.key"),
    };
    let server = Setup::of(&pair).start();
    let said = home
        .pki(&format!("connect localhost:{}", server.port()))
        .succeeds();
    assert!(
        said.contains("  trust anchor    CN=Private Root CA\n"),
        "{said}"
    );

    let nowhere = Home::new();
    let said = nowhere
        .pki(&format!("connect localhost:{}", server.port()))
        .fails(4);
    assert!(said.contains("There is nothing to trust"), "{said}");
    let system = nowhere
        .command(&[
            "connect",
            &format!("localhost:{}", server.port()),
            "--trust",
            "system",
        ])
        .env("SSL_CERT_FILE", home.path("certs/ca/root.crt"))
        .output()
        .expect("pki runs");
    assert!(system.status.success(), "{system:?}");
}

#[test]
fn a_certificate_that_was_revoked_meanwhile_is_told_by_both_sides() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let revoked = ca.issue("server", |params| {
        params.serial_number = Some(SerialNumber::from(9_u64))
    });
    revoked.write(&home, "certs/client", &ca);
    home.write("certs/client/crl.pem", ca.revoke(&[9]));
    let server = Setup::of(&revoked)
        .client(Client::NotRevoked(ca.pem().to_owned(), ca.revoke(&[9])))
        .start();
    let run = home.pki(&format!(
        "connect localhost:{} --identity client --json",
        server.port()
    ));
    assert_eq!(run.code, 23, "{run}");
    let json = run.json();
    assert_eq!(json["refused_by"], "client");
    assert_eq!(json["alert"], "certificate_revoked");
    assert_eq!(json["verdict"]["rule"], "revoked");
    assert_eq!(json["verdict"]["rustls"]["accepted"], false);
}

#[test]
fn what_the_own_ca_revoked_is_told_wherever_it_is_met() {
    let home = Home::with_ca();
    home.pki("issue order --profile peer --dns localhost")
        .succeeds();
    home.pki("issue payment --profile peer --dns localhost")
        .succeeds();
    let pair = |name: &str| Pair {
        leaf: home.read(&format!("certs/{name}/tls.crt")),
        above: String::new(),
        key: home.read(&format!("certs/{name}/tls.key")),
    };
    let root = home.read("certs/ca/root.crt");
    let server = |name: &str| {
        let client = match std::fs::read_to_string(home.path("certs/order/crl.pem")) {
            Ok(crls) => Client::NotRevoked(root.clone(), crls),
            Err(_) => Client::Required(root.clone()),
        };
        Setup::of(&pair(name)).client(client).start().port()
    };
    let connect = |port: u16, identity: &str| {
        home.pki(&format!("connect localhost:{port} --identity {identity}"))
    };
    connect(server("order"), "payment").succeeds();

    home.pki("revoke payment --reason keyCompromise").succeeds();
    // The folder of order has the CRLs since then, and so has the CA's.
    let run = connect(server("payment"), "order");
    assert_eq!(run.code, 23, "{run}");
    assert!(run.stderr.contains("(revoked): leaf “CN=payment”"), "{run}");
    assert!(run.stderr.contains("keyCompromise"), "{run}");
    let run = connect(server("order"), "payment");
    assert_eq!(run.code, 113, "{run}");
    assert!(
        run.stderr
            .contains("refused our certificate /CN=payment: it is revoked"),
        "{run}"
    );
    connect(server("order"), "order").succeeds();
}

#[test]
fn a_revocation_that_no_crl_tells_of_is_known_to_the_index() {
    let home = Home::with_ca();
    for name in ["order", "payment"] {
        home.pki(&format!("issue {name} --profile peer --dns localhost"))
            .succeeds();
    }
    let pair = Pair {
        leaf: home.read("certs/payment/tls.crt"),
        above: String::new(),
        key: home.read("certs/payment/tls.key"),
    };
    home.pki("revoke payment --reason keyCompromise").succeeds();
    for folder in ["ca", "order", "payment"] {
        std::fs::remove_file(home.path(&format!("certs/{folder}/crl.pem"))).expect("removed");
    }
    let connect = |options: &str| {
        let port = Setup::of(&pair).start().port();
        home.pki(&format!("connect localhost:{port} {options}"))
    };
    for options in ["", "--identity order"] {
        let run = connect(options);
        assert_eq!(run.code, 23, "{options}: {run}");
        assert!(
            run.stderr.contains("(revoked): leaf “CN=payment”")
                && run
                    .stderr
                    .contains("(keyCompromise), as the index of the CA says"),
            "{options}: {run}"
        );
    }
    // Whose trust anchors are given, his CRLs count.
    connect("--trust certs/ca/root.crt").succeeds();
    // And whoever has no index goes without.
    std::fs::remove_file(home.path("certs/ca/index.db")).expect("removed");
    connect("").succeeds();
}

#[test]
fn both_generations_of_a_ca_are_trusted_while_it_is_replaced() {
    let home = Home::with_ca();
    let issue = |name: &str| {
        home.pki(&format!("issue {name} --profile peer --dns localhost"))
            .succeeds();
        Pair {
            leaf: home.read(&format!("certs/{name}/tls.crt")),
            above: String::new(),
            key: home.read(&format!("certs/{name}/tls.key")),
        }
    };
    let old = issue("old");
    home.pki("ca rotate prepare --now --root").succeeds();
    home.pki("ca rotate activate --now").succeeds();
    let new = issue("new");
    for (name, pair) in [("old", old), ("new", new)] {
        let server = Setup::of(&pair).start();
        home.pki(&format!("connect localhost:{}", server.port()))
            .succeeds();
        home.pki(&format!("verify certs/{name}/tls.crt")).succeeds();
    }
}
