//! An index that somebody brought back from a backup, or from another CA: nothing is forgotten in silence.

use std::fs;

use pki::index::{Filter, Index, Status};

use crate::support::Home;

const INDEX: &str = "certs/ca/index.db";

fn home() -> Home {
    let home = Home::with_ca();
    for name in ["order", "payment"] {
        home.pki(&format!("issue {name} --dns a.dev")).succeeds();
    }
    home
}

fn put(home: &Home, from: &str, to: &str) {
    for beside in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.path(&format!("{to}{beside}")));
    }
    fs::copy(home.path(from), home.path(to)).expect("copied");
}

/// A home whose key of `order` is in other hands, as `crl.pem` says; the index is an older copy, and has both certificates
/// for the key as good. The request for it lies in `order.csr`, the pair in `order.crt` and `order.key`.
fn home_with_a_forgotten_compromise() -> Home {
    let home = Home::with_ca();
    home.pki("csr order --dns a.dev").succeeds();
    let keep = |from: &str, to: &str| {
        fs::copy(home.path(from), home.path(to)).expect("copied");
    };
    keep("certs/order/tls.csr", "order.csr");
    home.pki("sign certs/order/tls.csr").succeeds();
    let first = home.certificate("certs/order/tls.crt").serial();
    home.pki("renew order").succeeds();
    keep("certs/order/tls.crt", "order.crt");
    keep("certs/order/tls.key", "order.key");
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.order]\nprofile = \"server\"\ndns = [\"a.dev\"]\n",
    );
    put(&home, INDEX, "backup.db");
    home.pki(&format!("revoke --serial {first} --reason keyCompromise"))
        .succeeds();
    put(&home, "backup.db", INDEX);
    home
}

const BEHIND: &str = "The index was behind crl.pem (CN=Private Issuing CA: 1 revocation of crl.pem is not in the index";

#[test]
fn a_key_that_crl_pem_gave_up_is_refused_before_crl_was_run() {
    for (command, said) in [
        ("sign order.csr --out other", "The key is in other hands"),
        (
            "sign order.csr --profile client --out other",
            "The key is in other hands",
        ),
        ("renew order", "make a new key with \"pki rekey\""),
        (
            "import y --cert order.crt --key order.key",
            "The key is in other hands",
        ),
    ] {
        let home = home_with_a_forgotten_compromise();
        let index = fs::read(home.path(INDEX)).expect("the index");
        let rehearsed = home.pki(&format!("{command} --dry-run"));
        assert_eq!(rehearsed.code, 3, "{command}: {rehearsed:?}");
        assert!(rehearsed.stderr.contains(said), "{command}: {rehearsed:?}");
        assert!(
            fs::read(home.path(INDEX)).expect("the index") == index,
            "{command} --dry-run changed the index"
        );
        let real = home.pki(command);
        assert_eq!(
            (rehearsed.code, rehearsed.stderr),
            (real.code, real.stderr),
            "{command}"
        );
    }
    let home = home_with_a_forgotten_compromise();
    let plan = home.pki("apply pki.toml --dry-run").succeeds();
    assert!(
        plan.contains("~ order  its key is in other hands"),
        "{plan}"
    );
    let done = home.pki("apply pki.toml");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains(BEHIND), "{done:?}");
    home.pki("check").succeeds();
}

#[test]
fn whoever_issues_with_an_older_index_is_told_once() {
    let home = home_with_a_forgotten_compromise();
    for command in ["issue x --dns a.dev --dry-run", "issue x --dns a.dev"] {
        let run = home.pki(command);
        assert_eq!(run.code, 0, "{command}: {run:?}");
        assert!(run.stderr.contains(BEHIND), "{command}: {run:?}");
    }
    assert_eq!(revoked(&home), 1);
    let run = home.pki("issue y --dns a.dev");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    // It is the list that was there, and nothing is due.
    let lists = home.read("certs/ca/crl.pem");
    home.pki("crl").succeeds();
    assert_eq!(home.read("certs/ca/crl.pem"), lists);
}

#[test]
fn a_ca_that_crl_pem_tells_as_revoked_issues_nothing_with_an_older_index() {
    let home = home();
    put(&home, INDEX, "backup.db");
    home.pki("revoke certs/ca/issuing.crt --reason cACompromise")
        .succeeds();
    for command in [
        "issue x --dns a.dev --dry-run",
        "renew order --dry-run",
        "issue x --dns a.dev",
    ] {
        put(&home, "backup.db", INDEX);
        let run = home.pki(command);
        assert_eq!(run.code, 3, "{command}: {run:?}");
        assert!(run.stderr.contains("is revoked"), "{command}: {run:?}");
    }
}

#[test]
fn a_dry_run_of_crl_and_revoke_takes_over_what_the_real_run_does() {
    for command in ["crl", "crl --force", "revoke payment", "revoke order"] {
        let home = home();
        put(&home, INDEX, "backup.db");
        home.pki("revoke order --reason keyCompromise").succeeds();
        put(&home, "backup.db", INDEX);
        fs::remove_file(home.path("certs/ca/issuing.key")).expect("removed");
        let index = fs::read(home.path(INDEX)).expect("the index");
        let rehearsed = home.pki(&format!("{command} --dry-run"));
        assert!(
            fs::read(home.path(INDEX)).expect("the index") == index,
            "{command} --dry-run changed the index"
        );
        let real = home.pki(command);
        assert_eq!(
            (rehearsed.code, &rehearsed.stderr),
            (real.code, &real.stderr),
            "{command}"
        );
        assert!(real.stderr.contains(BEHIND), "{command}: {real:?}");
        // It is true of both, although one of them takes nothing over.
        let said = "what it lacks counts as crl.pem has it. What was issued";
        assert!(real.stderr.contains(said), "{command}: {real:?}");
        let is_done = matches!(command, "crl" | "revoke order");
        assert_eq!(
            real.code,
            if is_done { 0 } else { 4 },
            "{command}: {real:?}"
        );
    }
}

#[test]
fn a_crl_pem_that_cannot_be_read_is_put_beside_no_certificate() {
    let home = home();
    home.pki("csr asks --dns a.dev").succeeds();
    home.pki("csr branch --subject /CN=Branch --out branch")
        .succeeds();
    home.pki("crl").succeeds();
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.x]\nprofile = \"server\"\ndns = [\"a.dev\"]\n",
    );
    for end in ["crt", "key"] {
        let from = home.path(&format!("certs/payment/tls.{end}"));
        fs::copy(from, home.path(&format!("payment.{end}"))).expect("copied");
    }
    let rows = |home: &Home| home.pki("list --all --json").json()["certificates"].clone();
    let before = rows(&home);
    let lists = home.read("certs/ca/crl.pem");
    let (own, of_root) = lists.split_at(lists.find("\n-----BEGIN").expect("two CRLs") + 1);
    let no_crl = "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n";
    for garbage in [
        "",
        "garbage\n",
        no_crl,
        &format!("{no_crl}{of_root}"),
        &format!("{}{of_root}", with_another_signature(own)),
    ] {
        home.write("certs/ca/crl.pem", garbage);
        let found = home.pki("check").stdout;
        assert!(
            found.contains("certs/ca/crl.pem  holds no CRL that can be read, or a damaged one"),
            "{found}"
        );
        for command in [
            "issue x --dns a.dev",
            "sign certs/asks/tls.csr",
            "sign branch/tls.csr --profile intermediate",
            "renew order",
            "rekey order",
            "renew --all",
            "import y --cert payment.crt --key payment.key",
            "apply pki.toml",
        ] {
            for dry_run in [" --dry-run", ""] {
                let command = format!("{command}{dry_run}");
                let run = home.pki(&command);
                assert_eq!(run.code, 7, "{command}: {run:?}");
                assert!(
                    run.stderr
                        .contains("\"certs/ca/crl.pem\" holds no CRL that can be read"),
                    "{command}: {run:?}"
                );
            }
        }
        assert_eq!(rows(&home), before, "no serial number was taken");
        home.pki("crl").succeeds();
        home.pki("check").succeeds();
    }
    home.pki("issue x --dns a.dev").succeeds();
}

/// The same CRL with one bit of its last octets changed, in which the signature is.
fn with_another_signature(crl: &str) -> String {
    let mut der = pki::inspect::crls(crl.as_bytes()).expect("a CRL").remove(0);
    *der.last_mut().expect("octets") ^= 1;
    pki::certificate_revocation_list::to_pem(&der)
}

fn revoked(home: &Home) -> u64 {
    let index = Index::open(&home.path(INDEX)).expect("the index");
    let revoked = index.count(&Filter::status(Status::Revoked));
    revoked.expect("counted")
}

#[test]
fn an_older_index_takes_over_what_crl_pem_says_and_nothing_is_unrevoked() {
    let home = home();
    put(&home, INDEX, "backup.db");
    home.pki("issue late --dns a.dev").succeeds();
    for name in ["order", "late"] {
        home.pki(&format!("revoke {name} --reason keyCompromise"))
            .succeeds();
    }
    let lists = home.read("certs/ca/crl.pem");
    put(&home, "backup.db", INDEX);
    let run = home.pki("check");
    assert_eq!(run.code, 102, "{run:?}");
    assert!(
        run.stdout
            .contains("2 revocations of crl.pem are not in the index"),
        "{run:?}"
    );
    let run = home.pki("crl");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("The index was behind crl.pem"),
        "{run:?}"
    );
    assert_eq!(
        home.read("certs/ca/crl.pem"),
        lists,
        "the later list stands"
    );
    assert_eq!(revoked(&home), 2);
    let next = home.pki("crl --force --json").json();
    assert_eq!(
        (&next["crls"][0]["number"], &next["crls"][0]["revoked"]),
        (&3.into(), &2.into())
    );
    for name in ["order", "late"] {
        home.pki(&format!("verify certs/{name}/tls.crt")).fails(23);
    }
}

#[test]
fn a_revocation_with_an_older_index_tells_of_the_earlier_ones_as_well() {
    let home = home();
    home.pki("crl").succeeds();
    put(&home, INDEX, "backup.db");
    home.pki("revoke order --reason keyCompromise").succeeds();
    put(&home, "backup.db", INDEX);
    let run = home.pki("revoke payment --json");
    assert_eq!(run.json()["crls"][0]["number"], 3, "{run:?}");
    for name in ["order", "payment"] {
        home.pki(&format!("verify certs/{name}/tls.crt")).fails(23);
    }
}

#[test]
fn the_index_of_another_ca_of_the_same_name_is_refused() {
    let home = home();
    home.pki("init --dir other").succeeds();
    home.pki("csr branch --subject /CN=Branch --out branch")
        .succeeds();
    for end in ["crt", "key"] {
        let from = home.path(&format!("certs/payment/tls.{end}"));
        fs::copy(from, home.path(&format!("payment.{end}"))).expect("copied");
    }
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.x]\nprofile = \"server\"\ndns = [\"a.dev\"]\n",
    );
    put(&home, "other/ca/index.db", INDEX);
    for command in [
        "check",
        "crl",
        "crl --dry-run",
        "revoke order",
        "issue x --dns a.dev",
        "issue x --dns a.dev --dry-run",
        "sign branch/tls.csr --profile intermediate --out branch",
        "sign branch/tls.csr --profile intermediate --out branch --dry-run",
        "renew order",
        "rekey order --dry-run",
        "renew --all",
        "list",
        "list --all --json",
        "verify certs/order/tls.crt",
        "check certs/order/tls.crt",
        "ca rotate status",
        "ca rotate prepare --now",
        "ca rotate --now --dry-run",
        "import y --cert payment.crt --key payment.key",
        "apply pki.toml",
        "apply pki.toml --dry-run",
    ] {
        let run = home.pki(command);
        assert_eq!(run.code, 7, "{command}: {run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("is that of another CA"), "{command}: {said}");
    }
    assert!(!home.path("certs/ca/crl.pem").exists());
}

#[test]
fn an_index_from_before_a_rotation_issues_nothing_by_the_next_ca() {
    for rotated in ["", " --root"] {
        let home = home();
        home.pki("csr branch --subject /CN=Branch --out branch")
            .succeeds();
        home.write(
            "pki.toml",
            "[ca]\nsubject = \"/CN=Private Root CA\"\nissuing_subject = \"/CN=Private Issuing CA\"\n[certificate.x]\nprofile = \"server\"\ndns = [\"a.dev\"]\n",
        );
        put(&home, INDEX, "backup.db");
        home.pki(&format!("ca rotate prepare --now{rotated}"))
            .succeeds();
        home.pki("ca rotate activate --force --now").succeeds();
        put(&home, INDEX, "newer.db");
        put(&home, "backup.db", INDEX);
        let mut commands = vec![
            "issue x --dns a.dev",
            "renew order",
            "rekey order",
            "apply pki.toml",
        ];
        if !rotated.is_empty() {
            commands.push("sign branch/tls.csr --profile intermediate");
        }
        for command in commands {
            for dry_run in [" --dry-run", ""] {
                let command = format!("{command}{dry_run}");
                let run = home.pki(&command);
                assert_eq!(run.code, 7, "{command}: {run:?}");
                let said = "CA 2\", and is an older copy from before that was made";
                assert!(run.stderr.contains(said), "{command}: {run:?}");
            }
        }
        let run = home.pki("check");
        assert_eq!(run.code, 102, "{run:?}");
        assert!(
            run.stdout
                .contains("CA 2  is not in the index, which is an older copy"),
            "{run:?}"
        );
        put(&home, "newer.db", INDEX);
        home.pki("issue x --dns a.dev").succeeds();
        let found = home.pki("check").stdout;
        assert!(!found.contains("is not in the index"), "{found}");
    }
}

#[test]
fn a_rotation_counts_what_crl_pem_tells_of_a_revoked_ca() {
    for command in ["ca rotate prepare", "ca rotate"] {
        let home = home();
        put(&home, INDEX, "backup.db");
        home.pki("revoke certs/ca/issuing.crt --reason cACompromise")
            .succeeds();
        put(&home, "backup.db", INDEX);
        let behind = "The index was behind crl.pem (CN=Private Root CA: 1 revocation";
        let index = fs::read(home.path(INDEX)).expect("the index");
        for (asked, due) in [
            (
                "ca rotate status".to_owned(),
                "due now: pki ca rotate prepare",
            ),
            (
                format!("{command} --dry-run"),
                "This would make the next CA",
            ),
        ] {
            let run = home.pki(&asked);
            assert_eq!(run.code, 0, "{asked}: {run:?}");
            assert!(run.stdout.contains(due), "{asked}: {run:?}");
            assert!(run.stderr.contains(behind), "{asked}: {run:?}");
        }
        assert!(
            fs::read(home.path(INDEX)).expect("the index") == index,
            "asking changed the index"
        );
        let run = home.pki(command);
        assert_eq!(run.code, 0, "{command}: {run:?}");
        assert_eq!(run.stderr.matches(behind).count(), 1, "{command}: {run:?}");
        assert!(home.path("certs/ca/next.crt").exists(), "{run:?}");
        assert_eq!(revoked(&home), 1);
    }
}

#[test]
fn a_ca_retires_when_crl_pem_tells_that_what_it_issued_is_revoked() {
    let home = home();
    home.pki("ca rotate prepare --now").succeeds();
    home.pki("ca rotate activate --force --now").succeeds();
    put(&home, INDEX, "backup.db");
    for name in ["order", "payment"] {
        home.pki(&format!("revoke {name}")).succeeds();
    }
    put(&home, "backup.db", INDEX);
    let status = home.pki("ca rotate status").succeeds();
    assert!(
        status.contains("still valid    no certificate of the previous CA"),
        "{status}"
    );
    let dry_run = home.pki("ca rotate retire --dry-run").succeeds();
    assert!(dry_run.contains("This would end the trust"), "{dry_run}");
    let run = home.pki("ca rotate retire");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains(BEHIND_BY_TWO), "{run:?}");
}

const BEHIND_BY_TWO: &str = "The index was behind crl.pem (CN=Private Issuing CA: 2 revocations of crl.pem are not in the index";

#[test]
fn a_ca_that_the_index_does_not_know_is_not_activated() {
    let home = home();
    put(&home, INDEX, "backup.db");
    home.pki("ca rotate prepare --now").succeeds();
    put(&home, "backup.db", INDEX);
    let run = home.pki("ca rotate activate --force --now");
    assert_eq!(run.code, 7, "{run:?}");
    assert!(
        run.stderr
            .contains("does not know the CA \"CN=Private Issuing CA 2\""),
        "{run:?}"
    );
    home.pki("issue x --dns a.dev").succeeds();
}

#[test]
fn the_list_counts_what_crl_pem_tells_as_revoked() {
    let home = home();
    put(&home, INDEX, "backup.db");
    home.pki("issue late --dns a.dev").succeeds();
    for name in ["order", "late"] {
        home.pki(&format!("revoke {name}")).succeeds();
    }
    put(&home, "backup.db", INDEX);
    let serials = |options: &str| {
        let run = home.pki(&format!("list {options} --json"));
        assert!(run.stderr.contains(BEHIND_BY_TWO), "{run:?}");
        let rows = run.json()["certificates"].as_array().cloned();
        let rows = rows.expect("rows").into_iter();
        let mut serials: Vec<_> = rows
            .map(|row| row["serial"].as_str().expect("a serial number").to_owned())
            .collect();
        serials.sort();
        serials
    };
    let of = |names: &[&str]| {
        let path = |name: &&str| format!("certs/{name}/tls.crt");
        let mut serials: Vec<_> = names
            .iter()
            .map(|name| home.certificate(&path(name)).serial())
            .collect();
        serials.sort();
        serials
    };
    assert_eq!(serials("--revoked"), of(&["late", "order"]));
    assert_eq!(serials("--revoked --name order"), of(&["order"]));
    assert_eq!(serials("--name order"), of(&["order"]));
    assert!(!serials("").contains(&of(&["order"])[0]));
    assert!(serials("").contains(&of(&["payment"])[0]));
    // Both CAs, both certificates of the index, and the one that only crl.pem knows.
    assert_eq!(serials("--all").len(), 5);
    home.write("certs/ca/crl.pem", "garbage\n");
    home.pki("list").succeeds();
}

#[test]
fn what_the_index_knows_by_its_number_alone_is_named_as_it_was_given() {
    let home = Home::with_ca();
    home.pki("issue a --dns a.dev").succeeds();
    put(&home, INDEX, "backup.db");
    home.pki("issue b --dns b.dev").succeeds();
    home.pki("revoke b").succeeds();
    home.pki("crl --force").succeeds();
    put(&home, "backup.db", INDEX);
    home.pki("crl").succeeds();
    let told = home.pki("revoke b").succeeds();
    assert!(told.starts_with("b, serial "), "{told}");
    let serial = home.certificate("certs/b/tls.crt").serial();
    let told = home.pki(&format!("revoke --serial {serial}")).succeeds();
    assert!(told.starts_with("A certificate, serial "), "{told}");
}

#[test]
fn another_kind_of_file_in_place_of_the_index_is_told() {
    for is_folder in [true, false] {
        let home = home();
        fs::remove_file(home.path(INDEX)).expect("removed");
        match is_folder {
            true => fs::create_dir(home.path(INDEX)).expect("made"),
            false => {
                let made = std::process::Command::new("mkfifo")
                    .arg(home.path(INDEX))
                    .status();
                assert!(made.expect("mkfifo starts").success());
            }
        }
        for command in [
            "list",
            "check",
            "crl",
            "crl --dry-run",
            "revoke order",
            "issue x --dns a.dev",
            "issue x --dns a.dev --dry-run",
            "verify certs/order/tls.crt",
            "ca rotate status",
        ] {
            let told = home.pki(command).fails(7);
            assert!(
                told.contains("\"certs/ca/index.db\" is there and is not a file"),
                "{command}: {told}"
            );
        }
    }
}
