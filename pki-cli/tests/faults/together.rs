//! Many processes with different commands on one CA, and on one name, at the same time: none fails, no serial number is
//! given twice, and the index has exactly the certificates that were made.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use pki::{certificate::Certificate, key::PrivateKey};
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

/// What the index has of each certificate; `None` is a number that was reserved and never used.
fn fingerprints(home: &Home) -> Vec<Option<String>> {
    let index = Connection::open(home.path("certs/ca/index.db")).expect("the index");
    let mut statement = index
        .prepare("SELECT fingerprint FROM certificate")
        .expect("a table");
    statement
        .query_map([], |row| row.get(0))
        .expect("rows")
        .map(|row| row.expect("a row"))
        .collect()
}

/// A CA with two pairs, a manifest and CRLs, and the certificates that it issued so far.
fn at_work() -> (Home, Vec<String>) {
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
    (home, certificates)
}

#[test]
fn sixteen_processes_issue_renew_rekey_revoke_and_apply_at_once() {
    let (home, mut certificates) = at_work();
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
        // What two left that ended at the same moment, the next one takes away.
        home.pki("crl").succeeds();
        seen.assert_whole(&home, &format!("round {round}"));
        assert_nothing_is_left_over(&home, &format!("round {round}"));
    }
    let rows = fingerprints(&home);
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

/// Reads a pair as services do: what lies between two readings of the certificate that agree belongs to it.
fn read_pair(folder: &Path, certificate: &str, key: &str) -> Option<(Certificate, PrivateKey)> {
    let read = |name: &str| fs::read(folder.join(name)).ok();
    loop {
        let before = read(certificate)?;
        let key = read(key);
        if read(certificate).as_ref() == Some(&before) {
            let all = Certificate::read_all(&before).expect("whole certificates");
            let own = all.into_iter().next().expect("at least one");
            let key = PrivateKey::read(&key.expect("a key beside its certificate"), None);
            return Some((own, key.expect("a whole key")));
        }
    }
}

/// Looks at every pair, again and again, until it is told to stop. Returns how many pairs it saw.
fn watch(home: &Home, is_over: &AtomicBool) -> usize {
    let pairs = [
        ("certs/x", "tls"),
        ("certs/y", "tls"),
        ("certs/z", "tls"),
        ("certs/ca", "issuing"),
        ("certs/ca", "next"),
        ("certs/ca", "previous"),
        ("certs/ca", "root"),
        ("certs/ca", "next-root"),
        ("certs/ca", "previous-root"),
    ];
    let mut seen = 0;
    while !is_over.load(Ordering::Relaxed) {
        for (folder, name) in pairs {
            let [certificate, key] = [format!("{name}.crt"), format!("{name}.key")];
            if let Some((own, key)) = read_pair(&home.path(folder), &certificate, &key) {
                assert_eq!(
                    own.public_key(),
                    key.public(),
                    "{folder}/{name}: a mixed pair"
                );
                seen += 1;
            }
        }
    }
    seen
}

/// Whether a command may end like this while another process rotates the CA: it is told so, and can be run again.
fn is_overtaken(run: &Run) -> bool {
    run.code == 9
        && run
            .stdout
            .contains("was rotated by another command meanwhile")
}

#[test]
fn a_rotation_beside_issue_renew_apply_revoke_and_crl_on_one_ca() {
    let (home, mut certificates) = at_work();
    let mut seen = Seen::default();
    let mut overtaken = 0;
    for root in ["", " --root"] {
        for stage in [
            format!("ca rotate prepare --now{root}"),
            "ca rotate activate --now".to_owned(),
            "ca rotate retire --force".to_owned(),
        ] {
            let at = format!("{stage}, {root:?}");
            let commands = [
                [stage.as_str(); 3].as_slice(),
                &["issue x --dns a.dev --force"; 3],
                &["renew x"; 2],
                &["rekey y"; 2],
                &["apply pki.toml"; 3],
                &["revoke y --reason superseded"],
                &["crl --force"; 2],
            ]
            .concat();
            assert_eq!(commands.len(), 16);
            let is_over = AtomicBool::new(false);
            let runs = thread::scope(|scope| {
                let reader = scope.spawn(|| watch(&home, &is_over));
                let runs = at_once(&home, &commands);
                is_over.store(true, Ordering::Relaxed);
                assert!(reader.join().expect("no mixed pair") > 0);
                runs
            });
            for (command, run) in commands.iter().zip(runs) {
                match is_overtaken(&run) {
                    true => overtaken += 1,
                    false => assert_eq!(run.code, 0, "{at}: {command}: {run:?}"),
                }
                made(&run.json(), &mut certificates);
            }
            // Whoever was overtaken succeeds now, and what two left that ended at the same moment is taken away.
            for command in commands {
                let run = home.pki(&format!("{command} --json"));
                assert_eq!(run.code, 0, "{at}, alone: {command}: {run:?}");
                made(&run.json(), &mut certificates);
            }
            seen.assert_whole(&home, &at);
            assert_nothing_is_left_over(&home, &at);
            for name in ["x", "z"] {
                let folder = format!("certs/{name}");
                home.pki(&format!(
                    "verify {folder}/tls.crt --trust {folder}/ca.crt --crl {folder}/crl.pem"
                ))
                .succeeds();
            }
        }
    }
    let rows = fingerprints(&home);
    let known: BTreeSet<_> = rows.iter().flatten().collect();
    let numbers = rows.iter().flatten().count();
    assert_eq!(known.len(), numbers, "none twice");
    let shown: BTreeSet<_> = certificates.iter().collect();
    assert!(known.is_superset(&shown), "a certificate without a row");
    // A run of apply has two certificates to make: it may be overtaken before either number is signed, or between them.
    let (vain, hidden) = (rows.len() - numbers, known.len() - shown.len());
    assert!(
        vain + hidden <= 2 * overtaken,
        "{vain} rows without a certificate and {hidden} that nobody showed, by {overtaken} runs that were overtaken"
    );
}
