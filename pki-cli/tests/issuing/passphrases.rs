//! Encrypted keys: written so that openssl 3.0 reads them, opened wherever a key is read, and never with an empty
//! passphrase.

use crate::support::{Home, Run, snapshot};

fn with_passphrase(home: &Home, args: &str, variable: &str, value: &str) -> Run {
    let args: Vec<_> = args.split_whitespace().collect();
    Run::from(
        home.command(&args)
            .env(variable, value)
            .output()
            .expect("the binary starts"),
    )
}

fn encrypted_ca() -> Home {
    let home = Home::new();
    home.write("secret", "correct horse\n");
    home.pki("init --encrypt-key --passphrase-file secret")
        .succeeds();
    home
}

#[test]
fn an_encrypted_ca_issues_with_its_passphrase_from_file_environment_or_descriptor() {
    let home = encrypted_ca();
    assert!(
        home.read("certs/ca/issuing.key")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    assert!(
        home.read("certs/ca/root.key")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    home.pki("issue a --dns a.dev --passphrase-file secret")
        .succeeds();
    with_passphrase(
        &home,
        "issue b --dns b.dev",
        "PKI_PASSPHRASE",
        "correct horse",
    )
    .succeeds();
    let secret = std::fs::File::open(home.path("secret")).expect("the file");
    let run = home
        .command(&["issue", "c", "--dns", "c.dev", "--passphrase-fd", "0"])
        .stdin(secret)
        .output();
    Run::from(run.expect("the binary starts")).succeeds();
    for name in ["a", "b", "c"] {
        home.assert_pair(&format!("certs/{name}"));
    }
}

#[test]
fn openssl_reads_what_we_encrypt() {
    let home = encrypted_ca();
    with_passphrase(&home, "csr a --encrypt-key", "PKI_KEY_PASSPHRASE", "leaf").succeeds();
    for (key, passphrase) in [
        ("certs/ca/issuing.key", "correct horse"),
        ("certs/a/tls.key", "leaf"),
    ] {
        let passin = format!("pass:{passphrase}");
        let Some(run) = home.openssl_args(&["pkey", "-in", key, "-noout", "-passin", &passin])
        else {
            return;
        };
        assert_eq!(run.code, 0, "{run:?}");
    }
}

#[test]
fn a_wrong_missing_or_empty_passphrase_is_one_sentence() {
    let home = encrypted_ca();
    home.write("empty", "\n");
    snapshot!(with_passphrase(&home, "issue a --dns a.dev", "PKI_PASSPHRASE", "wrong"), @r#"
    exit 8
    --- stderr
    error: The key "certs/ca/issuing.key" cannot be used: the passphrase is wrong.
    "#);
    snapshot!(home.pki("issue a --dns a.dev"), @r#"
    exit 8
    --- stderr
    error: The key "certs/ca/issuing.key" is encrypted, and there is no terminal to ask for the passphrase; give it with --passphrase-file or in PKI_PASSPHRASE.
    "#);
    snapshot!(home.pki("issue a --dns a.dev --passphrase-file empty"), @r#"
    exit 8
    --- stderr
    error: The passphrase from the file "empty" is empty, which protects nothing; give one that is not.
    "#);
    snapshot!(with_passphrase(&home, "issue a --dns a.dev", "PKI_PASSPHRASE", ""), @r"
    exit 8
    --- stderr
    error: The passphrase from the environment variable PKI_PASSPHRASE is empty, which protects nothing; give one that is not.
    ");
    snapshot!(home.pki("issue a --dns a.dev --passphrase-file missing"), @r#"
    exit 8
    --- stderr
    error: The passphrase could not be read from the file "missing": No such file or directory (os error 2).
    "#);
    assert!(!home.path("certs/a").exists(), "nothing was written");
}

#[test]
fn a_new_key_has_a_passphrase_of_its_own() {
    let home = encrypted_ca();
    home.write("leaf", "leaf");
    home.pki(
        "issue a --dns a.dev --passphrase-file secret --encrypt-key --key-passphrase-file leaf",
    )
    .succeeds();
    assert!(
        home.read("certs/a/tls.key")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    // The CA's passphrase does not protect somebody else's key.
    snapshot!(home.pki("issue b --dns a.dev --passphrase-file secret --encrypt-key"), @r"
    exit 8
    --- stderr
    error: The new key is to be encrypted, and there is no terminal to ask for the passphrase; give it with --key-passphrase-file or in PKI_KEY_PASSPHRASE.
    ");
}

#[test]
fn apply_makes_an_encrypted_ca_and_issues_from_it_with_one_passphrase() {
    let home = Home::new();
    let manifest = "[ca]\nsubject = \"/CN=Root\"\nencrypt_key = true\n\n\
        [certificate.a]\nprofile = \"server\"\ndns = [\"a.dev\"]\n";
    home.write("pki.toml", manifest);
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 8
    + ca  new CA in certs/ca
    + a   server, p256, 60 days, DNS:a.dev
    Plan: 1 to issue, 0 to replace, 0 unchanged.
    --- stderr
    error: The CA keys are to be encrypted, and there is no terminal to ask for the passphrase; give it with --passphrase-file or in PKI_PASSPHRASE.
    ");
    assert!(!home.path("certs").exists(), "nothing was written");

    // A descriptor can be read once.
    home.write("secret", "correct horse\n");
    let secret = std::fs::File::open(home.path("secret")).expect("the file");
    let run = home
        .command(&["apply", "pki.toml", "--passphrase-fd", "0"])
        .stdin(secret)
        .output();
    Run::from(run.expect("the binary starts")).succeeds();
    for key in ["certs/ca/root.key", "certs/ca/issuing.key"] {
        assert!(
            home.read(key)
                .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        );
    }
    home.assert_pair("certs/a");

    home.write("pki.toml", manifest.replace("[\"a.dev\"]", "[\"b.dev\"]"));
    with_passphrase(&home, "apply pki.toml", "PKI_PASSPHRASE", "correct horse").succeeds();
    home.assert_pair("certs/a");
    home.pki("apply pki.toml").succeeds();
}

#[test]
fn an_encrypted_ca_signs_requests_with_its_passphrase() {
    let home = encrypted_ca();
    home.pki("csr a --dns a.dev").succeeds();
    assert_eq!(home.pki("sign certs/a/tls.csr").code, 8);
    with_passphrase(
        &home,
        "sign certs/a/tls.csr",
        "PKI_PASSPHRASE",
        "correct horse",
    )
    .succeeds();
    assert!(home.openssl_accepts("certs/a", "sslserver").unwrap_or(true));
}

#[test]
fn a_request_with_an_encrypted_key_is_signed_into_its_folder() {
    let home = Home::with_ca();
    with_passphrase(
        &home,
        "csr a --dns a.dev --encrypt-key",
        "PKI_KEY_PASSPHRASE",
        "leaf",
    )
    .succeeds();
    home.pki("sign certs/a/tls.csr").succeeds();
    assert!(home.openssl_accepts("certs/a", "sslserver").unwrap_or(true));
}

#[test]
fn the_old_encryption_of_openssl_is_refused_with_the_way_out() {
    let home = Home::new();
    let made = home.openssl("genrsa -traditional -aes128 -passout pass:x -out old.key 2048");
    if made.is_none() {
        return;
    }
    home.openssl("req -x509 -new -key old.key -passin pass:x -subj /CN=old -out old.crt")
        .expect("openssl")
        .succeeds();
    snapshot!(home.pki("issue a --dns a.dev --ca old.crt --ca-key old.key"), @r#"
    exit 7
    --- stderr
    error: The key "old.key" cannot be used: it is encrypted in a way that is not supported (the old PEM encryption of openssl); convert it with "openssl pkcs8 -topk8 -v2 aes-256-cbc".
    "#);
}
