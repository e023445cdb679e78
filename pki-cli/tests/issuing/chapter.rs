//! The chapter's five openssl steps (a CA; a server's key and request, signed; a client's key and request, signed) with
//! its own subjects, key sizes, validities and names.

use crate::support::{Home, snapshot};

const SUBJECT: &str = "/C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=Microservices/CN=*.microservices.dev/emailAddress=ca@microservices.dev";

fn subject(unit: &str) -> String {
    SUBJECT.replace("OU=Microservices", &format!("OU={unit}"))
}

#[test]
fn the_five_steps_of_the_chapter() {
    let home = Home::new();
    let ca = home.run(&[
        "init",
        "--single-tier",
        "--key",
        "rsa-4096",
        "--days",
        "365",
        "--subject",
        SUBJECT,
    ]);
    snapshot!(ca, @r"
    exit 0
    Created a CA in certs/ca
    root
      subject  /C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=Microservices/CN=*.microservices.dev/emailAddress=ca@microservices.dev
      key      RSA 4096
      serial   [serial]
      valid    [date] to [date], 365 days
    ");

    let request = home.run(&[
        "csr",
        "payment",
        "--key",
        "rsa-4096",
        "--subject",
        &subject("PaymentService"),
    ]);
    snapshot!(request, @r"
    exit 0
    Made a key and a request in certs/payment
      subject  /C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=PaymentService/CN=*.microservices.dev/emailAddress=ca@microservices.dev
      key      RSA 4096
    next: pki sign certs/payment/tls.csr
    ");

    // The chapter writes the name twice.
    let names = "--dns *.microservices.dev --dns *.microservices.dev --ip 0.0.0.0";
    snapshot!(home.pki(&format!("sign certs/payment/tls.csr --days 60 {names}")), @r"
    exit 0
    Signed certs/payment/tls.csr (server)
      issuer   /C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=Microservices/CN=*.microservices.dev/emailAddress=ca@microservices.dev
      subject  /C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=PaymentService/CN=*.microservices.dev/emailAddress=ca@microservices.dev
      names    DNS:*.microservices.dev, IP:0.0.0.0
      key      RSA 4096
      serial   [serial]
      valid    [date] to [date], 60 days
      folder   certs/payment (tls.crt, tls.key, ca.crt)
    --- stderr
    notice: DNS:*.microservices.dev was given more than once; it stands in the certificate once.
    notice: 0.0.0.0 is the address to listen on all interfaces; nobody connects to it, so no caller will ever check for it.
    ");

    home.run(&[
        "csr",
        "order",
        "--key",
        "rsa-4096",
        "--subject",
        &subject("OrderService"),
    ])
    .succeeds();
    home.pki(&format!(
        "sign certs/order/tls.csr --profile client --days 60 {names}"
    ))
    .succeeds();

    assert_eq!(
        home.certificate("certs/ca/root.crt").subject().to_slashes(),
        SUBJECT
    );
    let server = home.certificate("certs/payment/tls.crt");
    assert_eq!(server.subject().to_slashes(), subject("PaymentService"));
    let names: Vec<_> = server.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["DNS:*.microservices.dev", "IP:0.0.0.0"]);
    assert_eq!((server.not_after() - server.not_before()).whole_days(), 60);

    // Each certificate fits its own role and not the other one.
    for (folder, purpose, expected) in [
        ("certs/payment", "sslserver", true),
        ("certs/payment", "sslclient", false),
        ("certs/order", "sslclient", true),
        ("certs/order", "sslserver", false),
    ] {
        if let Some(accepted) = home.openssl_accepts(folder, purpose) {
            assert_eq!(accepted, expected, "{folder} as {purpose}");
        }
    }
}

#[test]
fn issue_does_two_steps_in_one() {
    let home = Home::with_ca();
    snapshot!(home.pki("issue payment --dns payment.microservices.dev --ip ::1 --uri spiffe://microservices.dev/payment"), @r"
    exit 0
    Issued payment (server)
      issuer   /CN=Private Issuing CA
      subject  /CN=payment
      names    DNS:payment.microservices.dev, IP:::1, URI:spiffe://microservices.dev/payment
      key      P-256
      serial   [serial]
      valid    [date] to [date], 60 days
      folder   certs/payment (tls.crt, tls.key, ca.crt)
    ");
    home.assert_pair("certs/payment");
}

#[test]
fn the_json_of_issue_holds_everything_that_was_made() {
    let home = Home::with_ca();
    let run = home.pki("issue payment --dns payment.microservices.dev --json");
    let document = run.json();
    let keys: Vec<_> = document
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "ca_pem",
            "certificate",
            "chain_pem",
            "dry_run",
            "folder",
            "name",
            "notices"
        ]
    );
    let certificate = document["certificate"].as_object().expect("an object");
    let keys: Vec<_> = certificate.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "ca",
            "issuer",
            "key",
            "names",
            "not_after",
            "not_before",
            "pem",
            "profile",
            "serial",
            "sha256",
            "subject"
        ]
    );
    assert_eq!(
        document["chain_pem"].as_str(),
        Some(home.read("certs/payment/tls.crt").as_str())
    );
    assert_eq!(
        document["ca_pem"].as_str(),
        Some(home.read("certs/payment/ca.crt").as_str())
    );
    assert!(!run.stdout.contains("PRIVATE KEY"));
    assert_eq!(run.stderr, "");
}

#[test]
fn the_json_of_init_csr_and_sign_is_stable() {
    let home = Home::new();
    let keys = |run: crate::support::Run| -> Vec<String> {
        run.json()
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(
        keys(home.pki("init --json")),
        [
            "dry_run",
            "folder",
            "issuing",
            "notices",
            "permit_dns",
            "root"
        ]
    );
    assert_eq!(
        keys(home.pki("csr payment --dns a.dev --json")),
        [
            "dry_run", "folder", "key", "name", "names", "pem", "request", "subject"
        ]
    );
    assert_eq!(
        keys(home.pki("sign certs/payment/tls.csr --json")),
        [
            "ca_pem",
            "certificate",
            "chain_pem",
            "dropped",
            "dry_run",
            "folder",
            "granted",
            "name",
            "notices"
        ]
    );
}

#[test]
fn a_subject_may_be_written_as_rfc_4514_writes_it() {
    let home = Home::new();
    home.run(&["init", "--subject", "CN=Root, O=A\\, B, C=TR"])
        .succeeds();
    assert_eq!(
        home.certificate("certs/ca/root.crt").subject().to_slashes(),
        "/C=TR/O=A, B/CN=Root"
    );
    let home = Home::new();
    let run = home.run(&["init", "--subject", "C=TR,O=A,CN=Root"]);
    assert!(
        run.stderr.contains("this subject is /CN=Root/O=A/C=TR"),
        "{run:?}"
    );
}

#[test]
fn a_certificate_never_outlives_its_ca() {
    let home = Home::new();
    home.pki("init --days 30").succeeds();
    snapshot!(home.pki("issue payment --dns a.dev --days 60"), @r#"
    exit 0
    Issued payment (server)
      issuer   /CN=Private Issuing CA
      subject  /CN=payment
      names    DNS:a.dev
      key      P-256
      serial   [serial]
      valid    [date] to [date], 30 days
      folder   certs/payment (tls.crt, tls.key, ca.crt)
    --- stderr
    notice: The certificate ends on [date] and not on [date], because the CA "CN=Private Issuing CA" ends then.
    "#);
    let issuing = home.certificate("certs/ca/issuing.crt");
    assert_eq!(
        home.certificate("certs/payment/tls.crt").not_after(),
        issuing.not_after()
    );
}

#[test]
fn name_constraints_stand_in_both_cas_and_bind_what_is_issued() {
    let home = Home::new();
    home.pki("init --permit-dns microservices.dev").succeeds();
    home.pki("issue order --dns order.microservices.dev --ip 127.0.0.1")
        .succeeds();
    if let Some(accepted) = home.openssl_accepts("certs/order", "sslserver") {
        assert!(accepted);
        for ca in ["root", "issuing"] {
            let text = home
                .openssl(&format!("x509 -in certs/ca/{ca}.crt -noout -text"))
                .expect("openssl")
                .stdout;
            assert!(text.contains("X509v3 Name Constraints: critical"), "{text}");
            assert!(text.contains("DNS:microservices.dev"), "{text}");
        }
    }
}
