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
    error: There is no file "missing" to read the passphrase from; check the path.
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
    Plan: a new CA, 1 to issue, 0 to replace, 0 unchanged.
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

#[test]
fn a_passphrase_that_would_protect_nothing_is_refused_or_told() {
    let home = Home::new();
    home.write("secret", "correct horse\n");
    snapshot!(home.pki("init --passphrase-file secret").fails(2), @"error: --passphrase-file gives a passphrase, and the CA keys would be written in clear all the same; add --encrypt-key, or leave the passphrase out.");
    snapshot!(home.pki("init --passphrase-fd 0").fails(2), @"error: --passphrase-fd gives a passphrase, and the CA keys would be written in clear all the same; add --encrypt-key, or leave the passphrase out.");
    home.write("pki.toml", "[ca]\nsubject = \"/CN=Root\"\n");
    let refused = home.pki("apply pki.toml --passphrase-file secret").fails(2);
    let planned = home.pki("apply pki.toml --passphrase-file secret --dry-run");
    assert_eq!(planned.fails(2), refused);
    snapshot!(refused, @r#"error: --passphrase-file gives a passphrase, and the CA keys would be written in clear all the same; write "encrypt_key = true" below [ca] in the manifest, or leave the passphrase out."#);
    assert!(!home.path("certs").exists(), "nothing was written");

    let told = |args: &str, variable: &str| with_passphrase(&home, args, variable, "x").stderr;
    snapshot!(told("apply pki.toml", "PKI_PASSPHRASE"), @r#"notice: PKI_PASSPHRASE is set, and the CA keys are written in clear all the same; to have encryption, write "encrypt_key = true" below [ca] in the manifest."#);
    snapshot!(told("init --dir other", "PKI_PASSPHRASE"), @"notice: PKI_PASSPHRASE is set, and the CA keys are written in clear all the same; to have encryption, add --encrypt-key.");
    let issue = told("issue a --dns a.dev", "PKI_KEY_PASSPHRASE");
    assert_eq!(told("csr b --dns b.dev", "PKI_KEY_PASSPHRASE"), issue);
    snapshot!(issue, @"notice: PKI_KEY_PASSPHRASE is set, and the key is written in clear all the same; to have encryption, add --encrypt-key.");

    home.pki("issue a --dns a.dev --force --encrypt-key --key-passphrase-file secret")
        .succeeds();
    let run = home.pki("issue a --dns a.dev --force");
    snapshot!(run.stderr, @r#"notice: The key that "certs/a" held was encrypted, and the one in its place is not; to have encryption, repeat this with --encrypt-key."#);
    run.succeeds();
}

#[test]
fn apply_keeps_a_key_encrypted_and_replaces_none_by_one_in_clear() {
    let home = Home::new();
    let manifest = "[ca]\nsubject = \"/CN=Root\"\n\n\
        [certificate.a]\nprofile = \"server\"\ndns = [\"a.dev\"]\n\n\
        [certificate.b]\nprofile = \"server\"\ndns = [\"b.dev\"]\n";
    home.write("pki.toml", manifest);
    home.write("leaf", "correct horse\n");
    home.pki("apply pki.toml").succeeds();
    home.pki("issue a --dns a.dev --force --encrypt-key --key-passphrase-file leaf")
        .succeeds();
    home.write("pki.toml", manifest.replace(".dev", ".org"));
    let before = home.read("certs/a/tls.key");
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 8
    = ca  certs/ca
    ~ a   names: +DNS:a.org -DNS:a.dev; the new key is encrypted
    ~ b   names: +DNS:b.org -DNS:b.dev
    Plan: 0 to issue, 2 to replace, 0 unchanged.
    --- stderr
    error: The new key of a is to be encrypted, and there is no terminal to ask for the passphrase; give it with --key-passphrase-file or in PKI_KEY_PASSPHRASE.
    ");
    assert_eq!(home.read("certs/a/tls.key"), before, "nothing was replaced");

    let run = with_passphrase(&home, "apply pki.toml", "PKI_KEY_PASSPHRASE", "leaf");
    assert!(
        run.stderr
            .contains("new keys are written in clear all the same"),
        "b is: {run:?}"
    );
    run.succeeds();
    let is_encrypted = |name: &str| {
        home.read(&format!("certs/{name}/tls.key"))
            .contains("ENCRYPTED")
    };
    assert!(is_encrypted("a") && !is_encrypted("b"));
    home.assert_pair("certs/b");
    assert!(home.openssl_accepts("certs/a", "sslserver").unwrap_or(true));

    // With the option, every new key is.
    home.write("pki.toml", manifest.replace(".dev", ".net"));
    home.pki("apply pki.toml --key-passphrase-file leaf")
        .succeeds();
    assert!(is_encrypted("a") && is_encrypted("b"));
    assert!(
        home.pki("apply pki.toml")
            .succeeds()
            .contains("Nothing to do.")
    );
}

#[test]
fn a_passphrase_is_never_cut_off() {
    let home = encrypted_ca();
    let longest = "x".repeat(64 << 10);
    home.write("long", format!("{longest}x\n"));
    home.write("longest", format!("{longest}\r\n"));
    let key = "csr a --encrypt-key --key-passphrase-file";
    snapshot!(home.pki(&format!("{key} long")).fails(8), @r#"error: The passphrase from the file "long" is longer than 64 KiB, which no passphrase is, and it is not cut off in silence; give the file that holds the passphrase alone."#);
    home.pki(&format!("{key} longest")).succeeds();
    snapshot!(home.pki("issue b --dns b.dev --passphrase-fd 77").fails(8), @r#"error: The file descriptor 77 is not open, so no passphrase can be read from it; open it, as in "77<FILE" of a shell."#);
}
