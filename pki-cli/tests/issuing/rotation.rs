//! `pki ca rotate`: the whole story, each stage with every command that works on certificates, killed processes, and
//! several at once. That services notice nothing is shown in the crate `tests`.

use std::{fs, process::Stdio};

use crate::support::{Home, Run, duration, filters, pair_fits, snapshot};

/// A home with a CA and three services, and a manifest that asks for two of them.
fn home(init: &str) -> Home {
    let home = Home::new();
    home.pki(
        &format!("init --subject /O=X/CN=Root --issuing-subject /O=X/CN=CA {init}").replace(
            "--issuing-subject /O=X/CN=CA --single-tier",
            "--single-tier",
        ),
    )
    .succeeds();
    let tiers = match init {
        "--single-tier" => "single_tier = true",
        _ => "issuing_subject = \"/O=X/CN=CA\"",
    };
    home.write(
        "pki.toml",
        format!(
            "[ca]\nsubject = \"/O=X/CN=Root\"\n{tiers}\n[certificate.a]\nprofile = \"peer\"\ndns = [\"a.dev\"]\n[certificate.b]\nprofile = \"server\"\ndns = [\"b.dev\"]\n"
        ),
    );
    home.pki("apply pki.toml").succeeds();
    home.pki("issue c --dns c.dev").succeeds();
    home
}

fn json(home: &Home, args: &str) -> serde_json::Value {
    let run = home.pki(&format!("{args} --json"));
    assert_eq!(run.code, 0, "{run:?}");
    run.json()
}

fn stage(home: &Home) -> String {
    let status = json(home, "ca rotate status");
    status["stage"].as_str().expect("a stage").to_owned()
}

fn issuer(home: &Home, name: &str) -> String {
    let certificate = home.certificate(&format!("certs/{name}/tls.crt"));
    certificate.issuer().to_slashes()
}

/// Every certificate is accepted by openssl against every bundle, with and without CRLs, and by our own verifier.
fn all_accept_all(home: &Home, names: &[&str]) {
    for bearer in names {
        home.pki(&format!("verify certs/{bearer}/tls.crt"))
            .succeeds();
        for judge in names {
            let crls = match home.path(&format!("certs/{judge}/crl.pem")).exists() {
                true => format!("-crl_check_all -CRLfile certs/{judge}/crl.pem"),
                false => String::new(),
            };
            let Some(run) = home.openssl(&format!(
                "verify -x509_strict -CAfile certs/{judge}/ca.crt {crls} -untrusted certs/{bearer}/tls.crt certs/{bearer}/tls.crt"
            )) else {
                continue;
            };
            assert_eq!(run.code, 0, "{judge} judges {bearer}: {run:?}");
        }
    }
}

fn files(home: &Home) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(home.path("certs/ca"))
        .expect("the CA")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("ASCII")
        })
        .filter(|name| !name.starts_with("index.db"))
        .collect();
    names.sort();
    names
}

#[test]
fn the_story_of_an_issuing_ca() {
    let home = home("");
    let root = home.read("certs/ca/root.crt");
    snapshot!(home.pki("ca rotate"), @r"
    exit 0
    Nothing is due.
    stage          settled
    issuing        /O=X/CN=CA, until [date]
    root           /O=X/CN=Root, until [date]
    next stage     due on [date]: pki ca rotate prepare
    ");
    snapshot!(home.pki("ca rotate prepare"), @r#"
    exit 3
    --- stderr
    error: The CA "CN=CA,O=X" is not half through its life before [date], so its successor is not due; wait, or prepare it with --now.
    "#);
    snapshot!(home.pki("ca rotate activate --now"), @r#"
    exit 3
    --- stderr
    error: There is no CA to activate; make one first with "pki ca rotate prepare".
    "#);
    snapshot!(home.pki("ca rotate retire"), @r"
    exit 0
    Nothing to do: this was done before.
    stage          settled
    issuing        /O=X/CN=CA, until [date]
    root           /O=X/CN=Root, until [date]
    next stage     due on [date]: pki ca rotate prepare
    ");
    snapshot!(home.pki("ca rotate --now --dry-run"), @r"
    exit 0
    stage          settled
    issuing        /O=X/CN=CA, until [date]
    root           /O=X/CN=Root, until [date]
    next stage     due on [date]: pki ca rotate prepare
    This would make the next CA, and have every folder trust it.
    Nothing was done: this was a dry run.
    ");
    assert_eq!(stage(&home), "settled");
    snapshot!(home.pki("ca rotate --now"), @r"
    exit 0
    Prepared: the next CA is there, and issues nothing yet.
    next
      subject  /O=X/CN=CA 2
      key      P-256
      serial   [serial]
      valid    [date] to [date], 1826 days
    stage          prepared
    issuing        /O=X/CN=CA, until [date]
    next           /O=X/CN=CA 2, until [date]
    root           /O=X/CN=Root, until [date]
    next stage     due on [date]: pki ca rotate activate
    ");
    all_accept_all(&home, &["a", "b", "c"]);
    home.pki("renew c").succeeds();
    assert_eq!(
        issuer(&home, "c"),
        "/O=X/CN=CA",
        "the next CA issues nothing yet"
    );
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca  certs/ca
    = a   valid until [date]
    = b   valid until [date]
    Plan: 0 to issue, 0 to replace, 2 unchanged.
    Nothing to do.
    --- stderr
    notice: certs/c is not in the manifest and is left alone.
    ");
    // A day has to pass before the next stage is due by itself.
    snapshot!(home.pki("ca rotate"), @r"
    exit 0
    Nothing is due.
    stage          prepared
    issuing        /O=X/CN=CA, until [date]
    next           /O=X/CN=CA 2, until [date]
    root           /O=X/CN=Root, until [date]
    next stage     due on [date]: pki ca rotate activate
    ");
    snapshot!(home.pki("ca rotate retire"), @r#"
    exit 3
    --- stderr
    error: The CA "CN=CA 2,O=X" is prepared and does not issue yet, so nothing can be retired; let it issue first with "pki ca rotate activate".
    "#);
    let too_soon = home.pki("ca rotate activate").fails(3);
    assert!(
        too_soon
            .contains("have not reloaded their folders since the CA \"CN=CA 2,O=X\" was prepared"),
        "{too_soon}"
    );
    assert!(too_soon.contains("--now"), "{too_soon}");
    snapshot!(home.pki("ca rotate activate --now"), @r"
    exit 0
    Activated: the next CA issues from now on.
    stage          active
    issuing        /O=X/CN=CA 2, until [date]
    previous       /O=X/CN=CA, until [date]
    root           /O=X/CN=Root, until [date]
    still valid    4 certificates of the previous CA, the last until [date]
    next stage     due on [date]: pki ca rotate retire
    ");
    snapshot!(home.pki("ca rotate activate --now"), @r"
    exit 0
    Nothing to do: this was done before.
    stage          active
    issuing        /O=X/CN=CA 2, until [date]
    previous       /O=X/CN=CA, until [date]
    root           /O=X/CN=Root, until [date]
    still valid    4 certificates of the previous CA, the last until [date]
    next stage     due on [date]: pki ca rotate retire
    ");
    snapshot!(home.pki("ca rotate prepare --now"), @r#"
    exit 3
    --- stderr
    error: The CA "CN=CA,O=X" was replaced and is not retired yet; finish that first with "pki ca rotate retire".
    "#);
    home.pki("renew c").succeeds();
    assert_eq!(issuer(&home, "c"), "/O=X/CN=CA 2");
    assert_eq!(issuer(&home, "a"), "/O=X/CN=CA");
    all_accept_all(&home, &["a", "b", "c"]);
    snapshot!(home.pki("ca rotate retire"), @r#"
    exit 3
    --- stderr
    error: 4 certificates of the CA "CN=CA,O=X" are still valid, the last until [date]: a, b, c. 2 of them were replaced already; have the others issued anew with "pki apply" or "pki renew --all", and wait until then, or revoke what nobody presents any more with "pki revoke --reason superseded"; or go on with --force.
    "#);
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca  certs/ca
    ~ a   issued by /O=X/CN=CA, whose place /O=X/CN=CA 2 took
    ~ b   issued by /O=X/CN=CA, whose place /O=X/CN=CA 2 took
    Plan: 0 to issue, 2 to replace, 0 unchanged.
    Done: 2 issued.
    --- stderr
    notice: certs/c is not in the manifest and is left alone.
    ");
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca  certs/ca
    = a   valid until [date]
    = b   valid until [date]
    Plan: 0 to issue, 0 to replace, 2 unchanged.
    Nothing to do.
    --- stderr
    notice: certs/c is not in the manifest and is left alone.
    ");
    all_accept_all(&home, &["a", "b", "c"]);
    home.pki("csr d --out host --dns d.dev").succeeds();
    home.pki("sign host/tls.csr --out certs/d").succeeds();
    assert_eq!(issuer(&home, "d"), "/O=X/CN=CA 2");
    snapshot!(home.pki("ca rotate retire --force"), @r"
    exit 0
    Retired: the previous CA is out of service.
    stage          settled
    issuing        /O=X/CN=CA 2, until [date]
    retired        /O=X/CN=CA, until [date]
    root           /O=X/CN=Root, until [date]
    next stage     due on [date]: pki ca rotate prepare
    --- stderr
    notice: 4 certificates of /O=X/CN=CA are not over (a, b, c): who trusts the root accepts them until they end or are revoked.
    notice: The CRL of the retired CA may be needed until [date], when the last of its certificates is over; until then its key and certificate stay, as retired.*.
    ");
    assert_eq!(home.read("certs/ca/root.crt"), root, "the root is the same");
    all_accept_all(&home, &["a", "b", "c", "d"]);
    assert!(
        home.pki("apply pki.toml")
            .succeeds()
            .ends_with("Nothing to do.\n")
    );
}

#[test]
fn the_story_of_a_root() {
    for init in ["--single-tier", ""] {
        let home = home(init);
        let was = issuer(&home, "a");
        home.pki("ca rotate prepare --root --now").succeeds();
        assert_eq!(stage(&home), "prepared");
        for name in ["a", "b", "c"] {
            let anchors = home.read(&format!("certs/{name}/ca.crt"));
            assert_eq!(
                anchors.matches("BEGIN").count(),
                2,
                "{name} trusts both roots"
            );
        }
        // What is issued meanwhile trusts both as well, and is of the old one.
        home.pki("issue d --dns d.dev").succeeds();
        home.pki("rekey c").succeeds();
        let all = ["a", "b", "c", "d"];
        all_accept_all(&home, &all);
        assert!(
            home.pki("apply pki.toml")
                .succeeds()
                .ends_with("Nothing to do.\n")
        );
        home.pki("ca rotate activate --now").succeeds();
        assert_eq!(stage(&home), "active");
        all_accept_all(&home, &all);
        home.pki("renew c").succeeds();
        assert_ne!(issuer(&home, "c"), was);
        all_accept_all(&home, &all);
        home.pki("renew --all").succeeds();
        all_accept_all(&home, &all);
        assert!(
            home.pki("apply pki.toml")
                .succeeds()
                .ends_with("Nothing to do.\n")
        );
        home.pki("ca rotate retire --force").succeeds();
        assert_eq!(stage(&home), "settled");
        for name in all {
            let anchors = home.read(&format!("certs/{name}/ca.crt"));
            assert_eq!(
                anchors,
                home.read("certs/ca/root.crt"),
                "{name} trusts the new root alone"
            );
        }
        all_accept_all(&home, &all);
        assert!(
            home.pki("apply pki.toml")
                .succeeds()
                .ends_with("Nothing to do.\n")
        );
        // And once more: the third generation.
        home.pki("ca rotate prepare --now").succeeds();
        home.pki("ca rotate activate --now").succeeds();
        assert!(
            home.pki("apply pki.toml --dry-run")
                .succeeds()
                .contains("2 to replace")
        );
        assert!(
            home.pki("issue e --dns e.dev --json")
                .succeeds()
                .contains(" 3")
        );
    }
}

#[test]
fn crls_of_both_generations_are_everywhere() {
    for root in ["", "--root"] {
        let home = home("");
        home.pki("revoke c --reason superseded").succeeds();
        home.pki("issue c --dns c.dev --force").succeeds();
        let lists = |name: &str| {
            home.read(&format!("certs/{name}/crl.pem"))
                .matches("BEGIN")
                .count()
        };
        let before = lists("a");
        home.pki(&format!("ca rotate prepare --now {root}"))
            .succeeds();
        let more = if root.is_empty() { 1 } else { 2 };
        for name in ["a", "b", "c", "ca"] {
            assert_eq!(lists(name), before + more, "{name} {root}");
        }
        all_accept_all(&home, &["a", "b", "c"]);
        home.pki("ca rotate activate --now").succeeds();
        home.pki("rekey a").succeeds();
        all_accept_all(&home, &["a", "b", "c"]);
        // What the previous CA issued can be revoked as before.
        home.pki("revoke b --reason superseded").succeeds();
        assert_eq!(home.pki("verify certs/b/tls.crt").code, 23);
        home.pki("renew a c").succeeds();
        home.pki("rekey b").succeeds();
        let retired = home.pki("ca rotate retire --force");
        assert_eq!(retired.code, 0, "{retired:?}");
        // Below a root that stays, what was revoked must not come back to life.
        assert_eq!(home.path("certs/ca/retired.crt").exists(), root.is_empty());
        assert_eq!(
            retired.stderr.contains("CRL of the retired CA"),
            root.is_empty(),
            "{retired:?}"
        );
        all_accept_all(&home, &["a", "b", "c"]);
        home.pki("crl --force").succeeds();
        all_accept_all(&home, &["a", "b", "c"]);
        home.pki("check").succeeds();
        home.pki("list").succeeds();
    }
}

#[test]
fn encrypted_keys_stay_encrypted_and_one_passphrase_is_read_once() {
    let home = Home::new();
    home.write("secret", "correct horse");
    home.pki("init --encrypt-key --passphrase-file secret")
        .succeeds();
    home.pki("issue a --dns a.dev --passphrase-file secret")
        .succeeds();
    home.pki("revoke a --passphrase-file secret").succeeds();
    snapshot!(home.pki("ca rotate prepare --now"), @r#"
    exit 8
    --- stderr
    error: The key "certs/ca/issuing.key" is encrypted, and there is no terminal to ask for the passphrase; give it with --passphrase-file or in PKI_PASSPHRASE.
    "#);
    home.write("wrong", "wrong");
    snapshot!(home.pki("ca rotate prepare --now --passphrase-file wrong"), @r#"
    exit 8
    --- stderr
    error: The key "certs/ca/issuing.key" cannot be used: the passphrase is wrong.
    "#);
    assert_eq!(stage(&home), "settled");
    // A descriptor that can be read once: the two present keys and the new one, whose CRL is signed.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut writer, b"correct horse\n").expect("written");
    drop(writer);
    let run = home
        .command(&["ca", "rotate", "prepare", "--now", "--passphrase-fd", "0"])
        .stdin(reader)
        .output();
    Run::from(run.expect("the binary starts")).succeeds();
    assert!(home.read("certs/ca/next.key").contains("ENCRYPTED"));
    // Files change their names; no key is opened for that.
    home.pki("ca rotate activate --now").succeeds();
    home.pki("rekey a --passphrase-file secret").succeeds();
    assert_eq!(issuer(&home, "a"), "/CN=Private Issuing CA 2");
}

#[test]
fn a_root_that_is_kept_elsewhere_is_asked_for() {
    let home = home("");
    fs::rename(home.path("certs/ca/root.key"), home.path("root.key")).expect("moved");
    snapshot!(home.pki("ca rotate prepare --now"), @r#"
    exit 4
    --- stderr
    error: The root's key "certs/ca/root.key" is not here, and the next issuing CA needs its signature. Bring it there for this one command, and take it away again afterwards; the present CA issues meanwhile. Or replace the root as well, with --root.
    "#);
    fs::copy(home.path("root.key"), home.path("certs/ca/root.key")).expect("brought");
    home.pki("ca rotate prepare --now").succeeds();
    fs::remove_file(home.path("certs/ca/root.key")).expect("taken away");
    home.pki("ca rotate activate --now").succeeds();
    home.pki("issue d --dns d.dev").succeeds();
    home.pki("ca rotate retire --force").succeeds();
    // A root can be replaced without the key of the old one, and the new one's may be taken away at once.
    home.pki("ca rotate prepare --root --now").succeeds();
    fs::rename(
        home.path("certs/ca/next-root.key"),
        home.path("next-root.key"),
    )
    .expect("moved");
    home.pki("ca rotate activate --now").succeeds();
    home.pki("renew --all").succeeds();
    home.pki("ca rotate retire --force").succeeds();
    assert!(
        !files(&home).contains(&"root.key".to_owned()),
        "{:?}",
        files(&home)
    );
    all_accept_all(&home, &["a", "b", "c", "d"]);
}

#[test]
fn a_folder_that_lacks_the_new_root_holds_the_activation_up() {
    let home = home("");
    let old = home.read("certs/b/ca.crt");
    home.pki("ca rotate prepare --root --now").succeeds();
    home.write("certs/b/ca.crt", &old);
    snapshot!(home.pki("ca rotate activate --now"), @r#"
    exit 3
    --- stderr
    error: Not every folder trusts the next CA yet (1 of them do not), and their services would refuse its certificates: "certs/b" (CN=Root 2,O=X is missing). Run "pki ca rotate prepare" again, let the services reload, and then activate; or go on with --force.
    "#);
    assert_eq!(stage(&home), "prepared");
    // The plan puts it right without a new key, and so does the stage itself.
    let key = home.read("certs/b/tls.key");
    snapshot!(home.pki("apply pki.toml"), @r"
    exit 0
    = ca  certs/ca
    = a   valid until [date]
    ~ b   trust: +/O=X/CN=Root 2; the certificate stays
    Plan: 0 to issue, 0 to replace, 2 unchanged, 1 of them to be given other roots.
    Done: 0 issued, the trust of 1 renewed.
    --- stderr
    notice: certs/c is not in the manifest and is left alone.
    ");
    assert_eq!(home.read("certs/b/tls.key"), key);
    home.write("certs/b/ca.crt", &old);
    home.pki("ca rotate prepare").succeeds();
    home.pki("ca rotate activate --now").succeeds();
    // A root of somebody else is not ours to take away.
    let other = Home::with_ca();
    let foreign = other.read("certs/ca/root.crt");
    home.write("certs/c/ca.crt", home.read("certs/c/ca.crt") + &foreign);
    home.pki("renew a b").succeeds();
    home.pki("ca rotate retire --force").succeeds();
    assert_eq!(
        home.read("certs/c/ca.crt"),
        home.read("certs/ca/root.crt") + &foreign
    );
}

#[test]
fn a_next_ca_without_a_crl_holds_the_activation_up_where_crls_are_read() {
    let home = home("");
    home.pki("revoke c").succeeds();
    let before = home.read("certs/ca/crl.pem");
    home.pki("ca rotate prepare --now").succeeds();
    // As if the process had died before it signed the CRL, or could not.
    for folder in ["ca", "a", "b", "c"] {
        home.write(&format!("certs/{folder}/crl.pem"), &before);
    }
    snapshot!(home.pki("ca rotate activate --now"), @r#"
    exit 3
    --- stderr
    error: Not every folder trusts the next CA yet (1 of them do not), and their services would refuse its certificates: "certs/ca" (the CRL of CN=CA 2,O=X is missing). Run "pki ca rotate prepare" again, let the services reload, and then activate; or go on with --force.
    "#);
    home.pki("ca rotate prepare").succeeds();
    home.pki("ca rotate activate --now").succeeds();
    home.pki("renew a").succeeds();
    all_accept_all(&home, &["a", "b"]);
}

#[test]
fn domains_and_lifetimes_are_handed_on() {
    let home = Home::new();
    home.pki(
        "init --permit-dns a.dev --permit-dns b.dev --days 1000 --issuing-days 400 --key p384",
    )
    .succeeds();
    let constraints = |name: &str| {
        let text = home.pki(&format!("inspect {name}")).succeeds();
        text.lines()
            .filter(|line| line.contains(".dev"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = constraints("certs/ca/issuing.crt");
    home.pki("ca rotate prepare --root --now").succeeds();
    assert_eq!(constraints("certs/ca/next.crt"), before);
    assert_eq!(constraints("certs/ca/next-root.crt"), before);
    for (name, days) in [("next", 400), ("next-root", 1000)] {
        let certificate = home.certificate(&format!("certs/ca/{name}.crt"));
        let life = (certificate.not_after() - certificate.not_before()).whole_days();
        assert_eq!(
            (life, certificate.public_key().to_string()),
            (days, "P-384".to_owned())
        );
    }
    home.pki("ca rotate activate --now").succeeds();
    assert_eq!(home.pki("issue x --dns x.example").code, 3);
    home.pki("issue x --dns x.a.dev").succeeds();
}

#[test]
fn a_killed_stage_is_completed_by_the_plain_retry() {
    let stages: [&[&str]; 3] = [
        &["ca", "rotate", "prepare", "--root", "--now"],
        &["ca", "rotate", "activate", "--now"],
        &["ca", "rotate", "retire", "--force"],
    ];
    let whole = {
        let home = home("");
        duration(|| drop(home.run(stages[0]).succeeds()))
    };
    for step in 0..16 {
        let home = home("");
        home.pki("revoke c").succeeds();
        home.pki("rekey c").succeeds();
        for (at, stage) in stages.iter().enumerate() {
            home.run_and_kill(stage, whole * step / 13);
            // Whatever is there, everything that was issued is good, and everybody can issue.
            for name in ["a", "b", "c"] {
                assert!(
                    pair_fits(&home.path(&format!("certs/{name}"))),
                    "{stage:?}, kill {step}"
                );
            }
            home.pki("issue d --dns d.dev --force").succeeds();
            home.run(stage).succeeds();
            all_accept_all(&home, &["a", "d"]);
            if at == 1 {
                home.pki("renew --all").succeeds();
            }
        }
        assert_eq!(stage(&home), "settled");
        all_accept_all(&home, &["a", "b", "c", "d"]);
        let ours = [
            "crl.pem",
            "issuing.crt",
            "issuing.key",
            "root.crt",
            "root.key",
        ];
        assert_eq!(files(&home), ours, "kill {step}");
    }
}

#[test]
fn several_at_once_rotate_once() {
    let home = home("");
    for args in [&["rotate", "--now"][..], &["rotate", "activate", "--now"]] {
        let children: Vec<_> = (0..4)
            .map(|_| {
                home.command(&[&["ca"][..], args, &["--json"]].concat())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("the binary starts")
            })
            .collect();
        let mut did = 0;
        for child in children {
            let run = Run::from(child.wait_with_output().expect("it ends"));
            assert_eq!(run.code, 0, "{run:?}");
            did += u32::from(!run.json()["did"].is_null());
        }
        assert_eq!(did, 1, "{args:?}: one of them did it");
    }
    assert_eq!(issuer_of_new(&home), "/O=X/CN=CA 2");
    all_accept_all(&home, &["a", "b", "c"]);
}

fn issuer_of_new(home: &Home) -> String {
    home.pki("issue new --dns n.dev").succeeds();
    issuer(home, "new")
}

#[test]
fn an_overview_knows_every_generation() {
    let home = home("");
    home.pki("ca rotate prepare --root --now").succeeds();
    filters().bind(|| {
        insta::assert_snapshot!(home.pki("inspect certs/ca"), @r"
    exit 0
    Folder certs/ca
      Root 2  root CA          3649 days  key ok  next-root.crt
        CA 2  intermediate CA  1825 days  key ok  next.crt
      Root    root CA          3649 days  key ok  root.crt
        CA    intermediate CA  1825 days  key ok  issuing.crt
    1 other file passed over
    ")
    });
    home.pki("ca rotate activate --now").succeeds();
    filters().bind(|| {
        insta::assert_snapshot!(home.pki("inspect certs/ca"), @r"
    exit 0
    Folder certs/ca
      Root    root CA          3649 days  key ok  previous-root.crt
        CA    intermediate CA  1825 days  key ok  previous.crt
      Root 2  root CA          3649 days  key ok  root.crt
        CA 2  intermediate CA  1825 days  key ok  issuing.crt
    1 other file passed over
    ")
    });
}

#[test]
fn a_pair_below_any_root_of_the_rotation_is_imported_and_trusts_them_all() {
    let home = home("");
    let import = |name: &str, of: &str| {
        let command = format!("import {name} --cert {of}/tls.crt --key {of}/tls.key");
        home.pki(&command)
    };
    home.pki("issue old --dns old.dev --out old").succeeds();
    home.pki("ca rotate prepare --root --now").succeeds();
    assert_eq!(
        import("first", "old").succeeds().matches("anchor").count(),
        1
    );
    home.pki("ca rotate activate --now").succeeds();
    home.pki("issue new --dns new.dev --out new").succeeds();
    let expected = home.read("new/ca.crt");
    assert_eq!(expected.matches("BEGIN").count(), 2);
    for (name, of) in [("second", "old"), ("third", "new")] {
        // No root among the files, and nothing to be told of.
        let run = import(name, of);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        assert_eq!(home.read(&format!("certs/{name}/ca.crt")), expected);
    }
    all_accept_all(&home, &["a", "first", "second", "third"]);
    home.pki("check").succeeds();
    // With CRLs as well: both issuing CAs have theirs in it.
    home.pki("crl").succeeds();
    import("fourth", "old").succeeds();
    assert_eq!(
        home.read("certs/fourth/crl.pem"),
        home.read("certs/ca/crl.pem")
    );
    home.pki("check").succeeds();
}

#[test]
fn check_finds_a_folder_whose_trust_was_left_behind() {
    let home = home("");
    let before = home.read("certs/a/ca.crt");
    home.pki("ca rotate prepare --root --now").succeeds();
    let both = home.read("certs/a/ca.crt");
    home.write("certs/a/ca.crt", &before);
    snapshot!(home.pki("check"), @r#"
    exit 102
    error    certs/a  does not trust CN=Root 2,O=X, whose certificates its service would refuse; run "pki ca rotate"
    --- stderr
    error: 7 checked; not in order: 1; ends soon: 0.
    "#);
    home.pki("ca rotate").succeeds();
    assert_eq!(home.read("certs/a/ca.crt"), both);
    home.pki("ca rotate activate --now").succeeds();
    home.pki("apply pki.toml").succeeds();
    home.pki("renew c").succeeds();
    home.pki("ca rotate retire --force").succeeds();
    home.pki("check").succeeds();
    home.write("certs/a/ca.crt", &both);
    snapshot!(home.pki("check"), @r#"
    exit 102
    error    certs/a  still trusts CN=Root,O=X, which is no root of this CA any more; run "pki ca rotate"
    --- stderr
    error: 5 checked; not in order: 1; ends soon: 0.
    "#);
    home.pki("ca rotate").succeeds();
    home.pki("check").succeeds();
}
