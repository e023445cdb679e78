//! A disk that takes no more. The command ends with a sentence and the exit code of input and output; what was there is
//! there; when there is room again, the same command works and takes away what was left.

use std::{fs, process::Command};

use crate::{
    state::{Seen, assert_nothing_is_left_over},
    support::{Home, Run},
    writing::{WRITING, Writing, copy_of},
};

/// The content of every file that stands for something: pairs, requests, CRLs, the CA's certificates and keys.
fn contents(home: &Home) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(home.path("certs"))
        .into_iter()
        .flatten()
        .flatten()
    {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if !path.to_string_lossy().contains("index.db") && path.is_file() {
                let content = fs::read(&path).expect("a file");
                found.push((path.display().to_string(), content));
            }
        }
    }
    found.sort();
    found
        .into_iter()
        .map(|(path, content)| {
            (
                path.replace(&home.path("").display().to_string(), ""),
                content,
            )
        })
        .collect()
}

/// What must hold of a run that may have met a full disk. Returns whether it succeeded.
fn judge(writing: &Writing, before: &Home, home: &Home, run: &Run, at: &str) -> bool {
    let mut seen = Seen::default();
    let at = format!("{}, {at}", writing.name);
    seen.assert_whole(home, &at);
    assert!(!run.stderr.contains("panicked"), "{at}: {run:?}");
    if run.code == 0 {
        writing.assert_made(home, &at);
        // Where files may not be as large as the index, what is durable in its log stays there until the next command.
        let _ = home.pki("list");
        assert_nothing_is_left_over(home, &at);
        return true;
    }
    assert_eq!(run.code, 6, "{at}: {run:?}");
    let sentence = run.stderr.lines().find(|line| line.starts_with("error: "));
    let sentence = sentence.unwrap_or_else(|| panic!("{at}: {run:?}"));
    assert!(
        sentence.contains("certs")
            && (sentence.contains("full") || sentence.contains("ulimit"))
            && sentence.ends_with('.'),
        "{at}: a sentence that names the file and the reason: {sentence}"
    );
    assert!(
        !sentence.contains("~new-") && !sentence.contains("..new-") && !sentence.contains("..old-"),
        "{at}: names of ours say nothing to a person: {sentence}"
    );
    // What was there before is there, octet for octet, or all of it is new.
    if writing.name != "apply" && contents(home) != contents(before) {
        writing.assert_made(home, &at);
    }
    for (name, _) in contents(before) {
        assert!(
            home.path(&name).exists() || may_go(writing, &name),
            "{at}: {name} is gone"
        );
    }
    // The plain retry.
    let retried = home.pki(writing.command);
    assert!(
        [0, writing.again].contains(&retried.code),
        "{at}: {retried:?}"
    );
    writing.assert_made(home, &at);
    seen.assert_whole(home, &at);
    assert_nothing_is_left_over(home, &at);
    false
}

/// What a command takes away: a certificate whose key is thrown away, and the names that CAs lose when they change roles.
fn may_go(writing: &Writing, name: &str) -> bool {
    let role_is_over = name.contains("/next") || name.contains("/previous");
    writing.command.starts_with("csr") || writing.command.starts_with("ca rotate") && role_is_over
}

#[test]
fn files_that_may_not_grow_end_a_command_with_a_sentence_and_lose_nothing() {
    for writing in WRITING {
        let before = writing.prepare();
        let mut outcomes = Vec::new();
        // In KiB; nothing that is written is larger than the index.
        for limit in [0, 4, 16, 24, 32, 36, 40, 4096] {
            let home = copy_of(&before);
            // bash leaves the signal as it is: without a handler of ours the process would be killed by it.
            let script = format!(
                "ulimit -f {limit}; exec {} {}",
                env!("CARGO_BIN_EXE_pki"),
                writing.command
            );
            let run = Command::new("bash")
                .args(["-c", &script])
                .env_remove("PKI_DIR")
                .current_dir(home.path(""))
                .output()
                .expect("bash");
            let at = format!("files up to {limit} KiB");
            outcomes.push(judge(writing, &before, &home, &Run::from(run), &at));
        }
        assert!(
            !outcomes[0] && outcomes[outcomes.len() - 1],
            "{}: the limits must matter: {outcomes:?}",
            writing.name
        );
    }
}

#[test]
fn questions_are_answered_where_no_file_may_grow() {
    let home = Home::with_ca();
    for name in ["order", "payment"] {
        home.pki(&format!("issue {name} --dns a.dev")).succeeds();
    }
    home.pki("revoke order").succeeds();
    home.pki("list").succeeds();
    for (command, code, expected) in [
        ("list", 0, "payment"),
        ("list --revoked", 0, "order"),
        ("check", 102, "certs/order  is not accepted"),
        ("check certs/payment", 0, "All is well"),
        ("ca rotate status", 0, "settled"),
        ("verify certs/payment/tls.crt", 0, "accepted"),
    ] {
        let script = format!("ulimit -f 0; exec {} {command}", env!("CARGO_BIN_EXE_pki"));
        let run = Command::new("bash")
            .args(["-c", &script])
            .env_remove("PKI_DIR")
            .current_dir(home.path(""))
            .output()
            .expect("bash");
        let run = Run::from(run);
        assert_eq!(run.code, code, "{command}: {run:?}");
        assert!(run.stdout.contains(expected), "{command}: {run:?}");
        assert!(!run.stderr.contains("notice"), "{command}: {run:?}");
    }
    // Whoever has room next takes away what was left.
    home.pki("list").succeeds();
    assert_nothing_is_left_over(&home, "after the questions");
}

#[test]
fn a_full_file_system_ends_a_command_with_a_sentence_and_loses_nothing() {
    let own = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-rm"
    };
    let can_mount = Command::new("unshare")
        .args([own, "mount", "-t", "tmpfs", "none", "/mnt"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !can_mount {
        // Not everywhere may one mount, in CI neither: the test above does not need to.
        crate::support::note("skipped: no file system can be mounted here");
        return;
    }
    for writing in WRITING {
        let before = writing.prepare();
        let mut outcomes = Vec::new();
        for free in [4, 16, 24, 32, 40, 48, 8192] {
            let home = copy_of(&before);
            // The file system dies with the shell, so everything is copied out of it again.
            let script = format!(
                "set -e
                mkdir disk after
                mount -t tmpfs none disk
                for one in certs other pki.toml; do if [ -e $one ]; then cp -a $one disk; fi; done
                used=$(df --output=used disk | tail -1)
                mount -o remount,size=$((used + {free}))k disk
                cd disk
                code=0
                {} {} || code=$?
                cp -a . ../after
                exit $code",
                env!("CARGO_BIN_EXE_pki"),
                writing.command
            );
            let run = Command::new("unshare")
                .args([own, "bash", "-c", &script])
                .env_remove("PKI_DIR")
                .current_dir(home.path(""))
                .output()
                .expect("unshare");
            let after = Home::new();
            crate::writing::copy(&home.path("after"), &after.path(""));
            let at = format!("{free} KiB free");
            outcomes.push(judge(writing, &before, &after, &Run::from(run), &at));
        }
        assert!(
            // One small file finds room on the smallest disk.
            (!outcomes[0] || writing.name.starts_with("export")) && outcomes[outcomes.len() - 1],
            "{}: the room must matter: {outcomes:?}",
            writing.name
        );
    }
}
