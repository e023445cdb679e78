//! Paths that are not UTF-8, which Linux allows and JSON does not: they are shown with a mark in their place.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use crate::support::{Home, Run};

/// Runs `pki` with `--json`; `*` stands for an octet that is not UTF-8. Returns the document of a run without failure.
fn succeeds(home: &Home, args: &str) -> serde_json::Value {
    let mut command = home.command(&["--json"]);
    for arg in args.split_whitespace() {
        command.arg(OsStr::from_bytes(
            &arg.bytes()
                .map(|octet| if octet == b'*' { 0xff } else { octet })
                .collect::<Vec<_>>(),
        ));
    }
    let run = Run::from(command.output().expect("the binary starts"));
    assert_eq!(run.code, 0, "{args}: {run:?}");
    run.json()
}

#[test]
fn every_command_that_writes_shows_a_path_that_is_not_utf8() {
    let home = Home::new();
    for (args, field) in [
        ("init --dry-run --dir z*", "folder"),
        ("init --dir z*", "folder"),
        (
            "issue a --dns a.example.org --dry-run --dir z* --out o*",
            "folder",
        ),
        ("issue a --dns a.example.org --dir z* --out o*", "folder"),
        ("issue b --dns b.example.org --dir z*", "folder"),
        ("csr c --dns c.example.org --dry-run --out r*", "folder"),
        ("csr c --dns c.example.org --out r*", "request"),
        ("sign r*/tls.csr --dry-run --dir z*", "folder"),
        ("sign r*/tls.csr --dir z*", "folder"),
        ("renew b --dir z*", ""),
        ("rekey b --dir z*", ""),
        ("list --dir z*", ""),
        ("check o* --dir z*", ""),
        ("verify z*/b/tls.crt --dir z*", ""),
        ("inspect o*", ""),
        (
            "import p --cert o*/tls.crt --key o*/tls.key --trust z*/ca/root.crt --out p* --dir z*",
            "folder",
        ),
        (
            "export b --format pem --no-key --out e* --dry-run --dir z*",
            "out",
        ),
        ("export b --format pem --no-key --out e* --dir z*", "out"),
        ("revoke b --dry-run --dir z*", ""),
        ("revoke b --dir z*", ""),
        ("revoke o* --dir z*", ""),
        ("revoke o*/tls.crt --dir z*", ""),
        ("revoke ./r*/tls.crt --reason superseded --dir z*", ""),
        ("crl --dir z*", "file"),
        ("man --out m*", "folder"),
        ("ca rotate prepare --dry-run --dir z*", ""),
        ("ca rotate prepare --now --dir z*", "folders"),
    ] {
        let document = succeeds(&home, args);
        if !field.is_empty() {
            assert!(
                document[field].to_string().contains('\u{fffd}'),
                "{args}: {document}"
            );
        }
    }
}
