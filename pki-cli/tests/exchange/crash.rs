//! A process may be killed at any moment: an import is there whole or not at all, an export is the old file or the new
//! one, and the plain retry works and clears up.

use std::fs;

use crate::support::{Home, duration, pair_fits};

fn words(args: &str) -> Vec<&str> {
    args.split_whitespace().collect()
}

fn hidden(home: &Home, folder: &str) -> usize {
    fs::read_dir(home.path(folder))
        .expect(folder)
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes()[0] == b'.')
        .count()
}

#[test]
fn a_killed_import_of_a_ca_leaves_nothing_or_all_of_it() {
    let Some(home) = crate::openssl_ca::with_openssl_ca() else {
        return;
    };
    let args = words("import ca --openssl old");
    let whole = duration(|| drop(home.run(&args).succeeds()));
    for step in 0..40 {
        fs::remove_dir_all(home.path("certs")).expect("removed");
        home.run_and_kill(&args, whole * step / 35);
        if !home.path("certs/ca").exists() {
            home.run(&args).succeeds();
        }
        assert_eq!(hidden(&home, "certs"), 0, "after kill {step}");
        home.pki("issue x --dns a.dev").succeeds();
        home.assert_pair("certs/x");
    }
}

#[test]
fn a_killed_import_of_a_pair_leaves_the_old_one_or_the_new_one() {
    let home = Home::with_ca();
    for name in ["a", "b"] {
        home.pki(&format!("issue {name} --dns {name}.dev"))
            .succeeds();
    }
    let import = |name: &str| {
        format!("import x --cert certs/{name}/tls.crt --key certs/{name}/tls.key --force")
    };
    let whole = duration(|| drop(home.pki(&import("a")).succeeds()));
    for step in 0..40 {
        let args = import(if step % 2 == 0 { "b" } else { "a" });
        home.run_and_kill(&words(&args), whole * step / 35);
        assert!(pair_fits(&home.path("certs/x")), "after kill {step}");
    }
    home.pki(&import("a")).succeeds();
    home.assert_pair("certs/x");
}

#[test]
fn a_killed_export_leaves_the_old_file_or_the_new_one_and_the_retry_clears_up() {
    let home = Home::with_ca();
    home.pki("issue a --dns a.dev").succeeds();
    fs::create_dir(home.path("out")).expect("made");
    let args = words("export a --format pem --out out/a.pem --force");
    let whole = duration(|| drop(home.run(&args).succeeds()));
    let expected = home.read("out/a.pem");
    for step in 0..40 {
        home.write("out/a.pem", "old");
        home.run_and_kill(&args, whole * step / 35);
        let now = home.read("out/a.pem");
        assert!(now == "old" || now == expected, "after kill {step}: {now}");
    }
    home.run(&args).succeeds();
    assert_eq!(home.read("out/a.pem"), expected);
    assert_eq!(
        hidden(&home, "out"),
        0,
        "what killed processes left is gone"
    );
}
