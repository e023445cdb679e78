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
    state::{assert_same, tree},
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
        fs::copy(env!("CARGO_BIN_EXE_pki"), folder.path().join("pki")).expect("copied");
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
        assert!(!error.contains("disk I/O"), "{error}");
        assert_same(&before, &tree(&home.path("")), writing.name);
        set_writable(&home, true);
        let retried = run(&home, writing.command);
        assert_eq!(retried.code, 0, "{}: {retried:?}", writing.name);
        writing.assert_made(&home, "a folder that was read-only");
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
