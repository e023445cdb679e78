//! Encrypted keys in every command that opens one: with the passphrase from a file, a descriptor or the environment it
//! works, and without it, or with a wrong or an empty one, it ends with the exit code of passphrases and changes nothing.

use std::{fs, path::Path, process::Stdio};

use crate::support::{Home, Run};

/// The command, and what may be needed for it.
struct Opens {
    command: &'static str,
    /// Whether the key is an end entity's, whose passphrase is not the CA's.
    end_entity: bool,
}

const OPENS: &[Opens] = &[
    ca("issue new --dns new.dev"),
    ca("sign certs/asks/tls.csr"),
    ca("apply pki.toml"),
    ca("renew x"),
    ca("rekey clear"),
    ca("revoke x"),
    ca("crl --force"),
    ca("ca rotate prepare --now --root"),
    end_entity("export x --format pem --out x.pem"),
    end_entity("import y --cert certs/x/tls.crt --key certs/x/tls.key"),
    end_entity("inspect --unlock certs/x/tls.key"),
];

const fn ca(command: &'static str) -> Opens {
    Opens {
        command,
        end_entity: false,
    }
}

const fn end_entity(command: &'static str) -> Opens {
    Opens {
        command,
        end_entity: true,
    }
}

fn home() -> Home {
    let home = Home::new();
    home.write("ca.secret", "correct horse\n");
    home.write("leaf.secret", "battery staple\n");
    home.write("wrong.secret", "Tr0ub4dor\n");
    home.write("empty.secret", "\n");
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nencrypt_key = true\n\n[certificate.z]\nprofile = \"server\"\ndns = [\"z.dev\"]\n",
    );
    let ca = "--passphrase-file ca.secret";
    home.pki(&format!("init --encrypt-key {ca}")).succeeds();
    home.pki(&format!(
        "issue x --dns a.dev {ca} --encrypt-key --key-passphrase-file leaf.secret"
    ))
    .succeeds();
    home.pki(&format!("issue clear --dns c.dev {ca}"))
        .succeeds();
    home.pki("csr asks --dns d.dev").succeeds();
    home
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a kind").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// The command in a copy of the home, with a passphrase from somewhere.
fn run(home: &Home, command: &str, source: &Source<'_>) -> (Home, Run) {
    let place = Home::new();
    copy(&home.path(""), &place.path(""));
    let mut args: Vec<_> = command.split_whitespace().collect();
    match source {
        Source::File(file) => args.extend(["--passphrase-file", file]),
        Source::Descriptor(_) => args.extend(["--passphrase-fd", "0"]),
        Source::Environment(_) | Source::Nowhere => {}
    }
    let mut process = place.command(&args);
    match source {
        Source::Descriptor(file) => {
            let file = fs::File::open(place.path(file)).expect("a file");
            process.stdin(Stdio::from(file));
        }
        Source::Environment(file) => {
            process.env("PKI_PASSPHRASE", place.read(file).trim_end());
        }
        Source::File(_) | Source::Nowhere => {}
    }
    let run = Run::from(process.output().expect("the binary starts"));
    (place, run)
}

enum Source<'a> {
    File(&'a str),
    Descriptor(&'a str),
    Environment(&'a str),
    Nowhere,
}

#[test]
fn every_command_that_opens_a_key_takes_its_passphrase_from_each_source() {
    let home = home();
    for opens in OPENS {
        let secret = if opens.end_entity {
            "leaf.secret"
        } else {
            "ca.secret"
        };
        for source in [
            Source::File(secret),
            Source::Descriptor(secret),
            Source::Environment(secret),
        ] {
            let (_, run) = run(&home, opens.command, &source);
            assert_eq!(run.code, 0, "{}: {run:?}", opens.command);
        }
    }
}

#[test]
fn without_it_or_with_a_wrong_or_empty_one_nothing_is_done() {
    let home = home();
    let before = home.read("certs/x/tls.crt");
    for opens in OPENS {
        let other = if opens.end_entity {
            "ca.secret"
        } else {
            "leaf.secret"
        };
        for source in [
            Source::Nowhere,
            Source::File("empty.secret"),
            Source::File("wrong.secret"),
            Source::Environment(other),
        ] {
            let (place, run) = run(&home, opens.command, &source);
            assert_eq!(run.code, 8, "{}: {run:?}", opens.command);
            let error = run
                .stderr
                .lines()
                .filter(|line| line.starts_with("error: "));
            assert_eq!(error.count(), 1, "{}: {run:?}", opens.command);
            assert_eq!(place.read("certs/x/tls.crt"), before, "{}", opens.command);
            for made in [
                "certs/new",
                "certs/y",
                "certs/z",
                "x.pem",
                "certs/ca/next.crt",
                "certs/ca/crl.pem",
            ] {
                assert!(!place.path(made).exists(), "{}: {made}", opens.command);
            }
        }
    }
}
