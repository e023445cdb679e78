//! Passphrases from descriptors: read from where the descriptor stands, whatever it leads to, and only when it is open
//! for reading. From everywhere, a passphrase is one line.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{Read, Seek, SeekFrom, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    process::Stdio,
};

use crate::support::{Home, Run};

const ISSUE: [&str; 6] = ["issue", "a", "--dns", "a.dev", "--passphrase-fd", "0"];

fn encrypted_ca() -> Home {
    let home = Home::new();
    home.write("secret", "correct horse\n");
    home.pki("init --encrypt-key --passphrase-file secret")
        .succeeds();
    home
}

fn with_stdin(home: &Home, args: &[&str], stdin: impl Into<Stdio>) -> Run {
    let run = home.command(args).stdin(stdin).output();
    Run::from(run.expect("the binary starts"))
}

#[test]
fn a_descriptor_is_read_from_where_it_stands() {
    let home = encrypted_ca();
    home.write("two", "something else\ncorrect horse\n");
    let mut file = File::open(home.path("two")).expect("opened");
    file.seek(SeekFrom::Start(15))
        .expect("behind the first line");
    with_stdin(&home, &ISSUE, file.try_clone().expect("cloned")).succeeds();
    let mut rest = String::new();
    file.read_to_string(&mut rest).expect("read");
    assert_eq!(
        rest, "",
        "what was read is read for everybody who shares it"
    );
}

#[test]
fn a_socket_is_read() {
    let home = encrypted_ca();
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.write_all(b"correct horse\n").expect("written");
    drop(ours);
    with_stdin(&home, &ISSUE, OwnedFd::from(theirs)).succeeds();
}

#[test]
fn a_file_that_may_not_be_opened_any_more_is_read() {
    let home = encrypted_ca();
    let file = File::open(home.path("secret")).expect("opened");
    std::fs::set_permissions(home.path("secret"), Permissions::from_mode(0o000)).expect("changed");
    with_stdin(&home, &ISSUE, file).succeeds();
}

#[test]
fn a_descriptor_that_is_only_written_to_is_refused() {
    let home = encrypted_ca();
    let file = OpenOptions::new()
        .append(true)
        .open(home.path("secret"))
        .expect("opened");
    let said = with_stdin(&home, &ISSUE, file).fails(8);
    assert!(said.contains("it is not open for reading"), "{said}");
}

#[test]
fn several_keys_are_opened_with_one_descriptor() {
    let home = encrypted_ca();
    let secret = File::open(home.path("secret")).expect("opened");
    let args = ["crl", "--force", "--passphrase-fd", "0"];
    with_stdin(&home, &args, secret).succeeds();
}

#[test]
fn a_passphrase_of_several_lines_is_refused_from_everywhere() {
    let home = encrypted_ca();
    home.write("two", "correct horse\nbattery staple\n");
    let from_file = home
        .pki("issue a --dns a.dev --passphrase-file two")
        .fails(8);
    let two = File::open(home.path("two")).expect("opened");
    let from_descriptor = with_stdin(&home, &ISSUE, two).fails(8);
    let run = home
        .command(&ISSUE[..4])
        .env("PKI_PASSPHRASE", "correct horse\nbattery staple")
        .output();
    let from_environment = Run::from(run.expect("the binary starts")).fails(8);
    for said in [from_file, from_descriptor, from_environment] {
        assert!(said.contains("has more than one line"), "{said}");
    }
    let run = home
        .command(&ISSUE[..4])
        .env("PKI_PASSPHRASE", "correct horse\n")
        .output();
    Run::from(run.expect("the binary starts")).succeeds();
}
