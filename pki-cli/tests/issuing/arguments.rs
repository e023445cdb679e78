//! Command lines that make no sense: one sentence for people and, with `--json`, one document for programs.

use std::fs;

use crate::support::{Home, Run};

#[test]
fn a_usage_error_is_a_document_when_json_is_asked_for() {
    let home = Home::new();
    for args in [
        "list --json --nonsense",
        "--json issue",
        "issue x --days abc --json",
        "--json",
        "nonsense --json",
    ] {
        let run = home.pki(args);
        assert_eq!(run.code, 2, "{args}: {run:?}");
        let error = &run.json()["error"];
        assert_eq!(error["kind"], "usage", "{args}");
        assert_eq!(error["exit_code"], 2, "{args}");
        let message = error["message"].as_str().expect("a sentence");
        assert!(
            message.len() > 10 && !message.contains('\n') && !message.starts_with("error"),
            "{args}: {message}"
        );
        assert!(!run.stderr.is_empty(), "{args}: people are told as well");
    }
    home.pki("list --nonsense").fails(2);
    // Behind -- it is no option.
    home.pki("issue --nonsense -- --json").fails(2);
}

#[test]
fn numbers_out_of_their_bounds_are_one_clear_sentence_about_usage() {
    let home = Home::with_ca();
    for args in [
        "init --dir other --days",
        "init --dir other --issuing-days",
        "issue x --dns x.dev --days",
        "sign x.csr --profile server --days",
        "renew --all --days",
        "ca rotate prepare --days",
    ] {
        for number in ["-1", "0", "abc", "36501", "99999999999"] {
            let said = home.pki(&format!("{args} {number}")).fails(2);
            let sentence = format!("\"{number}\" is no validity in days; ask for 1 to 36500 days");
            assert!(said.contains(&sentence), "{args} {number}: {said}");
            assert!(!said.contains("tip:"), "{args} {number}: {said}");
        }
    }
    for option in ["--passphrase-fd", "--key-passphrase-fd"] {
        let said = home
            .pki(&format!("issue x --dns x.dev --encrypt-key {option} -1"))
            .fails(2);
        assert!(said.contains("\"-1\" is no file descriptor"), "{said}");
    }
    for args in [
        "list --expiring",
        "renew --all --expiring",
        "check --warn",
        "crl --life",
        "crl --root-life",
    ] {
        let said = home.pki(&format!("{args} -5d")).fails(2);
        assert!(said.contains("\"-5d\" is no length of time"), "{said}");
        let said = home.pki(&format!("{args} 99999999999999d")).fails(2);
        let sentence = "is too long; give 36500d (a hundred years) at most";
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn a_name_that_is_too_long_is_told_how_long_it_may_be() {
    let home = Home::with_ca();
    let name = "a".repeat(65);
    let said = home.pki(&format!("issue {name} --dns a.dev")).fails(2);
    assert!(said.contains("of at most 64 letters"), "{said}");
    let name = "a".repeat(64);
    home.pki(&format!("issue {name} --dns a.dev")).succeeds();
}

#[test]
fn help_and_version_that_cannot_be_written_are_told_and_a_closed_pipe_is_no_failure() {
    let home = Home::new();
    for args in [
        &["--help"][..],
        &["--version"],
        &["issue", "--help"],
        &["--json", "--version"],
    ] {
        let full = fs::File::create("/dev/full").expect("the device");
        let run = Run::from(home.command(args).stdout(full).output().expect("pki"));
        assert_eq!(run.code, 6, "{args:?}: {run:?}");
        assert!(run.stderr.contains("could not be written"), "{run:?}");

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = Run::from(home.command(args).stdout(writer).output().expect("pki"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn help_and_version_are_documents_for_whoever_asks_for_json() {
    let home = Home::new();
    let version = home.pki("--json --version").json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let help = home.pki("issue --json --help").json();
    assert!(help["help"].to_string().contains("Usage: pki issue"));
}
