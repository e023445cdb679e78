//! `pki import NAME`: a pair that was made elsewhere.

use crate::support::Home;

/// A home with a pair of a CA in `other`, and no CA of its own.
fn with_strange_pair() -> Home {
    let home = Home::new();
    home.pki("--dir other init").succeeds();
    home.pki("--dir other issue order --dns order.dev")
        .succeeds();
    home.write(
        "all.pem",
        // In no order at all: the root, the end entity, the intermediate.
        home.read("other/order/ca.crt") + &home.read("other/order/tls.crt"),
    );
    home
}

#[test]
fn a_pair_is_put_in_order_and_verifies() {
    let home = with_strange_pair();
    let run = home.pki("import order --cert all.pem --key other/order/tls.key");
    assert!(
        run.stderr.contains("is the root among the imported files"),
        "{run:?}"
    );
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        assert_eq!(
            home.read(&format!("certs/order/{file}")),
            home.read(&format!("other/order/{file}")),
            "{file}"
        );
    }
    home.assert_pair("certs/order");
    let told = home
        .pki("import order --cert all.pem --key other/order/tls.key")
        .fails(5);
    assert!(told.contains("--force"), "{told}");
    home.pki("import order --cert all.pem --key other/order/tls.key --force")
        .succeeds();
}

#[test]
fn a_pkcs12_file_becomes_a_pair_and_its_passphrase_is_not_kept() {
    let home = with_strange_pair();
    home.write("secret", "right");
    home.pki(
        "--dir other export order --format pkcs12 --out order.p12 --export-passphrase-file secret",
    )
    .succeeds();
    let told = home.pki("import order --pkcs12 order.p12").fails(8);
    assert!(told.contains("--passphrase-file"), "{told}");
    home.write("other-secret", "wrong");
    let told = home
        .pki("import order --pkcs12 order.p12 --passphrase-file other-secret")
        .fails(8);
    assert!(told.contains("the passphrase is wrong"), "{told}");
    assert!(!home.path("certs").exists());
    let run = home.pki("import order --pkcs12 order.p12 --passphrase-file secret");
    assert!(
        run.code == 0
            && run
                .stderr
                .contains("is not in the folder; to keep it encrypted"),
        "{run:?}"
    );
    home.assert_pair("certs/order");
    let run = home.pki("import kept --pkcs12 order.p12 --passphrase-file secret --encrypt-key");
    assert!(
        run.code == 0 && !run.stderr.contains("--encrypt-key"),
        "{run:?}"
    );
    assert!(
        home.read("certs/kept/tls.key")
            .contains("BEGIN ENCRYPTED PRIVATE KEY")
    );
}

#[test]
fn a_pkcs12_file_without_a_mac_is_told_and_two_keys_are_not_guessed_between() {
    let home = with_strange_pair();
    home.write("secret", "right");
    let Some(made) = home.openssl(
        "pkcs12 -export -nomac -keypbe NONE -certpbe NONE -passout pass:right -inkey other/order/tls.key -in all.pem -out bare.p12",
    ) else {
        return;
    };
    made.succeeds();
    let run = home.pki("import order --pkcs12 bare.p12");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("has no MAC"), "{run:?}");
    home.assert_pair("certs/order");
    // Nothing but certificates.
    home.openssl("pkcs12 -export -nokeys -passout pass:right -in all.pem -out trust.p12")
        .expect("openssl is here")
        .succeeds();
    let told = home
        .pki("import trust --pkcs12 trust.p12 --passphrase-file secret")
        .fails(3);
    assert!(told.contains("holds no private key"), "{told}");
}

#[test]
fn an_encrypted_key_stays_encrypted() {
    let home = Home::with_ca();
    home.write("secret", "right");
    home.pki("issue order --dns order.dev --encrypt-key --key-passphrase-file secret")
        .succeeds();
    home.pki(
        "import copy --cert certs/order/tls.crt --key certs/order/tls.key --passphrase-file secret",
    )
    .succeeds();
    assert!(
        home.read("certs/copy/tls.key")
            .contains("BEGIN ENCRYPTED PRIVATE KEY")
    );
}

#[test]
fn a_pair_of_the_own_ca_is_trusted_without_its_root() {
    let home = Home::with_ca();
    home.pki("issue order --dns order.dev").succeeds();
    let run = home.pki("import copy --cert certs/order/tls.crt --key certs/order/tls.key");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert_eq!(
        home.read("certs/copy/ca.crt"),
        home.read("certs/ca/root.crt")
    );
}

#[test]
fn a_root_that_only_has_the_name_of_ours_is_given_with_trust() {
    let home = Home::with_ca();
    home.pki("--dir other init").succeeds();
    home.pki("--dir other issue order --dns order.dev")
        .succeeds();
    let import = "import order --cert other/order/tls.crt --key other/order/tls.key";
    let run = home.pki(import);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("give its root with --trust"), "{run:?}");
    home.pki(&format!("{import} --trust other/ca/root.crt"))
        .succeeds();
}

#[test]
fn what_is_refused_says_why_and_writes_nothing() {
    let home = with_strange_pair();
    home.pki("--dir other issue payment --dns payment.dev")
        .succeeds();
    home.pki("--dir third init").succeeds();
    for (args, code, expected) in [
        (
            "import order --cert all.pem --key other/payment/tls.key",
            3,
            "belongs to none of the 3 certificates",
        ),
        (
            "import order --cert other/order/tls.crt --key other/order/tls.key",
            3,
            "give the root with --trust",
        ),
        (
            "import order --cert all.pem --key other/order/tls.key --trust third/ca/root.crt",
            3,
            "would be refused by its peers",
        ),
        (
            "import order --cert other/ca/root.crt --key other/ca/root.key",
            3,
            "pki import ca",
        ),
        (
            "import order --cert all.pem",
            2,
            "give both with --cert and --key",
        ),
        ("import order --pkcs12 all.pem", 7, "is no PKCS#12"),
        (
            "import order --cert all.pem --key nowhere",
            4,
            "There is no file",
        ),
        (
            "import order --cert all.pem --key other/order/tls.key --openssl other",
            2,
            "--openssl is for a CA",
        ),
        (
            "import ca --cert all.pem --key other/order/tls.key --force",
            2,
            "--force is for a pair",
        ),
        ("import ca", 2, "give --openssl, or --cert and --key"),
        (
            "import ../x --cert all.pem --key other/order/tls.key",
            2,
            "cannot be used",
        ),
    ] {
        let told = home.pki(args).fails(code);
        assert!(told.contains(expected), "{args}: {told}");
        assert!(!home.path("certs").exists(), "{args}");
    }
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let home = with_strange_pair();
    let run = home.pki("import order --cert all.pem --key other/order/tls.key --dry-run --json");
    let told = run.json();
    assert_eq!(told["dry_run"], true);
    assert_eq!(
        told["certificate"]["names"],
        serde_json::json!(["DNS:order.dev"])
    );
    assert_eq!(told["intermediates"].as_array().map(Vec::len), Some(1));
    assert_eq!(told["anchor"]["ca"], true);
    assert!(!home.path("certs").exists());
}
