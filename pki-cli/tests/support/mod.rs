//! What the tests of the reading commands share: running `pki`, and running openssl as the stranger who judges.
#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary `pki` in `folder`.
pub(crate) fn pki(folder: &Path, arguments: &[&str]) -> Said {
    said(
        Command::new(env!("CARGO_BIN_EXE_pki"))
            .args(arguments)
            .current_dir(folder)
            .env_remove("PKI_DIR")
            .stdin(Stdio::null())
            .output()
            .expect("pki runs"),
    )
}

/// Runs openssl in `folder` and gives its stdout. It must succeed.
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let said = said(
        Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .expect("openssl"),
    );
    assert_eq!(said.code, 0, "openssl {arguments:?}: {}", said.stderr);
    said.stdout
}

/// Whether openssl can be asked. It may be missing on a developer's machine, and never in CI.
pub(crate) fn openssl_is_here() -> bool {
    let here = Command::new("openssl")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        here || std::env::var_os("CI").is_none(),
        "openssl must be installed in CI"
    );
    here
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code().expect("ended by itself"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}
