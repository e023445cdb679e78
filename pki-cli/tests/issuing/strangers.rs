//! What we make is read and accepted by openssl, and what openssl makes is read by us, in every form.

use crate::support::Home;

#[test]
fn openssl_accepts_every_kind_of_key_under_every_profile() {
    for key in ["p256", "p384", "ed25519", "rsa-2048", "rsa-3072"] {
        let home = Home::new();
        home.pki(&format!("init --key {key}")).succeeds();
        for (profile, purposes) in [
            ("server", &["sslserver"][..]),
            ("client", &["sslclient"]),
            ("peer", &["sslserver", "sslclient"]),
        ] {
            home.pki(&format!(
                "issue {profile} --profile {profile} --key {key} --dns a.dev --email a@a.dev"
            ))
            .succeeds();
            home.assert_pair(&format!("certs/{profile}"));
            for purpose in purposes {
                let accepted = home.openssl_accepts(&format!("certs/{profile}"), purpose);
                assert!(accepted.unwrap_or(true), "{key} {profile}");
            }
        }
        if let Some(run) = home.openssl("pkey -in certs/peer/tls.key -noout -check") {
            assert_eq!(run.code, 0, "{key}: {run:?}");
        }
    }
}

#[test]
fn a_key_in_any_form_of_openssl_can_be_the_cas() {
    let home = Home::new();
    let forms: &[(&str, &[&str])] = &[
        ("pkcs1", &["genrsa -traditional -out KEY 2048"]),
        ("pkcs8-rsa", &["genrsa -out KEY 2048"]),
        ("sec1", &["ecparam -name prime256v1 -genkey -out KEY"]),
        (
            "sec1-p384",
            &["ecparam -name secp384r1 -genkey -noout -out KEY"],
        ),
        (
            "p521",
            &["genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp521r1 -out KEY"],
        ),
        ("ed25519", &["genpkey -algorithm ed25519 -out KEY"]),
        (
            "pkcs1-der",
            &[
                "genrsa -traditional -out KEY.pem 2048",
                "rsa -in KEY.pem -traditional -outform DER -out KEY",
            ],
        ),
        (
            "sec1-der",
            &[
                "ecparam -name prime256v1 -genkey -noout -out KEY.pem",
                "ec -in KEY.pem -outform DER -out KEY",
            ],
        ),
        (
            "pkcs8-der",
            &["genpkey -algorithm ed25519 -outform DER -out KEY"],
        ),
        (
            "encrypted",
            &[
                "genpkey -algorithm ed25519 -out KEY.pem",
                "pkcs8 -topk8 -in KEY.pem -passout pass:secret -out KEY",
            ],
        ),
        (
            "scrypt",
            &[
                "genpkey -algorithm ed25519 -out KEY.pem",
                "pkcs8 -topk8 -scrypt -in KEY.pem -passout pass:secret -out KEY",
            ],
        ),
        (
            "encrypted-der",
            &[
                "genpkey -algorithm ed25519 -out KEY.pem",
                "pkcs8 -topk8 -in KEY.pem -passout pass:secret -outform DER -out KEY",
            ],
        ),
    ];
    for (name, commands) in forms {
        for command in *commands {
            let Some(run) = home.openssl(&command.replace("KEY", &format!("{name}.key"))) else {
                return;
            };
            assert_eq!(run.code, 0, "{name}: {run:?}");
        }
        let der = if name.ends_with("der") {
            "-keyform DER"
        } else {
            ""
        };
        home.openssl(&format!(
            "req -x509 -new -key {name}.key {der} -passin pass:secret -subj /CN={name} -addext keyUsage=critical,keyCertSign -days 30 -out {name}.crt"
        ))
        .expect("openssl")
        .succeeds();
        let run = home
            .command(&[
                "issue",
                name,
                "--dns",
                "a.dev",
                "--ca",
                &format!("{name}.crt"),
                "--ca-key",
                &format!("{name}.key"),
            ])
            .env("PKI_PASSPHRASE", "secret")
            .output()
            .expect("the binary starts");
        crate::support::Run::from(run).succeeds();
        assert_eq!(
            home.openssl_accepts(&format!("certs/{name}"), "sslserver"),
            Some(true),
            "{name}"
        );
    }
}

#[test]
fn a_request_may_be_signed_with_another_hash_than_its_curve_suggests() {
    // A P-384 key under SHA-256 is what `openssl req` makes by default.
    let home = Home::with_ca();
    let requests = [
        (
            "p384",
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -sha256",
        ),
        (
            "p256",
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -sha512",
        ),
        (
            "p521",
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -sha384",
        ),
        ("rsa", "req -new -newkey rsa:2048 -sha384"),
        (
            "pss",
            "req -new -newkey rsa:2048 -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
        ),
        ("ed25519", "req -new -newkey ed25519"),
    ];
    for (name, command) in requests {
        let Some(run) = home.openssl(&format!(
            "{command} -nodes -subj /CN={name} -addext subjectAltName=DNS:{name}.dev -keyout {name}.key -out {name}.csr"
        )) else {
            return;
        };
        run.succeeds();
        home.pki(&format!("sign {name}.csr")).succeeds();
        assert_eq!(
            home.openssl_accepts(&format!("certs/{name}"), "sslserver"),
            Some(true),
            "{name}"
        );
        let ours = home
            .openssl(&format!("x509 -in certs/{name}/tls.crt -noout -pubkey"))
            .expect("openssl")
            .stdout;
        let theirs = home
            .openssl(&format!("pkey -in {name}.key -pubout"))
            .expect("openssl")
            .stdout;
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn a_ca_whose_name_repeats_attributes_issues_under_exactly_that_name() {
    let home = Home::new();
    let made = home.openssl_args(&[
        "req",
        "-x509",
        "-newkey",
        "ed25519",
        "-nodes",
        "-subj",
        "/DC=dev/DC=microservices/OU=a/OU=b+CN=CA",
        "-days",
        "30",
        "-addext",
        "keyUsage=critical,keyCertSign",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
    ]);
    let Some(made) = made else { return };
    made.succeeds();
    home.pki("issue payment --dns a.dev --ca ca.crt --ca-key ca.key")
        .succeeds();
    assert_eq!(
        home.openssl_accepts("certs/payment", "sslserver"),
        Some(true)
    );
    assert!(
        !home.path("certs/ca").exists(),
        "no index is kept for a CA that lives elsewhere"
    );
}

#[test]
fn openssl_reads_our_requests_and_what_they_ask_for() {
    let home = Home::new();
    home.pki("csr a --profile peer --dns a.dev --ip 10.0.0.1 --uri spiffe://a.dev/a --email a@a.dev --key p384").succeeds();
    home.pki("csr b --key ed25519").succeeds();
    let Some(run) = home.openssl("req -in certs/a/tls.csr -noout -verify -text") else {
        return;
    };
    assert!(run.stderr.contains("verify OK"), "{run:?}");
    for expected in [
        "DNS:a.dev, IP Address:10.0.0.1, URI:spiffe://a.dev/a, email:a@a.dev",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(run.stdout.contains(expected), "{run:?}");
    }
    let run = home
        .openssl("req -in certs/b/tls.csr -noout -verify")
        .expect("openssl");
    assert!(run.stderr.contains("verify OK"), "{run:?}");
}

#[test]
fn a_ca_that_no_verifier_accepts_is_refused_before_it_signs() {
    let good = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n";
    for (extensions, expected) in [
        (
            good.replace("basicConstraints=critical,", "basicConstraints="),
            "error: The CA \"CN=ca\" is not fit to issue, because verifiers would not accept it: its basicConstraints are not critical (RFC 5280 section 4.2.1.9);",
        ),
        (
            good.replace("subjectKeyIdentifier=hash", "subjectKeyIdentifier=none"),
            "it is a CA and has no subjectKeyIdentifier (RFC 5280 section 4.2.1.2);",
        ),
        (format!("{good}1.2.3.4=critical,ASN1:NULL\n"), "1.2.3.4"),
        (
            format!("{good}extendedKeyUsage=clientAuth\n"),
            "error: The CA \"CN=ca\" may issue only for the uses that its extended key usage names, and a server certificate needs another one;",
        ),
        (good.to_owned(), ""),
    ] {
        let home = Home::new();
        home.write(
            "ca.cnf",
            format!("[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\n{extensions}"),
        );
        let Some(made) = home.openssl("req -x509 -config ca.cnf -newkey ed25519 -nodes -subj /CN=ca -days 30 -keyout ca.key -out ca.crt") else {
            return;
        };
        assert_eq!(made.code, 0, "{made:?}");
        let run = home.pki("issue x --dns a.dev --ca ca.crt --ca-key ca.key");
        if expected.is_empty() {
            run.succeeds();
            assert!(home.path("certs/x/tls.crt").exists());
        } else {
            let error = run.fails(3);
            assert!(error.contains(expected), "{error}");
            assert!(
                !home.path("certs/x").exists(),
                "nothing is there: {expected}"
            );
        }
    }
}
