//! Processes that die: every writing command is killed at each kind of call by which it changes the file system, up to four
//! times for each kind, and at many moments of its run. Whatever is there then is whole, the plain retry works, and nothing is left behind.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    state::{Seen, assert_nothing_is_left_over},
    support::{Home, duration, note, skipped},
    writing::{WRITING, Writing, copy_of},
};

/// The calls that change a file system. Their names differ between machines; those that are not there are passed over.
const CALLS: &str = "?rename,?renameat,?renameat2,?symlink,?symlinkat,?link,?linkat,?unlink,?unlinkat,?rmdir,?mkdir,\
    ?mkdirat,fsync,fdatasync,pwrite64,ftruncate,write";

/// Of calls that one command makes more often, this many are taken, spread over its run.
const MOST_PER_CALL: usize = 4;

/// After the kill: what is there is whole, and the plain retry leads to the end.
fn judge(writing: &Writing, home: &Home, at: &str) {
    let at = format!("{}, killed {at}", writing.name);
    let mut seen = Seen::default();
    seen.assert_whole(home, &at);
    let retried = home.pki(writing.command);
    assert!(
        [0, writing.again].contains(&retried.code),
        "{at}: the plain retry: {retried:?}"
    );
    writing.assert_made(home, &at);
    seen.assert_whole(home, &at);
    if home.path("certs/ca/index.db").exists() {
        // Where nothing was left to do nobody has opened the index since; its log is a part of it until somebody does.
        home.pki("list").succeeds();
    }
    assert_nothing_is_left_over(home, &at);
}

/// Runs `work` for every row of the table, on all cores. Returns the sum of what it returns.
fn for_each_command(work: impl Fn(&Writing) -> usize + Sync) -> usize {
    let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                while let Some(writing) = WRITING.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sum.fetch_add(work(writing), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

/// How often the command makes each call, in the order of names.
fn calls(writing: &Writing, before: &Home) -> BTreeMap<String, usize> {
    let home = copy_of(before);
    let run = strace(
        &home,
        writing,
        &["-o", "calls", "-e", &format!("trace={CALLS}")],
    );
    assert!(run, "{}: it works when nobody kills it", writing.name);
    let mut counts = BTreeMap::new();
    for line in home.read("calls").lines() {
        // 1234  fsync(5) = 0
        let name = line
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
            .split('(')
            .next()
            .unwrap_or_default();
        if name.bytes().all(|octet| octet.is_ascii_alphanumeric()) && !name.is_empty() {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

/// Runs the command under strace; whether it succeeded.
fn strace(home: &Home, writing: &Writing, options: &[&str]) -> bool {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(options)
        .arg(env!("CARGO_BIN_EXE_pki"))
        .args(writing.command.split_whitespace())
        .current_dir(home.path(""))
        .env_remove("PKI_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace")
        .success()
}

#[test]
fn a_command_that_is_killed_at_each_kind_of_change_of_the_file_system_leaves_it_whole() {
    let works = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status();
    match works {
        Ok(status) if status.success() => {}
        Ok(_) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "processes may not be traced here, so none can be killed at a call"
            );
            return note("skipped: processes may not be traced here");
        }
        Err(_) => return skipped("strace"),
    }
    let kills = for_each_command(|writing| {
        let before = writing.prepare();
        let mut kills = 0;
        for (call, count) in calls(writing, &before) {
            let step = count.div_ceil(MOST_PER_CALL);
            for at in (1..=count).step_by(step) {
                let home = copy_of(&before);
                let inject = format!("inject={call}:signal=KILL:when={at}");
                let done = strace(&home, writing, &["-o", "/dev/null", "-e", &inject]);
                // Threads share the work, so a later call may be another one's.
                kills += usize::from(!done);
                judge(writing, &home, &format!("at {call} number {at} of {count}"));
            }
        }
        kills
    });
    note(&format!("{kills} processes were killed"));
    assert!(kills > 200, "only {kills} processes were killed");
}

#[test]
fn a_command_that_is_killed_at_any_moment_leaves_the_file_system_whole() {
    const MOMENTS: u32 = 10;
    let kills = for_each_command(|writing| {
        let before = writing.prepare();
        let undisturbed = copy_of(&before);
        let whole = duration(|| {
            let code = undisturbed.pki(writing.command).code;
            assert_eq!(code, 0, "{}", writing.name);
        });
        let mut kills = 0;
        for moment in 0..MOMENTS {
            let home = copy_of(&before);
            let after = whole * moment / MOMENTS;
            let args: Vec<_> = writing.command.split_whitespace().collect();
            kills += usize::from(home.run_and_kill(&args, after));
            judge(
                writing,
                &home,
                &format!("after {moment} tenths of its time"),
            );
        }
        kills
    });
    assert!(
        kills > WRITING.len() * 3,
        "only {kills} processes were killed"
    );
}
