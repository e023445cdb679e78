//! A disk that is full in the middle of a test: the test runs itself again, alone and in a process that may write no
//! file beyond a limit, so that a write fails where a full disk would make it fail.
//!
//! Included by path into the test of each store, so that no crate is made for one file.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the database to the process that meets the full disk.
const DATABASE: &str = "FULL_DISK_TEST_DATABASE";
/// Stands before every line that this process reports.
const MARK: &str = "full disk: ";
/// In the unit of `ulimit -f`, which is 512 bytes or 1024: enough for SQLite to open a small file and to write a few
/// rows to its log.
const BLOCKS: &str = "200";

/// The database to write to, in the process that meets the full disk.
pub(crate) fn database() -> Option<PathBuf> {
    env::var_os(DATABASE).map(PathBuf::from)
}

/// Says a line to the process that waits for this one.
pub(crate) fn report(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{MARK}{line}")
}

/// Runs the test of this name again, where the disk of `database` is full soon, and returns what it reported.
pub(crate) fn meet(test: &str, database: &Path) -> io::Result<Vec<String>> {
    // Ignored, the signal leaves EFBIG to whoever writes too much; by itself it would kill the process (setrlimit(2)).
    let output = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#, BLOCKS])
        .arg(env::current_exe()?)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(DATABASE, database)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{test} failed where the disk is full: {said}{}",
            String::from_utf8_lossy(&output.stdout)
        )));
    }
    let lines = said.lines().filter_map(|line| line.strip_prefix(MARK));
    Ok(lines.map(str::to_owned).collect())
}
