//! Files and folders that this user may not write, or not read: a sentence that names them, the exit code of input and
//! output, and nothing is changed.
//!
//! Rights do not bind root, so where the tests run as root the command runs as somebody else.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    state::{assert_same, make_older, tree},
    support::{Home, Run, note},
    writing::{WRITING, Writing},
};

/// Nobody, on every system.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The binary in a place where everybody may run it.
fn binary() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        set_mode(folder.path(), 0o755);
        // By another process: what is started meanwhile would hold the file open to write, and it could not be run.
        let mut copying = Command::new("cp");
        copying.args([env!("CARGO_BIN_EXE_pki"), "pki"]);
        let copied = copying.current_dir(folder.path()).status();
        assert!(copied.expect("cp starts").success(), "copied");
        folder
    });
    folder.path().join("pki")
}

/// Runs the command as a user whom rights bind.
fn run(home: &Home, command: &str) -> Run {
    let mut process = Command::new(binary());
    process
        .args(command.split_whitespace())
        .current_dir(home.path(""))
        .env_clear()
        .stdin(Stdio::null());
    if is_root() {
        process.uid(NOBODY).gid(NOBODY);
    }
    Run::from(process.output().expect("the binary starts"))
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Gives everything to the user as whom the command runs.
fn hand_over(path: &Path) {
    if is_root() {
        for_each(path, &mut |path| {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("given");
        });
    }
}

/// Everything in a folder, the folder last.
fn for_each(path: &Path, visit: &mut dyn FnMut(&Path)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            for_each(&entry.expect("an entry").path(), visit);
        }
    }
    visit(path);
}

/// The folders lose the right to be written to, or get it back.
fn set_writable(home: &Home, is_writable: bool) {
    for_each(&home.path(""), &mut |path| {
        if path.is_dir() {
            let mode = fs::metadata(path).expect("a folder").permissions().mode() & 0o777;
            set_mode(
                path,
                if is_writable {
                    mode | 0o200
                } else {
                    mode & !0o222
                },
            );
        }
    });
}

fn assert_refused(writing: &Writing, run: &Run, at: &str) -> String {
    let at = format!("{}, {at}", writing.name);
    assert_eq!(run.code, 6, "{at}: {run:?}");
    let error = run.stderr.lines().find(|line| line.starts_with("error: "));
    let error = error.unwrap_or_else(|| panic!("{at}: {run:?}"));
    assert!(
        ["\"certs", "\".", "\"other"]
            .iter()
            .any(|path| error.contains(path)),
        "{at}: the sentence names what may not be written: {error}"
    );
    error.to_owned()
}

#[test]
fn folders_that_may_not_be_written_to() {
    for writing in WRITING {
        let home = writing.prepare();
        hand_over(&home.path(""));
        set_writable(&home, false);
        let before = tree(&home.path(""));
        let refused = run(&home, writing.command);
        let error = assert_refused(writing, &refused, "a read-only folder");
        let rehearsed = run(&home, &format!("{} --dry-run", writing.command));
        assert_eq!(
            (rehearsed.code, rehearsed.stderr),
            (refused.code, refused.stderr),
            "{}",
            writing.name
        );
        assert!(!error.contains("disk I/O"), "{error}");
        assert_same(&before, &tree(&home.path("")), writing.name);
        set_writable(&home, true);
        let retried = run(&home, writing.command);
        assert_eq!(retried.code, 0, "{}: {retried:?}", writing.name);
        writing.assert_made(&home, "a folder that was read-only");
    }
}

/// The commands that put a pair, or half of one, into the folder `certs/x`, which is there.
const INTO_FOLDERS: [&str; 7] = [
    "issue x --dns a.dev --force",
    "sign certs/x/tls.csr --force",
    "renew x",
    "renew --all",
    "rekey x",
    "apply pki.toml",
    "import x --cert y/tls.crt --key y/tls.key --force",
];

fn home_of_folders() -> Home {
    let home = Home::in_memory();
    for command in [
        "init",
        "csr x --dns a.dev",
        "sign certs/x/tls.csr",
        "issue y --dns a.dev --out y",
    ] {
        home.pki(command).succeeds();
    }
    // Another name than there is, so that it is replaced.
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\n\n[certificate.x]\nprofile = \"server\"\ndns = [\"b.dev\"]\n",
    );
    home
}

/// What cannot be written is not signed: the index would know a certificate that nobody has.
fn assert_nothing_is_signed(home: &Home, command: &str, said: &str) {
    let before = tree(&home.path(""));
    for dry_run in [" --dry-run", "", ""] {
        let command = format!("{command}{dry_run}");
        let refused = run(home, &command);
        assert_eq!(refused.code, 6, "{command}: {refused:?}");
        assert!(refused.stderr.contains(said), "{command}: {refused:?}");
        // Not a serial number: the index is as it was.
        assert_same(&before, &tree(&home.path("")), &command);
    }
}

#[test]
fn a_certificate_whose_folder_may_not_be_written_to_is_not_signed() {
    for command in INTO_FOLDERS {
        let home = home_of_folders();
        hand_over(&home.path(""));
        set_mode(&home.path("certs/x"), 0o555);
        assert_nothing_is_signed(&home, command, "\"certs/x\" could not be written to");
        set_mode(&home.path("certs/x"), 0o755);
        let retried = run(&home, command);
        assert_eq!(retried.code, 0, "{command}: {retried:?}");
    }
}

#[test]
fn a_certificate_whose_file_is_a_folder_is_not_signed() {
    for command in INTO_FOLDERS {
        let home = home_of_folders();
        fs::remove_file(home.path("certs/x/ca.crt")).expect("removed");
        fs::create_dir(home.path("certs/x/ca.crt")).expect("made");
        hand_over(&home.path(""));
        // What reads the file says that it cannot be read, and what only writes it that it is no file.
        assert_nothing_is_signed(&home, command, "\"certs/x/ca.crt\"");
    }
    let home = home_of_folders();
    fs::create_dir_all(home.path("out/tls.crt")).expect("made");
    hand_over(&home.path(""));
    for command in [
        "issue z --dns a.dev --out out --force",
        "sign certs/x/tls.csr --out out --force",
    ] {
        assert_nothing_is_signed(&home, command, "\"out/tls.crt\" is there and is not a file");
    }
}

#[test]
fn folders_of_another_user() {
    if !is_root() {
        note("skipped: only root can make files that belong to somebody else");
        return;
    }
    for writing in WRITING {
        let home = writing.prepare();
        set_mode(&home.path(""), 0o755);
        let before = tree(&home.path(""));
        let refused = run(&home, writing.command);
        let error = assert_refused(writing, &refused, "somebody else's folder");
        assert!(
            error.contains("Permission denied"),
            "{}: {error}",
            writing.name
        );
        assert_same(&before, &tree(&home.path("")), writing.name);
    }
}

#[test]
fn an_index_that_may_not_be_written_to() {
    for writing in WRITING {
        let home = writing.prepare();
        let index = home.path("certs/ca/index.db");
        // What makes a key or a file of its own has no use for the index.
        let is_used = !["csr", "export", "import"]
            .iter()
            .any(|word| writing.command.starts_with(word));
        if !index.exists() || !is_used {
            continue;
        }
        hand_over(&home.path(""));
        set_mode(&index, 0o444);
        let before = tree(&home.path(""));
        let refused = run(&home, writing.command);
        let error = assert_refused(writing, &refused, "a read-only index");
        assert!(
            error.contains("The index \"certs/ca/index.db\" is read-only here"),
            "{}: {error}",
            writing.name
        );
        assert_same(&before, &tree(&home.path("")), writing.name);
    }
}

#[test]
fn whoever_may_only_read_lists_checks_and_verifies() {
    let home = Home::with_ca();
    for name in ["order", "payment"] {
        home.pki(&format!("issue {name} --dns {name}.example.org"))
            .succeeds();
    }
    home.pki("revoke order --reason superseded").succeeds();
    let questions = [
        ("list", 0, "payment"),
        ("list --revoked", 0, "superseded"),
        ("list --all --json", 0, "\"superseded\""),
        ("check", 102, "certs/order  is not accepted"),
        ("ca rotate status", 0, "settled"),
        ("check certs/payment", 0, "All is well"),
        ("verify certs/order/tls.crt", 23, "superseded"),
        ("verify certs/payment/tls.crt", 0, "accepted"),
        ("inspect certs/payment/tls.crt", 0, "CN=payment"),
    ];
    // An older one is not brought to the present version by who may only read it.
    make_older(&home.path("certs/ca/index.db"));
    // Everything may be read by everybody but the keys, which only the owner of the folder has.
    for_each(&home.path(""), &mut |path| {
        let is_key = path.extension().is_some_and(|end| end == "key");
        set_mode(
            path,
            match (path.is_dir(), is_key) {
                (true, _) => 0o555,
                (_, true) => 0o400,
                _ => 0o444,
            },
        );
    });
    let asked = |when: &str| {
        for (command, code, expected) in questions {
            let before = tree(&home.path(""));
            let answer = run(&home, command);
            assert_eq!(answer.code, code, "{when}, {command}: {answer:?}");
            let said = format!("{}{}", answer.stdout, answer.stderr);
            assert!(said.contains(expected), "{when}, {command}: {answer:?}");
            assert!(!answer.stderr.contains("read-only here"), "{answer:?}");
            assert_same(&before, &tree(&home.path("")), command);
        }
    };
    asked("nobody at work");
    // A process at work has files beside the index; what it wrote is seen, under its locks.
    set_writable(&home, true);
    set_mode(&home.path("certs/ca/index.db"), 0o644);
    let index = pki::index::Index::open(&home.path("certs/ca/index.db")).expect("opened");
    let serial = home.certificate("certs/payment/tls.crt").serial();
    let issuer = home
        .certificate("certs/ca/issuing.crt")
        .subject()
        .to_string();
    let revocation = pki::index::Revocation {
        at: time::OffsetDateTime::now_utc(),
        reason: pki::revocation_reason::RevocationReason::KeyCompromise,
        invalid_since: None,
    };
    index
        .revoke(&serial, &issuer, &revocation)
        .expect("revoked");
    set_mode(&home.path("certs/ca/index.db"), 0o444);
    set_writable(&home, false);
    let listed = run(&home, "list --revoked");
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.stdout.contains("keyCompromise"), "{listed:?}");
    let verified = run(&home, "verify certs/payment/tls.crt");
    assert_eq!(verified.code, 23, "{verified:?}");
    drop(index);
    set_writable(&home, true);
}

#[test]
fn a_ca_that_may_not_be_looked_at_is_not_told_as_missing() {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org").succeeds();
    hand_over(&home.path(""));
    set_mode(&home.path("certs/ca"), 0);
    for command in [
        "list",
        "verify certs/order/tls.crt",
        "check",
        "check certs/order/tls.crt",
        "crl",
        "revoke order",
        "renew order",
        "issue payment --dns payment.example.org",
    ] {
        let run = run(&home, command);
        assert_eq!(run.code, 6, "{command}: {run:?}");
        assert!(
            run.stderr.contains("Permission denied"),
            "{command}: {run:?}"
        );
    }
    set_mode(&home.path("certs/ca"), 0o700);
}

#[test]
fn a_folder_that_may_not_be_entered_is_not_said_to_hold_a_ca() {
    let home = Home::new();
    home.pki("init --dir other").succeeds();
    fs::create_dir(home.path("priv")).expect("made");
    hand_over(&home.path(""));
    set_mode(&home.path("priv"), 0o600);
    let import = "import ca --cert other/ca/root.crt --key other/ca/root.key --dir priv/x";
    for command in ["init --dir priv/x", "init --dir priv", import] {
        for dry_run in [" --dry-run", ""] {
            let refused = run(&home, &format!("{command}{dry_run}"));
            assert_eq!(refused.code, 6, "{command}{dry_run}: {refused:?}");
            assert!(
                refused
                    .stderr
                    .contains("/ca/root.crt\" could not be read: Permission denied"),
                "{command}{dry_run}: {refused:?}"
            );
        }
    }
    set_mode(&home.path("priv"), 0o700);
}

/// What this user may not look into is not taken for something that is not there.
#[test]
fn a_folder_that_may_not_be_looked_into_is_not_passed_over() {
    let home = home_of_folders();
    home.pki("issue z --dns a.dev").succeeds();
    hand_over(&home.path(""));
    set_mode(&home.path("certs/z"), 0);
    for command in ["renew --all", "rekey --all", "renew --all --dry-run"] {
        let run = run(&home, command);
        assert_eq!(run.code, 6, "{command}: {run:?}");
        assert!(
            run.stderr.contains("\"certs/z/tls.crt\" could not be read"),
            "{command}: {run:?}"
        );
        assert!(run.stdout.contains("x"), "the others were done: {run:?}");
    }
    let planned = run(&home, "apply pki.toml --dry-run");
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(
        planned
            .stderr
            .contains("certs/z is not in the manifest and is left alone"),
        "{planned:?}"
    );
    set_mode(&home.path("certs/z"), 0o755);
}

#[test]
fn a_key_that_may_not_be_looked_at_is_not_told_as_missing() {
    let home = Home::with_ca();
    fs::create_dir(home.path("vault")).expect("made");
    let key = home.path("certs/ca/root.key");
    fs::rename(&key, home.path("vault/root.key")).expect("moved");
    std::os::unix::fs::symlink("../../vault/root.key", &key).expect("a link");
    hand_over(&home.path(""));
    set_mode(&home.path("vault"), 0);
    // The root's list of the first day will do.
    let first = run(&home, "crl");
    assert_eq!(first.code, 0, "{first:?}");
    for command in ["crl --force --dry-run", "crl --force"] {
        let refused = run(&home, command);
        assert_eq!(refused.code, 6, "{command}: {refused:?}");
        assert!(
            refused.stderr.contains("Permission denied"),
            "{command}: {refused:?}"
        );
    }
    set_mode(&home.path("vault"), 0o755);
}

#[test]
fn a_ca_that_everybody_may_write_to_is_a_finding() {
    let home = Home::with_ca();
    home.pki("check").succeeds();
    for (name, mode) in [("certs/ca", 0o777), ("certs/ca/index.db", 0o666)] {
        let path = home.path(name);
        let before = fs::metadata(&path).expect("there").permissions();
        set_mode(&path, mode);
        let run = home.pki("check");
        assert_eq!(run.code, 102, "{name}: {run:?}");
        let told = format!("{name}  can be written to by everybody (mode {mode:04o})");
        assert!(run.stdout.contains(&told), "{run:?}");
        fs::set_permissions(&path, before).expect("a mode");
    }
    home.pki("check").succeeds();
}
