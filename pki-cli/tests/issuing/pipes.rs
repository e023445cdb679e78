//! Pipes where files are expected: what lies in our folders is refused at once, what was named is waited for within
//! bounds, and nothing holds a command up for ever.

use std::{
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::fs::{CWD, Mode};

use crate::support::{Home, Run};

/// So long that only a command that waits for ever is not done.
const FOR_EVER: Duration = Duration::from_secs(120);

fn start(home: &Home, args: &str) -> Child {
    home.command(&args.split_whitespace().collect::<Vec<_>>())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn finish(child: Child, args: &str) -> Run {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver
        .recv_timeout(FOR_EVER)
        .unwrap_or_else(|_| panic!("pki {args} waits for ever"));
    Run::from(output.expect("the binary ends"))
}

fn make_pipe(home: &Home, name: &str) {
    rustix::fs::mkfifoat(CWD, home.path(name), Mode::RUSR | Mode::WUSR).expect("a pipe is made");
}

/// Puts a pipe in the place of a file.
fn replace(home: &Home, name: &str) {
    std::fs::remove_file(home.path(name)).expect(name);
    make_pipe(home, name);
}

fn with_two_pairs() -> Home {
    let home = Home::with_ca();
    home.pki("issue a --dns a.dev").succeeds();
    home.pki("issue b --dns b.dev").succeeds();
    home.pki("crl").succeeds();
    home
}

#[test]
fn a_pipe_in_a_folder_is_refused_at_once_and_the_other_folders_are_served() {
    for (file, commands) in [
        (
            "certs/a/tls.crt",
            &[
                "check",
                "crl",
                "renew --all",
                "revoke a",
                "export a --format pem --out x.pem",
                "ca rotate",
                "rekey a",
            ][..],
        ),
        (
            "certs/a/tls.key",
            &[
                "check",
                "check certs/a",
                "renew --all",
                "rekey a",
                "export a --format pem --out x.pem",
            ],
        ),
        (
            "certs/a/ca.crt",
            &[
                "check",
                "check certs/a",
                "export a --format pem --out x.pem",
                "ca rotate",
            ],
        ),
        (
            "certs/a/crl.pem",
            &[
                "check",
                "crl",
                "export a --format pem --out x.pem",
                "ca rotate",
            ],
        ),
    ] {
        let home = with_two_pairs();
        replace(&home, file);
        for command in commands {
            let run = finish(start(&home, command), command);
            assert!(run.code > 0, "{file}: pki {command}: {run:?}");
            let told = format!("{}{}", run.stdout, run.stderr);
            let sentence = format!("\"{file}\" is a pipe, a socket or a device");
            assert!(told.contains(&sentence), "{file}: pki {command}: {told}");
        }
        // Nothing is wrong with the other one.
        home.pki("check certs/b").succeeds();
        home.pki("list").succeeds();
    }
}

#[test]
fn a_pipe_in_the_folder_of_the_ca_is_refused_at_once() {
    for (file, commands) in [
        (
            "certs/ca/root.crt",
            &[
                "check",
                "crl",
                "issue c --dns c.dev",
                "verify certs/a/tls.crt",
                "revoke a",
                "renew --all",
            ][..],
        ),
        (
            "certs/ca/issuing.key",
            &["check", "crl --force", "issue c --dns c.dev", "renew --all"],
        ),
        (
            "certs/ca/crl.pem",
            &[
                "check",
                "crl",
                "issue c --dns c.dev",
                "verify certs/a/tls.crt",
            ],
        ),
    ] {
        let home = with_two_pairs();
        replace(&home, file);
        for command in commands {
            let run = finish(start(&home, command), command);
            assert!(run.code > 0, "{file}: pki {command}: {run:?}");
            let told = format!("{}{}", run.stdout, run.stderr);
            assert!(told.contains("is a pipe"), "{file}: pki {command}: {told}");
        }
    }
}

#[test]
fn a_pipe_where_a_folder_should_be_is_refused_at_once() {
    let home = Home::with_ca();
    make_pipe(&home, "certs/a");
    let said = finish(start(&home, "issue a --dns a.dev"), "issue").fails(6);
    assert!(said.contains("is there and is not a folder"), "{said}");
}

#[test]
fn a_named_pipe_without_a_writer_is_given_up_with_a_sentence() {
    let home = with_two_pairs();
    make_pipe(&home, "pipe");
    let issuing = "certs/ca/issuing";
    let commands = [
        "inspect pipe".to_owned(),
        "verify pipe".to_owned(),
        "verify certs/a/tls.crt --trust pipe".to_owned(),
        "verify certs/a/tls.crt --trust certs/ca/root.crt --intermediates pipe".to_owned(),
        "verify certs/a/tls.crt --crl pipe".to_owned(),
        "sign pipe --profile server".to_owned(),
        "apply pipe".to_owned(),
        "import i --cert pipe --key certs/a/tls.key".to_owned(),
        "import i --pkcs12 pipe".to_owned(),
        "check pipe".to_owned(),
        "revoke ./pipe".to_owned(),
        format!("issue n --dns n.dev --ca pipe --ca-key {issuing}.key"),
        format!("issue n --dns n.dev --ca {issuing}.crt --ca-key pipe"),
        "init --dir other --encrypt-key --passphrase-file pipe".to_owned(),
    ];
    // All wait at the same time.
    let started: Vec<_> = commands.iter().map(|args| start(&home, args)).collect();
    for (child, args) in started.into_iter().zip(&commands) {
        let run = finish(child, args);
        assert!([6, 8].contains(&run.code), "pki {args}: {run:?}");
        let sentence = "it is a pipe, and nobody began to write to it within 10 seconds";
        assert!(run.stderr.contains(sentence), "pki {args}: {run:?}");
    }
}

#[test]
fn a_named_pipe_is_read_when_somebody_writes_to_it() {
    let home = with_two_pairs();
    let chain = home.read("certs/a/tls.crt");
    for (args, content) in [
        ("inspect pipe", chain.as_bytes()),
        ("verify pipe", chain.as_bytes()),
        (
            "init --dir other --encrypt-key --passphrase-file pipe",
            b"correct horse\n",
        ),
    ] {
        make_pipe(&home, "pipe");
        let child = start(&home, args);
        // Opening waits for the reader.
        home.write("pipe", content);
        finish(child, args).succeeds();
        std::fs::remove_file(home.path("pipe")).expect("taken away");
    }
}
