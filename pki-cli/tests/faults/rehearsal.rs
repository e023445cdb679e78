//! `--dry-run`: says what would be made, refuses what would be refused, and changes nothing.

use crate::{
    state::{assert_same, make_older, tree},
    support::{Home, snapshot},
    writing::WRITING,
};

#[test]
fn a_dry_run_of_any_command_changes_no_file_and_takes_no_serial_number() {
    for writing in WRITING {
        let home = writing.prepare();
        let before = tree(&home.path(""));
        for json in ["", " --json"] {
            let command = format!("{} --dry-run{json}", writing.command);
            let run = home.pki(&command);
            if json.is_empty() {
                assert!(
                    run.stdout.contains("Nothing was done: this was a dry run."),
                    "{command}: {run:?}"
                );
            } else {
                assert_eq!(run.json()["dry_run"], true, "{command}");
            }
            run.succeeds();
            assert_same(&before, &tree(&home.path("")), &command);
        }
        // What it promised works.
        home.pki(writing.command).succeeds();
        writing.assert_made(&home, "after a dry run");
    }
}

#[test]
fn a_dry_run_on_an_index_of_an_older_version_leaves_it_one() {
    for writing in WRITING {
        let home = writing.prepare();
        let index = home.path("certs/ca/index.db");
        if !index.exists() {
            continue;
        }
        make_older(&index);
        let before = tree(&home.path(""));
        let command = format!("{} --dry-run", writing.command);
        home.pki(&command).succeeds();
        assert_same(&before, &tree(&home.path("")), &command);
        // The real run brings it to the present version.
        home.pki(writing.command).succeeds();
        writing.assert_made(&home, "with an older index");
    }
    // What the older version does not know is known all the same.
    let home = Home::with_ca();
    for name in ["x", "y"] {
        home.pki(&format!("issue {name} --dns a.dev")).succeeds();
    }
    home.pki("renew x").succeeds();
    let before = home.certificate("certs/x/tls.crt");
    home.pki("renew x").succeeds();
    let serial = before.serial();
    home.pki(&format!("revoke --serial {serial} --reason keyCompromise"))
        .succeeds();
    make_older(&home.path("certs/ca/index.db"));
    for command in ["renew x --dry-run", "renew x"] {
        let refused = home.pki(command).fails(3);
        assert!(refused.contains("pki rekey"), "{command}: {refused}");
    }
}

#[test]
fn what_would_be_made_is_shown_with_its_extensions_in_words() {
    let home = Home::new();
    snapshot!(home.pki("init --permit-dns a.dev --days 1000 --dry-run"), @r#"
    exit 0
    Would create a CA in certs/ca
    root
      subject  /CN=Private Root CA
      key      P-256
      valid    [date] to [date], 1000 days
      has      basicConstraints (critical): ca yes, path length 1
      has      keyUsage (critical): keyCertSign, cRLSign
      has      subjectKeyIdentifier: [identifier]
      has      authorityKeyIdentifier: key identifier [identifier]
      has      nameConstraints (critical): permitted DNS:a.dev
    issuing CA
      subject  /CN=Private Issuing CA
      key      P-256
      valid    [date] to [date], 1000 days
      has      basicConstraints (critical): ca yes, path length 0
      has      keyUsage (critical): keyCertSign, cRLSign
      has      subjectKeyIdentifier: [identifier]
      has      authorityKeyIdentifier: key identifier [identifier]
      has      nameConstraints (critical): permitted DNS:a.dev
    bound to a.dev and what is below, in DNS names only: IP addresses, URIs and email addresses are not bound
    Nothing was done: this was a dry run.
    "#);
    home.pki("init --days 30").succeeds();
    snapshot!(home.pki("issue x --dns a.dev --ip 127.0.0.1 --profile peer --dry-run"), @r#"
    exit 0
    Would issue x (peer)
      issuer   /CN=Private Issuing CA
      subject  /CN=x
      names    DNS:a.dev, IP:127.0.0.1
      key      P-256
      valid    [date] to [date], 30 days
      has      basicConstraints (critical): ca no
      has      keyUsage (critical): digitalSignature
      has      extendedKeyUsage: serverAuth (1.3.6.1.5.5.7.3.1), clientAuth (1.3.6.1.5.5.7.3.2)
      has      subjectKeyIdentifier: [identifier]
      has      authorityKeyIdentifier: key identifier [identifier]
      has      subjectAltName: DNS:a.dev, IP:127.0.0.1
      folder   certs/x (tls.crt, tls.key, ca.crt)
    Nothing was done: this was a dry run.
    --- stderr
    notice: The certificate ends on [date] and not on [date], because the CA "CN=Private Issuing CA" ends then.
    "#);
    snapshot!(home.pki("csr y --dns b.dev --dry-run"), @r#"
    exit 0
    Would make a key and a request in certs/y
      subject  /CN=y
      names    DNS:b.dev
      key      P-256
    Nothing was done: this was a dry run.
    "#);
    home.pki("csr y --dns b.dev").succeeds();
    snapshot!(home.pki("sign certs/y/tls.csr --days 10 --dry-run"), @r#"
    exit 0
    Would sign certs/y/tls.csr (server)
      granted  DNS:b.dev
      issuer   /CN=Private Issuing CA
      subject  /CN=y
      names    DNS:b.dev
      key      P-256
      valid    [date] to [date], 10 days
      has      basicConstraints (critical): ca no
      has      keyUsage (critical): digitalSignature
      has      extendedKeyUsage: serverAuth (1.3.6.1.5.5.7.3.1)
      has      subjectKeyIdentifier: [identifier]
      has      authorityKeyIdentifier: key identifier [identifier]
      has      subjectAltName: DNS:b.dev
      folder   certs/y (tls.crt, ca.crt)
    Nothing was done: this was a dry run.
    "#);
}

#[test]
fn in_json_what_a_draft_does_not_have_is_null() {
    let home = Home::with_ca();
    let draft = home.pki("issue x --dns a.dev --dry-run --json").json();
    for absent in ["serial", "sha256", "pem"] {
        assert!(draft["certificate"][absent].is_null(), "{draft}");
    }
    assert_eq!(draft["certificate"]["subject"], "CN=x");
    assert_eq!(
        draft["files"],
        serde_json::json!(["tls.crt", "tls.key", "ca.crt"])
    );
    let issued = home.pki("issue x --dns a.dev --json").json();
    assert_eq!(issued["dry_run"], false);
    for same in ["subject", "issuer", "names", "profile", "key", "ca"] {
        assert_eq!(
            draft["certificate"][same], issued["certificate"][same],
            "{same}"
        );
    }
}

/// Each with the files that it needs and what is refused; the sentence of the dry run is that of the real run.
#[test]
fn a_dry_run_refuses_what_the_real_run_refuses_in_the_same_words() {
    let home = Home::new();
    home.pki("init --permit-dns a.dev").succeeds();
    home.pki("init --dir locked --encrypt-key --passphrase-file secret")
        .fails(8);
    home.write("secret", "correct horse\n");
    home.write("wrong", "wrong\n");
    home.write("empty", "\n");
    home.write("file", "");
    home.pki("init --dir locked --encrypt-key --passphrase-file secret")
        .succeeds();
    home.pki("issue there --dns a.dev").succeeds();
    home.pki("csr asks --dns a.dev").succeeds();
    home.pki("csr other --dns a.dev").succeeds();
    home.pki("csr outside --dns b.dev").succeeds();
    home.pki("init --dir lost").succeeds();
    std::fs::remove_file(home.path("lost/ca/root.crt")).expect("removed");
    home.write("pki.toml", "[ca]\nsubject = \"/CN=Root\"\n");
    // Something else where a CA should be, and a link, which no folder takes the place of.
    for folder in ["full/ca", "odd", "linked", "elsewhere"] {
        std::fs::create_dir_all(home.path(folder)).expect("made");
    }
    home.write("full/ca/notes", "");
    home.write("odd/ca", "");
    std::os::unix::fs::symlink("../elsewhere", home.path("linked/ca")).expect("linked");
    home.write("lines", "no line of a table\n");
    for command in [
        "init",
        "init --dir file",
        "init --dir full",
        "init --dir odd",
        "init --dir linked",
        "init --dir new --days 0",
        "init --dir new --permit-dns *.dev",
        "init --dir new --subject /CN=A --issuing-subject /CN=a",
        "init --dir new --passphrase-file secret",
        "init --dir new --encrypt-key --passphrase-file empty",
        "csr there",
        "csr x --out certs/ca",
        "csr x --out file",
        "csr x --dns *.dev",
        "csr x --encrypt-key --key-passphrase-file empty",
        "issue there --dns a.dev",
        "issue x",
        "issue x --dns b.dev",
        "issue x --dns a.dev --days 0",
        "issue x --dns a.dev --out file/x",
        "issue x --dns a.dev --out certs/ca",
        "issue x --dns a.dev --dir nowhere",
        "issue x --dns a.dev --dir locked",
        "issue x --dns a.dev --dir locked --passphrase-file wrong",
        "issue x --dns a.dev --ca certs/ca/issuing.crt --ca-key certs/ca/root.key",
        "issue x --dns a.dev --ca certs/there/tls.crt --ca-key certs/there/tls.key",
        "sign nothing.csr",
        "sign certs/ca/root.crt",
        "sign certs/outside/tls.csr",
        "sign certs/asks/tls.csr --out certs/other",
        "sign certs/asks/tls.csr --out certs/there",
        "sign certs/asks/tls.csr --out locked/ca",
        "sign certs/asks/tls.csr --profile client --days 0",
        "export there --format pkcs12 --out x.p12",
        "export there --format pkcs12 --out x.p12 --export-passphrase-file nofile",
        "export there --format pkcs12 --out x.p12 --export-passphrase-file empty",
        "export there --format pem --out file",
        "export there --format pem --out certs --force",
        "export there --format pem --out nowhere/x.pem",
        "apply pki.toml --dir lost",
        "apply pki.toml --dir full",
        "apply pki.toml --dir odd",
        "apply pki.toml --dir linked",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir full",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir odd",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir linked",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir file",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir file/below",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir odd --index lines",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir new --index lines",
        "import ca --cert certs/ca/root.crt --key certs/ca/root.key --dir new --encrypt-key --passphrase-file empty",
        "import ca --cert certs/ca/root.crt --key certs/ca/issuing.key --dir new",
        "import there --cert certs/there/tls.crt --key certs/there/tls.key",
        "import x --cert certs/there/tls.crt --key certs/there/tls.key --out certs/ca",
        "import x --cert certs/there/tls.crt --key certs/there/tls.key --out file",
    ] {
        let before = tree(&home.path(""));
        let rehearsed = home.pki(&format!("{command} --dry-run"));
        assert_ne!(rehearsed.code, 0, "{command}: {rehearsed:?}");
        assert_same(&before, &tree(&home.path("")), command);
        let real = home.pki(command);
        assert_eq!(
            (rehearsed.code, rehearsed.stderr),
            (real.code, real.stderr),
            "{command}"
        );
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_before_as_well() {
    let home = Home::with_ca();
    home.write("file", "");
    for (target, link) in [("nope", "dangling"), ("loop", "loop")] {
        std::os::unix::fs::symlink(target, home.path(link)).expect("a link");
    }
    for (command, said) in [
        ("man --out file", "\"file\" is there and is not a folder"),
        ("man --out loop", "\"loop\" is a link that leads nowhere"),
        (
            "init --dir dangling",
            "\"dangling\" is a link that leads nowhere",
        ),
        (
            "issue q --dns q.dev --out dangling",
            "\"dangling\" is a link that leads nowhere",
        ),
    ] {
        for dry_run in [" --dry-run", ""] {
            let told = home.pki(&format!("{command}{dry_run}")).fails(6);
            assert!(told.contains(said), "{command}{dry_run}: {told}");
        }
    }
}
