//! `pki sign` on requests that no honest tool makes: what a stranger's file may not bring about.

mod support;

use std::fs;

use support::{openssl, openssl_is_here, pki};

#[test]
fn a_subject_that_would_not_be_taken_from_the_command_line_needs_another_one() {
    if !openssl_is_here() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    assert_eq!(pki(path, &["init"]).code, 0);
    for hostile in ["a\u{1b}[31mb", "a\u{202e}b", "a\nb"] {
        openssl(
            path,
            &[
                "req",
                "-new",
                "-newkey",
                "ed25519",
                "-nodes",
                "-keyout",
                "x.key",
                "-utf8",
                "-subj",
                &format!("/CN={hostile}"),
                "-addext",
                "subjectAltName=DNS:a.dev",
                "-out",
                "x.csr",
            ],
        );
        let said = pki(path, &["sign", "x.csr"]);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (3, ""),
            "{}",
            said.stderr
        );
        assert!(said.stderr.contains("--subject"), "{}", said.stderr);
        assert!(!said.stderr.contains(hostile), "{}", said.stderr);
        assert!(!path.join("certs/x").exists());
        let said = pki(path, &["sign", "x.csr", "--subject", "/CN=x"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        fs::remove_dir_all(path.join("certs/x")).expect("removed");
    }
}

#[test]
fn a_request_larger_than_any_honest_one_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    assert_eq!(pki(path, &["init"]).code, 0);
    fs::write(path.join("x.csr"), [0x30; 300 << 10]).expect("written");
    let said = pki(path, &["sign", "x.csr"]);
    assert_eq!(said.code, 7, "{}", said.stderr);
    assert!(said.stderr.contains("more than 256 KiB"), "{}", said.stderr);
}
