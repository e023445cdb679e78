//! `apply` that another command overtakes midway: what it had done until then is told, as well as why it ended.

use std::{
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use pki::{folder::Folder, rotation};
use time::OffsetDateTime;

use crate::support::{Home, Run};

const MANIFEST: &str =
    "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n
[certificate.a]\nprofile = \"server\"\ndns = [\"a.dev\"]\n
[certificate.b]\nprofile = \"server\"\ndns = [\"b.dev\"]\n";

fn start(home: &Home, args: &[&str]) -> Child {
    let mut command = home.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary starts")
}

/// Runs `apply`, and rotates the CA when it has written the first of two pairs and waits for the folder of the second.
fn overtake(home: &Home, args: &[&str]) -> Run {
    home.write("pki.toml", MANIFEST);
    let second = Folder::lock(&home.path("certs/b"), &mut || false).expect("locked");
    let apply = start(home, args);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !home.path("certs/a/tls.crt").exists() {
        assert!(Instant::now() < deadline, "the first pair never came");
        thread::yield_now();
    }
    let (dir, now) = (home.path("certs"), OffsetDateTime::now_utc());
    let wish = rotation::Wish {
        early: true,
        ..rotation::Wish::default()
    };
    let mut locked = |_: &std::path::Path| panic!("no key is encrypted");
    // What apply holds for a moment, the CA's folder among it, is waited for as the command would.
    let mut wait = || {
        thread::yield_now();
        Instant::now() < deadline
    };
    rotation::prepare(&dir, &wish, &mut locked, now, &mut wait).expect("prepared");
    rotation::activate(&dir, true, now, &mut wait).expect("activated");
    drop(second);
    Run::from(apply.wait_with_output().expect("it ends"))
}

#[test]
fn apply_that_a_rotation_overtakes_tells_in_json_what_it_had_done() {
    let home = Home::with_ca();
    let run = overtake(&home, &["apply", "pki.toml", "--json"]);
    assert_eq!(run.code, 9, "{run:?}");
    let document = run.json();
    assert_eq!(document["error"]["exit_code"], 9, "{document}");
    assert!(run.stderr.contains("was rotated by another command"));
    let serial = home.certificate("certs/a/tls.crt").serial();
    assert_eq!(document["steps"][0]["certificate"]["serial"], serial);
    assert!(document["steps"][1]["certificate"].is_null(), "{document}");
    assert!(!home.path("certs/b").exists());
    home.pki("apply pki.toml").succeeds();
    home.assert_pair("certs/b");
}

#[test]
fn apply_that_a_rotation_overtakes_tells_people_how_much_it_had_done() {
    let home = Home::with_ca();
    let run = overtake(&home, &["apply", "pki.toml"]);
    assert_eq!(run.code, 9, "{run:?}");
    assert!(
        run.stdout.ends_with("Done before the failure: 1 issued.\n"),
        "{run:?}"
    );
}

/// Keeps a folder from being made, by a file where it is made before it takes its place: the plan does not look there.
fn block(home: &Home, name: &str) {
    home.write(&format!("certs/.{name}~new"), "");
}

#[test]
fn apply_that_fails_midway_tells_in_json_what_it_had_done() {
    let home = Home::with_ca();
    home.write("pki.toml", MANIFEST);
    block(&home, "b");
    let run = home.pki("apply pki.toml --json");
    let document = run.json();
    assert_eq!(run.code, 6, "{run:?}");
    assert_eq!(document["error"]["exit_code"], 6, "{document}");
    assert!(
        document["steps"][0]["certificate"].is_object(),
        "{document}"
    );
    assert!(document["steps"][1]["certificate"].is_null(), "{document}");
}

#[test]
fn apply_that_fails_midway_tells_people_of_a_new_ca_and_of_trust_that_it_renewed() {
    let home = Home::new();
    home.write("pki.toml", MANIFEST);
    std::fs::create_dir(home.path("certs")).expect("made");
    block(&home, "a");
    let run = home.pki("apply pki.toml");
    assert_eq!(run.code, 6, "{run:?}");
    assert!(
        run.stdout
            .ends_with("Done before the failure: a new CA, 0 issued.\n"),
        "{run:?}"
    );
    // Nothing was done: nothing is told.
    let run = home.pki("apply pki.toml");
    assert_eq!(run.code, 6, "{run:?}");
    assert!(!run.stdout.contains("Done"), "{run:?}");
    // The trust comes before the pairs.
    std::fs::remove_file(home.path("certs/.a~new")).expect("removed");
    home.pki("issue a --dns a.dev --subject /CN=a").succeeds();
    let trust = home.read("certs/a/ca.crt");
    home.pki("ca rotate prepare --root --now").succeeds();
    home.write("certs/a/ca.crt", trust);
    block(&home, "b");
    let run = home.pki("apply pki.toml");
    assert_eq!(run.code, 6, "{run:?}");
    assert!(
        run.stdout
            .ends_with("Done before the failure: 0 issued, the trust of 1 renewed.\n"),
        "{run:?}"
    );
}
