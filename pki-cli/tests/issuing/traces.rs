//! What fails leaves nothing behind, and speaks of places that people know.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, process::Command};

use crate::support::{Home, Run, note};

#[test]
fn a_ca_that_could_not_be_made_leaves_no_folder() {
    let home = Home::new();
    let script = format!(
        "ulimit -f 0; exec {} init --dir far/away/certs",
        env!("CARGO_BIN_EXE_pki")
    );
    let run = Command::new("sh")
        .args(["-c", &script])
        .current_dir(home.path(""))
        .output();
    let said = Run::from(run.expect("a shell")).fails(6);
    assert!(said.contains("ulimit -f"), "{said}");
    assert!(!home.path("far").exists(), "nothing of it stays");
    // What was there before stays.
    std::fs::create_dir(home.path("far")).expect("made");
    let run = Command::new("sh")
        .args(["-c", &script])
        .current_dir(home.path(""))
        .output();
    Run::from(run.expect("a shell")).fails(6);
    assert!(home.path("far").exists() && !home.path("far/away").exists());
}

#[test]
fn a_folder_without_rights_is_named_by_its_own_name() {
    let home = Home::with_ca();
    home.pki("issue a --dns a.dev").succeeds();
    std::fs::set_permissions(home.path("certs/a"), Permissions::from_mode(0o500)).expect("changed");
    let run = home.pki("issue a --dns a.dev --force");
    std::fs::set_permissions(home.path("certs/a"), Permissions::from_mode(0o700)).expect("changed");
    if run.code == 0 {
        note("skipped: this user may write everywhere");
        return;
    }
    let said = run.fails(6);
    assert!(
        said.contains("\"certs/a\" could not be written to"),
        "{said}"
    );
    assert!(
        !said.contains("at path") && !said.contains("..new-"),
        "{said}"
    );
}
