//! Hundreds of certificates in one run: whole pairs or nothing whenever the process dies, bounded memory, and a bar for
//! whoever watches.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
};

use pki::index::{Index, Status};

use crate::support::{Home, duration, pair_fits};

const LEAVES: usize = 200;
const APPLY: [&str; 2] = ["apply", "pki.toml"];

fn write_manifest(home: &Home, leaves: usize, days: u32) {
    let entries: String = (0..leaves)
        .map(|number| {
            format!(
                "[certificate.s{number}]\nprofile = \"server\"\ndns = [\"s{number}.example.org\"]\n"
            )
        })
        .collect();
    home.write(
        "pki.toml",
        format!("[ca]\nsubject = \"/CN=Root\"\n[defaults]\ndays = {days}\n{entries}"),
    );
}

/// The names of the folders that are seen below `certs`, the CA's aside.
fn seen(home: &Home) -> Vec<String> {
    fs::read_dir(home.path("certs"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("ASCII"))
        .filter(|name| !name.starts_with('.') && name != "ca")
        .collect()
}

fn assert_whole(home: &Home, leaves: usize) {
    home.pki("apply pki.toml").succeeds();
    let mut issued = BTreeSet::new();
    for number in 0..leaves {
        home.assert_pair(&format!("certs/s{number}"));
        issued.insert(
            home.certificate(&format!("certs/s{number}/tls.crt"))
                .fingerprint(),
        );
    }
    let left = fs::read_dir(home.path("certs")).expect("certs").count();
    assert_eq!(left, leaves + 1, "the CA, the pairs, and nothing hidden");
    let rows = Index::open(&home.path("certs/ca/index.db"))
        .and_then(|index| index.rows())
        .expect("the index");
    let known: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.status == Status::Issued)
        .filter_map(|row| row.fingerprint.clone())
        .collect();
    assert!(known.is_superset(&issued), "every certificate is known");
    let serials: BTreeSet<_> = rows.iter().map(|row| &row.serial).collect();
    assert_eq!(serials.len(), rows.len(), "no serial number twice");
    assert!(
        home.pki("apply pki.toml")
            .succeeds()
            .contains("Nothing to do.")
    );
}

#[test]
fn a_killed_run_leaves_whole_pairs_or_nothing_and_the_retry_completes_it() {
    let whole = {
        let home = Home::with_ca();
        write_manifest(&home, LEAVES, 60);
        duration(|| drop(home.run(&APPLY).succeeds()))
    };
    let mut stopped_in_the_middle = 0;
    for step in 0..5 {
        let home = Home::with_ca();
        write_manifest(&home, LEAVES, 60);
        home.run_and_kill(&APPLY, whole * step / 5);
        let seen = seen(&home);
        for name in &seen {
            home.assert_pair(&format!("certs/{name}"));
        }
        stopped_in_the_middle += usize::from(seen.len() < LEAVES);
        assert_whole(&home, LEAVES);
    }
    assert!(stopped_in_the_middle > 0, "no kill fell into the work");
}

#[test]
fn a_killed_renewal_of_all_pairs_leaves_each_old_or_new() {
    let home = Home::with_ca();
    write_manifest(&home, LEAVES, 60);
    home.pki("apply pki.toml").succeeds();
    let mut days = 60;
    let mut replace = |home: &Home| {
        days = if days == 60 { 50 } else { 60 };
        write_manifest(home, LEAVES, days);
    };
    replace(&home);
    let whole = duration(|| drop(home.run(&APPLY).succeeds()));
    for step in 1..4 {
        replace(&home);
        home.run_and_kill(&APPLY, whole * step / 4);
        for number in 0..LEAVES {
            assert!(
                pair_fits(&home.path(&format!("certs/s{number}"))),
                "s{number} after kill {step}"
            );
        }
        assert_whole(&home, LEAVES);
    }
}

#[test]
fn an_entry_that_cannot_be_written_is_told_before_anything_is_begun() {
    let home = Home::with_ca();
    write_manifest(&home, LEAVES, 60);
    // As Kubernetes mounts a secret: these files are not ours to change.
    fs::create_dir(home.path("certs/s150")).expect("created");
    std::os::unix::fs::symlink("..2026_11_24", home.path("certs/s150/..data")).expect("linked");
    let run = home.pki("apply pki.toml");
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("s150"), "{}", run.stderr);
    assert_eq!(seen(&home), ["s150"]);
    fs::remove_dir_all(home.path("certs/s150")).expect("removed");
    assert_whole(&home, LEAVES);
}

/// What is bounded is what the process may write to (RLIMIT_DATA): its heap and the stacks of its threads.
#[test]
fn two_thousand_certificates_need_no_more_than_forty_mebibytes() {
    let home = Home::with_ca();
    write_manifest(&home, 2_000, 60);
    apply_within(&home, "ulimit -d 40960");
    assert_eq!(seen(&home).len(), 2_000);
}

/// A batch keeps the folder of each certificate open, and each core has a batch.
#[test]
fn where_few_files_may_be_open_the_batches_are_small() {
    let home = Home::with_ca();
    write_manifest(&home, LEAVES, 60);
    apply_within(&home, "ulimit -n 80");
    assert_eq!(seen(&home).len(), LEAVES);
    write_manifest(&home, LEAVES, 50);
    apply_within(&home, "ulimit -n 80");
    assert_whole(&home, LEAVES);
}

/// Runs `pki apply` under a limit that a shell sets.
fn apply_within(home: &Home, limit: &str) {
    let script = format!(
        "{limit} && exec {} apply pki.toml",
        env!("CARGO_BIN_EXE_pki")
    );
    let run = Command::new("sh")
        .args(["-c", &script])
        .current_dir(home.path(""))
        .env_clear()
        .output()
        .expect("a shell");
    assert!(run.status.success(), "{run:?}");
}

/// What `script` shows of a run on a terminal. `None` when a developer has no `script`; in CI it must be there.
fn on_a_terminal(home: &Home, args: &str) -> Option<String> {
    let command = format!("{} {args}", env!("CARGO_BIN_EXE_pki"));
    let run = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(home.path(""))
        .stdin(Stdio::null())
        .output();
    match run {
        Ok(run) => {
            assert!(run.status.success(), "{run:?}");
            Some(String::from_utf8(run.stdout).expect("UTF-8"))
        }
        Err(_) if std::env::var_os("CI").is_none() => None,
        Err(error) => panic!("script: {error}"),
    }
}

#[test]
fn a_bar_is_seen_on_a_terminal_and_nowhere_else() {
    let home = Home::with_ca();
    write_manifest(&home, 100, 60);
    if let Some(shown) = on_a_terminal(&home, "apply pki.toml") {
        assert!(shown.contains("[##############################] 100 of 100 issued"));
        let last = shown.rsplit('\r').find(|line| line.contains("Done"));
        assert!(last.is_some_and(|line| !line.contains('#')), "{shown:?}");
    }
    for (args, days) in [("apply pki.toml", 50), ("apply pki.toml --json", 60)] {
        write_manifest(&home, 100, days);
        let run = home.pki(args);
        assert!(!run.stderr.contains('#'), "{}", run.stderr);
        assert!(!run.succeeds().contains("of 100 issued"));
    }
    write_manifest(&home, 100, 50);
    if let Some(shown) = on_a_terminal(&home, "apply pki.toml --json") {
        assert!(!shown.contains("of 100 issued"), "{shown}");
    }
}
