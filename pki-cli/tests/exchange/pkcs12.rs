//! PKCS#12 in both directions: openssl reads what we write, and we read what openssl writes.

use crate::support::Home;

/// A home with a pair made by openssl: key.pem and cert.pem.
fn with_openssl_pair(key: &str) -> Option<Home> {
    let home = Home::new();
    home.openssl(&format!(
        "req -x509 -newkey {key} -nodes -keyout key.pem -out cert.pem -subj /CN=stranger -days 30"
    ))?
    .succeeds();
    Some(home)
}

#[test]
fn openssl_opens_what_is_exported_with_every_kind_of_key() {
    for key in ["p256", "p384", "ed25519", "rsa-2048"] {
        let home = Home::with_ca();
        home.write("secret", "correct horse\n");
        home.pki(&format!("issue order --dns a.dev --key {key}"))
            .succeeds();
        home.pki("export order --format pkcs12 --out order.p12 --export-passphrase-file secret")
            .succeeds();
        let open = |passphrase: &str| {
            home.openssl_args(&[
                "pkcs12",
                "-in",
                "order.p12",
                "-passin",
                passphrase,
                "-nodes",
                "-info",
            ])
        };
        let Some(opened) = open("pass:correct horse") else {
            return;
        };
        assert_eq!(opened.code, 0, "{key}: {opened:?}");
        for expected in [
            "MAC: sha256, Iteration 150000",
            "Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC, Iteration 150000, PRF hmacWithSHA256",
        ] {
            assert!(opened.stderr.contains(expected), "{key}: {opened:?}");
        }
        assert!(opened.stdout.contains("friendlyName: order"));
        assert_eq!(opened.stdout.matches("BEGIN CERTIFICATE").count(), 3);
        assert_eq!(opened.stdout.matches("BEGIN PRIVATE KEY").count(), 1);
        let chain = home.read("certs/order/tls.crt");
        let own = chain.split_inclusive("-----END CERTIFICATE-----\n").next();
        assert!(opened.stdout.contains(own.expect("a certificate").trim()));
        assert_ne!(open("pass:wrong").expect("openssl is here").code, 0);
    }
}

#[test]
fn a_file_that_goes_to_stdout_is_the_file() {
    let home = Home::with_ca();
    home.write("secret", "right");
    home.pki("issue order --dns a.dev").succeeds();
    // Octets that look like the beginning of a colour are in nearly every one of them.
    for _ in 0..4 {
        let args = "export order --format pkcs12 --export-passphrase-file secret --out -";
        let output = home
            .command(&args.split_whitespace().collect::<Vec<_>>())
            .output()
            .expect("the binary starts");
        assert!(output.status.success());
        home.write("order.p12", &output.stdout);
        home.pki("inspect --unlock --passphrase-file secret order.p12")
            .succeeds();
    }
}

#[test]
fn what_openssl_exports_is_shown_and_its_passphrase_is_asked_for() {
    let Some(home) = with_openssl_pair("rsa:2048") else {
        return;
    };
    home.openssl(
        "pkcs12 -export -inkey key.pem -in cert.pem -name an_alias -passout pass:right -out a.p12",
    )
    .expect("openssl is here")
    .succeeds();
    let closed = home.pki("inspect a.p12").succeeds();
    for expected in [
        "HMAC-SHA-256 (RFC 7292 appendix B)",
        "iterations           2048",
        "not checked, for want of a passphrase",
        "AES-256-CBC",
        "friendly name        an_alias",
        "give the passphrase (--unlock)",
    ] {
        assert!(closed.contains(expected), "{expected}: {closed}");
    }
    assert!(!closed.contains("CN=stranger"));
    let inspect = |passphrase: &str| {
        home.write("secret", passphrase);
        home.pki("inspect --json --unlock --passphrase-file secret a.p12")
    };
    let opened = inspect("right").json();
    let file = &opened["files"][0]["objects"][0];
    assert_eq!(file["kind"], "pkcs12");
    assert_eq!(file["mac"]["verdict"], "right");
    let bags: Vec<_> = (0..2).map(|at| &file["safes"][at]["bags"][0]).collect();
    assert_eq!(bags[0]["certificate"]["subject"]["text"], "CN=stranger");
    assert_eq!(bags[1]["private_key"]["algorithm"], "RSA 2048");
    assert_eq!(bags[0]["local_key_id"], bags[1]["local_key_id"]);
    let wrong = inspect("wrong");
    assert_eq!(wrong.code, 8, "{wrong:?}");
    assert!(
        wrong.stderr.contains("the passphrase is wrong"),
        "{wrong:?}"
    );
}

#[test]
fn other_hashes_and_ciphers_of_openssl_are_read() {
    let Some(home) = with_openssl_pair("ed25519") else {
        return;
    };
    home.write("secret", "right");
    for options in [
        "-macalg sha1 -iter 1",
        "-macalg sha384",
        "-macalg sha512 -keypbe AES-128-CBC -certpbe AES-192-CBC",
        "-nomac",
        "-keypbe NONE -certpbe NONE",
        "-keypbe NONE -certpbe NONE -nomac",
        "-maciter -iter 100000",
    ] {
        home.openssl(&format!(
            "pkcs12 -export -inkey key.pem -in cert.pem -passout pass:right -out a.p12 {options}"
        ))
        .expect("openssl is here")
        .succeeds();
        let shown = home
            .pki("inspect --short --unlock --passphrase-file secret a.p12")
            .succeeds();
        assert_eq!(
            shown.trim(),
            "PKCS#12      private key Ed25519; certificate stranger",
            "{options}"
        );
    }
}

#[test]
fn the_old_encryption_is_refused_with_the_way_out_and_the_way_out_works() {
    let Some(home) = with_openssl_pair("rsa:2048") else {
        return;
    };
    let made = home
        .openssl(
            "pkcs12 -export -legacy -inkey key.pem -in cert.pem -passout pass:right -out old.p12",
        )
        .expect("openssl is here");
    if made.code != 0 {
        return; // This openssl was built without its legacy provider.
    }
    home.write("secret", "right");
    let told = home.pki("inspect --short --unlock --passphrase-file secret old.p12");
    assert_eq!(told.code, 7, "{told:?}");
    for expected in [
        "PKCS#12 PBE with SHA-1 and RC2-40",
        "openssl pkcs12 -legacy -in FILE -nodes |",
    ] {
        assert!(told.stderr.contains(expected), "{told:?}");
    }
    home.openssl("pkcs12 -legacy -in old.p12 -nodes -passin pass:right -out between.pem")
        .expect("openssl is here")
        .succeeds();
    home.openssl("pkcs12 -export -in between.pem -passout pass:right -out new.p12")
        .expect("openssl is here")
        .succeeds();
    home.pki("inspect --unlock --passphrase-file secret new.p12")
        .succeeds();
}

#[test]
fn a_hostile_alias_does_not_reach_the_terminal() {
    let Some(home) = with_openssl_pair("ed25519") else {
        return;
    };
    home.openssl_args(&[
        "pkcs12",
        "-export",
        "-inkey",
        "key.pem",
        "-in",
        "cert.pem",
        "-name",
        "a\u{1b}[31mb",
        "-passout",
        "pass:right",
        "-out",
        "a.p12",
    ])
    .expect("openssl is here")
    .succeeds();
    let shown = home.pki("inspect a.p12").succeeds();
    assert!(shown.contains("a\\u{1b}[31mb"), "{shown}");
}
