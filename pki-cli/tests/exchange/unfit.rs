//! CAs of others whose certificates do not say what a CA's must: what cannot issue is refused, what only some verifiers
//! refuse is taken and told.

use std::fs;

use crate::support::{Home, snapshot};

const BASIC: &str = "basicConstraints=critical,CA:TRUE";
const BOTH: &str = "keyUsage=critical,keyCertSign,cRLSign";

/// A root in `ca.crt` and `ca.key` with these extensions. `None` when there is no openssl.
fn root(home: &Home, extensions: &[&str]) -> Option<()> {
    home.write("empty.cnf", "[req]\ndistinguished_name=d\n[d]\n");
    let mut args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 3650 -subj /CN=Other -config empty.cnf -addext subjectKeyIdentifier=hash"
        .to_owned();
    for extension in extensions {
        args.push_str(" -addext ");
        args.push_str(extension);
    }
    home.openssl(&args)?.succeeds();
    Some(())
}

#[test]
fn what_cannot_issue_is_neither_imported_nor_used() {
    for (extensions, refusal) in [
        (
            &["basicConstraints=critical,CA:FALSE", BOTH][..],
            "is not a CA",
        ),
        (&[BOTH][..], "is not a CA"),
        (
            &[BASIC, "keyUsage=critical,digitalSignature"][..],
            "its key usage lacks keyCertSign",
        ),
        (
            &[BASIC, "keyUsage=critical,cRLSign"][..],
            "its key usage lacks keyCertSign",
        ),
        (
            &["basicConstraints=CA:TRUE", BOTH][..],
            "its basicConstraints are not critical",
        ),
    ] {
        let home = Home::new();
        if root(&home, extensions).is_none() {
            return;
        }
        for command in [
            "import ca --cert ca.crt --key ca.key",
            "import ca --cert ca.crt --key ca.key --dry-run",
            "issue x --out x --dns x.dev --ca ca.crt --ca-key ca.key",
            "issue x --out x --dns x.dev --ca ca.crt --ca-key ca.key --dry-run",
        ] {
            let told = home.pki(command).fails(3);
            assert!(told.contains(refusal), "{command}: {told}");
        }
        assert!(!home.path("certs").exists() && !home.path("x").exists());
    }
}

#[test]
fn a_ca_without_key_usage_is_taken_and_told_and_what_it_issues_is_accepted() {
    let home = Home::new();
    if root(&home, &[BASIC]).is_none() {
        return;
    }
    let told = "The CA \"CN=Other\" has no key usage.";
    for command in [
        "issue x --out x --dns x.dev --ca ca.crt --ca-key ca.key",
        "import ca --cert ca.crt --key ca.key",
        "issue y --dns y.dev",
        "issue z --dns z.dev --dry-run",
    ] {
        let run = home.pki(command);
        assert!(run.code == 0 && run.stderr.contains(told), "{run:?}");
    }
    let verdict = home.pki("verify certs/y/tls.crt --json").json();
    assert_eq!(
        (&verdict["accepted"], &verdict["rustls"]["accepted"]),
        (&true.into(), &true.into())
    );
    assert_eq!(home.openssl_accepts("certs/y", "sslserver"), Some(false));
    let lax = home.openssl("verify -CAfile certs/y/ca.crt certs/y/tls.crt");
    lax.expect("openssl is here").succeeds();
    snapshot!(home.pki("check"), @r"
    exit 0
    note     CN=Other  has no key usage, which RFC 5280 section 4.2.1.3 demands of a CA: strict verifiers (openssl verify -x509_strict) refuse what it signs, this program and rustls do not; replace it (pki ca rotate)
    All is well: 2 checked.
    ");
    // Its successor has one.
    home.pki("ca rotate prepare --now").succeeds();
    home.pki("ca rotate activate --now").succeeds();
    let run = home.pki("issue y --dns y.dev --force");
    assert!(run.code == 0 && !run.stderr.contains(told), "{run:?}");
    assert_eq!(home.openssl_accepts("certs/y", "sslserver"), Some(true));
}

#[test]
fn a_ca_without_crl_sign_is_taken_and_told_and_revokes_nothing() {
    let home = Home::new();
    if root(&home, &[BASIC, "keyUsage=critical,keyCertSign"]).is_none() {
        return;
    }
    let run = home.pki("import ca --cert ca.crt --key ca.key");
    assert!(
        run.code == 0 && run.stderr.contains("its key usage lacks cRLSign"),
        "{run:?}"
    );
    // Nor was a table given, so what it had revoked is forgotten.
    assert!(
        run.stderr
            .contains("Nothing is known of what CN=Other issued and revoked before"),
        "{run:?}"
    );
    home.pki("issue y --dns y.dev").succeeds();
    assert_eq!(home.openssl_accepts("certs/y", "sslserver"), Some(true));
    let told = home.pki("revoke y").fails(3);
    assert!(told.contains("may not sign CRLs"), "{told}");
    let run = home.pki("check");
    assert!(
        run.code == 0 && run.stdout.contains("note     CN=Other  may not sign CRLs"),
        "{run:?}"
    );
}

#[test]
fn check_finds_a_ca_that_was_exchanged_for_one_that_cannot_issue() {
    let home = Home::with_ca();
    for (extensions, expected) in [
        ("basicConstraints=critical,CA:FALSE", "is not a CA"),
        (
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign",
            "lacks keyCertSign",
        ),
    ] {
        home.write("ca.ext", extensions);
        let request = "req -new -key certs/ca/issuing.key -subj /CN=Private-Issuing-CA -out ca.csr";
        let Some(made) = home.openssl(request) else {
            return;
        };
        made.succeeds();
        home.openssl("x509 -req -in ca.csr -CA certs/ca/root.crt -CAkey certs/ca/root.key -days 9 -extfile ca.ext -out ca.crt")
            .expect("openssl is here")
            .succeeds();
        fs::copy(home.path("ca.crt"), home.path("certs/ca/issuing.crt")).expect("copied");
        let run = home.pki("check");
        assert_eq!(run.code, 102, "{run:?}");
        let told = run.stdout.contains("issues nothing that verifiers accept");
        assert!(told && run.stdout.contains(expected), "{run:?}");
        home.pki("issue x --dns x.dev").fails(3);
    }
}
