//! GnuTLS's certtool reads and accepts what we make, for the purpose that it was made for and for no other.

use std::process::{Command, Stdio};

use crate::support::{Home, Run};

const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

/// `None` when a developer has no certtool; in CI it must be there.
fn certtool(home: &Home, args: &str) -> Option<Run> {
    let output = Command::new("certtool")
        .args(args.split_whitespace())
        .current_dir(home.path(""))
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Some(Run::from(output)),
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("CI").is_none() =>
        {
            None
        }
        Err(error) => panic!("certtool: {error}"),
    }
}

/// Whether it accepts a folder's chain for a purpose, at its own level for keys that last beyond 2030.
fn accepts(home: &Home, folder: &str, purpose: &str) -> Option<bool> {
    let run = certtool(
        home,
        &format!(
            "--verify --verify-profile high --verify-purpose {purpose} --load-ca-certificate {folder}/ca.crt --infile {folder}/tls.crt"
        ),
    )?;
    assert!(!run.stderr.to_lowercase().contains("warning"), "{run:?}");
    Some(run.code == 0)
}

#[test]
fn certtool_accepts_every_kind_of_key_under_every_profile_for_its_purpose_alone() {
    for key in ["p256", "p384", "ed25519", "rsa-3072"] {
        let home = Home::new();
        home.pki(&format!("init --key {key}")).succeeds();
        for (profile, server, client) in [
            ("server", true, false),
            ("client", false, true),
            ("peer", true, true),
        ] {
            home.pki(&format!(
                "issue {profile} --profile {profile} --key {key} --dns a.dev --ip 10.0.0.1 --uri spiffe://a.dev/a --email a@a.dev"
            ))
            .succeeds();
            let folder = format!("certs/{profile}");
            for (purpose, expected) in [(SERVER, server), (CLIENT, client)] {
                let Some(accepted) = accepts(&home, &folder, purpose) else {
                    return;
                };
                assert_eq!(accepted, expected, "{key} {profile} {purpose}");
            }
            let read = certtool(&home, &format!("-k --infile {folder}/tls.key")).expect("certtool");
            assert_eq!(read.code, 0, "{key} {profile}: {read:?}");
        }
    }
}

#[test]
fn certtool_reads_and_verifies_our_requests() {
    let home = Home::new();
    home.pki("csr a --profile peer --dns a.dev --ip 10.0.0.1 --uri spiffe://a.dev/a --email a@a.dev --key p384")
        .succeeds();
    let Some(run) = certtool(&home, "--crq-info --infile certs/a/tls.csr") else {
        return;
    };
    assert_eq!(run.code, 0, "{run:?}");
    let said = format!("{}{}", run.stdout, run.stderr);
    for expected in [
        "Self signature: verified",
        "DNSname: a.dev",
        "IPAddress: 10.0.0.1",
        "URI: spiffe://a.dev/a",
        "RFC822Name: a@a.dev",
        "TLS WWW Server",
        "TLS WWW Client",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn certtool_reads_our_crls_and_refuses_what_they_list() {
    let home = Home::with_ca();
    for name in ["a", "b"] {
        home.pki(&format!("issue {name} --dns a.dev")).succeeds();
    }
    home.pki("revoke a --reason keyCompromise --invalidity-date 2026-11-01T00:00:00Z")
        .succeeds();
    let Some(run) = certtool(&home, "--crl-info --infile certs/ca/crl.pem") else {
        return;
    };
    let text = run.succeeds();
    let serial = home.certificate("certs/a/tls.crt").serial();
    for expected in ["Version: 2", "CN=Private Issuing CA", &serial, "CRL Number"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let signed = certtool(
        &home,
        "--verify-crl --load-ca-certificate certs/ca/issuing.crt --infile certs/ca/crl.pem",
    )
    .expect("certtool");
    assert_eq!(signed.code, 0, "{signed:?}");
    for (name, is_accepted) in [("a", false), ("b", true)] {
        let run = certtool(
            &home,
            &format!(
                "--verify --verify-profile high --load-ca-certificate certs/{name}/ca.crt --load-crl certs/{name}/crl.pem --infile certs/{name}/tls.crt"
            ),
        )
        .expect("certtool");
        assert_eq!(run.code == 0, is_accepted, "{run:?}");
        assert_eq!(run.stdout.contains("revoked"), !is_accepted, "{run:?}");
    }
}
