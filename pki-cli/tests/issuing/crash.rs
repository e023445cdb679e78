//! A process may be killed at any moment: what is there is the old pair or the new one, and the plain retry works. The
//! states between the single calls are built one by one in the tests of `pki::folder`; here real processes die.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::support::{Home, duration, pair_fits};

#[test]
fn a_killed_issue_leaves_the_old_pair_or_the_new_one() {
    let home = Home::with_ca();
    let args = ["issue", "x", "--dns", "a.dev", "--force"];
    home.run(&args).succeeds();
    let whole = duration(|| drop(home.run(&args).succeeds()));
    for step in 0..60 {
        home.run_and_kill(&args, whole * step / 50);
        assert!(pair_fits(&home.path("certs/x")), "after kill {step}");
    }
    home.run(&args).succeeds();
    home.assert_pair("certs/x");
}

#[test]
fn a_killed_first_issue_leaves_nothing_or_the_pair_and_the_retry_works() {
    let home = Home::with_ca();
    let whole = duration(|| drop(home.pki("issue warm --dns a.dev").succeeds()));
    for step in 0..30 {
        let name = format!("x{step}");
        let args = ["issue", &name, "--dns", "a.dev"];
        home.run_and_kill(&args, whole * step / 25);
        let folder = home.path("certs").join(&name);
        let is_there = folder.join("tls.crt").exists() || folder.join("tls.key").exists();
        if is_there {
            assert!(pair_fits(&folder), "after kill {step}");
        } else {
            home.run(&args).succeeds();
        }
        home.assert_pair(&format!("certs/{name}"));
    }
    let hidden = fs::read_dir(home.path("certs"))
        .expect("certs")
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes()[0] == b'.')
        .count();
    assert_eq!(
        hidden, 0,
        "what killed processes left was taken away by the retry"
    );
}

#[test]
fn a_killed_init_leaves_nothing_or_a_whole_ca_and_the_retry_works() {
    let whole = duration(|| drop(Home::with_ca()));
    for step in 0..20 {
        let home = Home::new();
        home.run_and_kill(&["init"], whole * step / 16);
        if !home.path("certs/ca").exists() {
            home.pki("init").succeeds();
        }
        home.pki("issue x --dns a.dev").succeeds();
        home.assert_pair("certs/x");
        let names = fs::read_dir(home.path("certs")).expect("certs").count();
        assert_eq!(names, 2, "only the CA and the pair are there");
    }
}

/// Lets the reader go home, also when the writer fails: its thread is waited for.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_reader_never_sees_a_mixed_pair() {
    let home = Home::with_ca();
    let args = ["issue", "x", "--dns", "a.dev", "--force"];
    home.run(&args).succeeds();
    let folder = home.path("certs/x");
    let done = AtomicBool::new(false);
    let (seen, news) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let stop = Stop(&done);
        scope.spawn(|| {
            let seen = seen;
            let mut last = Vec::new();
            while !done.load(Ordering::Relaxed) {
                // The way that the documentation of `pki::folder` names: the certificate, the key, the certificate.
                let first = fs::read(folder.join("tls.crt"));
                let key = fs::read(folder.join("tls.key"));
                let again = fs::read(folder.join("tls.crt"));
                let (Ok(first), Ok(key), Ok(again)) = (first, key, again) else {
                    continue;
                };
                if first == again {
                    let certificates =
                        pki::certificate::Certificate::read_all(&first).expect("never cut off");
                    let key = pki::key::PrivateKey::read(&key, None).expect("never cut off");
                    assert_eq!(certificates[0].public_key(), key.public(), "a mixed pair");
                    if first != last {
                        // The writer may have gone home already.
                        let _ = seen.send(first.clone());
                        last = first;
                    }
                }
            }
        });
        // The reader reads all the while; each pair is waited for, so that none is passed over. When the reader fails,
        // the channel ends.
        let seen_all = (0..30).try_for_each(|_| {
            home.run(&args).succeeds();
            let now = fs::read(folder.join("tls.crt")).expect("a certificate");
            news.iter()
                .find(|seen| *seen == now)
                .map(drop)
                .ok_or("the reader gave up")
        });
        drop(stop);
        seen_all.expect("the reader saw whole pairs only");
    });
}

#[test]
fn keys_and_folders_are_private_whatever_the_umask_and_whatever_was_there_before() {
    let home = Home::new();
    let shell = |umask: &str, args: &str| {
        let script = format!("umask {umask}; exec {} {args}", env!("CARGO_BIN_EXE_pki"));
        let run = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(home.path(""))
            .output();
        assert!(run.expect("a shell").status.success(), "{umask}");
    };
    shell("000", "init");
    shell("000", "issue a --dns a.dev");
    shell("077", "issue b --dns a.dev");
    fs::set_permissions(
        home.path("certs/a/tls.key"),
        fs::Permissions::from_mode(0o666),
    )
    .expect("changed");
    shell("000", "issue a --dns a.dev --force");
    shell("000", "csr c");
    let mode = |name: &str| {
        fs::metadata(home.path(name))
            .expect(name)
            .permissions()
            .mode()
            & 0o777
    };
    for (folder, expected) in [("", 0o755), ("/ca", 0o700), ("/a", 0o755), ("/b", 0o700)] {
        assert_eq!(mode(&format!("certs{folder}")), expected, "certs{folder}");
    }
    for key in [
        "ca/root.key",
        "ca/issuing.key",
        "a/tls.key",
        "b/tls.key",
        "c/tls.key",
    ] {
        assert_eq!(mode(&format!("certs/{key}")), 0o600, "{key}");
    }
    for certificate in [
        "ca/root.crt",
        "ca/issuing.crt",
        "a/tls.crt",
        "a/ca.crt",
        "b/tls.crt",
        "c/tls.csr",
    ] {
        assert_eq!(
            mode(&format!("certs/{certificate}")),
            0o644,
            "{certificate}"
        );
    }
}
