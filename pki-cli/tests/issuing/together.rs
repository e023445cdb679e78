//! Many processes on one CA at the same time: none fails, no serial number is given twice, and the index has exactly the
//! certificates that were written.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
};

use pki::index::Index;

use crate::support::{Home, Run};

const PROCESSES: usize = 16;

fn start(home: &Home, args: &[&str]) -> Child {
    home.command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn finish(children: Vec<Child>) -> Vec<Run> {
    children
        .into_iter()
        .map(|child| Run::from(child.wait_with_output().expect("it ends")))
        .collect()
}

/// The fingerprints of end entities that the index has as issued.
fn issued(home: &Home) -> BTreeSet<String> {
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    let rows = index.rows().expect("rows");
    let serials: BTreeSet<_> = rows.iter().map(|row| &row.serial).collect();
    assert_eq!(serials.len(), rows.len(), "no serial number twice");
    rows.into_iter()
        .filter(|row| row.name.as_deref() != Some("ca"))
        .filter_map(|row| row.fingerprint)
        .collect()
}

#[test]
fn sixteen_processes_issue_sixteen_names() {
    let home = Home::with_ca();
    let names: Vec<String> = (0..PROCESSES)
        .map(|number| format!("service-{number}"))
        .collect();
    let children = names
        .iter()
        .map(|name| start(&home, &["issue", name, "--dns", "a.dev"]))
        .collect();
    for run in finish(children) {
        run.succeeds();
    }
    let written: BTreeSet<_> = names
        .iter()
        .map(|name| {
            home.assert_pair(&format!("certs/{name}"));
            home.certificate(&format!("certs/{name}/tls.crt"))
                .fingerprint()
        })
        .collect();
    assert_eq!(issued(&home), written);
}

#[test]
fn sixteen_processes_replace_one_pair() {
    let home = Home::with_ca();
    let children = (0..PROCESSES)
        .map(|_| start(&home, &["issue", "x", "--dns", "a.dev", "--force"]))
        .collect();
    for run in finish(children) {
        run.succeeds();
    }
    home.assert_pair("certs/x");
    let issued = issued(&home);
    assert_eq!(issued.len(), PROCESSES);
    assert!(issued.contains(&home.certificate("certs/x/tls.crt").fingerprint()));
}

#[test]
fn of_sixteen_processes_that_would_make_one_pair_one_does_and_the_others_are_told() {
    let home = Home::with_ca();
    let children = (0..PROCESSES)
        .map(|_| start(&home, &["issue", "x", "--dns", "a.dev"]))
        .collect();
    let mut codes: Vec<_> = finish(children).into_iter().map(|run| run.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [vec![0], vec![5; PROCESSES - 1]].concat());
    home.assert_pair("certs/x");
    assert_eq!(issued(&home).len(), 1, "nothing was signed in vain");
}

#[test]
fn of_sixteen_processes_that_would_make_a_ca_one_does_and_the_others_are_told() {
    let home = Home::new();
    let children = (0..PROCESSES).map(|_| start(&home, &["init"])).collect();
    let mut codes: Vec<_> = finish(children).into_iter().map(|run| run.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [vec![0], vec![5; PROCESSES - 1]].concat());
    home.pki("issue x --dns a.dev").succeeds();
    let left: Vec<_> = std::fs::read_dir(home.path("certs"))
        .expect("certs")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn two_runs_of_apply_issue_each_certificate_once() {
    let home = Home::new();
    let entries: String = (0..6)
        .map(|number| {
            format!(
                "[certificate.s{number}]\nprofile = \"server\"\ndns = [\"s{number}.example.org\"]\n"
            )
        })
        .collect();
    home.write(
        "pki.toml",
        format!("[ca]\nsubject = \"/CN=Root\"\n{entries}"),
    );
    let children = (0..4)
        .map(|_| start(&home, &["apply", "pki.toml"]))
        .collect();
    for run in finish(children) {
        run.succeeds();
    }
    assert_eq!(issued(&home).len(), 6);
}
