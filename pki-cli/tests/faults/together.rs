//! Many processes with different commands on one CA, and on one name, at the same time: none fails, no serial number is
//! given twice, and the index has exactly the certificates that were made.

use std::{collections::BTreeSet, process::Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::{
    state::{Seen, assert_nothing_is_left_over},
    support::{Home, Run},
};

/// Runs all of them at once, each with `--json`.
fn at_once(home: &Home, commands: &[&str]) -> Vec<Run> {
    let children: Vec<_> = commands
        .iter()
        .map(|command| {
            let args: Vec<_> = command.split_whitespace().chain(["--json"]).collect();
            home.command(&args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the binary starts")
        })
        .collect();
    children
        .into_iter()
        .map(|child| Run::from(child.wait_with_output().expect("it ends")))
        .collect()
}

/// The fingerprints of all certificates in a document.
fn made(document: &Value, found: &mut Vec<String>) {
    match document {
        Value::Array(items) => items.iter().for_each(|item| made(item, found)),
        Value::Object(fields) => {
            if let (Some(Value::String(sha256)), true) =
                (fields.get("sha256"), fields.contains_key("pem"))
            {
                found.push(sha256.clone());
            }
            fields.values().for_each(|field| made(field, found));
        }
        _ => {}
    }
}

#[test]
fn sixteen_processes_issue_renew_rekey_revoke_and_apply_at_once() {
    let home = Home::in_memory();
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\n
[certificate.x]\nprofile = \"server\"\ndns = [\"a.dev\"]\n
[certificate.z]\nprofile = \"server\"\ndns = [\"z.dev\"]\n",
    );
    let mut certificates = Vec::new();
    for command in ["init", "issue x --dns a.dev", "issue y --dns b.dev"] {
        let document = home.pki(&format!("{command} --json")).json();
        made(&document, &mut certificates);
    }
    home.pki("crl").succeeds();
    let mut seen = Seen::default();
    for round in 0..3 {
        let revoke = format!("revoke y{round} --reason superseded");
        let issue = format!("issue y{round} --dns b.dev");
        let document = home.pki(&format!("{issue} --json")).json();
        made(&document, &mut certificates);
        let commands = [
            ["issue x --dns a.dev --force"; 3].as_slice(),
            &["renew x"; 3],
            &["rekey x"; 3],
            &[revoke.as_str(); 3],
            &["apply pki.toml"; 3],
            &["crl --force"],
        ]
        .concat();
        assert_eq!(commands.len(), 16);
        for (command, run) in commands.iter().zip(at_once(&home, &commands)) {
            assert_eq!(run.code, 0, "{command}: {run:?}");
            made(&run.json(), &mut certificates);
        }
        seen.assert_whole(&home, &format!("round {round}"));
        assert_nothing_is_left_over(&home, &format!("round {round}"));
    }
    let index = Connection::open(home.path("certs/ca/index.db")).expect("the index");
    let mut statement = index
        .prepare("SELECT fingerprint FROM certificate")
        .expect("a table");
    let rows: Vec<Option<String>> = statement
        .query_map([], |row| row.get(0))
        .expect("rows")
        .map(|row| row.expect("a row"))
        .collect();
    let known: BTreeSet<_> = rows.iter().flatten().collect();
    assert_eq!(
        known.len(),
        rows.len(),
        "no number was taken in vain, and none twice"
    );
    assert_eq!(known, certificates.iter().collect(), "rows = certificates");
    // 3 rounds with 3 issues, 3 renewals and 3 new keys each; what apply makes comes on top.
    assert!(
        known.len() >= 4 + 3 + 27,
        "only {} certificates",
        known.len()
    );
}
